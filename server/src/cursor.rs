//! Cursors: the signed position of the next page of a list.
//!
//! A cursor holds what the list has shown, by hashes of ids: the next page is made of all other items, by the model,
//! the prices and the rules of its own moment. So it holds across swaps, and no server keeps anything for it. It says
//! whose it is and when it ends, and is signed by a key that the servers of a deployment share (decision 100).
//!
//! Layout, little-endian, in base64url: format (1 byte), end (unix seconds, 8), person (8), scene (8), number of items
//! shown elsewhere (2), hashes of items (8 each), those shown elsewhere first; blake3 of all that, keyed (32).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::problem::{Code, Problem};

/// Seconds in which the next page can be asked for.
pub const SECONDS: i64 = 1_800;
/// Most items that a cursor remembers; a list ends there.
pub const MAX_ITEMS: usize = 1_000;
/// Longest cursor, in characters.
pub const MAX_CHARS: usize = (HEAD + 8 * MAX_ITEMS + SIGNATURE) * 4 / 3 + 4;
const FORMAT: u8 = 1;
const HEAD: usize = 1 + 8 + 8 + 8 + 2;
const SIGNATURE: usize = 32;

/// The items that a list has shown, by their [`key`](qianmian_models::ids::Vocabulary::key).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Items that the same page showed outside the list.
    pub elsewhere: Vec<u64>,
    /// Items of the list, in its order.
    pub shown: Vec<u64>,
}

/// The owner of a list: its person and its scene, as hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    person: u64,
    scene: u64,
}

/// The key that cursors are signed by.
#[derive(Clone)]
pub struct CursorKey([u8; 32]);

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }
}

impl CursorKey {
    /// From a text known to servers only.
    pub fn new(secret: &str) -> Self {
        Self(blake3::derive_key("qianmian 2026-11 cursors of lists", secret.as_bytes()))
    }

    /// The owner of a list: `names` are those that identify the person, or the session, in the call.
    pub fn owner<'n>(&self, shop: &'n str, names: impl Iterator<Item = &'n str>, scene: &'n str) -> Owner {
        Owner {
            person: self.hash([shop].into_iter().chain(names)),
            scene: self.hash(["", scene].into_iter()),
        }
    }

    fn hash<'n>(&self, parts: impl Iterator<Item = &'n str>) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        parts.for_each(|part| {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        });
        let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The cursor as text, valid from `now` (unix seconds) on; `None` if it would be too long.
    pub fn seal(&self, owner: Owner, now: i64, cursor: &Cursor) -> Option<String> {
        let n_items = cursor.elsewhere.len() + cursor.shown.len();
        if n_items > MAX_ITEMS {
            return None;
        }
        let mut bytes = Vec::with_capacity(HEAD + 8 * n_items + SIGNATURE);
        bytes.push(FORMAT);
        bytes.extend(now.saturating_add(SECONDS).to_le_bytes());
        bytes.extend(owner.person.to_le_bytes());
        bytes.extend(owner.scene.to_le_bytes());
        bytes.extend((cursor.elsewhere.len() as u16).to_le_bytes());
        bytes.extend(cursor.elsewhere.iter().chain(&cursor.shown).flat_map(|key| key.to_le_bytes()));
        let signature = blake3::keyed_hash(&self.0, &bytes);
        bytes.extend(signature.as_bytes());
        Some(BASE64.encode(bytes))
    }

    /// Verifies a cursor and returns its content.
    ///
    /// # Errors
    /// `invalid_cursor`, `expired_cursor`, `foreign_cursor`.
    pub fn open(&self, owner: Owner, now: i64, text: &str) -> Result<Cursor, Problem> {
        let (end, whose, cursor) = self.read(text).ok_or_else(|| {
            refused(Code::InvalidCursor, "it is no `next_cursor` of this deployment, or its key was replaced")
        })?;
        if whose.person != owner.person {
            return Err(refused(Code::ForeignCursor, "it is of another shop, person or session"));
        }
        if whose.scene != owner.scene {
            return Err(refused(Code::ForeignCursor, "it is of another scene"));
        }
        if end < now {
            let minutes = SECONDS / 60;
            return Err(refused(Code::ExpiredCursor, format!("it was valid for {minutes} minutes")));
        }
        Ok(cursor)
    }

    fn read(&self, text: &str) -> Option<(i64, Owner, Cursor)> {
        let bytes = BASE64.decode(Some(text).filter(|text| text.len() <= MAX_CHARS)?).ok()?;
        let (signed, signature) = bytes.split_last_chunk::<SIGNATURE>()?;
        // Compared in constant time, and before anything is read.
        if blake3::keyed_hash(&self.0, signed) != *signature {
            return None;
        }
        let (&format, rest) = signed.split_first()?;
        let (&end, rest) = rest.split_first_chunk()?;
        let (&person, rest) = rest.split_first_chunk()?;
        let (&scene, rest) = rest.split_first_chunk()?;
        let (&n_elsewhere, rest) = rest.split_first_chunk()?;
        let (keys, []) = rest.as_chunks::<8>() else { return None };
        let mut elsewhere: Vec<u64> = keys.iter().map(|key| u64::from_le_bytes(*key)).collect();
        let n_elsewhere = usize::from(u16::from_le_bytes(n_elsewhere));
        if format != FORMAT || n_elsewhere > elsewhere.len() {
            return None;
        }
        let shown = elsewhere.split_off(n_elsewhere);
        let owner = Owner { person: u64::from_le_bytes(person), scene: u64::from_le_bytes(scene) };
        Some((i64::from_le_bytes(end), owner, Cursor { elsewhere, shown }))
    }
}

fn refused(code: Code, reason: impl std::fmt::Display) -> Problem {
    Problem::new(code, format!("the cursor is refused: {reason}; ask for the first page, without `cursor`"))
        .at_field("cursor")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn cursor(n: u64) -> Cursor {
        Cursor { elsewhere: (0..n / 3).collect(), shown: (n / 3..n).map(|key| key << 40).collect() }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written_for_half_an_hour() {
        let key = CursorKey::new("secret");
        let owner = key.owner("shop", ["u", "u1"].into_iter(), "home");
        for n in [0, 1, 20, MAX_ITEMS as u64] {
            let text = key.seal(owner, NOW, &cursor(n)).unwrap();
            assert!(text.len() <= MAX_CHARS, "{}", text.len());
            assert_eq!(key.open(owner, NOW + SECONDS, &text).unwrap(), cursor(n));
            assert_eq!(CursorKey::new("secret").open(owner, NOW, &text).unwrap(), cursor(n), "on a replica");
            let late = key.open(owner, NOW + SECONDS + 1, &text).unwrap_err();
            assert_eq!(late.code(), Code::ExpiredCursor);
        }
        assert!(key.seal(owner, NOW, &cursor(MAX_ITEMS as u64 + 1)).is_none());
    }

    #[test]
    fn cursors_of_others_and_forged_ones_are_refused() {
        let key = CursorKey::new("secret");
        let owner = |shop, names: &[&'static str], scene| key.owner(shop, names.iter().copied(), scene);
        let own = owner("shop", &["u", "u1"], "home");
        let text = key.seal(own, NOW, &cursor(9)).unwrap();
        let code = |key: &CursorKey, owner, text: &str| key.open(owner, NOW, text).unwrap_err().code();
        for other in [
            owner("other", &["u", "u1"], "home"),
            owner("shop", &["u", "u2"], "home"),
            owner("shop", &["uu", "1"], "home"),
            owner("shop", &[], "home"),
            owner("shop", &["u", "u1"], "cart"),
        ] {
            assert_eq!(code(&key, other, &text), Code::ForeignCursor);
        }
        assert_eq!(code(&CursorKey::new("other"), own, &text), Code::InvalidCursor);
        for at in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(code(&key, own, &String::from_utf8(forged).unwrap()), Code::InvalidCursor, "{at}");
        }
        for forged in ["", "AAAA", "not a cursor", &text[4..], &"A".repeat(MAX_CHARS + 1)] {
            assert_eq!(code(&key, own, forged), Code::InvalidCursor);
        }
    }
}
