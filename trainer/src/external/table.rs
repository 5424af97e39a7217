//! Rows of Parquet and Arrow IPC files: an id and a vector, or two ids and a score.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::config::Normalise;
use crate::orders::Reason;
use crate::orders::values::id;

/// The ids that a file may name.
pub struct Ids<'a> {
    /// The column that holds them.
    pub column: &'static str,
    /// All ids of the shop, in byte order.
    pub known: &'a [String],
    /// The normalization of ids; `None` for none.
    pub how: Option<Normalise>,
}

/// The position of a row in a file, for errors.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    path: &'a Path,
    row: usize,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, row {}", self.path.display(), self.row)
    }
}

/// Receives a row's id, vector and place.
pub type VectorSink<'s> = dyn FnMut(Option<u32>, &[f32], Place<'_>) -> anyhow::Result<()> + 's;

/// Passes every row's id (`None` if the shop does not know it) and vector, all numbers finite, to `sink`.
///
/// # Errors
/// Fails if the file cannot be read or lacks a column, or a vector is missing or not finite.
pub fn vectors(path: &Path, ids: &Ids<'_>, sink: &mut VectorSink<'_>) -> anyhow::Result<()> {
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    each(path, &mut |batch, first| {
        let names = texts(path, batch, ids.column)?;
        let lists = cast(column(path, batch, "vector")?, &DataType::List(Arc::clone(&item)))
            .with_context(|| format!("{}: `vector` must be a list of numbers", path.display()))?;
        let lists = lists.as_list::<i32>();
        let values = lists.values().as_primitive::<Float32Type>();
        for row in 0..batch.num_rows() {
            let place = Place { path, row: first + row };
            let range = lists.value_offsets()[row] as usize..lists.value_offsets()[row + 1] as usize;
            ensure!(!lists.is_null(row), "{place}: `vector` is null");
            let vector = &values.values()[range.clone()];
            let finite = vector.iter().all(|v| v.is_finite()) && range.clone().all(|n| values.is_valid(n));
            ensure!(finite, "{place}: the vector has a number that is missing or not finite");
            sink(ids.ix(&names, row, place)?, vector, place)?;
        }
        Ok(())
    })
}

/// Passes every row's pair of items (`None` unless the shop knows both) and finite score to `sink`.
///
/// # Errors
/// Fails if the file cannot be read or lacks a column, or a score is missing or not finite.
pub fn scores(
    path: &Path,
    ids: &Ids<'_>,
    sink: &mut dyn FnMut(Option<(u32, u32)>, f32),
) -> anyhow::Result<()> {
    each(path, &mut |batch, first| {
        let (names, targets) = (texts(path, batch, ids.column)?, texts(path, batch, "target_item_id")?);
        let scores = cast(column(path, batch, "score")?, &DataType::Float64)
            .with_context(|| format!("{}: `score` must be a number", path.display()))?;
        let scores = scores.as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            let place = Place { path, row: first + row };
            let score = scores.value(row) as f32;
            ensure!(scores.is_valid(row) && score.is_finite(), "{place}: the score is missing or not finite");
            sink(ids.ix(&names, row, place)?.zip(ids.ix(&targets, row, place)?), score);
        }
        Ok(())
    })
}

impl Ids<'_> {
    fn ix(&self, names: &StringArray, row: usize, place: Place<'_>) -> anyhow::Result<Option<u32>> {
        let name = names.is_valid(row).then(|| names.value(row).trim()).filter(|name| !name.is_empty());
        match id(name, self.how, Reason::NoId) {
            Ok(id) => {
                Ok(self.known.binary_search_by(|known| known.as_str().cmp(&id)).ok().map(|ix| ix as u32))
            }
            Err(_) => bail!("{place}: `{}` is empty or too long", self.column),
        }
    }
}

fn column<'b>(path: &Path, batch: &'b RecordBatch, name: &str) -> anyhow::Result<&'b ArrayRef> {
    batch.column_by_name(name).with_context(|| {
        let schema = batch.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        format!("{}: there is no column `{name}` (there are: {})", path.display(), names.join(", "))
    })
}

fn texts(path: &Path, batch: &RecordBatch, name: &str) -> anyhow::Result<StringArray> {
    let array = cast(column(path, batch, name)?, &DataType::Utf8)
        .with_context(|| format!("{}: `{name}` cannot be read as text", path.display()))?;
    Ok(array.as_string::<i32>().clone())
}

/// Passes every batch with the number of its first row, counted from 1, to `sink`.
fn each(path: &Path, sink: &mut dyn FnMut(&RecordBatch, usize) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut first = 1;
    for batch in batches(path)? {
        let batch =
            batch.with_context(|| format!("cannot read {} after row {}", path.display(), first - 1))?;
        sink(&batch, first)?;
        first += batch.num_rows();
    }
    Ok(())
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;

/// The batches of a file; its first bytes decide the format.
fn batches(path: &Path) -> anyhow::Result<Batches> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut magic = Vec::new();
    (&mut file).take(6).read_to_end(&mut magic).with_context(|| format!("cannot read {}", path.display()))?;
    file.rewind().with_context(|| format!("cannot read {}", path.display()))?;
    let damaged = || format!("{} is cut off or damaged; copy it again", path.display());
    if magic.starts_with(b"PAR1") {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).with_context(damaged)?;
        return Ok(Box::new(builder.build().with_context(damaged)?));
    }
    if magic.starts_with(b"ARROW1") {
        return Ok(Box::new(arrow_ipc::reader::FileReader::try_new(file, None).with_context(damaged)?));
    }
    bail!("{} is neither a Parquet nor an Arrow IPC (Feather version 2) file", path.display())
}
