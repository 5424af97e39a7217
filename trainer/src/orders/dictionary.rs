//! Outside ids to dense numbers, in order of first appearance.

use rustc_hash::FxHashMap;

/// Numbers of distinct byte strings: one copy of each, about 40 bytes beside it.
#[derive(Debug, Default)]
pub struct Dictionary {
    codes: FxHashMap<Box<[u8]>, u32>,
}

impl Dictionary {
    /// The number of `id`, a new one where it was not seen before. `None` when all are taken;
    /// `u32::MAX` is never given, it marks guests.
    pub fn code(&mut self, id: &[u8]) -> Option<u32> {
        if let Some(&code) = self.codes.get(id) {
            return Some(code);
        }
        let code = u32::try_from(self.codes.len()).ok().filter(|code| *code < u32::MAX)?;
        self.codes.insert(id.into(), code);
        Some(code)
    }

    /// How many numbers were given.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// The ids by number.
    pub fn into_names(self) -> Vec<String> {
        let mut names = vec![String::new(); self.codes.len()];
        for (id, code) in self.codes {
            names[code as usize] = text(id);
        }
        names
    }

    /// Sorts the ids for which `used` holds by bytes. Gives them, and by old number the new one;
    /// `u32::MAX` stands for an unused one.
    pub fn into_sorted(self, used: impl Fn(u32) -> bool) -> (Vec<String>, Vec<u32>) {
        let mut new_of_old = vec![u32::MAX; self.codes.len()];
        let mut ids: Vec<(Box<[u8]>, u32)> = self.codes.into_iter().filter(|(_, old)| used(*old)).collect();
        ids.sort_unstable();
        let mut names = Vec::with_capacity(ids.len());
        for (new, (id, old)) in ids.into_iter().enumerate() {
            // There are no more new numbers than old ones, which are u32.
            new_of_old[old as usize] = new as u32;
            names.push(text(id));
        }
        (names, new_of_old)
    }
}

/// Ids that people see are text; keys that are not never leave as names, so nothing is lost.
fn text(id: Box<[u8]>) -> String {
    String::from_utf8(id.into_vec())
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
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
}
