//! Rows of Parquet files, a batch at a time, every value as text.

use super::bytes::read_error;
use super::files::SourceFile;
use super::row::{ABSENT, Event, Flow, Row, Sink, Slots, Span};
use anyhow::Context;
use arrow_array::{Array, ArrayRef, LargeStringArray, RecordBatch};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::File;

const BATCH_ROWS: usize = 8192;

fn open(file: &SourceFile) -> anyhow::Result<ParquetRecordBatchReaderBuilder<File>> {
    let raw = File::open(&file.path).with_context(|| format!("cannot open {}", file.name()))?;
    ParquetRecordBatchReaderBuilder::try_new(raw).with_context(|| {
        format!("{} is no Parquet file, or is cut off or damaged; copy it again", file.name())
    })
}

/// The names of the file's columns.
///
/// # Errors
/// When the file is no Parquet file.
pub fn header(file: &SourceFile) -> anyhow::Result<Vec<String>> {
    Ok(open(file)?.schema().fields().iter().map(|field| field.name().clone()).collect())
}

/// Gives every row to `sink`, and to `read` the part of the file's bytes that the rows stand for.
/// Without `whole`, rows have only the columns of `slots`; the others are not even unpacked.
///
/// # Errors
/// When the file cannot be read to its end, or uses a codec or type that is not supported.
pub fn each(
    file: &SourceFile,
    mut slots: Slots,
    whole: bool,
    read: &Cell<u64>,
    sink: &mut Sink<'_>,
) -> anyhow::Result<()> {
    let mut builder = open(file)?;
    if !whole {
        let wanted: BTreeSet<usize> = slots.iter().flatten().copied().collect();
        // What is left keeps the file's order.
        let place = |column: usize| wanted.iter().position(|&wanted| wanted == column);
        slots = slots.into_iter().map(|slot| slot.and_then(place)).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.iter().copied());
        builder = builder.with_projection(mask);
    }
    let total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0).max(1);
    let batches = builder
        .with_batch_size(BATCH_ROWS)
        .build()
        .with_context(|| format!("cannot read {}", file.name()))?;
    let before = read.get();
    let mut rows = Rows { done: 0, text: String::new(), spans: Vec::new() };
    for batch in batches {
        let batch = batch.map_err(|error| read_error(file, rows.done, error))?;
        let columns = texts(&batch).with_context(|| format!("cannot read {} as text", file.name()))?;
        if rows.give(&columns, batch.num_rows(), &slots, sink)? == Flow::Enough {
            return Ok(());
        }
        read.set(before + (file.bytes as f64 * rows.done as f64 / total as f64) as u64);
    }
    Ok(())
}

struct Rows {
    done: u64,
    text: String,
    spans: Vec<Span>,
}

impl Rows {
    fn give(
        &mut self,
        columns: &[LargeStringArray],
        rows: usize,
        slots: &[Option<usize>],
        sink: &mut Sink<'_>,
    ) -> anyhow::Result<Flow> {
        for row in 0..rows {
            self.done += 1;
            self.text.clear();
            self.spans.clear();
            for column in columns {
                if column.is_null(row) {
                    self.spans.push(ABSENT);
                    continue;
                }
                let start = self.text.len() as u32;
                self.text.push_str(column.value(row));
                self.spans.push((start, self.text.len() as u32));
            }
            let row =
                Row { line: self.done, text: &self.text, spans: &self.spans, slots, raw: None, at: None };
            if sink(Event::Row(&row))? == Flow::Enough {
                return Ok(Flow::Enough);
            }
        }
        Ok(Flow::Next)
    }
}

fn texts(batch: &RecordBatch) -> Result<Vec<LargeStringArray>, ArrowError> {
    batch.columns().iter().map(text).collect()
}

/// One column as text: numbers in their shortest form, times as RFC 3339, lists joined by `|`.
fn text(column: &ArrayRef) -> Result<LargeStringArray, ArrowError> {
    let column = match column.data_type() {
        // A named zone only says how to print; the value is UTC, and is printed so.
        DataType::Timestamp(unit, Some(_)) => {
            cast(column, &DataType::Timestamp(*unit, Some("+00:00".into())))?
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::Struct(_) | DataType::Map(_, _) => {
            return nested(column);
        }
        _ => column.clone(),
    };
    let text = cast(&column, &DataType::LargeUtf8)?;
    match text.as_any().downcast_ref::<LargeStringArray>() {
        Some(text) => Ok(text.clone()),
        None => Err(ArrowError::CastError(format!("no text of {}", column.data_type()))),
    }
}

fn nested(column: &ArrayRef) -> Result<LargeStringArray, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options)?;
    let plain = |row| -> Result<Option<String>, ArrowError> {
        if column.is_null(row) {
            return Ok(None);
        }
        let shown = formatter.value(row).try_to_string()?;
        let list = shown.strip_prefix('[').and_then(|shown| shown.strip_suffix(']'));
        Ok(Some(list.map(|list| list.replace(", ", "|")).unwrap_or(shown)))
    };
    (0..column.len()).map(plain).collect()
}
