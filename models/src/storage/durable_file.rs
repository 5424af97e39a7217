//! Files that survive a crash: written and synced, or replaced as a whole.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file and waits until it is on disk.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path).map_err(Error::io(path))?;
    file.write_all(bytes).map_err(Error::io(path))?;
    file.sync_all().map_err(Error::io(path))
}

/// Reads a regular file of at most `most` bytes. A device or a pipe could hang or never end.
pub(crate) fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = open_regular(path)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(Error::io(path))?;
    if bytes.len() as u64 > most {
        let fault = std::io::Error::new(ErrorKind::InvalidData, format!("more than {most} bytes"));
        return Err(Error::io(path)(fault));
    }
    Ok(bytes)
}

/// Opens a regular file, or what a link to one names.
pub(crate) fn open_regular(path: &Path) -> Result<File> {
    // Before it is opened: opening a pipe waits for its writer.
    if !std::fs::metadata(path).map_err(Error::io(path))?.is_file() {
        let fault = std::io::Error::new(ErrorKind::InvalidInput, "not a regular file");
        return Err(Error::io(path)(fault));
    }
    File::open(path).map_err(Error::io(path))
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn devices_pipes_and_long_files_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, file) = (folder.path().join("pipe"), folder.path().join("file"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::fs::write(&file, b"four").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for path in [&pipe, &link] {
            let error = read_bounded(path, 10).unwrap_err().to_string();
            assert!(error.contains("not a regular file"), "{error}");
        }
        assert_eq!(read_bounded(&file, 4).unwrap(), b"four");
        assert!(read_bounded(&file, 3).unwrap_err().to_string().contains("more than 3 bytes"));
    }
}
