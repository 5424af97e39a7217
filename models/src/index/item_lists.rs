//! Item -> weighted items: the result of a learner of item-item weights.
//!
//! One section per learner (`ease`, `transitions`, ...), one row per item, one column `targets`, a list of `{item,
//! weight}`, heaviest first. A user's score of a target is the sum of the weights over the user's seed items.

use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt32Array};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};

use crate::error::{Error, Result};
use crate::ids::ItemIx;
use crate::storage::section::{self, Section};

/// Weighted targets of every item.
#[derive(Debug, Clone)]
pub struct ItemLists {
    offsets: OffsetBuffer<i32>,
    items: ScalarBuffer<u32>,
    weights: ScalarBuffer<f32>,
}

impl ItemLists {
    /// From one list per item, heaviest first.
    pub fn new(section: &str, lists: &[Vec<(ItemIx, f32)>]) -> Result<Self> {
        Ok(Self {
            offsets: section::offsets(section, lists.iter().map(Vec::len))?,
            items: lists.iter().flatten().map(|(item, _)| *item).collect(),
            weights: lists.iter().flatten().map(|(_, weight)| *weight).collect(),
        })
    }

    /// The targets of `item` with their weights, heaviest first.
    #[inline]
    pub fn of(&self, item: ItemIx) -> impl ExactSizeIterator<Item = (ItemIx, f32)> + '_ {
        let range = section::range(&self.offsets, item);
        self.items[range.clone()].iter().copied().zip(self.weights[range].iter().copied())
    }

    /// The targets of `item` and their weights, heaviest first.
    #[inline]
    pub fn list(&self, item: ItemIx) -> (&[ItemIx], &[f32]) {
        let range = section::range(&self.offsets, item);
        (&self.items[range.clone()], &self.weights[range])
    }

    /// The same weights by target: row `t` lists the items with a weight for `t`, heaviest first.
    pub fn transposed(&self, section: &str) -> Result<Self> {
        let n_items = self.offsets.len() - 1;
        let mut lists: Vec<Vec<(ItemIx, f32)>> = vec![Vec::new(); n_items];
        for source in 0..n_items as u32 {
            for (target, weight) in self.of(source) {
                lists[target as usize].push((source, weight));
            }
        }
        lists.iter_mut().for_each(|list| list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))));
        Self::new(section, &lists)
    }

    pub(crate) fn batch(&self, name: &str) -> Result<RecordBatch> {
        section::batch(name, vec![("targets", self.column(name)?)])
    }

    /// The lists as a column of `section`.
    pub(crate) fn column(&self, section: &str) -> Result<ArrayRef> {
        let targets: Vec<(&str, ArrayRef)> = vec![
            ("item", Arc::new(UInt32Array::new(self.items.clone(), None))),
            ("weight", Arc::new(Float32Array::new(self.weights.clone(), None))),
        ];
        section::list_column(section, &self.offsets, targets)
    }

    pub(crate) fn open(section: &Section, n_items: usize) -> Result<Self> {
        section.expect_rows(n_items)?;
        Self::open_column(section, "targets", n_items)
    }

    /// The lists in `column` of a section, whatever its rows are.
    pub(crate) fn open_column(section: &Section, column: &str, n_items: usize) -> Result<Self> {
        let lists = section.lists(column)?;
        let weights = lists.primitive::<Float32Type>("weight")?;
        if !weights.iter().all(|w| w.is_finite()) {
            return Err(Error::malformed(section.name(), "finite weights", "a non-finite one"));
        }
        Ok(Self { items: lists.indices("item", n_items)?, weights, offsets: lists.offsets })
    }
}
