//! Excel workbooks, xlsx and xls: the cells of a sheet as text.
//!
//! A sheet is held in memory as one text; sheets have at most a million rows. Dates are written year
//! first, whole numbers without a decimal point.

use super::dialect::{Dialect, Known, of_cells};
use super::files::SourceFile;
use super::records::Record;
use super::row::Span;
use crate::config::TableConfig;
use anyhow::{Context, bail};
use calamine::{Data, ExcelDateTime, Range, Reader, open_workbook_auto_from_rs};
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};
use qianmian_suggest::nearest;
use std::fmt::Write as _;
use std::io::Cursor;

/// First rows of a sheet in which its header is searched.
const HEAD: usize = 200;

/// The rows of all sheets with the columns of the chosen sheet.
pub struct Sheet {
    /// Names of the sheets that are read.
    pub sheets: Vec<String>,
    /// Names of the sheets that are not read, because they have other columns.
    pub others: Vec<String>,
    /// The position of the header.
    pub dialect: Dialect,
    text: String,
    /// The line number and the cells of each row.
    rows: Vec<(u64, Vec<Span>)>,
}

impl Sheet {
    /// Reads a workbook.
    ///
    /// # Errors
    /// Fails if the file is no workbook, is encrypted or damaged, or has no such sheet.
    pub fn open(file: &SourceFile, options: &TableConfig, known: &Known) -> anyhow::Result<Self> {
        let name = file.name();
        let bytes = std::fs::read(&file.path).with_context(|| format!("cannot open {name}"))?;
        let mut workbook = open_workbook_auto_from_rs(Cursor::new(bytes.as_slice())).map_err(|error| {
            anyhow::anyhow!(
                "{name} is no workbook that can be read ({error}); save it again as .xlsx or CSV UTF-8"
            )
        })?;
        let names = workbook.sheet_names();
        let mut found: Vec<(String, Range<Data>, Dialect)> = Vec::new();
        for sheet in &names {
            if options.sheet.as_ref().is_some_and(|wanted| wanted != sheet) {
                continue;
            }
            let range = workbook
                .worksheet_range(sheet)
                .map_err(|error| anyhow::anyhow!("sheet {sheet:?} of {name} cannot be read: {error}"))?;
            if !range.is_empty() {
                let head = range.rows().take(HEAD).enumerate();
                let head = head.map(|(n, row)| (n as u64 + 1, row.iter().map(text_of).collect())).collect();
                let dialect = of_cells(head, options, known);
                found.push((sheet.clone(), range, dialect));
            }
        }
        let best = found.iter().enumerate().max_by_key(|(n, (_, range, dialect))| {
            (known.count(&dialect.names), range.height(), std::cmp::Reverse(*n))
        });
        let Some(best) = best.map(|(n, _)| n) else {
            match &options.sheet {
                Some(wanted) => {
                    let near = nearest(wanted, names.iter().map(String::as_str)).unwrap_or("...");
                    bail!(
                        "{name} has no sheet {wanted:?} with rows; its sheets are {}; the nearest is {near:?}",
                        names.join(", ")
                    )
                }
                None => bail!("{name} is empty: not even a header; export it again or leave it out"),
            }
        };
        let dialect = found[best].2.clone();
        let (mut sheets, mut others) = (Vec::new(), Vec::new());
        let (mut text, mut rows) = (String::new(), Vec::new());
        // The chosen sheet comes first, so that its header is read first.
        let chosen = found.remove(best);
        for (sheet, range, other) in std::iter::once(chosen).chain(found) {
            if other.names != dialect.names || other.has_header != dialect.has_header {
                others.push(sheet);
                continue;
            }
            // The lines before the header of later sheets are skipped.
            let skipped = if sheets.is_empty() { 0 } else { other.before as usize };
            let offset = rows.len() as u64;
            for (n, row) in range.rows().enumerate().skip(skipped) {
                let spans = row.iter().map(|cell| append(cell, &mut text)).collect();
                rows.push((offset + (n - skipped) as u64 + 1, spans));
            }
            sheets.push(sheet);
        }
        Ok(Self { sheets, others, dialect, text, rows })
    }

    /// Fills `record` with a row; `false` after the last one.
    pub fn read(&self, row: usize, record: &mut Record) -> bool {
        let Some((line, spans)) = self.rows.get(row) else { return false };
        record.bytes.clear();
        record.spans.clear();
        (record.line, record.lines, record.literal) = (*line, 1, false);
        let start = spans.first().map_or(0, |span| span.0);
        let end = spans.last().map_or(start, |span| span.1);
        record.bytes.extend_from_slice(&self.text.as_bytes()[start as usize..end as usize]);
        record.spans.extend(spans.iter().map(|(from, to)| (from - start, to - start)));
        true
    }
}

fn append(cell: &Data, text: &mut String) -> Span {
    let start = text.len() as u32;
    write_cell(cell, text);
    (start, text.len() as u32)
}

fn text_of(cell: &Data) -> String {
    let mut text = String::new();
    write_cell(cell, &mut text);
    text
}

fn write_cell(cell: &Data, text: &mut String) {
    // Writing to a string cannot fail.
    let _ = match cell {
        Data::Empty | Data::Error(_) => Ok(()),
        Data::String(value) | Data::DateTimeIso(value) | Data::DurationIso(value) => text.write_str(value),
        Data::Bool(value) => write!(text, "{value}"),
        Data::Int(value) => write!(text, "{value}"),
        Data::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => write!(text, "{value:.0}"),
        Data::Float(value) => write!(text, "{value}"),
        Data::DateTime(time) => write_time(time, text),
    };
}

/// A date with its time of day, to the nearest second, because workbooks keep times as fractions of a day; only the time of
/// day if the day is 0.
fn write_time(time: &ExcelDateTime, text: &mut String) -> std::fmt::Result {
    let (year, month, day, hour, minute, second, millis) = time.to_ymd_hms_milli();
    let small = |number: u8| i8::try_from(number).unwrap_or_default();
    let date =
        Date::new(i16::try_from(year).unwrap_or_default(), small(month), small(day)).unwrap_or(Date::ZERO);
    let of_day = Time::new(small(hour), small(minute), small(second), 0).unwrap_or(Time::midnight());
    let up = SignedDuration::from_secs(i64::from(millis >= 500));
    let rounded = DateTime::from_parts(date, of_day).saturating_add(up);
    if time.as_f64() < 1.0 || time.is_duration() {
        return write!(text, "{}", rounded.strftime("%H:%M:%S"));
    }
    write!(text, "{}", rounded.strftime("%Y-%m-%d %H:%M:%S"))
}
