//! Files of events: written whole or not at all, each under a name that is given once.
//!
//! A file's name holds the number of its first event, and its footer that of its last, so that the files of a
//! folder say how far it is drained. The name is given by a hard link, which fails where the name is taken: of
//! two processes that write one file, one gives way.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arrow_schema::SchemaRef;
use chrono::{DateTime, Timelike};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::DrainError;
use super::columns;
use crate::store::Logged;

/// Keys of the footer: the numbers of the file's first and last event.
const FIRST: &str = "qianmian.first";
const LAST: &str = "qianmian.last";
const ZSTD_LEVEL: i32 = 3;
/// An unfinished file that nobody wrote to for so long was left behind by a process that is gone.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// What tells the unfinished files of one process apart.
static UNFINISHED: AtomicU64 = AtomicU64::new(0);

/// An hour of the calendar, UTC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hour {
    date: String,
    hour: u32,
}

impl Hour {
    /// The hour of a moment, unix milliseconds.
    pub(super) fn of(at: i64) -> Self {
        let at = DateTime::from_timestamp_millis(at).unwrap_or_default();
        Self { date: at.format("%Y-%m-%d").to_string(), hour: at.hour() }
    }

    fn folder(&self, root: &Path) -> PathBuf {
        root.join(format!("date={}", self.date)).join(format!("hour={:02}", self.hour))
    }
}

/// Where the file is that begins with the event of this number, received in this hour.
pub(super) fn path(root: &Path, hour: &Hour, first: u64) -> PathBuf {
    // As many digits as the largest number has, so that names sort as numbers do.
    hour.folder(root).join(format!("events-{first:020}.parquet"))
}

/// The file of the latest events, and the number of its last one; `None` in an empty folder.
pub(super) fn latest(root: &Path) -> Result<Option<(PathBuf, u64)>, DrainError> {
    let mut latest: Option<(u64, PathBuf)> = None;
    for hour in folders(root, "date=")?.iter().map(|date| folders(date, "hour=")) {
        for file in hour?.iter().map(|hour| entries(hour)) {
            for path in file? {
                let number = first_of(&path).filter(|first| latest.as_ref().is_none_or(|l| *first > l.0));
                latest = number.map(|first| (first, path)).or(latest);
            }
        }
    }
    latest.map(|(_, path)| last_of(&path).map(|last| (path, last))).transpose()
}

/// The number in the name of a file of events.
fn first_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("events-")?.strip_suffix(".parquet")?.parse().ok()
}

/// The number of the last event of a file, out of its footer.
pub(super) fn last_of(path: &Path) -> Result<u64, DrainError> {
    let file = File::open(path).map_err(|error| DrainError::io(path, error))?;
    let footer = ParquetMetaDataReader::new().parse_and_finish(&file);
    let footer = footer.map_err(|error| DrainError::parquet(path, error))?;
    let pairs = footer.file_metadata().key_value_metadata().map_or(&[][..], Vec::as_slice);
    let number = |key: &str| -> Option<u64> {
        pairs.iter().find(|pair| pair.key == key)?.value.as_deref()?.parse().ok()
    };
    match (number(FIRST), number(LAST)) {
        (Some(first), Some(last)) if first_of(path) == Some(first) && first <= last => Ok(last),
        _ => Err(DrainError::Foreign { path: path.to_owned() }),
    }
}

fn folders(folder: &Path, prefix: &str) -> Result<Vec<PathBuf>, DrainError> {
    let named = |path: &PathBuf| {
        path.is_dir()
            && path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix))
    };
    Ok(entries(folder)?.into_iter().filter(named).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, DrainError> {
    let read =
        || -> io::Result<Vec<PathBuf>> { fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect() };
    read().map_err(|error| DrainError::io(folder, error))
}

/// Makes sure that a file's name outlives a power cut: syncs the folders above it, up to `root`.
pub(super) fn sync_name(root: &Path, path: &Path) -> Result<(), DrainError> {
    for folder in path.ancestors().skip(1) {
        sync(folder)?;
        if folder == root {
            break;
        }
    }
    Ok(())
}

/// The same of a folder that may have been made just now, in one that may have been, too.
pub(super) fn sync_parents(folder: &Path) -> Result<(), DrainError> {
    let named = |parent: &&Path| !parent.as_os_str().is_empty();
    folder.ancestors().skip(1).take(2).filter(named).try_for_each(sync)
}

fn sync(folder: &Path) -> Result<(), DrainError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| DrainError::io(folder, error))
}

/// Removes what processes left behind that ended while they wrote.
pub(super) fn clean(root: &Path) -> Result<(), DrainError> {
    for path in entries(root)? {
        let unfinished = path.extension().is_some_and(|extension| extension == "tmp");
        let modified = path.metadata().and_then(|metadata| metadata.modified());
        let age = |at| SystemTime::now().duration_since(at).unwrap_or_default();
        if unfinished && modified.is_ok_and(|at| age(at) > ABANDONED) {
            // Another process may have removed it meanwhile.
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

/// A file that has no name yet. Dropped before [`publish`](Self::publish), it is removed.
pub(super) struct Unfinished {
    root: PathBuf,
    path: PathBuf,
    schema: SchemaRef,
    writer: ArrowWriter<File>,
    /// Numbers of the first and the last event written.
    range: Option<(u64, u64)>,
}

impl Unfinished {
    /// Begins a file of a folder.
    pub(super) fn create(root: &Path) -> Result<Self, DrainError> {
        let nth = UNFINISHED.fetch_add(1, Ordering::Relaxed);
        // The time too: a process number may be that of another machine's process, or of one that is gone.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let path = root.join(format!(".events-{}-{now}-{nth}.tmp", std::process::id()));
        let file = File::create_new(&path).map_err(|error| DrainError::io(&path, error))?;
        let schema = columns::schema();
        let opened = ZstdLevel::try_new(ZSTD_LEVEL).and_then(|level| {
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(level))
                // Every id is another, so that a dictionary of them only takes memory.
                .set_column_dictionary_enabled(ColumnPath::from("event_id"), false)
                .build();
            ArrowWriter::try_new(file, schema.clone(), Some(properties))
        });
        match opened {
            Ok(writer) => Ok(Self { root: root.to_owned(), path, schema, writer, range: None }),
            Err(error) => {
                let _ = fs::remove_file(&path);
                Err(DrainError::parquet(&path, error))
            }
        }
    }

    /// Appends events.
    pub(super) fn write(&mut self, events: &[Logged]) -> Result<(), DrainError> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
        let rows = columns::rows(&self.schema, events).map_err(Into::into);
        let written = rows.and_then(|rows| self.writer.write(&rows));
        written.map_err(|error| DrainError::parquet(&self.path, error))?;
        let first = self.range.map_or(first.number, |(first, _)| first);
        self.range = Some((first, last.number));
        Ok(())
    }

    /// Completes the file, down to the disk, and gives it the name of its first event, which was received in
    /// `hour`. Returns the number of the last event under that name, and whether the file got it: where the
    /// name was taken, the number is that of the file that has it.
    pub(super) fn publish(mut self, hour: &Hour) -> Result<(u64, bool), DrainError> {
        let Some((first, last)) = self.range else {
            return Err(DrainError::Foreign { path: self.path.clone() });
        };
        for (key, number) in [(FIRST, first), (LAST, last)] {
            self.writer.append_key_value_metadata(KeyValue::new(key.to_owned(), number.to_string()));
        }
        self.writer.finish().map_err(|error| DrainError::parquet(&self.path, error))?;
        self.writer.inner().sync_all().map_err(|error| DrainError::io(&self.path, error))?;
        let name = path(&self.root, hour, first);
        let folder = hour.folder(&self.root);
        fs::create_dir_all(&folder).map_err(|error| DrainError::io(&folder, error))?;
        match fs::hard_link(&self.path, &name) {
            Ok(()) => {
                sync_name(&self.root, &name)?;
                Ok((last, true))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok((taken(&self.root, &name)?, false)),
            Err(error) => Err(DrainError::io(&name, error)),
        }
    }
}

/// The number of the last event of a file that another process named. Its name may not have reached the disk.
pub(super) fn taken(root: &Path, name: &Path) -> Result<u64, DrainError> {
    let last = last_of(name)?;
    sync_name(root, name)?;
    Ok(last)
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Under its own name it goes on; this one is nobody's.
        let _ = fs::remove_file(&self.path);
    }
}
