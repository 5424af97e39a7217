//! Stray files among the tables: `.nfs*`, `lost+found`, leftovers of editors and backups.
//!
//! fjall refuses a folder with unknown entries without naming them, or panics. They are moved into the folder `stray`
//! beside the tables, never deleted.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// The folder for stray files, inside the store's.
const STRAY: &str = "stray";

/// Moves stray entries aside; returns their new paths.
///
/// # Errors
/// An entry cannot be moved: the message names it.
pub(super) fn move_aside(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let keyspaces = folder.join("keyspaces");
    let mut found =
        entries(folder, |name, is_folder| !is_journal(name) || (is_number(name, ".jnl") && !is_folder))?;
    // fjall skips files among the keyspaces, but treats every folder as a keyspace.
    found.extend(entries(&keyspaces, |name, is_folder| is_number(name, "") || !is_folder)?);
    for keyspace in subfolders(&keyspaces)? {
        for part in ["tables", "blobs"] {
            found.extend(entries(&keyspace.join(part), |name, is_folder| is_number(name, "") && !is_folder)?);
        }
    }
    found.iter().map(|path| move_one(folder, path)).collect()
}

fn move_one(folder: &Path, path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |error: std::io::Error| {
        StoreError::Failed(format!(
            "{} is not part of the store and cannot be moved aside: {error}; move it out of the folder",
            path.display()
        ))
    };
    let stray = folder.join(STRAY);
    fs::create_dir_all(&stray).map_err(failed)?;
    let name = path.file_name().unwrap_or_default();
    let free = (0..).map(|n| {
        let mut name = name.to_owned();
        if n > 0 {
            name.push(format!(".{n}"));
        }
        stray.join(name)
    });
    let target = free.into_iter().find(|path| !path.exists()).unwrap_or_default();
    fs::rename(path, &target).map_err(failed)?;
    Ok(target)
}

/// The entries of a folder that do not belong; none if it is missing.
fn entries(folder: &Path, belongs: impl Fn(&str, bool) -> bool) -> Result<Vec<PathBuf>, StoreError> {
    let belongs = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| belongs(name, path.is_dir()))
    };
    Ok(read(folder)?.into_iter().filter(|path| !belongs(path)).collect())
}

fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    Ok(read(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn read(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    read().map_err(|error| StoreError::Failed(format!("{}: {error}", folder.display())))
}

fn is_journal(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jnl"))
}

fn is_number(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|number| number.parse::<u64>().is_ok())
}
