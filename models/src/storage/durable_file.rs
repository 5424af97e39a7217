//! Files that survive a crash: written and synced, or replaced as a whole.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file and waits until it is on disk.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path).map_err(Error::io(path))?;
    file.write_all(bytes).map_err(Error::io(path))?;
    file.sync_all().map_err(Error::io(path))
}

/// Replaces a file as a whole: a reader sees the old bytes or the new ones.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    let replaced =
        write_synced(&new, bytes).and_then(|()| std::fs::rename(&new, path).map_err(Error::io(path)));
    if replaced.is_err() {
        // Best effort: nobody reads a leftover, and the next record overwrites it.
        let _ = std::fs::remove_file(&new);
    }
    replaced.and_then(|()| path.parent().map_or(Ok(()), sync_folder))
}

/// Waits until the directory entries of a folder are on disk.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path).and_then(|f| f.sync_all()).map_err(Error::io(path))
}
