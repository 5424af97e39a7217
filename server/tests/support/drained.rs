//! The contents of a folder of drained events.

use std::fs::{File, read_dir};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Number and id of every event in the Parquet files below `folder`, file by file in the order of their names; an
/// incomplete file fails the test.
pub fn drained(folder: &Path) -> Vec<(i64, String)> {
    let mut events = Vec::new();
    for file in files(folder) {
        let open = File::open(&file).unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(open).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let numbers = batch["number"].as_primitive::<Int64Type>();
            let ids = batch["event_id"].as_string::<i32>();
            events.extend((0..batch.num_rows()).map(|row| (numbers.value(row), ids.value(row).to_owned())));
        }
    }
    events
}

/// The Parquet files below `folder`, in the order of their names; none if it does not exist.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    found.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
    found
}
