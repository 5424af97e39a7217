//! Files of events: each is written whole or not at all, under a unique name.
//!
//! A file's name holds the number of its first event and its footer that of its last, so that the files alone record
//! the progress of the drain. The name is given by a hard link, which fails if the name is taken: of two processes that
//! write one file, one gives way. Files have the mode 0600 and folders 0700: they hold user ids and identities.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
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
use crate::log::Logged;

/// Footer keys: the numbers of the file's first and last event.
const FIRST: &str = "qianmian.first";
const LAST: &str = "qianmian.last";
const ZSTD_LEVEL: i32 = 3;
/// An unfinished file without writes for this long belongs to a process that is gone.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// Distinguishes the unfinished files of one process.
static UNFINISHED: AtomicU64 = AtomicU64::new(0);

/// An hour of the calendar, UTC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hour {
    date: String,
    hour: u32,
}

impl Hour {
    /// The hour of a moment (unix milliseconds).
    pub(super) fn of(at: i64) -> Self {
        let at = DateTime::from_timestamp_millis(at).unwrap_or_default();
        Self { date: at.format("%Y-%m-%d").to_string(), hour: at.hour() }
    }

    fn folder(&self, root: &Path) -> PathBuf {
        root.join(format!("date={}", self.date)).join(format!("hour={:02}", self.hour))
    }
}

/// The path of the file whose first event has this number and was received in this hour.
pub(super) fn path(root: &Path, hour: &Hour, first: u64) -> PathBuf {
    // As many digits as the largest number has, so that names sort as numbers do.
    hour.folder(root).join(format!("events-{first:020}.parquet"))
}

/// The file with the latest events and the number of its last one; `None` in an empty folder.
pub(super) fn latest(root: &Path) -> Result<Option<(PathBuf, u64)>, DrainError> {
    let latest = all(root)?.into_iter().max();
    latest.map(|(_, path)| last_of(&path).map(|last| (path, last))).transpose()
}

/// The files that may hold events with numbers of `from` or above.
pub(super) fn from_number(root: &Path, from: u64) -> Result<Vec<PathBuf>, DrainError> {
    let mut files = all(root)?;
    files.sort_unstable();
    // The last file that begins at or below `from` may reach beyond it.
    let skipped = files.partition_point(|(first, _)| *first <= from).saturating_sub(1);
    Ok(files.into_iter().skip(skipped).map(|(_, path)| path).collect())
}

/// All files of the folder, each with the number of its first event.
fn all(root: &Path) -> Result<Vec<(u64, PathBuf)>, DrainError> {
    let mut files = Vec::new();
    for date in folders(root, "date=")? {
        for hour in folders(&date, "hour=")? {
            files.extend(entries(&hour)?.into_iter().filter_map(|path| Some((first_of(&path)?, path))));
        }
    }
    Ok(files)
}

/// The number in the name of a file of events.
fn first_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("events-")?.strip_suffix(".parquet")?.parse().ok()
}

/// The number of a file's last event, from its footer.
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

/// Creates a folder that only its owner may enter; one that exists keeps its mode.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
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

/// Makes a file's name durable: syncs the folders above it, up to `root`.
pub(super) fn sync_name(root: &Path, path: &Path) -> Result<(), DrainError> {
    for folder in path.ancestors().skip(1) {
        sync(folder)?;
        if folder == root {
            break;
        }
    }
    Ok(())
}

/// Makes the names of a new folder and of its parent durable.
pub(super) fn sync_parents(folder: &Path) -> Result<(), DrainError> {
    let named = |parent: &&Path| !parent.as_os_str().is_empty();
    folder.ancestors().skip(1).take(2).filter(named).try_for_each(sync)
}

fn sync(folder: &Path) -> Result<(), DrainError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| DrainError::io(folder, error))
}

/// Removes unfinished files of processes that are gone.
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

/// A file without its final name. Dropped before [`publish`](Self::publish), it is removed.
pub(super) struct Unfinished {
    root: PathBuf,
    path: PathBuf,
    schema: SchemaRef,
    writer: ArrowWriter<File>,
    /// Numbers of the first and the last event covered.
    range: Option<(u64, u64)>,
}

impl Unfinished {
    /// Starts a file in a folder, which is created again if it was removed.
    pub(super) fn create(root: &Path) -> Result<Self, DrainError> {
        let nth = UNFINISHED.fetch_add(1, Ordering::Relaxed);
        // With the time, because process numbers repeat across machines and restarts.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let path = root.join(format!(".events-{}-{now}-{nth}.tmp", std::process::id()));
        let create = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let created = match create() {
            Err(error) if error.kind() == ErrorKind::NotFound => create_folder(root).and_then(|()| create()),
            created => created,
        };
        let file = created.map_err(|error| DrainError::io(&path, error))?;
        let schema = columns::schema();
        let opened = ZstdLevel::try_new(ZSTD_LEVEL).and_then(|level| {
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(level))
                // Ids are unique: a dictionary of them only takes memory.
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

    /// Appends the events for which `is_wanted` is true, and covers the numbers of all of `events`; returns the number
    /// appended.
    pub(super) fn write(
        &mut self,
        events: &[Logged],
        is_wanted: impl Fn(&Logged) -> bool,
    ) -> Result<usize, DrainError> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(0) };
        let wanted: Vec<&Logged> = events.iter().filter(|logged| is_wanted(logged)).collect();
        let rows = columns::rows(&self.schema, &wanted).map_err(Into::into);
        let written = rows.and_then(|rows| self.writer.write(&rows));
        written.map_err(|error| DrainError::parquet(&self.path, error))?;
        let first = self.range.map_or(first.number, |(first, _)| first);
        self.range = Some((first, last.number));
        Ok(wanted.len())
    }

    /// Completes and syncs the file and names it after its first event, received in `hour`. Returns the number of the
    /// last event under that name, and true if this file got the name: if it was taken, the number is that of the other
    /// file.
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
        create_folder(&folder).map_err(|error| DrainError::io(&folder, error))?;
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

/// The number of the last event of a file that another process named; its name is made durable.
pub(super) fn taken(root: &Path, name: &Path) -> Result<u64, DrainError> {
    let last = last_of(name)?;
    sync_name(root, name)?;
    Ok(last)
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Its final name is another link to it.
        let _ = fs::remove_file(&self.path);
    }
}
