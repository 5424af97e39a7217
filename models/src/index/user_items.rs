//! User -> scored items: items bought by users with similar purchases (user-kNN), computed in training.
//!
//! Section `user_knn`: one row per user, one column `items`, a list of `{item, score, recent}`. Scores are shares of
//! the user's best, in units of 1/65535: an answer divides every source's scores by its best anyway. `score` has a long
//! memory and `recent` a short one. Cost: 8 bytes per entry, in the mapped file.

use std::sync::Arc;

use arrow_array::types::UInt16Type;
use arrow_array::{ArrayRef, RecordBatch, UInt16Array, UInt32Array};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};

use crate::error::Result;
use crate::ids::{ItemIx, UserIx};
use crate::kernels::shares;
use crate::storage::section::{self, Section};

/// The section's name.
pub const SECTION: &str = "user_knn";

/// An item of a user's list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredItem {
    /// The item.
    pub item: ItemIx,
    /// Its score by long memory; `0..=1`.
    pub score: f32,
    /// Its score by short memory; `0..=1`.
    pub recent: f32,
}

/// A list of scored items per user.
#[derive(Debug, Clone)]
pub struct UserItems {
    offsets: OffsetBuffer<i32>,
    items: ScalarBuffer<u32>,
    scores: ScalarBuffer<u16>,
    recent: ScalarBuffer<u16>,
}

impl UserItems {
    /// From one list per user.
    ///
    /// # Errors
    /// [`Error::Malformed`](crate::error::Error::Malformed) past 2^31 - 1 entries in all.
    pub fn new(lists: &[Vec<ScoredItem>]) -> Result<Self> {
        let all = || lists.iter().flatten();
        Ok(Self {
            offsets: section::offsets(SECTION, lists.iter().map(Vec::len))?,
            items: all().map(|scored| scored.item).collect(),
            scores: all().map(|scored| shares::encode(scored.score)).collect(),
            recent: all().map(|scored| shares::encode(scored.recent)).collect(),
        })
    }

    /// The items of `user`, in the order of their list.
    #[inline]
    pub fn of(&self, user: UserIx) -> impl ExactSizeIterator<Item = ScoredItem> + '_ {
        section::range(&self.offsets, user).map(|n| ScoredItem {
            item: self.items[n],
            score: shares::decode(self.scores[n]),
            recent: shares::decode(self.recent[n]),
        })
    }

    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        let shares =
            |values: &ScalarBuffer<u16>| Arc::new(UInt16Array::new(values.clone(), None)) as ArrayRef;
        let columns = vec![
            ("item", Arc::new(UInt32Array::new(self.items.clone(), None)) as ArrayRef),
            ("score", shares(&self.scores)),
            ("recent", shares(&self.recent)),
        ];
        section::batch(SECTION, vec![("items", section::list_column(SECTION, &self.offsets, columns)?)])
    }

    pub(crate) fn open(section: &Section, n_users: usize, n_items: usize) -> Result<Self> {
        section.expect_rows(n_users)?;
        let lists = section.lists("items")?;
        Ok(Self {
            items: lists.indices("item", n_items)?,
            scores: lists.primitive::<UInt16Type>("score")?,
            recent: lists.primitive::<UInt16Type>("recent")?,
            offsets: lists.offsets,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn lists_survive_a_section() {
        let scored = |item, score, recent| ScoredItem { item, score, recent };
        let lists = [vec![scored(3, 1.0, 1e-9), scored(0, 0.25, 0.0)], Vec::new()];
        let items = UserItems::new(&lists).unwrap();
        let section = Section::in_memory(SECTION, items.batch().unwrap());
        let back = UserItems::open(&section, 2, 4).unwrap();
        let first: Vec<ScoredItem> = back.of(0).collect();
        assert_eq!((first[0].item, first[0].score, first[1].recent), (3, 1.0, 0.0));
        assert!(first[0].recent > 0.0 && (first[1].score - 0.25).abs() < 2e-5);
        assert_eq!(back.of(1).len(), 0);
        assert!(UserItems::open(&section, 2, 3).is_err(), "an item that is not there");
    }
}
