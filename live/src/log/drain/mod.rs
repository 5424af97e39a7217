//! The drain: writes accepted events, in order and each once, to Parquet files.
//!
//! `date=2026-11-27/hour=06/events-00000000000000000042.parquet` holds events from number 42 on that were received in
//! that hour (UTC). The files alone record the progress of a folder, so no second record can disagree. A file is
//! written under a temporary name, synced, and then given its final name unless it is taken: whenever a process ends, a
//! file exists whole or not at all, and of two processes that drain one store the later one finds the name taken and
//! continues behind it.
//!
//! Events must be drained before a store removes them: [`Drain::next`] bounds a sweep. A store that came back with
//! older data does not know the ids of the events that it lost: such an event, sent again, is left out if it was
//! drained (`lost`).

mod columns;
mod files;
mod lost;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use parquet::errors::ParquetError;

use self::files::{Hour, Unfinished};
use self::lost::LostIds;
use crate::error::StoreError;
use crate::log::{EventLog, Logged};

/// Most events of one file.
pub const FILE_EVENTS: usize = 100_000;
/// Events of one read of the log.
const CHUNK: usize = 2_048;

/// A folder into which one store is drained. Any number of processes may drain it at once.
pub struct Drain {
    folder: PathBuf,
    /// The number of the first event that is not drained.
    next: AtomicU64,
    /// Ids that the store lost and the files hold.
    lost: Mutex<LostIds>,
}

/// The events that are not drained yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// Number of events, at most.
    pub events: u64,
    /// Milliseconds since the receipt of the oldest one.
    pub age_ms: i64,
}

/// The reason why events are not drained. They stay in the store; try again.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// The store does not return them.
    #[error("cannot read the events: {0}")]
    Store(#[from] StoreError),
    /// The folder cannot be used: it is full or read-only, or its file system has no hard links.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A file cannot be written, or is damaged.
    #[error("{}: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The error of the Parquet library.
        source: ParquetError,
    },
    /// A file has the name of a drained file but is not one.
    #[error("{}: not a file of this drain; move it out of the folder", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The store was emptied from outside and numbers its events from the start again.
    #[error(
        "the store begins anew at event {store}, but the folder is drained up to event {drained}: name another \
         folder for the drain, or the events would be taken for drained ones"
    )]
    BegunAnew {
        /// The number of the store's next event.
        store: u64,
        /// The number with which the folder continues.
        drained: u64,
    },
}

impl DrainError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    fn parquet(path: &Path, source: ParquetError) -> Self {
        Self::Parquet { path: path.to_owned(), source }
    }
}

impl Drain {
    /// Opens a folder, which is created if it is missing, and reads its progress. Cost: the names of all files, and the
    /// footer of the latest.
    ///
    /// # Errors
    /// The folder cannot be used, or its latest file is damaged.
    pub fn open(folder: &Path) -> Result<Self, DrainError> {
        files::create_folder(folder).map_err(|error| DrainError::io(folder, error))?;
        files::sync_parents(folder)?;
        files::clean(folder)?;
        let next = match files::latest(folder)? {
            Some((path, last)) => {
                files::sync_name(folder, &path)?;
                last.saturating_add(1)
            }
            None => 0,
        };
        Ok(Self { folder: folder.to_owned(), next: AtomicU64::new(next), lost: Mutex::default() })
    }

    /// The number of the first event that is not drained. An empty store must begin there or above; no store may
    /// forget events from it on.
    pub fn next(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// The events that are not drained at `now` (unix milliseconds).
    ///
    /// # Errors
    /// The store fails, or was emptied.
    pub async fn lag(&self, store: &impl EventLog, now: i64) -> Result<Lag, DrainError> {
        let (next, end) = (self.next(), self.end(store).await?);
        let oldest = store.events(next, 1).await?;
        let Some(oldest) = oldest.first() else { return Ok(Lag::default()) };
        // Numbers have gaps: this is an upper bound.
        let events = end.saturating_sub(oldest.number).min(store.len_bound().await?).max(1);
        Ok(Lag { events, age_ms: now.saturating_sub(oldest.received_at).max(0) })
    }

    /// Drains all events that were accepted before the call; returns the number that this process wrote. After an
    /// error, the events written stay written and the rest stays in the store.
    ///
    /// # Errors
    /// The store or the folder fails.
    pub async fn pass(&self, store: &impl EventLog) -> Result<u64, DrainError> {
        let end = self.end(store).await?;
        self.notice_loss(store).await?;
        let mut written = 0;
        while self.next() < end {
            let before = self.next();
            written += self.file(store, end).await?;
            if self.next() == before {
                break;
            }
        }
        Ok(written)
    }

    /// The number of the store's next event.
    async fn end(&self, store: &impl EventLog) -> Result<u64, DrainError> {
        let (drained, end) = (self.next(), store.next_number().await?);
        if end < drained {
            return Err(DrainError::BegunAnew { store: end, drained });
        }
        Ok(end)
    }

    /// Writes one file of events below `end`: those of one hour, at most [`FILE_EVENTS`].
    async fn file(&self, store: &impl EventLog, end: u64) -> Result<u64, DrainError> {
        let mut chunk = store.events(self.next(), CHUNK).await?;
        let Some(first) = chunk.first().filter(|first| first.number < end) else { return Ok(0) };
        let hour = Hour::of(first.received_at);
        let name = files::path(&self.folder, &hour, first.number);
        if name.exists() {
            self.advance(files::taken(&self.folder, &name)?);
            return Ok(0);
        }
        let (mut file, mut events) = (Unfinished::create(&self.folder)?, 0);
        while !chunk.is_empty() {
            // An earlier hour does not end a file: the clocks of replicas differ.
            let later = chunk.iter().position(|e| e.number >= end || Hour::of(e.received_at) > hour);
            let within = &chunk[..later.unwrap_or(chunk.len())];
            events += file.write(within, |logged| !self.was_lost(logged))?;
            if later.is_some() || events >= FILE_EVENTS {
                break;
            }
            let from = chunk.last().map_or(end, |event| event.number + 1);
            chunk = store.events(from, CHUNK.min(FILE_EVENTS - events)).await?;
        }
        let (last, ours) = file.publish(&hour)?;
        self.advance(last);
        Ok(if ours { events as u64 } else { 0 })
    }

    /// Reads the ids of drained events that the store lost, if it came back with older data. Must be called after
    /// [`end`](Self::end): then all returns before the events below that end are known.
    async fn notice_loss(&self, store: &impl EventLog) -> Result<(), DrainError> {
        let Some(rewind) = store.last_rewind().await? else { return Ok(()) };
        if !self.lost.lock().unwrap_or_else(PoisonError::into_inner).are_of(rewind) {
            let lost = LostIds::read(&self.folder, rewind)?;
            *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = lost;
        }
        Ok(())
    }

    fn was_lost(&self, logged: &Logged) -> bool {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).contains(logged)
    }

    fn advance(&self, last: u64) {
        self.next.fetch_max(last.saturating_add(1), Ordering::AcqRel);
    }
}
