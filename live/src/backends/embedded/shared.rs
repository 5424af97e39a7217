//! State shared by the writer and the readers; reopens the folder after a failed write.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::replicated::{Records, read_all};
use super::stray;
use super::tables::Tables;
use crate::consents::Consent;
use crate::documents::Watchers;
use crate::error::StoreError;
use crate::items::ItemState;

/// Bytes that must be writable before the folder is reopened: recovery writes tables of this size.
const PROBE_BYTES: usize = 16 << 20;
/// Interval of checks that the last reader has released the tables.
const READERS: Duration = Duration::from_millis(1);

pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) ttl: i64,
    /// The least number of the next event.
    pub(super) first: u64,
    /// `None` while the folder is being reopened.
    tables: RwLock<Option<Arc<Tables>>>,
    /// The states of all items, in memory.
    pub(super) items: RwLock<Records<ItemState>>,
    /// The consents of all users who decided, in memory.
    pub(super) consents: RwLock<Records<Consent>>,
    /// The receivers of changes of documents.
    pub(super) watchers: Watchers,
    writable: AtomicBool,
}

impl Shared {
    pub(super) fn new(folder: &Path, ttl: i64, first: u64, tables: Tables) -> Result<Self, StoreError> {
        let (items, consents) = (RwLock::new(read_all(&tables)?), RwLock::new(read_all(&tables)?));
        let tables = RwLock::new(Some(Arc::new(tables)));
        let (watchers, writable) = (Watchers::default(), AtomicBool::new(true));
        Ok(Self { folder: folder.to_owned(), ttl, first, tables, items, consents, watchers, writable })
    }

    /// The tables. Hold them for one call only, because reopening the folder waits for them.
    pub(super) fn tables(&self) -> Result<Arc<Tables>, StoreError> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.clone().ok_or_else(|| StoreError::Failed("its folder is being opened again".to_owned()))
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Acquire)
    }

    /// Records a failed write: fjall accepts no more from now on.
    pub(super) fn failed(&self) {
        self.writable.store(false, Ordering::Release);
    }

    /// Reopens the folder if a probe can be written to it. Acknowledged work is in the journal and is recovered.
    ///
    /// # Errors
    /// The disk still fails; the old tables stay readable if the probe failed.
    pub(super) fn reopen(&self) -> Result<(), StoreError> {
        let probe = self.folder.join("probe");
        let written = write_probe(&probe);
        // It may not be there.
        let _ = fs::remove_file(&probe);
        written.map_err(|error| StoreError::Failed(format!("{}: {error}", self.folder.display())))?;
        let old = self.tables.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut tables) = old {
            // The lock on the folder is released with the last reference.
            loop {
                match Arc::try_unwrap(tables) {
                    Ok(last) => break drop(last),
                    Err(shared) => tables = shared,
                }
                std::thread::sleep(READERS);
            }
        }
        stray::move_aside(&self.folder)?;
        let tables = Tables::open(&self.folder)?;
        // The failed write may have reached the disk all the same.
        *self.items.write().unwrap_or_else(PoisonError::into_inner) = read_all(&tables)?;
        *self.consents.write().unwrap_or_else(PoisonError::into_inner) = read_all(&tables)?;
        *self.tables.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(tables));
        self.writable.store(true, Ordering::Release);
        Ok(())
    }
}

/// Writes and syncs a file, so that the file system has really allocated its blocks.
fn write_probe(path: &Path) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&vec![0xa5; PROBE_BYTES])?;
    file.sync_all()
}
