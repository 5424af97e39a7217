//! Rows of delimited text and of sheets, both as records.

use super::Lines;
use super::dialect::Dialect;
use super::records::Record;
use super::row::{Event, Flow, Located, Row, Sink, Span, join};
use super::unnest::Unnester;
use crate::orders::summary::Reason;

/// The columns of a file and the shape of its rows.
pub struct Shape<'a> {
    /// Locations of values, by canonical column.
    pub columns: &'a [Located],
    /// The texts that all rows share.
    pub constants: &'a [String],
    /// True if records may have any width, as in files of baskets.
    pub ragged: bool,
}

/// Passes every row after the header to `sink` and counts the physical lines.
///
/// # Errors
/// Fails if the file cannot be read to its end, or `sink` fails.
pub fn each(
    dialect: &Dialect,
    shape: &Shape<'_>,
    next: &mut dyn FnMut(&mut Record) -> anyhow::Result<bool>,
    unnester: &mut Unnester<'_>,
    sink: &mut Sink<'_>,
) -> anyhow::Result<Lines> {
    let (mut record, mut lines) = (Record::default(), Lines::default());
    let mut spans: Vec<Span> = Vec::with_capacity(dialect.names.len());
    let mut header_left = dialect.has_header;
    while next(&mut record)? {
        if record.line <= dialect.before {
            lines.before += record.lines;
            continue;
        }
        if is_blank(&record) {
            lines.blank += record.lines;
            continue;
        }
        if header_left || repeats_header(&record, dialect) {
            header_left = false;
            lines.header += record.lines;
            continue;
        }
        lines.rows += record.lines;
        lines.literal += u64::from(record.literal);
        let flow = match cells(&record, dialect.names.len(), shape.ragged, &mut spans) {
            Ok(text) => {
                let (columns, constants) = (shape.columns, shape.constants);
                let row = Row {
                    line: record.line,
                    text,
                    spans: &spans,
                    columns,
                    constants,
                    raw: None,
                    at: None,
                    element: None,
                };
                unnester.give(&row, sink)?
            }
            Err(reason) => {
                let shown = join(record.spans.iter().map(|&(a, b)| &record.bytes[a as usize..b as usize]));
                sink(Event::Bad { line: record.line, reason, shown })?
            }
        };
        if flow != Flow::Next {
            break;
        }
    }
    Ok(lines)
}

/// True if all cells are blank.
fn is_blank(record: &Record) -> bool {
    let is_filled = |&(start, end): &Span| {
        record.bytes[start as usize..end as usize].iter().any(|b| !b.is_ascii_whitespace())
    };
    !record.spans.iter().any(is_filled)
}

/// True if the record repeats the header, as in concatenated files.
fn repeats_header(record: &Record, dialect: &Dialect) -> bool {
    let cell = |&(start, end): &Span| record.bytes[start as usize..end as usize].trim_ascii();
    dialect.has_header
        && record.spans.first().map(cell) == dialect.names.first().map(|name| name.as_bytes())
        && record.spans.len() == dialect.names.len()
        && record.spans.iter().map(cell).eq(dialect.names.iter().map(|name| name.as_bytes()))
}

/// The text of a record, with its cells in `spans`, or the reason to reject it. A record may be wider than the header
/// if the further cells are blank.
fn cells<'a>(
    record: &'a Record,
    width: usize,
    ragged: bool,
    spans: &mut Vec<Span>,
) -> Result<&'a str, Reason> {
    let found = record.spans.len();
    if found != width && !ragged {
        let blank = |&(start, end): &Span| record.bytes[start as usize..end as usize].trim_ascii().is_empty();
        let may_be_wider = found > width && record.spans[width..].iter().all(blank);
        if !may_be_wider {
            return Err(Reason::WrongColumnCount);
        }
    }
    let Ok(text) = std::str::from_utf8(&record.bytes) else { return Err(Reason::InvalidUtf8) };
    // The replacement character for sequences invalid in the encoding.
    if text.contains('\u{fffd}') {
        return Err(Reason::InvalidUtf8);
    }
    spans.clear();
    let kept = if ragged { found } else { width };
    spans.extend_from_slice(&record.spans[..kept]);
    Ok(text)
}
