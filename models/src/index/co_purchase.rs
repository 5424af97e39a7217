//! Co-purchase: for each item, the items that share baskets with it, best first.
//!
//! Section `co_purchase`: one row per item; `baskets` (how many baskets hold it) and `pairs`, a list of
//! `{item, baskets, score}` with at most the trainer's top-N. Support, confidence and lift follow from
//! the counts and are computed on reading, so that they can never disagree with them.

use std::sync::Arc;

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt32Array};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};

use crate::error::{Error, Result};
use crate::ids::ItemIx;
use crate::storage::section::{self, Section};

/// The section's name.
pub const SECTION: &str = "co_purchase";

/// Item -> items bought in the same baskets.
#[derive(Debug, Clone)]
pub struct CoPurchase {
    n_baskets: u64,
    baskets: ScalarBuffer<u32>,
    offsets: OffsetBuffer<i32>,
    items: ScalarBuffer<u32>,
    together: ScalarBuffer<u32>,
    scores: ScalarBuffer<f32>,
}

/// One neighbor of an item, with its evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The neighbor.
    pub item: ItemIx,
    /// Baskets that hold both items.
    pub baskets: u32,
    /// `baskets / sqrt(baskets(a) * baskets(b))`, shrunk towards 0 for rare pairs; `0..1`.
    pub score: f32,
}

/// Association of two items, from counts over all baskets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Association {
    /// Share of all baskets that hold both; `0..=1`.
    pub support: f64,
    /// Share of the baskets with the first item that hold the second too; `0..=1`.
    pub confidence: f64,
    /// Confidence over the second item's share of baskets; 1 is chance.
    pub lift: f64,
}

impl CoPurchase {
    /// From neighbor lists, best first. `baskets[i]` counts the baskets that hold item `i`.
    pub fn new(n_baskets: u64, baskets: Vec<u32>, lists: &[Vec<Pair>]) -> Result<Self> {
        let all = || lists.iter().flatten();
        Ok(Self {
            n_baskets,
            offsets: section::offsets(SECTION, lists.iter().map(Vec::len))?,
            items: all().map(|p| p.item).collect(),
            together: all().map(|p| p.baskets).collect(),
            scores: all().map(|p| p.score).collect(),
            baskets: baskets.into(),
        })
    }

    /// The neighbors of `item`, best first.
    pub fn pairs(&self, item: ItemIx) -> impl ExactSizeIterator<Item = Pair> + '_ {
        let range = section::range(&self.offsets, item);
        let (items, together) = (&self.items[range.clone()], &self.together[range.clone()]);
        let scores = &self.scores[range];
        (0..items.len()).map(move |n| Pair { item: items[n], baskets: together[n], score: scores[n] })
    }

    /// Baskets that hold `item`.
    pub fn baskets(&self, item: ItemIx) -> u32 {
        self.baskets[item as usize]
    }

    /// Baskets that hold each item.
    pub fn baskets_of(&self) -> &[u32] {
        &self.baskets
    }

    /// Baskets that were counted over.
    pub fn n_baskets(&self) -> u64 {
        self.n_baskets
    }

    /// Baskets that hold both items; `None` unless either is among the other's neighbors.
    pub fn together(&self, a: ItemIx, b: ItemIx) -> Option<u32> {
        let listed = |of, other| self.pairs(of).find(|pair| pair.item == other).map(|pair| pair.baskets);
        listed(a, b).or_else(|| listed(b, a))
    }

    /// Support, confidence (`a -> b`) and lift of a pair counted `together` times.
    pub fn association(&self, a: ItemIx, b: ItemIx, together: u32) -> Association {
        self.association_of(self.baskets(a), self.baskets(b), together)
    }

    /// The same of two sets of items, of which `a` and `b` baskets hold all, and `together` hold both.
    pub fn association_of(&self, a: u32, b: u32, together: u32) -> Association {
        let (n, together) = (self.n_baskets.max(1) as f64, f64::from(together));
        let confidence = together / f64::from(a.max(1));
        Association { support: together / n, confidence, lift: confidence * n / f64::from(b.max(1)) }
    }

    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        let pairs: Vec<(&str, ArrayRef)> = vec![
            ("item", Arc::new(UInt32Array::new(self.items.clone(), None))),
            ("baskets", Arc::new(UInt32Array::new(self.together.clone(), None))),
            ("score", Arc::new(Float32Array::new(self.scores.clone(), None))),
        ];
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("baskets", Arc::new(UInt32Array::new(self.baskets.clone(), None))),
            ("pairs", section::list_column(SECTION, &self.offsets, pairs)?),
        ];
        section::batch(SECTION, columns)
    }

    pub(crate) fn open(section: &Section, n_items: usize, n_baskets: u64) -> Result<Self> {
        section.expect_rows(n_items)?;
        let lists = section.lists("pairs")?;
        let scores = lists.primitive::<Float32Type>("score")?;
        if !scores.iter().all(|s| s.is_finite()) {
            return Err(Error::malformed(SECTION, "finite scores", "a non-finite one"));
        }
        Ok(Self {
            n_baskets,
            baskets: section.primitive::<UInt32Type>("baskets")?,
            items: lists.indices("item", n_items)?,
            together: lists.primitive::<UInt32Type>("baskets")?,
            scores,
            offsets: lists.offsets,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn association_of_hand_counted_baskets() {
        // Five baskets: {a b} {a b} {a} {b} {c}: a in 3, b in 3, together in 2.
        let pair = |item| Pair { item, baskets: 2, score: 0.5 };
        let index = CoPurchase::new(5, vec![3, 3, 1], &[vec![pair(1)], vec![pair(0)], vec![]]).unwrap();
        let a = index.association(0, 1, index.pairs(0).next().unwrap().baskets);
        assert!((a.support - 0.4).abs() < 1e-12);
        assert!((a.confidence - 2.0 / 3.0).abs() < 1e-12);
        assert!((a.lift - (2.0 / 3.0) / (3.0 / 5.0)).abs() < 1e-12);
        assert_eq!(index.pairs(2).len(), 0);
    }

    #[test]
    fn a_section_reads_back_and_an_index_out_of_range_is_refused() {
        let pair = |item| Pair { item, baskets: 1, score: 0.1 };
        let index = CoPurchase::new(2, vec![1, 1], &[vec![pair(1)], vec![pair(0)]]).unwrap();
        let section = Section::in_memory(SECTION, index.batch().unwrap());
        let back = CoPurchase::open(&section, 2, 2).unwrap();
        assert_eq!(back.pairs(0).collect::<Vec<_>>(), index.pairs(0).collect::<Vec<_>>());
        let stray = CoPurchase::new(2, vec![1, 1], &[vec![pair(7)], vec![]]).unwrap();
        assert!(CoPurchase::open(&Section::in_memory(SECTION, stray.batch().unwrap()), 2, 2).is_err());
    }
}
