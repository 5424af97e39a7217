//! Maps outside ids to dense numbers, in order of first appearance.

use rustc_hash::FxHasher;
use std::hash::Hasher;

/// An empty slot of the table.
const FREE: u64 = u64::MAX;

/// Numbers of distinct byte strings. Memory: one copy of each in one arena, plus 24 to 40 bytes.
/// The table holds half of each hash, so most comparisons and the growth of the table need no id.
#[derive(Debug, Default)]
pub struct Dictionary {
    /// (half a hash << 32 | number) or [`FREE`]; a power of two, at most half full.
    table: Vec<u64>,
    arena: Vec<u8>,
    /// End of each id in the arena, by number.
    ends: Vec<usize>,
    /// The last number looked up, which is tried first: adjacent rows repeat their ids.
    last: u32,
}

impl Dictionary {
    /// The number of `id`, a new one if it was not seen before. `None` if all numbers are used;
    /// `u32::MAX` is never used, because it marks guests.
    pub fn code(&mut self, id: &[u8]) -> Option<u32> {
        if (self.last as usize) < self.ends.len() && self.id(self.last) == id {
            return Some(self.last);
        }
        if self.ends.len() * 2 >= self.table.len() {
            self.grow();
        }
        let half_hash = half_hash(id);
        let mut place = self.place(half_hash);
        while self.table[place] != FREE {
            let (other, code) = ((self.table[place] >> 32) as u32, self.table[place] as u32);
            if other == half_hash && self.id(code) == id {
                self.last = code;
                return Some(code);
            }
            place = (place + 1) & (self.table.len() - 1);
        }
        let code = u32::try_from(self.ends.len()).ok().filter(|code| *code < u32::MAX)?;
        self.table[place] = u64::from(half_hash) << 32 | u64::from(code);
        self.arena.extend_from_slice(id);
        self.ends.push(self.arena.len());
        self.last = code;
        Some(code)
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The id of a number, as text.
    pub fn name(&self, code: u32) -> String {
        String::from_utf8_lossy(self.id(code)).into_owned()
    }

    /// The number of an id; `None` if it was not seen.
    pub fn find(&self, id: &[u8]) -> Option<u32> {
        if self.table.is_empty() {
            return None;
        }
        let half_hash = half_hash(id);
        let mut place = self.place(half_hash);
        while self.table[place] != FREE {
            let (other, code) = ((self.table[place] >> 32) as u32, self.table[place] as u32);
            if other == half_hash && self.id(code) == id {
                return Some(code);
            }
            place = (place + 1) & (self.table.len() - 1);
        }
        None
    }

    /// The ids by number. Invalid UTF-8 is replaced by U+FFFD.
    pub fn into_names(self) -> Vec<String> {
        (0..self.ends.len()).map(|code| String::from_utf8_lossy(self.id(code as u32)).into_owned()).collect()
    }

    /// The ids for which `used` is true, in byte order, and the new number of each old number;
    /// `u32::MAX` for unused ones.
    pub fn into_sorted(self, used: impl Fn(u32) -> bool) -> (Vec<String>, Vec<u32>) {
        // Numbers are u32, so both directions fit.
        let mut old: Vec<u32> = (0..self.ends.len() as u32).filter(|old| used(*old)).collect();
        old.sort_unstable_by(|a, b| self.id(*a).cmp(self.id(*b)));
        let mut new_of_old = vec![u32::MAX; self.ends.len()];
        for (new, old) in old.iter().enumerate() {
            new_of_old[*old as usize] = new as u32;
        }
        let name = |old: &u32| String::from_utf8_lossy(self.id(*old)).into_owned();
        (old.iter().map(name).collect(), new_of_old)
    }

    fn id(&self, code: u32) -> &[u8] {
        let code = code as usize;
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        &self.arena[start..self.ends[code]]
    }

    /// The first slot of a hash's probe sequence: its upper bits, spread over the table.
    fn place(&self, half_hash: u32) -> usize {
        let spread = u64::from(half_hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (spread >> 32) as usize & (self.table.len() - 1)
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(64);
        let old = std::mem::replace(&mut self.table, vec![FREE; size]);
        for entry in old.into_iter().filter(|entry| *entry != FREE) {
            let mut place = self.place((entry >> 32) as u32);
            while self.table[place] != FREE {
                place = (place + 1) & (size - 1);
            }
            self.table[place] = entry;
        }
    }
}

fn half_hash(id: &[u8]) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(id);
    // The hash of the bytes alone does not distinguish an id from the same id with zeros appended; the length does.
    hasher.write_usize(id.len());
    (hasher.finish() >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::Dictionary;

    #[test]
    fn used_ids_are_renumbered_in_order_of_their_bytes() {
        let mut dictionary = Dictionary::default();
        assert_eq!(["b", "面", "a", "b"].map(|id| dictionary.code(id.as_bytes())), [0, 1, 2, 0].map(Some));
        let (names, map) = dictionary.into_sorted(|old| old != 0);
        assert_eq!(names, ["a", "面"]);
        assert_eq!(map, [u32::MAX, 1, 0]);
    }

    #[test]
    fn every_id_keeps_its_number_while_the_table_grows() {
        let mut dictionary = Dictionary::default();
        let ids: Vec<String> = (0..20_000).map(|i| format!("{}{}", "x".repeat(i % 7), i)).collect();
        for _ in 0..2 {
            for (number, id) in ids.iter().enumerate() {
                assert_eq!(dictionary.code(id.as_bytes()), Some(number as u32));
            }
        }
        assert_eq!(dictionary.into_names(), ids);
    }

    #[test]
    fn the_empty_id_is_an_id() {
        let mut dictionary = Dictionary::default();
        assert_eq!([&b"a"[..], b"", b"\0", b""].map(|id| dictionary.code(id)), [0, 1, 2, 1].map(Some));
    }
}
