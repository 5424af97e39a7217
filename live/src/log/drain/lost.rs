//! Ids of drained events that a store lost when it came back with older data.
//!
//! The store would accept these events again; the files must hold each event once. The ids are read from the drained
//! files, once for every return of the store. A file that cannot be read is skipped: a duplicate event does less harm
//! than a drain that stops. Cost: 16 bytes per id, and reading one column of the files.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use rustc_hash::FxHashSet;
use xxhash_rust::xxh3::xxh3_128;

use super::{DrainError, files};
use crate::log::{Logged, Rewind};

/// Most ids, the latest: 16 bytes each.
const MAX_IDS: usize = 4_000_000;

/// The drained ids that the store lost.
#[derive(Default)]
pub(super) struct LostIds {
    rewind: Option<Rewind>,
    ids: FxHashSet<u128>,
}

impl LostIds {
    /// True if the ids are those of this return.
    pub(super) fn are_of(&self, rewind: Rewind) -> bool {
        self.rewind == Some(rewind)
    }

    /// Reads the ids that a return of the store lost from the files in `folder`.
    pub(super) fn read(folder: &Path, rewind: Rewind) -> Result<Self, DrainError> {
        let mut ids = FxHashSet::default();
        for path in files::from_number(folder, rewind.before)?.iter().rev() {
            if ids.len() >= MAX_IDS {
                break;
            }
            let _ = add_ids(path, rewind, &mut ids);
        }
        Ok(Self { rewind: Some(rewind), ids })
    }

    /// True if an event was drained before the store lost it.
    pub(super) fn contains(&self, logged: &Logged) -> bool {
        !self.ids.is_empty() && self.ids.contains(&hash(&logged.event.event_id))
    }
}

fn add_ids(path: &Path, rewind: Rewind, ids: &mut FxHashSet<u128>) -> Result<(), ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let columns = ProjectionMask::columns(builder.parquet_schema(), ["number", "event_id"]);
    for batch in builder.with_projection(columns).build()? {
        let batch = batch?;
        let numbers = batch["number"].as_primitive::<Int64Type>();
        let event_ids = batch["event_id"].as_string::<i32>();
        for (number, id) in numbers.values().iter().zip(event_ids) {
            if (rewind.before..rewind.base).contains(&number.unsigned_abs()) {
                ids.extend(id.map(hash));
            }
        }
    }
    Ok(())
}

fn hash(id: &str) -> u128 {
    xxh3_128(id.as_bytes())
}
