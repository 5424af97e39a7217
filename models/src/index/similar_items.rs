//! Item -> similar items: the neighbors of every item, computed in training.
//!
//! Section `similar`: one row per item, one column `items`, a list of `{item, co_purchase, factors, content,
//! external_1, external_2}`, most similar first. A number is the source's score as a share of its best for the row, in
//! units of 1/65535. Cost: 14 bytes per entry, in the mapped file.

use std::sync::Arc;

use arrow_array::types::UInt16Type;
use arrow_array::{ArrayRef, RecordBatch, UInt16Array, UInt32Array};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};

use crate::error::Result;
use crate::ids::ItemIx;
use crate::kernels::shares;
use crate::source::{Evidence, Source};
use crate::storage::section::{self, Section};

/// The section's name.
pub const SECTION: &str = "similar";

/// Sources of similarity, and their weights. Content counts half as much as behavior: the most similar items without
/// sales belong in the middle of an answer, not at its head.
pub const SOURCES: [(Source, f32); 5] = [
    (Source::CoPurchase, 0.5),
    (Source::Factors, 0.5),
    (Source::Content, 0.25),
    (Source::External1, 0.5),
    (Source::External2, 0.5),
];

/// The neighbors of every item.
#[derive(Debug, Clone)]
pub struct SimilarItems {
    offsets: OffsetBuffer<i32>,
    items: ScalarBuffer<u32>,
    /// Shares of the best, by place in [`SOURCES`].
    shares: [ScalarBuffer<u16>; SOURCES.len()],
}

impl SimilarItems {
    /// From one list per item, each most similar first; evidence as shares of the best, `0..=1`.
    ///
    /// # Errors
    /// [`Error::Malformed`](crate::error::Error::Malformed) past 2^31 - 1 entries in all.
    pub fn new(lists: &[Vec<(ItemIx, Evidence)>]) -> Result<Self> {
        let all = || lists.iter().flatten();
        let of = |(source, _): (Source, f32)| {
            all().map(|(_, evidence)| shares::encode(evidence[source as usize])).collect()
        };
        Ok(Self {
            offsets: section::offsets(SECTION, lists.iter().map(Vec::len))?,
            items: all().map(|(item, _)| *item).collect(),
            shares: SOURCES.map(of),
        })
    }

    /// No neighbors: for models that answer `/recommend` only.
    pub fn none(n_items: usize) -> Self {
        Self {
            offsets: OffsetBuffer::new_zeroed(n_items),
            items: ScalarBuffer::default(),
            shares: Default::default(),
        }
    }

    /// The neighbors of `item` with their evidence, most similar first.
    #[inline]
    pub fn of(&self, item: ItemIx) -> impl ExactSizeIterator<Item = (ItemIx, Evidence)> + '_ {
        section::range(&self.offsets, item).map(|n| {
            let mut evidence = Evidence::default();
            for ((source, _), shares) in SOURCES.iter().zip(&self.shares) {
                evidence[*source as usize] = shares::decode(shares[n]);
            }
            (self.items[n], evidence)
        })
    }

    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        let mut columns: Vec<(&str, ArrayRef)> =
            vec![("item", Arc::new(UInt32Array::new(self.items.clone(), None)))];
        for ((source, _), shares) in SOURCES.iter().zip(&self.shares) {
            columns.push((source.name(), Arc::new(UInt16Array::new(shares.clone(), None))));
        }
        section::batch(SECTION, vec![("items", section::list_column(SECTION, &self.offsets, columns)?)])
    }

    pub(crate) fn open(section: &Section, n_items: usize) -> Result<Self> {
        section.expect_rows(n_items)?;
        let lists = section.lists("items")?;
        let mut shares: [ScalarBuffer<u16>; SOURCES.len()] = Default::default();
        for (shares, (source, _)) in shares.iter_mut().zip(SOURCES) {
            *shares = lists.primitive::<UInt16Type>(source.name())?;
        }
        Ok(Self { items: lists.indices("item", n_items)?, shares, offsets: lists.offsets })
    }
}

/// The weighted sum of the evidence.
pub fn score(evidence: &Evidence) -> f32 {
    SOURCES.iter().map(|(source, weight)| evidence[*source as usize] * weight).sum()
}
