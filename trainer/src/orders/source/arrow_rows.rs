//! Rows of Parquet and Arrow IPC files, a batch at a time, every value as text.
//!
//! The fields of structs are columns by path, `customer.id`; lists give one value per element.

use super::Lines;
use super::bytes::read_error;
use super::files::SourceFile;
use super::row::{ABSENT, Flow, LIST_MARK, Place, Row, Sink, Span};
use super::text_rows::Shape;
use super::unnest::Unnester;
use crate::config::Format;
use anyhow::Context;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, LargeStringArray, RecordBatch, RecordBatchReader};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType, Field, Fields, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};

const BATCH_ROWS: usize = 8192;

/// Deepest nesting of columns.
const MAX_DEPTH: usize = 6;

fn parquet(file: &SourceFile) -> anyhow::Result<ParquetRecordBatchReaderBuilder<File>> {
    let raw = File::open(&file.path).with_context(|| format!("cannot open {}", file.name()))?;
    ParquetRecordBatchReaderBuilder::try_new(raw).with_context(|| {
        format!("{} is no Parquet file, or is cut off or damaged; copy it again", file.name())
    })
}

fn ipc(file: &SourceFile) -> anyhow::Result<Box<dyn RecordBatchReader>> {
    let context = || format!("{} is no Arrow file, or is cut off or damaged; copy it again", file.name());
    let mut raw = File::open(&file.path).with_context(|| format!("cannot open {}", file.name()))?;
    let mut magic = [0u8; 6];
    let is_file = raw.read_exact(&mut magic).is_ok() && &magic == b"ARROW1";
    raw.rewind().with_context(context)?;
    Ok(match is_file {
        true => {
            let reader = guarded(|| FileReader::try_new(BufReader::new(raw), None)).unwrap_or_else(damaged);
            Box::new(reader.with_context(context)?)
        }
        false => {
            let reader = guarded(|| StreamReader::try_new(BufReader::new(raw), None)).unwrap_or_else(damaged);
            Box::new(reader.with_context(context)?)
        }
    })
}

/// A reader that turns panics into errors, because `arrow_ipc` does not check the offsets in a file.
struct Guarded(Box<dyn RecordBatchReader>);

impl Iterator for Guarded {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        guarded(|| self.0.next()).unwrap_or_else(|| Some(damaged()))
    }
}

impl RecordBatchReader for Guarded {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }
}

/// The result of `work`; `None` if it panics.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn damaged<T>() -> Result<T, ArrowError> {
    Err(ArrowError::ParseError("the file is damaged: it points outside of itself".to_owned()))
}

/// The names of the file's columns.
///
/// # Errors
/// Fails if the file is not valid for its format.
pub fn header(file: &SourceFile) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    match file.format {
        Format::Arrow => names_of(ipc(file)?.schema().fields(), "", &mut names),
        _ => names_of(parquet(file)?.schema().fields(), "", &mut names),
    }
    Ok(names)
}

fn names_of(fields: &Fields, path: &str, names: &mut Vec<String>) {
    for field in fields {
        leaves(field, &join(path, field.name()), 0, &mut |name| names.push(name.to_owned()));
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Calls `each` with the name of every column of a field.
fn leaves(field: &Field, name: &str, depth: usize, each: &mut dyn FnMut(&str)) {
    let inner = match field.data_type() {
        DataType::List(inner) | DataType::LargeList(inner) if depth == 0 => Some(inner.as_ref()),
        _ => None,
    };
    match inner.unwrap_or(field).data_type() {
        DataType::Struct(fields) if depth < MAX_DEPTH => {
            for field in fields {
                // A list within a list is one value.
                leaves(
                    field,
                    &join(name, field.name()),
                    if inner.is_some() { MAX_DEPTH - 1 } else { depth },
                    each,
                );
            }
        }
        _ => each(name),
    }
}

/// Passes every row to `sink`, and adds the rows' share of the file's bytes to `read`.
/// Without `whole`, columns that `shape` does not use are not decoded, if the format allows it.
///
/// # Errors
/// Fails if the file cannot be read to its end, or uses a codec or type that is not supported.
pub fn each(
    file: &SourceFile,
    shape: &Shape<'_>,
    whole: bool,
    read: &Cell<u64>,
    unnester: &mut Unnester<'_>,
    sink: &mut Sink<'_>,
) -> anyhow::Result<Lines> {
    let (batches, total): (Box<dyn RecordBatchReader>, u64) = match file.format {
        Format::Arrow => (ipc(file)?, 0),
        _ => {
            let mut builder = parquet(file)?;
            if !whole {
                let roots = used_roots(builder.schema().fields(), shape);
                let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
                builder = builder.with_projection(mask);
            }
            let total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
            let batches = builder.with_batch_size(BATCH_ROWS).build();
            (Box::new(batches.with_context(|| format!("cannot read {}", file.name()))?), total)
        }
    };
    let batches = Guarded(batches);
    let all = header(file)?;
    let before = read.get();
    let (mut text, mut spans, mut done) = (String::new(), Vec::<Span>::new(), 0u64);
    for batch in batches {
        let batch = batch.map_err(|error| read_error(file, done, error))?;
        let columns = texts(&batch, &all).with_context(|| format!("cannot read {} as text", file.name()))?;
        for row in 0..batch.num_rows() {
            done += 1;
            text.clear();
            spans.clear();
            for column in &columns {
                spans.push(match column.as_ref().filter(|column| !column.is_null(row)) {
                    None => ABSENT,
                    Some(column) => {
                        let start = text.len() as u32;
                        text.push_str(column.value(row));
                        (start, text.len() as u32)
                    }
                });
            }
            let (columns, constants) = (shape.columns, shape.constants);
            let row = Row {
                line: done,
                text: &text,
                spans: &spans,
                columns,
                constants,
                raw: None,
                at: None,
                element: None,
            };
            if unnester.give(&row, sink)? != Flow::Next {
                return Ok(Lines { rows: done, ..Lines::default() });
            }
        }
        read.set(before + (file.bytes as f64 * done as f64 / total.max(done).max(1) as f64) as u64);
    }
    Ok(Lines { rows: done, ..Lines::default() })
}

/// The top-level columns that hold the columns used by `shape`.
fn used_roots(fields: &Fields, shape: &Shape<'_>) -> BTreeSet<usize> {
    let mut root_of = Vec::new();
    for (root, field) in fields.iter().enumerate() {
        leaves(field, field.name(), 0, &mut |_| root_of.push(root));
    }
    let places = shape.columns.iter().flat_map(|located| &located.places);
    let cells = places.flat_map(|place| match place {
        Place::Cell(cell) => vec![*cell],
        Place::Spread(cells) => cells.clone(),
        Place::Constant(_) => Vec::new(),
    });
    cells.filter_map(|cell| root_of.get(cell).copied()).collect()
}

/// The columns of `all` as text; `None` for those missing in the batch.
fn texts(batch: &RecordBatch, all: &[String]) -> Result<Vec<Option<LargeStringArray>>, ArrowError> {
    let mut found: Vec<(String, LargeStringArray)> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        flatten(field, column, field.name(), 0, &mut found)?;
    }
    let mut found = found.into_iter().peekable();
    Ok(all.iter().map(|name| found.next_if(|(there, _)| there == name).map(|(_, column)| column)).collect())
}

fn flatten(
    field: &Field,
    column: &ArrayRef,
    name: &str,
    depth: usize,
    found: &mut Vec<(String, LargeStringArray)>,
) -> Result<(), ArrowError> {
    match field.data_type() {
        DataType::Struct(fields) if depth < MAX_DEPTH => {
            let parts = column.as_struct();
            for (field, part) in fields.iter().zip(parts.columns()) {
                let part = with_nulls_of(part, column)?;
                flatten(field, &part, &join(name, field.name()), depth, found)?;
            }
            Ok(())
        }
        DataType::List(inner) | DataType::LargeList(inner) if depth == 0 => {
            let large = cast(column, &DataType::LargeList(inner.clone()))?;
            let list = large.as_list::<i64>();
            let mut parts = Vec::new();
            let inner_depth =
                if matches!(inner.data_type(), DataType::Struct(_)) { MAX_DEPTH - 1 } else { MAX_DEPTH };
            flatten(inner, list.values(), name, inner_depth, &mut parts)?;
            for (name, values) in parts {
                let joined = (0..list.len()).map(|row| {
                    if list.is_null(row) {
                        return None;
                    }
                    let range = list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize;
                    let mut text = String::new();
                    for (number, element) in range.enumerate() {
                        if number > 0 {
                            text.push(LIST_MARK);
                        }
                        if !values.is_null(element) {
                            text.push_str(values.value(element));
                        }
                    }
                    Some(text)
                });
                found.push((name, joined.collect()));
            }
            Ok(())
        }
        _ => {
            found.push((name.to_owned(), text(column)?));
            Ok(())
        }
    }
}

/// The field `part` of a struct, set to null in rows in which the struct is null.
fn with_nulls_of(part: &ArrayRef, whole: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if whole.null_count() == 0 || part.data_type().is_nested() {
        return Ok(part.clone());
    }
    let text = text(part)?;
    let rows = (0..text.len())
        .map(|row| (whole.is_valid(row) && text.is_valid(row)).then(|| text.value(row).to_owned()));
    Ok(std::sync::Arc::new(rows.collect::<LargeStringArray>()))
}

/// One column as text: numbers in their shortest form, times as RFC 3339, deeper nested values in display format.
fn text(column: &ArrayRef) -> Result<LargeStringArray, ArrowError> {
    let column = match column.data_type() {
        // A named zone affects only the display; the value is UTC and is written in UTC.
        DataType::Timestamp(unit, Some(_)) => {
            cast(column, &DataType::Timestamp(*unit, Some("+00:00".into())))?
        }
        DataType::Float64 | DataType::Float32 => return Ok(numbers(&cast(column, &DataType::Float64)?)),
        DataType::Null => return Ok(std::iter::repeat_n(None::<&str>, column.len()).collect()),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::Struct(_)
        | DataType::Map(_, _)
        | DataType::FixedSizeList(_, _) => {
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

/// Numbers as text; whole floats have no decimal point, so that ids stored as floats are read correctly.
fn numbers(column: &ArrayRef) -> LargeStringArray {
    let text = |number: Option<f64>| {
        let number = number.filter(|number| !number.is_nan())?;
        let is_whole = number.fract() == 0.0 && number.abs() < 9e15;
        Some(if is_whole { format!("{number:.0}") } else { number.to_string() })
    };
    column.as_primitive::<arrow_array::types::Float64Type>().iter().map(text).collect()
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
