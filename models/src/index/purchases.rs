//! Purchases in both directions: `history` (user -> items) and `buyers` (item -> users).
//!
//! Both sections have one row per user (or item) and a list `purchases` of `{item | user, baskets,
//! first_at, last_at, decayed}`, latest purchase first. Times are unix seconds UTC in 32 bits.

use std::sync::Arc;

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt32Array};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};

use crate::error::{Error, Result};
use crate::storage::section::{self, Section};

/// The direction of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Rows are users; entries name items.
    History,
    /// Rows are items; entries name users.
    Buyers,
}

impl Direction {
    /// The section's name.
    pub fn section(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Buyers => "buyers",
        }
    }

    fn field(self) -> &'static str {
        match self {
            Self::History => "item",
            Self::Buyers => "user",
        }
    }
}

/// One user's purchases of one item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Purchase {
    /// The item (in a history) or the user (among buyers).
    pub ix: u32,
    /// Baskets in which the user bought the item.
    pub baskets: u32,
    /// First purchase, unix seconds.
    pub first_at: u32,
    /// Last purchase, unix seconds.
    pub last_at: u32,
    /// Baskets, each halved for every half-life between it and the end of the data window.
    pub decayed: f32,
}

impl Purchase {
    /// The first purchase of an item, at `at` (unix seconds).
    pub fn first(ix: u32, at: i64) -> Self {
        let at = u32::try_from(at.max(0)).unwrap_or(u32::MAX);
        Self { ix, baskets: 1, first_at: at, last_at: at, decayed: 1.0 }
    }

    /// These purchases with one more at `at` (unix seconds), after the data window.
    pub fn again(&self, at: i64) -> Self {
        let last_at = Self::first(self.ix, at).last_at.max(self.last_at);
        Self { baskets: self.baskets + 1, last_at, decayed: self.decayed + 1.0, ..*self }
    }

    /// Mean days between two purchases, when there were two.
    pub fn mean_gap_days(&self) -> Option<f32> {
        (self.baskets > 1)
            .then(|| (self.last_at - self.first_at) as f32 / 86_400.0 / (self.baskets - 1) as f32)
    }

    /// True if, at `at` (unix seconds), the mean gap between two purchases has passed; never after a single purchase.
    pub fn is_due(&self, at: i64) -> bool {
        let since = (at - i64::from(self.last_at)).max(0) as f32 / 86_400.0;
        self.mean_gap_days().is_some_and(|gap| gap > 0.0 && since >= gap)
    }
}

/// A list of purchases a row.
#[derive(Debug, Clone)]
pub struct Purchases {
    direction: Direction,
    offsets: OffsetBuffer<i32>,
    ix: ScalarBuffer<u32>,
    baskets: ScalarBuffer<u32>,
    first_at: ScalarBuffer<u32>,
    last_at: ScalarBuffer<u32>,
    decayed: ScalarBuffer<f32>,
}

impl Purchases {
    /// From flat entries grouped by row, `lengths[row]` each, latest first inside a row.
    pub fn new(
        direction: Direction,
        lengths: impl IntoIterator<Item = usize>,
        entries: &[Purchase],
    ) -> Result<Self> {
        Ok(Self {
            direction,
            offsets: section::offsets(direction.section(), lengths)?,
            ix: entries.iter().map(|p| p.ix).collect(),
            baskets: entries.iter().map(|p| p.baskets).collect(),
            first_at: entries.iter().map(|p| p.first_at).collect(),
            last_at: entries.iter().map(|p| p.last_at).collect(),
            decayed: entries.iter().map(|p| p.decayed).collect(),
        })
    }

    /// The same purchases read the other way, for `n_rows` rows of the other kind.
    pub fn transposed(&self, n_rows: usize) -> Result<Self> {
        let mut entries: Vec<(u32, Purchase)> = Vec::with_capacity(self.ix.len());
        for row in 0..self.rows() as u32 {
            entries.extend(self.of(row).map(|p| (p.ix, Purchase { ix: row, ..p })));
        }
        entries.sort_unstable_by_key(|(row, p)| (*row, std::cmp::Reverse(p.last_at), p.ix));
        let mut lengths = vec![0usize; n_rows];
        for (row, _) in &entries {
            lengths[*row as usize] += 1;
        }
        let direction = match self.direction {
            Direction::History => Direction::Buyers,
            Direction::Buyers => Direction::History,
        };
        let flat: Vec<Purchase> = entries.into_iter().map(|(_, p)| p).collect();
        Self::new(direction, lengths, &flat)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The purchases of `row`, latest first.
    pub fn of(&self, row: u32) -> impl DoubleEndedIterator<Item = Purchase> + ExactSizeIterator + Clone + '_ {
        section::range(&self.offsets, row).map(move |n| Purchase {
            ix: self.ix[n],
            baskets: self.baskets[n],
            first_at: self.first_at[n],
            last_at: self.last_at[n],
            decayed: self.decayed[n],
        })
    }

    /// The items (or users) of `row`, latest first, without their counts.
    pub fn ixs(&self, row: u32) -> &[u32] {
        &self.ix[section::range(&self.offsets, row)]
    }

    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        let column =
            |values: &ScalarBuffer<u32>| Arc::new(UInt32Array::new(values.clone(), None)) as ArrayRef;
        let name = self.direction.section();
        let fields = vec![
            (self.direction.field(), column(&self.ix)),
            ("baskets", column(&self.baskets)),
            ("first_at", column(&self.first_at)),
            ("last_at", column(&self.last_at)),
            ("decayed", Arc::new(Float32Array::new(self.decayed.clone(), None)) as ArrayRef),
        ];
        section::batch(name, vec![("purchases", section::list_column(name, &self.offsets, fields)?)])
    }

    pub(crate) fn open(
        direction: Direction,
        section: &Section,
        n_rows: usize,
        n_other: usize,
    ) -> Result<Self> {
        section.expect_rows(n_rows)?;
        let lists = section.lists("purchases")?;
        let purchases = Self {
            direction,
            ix: lists.indices(direction.field(), n_other)?,
            baskets: lists.primitive::<UInt32Type>("baskets")?,
            first_at: lists.primitive::<UInt32Type>("first_at")?,
            last_at: lists.primitive::<UInt32Type>("last_at")?,
            decayed: lists.primitive::<Float32Type>("decayed")?,
            offsets: lists.offsets,
        };
        let times =
            purchases.first_at.iter().zip(purchases.last_at.iter()).all(|(first, last)| first <= last);
        if !times || !purchases.decayed.iter().all(|d| d.is_finite()) {
            return Err(Error::malformed(section.name(), "first_at <= last_at and finite counts", "others"));
        }
        Ok(purchases)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn transposed_twice_is_the_same() {
        let entry = |ix, last_at| Purchase { ix, baskets: 2, first_at: 86_400, last_at, decayed: 0.5 };
        let entries = [entry(1, 864_000), entry(0, 86_400), entry(1, 172_800)];
        let history = Purchases::new(Direction::History, [2, 0, 1], &entries).unwrap();
        let buyers = history.transposed(2).unwrap();
        assert_eq!(buyers.ixs(1), &[0, 2]);
        let again = buyers.transposed(3).unwrap();
        for user in 0..3 {
            assert_eq!(again.of(user).collect::<Vec<_>>(), history.of(user).collect::<Vec<_>>());
        }
        assert_eq!(history.of(0).next().unwrap().mean_gap_days(), Some(9.0));
    }
}
