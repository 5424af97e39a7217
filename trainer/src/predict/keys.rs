//! Reads the keys of the input in chunks, with their indices in the model.

use std::cell::Cell;

use anyhow::bail;
use qianmian_models::snapshot::Snapshot;
use rustc_hash::FxHashSet;

use super::Kind;
use crate::orders::source::{Event, Flow, Need, Row, Source, SourceFile, Wanted};
use crate::orders::values::id;
use crate::orders::{Reason, encoding_cure};

/// Most characters of a bad row that an error shows.
const SHOWN_CHARS: usize = 200;
const KEY: usize = 0;
const CART_ITEM: usize = 1;
const CART_USER: usize = 2;

/// The columns that are read for a kind; all others are ignored.
pub fn columns(kind: Kind) -> Vec<Wanted> {
    let wanted = |column: &str, need| Wanted::plain(column.to_owned(), column, need);
    let mut columns = vec![wanted(kind.key_column(), Need::Required)];
    if kind == Kind::Bundle {
        columns.extend([wanted("item_id", Need::Required), wanted("user_id", Need::Optional)]);
    }
    columns
}

/// A key of the input, with its indices in the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key<'a> {
    /// Its outside id.
    pub id: &'a str,
    /// The user, the item, or the distinct items of the cart, as far as the model knows them.
    pub known: &'a [u32],
    /// The cart's user; `None` if the input names none or the model does not know the user.
    pub owner: Option<u32>,
}

/// Keys in the order of the input: one arena of their text, one list of their indices in the model.
#[derive(Debug, Default)]
pub struct Chunk {
    text: String,
    known: Vec<u32>,
    /// End of each key in `text` and in `known`; it starts at the end of the one before.
    ends: Vec<(usize, usize)>,
    /// The cart's user of each key.
    owners: Vec<Option<u32>>,
}

impl Chunk {
    /// Number of keys.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Key `n`. Panics unless `n < len()`.
    pub fn key(&self, n: usize) -> Key<'_> {
        let start = if n == 0 { (0, 0) } else { self.ends[n - 1] };
        let end = self.ends[n];
        Key { id: &self.text[start.0..end.0], known: &self.known[start.1..end.1], owner: self.owners[n] }
    }

    fn open(&mut self, key: &str) {
        self.text.push_str(key);
        self.ends.push((self.text.len(), self.known.len()));
        self.owners.push(None);
    }

    /// Adds an index to the last key.
    fn add(&mut self, ix: u32) {
        self.known.push(ix);
        if let Some(last) = self.ends.last_mut() {
            last.1 = self.known.len();
        }
    }

    /// Sets the owner of the last key, unless it has one.
    fn own(&mut self, user: u32) {
        if let Some(owner) = self.owners.last_mut() {
            owner.get_or_insert(user);
        }
    }

    fn clear(&mut self) {
        self.text.clear();
        self.known.clear();
        self.ends.clear();
        self.owners.clear();
    }
}

/// Row counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Rows of all files.
    pub rows: u64,
    /// Rows of carts with an item that the model does not know.
    pub unknown_cart_rows: u64,
}

/// Collects rows into chunks.
pub struct KeyReader<'a> {
    snapshot: &'a Snapshot,
    kind: Kind,
    chunk_keys: usize,
    chunk: Chunk,
    counts: Counts,
    carts: Carts,
}

impl<'a> KeyReader<'a> {
    /// Starts a reader with chunks of `chunk_keys` keys.
    pub fn new(snapshot: &'a Snapshot, kind: Kind, chunk_keys: usize) -> Self {
        let (chunk, counts, carts) = Default::default();
        Self { snapshot, kind, chunk_keys, chunk, counts, carts }
    }

    /// Passes all keys to `sink`, a chunk at a time. No chunk is empty or ends within a cart.
    ///
    /// # Errors
    /// Fails if a row has no key or cannot be read, the rows of a cart are not adjacent, there are no rows, a file
    /// cannot be read to its end, or `sink` fails.
    pub fn each_chunk(
        mut self,
        source: &Source,
        read: &Cell<u64>,
        sink: &mut dyn FnMut(&Chunk) -> anyhow::Result<()>,
    ) -> anyhow::Result<Counts> {
        source.each_row(&columns(self.kind), read, &mut |file, event| {
            let row = match event {
                Event::Row(row) => row,
                Event::Bad { line, reason, shown } => return Err(bad_row(file, line, reason, &shown)),
            };
            self.counts.rows += 1;
            let key = value(file, row, KEY)?;
            if self.begins(file, row, key)? {
                if self.chunk.len() == self.chunk_keys {
                    sink(&self.chunk)?;
                    self.chunk.clear();
                }
                self.chunk.open(key);
            }
            self.take(file, row, key)?;
            Ok(Flow::Next)
        })?;
        if self.counts.rows == 0 {
            let files: Vec<String> = source.files().iter().map(SourceFile::name).collect();
            bail!("{} has a header but no rows; there is nothing to answer", files.join(", "));
        }
        sink(&self.chunk)?;
        Ok(self.counts)
    }

    /// True if the row starts a new key: all rows do, except the later ones of a cart.
    fn begins(&mut self, file: &SourceFile, row: &Row<'_>, key: &str) -> anyhow::Result<bool> {
        if self.kind != Kind::Bundle {
            return Ok(true);
        }
        match self.carts.see(key) {
            Seen::Again => bail!(
                "{}:{}: cart `{key}` continues after another cart; the rows of a cart must be adjacent: \
                 sort the input by cart_id",
                file.name(),
                row.line
            ),
            seen => Ok(seen == Seen::First),
        }
    }

    fn take(&mut self, file: &SourceFile, row: &Row<'_>, key: &str) -> anyhow::Result<()> {
        if self.kind == Kind::Bundle
            && row.get(CART_USER).is_some()
            && let Some(user) = self.snapshot.users.ix(value(file, row, CART_USER)?)
        {
            self.chunk.own(user);
        }
        let ix = match self.kind {
            Kind::Recommend => self.snapshot.users.ix(key),
            Kind::Similar | Kind::Audience => self.snapshot.items.ix(key),
            Kind::Bundle => {
                let item = self.snapshot.items.ix(value(file, row, CART_ITEM)?);
                self.counts.unknown_cart_rows += u64::from(item.is_none());
                item.filter(|&item| self.carts.items.insert(item))
            }
        };
        if let Some(ix) = ix {
            self.chunk.add(ix);
        }
        Ok(())
    }
}

/// The carts so far.
#[derive(Default)]
struct Carts {
    /// 128 bits of BLAKE3 of each cart's id: no two carts collide in practice.
    seen: FxHashSet<u128>,
    current: Option<String>,
    /// Distinct items of the current cart.
    items: FxHashSet<u32>,
}

#[derive(PartialEq, Eq)]
enum Seen {
    First,
    Current,
    Again,
}

impl Carts {
    fn see(&mut self, cart: &str) -> Seen {
        if self.current.as_deref() == Some(cart) {
            return Seen::Current;
        }
        let mut half = [0u8; 16];
        half.copy_from_slice(&blake3::hash(cart.as_bytes()).as_bytes()[..16]);
        if !self.seen.insert(u128::from_le_bytes(half)) {
            return Seen::Again;
        }
        self.items.clear();
        let current = self.current.get_or_insert_default();
        current.clear();
        current.push_str(cart);
        Seen::First
    }
}

/// The trimmed id in a slot of the row.
fn value<'r>(file: &SourceFile, row: &Row<'r>, slot: usize) -> anyhow::Result<&'r str> {
    let missing = if slot == CART_ITEM { Reason::NoItem } else { Reason::NoId };
    let value = row.get(slot);
    match id(value, None, missing) {
        // The id is not normalized, so it is the value itself.
        Ok(_) => Ok(value.unwrap_or_default()),
        Err(reason) => Err(bad_row(file, row.line, reason, &row.show())),
    }
}

/// The error for a bad row. Batches reject no rows, because a missing answer would be noticed too late.
fn bad_row(file: &SourceFile, line: u64, reason: Reason, shown: &str) -> anyhow::Error {
    let cure = match reason {
        Reason::InvalidUtf8 => format!("; {}", encoding_cure()),
        _ => String::new(),
    };
    let end = shown.char_indices().nth(SHOWN_CHARS).map_or(shown.len(), |(end, _)| end);
    anyhow::anyhow!("{}:{line}: {}: {}{cure}", file.name(), reason.text(), &shown[..end])
}
