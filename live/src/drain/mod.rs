//! The drain: accepted events, in order, into Parquet files that stay, each event once.
//!
//! `date=2026-11-27/hour=06/events-00000000000000000042.parquet` holds events from number 42 on that were
//! received in that hour (UTC). How far a folder is drained is told by its files alone, so that no second truth
//! can differ from them. A file is written under a name of no meaning, synced, and then given its own name if
//! nobody has it: whenever a process ends, a file is there whole or not at all, and of two that drain one store
//! at once the later one finds the name taken and goes on behind it.
//!
//! Events must be drained before a store forgets them: [`Drain::sweep_as_of`].

mod columns;
mod files;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::errors::ParquetError;

use self::files::{Hour, Unfinished};
use crate::store::{Store, StoreError};

/// Events of one file at most.
pub const FILE_EVENTS: usize = 100_000;
/// Events that are read of the store at once.
const CHUNK: usize = 2_048;

/// A folder that one store is drained into. Any number of processes may drain it at once.
pub struct Drain {
    folder: PathBuf,
    /// The number of the first event that is not drained.
    next: AtomicU64,
}

/// What is not drained yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// Events.
    pub events: u64,
    /// Milliseconds since the oldest of them was received.
    pub age_ms: i64,
}

/// Why events are not drained. They stay in the store; try again.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// The store does not give them.
    #[error("cannot read the events: {0}")]
    Store(#[from] StoreError),
    /// The folder cannot be used: it is full, read-only or gone, or its file system has no hard links.
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
        /// What is wrong with it.
        source: ParquetError,
    },
    /// A file has the name of a drained file, and is none.
    #[error("{}: not a file of this drain; move it out of the folder", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The store was emptied from outside, and numbers its events anew.
    #[error(
        "the store begins anew at event {store}, but the folder is drained up to event {drained}: name another \
         folder for the drain, or the events would be taken for drained ones"
    )]
    BegunAnew {
        /// The number of the store's next event.
        store: u64,
        /// The number that the folder goes on with.
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
    /// Opens a folder, which is made if it is not there, and finds out how far it is drained: cost is a look at
    /// the name of every file in it, and at the footer of the latest.
    ///
    /// # Errors
    /// The folder cannot be used, or its latest file is damaged.
    pub fn open(folder: &Path) -> Result<Self, DrainError> {
        std::fs::create_dir_all(folder).map_err(|error| DrainError::io(folder, error))?;
        files::sync_parents(folder)?;
        files::clean(folder)?;
        let next = match files::latest(folder)? {
            Some((path, last)) => {
                files::sync_name(folder, &path)?;
                last.saturating_add(1)
            }
            None => 0,
        };
        Ok(Self { folder: folder.to_owned(), next: AtomicU64::new(next) })
    }

    /// The number of the first event that is not drained. A store that is empty must begin at it or above.
    pub fn next(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// What is not drained at `now`, unix milliseconds.
    ///
    /// # Errors
    /// The store fails, or was emptied.
    pub async fn lag(&self, store: &impl Store, now: i64) -> Result<Lag, DrainError> {
        let (next, end) = (self.next(), self.end(store).await?);
        let oldest = store.log(next, 1).await?;
        let Some(oldest) = oldest.first() else { return Ok(Lag::default()) };
        // Numbers may be left out, so that this is an upper bound.
        let events = end.saturating_sub(oldest.number).max(1);
        Ok(Lag { events, age_ms: now.saturating_sub(oldest.received_at).max(0) })
    }

    /// The moment, at `now` or before it, that the store may be swept as of: what is not drained lies within the
    /// `ttl` then.
    ///
    /// # Errors
    /// The store fails.
    pub async fn sweep_as_of(&self, store: &impl Store, now: i64, ttl: i64) -> Result<i64, StoreError> {
        let oldest = store.log(self.next(), 1).await?;
        let kept = oldest.first().map_or(now, |oldest| oldest.received_at.saturating_add(ttl - 1));
        Ok(now.min(kept))
    }

    /// Drains all events that were accepted before the call; how many this process wrote. What fails stays in
    /// the store, and what is written stays written.
    ///
    /// # Errors
    /// The store or the folder fails.
    pub async fn pass(&self, store: &impl Store) -> Result<u64, DrainError> {
        let end = self.end(store).await?;
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
    async fn end(&self, store: &impl Store) -> Result<u64, DrainError> {
        let (drained, end) = (self.next(), store.next_number().await?);
        if end < drained {
            return Err(DrainError::BegunAnew { store: end, drained });
        }
        Ok(end)
    }

    /// Writes one file of events before `end`: those of an hour, at most [`FILE_EVENTS`].
    async fn file(&self, store: &impl Store, end: u64) -> Result<u64, DrainError> {
        let mut chunk = store.log(self.next(), CHUNK).await?;
        let Some(first) = chunk.first().filter(|first| first.number < end) else { return Ok(0) };
        let hour = Hour::of(first.received_at);
        let name = files::path(&self.folder, &hour, first.number);
        if name.exists() {
            self.advance(files::taken(&self.folder, &name)?);
            return Ok(0);
        }
        let (mut file, mut events) = (Unfinished::create(&self.folder)?, 0);
        while !chunk.is_empty() {
            // An earlier hour does not end a file: clocks of replicas differ a little.
            let later = chunk.iter().position(|e| e.number >= end || Hour::of(e.received_at) > hour);
            let within = &chunk[..later.unwrap_or(chunk.len())];
            file.write(within)?;
            events += within.len();
            if later.is_some() || events >= FILE_EVENTS {
                break;
            }
            let from = chunk.last().map_or(end, |event| event.number + 1);
            chunk = store.log(from, CHUNK.min(FILE_EVENTS - events)).await?;
        }
        let (last, ours) = file.publish(&hour)?;
        self.advance(last);
        Ok(if ours { events as u64 } else { 0 })
    }

    fn advance(&self, last: u64) {
        self.next.fetch_max(last.saturating_add(1), Ordering::AcqRel);
    }
}
