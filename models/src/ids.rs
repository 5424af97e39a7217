//! External ids and dense indices.
//!
//! Externally, an item or a user is a UTF-8 string of at most [`MAX_ID_BYTES`]. Internally, it is a row number of its
//! vocabulary. A [`Vocabulary`] is a pair of sections: the ids in byte order (one arena, no `String` per id) and an
//! open-addressing table from hash to row, written once by the trainer, so that opening ten million users costs nothing
//! and a look-up is one hash, one probe and one comparison.

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow_buffer::ScalarBuffer;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::storage::section::{self, Section};

/// Row of an item in the item vocabulary: dense, `0..n_items`, in byte order of the ids.
pub type ItemIx = u32;
/// Row of a user in the user vocabulary: dense, `0..n_users`, in byte order of the ids.
pub type UserIx = u32;

/// The longest outside id, in bytes.
pub const MAX_ID_BYTES: usize = 256;
const EMPTY: u32 = u32::MAX;

/// Outside id <-> dense index, for items or for users.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    ids: StringArray,
    /// Power of two long, at most half full; `EMPTY` or a row of `ids`.
    slots: ScalarBuffer<u32>,
}

impl Vocabulary {
    /// Builds from ids that are sorted by bytes and distinct.
    ///
    /// # Errors
    /// [`Error::Malformed`] when they are not, or when one is empty or longer than [`MAX_ID_BYTES`].
    pub fn new<S: AsRef<str>>(ids: &[S]) -> Result<Self> {
        let array = StringArray::from_iter_values(ids.iter().map(AsRef::as_ref));
        check_ids("vocabulary", &array)?;
        let mut slots = vec![EMPTY; (ids.len() * 2).next_power_of_two().max(2)];
        let mask = slots.len() - 1;
        for (row, id) in ids.iter().enumerate() {
            let mut at = xxh3_64(id.as_ref().as_bytes()) as usize & mask;
            while slots[at] != EMPTY {
                at = (at + 1) & mask;
            }
            slots[at] = row as u32;
        }
        Ok(Self { ids: array, slots: slots.into() })
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        arrow_array::Array::len(&self.ids)
    }

    /// True if there is no id at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row of an outside id, if it is known.
    pub fn ix(&self, id: &str) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = xxh3_64(id.as_bytes()) as usize & mask;
        for _ in 0..self.slots.len() {
            match self.slots[at] {
                EMPTY => return None,
                row if self.ids.value(row as usize) == id => return Some(row),
                _ => at = (at + 1) & mask,
            }
        }
        None
    }

    /// The row of the id with this [`key`](Self::key), if it is known.
    pub fn by_key(&self, key: u64) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let from = key as usize & mask;
        let slots = self.slots[from..].iter().chain(&self.slots[..from]);
        slots.copied().take_while(|&row| row != EMPTY).find(|&row| self.key(row) == key)
    }

    /// A hash of the id of a row: the same in every vocabulary that has the id. Two ids of a million share one with a
    /// probability of 3e-8.
    pub fn key(&self, ix: u32) -> u64 {
        xxh3_64(self.id(ix).as_bytes())
    }

    /// The outside id of a row. Panics when `ix` is not a row of this vocabulary.
    pub fn id(&self, ix: u32) -> &str {
        self.ids.value(ix as usize)
    }

    /// The id column, to be a section's first.
    pub(crate) fn id_column(&self) -> ArrayRef {
        Arc::new(self.ids.clone())
    }

    pub(crate) fn lookup_batch(&self) -> Result<RecordBatch> {
        section::batch(
            "lookup",
            vec![("row", Arc::new(UInt32Array::new(self.slots.clone(), None)) as ArrayRef)],
        )
    }

    /// Opens the pair of sections, checking order, lengths and every slot.
    pub(crate) fn open(ids: &Section, id_column: &str, lookup: &Section) -> Result<Self> {
        let array = ids.strings(id_column)?;
        check_ids(ids.name(), &array)?;
        let slots = lookup.primitive::<arrow_array::types::UInt32Type>("row")?;
        let rows = arrow_array::Array::len(&array);
        let filled = slots.iter().filter(|&&row| row != EMPTY).count();
        let in_range = slots.iter().all(|&row| row == EMPTY || (row as usize) < rows);
        if !slots.len().is_power_of_two() || filled != rows || slots.len() < 2 * rows || !in_range {
            return Err(Error::malformed(
                lookup.name(),
                format!("a power of two of at least {} slots holding {rows} rows", 2 * rows),
                format!("{} slots holding {filled}", slots.len()),
            ));
        }
        Ok(Self { ids: array, slots })
    }
}

fn check_ids(section: &str, ids: &StringArray) -> Result<()> {
    let mut previous: Option<&str> = None;
    for row in 0..arrow_array::Array::len(ids) {
        let id = ids.value(row);
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            let got = format!("{} bytes in row {row}", id.len());
            return Err(Error::malformed(section, format!("ids of 1 to {MAX_ID_BYTES} bytes"), got));
        }
        if previous.is_some_and(|p| p >= id) {
            return Err(Error::malformed(
                section,
                "distinct ids in byte order",
                format!("`{id}` in row {row}"),
            ));
        }
        previous = Some(id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_id_is_found_and_no_other() {
        let ids: Vec<String> = (0..1000).map(|n| format!("商品/{n:05} 🍚")).collect();
        let vocabulary = Vocabulary::new(&ids).unwrap();
        for (row, id) in ids.iter().enumerate() {
            assert_eq!(vocabulary.ix(id), Some(row as u32));
            assert_eq!(vocabulary.id(row as u32), id);
        }
        assert_eq!(vocabulary.ix("商品"), None);
        assert_eq!(vocabulary.ix(""), None);
    }

    #[test]
    fn unsorted_double_empty_and_long_ids_are_refused() {
        for bad in [vec!["b", "a"], vec!["a", "a"], vec![""], vec!["x".repeat(257).leak() as &str]] {
            assert!(Vocabulary::new(&bad).is_err(), "{bad:?}");
        }
        assert!(Vocabulary::new::<&str>(&[]).unwrap().ix("a").is_none());
    }
}
