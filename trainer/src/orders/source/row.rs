//! One row as text, independent of the format of its file.

use crate::orders::summary::Reason;
use std::borrow::Cow;
use xxhash_rust::xxh3::xxh3_128;

/// Byte range of one source column within [`Row::text`]; [`ABSENT`] for a null.
pub type Span = (u32, u32);

/// The span of a null or missing cell.
pub const ABSENT: Span = (u32::MAX, u32::MAX);

/// Separates the elements of a list within one cell: arrays of JSON, Parquet and Arrow.
pub const LIST_MARK: char = '\u{1f}';

/// The location of a row's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A cell of the row, by its source column.
    Cell(usize),
    /// A text that all rows of the file share, such as the value of a folder's name.
    Constant(usize),
    /// All cells whose column names match a name with `*`; each becomes a row of its own.
    Spread(Vec<usize>),
}

/// The way the parts of a canonical column combine into its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// The first that is not blank.
    First,
    /// Joined by `/`, from the root.
    Path,
    /// A date, and its time of day if that is a separate column.
    Moment,
}

/// The source columns of one canonical column in one file; empty if the file has no such column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// In the order of the configuration.
    pub places: Vec<Place>,
    /// The way their values combine.
    pub parts: Parts,
}

/// The value of an element of an unnested row, in place of the row's own value.
#[derive(Debug, Clone, Copy)]
pub enum Instead {
    /// The row's own value.
    Same,
    /// A part of the row's text.
    Span(Span),
    /// A text that all rows of the file share.
    Constant(usize),
}

/// One element of a row that holds a list.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// Counted from 0 within the row.
    pub number: u32,
    /// Values by canonical column.
    pub values: &'a [Instead],
}

/// A row of valid UTF-8.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// First line of the row in the file, from 1; in Parquet the number of the row.
    pub line: u64,
    /// The text of all cells, split by `spans`.
    pub text: &'a str,
    /// One span per source column.
    pub spans: &'a [Span],
    /// The locations of values, by canonical column.
    pub columns: &'a [Located],
    /// The texts that all rows of the file share.
    pub constants: &'a [String],
    /// The row as written, if that differs from its cells.
    pub raw: Option<&'a str>,
    /// The time derived from the format (sequences), unix seconds.
    pub at: Option<i64>,
    /// The element of the row, if the row holds a list.
    pub element: Option<Element<'a>>,
}

impl<'a> Row<'a> {
    /// The value of a column without white space and spreadsheet marks; of several source columns the first that is not
    /// blank. `None` if it is null, blank or not in the file.
    pub fn get(&self, column: usize) -> Option<&'a str> {
        if let Some(element) = self.element {
            match element.values.get(column) {
                Some(&Instead::Span(span)) => return plain(self.cut(span)?),
                Some(&Instead::Constant(number)) => return plain(self.constants.get(number)?),
                _ => {}
            }
        }
        match self.columns.get(column)?.places.as_slice() {
            [] => None,
            [place] => self.at_place(place),
            places => places.iter().find_map(|place| self.at_place(place)),
        }
    }

    /// The value of a column, with its parts joined if needed.
    pub fn value(&self, column: usize) -> Option<Cow<'a, str>> {
        let located = self.columns.get(column)?;
        if located.places.len() < 2 || located.parts == Parts::First {
            return self.get(column).map(Cow::Borrowed);
        }
        let mut parts = located.places.iter().filter_map(|place| self.at_place(place));
        if located.parts == Parts::Path {
            let parts: Vec<&str> = parts.collect();
            return (!parts.is_empty()).then(|| Cow::Owned(parts.join("/")));
        }
        let date = parts.next()?;
        match parts.find(|part| is_time_of_day(part)) {
            Some(time) if !is_time_of_day(date) => Some(Cow::Owned(format!("{} {time}", date_only(date)))),
            _ => Some(Cow::Borrowed(date)),
        }
    }

    fn at_place(&self, place: &Place) -> Option<&'a str> {
        match place {
            Place::Cell(cell) => plain(self.cut(*self.spans.get(*cell)?)?),
            Place::Constant(number) => plain(self.constants.get(*number)?),
            Place::Spread(_) => None,
        }
    }

    /// The text of a span; `None` for [`ABSENT`].
    pub fn cut(&self, (start, end): Span) -> Option<&'a str> {
        self.text.get(start as usize..end as usize)
    }

    /// 128 bits of XXH3 over the whole row, so that different rows do not collide in practice. The ends of
    /// cells are hashed too: `ab,c` differs from `a,bc`. `scratch` is overwritten.
    pub fn digest(&self, scratch: &mut Vec<u8>) -> u128 {
        scratch.clear();
        match self.raw {
            Some(raw) => scratch.extend_from_slice(raw.as_bytes()),
            None => {
                for &span in self.spans {
                    match self.cut(span) {
                        Some(cell) => scratch.extend_from_slice(cell.as_bytes()),
                        None => scratch.push(0xfe),
                    }
                    scratch.push(0xff);
                }
            }
        }
        for constant in self.constants {
            scratch.extend_from_slice(constant.as_bytes());
            scratch.push(0xff);
        }
        if let Some(element) = self.element {
            scratch.extend_from_slice(&element.number.to_le_bytes());
        }
        xxh3_128(scratch)
    }

    /// The row for the rejects file: as written, or its cells joined by commas.
    pub fn show(&self) -> String {
        match self.raw {
            Some(raw) => raw.to_owned(),
            None => join(self.spans.iter().map(|&span| self.cut(span).unwrap_or_default().as_bytes())),
        }
    }
}

/// A cell without surrounding white space and without the marks with which spreadsheets keep a number as text:
/// `="001"`, `'001` and `` `001 ``. `None` if nothing is left.
pub fn plain(value: &str) -> Option<&str> {
    // Fast path: few values have white space or a mark, and the first and last byte show it.
    let value = match value.as_bytes() {
        [first, .., last] if first.is_ascii_alphanumeric() && last.is_ascii_graphic() => return Some(value),
        _ => value.trim(),
    };
    let value = match value.as_bytes() {
        [b'=', b'"', .., b'"'] if value.len() > 3 => value[2..value.len() - 1].trim(),
        [b'=', b'"', b'"'] => "",
        [b'`', ..] => value[1..].trim(),
        [b'\'', next, ..] if next.is_ascii_alphanumeric() || *next == b'-' => value[1..].trim(),
        _ => value,
    };
    (!value.is_empty()).then_some(value)
}

/// True for `8:26`, `08:26:00`, `8:26 PM`, `上午8:26`, a bare hour or `0826`.
fn is_time_of_day(value: &str) -> bool {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (value.len() <= 4 || value.len() == 6))
        || (value.contains(':') && !value.contains(['-', '/', '年', '.']))
        || (value.contains('时') && !value.contains('年'))
}

/// The date without the midnight that spreadsheets append.
fn date_only(value: &str) -> &str {
    match value.split_once([' ', 'T']) {
        Some((date, time))
            if !time.is_empty() && time.bytes().all(|b| matches!(b, b'0' | b':' | b'.' | b'Z')) =>
        {
            date
        }
        _ => value,
    }
}

/// Cells as one line of CSV, with invalid bytes replaced.
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

/// One row of a file, or one that could not be read.
pub enum Event<'a> {
    /// A row that could be read.
    Row(&'a Row<'a>),
    /// A row that could not be read.
    Bad {
        /// As [`Row::line`].
        line: u64,
        /// The reason.
        reason: Reason,
        /// The row as far as it can be shown.
        shown: String,
    },
}

/// The receiver's answer to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Next,
    /// Go on with the next file.
    NextFile,
    /// Stop reading.
    Enough,
}

/// Receives the rows of a file.
pub type Sink<'s> = dyn FnMut(Event<'_>) -> anyhow::Result<Flow> + 's;

#[cfg(test)]
mod tests {
    use super::{ABSENT, Located, Parts, Place, Row, Span, join, plain};

    fn digest(text: &str, spans: &[Span]) -> u128 {
        row(text, spans, &[]).digest(&mut Vec::new())
    }

    fn row<'a>(text: &'a str, spans: &'a [Span], columns: &'a [Located]) -> Row<'a> {
        Row { line: 1, text, spans, columns, constants: &[], raw: None, at: None, element: None }
    }

    #[test]
    fn spreadsheet_marks_and_white_space_are_no_part_of_a_value() {
        for (cell, value) in [
            ("\u{3000}a b  ", "a b"),
            ("=\"001\"", "001"),
            ("'6917\t", "6917"),
            ("`2024-01-01", "2024-01-01"),
            ("'", "'"),
            ("a'b", "a'b"),
        ] {
            assert_eq!(plain(cell), Some(value), "{cell}");
        }
        assert_eq!([plain("  "), plain("=\"\""), plain("`")], [None, None, None]);
    }

    #[test]
    fn alternatives_give_the_first_value() {
        let cells = |parts| [Located { places: vec![Place::Cell(0), Place::Cell(1)], parts }];
        let first = cells(Parts::First);
        assert_eq!(row(" x", &[(0, 1), (1, 2)], &first).get(0), Some("x"));
        let moment = cells(Parts::Moment);
        let joined = |text: &str, end: u32| {
            let spans = [(0, end), (end, text.len() as u32)];
            row(text, &spans, &moment).value(0).map(|value| value.into_owned())
        };
        assert_eq!(joined("2024-01-0108:15:30", 10).as_deref(), Some("2024-01-01 08:15:30"));
        assert_eq!(joined("2024-01-01 00:00:0018", 19).as_deref(), Some("2024-01-01 18"));
        assert_eq!(joined("2024-01-012024-02-02", 10).as_deref(), Some("2024-01-01"));
    }

    #[test]
    fn rows_that_differ_only_in_where_a_cell_ends_are_not_equal() {
        assert_ne!(digest("abc", &[(0, 1), (1, 3)]), digest("abc", &[(0, 2), (2, 3)]));
        assert_ne!(digest("a", &[(0, 1), (1, 1)]), digest("a", &[(0, 1), ABSENT]));
        assert_eq!(digest("abc", &[(0, 1), (1, 3)]), digest("abc", &[(0, 1), (1, 3)]));
    }

    #[test]
    fn a_shown_row_quotes_what_needs_it() {
        assert_eq!(join([&b"a"[..], b"b,\"c\"", b"\xff"].into_iter()), "a,\"b,\"\"c\"\"\",\u{fffd}");
    }
}
