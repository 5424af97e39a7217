//! One row as text, however its file is written.

use crate::orders::summary::Reason;

/// Byte range of one source column within [`Row::text`]; [`ABSENT`] for a null.
pub type Span = (u32, u32);

/// The span of a cell that is null or not there.
pub const ABSENT: Span = (u32::MAX, u32::MAX);

/// By slot, the source column that fills it.
pub type Slots = Vec<Option<usize>>;

/// A row of valid UTF-8.
pub struct Row<'a> {
    /// Line of the file where the row starts, from 1; in Parquet the row's number.
    pub line: u64,
    /// All cells, one after the other, as `spans` cuts them.
    pub text: &'a str,
    /// One span a source column.
    pub spans: &'a [Span],
    /// By slot, the source column that fills it.
    pub slots: &'a [Option<usize>],
    /// The row as written, where that differs from its cells.
    pub raw: Option<&'a str>,
    /// The time that the format itself gives the row (sequences), unix seconds.
    pub at: Option<i64>,
}

impl<'a> Row<'a> {
    /// The trimmed value of a slot, `None` where it is null, blank or not in the file.
    pub fn get(&self, slot: usize) -> Option<&'a str> {
        let (start, end) = *self.spans.get((*self.slots.get(slot)?)?)?;
        let value = self.text.get(start as usize..end as usize)?;
        // Nearly no value has white space around it; two bytes tell.
        let value = match value.as_bytes() {
            [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => value,
            _ => value.trim(),
        };
        (!value.is_empty()).then_some(value)
    }

    /// 128 bits of BLAKE3 over the whole row, so that two different rows of a file have never been
    /// taken for one. The spans go in too: `ab,c` is not `a,bc`.
    pub fn digest(&self) -> u128 {
        let mut hasher = blake3::Hasher::new();
        match self.raw {
            Some(raw) => {
                hasher.update(raw.as_bytes());
            }
            None => {
                hasher.update(self.text.as_bytes());
                let mut ends = [0u8; 256];
                for spans in self.spans.chunks(64) {
                    for (place, span) in ends.chunks_exact_mut(4).zip(spans) {
                        place.copy_from_slice(&span.1.to_le_bytes());
                    }
                    hasher.update(&ends[..spans.len() * 4]);
                }
            }
        }
        let mut half = [0u8; 16];
        half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        u128::from_le_bytes(half)
    }

    /// The row for the rejects file: as written, or its cells joined by commas.
    pub fn show(&self) -> String {
        match self.raw {
            Some(raw) => raw.to_owned(),
            None => join(self.spans.iter().map(|&(start, end)| {
                self.text.get(start as usize..end as usize).unwrap_or_default().as_bytes()
            })),
        }
    }
}

/// Cells as one line of CSV, unreadable bytes replaced.
pub fn join<'a>(cells: impl Iterator<Item = &'a [u8]>) -> String {
    let mut line = String::new();
    for (i, cell) in cells.enumerate() {
        let cell = String::from_utf8_lossy(cell);
        if i > 0 {
            line.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&cell);
        }
    }
    line
}

/// What a file gives, one after the other.
pub enum Event<'a> {
    /// A row that could be read.
    Row(&'a Row<'a>),
    /// A row that could not.
    Bad {
        /// As [`Row::line`].
        line: u64,
        /// Why.
        reason: Reason,
        /// The row as far as it can be shown.
        shown: String,
    },
}

/// Whether the receiver wants more rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Next,
    /// Stop reading; the rest does not matter.
    Enough,
}

/// Who receives the rows of a file.
pub type Sink<'s> = dyn FnMut(Event<'_>) -> anyhow::Result<Flow> + 's;

#[cfg(test)]
mod tests {
    use super::{ABSENT, Row, join};

    fn row<'a>(text: &'a str, spans: &'a [(u32, u32)]) -> Row<'a> {
        Row { line: 1, text, spans, slots: &[Some(0), Some(1), None, Some(9)], raw: None, at: None }
    }

    #[test]
    fn cells_are_trimmed_and_blank_ones_are_absent() {
        let row = row("\u{3000}a b  ", &[(0, 7), (7, 8)]);
        assert_eq!(row.get(0), Some("a b"));
        assert_eq!([row.get(1), row.get(2), row.get(3)], [None, None, None]);
    }

    #[test]
    fn rows_that_differ_only_in_where_a_cell_ends_are_not_equal() {
        assert_ne!(row("abc", &[(0, 1), (1, 3)]).digest(), row("abc", &[(0, 2), (2, 3)]).digest());
        assert_ne!(row("a", &[(0, 1), (1, 1)]).digest(), row("a", &[(0, 1), ABSENT]).digest());
        assert_eq!(row("abc", &[(0, 1), (1, 3)]).digest(), row("abc", &[(0, 1), (1, 3)]).digest());
    }

    #[test]
    fn a_shown_row_quotes_what_needs_it() {
        assert_eq!(join([&b"a"[..], b"b,\"c\"", b"\xff"].into_iter()), "a,\"b,\"\"c\"\"\",\u{fffd}");
    }
}
