//! The model store: a folder a shop, a folder a version inside it, and `latest.json`.
//!
//! `latest.json` names the version to serve and the one before it. It is replaced by a rename, so a
//! reader sees the old pointer or the new one, and it is only ever pointed at a version whose manifest
//! verified.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::storage::artifact::{Artifact, WRITING};
use crate::storage::durable_file::{read_bounded, sync_folder, write_synced};
pub use crate::storage::names::check_name;

const LATEST: &str = "latest.json";
/// A pointer is two names; a larger file is none.
const MAX_POINTER_BYTES: u64 = 64 << 10;
/// Prefix of the name of a pointer that is being written.
const POINTING: &str = ".latest.json-";
/// Prefix of the name of a version that is being removed.
const REMOVING: &str = ".removing-";
const LOCK: &str = ".lock";
/// The shop used if none is named.
pub const DEFAULT_SHOP: &str = "default";

/// One shop's folder in the model store.
#[derive(Debug, Clone)]
pub struct ShopStore {
    folder: PathBuf,
}

/// The contents of `latest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latest {
    /// The version to serve.
    pub version: String,
    /// The version that was served before, for a rollback.
    pub previous: Option<String>,
}

impl ShopStore {
    /// The folder of `shop` in the store `root`; nothing is read or created yet.
    ///
    /// # Errors
    /// [`Error::Name`] when the name could leave the store's folder.
    pub fn new(root: &Path, shop: &str) -> Result<Self> {
        check_name("shop", shop)?;
        Ok(Self { folder: root.join(shop) })
    }

    /// The shop's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The contents of `latest.json`; `None` before the first publish.
    pub fn latest(&self) -> Result<Option<Latest>> {
        let path = self.folder.join(LATEST);
        let bytes = match read_bounded(&path, MAX_POINTER_BYTES) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            read => read?,
        };
        let latest: Latest = serde_json::from_slice(&bytes).map_err(|source| Error::Json { path, source })?;
        check_name("version", &latest.version)?;
        Ok(Some(latest))
    }

    /// Opens a version, or the latest one.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; see also [`Artifact::open`].
    pub fn artifact(&self, version: Option<&str>) -> Result<Artifact> {
        let not_found =
            |what, name: &str| Error::NotFound { what, name: name.to_owned(), store: self.folder.clone() };
        let version = match version {
            Some(version) => version.to_owned(),
            None => self.latest()?.ok_or_else(|| not_found("latest version", LATEST))?.version,
        };
        check_name("version", &version)?;
        let folder = self.folder.join(&version);
        if !folder.is_dir() {
            return Err(not_found("version", &version));
        }
        Artifact::open(&folder)
    }

    /// The complete versions in the folder, oldest name first.
    pub fn versions(&self) -> Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io(&self.folder)(e)),
        };
        let mut versions: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| check_name("version", name).is_ok() && self.folder.join(name).is_dir())
            .collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// Verifies the manifest and every section of a version.
    ///
    /// # Errors
    /// Names the missing or damaged section.
    pub fn verify(&self, version: &str) -> Result<()> {
        let artifact = self.artifact(Some(version))?;
        artifact.manifest().sections.keys().try_for_each(|name| artifact.section(name).map(drop))
    }

    /// Points `latest.json` at a version whose manifest and sections verify, and returns the pointer.
    pub fn publish(&self, version: &str) -> Result<Latest> {
        self.verify(version)?;
        let before = self.latest()?;
        let previous = match before {
            Some(latest) if latest.version == version => latest.previous,
            Some(latest) => Some(latest.version),
            None => None,
        };
        self.point(Latest { version: version.to_owned(), previous })
    }

    /// Points `latest.json` back at the version before it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no previous version is known.
    pub fn rollback(&self) -> Result<Latest> {
        let store = self.folder.clone();
        let nothing = |name: &str| Error::NotFound { what: "previous version", name: name.to_owned(), store };
        match self.latest()? {
            Some(Latest { previous: Some(previous), .. }) => self.publish(&previous),
            Some(latest) => Err(nothing(&latest.version)),
            None => Err(nothing(LATEST)),
        }
    }

    /// Removes a version that `latest.json` does not name. A rename hides the folder first, so no reader finds half of
    /// a version; the next [`lock`](Self::lock) completes an interrupted removal. Servers that mapped the files keep
    /// them until they unmap them. The caller holds the lock.
    ///
    /// # Errors
    /// [`Error::Published`] when `latest.json` names the version, [`Error::NotFound`] when there is none.
    pub fn remove(&self, version: &str) -> Result<()> {
        check_name("version", version)?;
        let named = self.latest()?.map(|latest| [Some(latest.version), latest.previous]);
        if named.iter().flatten().flatten().any(|named| named == version) {
            return Err(Error::Published { version: version.to_owned() });
        }
        let folder = self.folder.join(version);
        if !folder.is_dir() {
            let store = self.folder.clone();
            return Err(Error::NotFound { what: "version", name: version.to_owned(), store });
        }
        let hidden = self.folder.join(format!("{REMOVING}{version}"));
        std::fs::rename(&folder, &hidden).map_err(Error::io(&folder))?;
        sync_folder(&self.folder)?;
        std::fs::remove_dir_all(&hidden).map_err(Error::io(hidden))
    }

    /// Locks the shop for writing until the guard is dropped, then removes leftovers of interrupted runs: the lock's
    /// owner is the only writer, so every hidden folder and every unfinished pointer is a leftover. Waits for another
    /// writer to end; the operating system releases the lock when a process dies.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be created or locked.
    pub fn lock(&self) -> Result<StoreLock> {
        std::fs::create_dir_all(&self.folder).map_err(Error::io(&self.folder))?;
        let path = self.folder.join(LOCK);
        let file = File::create(&path).map_err(Error::io(&path))?;
        file.lock().map_err(Error::io(&path))?;
        for entry in std::fs::read_dir(&self.folder).map_err(Error::io(&self.folder))?.flatten() {
            let name = entry.file_name();
            let path = entry.path();
            let name = name.to_string_lossy();
            if name.starts_with(WRITING) || name.starts_with(REMOVING) {
                std::fs::remove_dir_all(&path).map_err(Error::io(path))?;
            } else if name.starts_with(POINTING) {
                std::fs::remove_file(&path).map_err(Error::io(path))?;
            }
        }
        Ok(StoreLock { _file: file })
    }

    fn point(&self, latest: Latest) -> Result<Latest> {
        let path = self.folder.join(LATEST);
        let new = self.folder.join(format!("{POINTING}{}", std::process::id()));
        let json =
            serde_json::to_vec(&latest).map_err(|source| Error::Json { path: path.clone(), source })?;
        let replaced =
            write_synced(&new, &json).and_then(|()| std::fs::rename(&new, &path).map_err(Error::io(&path)));
        if let Err(error) = replaced {
            // Best effort: on a full disk an unfinished pointer would stay until the next writer.
            let _ = std::fs::remove_file(&new);
            return Err(error);
        }
        sync_folder(&self.folder)?;
        Ok(latest)
    }
}

/// Held by the one process that writes to a shop.
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}
