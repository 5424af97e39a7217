//! Rows of CSV and TSV files.

use super::bytes::{Limited, MAX_ROW_BYTES, read_error, utf16};
use super::files::SourceFile;
use super::row::{Event, Flow, Row, Sink, Slots, Span, join};
use crate::orders::summary::Reason;
use anyhow::bail;
use csv::ByteRecord;
use std::cell::Cell;
use std::io::BufRead;

/// A row of the wrong width that spans more lines than this is a quote which was never closed:
/// going on would lose all those lines as one.
const RUNAWAY_LINES: u64 = 100;

/// Gives every row after the header to `sink`. `resolve` turns the header into slots.
///
/// # Errors
/// When the header does not resolve, the file cannot be read to its end, or a quote is never closed.
pub fn each(
    file: &SourceFile,
    text: &mut dyn BufRead,
    delimiter: u8,
    resolve: &dyn Fn(&[String]) -> anyhow::Result<Slots>,
    sink: &mut Sink<'_>,
) -> anyhow::Result<()> {
    let left = Cell::new(MAX_ROW_BYTES);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(1 << 18)
        .from_reader(Limited { inner: text, left: &left });
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).map_err(|error| read_error(file, 0, error))? {
        bail!("{} is empty: not even a header; export it again or leave it out", file.name());
    }
    let header = header(file, &record)?;
    let slots = resolve(&header)?;
    let mut spans: Vec<Span> = Vec::with_capacity(header.len());
    let lines = Lines::after_header(&record, reader.position().line());
    let mut line = 1;
    loop {
        left.set(MAX_ROW_BYTES);
        let before = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err(read_error(file, line, error)),
        }
        line = lines.start(&record, before, reader.position().line());
        let event = match cells(file, &record, header.len(), &mut spans, line)? {
            Ok(text) => &Row { line, text, spans: &spans, slots: &slots, raw: None, at: None },
            Err(reason) => {
                if sink(Event::Bad { line, reason, shown: join(record.iter()) })? == Flow::Enough {
                    return Ok(());
                }
                continue;
            }
        };
        if sink(Event::Row(event))? == Flow::Enough {
            return Ok(());
        }
    }
}

/// Tells where rows start. The reader counts `\n`; it passes over blank lines before a row, and
/// leaves the second half of `\r\n` to the next row.
struct Lines {
    /// Ends of line that the reader has counted when it has read a row of one line.
    counted: u64,
}

impl Lines {
    fn after_header(header: &ByteRecord, after: u64) -> Self {
        Self { counted: u64::from(after > 1 + newlines(header)) }
    }

    /// The line where a row starts that was read between two counts.
    fn start(&self, row: &ByteRecord, before: u64, after: u64) -> u64 {
        let inner = if after == before + 1 { 0 } else { newlines(row) };
        after.saturating_sub(inner + self.counted).max(before)
    }
}

fn newlines(record: &ByteRecord) -> u64 {
    record.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// The names of the header line, trimmed.
fn header(file: &SourceFile, record: &ByteRecord) -> anyhow::Result<Vec<String>> {
    if record.as_slice().contains(&0) {
        bail!("{}", utf16(file));
    }
    let mut names = Vec::with_capacity(record.len());
    for name in record {
        match std::str::from_utf8(name) {
            Ok(name) => names.push(name.trim().to_owned()),
            Err(_) => bail!("line 1 of {} is not UTF-8; {}", file.name(), encoding_cure(&file.name())),
        }
    }
    Ok(names)
}

/// How to cure a file in another encoding.
pub fn encoding_cure(name: &str) -> String {
    format!("convert the file, if it is Chinese for instance by: iconv -f GBK -t UTF-8 {name} > utf8.csv")
}

/// Cuts a record into spans, or says what is wrong with it.
fn cells<'a>(
    file: &SourceFile,
    record: &'a ByteRecord,
    width: usize,
    spans: &mut Vec<Span>,
    line: u64,
) -> anyhow::Result<Result<&'a str, Reason>> {
    let bytes = record.as_slice();
    if record.len() != width {
        let lines = newlines(record);
        if lines > RUNAWAY_LINES {
            bail!("{}:{line}: a quote opens here and is not closed for {lines} lines; close it", file.name());
        }
        return Ok(Err(Reason::WrongColumnCount));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Ok(Err(Reason::InvalidUtf8));
    };
    spans.clear();
    for i in 0..width {
        let range = record.range(i).unwrap_or(0..0);
        // Bytes of two broken cells may make up one valid character; then the cut is inside it.
        if !text.is_char_boundary(range.end) {
            return Ok(Err(Reason::InvalidUtf8));
        }
        // A record is at most 64 MiB, so its offsets fit.
        spans.push((range.start as u32, range.end as u32));
    }
    Ok(Ok(text))
}
