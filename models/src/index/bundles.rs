//! Bundles (搭配购): sets of two to five items that real baskets hold together far more often than chance.
//!
//! Section `bundles`: one row per set, in the order of their items; `items` (a list, rising), `baskets` (the number
//! that hold all of them) and `score` (the strength of the evidence; see the trainer's `learn/bundles.rs`). Every
//! subset of two or more of a row's items is also a row, so that the confidence of any part of a set follows from
//! stored counts.

use std::cmp::Ordering;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt32Array};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};

use crate::error::{Error, Result};
use crate::ids::ItemIx;
use crate::storage::section::{self, Section};

/// The section's name.
pub const SECTION: &str = "bundles";
/// Items of a set.
pub const SIZES: RangeInclusive<usize> = 2..=5;

/// One set, to build [`Bundles`].
#[derive(Debug, Clone, PartialEq)]
pub struct Itemset {
    /// Two to five items, rising.
    pub items: Vec<ItemIx>,
    /// Baskets that hold all of them.
    pub baskets: u32,
    /// Higher is better; finite.
    pub score: f32,
}

/// All sets, with an index from items to their sets.
#[derive(Debug, Clone)]
pub struct Bundles {
    offsets: OffsetBuffer<i32>,
    items: ScalarBuffer<u32>,
    baskets: ScalarBuffer<u32>,
    scores: ScalarBuffer<f32>,
    /// Item `i` stands in the sets `rows[starts[i]..starts[i + 1]]`, best first. Derived on opening.
    starts: Vec<u32>,
    rows: Vec<u32>,
    /// The sets whose first item is `i` are the rows `firsts[i]..firsts[i + 1]`. Derived, too.
    firsts: Vec<u32>,
}

impl Bundles {
    /// From sets in any order, over `n_items` items of which `baskets_of[i]` baskets hold item `i`.
    ///
    /// # Errors
    /// If a set breaks the rules of [`Itemset`], occurs twice, or names an unknown item.
    pub fn new(baskets_of: &[u32], mut sets: Vec<Itemset>) -> Result<Self> {
        sets.sort_unstable_by(|a, b| a.items.cmp(&b.items));
        let offsets = section::offsets(SECTION, sets.iter().map(|s| s.items.len()))?;
        let items = sets.iter().flat_map(|s| s.items.iter().copied()).collect();
        let (baskets, scores) =
            (sets.iter().map(|s| s.baskets).collect(), sets.iter().map(|s| s.score).collect());
        Self::checked(offsets, items, baskets, scores, baskets_of)
    }

    /// No set, over `n_items` items.
    pub fn none(n_items: usize) -> Self {
        Self {
            offsets: OffsetBuffer::new_empty(),
            items: Vec::new().into(),
            baskets: Vec::new().into(),
            scores: Vec::new().into(),
            starts: vec![0; n_items + 1],
            rows: Vec::new(),
            firsts: vec![0; n_items + 1],
        }
    }

    /// The sets that hold `item`, best first, by row.
    pub fn rows_of(&self, item: ItemIx) -> &[u32] {
        let (start, end) = (self.starts[item as usize], self.starts[item as usize + 1]);
        &self.rows[start as usize..end as usize]
    }

    /// The items of a row, rising.
    pub fn items(&self, row: u32) -> &[ItemIx] {
        &self.items[section::range(&self.offsets, row)]
    }

    /// Baskets that hold all items of a row.
    pub fn baskets(&self, row: u32) -> u32 {
        self.baskets[row as usize]
    }

    /// The strength of the evidence for a row; higher is better.
    pub fn score(&self, row: u32) -> f32 {
        self.scores[row as usize]
    }

    /// Number of sets.
    pub fn len(&self) -> usize {
        self.baskets.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.baskets.is_empty()
    }

    /// The row of the set with exactly these items (rising); `None` if there is none.
    pub fn row(&self, items: &[ItemIx]) -> Option<u32> {
        let first = *items.first()? as usize;
        let (mut low, mut high) = (*self.firsts.get(first)?, *self.firsts.get(first + 1)?);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.items(middle).cmp(items) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(middle),
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        let items: Vec<(&str, ArrayRef)> =
            vec![("item", Arc::new(UInt32Array::new(self.items.clone(), None)))];
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("items", section::list_column(SECTION, &self.offsets, items)?),
            ("baskets", Arc::new(UInt32Array::new(self.baskets.clone(), None))),
            ("score", Arc::new(Float32Array::new(self.scores.clone(), None))),
        ];
        section::batch(SECTION, columns)
    }

    pub(crate) fn open(section: &Section, baskets_of: &[u32]) -> Result<Self> {
        let lists = section.lists("items")?;
        let items = lists.indices("item", baskets_of.len())?;
        let baskets = section.primitive::<UInt32Type>("baskets")?;
        let scores = section.primitive::<Float32Type>("score")?;
        Self::checked(lists.offsets, items, baskets, scores, baskets_of)
    }

    fn checked(
        offsets: OffsetBuffer<i32>,
        items: ScalarBuffer<u32>,
        baskets: ScalarBuffer<u32>,
        scores: ScalarBuffer<f32>,
        baskets_of: &[u32],
    ) -> Result<Self> {
        let (starts, rows, firsts) = Default::default();
        let mut bundles = Self { offsets, items, baskets, scores, starts, rows, firsts };
        for row in 0..bundles.len() as u32 {
            bundles.check(row, baskets_of)?;
        }
        bundles.index(baskets_of.len());
        Ok(bundles)
    }

    fn check(&self, row: u32, baskets_of: &[u32]) -> Result<()> {
        let (items, baskets) = (self.items(row), self.baskets(row));
        let held = |item: &ItemIx| baskets_of.get(*item as usize).is_some_and(|&all| baskets <= all);
        let wrong = if !SIZES.contains(&items.len()) || !items.is_sorted_by(|a, b| a < b) {
            "two to five rising items"
        } else if row > 0 && self.items(row - 1) >= items {
            "distinct sets in the order of their items"
        } else if !items.iter().all(held) {
            "no more baskets than hold each item"
        } else if !self.score(row).is_finite() {
            "a finite score"
        } else {
            return Ok(());
        };
        Err(Error::malformed(SECTION, wrong, format!("{items:?} in {baskets} baskets in row {row}")))
    }

    /// Item -> rows, best first.
    fn index(&mut self, n_items: usize) {
        let mut starts = vec![0u32; n_items + 1];
        self.items.iter().for_each(|&item| starts[item as usize + 1] += 1);
        for item in 0..n_items {
            starts[item + 1] += starts[item];
        }
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| self.score(b).total_cmp(&self.score(a)).then(a.cmp(&b)));
        let (mut next, mut rows) = (starts.clone(), vec![0u32; self.items.len()]);
        for row in order {
            for &item in self.items(row) {
                rows[next[item as usize] as usize] = row;
                next[item as usize] += 1;
            }
        }
        (self.starts, self.rows) = (starts, rows);
        self.firsts = vec![0; n_items + 1];
        for row in 0..self.len() as u32 {
            let first = self.items(row)[0] as usize;
            self.firsts[first + 1] = row + 1;
        }
        // An item that begins no set has an empty range at the end of the one before it.
        for item in 0..n_items {
            self.firsts[item + 1] = self.firsts[item + 1].max(self.firsts[item]);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const BASKETS_OF: [u32; 4] = [5, 4, 9, 1];

    fn set(items: &[u32], baskets: u32, score: f32) -> Itemset {
        Itemset { items: items.to_vec(), baskets, score }
    }

    fn bundles() -> Bundles {
        let sets =
            vec![set(&[1, 2], 3, 0.5), set(&[0, 1, 2], 2, 2.0), set(&[0, 2], 4, 1.0), set(&[0, 1], 3, 0.1)];
        Bundles::new(&BASKETS_OF, sets).unwrap()
    }

    #[test]
    fn every_item_finds_its_sets_best_first_and_every_set_its_row() {
        let section = Section::in_memory(SECTION, bundles().batch().unwrap());
        let back = Bundles::open(&section, &BASKETS_OF).unwrap();
        let sets = |item| back.rows_of(item).iter().map(|&row| back.items(row).to_vec()).collect::<Vec<_>>();
        assert_eq!(sets(0), [vec![0, 1, 2], vec![0, 2], vec![0, 1]]);
        assert_eq!(sets(1), [vec![0, 1, 2], vec![1, 2], vec![0, 1]]);
        assert!(sets(3).is_empty());
        for row in 0..4 {
            assert_eq!(back.row(back.items(row)), Some(row));
        }
        assert_eq!((back.row(&[0, 3]), back.row(&[])), (None, None));
        assert_eq!(back.baskets(back.row(&[0, 2]).unwrap()), 4);
    }

    #[test]
    fn sets_that_cannot_be_are_refused() {
        for (bad, says) in [
            (vec![set(&[0], 1, 1.0)], "two to five"),
            (vec![set(&[0, 1, 2, 3, 4, 5], 1, 1.0)], "two to five"),
            (vec![set(&[1, 0], 1, 1.0)], "rising"),
            (vec![set(&[1, 1], 1, 1.0)], "rising"),
            (vec![set(&[0, 1], 1, 1.0), set(&[0, 1], 1, 1.0)], "distinct"),
            (vec![set(&[0, 3], 2, 1.0)], "no more baskets"),
            (vec![set(&[0, 4], 1, 1.0)], "no more baskets"),
            (vec![set(&[0, 1], 1, f32::NAN)], "finite"),
        ] {
            let error = Bundles::new(&BASKETS_OF, bad).unwrap_err().to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
        let section = Section::in_memory(SECTION, bundles().batch().unwrap());
        assert!(Bundles::open(&section, &[5, 4]).is_err());
    }
}
