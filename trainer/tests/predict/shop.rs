//! A trained demo shop that the tests share, and tables in every format.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::versions::ShopStore;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{TRAINER, finished, folder};

/// A demo shop, trained.
pub struct Shop {
    folder: TempDir,
    /// The published version, which the binary answers from.
    pub snapshot: Snapshot,
    /// The items of each order, in the order of the files.
    pub carts: Vec<(String, Vec<String>)>,
}

/// The shop, trained once by the binary.
pub fn shop() -> &'static Shop {
    static SHOP: OnceLock<Shop> = OnceLock::new();
    SHOP.get_or_init(|| {
        let folder = folder();
        let (demo, store) = (folder.path().join("demo"), folder.path().join("store"));
        let run = |arguments: &[&dyn AsRef<std::ffi::OsStr>]| {
            let done = finished(Command::new(TRAINER).args(arguments.iter().map(|a| a.as_ref())));
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        run(&[&"demo-data", &"--out", &demo, &"--users", &"1000", &"--until", &"2026-01-01"]);
        run(&[&"train", &"--config", &demo.join("shop.toml"), &"--store", &store]);
        let artifact = ShopStore::new(&store, "default").unwrap().artifact(None).unwrap();
        let snapshot = Snapshot::open(&artifact).unwrap();
        let carts = carts(&demo.join("orders.csv.zst"));
        Shop { folder, snapshot, carts }
    })
}

fn carts(orders: &Path) -> Vec<(String, Vec<String>)> {
    let mut carts: Vec<(String, Vec<String>)> = Vec::new();
    let mut place = std::collections::HashMap::new();
    for row in csv::Reader::from_reader(plain(orders).as_slice()).records() {
        let row = row.unwrap();
        let at = *place.entry(row[0].to_owned()).or_insert(carts.len());
        if at == carts.len() {
            carts.push((row[0].to_owned(), Vec::new()));
        }
        carts[at].1.push(row[2].to_owned());
    }
    carts
}

impl Shop {
    /// The binary and its arguments for a prediction.
    pub fn arguments(&self, kind: &str, input: &Path, output: &Path, more: &[&str]) -> Vec<OsString> {
        let store = self.folder.path().join("store");
        let mut arguments: Vec<OsString> = [TRAINER, "predict", kind, "--store"].map(Into::into).into();
        arguments.extend([store.into(), "--input".into(), input.into(), "--output".into(), output.into()]);
        arguments.extend(more.iter().map(Into::into));
        arguments
    }

    fn predict(&self, kind: &str, input: &Path, output: &Path, more: &[&str]) -> std::process::Output {
        let arguments = self.arguments(kind, input, output, more);
        finished(Command::new(&arguments[0]).args(&arguments[1..]))
    }
}

/// Predicts; returns standard output.
pub fn success(shop: &Shop, kind: &str, input: &Path, output: &Path, more: &[&str]) -> String {
    let done = shop.predict(kind, input, output, more);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Expects `predict` to fail without a panic; returns the error.
pub fn failure(shop: &Shop, kind: &str, input: &Path, output: &Path, more: &[&str]) -> String {
    let done = shop.predict(kind, input, output, more);
    assert!(matches!(done.status.code(), Some(1 | 2)), "{done:?}");
    String::from_utf8(done.stderr).unwrap()
}

/// A table of text for an input file.
pub struct Rows {
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    pub fn of(columns: &[&'static str], rows: &[&[&str]]) -> Self {
        let row = |row: &&[&str]| row.iter().map(|cell| Some((*cell).to_owned())).collect();
        Self { columns: columns.to_vec(), rows: rows.iter().map(row).collect() }
    }
}

/// Writes an input in the format of its ending, with other columns around that must be ignored.
pub fn write(folder: &Path, name: &str, rows: &Rows) -> PathBuf {
    let path = folder.join(name);
    let format = name.split('.').nth(1).unwrap();
    let text = match format {
        "parquet" => {
            write_parquet(&path, rows);
            return path;
        }
        "jsonl" => jsonl(rows),
        _ => delimited(rows, if format == "tsv" { b'\t' } else { b',' }),
    };
    let bytes = match name.rsplit('.').next().unwrap() {
        "zst" => zstd::encode_all(text.as_slice(), 1).unwrap(),
        "gz" => {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(&text).unwrap();
            packed.finish().unwrap()
        }
        _ => text,
    };
    std::fs::write(&path, bytes).unwrap();
    path
}

fn delimited(rows: &Rows, delimiter: u8) -> Vec<u8> {
    let mut out = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    fn framed<'a>(cells: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        ["x, \"y\""].into_iter().chain(cells).chain(["z"]).collect()
    }
    out.write_record(framed(rows.columns.iter().copied())).unwrap();
    for row in &rows.rows {
        out.write_record(framed(row.iter().map(|cell| cell.as_deref().unwrap_or("")))).unwrap();
    }
    out.into_inner().unwrap()
}

fn jsonl(rows: &Rows) -> Vec<u8> {
    let mut out = Vec::new();
    for row in &rows.rows {
        let cells =
            rows.columns.iter().zip(row).map(|(column, cell)| ((*column).to_owned(), cell.clone().into()));
        let other = [("x".to_owned(), serde_json::json!({"deep": [1]}))];
        let object: serde_json::Map<String, Value> = other.into_iter().chain(cells).collect();
        serde_json::to_writer(&mut out, &object).unwrap();
        out.push(b'\n');
    }
    out
}

fn write_parquet(path: &Path, rows: &Rows) {
    // A column of bytes that are not text, so a reader that does not skip the column fails.
    let other: ArrayRef = Arc::new(BinaryArray::from_iter_values(rows.rows.iter().map(|_| [0xff, 0xfe])));
    let column = |n: usize| -> ArrayRef {
        Arc::new(rows.rows.iter().map(|row| row[n].as_deref()).collect::<StringArray>())
    };
    let columns = rows.columns.iter().enumerate().map(|(n, name)| (*name, column(n)));
    let batch = RecordBatch::try_from_iter([("x", other)].into_iter().chain(columns)).unwrap();
    let mut out = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    out.write(&batch).unwrap();
    out.close().unwrap();
}

/// Key, rank, answer, score.
pub type Row = (String, i32, String, f32);

/// The bytes of a file as they are.
pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

fn plain(path: &Path) -> Vec<u8> {
    let bytes = read(path);
    match path.extension().unwrap().to_str().unwrap() {
        "zst" => zstd::decode_all(bytes.as_slice()).unwrap(),
        "gz" => {
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
            text
        }
        _ => bytes,
    }
}

/// The rows of an output in any format.
pub fn rows_of(path: &Path) -> Vec<Row> {
    let name = path.file_name().unwrap().to_str().unwrap();
    match name.split('.').nth(1).unwrap() {
        "parquet" => {
            let batches = ParquetRecordBatchReader::try_new(File::open(path).unwrap(), 1_000).unwrap();
            batches.flat_map(|batch| rows_of_batch(&batch.unwrap())).collect()
        }
        "jsonl" => String::from_utf8(plain(path)).unwrap().lines().map(row_of_json).collect(),
        format => {
            let delimiter = if format == "tsv" { b'\t' } else { b',' };
            let text = plain(path);
            let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_slice());
            reader.deserialize().map(|row| row.unwrap()).collect()
        }
    }
}

fn row_of_json(line: &str) -> Row {
    // The keys are in the order of the columns.
    let object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
    let id = |name: &str| object[name].as_str().unwrap().to_owned();
    let key = ["user_id", "item_id", "cart_id"]
        .into_iter()
        .find(|name| line.starts_with(&format!("{{\"{name}\"")))
        .unwrap();
    let found = object.keys().find(|name| name.ends_with("_id") && *name != key).unwrap();
    (id(key), object["rank"].as_i64().unwrap() as i32, id(found), object["score"].as_f64().unwrap() as f32)
}

fn rows_of_batch(batch: &RecordBatch) -> Vec<Row> {
    let text = |column: usize, row: usize| batch.column(column).as_string::<i32>().value(row).to_owned();
    let rank = batch.column(1).as_primitive::<Int32Type>();
    let score = batch.column(3).as_primitive::<Float32Type>();
    (0..batch.num_rows()).map(|row| (text(0, row), rank.value(row), text(2, row), score.value(row))).collect()
}
