//! The embedded store: fjall, a log-structured key-value store, in a folder of its own.
//!
//! One thread writes ([`writer`]): work that arrives while it waits for the disk is committed together (group commit),
//! so throughput depends on the size of a group and not on the latency of `fsync`. Reads bypass it. Each file is one
//! concern: its writes in a group, and its reads.
//!
//! After a failed write, such as on a full disk, fjall refuses all later ones. The writer then answers errors, and
//! reopens the folder as soon as it can write a probe ([`shared`]).

mod counters;
mod documents;
mod log;
mod people;
mod replicated;
mod shared;
mod stray;
mod tables;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::shared::Shared;
use self::tables::Tables;
use self::writer::Writer;
use crate::error::StoreError;

/// A store in a folder. Dropping it waits until all submitted work is written.
pub struct Embedded {
    shared: Arc<Shared>,
    writer: Writer,
    stray: Vec<PathBuf>,
}

impl Embedded {
    /// Opens the store in `folder`, which is created (mode 0700) if it is missing. Events older than `ttl`
    /// milliseconds are forgotten.
    ///
    /// # Errors
    /// The folder cannot be used, is in use by another process, or does not hold a store.
    pub fn open(folder: &Path, ttl: i64) -> Result<Self, StoreError> {
        Self::open_from(folder, ttl, 0)
    }

    /// Opens the store with event numbers of at least `first`, so that new events in a removed folder do not reuse
    /// numbers of drained events.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_from(folder: &Path, ttl: i64, first: u64) -> Result<Self, StoreError> {
        create_private(folder)?;
        let stray = stray::move_aside(folder)?;
        let shared = Arc::new(Shared::new(folder, ttl, first, Tables::open(folder)?)?);
        let writer = Writer::start(Arc::clone(&shared))?;
        Ok(Self { shared, writer, stray })
    }

    /// New paths of the stray files that were moved out of the store's tables.
    pub fn stray_files(&self) -> &[PathBuf] {
        &self.stray
    }

    /// True if the store can write. After a failed write it cannot until it has opened its folder again.
    pub fn is_writable(&self) -> bool {
        self.shared.is_writable()
    }
}

/// Creates a folder that only its owner may enter; one that exists keeps its mode.
fn create_private(folder: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt;
    let created = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.map_err(|error| StoreError::Failed(format!("{}: {error}", folder.display())))
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
