//! An artifact: one immutable, versioned folder of sections, and the manifest that describes them.
//!
//! ```text
//! <store>/<shop>/<version>/items.arrow ...   one Arrow IPC file a section
//!                          manifest.json     what, when, from what, how good, and each section's blake3
//!                          manifest.b3       blake3 of manifest.json, as `b3sum` prints it; written last
//! ```
//!
//! An [`ArtifactWriter`] fills a hidden folder, syncs every file and renames the folder into place, so a visible
//! version is complete. `manifest.b3` verifies the manifest, which verifies each section: nothing is parsed before its
//! checksum matches. Sections never change; the manifest's `metrics` may be added to ([`Artifact::record`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use qianmian_money::Currency;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::storage::durable_file::{read_bounded, replace, sync_folder, write_synced};
use crate::storage::metrics::Metrics;
use crate::storage::names::check_name;
use crate::storage::section::Section;

/// The format that this program writes and reads.
pub const FORMAT: u32 = 2;
/// Sections begin on this many bytes inside their file, so that mapped columns are aligned for SIMD.
const ALIGNMENT: usize = 64;
/// Prefix of the name of a folder that is being written.
pub(crate) const WRITING: &str = ".writing-";
const MANIFEST: &str = "manifest.json";
const MANIFEST_CHECKSUM: &str = "manifest.b3";
/// A manifest is small; a larger file is not one.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;
/// Longest file of checksums: two lines of 79 bytes.
const MAX_CHECKSUM_BYTES: u64 = 1 << 10;

/// The description of an artifact: its identity, data, parameters, metrics and sections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format version, [`FORMAT`].
    pub format: u32,
    /// The artifact's version: its folder's name.
    pub version: String,
    /// The version that was served when this one was trained.
    pub parent: Option<String>,
    /// End of training, RFC 3339 UTC.
    pub created_at: String,
    /// The program that wrote it, name and version.
    pub created_by: String,
    /// Earliest order line, unix seconds UTC.
    pub data_from: i64,
    /// The end of the data: the latest order line, unix seconds UTC.
    pub data_until: i64,
    /// The currency of all prices, costs and sums.
    pub currency: Currency,
    /// Counts: `items`, `users`, `baskets`, `lines`, ...
    pub counts: BTreeMap<String, u64>,
    /// The trainer's options, given and chosen.
    pub parameters: serde_json::Value,
    /// The measured figures.
    pub metrics: Metrics,
    /// The sections, by name.
    pub sections: BTreeMap<String, SectionEntry>,
}

/// A section's file and its expected contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionEntry {
    /// File name inside the version's folder.
    pub file: String,
    /// Rows of its record batch.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// blake3 of the file, lower-case hex.
    pub blake3: String,
}

impl Manifest {
    /// A manifest without sections, for [`ArtifactWriter::finish`] to complete.
    pub fn new(version: impl Into<String>, created_at: impl Into<String>) -> Self {
        Self {
            format: FORMAT,
            version: version.into(),
            parent: None,
            created_at: created_at.into(),
            created_by: concat!("qianmian ", env!("CARGO_PKG_VERSION")).to_owned(),
            data_from: 0,
            data_until: 0,
            currency: Currency::default(),
            counts: BTreeMap::new(),
            parameters: serde_json::Value::Null,
            metrics: Metrics::default(),
            sections: BTreeMap::new(),
        }
    }

    /// The contents of the manifest file in `folder`.
    fn bytes(&self, folder: &Path) -> Result<Vec<u8>> {
        let json = |source| Error::Json { path: folder.join(MANIFEST), source };
        let mut bytes = serde_json::to_vec_pretty(self).map_err(json)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// A published artifact whose manifest has been verified; its sections are verified as they are opened.
#[derive(Debug, Clone)]
pub struct Artifact {
    folder: PathBuf,
    manifest: Manifest,
}

impl Artifact {
    /// Reads and verifies the manifest of the version folder `folder`.
    ///
    /// # Errors
    /// [`Error::Checksum`] for a damaged manifest, [`Error::Format`] for another format,
    /// [`Error::Malformed`] when the folder's name is not the manifest's version.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let bytes = match read_manifest(folder) {
            // The checksum may have been replaced after it was read; a damaged one stays damaged.
            Err(Error::Checksum { .. }) => read_manifest(folder)?,
            other => other?,
        };
        let json = |source| Error::Json { path: path.clone(), source };
        let probe: FormatProbe = serde_json::from_slice(&bytes).map_err(json)?;
        if probe.format != FORMAT {
            return Err(Error::Format { expected: FORMAT, got: probe.format });
        }
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(json)?;
        if folder.file_name().and_then(|n| n.to_str()) != Some(manifest.version.as_str()) {
            let expected = format!("a folder named `{}`", manifest.version);
            return Err(Error::malformed("manifest", expected, folder.display()));
        }
        Ok(Self { folder: folder.to_owned(), manifest })
    }

    /// The verified manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Changes the metrics in the manifest. `manifest.b3` matches the manifest at every moment, even after a crash: it
    /// first names the old and the new one, then the manifest is replaced, then it names the new one alone. The caller
    /// holds the store's lock.
    ///
    /// # Errors
    /// [`Error::Io`]; the version is as readable as before.
    pub fn record(&mut self, change: impl FnOnce(&mut Metrics)) -> Result<()> {
        let mut manifest = self.manifest.clone();
        change(&mut manifest.metrics);
        let (path, bytes) = (self.folder.join(MANIFEST), manifest.bytes(&self.folder)?);
        let checksum = self.folder.join(MANIFEST_CHECKSUM);
        let (old, new) = (checksum_line(&read_manifest(&self.folder)?), checksum_line(&bytes));
        replace(&checksum, format!("{old}{new}").as_bytes())?;
        replace(&path, &bytes)?;
        replace(&checksum, new.as_bytes())?;
        self.manifest = manifest;
        Ok(())
    }

    /// Maps, verifies and decodes a section.
    ///
    /// # Errors
    /// Names the section; see [`Section::open`].
    pub fn section(&self, name: &str) -> Result<Section> {
        let missing = || Error::MissingSection { section: name.to_owned() };
        let entry = self.manifest.sections.get(name).ok_or_else(missing)?;
        if entry.file != file_name(name) {
            return Err(Error::malformed(name, file_name(name), &entry.file));
        }
        let section = Section::open(name, &self.folder.join(&entry.file), entry.bytes, &entry.blake3)?;
        section.expect_rows(entry.rows as usize)?;
        Ok(section)
    }

    /// True if the artifact has a section of that name.
    pub fn has(&self, name: &str) -> bool {
        self.manifest.sections.contains_key(name)
    }
}

#[derive(Deserialize)]
struct FormatProbe {
    format: u32,
}

/// The bytes of a version's manifest, verified.
fn read_manifest(folder: &Path) -> Result<Vec<u8>> {
    let path = folder.join(MANIFEST);
    let length = std::fs::metadata(&path).map_err(Error::io(&path))?.len();
    if length > MAX_MANIFEST_BYTES {
        let section = "manifest".to_owned();
        return Err(Error::Length { section, expected: MAX_MANIFEST_BYTES, got: length });
    }
    let bytes = read_bounded(&path, MAX_MANIFEST_BYTES)?;
    verify_manifest(folder, &bytes)?;
    Ok(bytes)
}

/// Verifies `bytes` against `manifest.b3`, which names two manifests while one replaces the other.
fn verify_manifest(folder: &Path, bytes: &[u8]) -> Result<()> {
    let path = folder.join(MANIFEST_CHECKSUM);
    let expected = read_bounded(&path, MAX_CHECKSUM_BYTES)?;
    let got = checksum_line(bytes);
    let lines: Vec<&[u8]> = expected.split_inclusive(|&byte| byte == b'\n').collect();
    let sound = lines.len() <= 2 && lines.iter().all(|line| is_checksum_line(line));
    if sound && lines.contains(&got.as_bytes()) {
        return Ok(());
    }
    let expected = String::from_utf8_lossy(&expected).chars().take(64).collect();
    Err(Error::Checksum { section: "manifest".to_owned(), expected, got: got[..64].to_owned() })
}

fn checksum_line(manifest: &[u8]) -> String {
    format!("{}  {MANIFEST}\n", blake3::hash(manifest).to_hex())
}

fn is_checksum_line(line: &[u8]) -> bool {
    let (hash, rest) = line.split_at(line.len().min(64));
    hash.iter().all(u8::is_ascii_hexdigit) && rest == format!("  {MANIFEST}\n").as_bytes()
}

fn file_name(section: &str) -> String {
    format!("{section}.arrow")
}

/// Writes one artifact: sections in any order, then [`finish`](Self::finish). Removes its files if it is dropped before
/// that.
#[derive(Debug)]
pub struct ArtifactWriter {
    /// The shop's folder.
    parent: PathBuf,
    /// The hidden folder being filled.
    folder: PathBuf,
    sections: BTreeMap<String, SectionEntry>,
    finished: bool,
}

impl ArtifactWriter {
    /// Starts an artifact inside a shop's folder, creating it when needed.
    pub fn create(shop_folder: &Path, version: &str) -> Result<Self> {
        check_name("version", version)?;
        let folder = shop_folder.join(format!("{WRITING}{version}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        Ok(Self { parent: shop_folder.to_owned(), folder, sections: BTreeMap::new(), finished: false })
    }

    /// Writes and syncs one section.
    pub fn section(&mut self, name: &str, batch: &RecordBatch) -> Result<()> {
        let path = self.folder.join(file_name(name));
        let file = File::create(&path).map_err(Error::io(&path))?;
        let mut sink = Hashing {
            file: BufWriter::with_capacity(1 << 20, file),
            hasher: blake3::Hasher::new(),
            bytes: 0,
        };
        let arrow = |e: arrow_schema::ArrowError| match e {
            arrow_schema::ArrowError::IoError(_, source) => Error::Io { path: path.clone(), source },
            other => Error::malformed(name, "a batch that Arrow IPC can hold", other),
        };
        let options =
            IpcWriteOptions::try_new(ALIGNMENT, false, arrow_ipc::MetadataVersion::V5).map_err(arrow)?;
        let mut writer =
            FileWriter::try_new_with_options(&mut sink, batch.schema_ref(), options).map_err(arrow)?;
        writer.write(batch).map_err(arrow)?;
        writer.finish().map_err(arrow)?;
        drop(writer);
        sink.file.flush().map_err(Error::io(&path))?;
        sink.file.get_ref().sync_all().map_err(Error::io(&path))?;
        let entry = SectionEntry {
            file: file_name(name),
            rows: batch.num_rows() as u64,
            bytes: sink.bytes,
            blake3: sink.hasher.finalize().to_hex().to_string(),
        };
        self.sections.insert(name.to_owned(), entry);
        Ok(())
    }

    /// Writes the manifest and its checksum, then renames the folder to its version.
    ///
    /// # Errors
    /// [`Error::Io`]; no visible version is left behind.
    pub fn finish(mut self, mut manifest: Manifest) -> Result<Artifact> {
        manifest.sections = std::mem::take(&mut self.sections);
        let bytes = manifest.bytes(&self.folder)?;
        write_synced(&self.folder.join(MANIFEST), &bytes)?;
        write_synced(&self.folder.join(MANIFEST_CHECKSUM), checksum_line(&bytes).as_bytes())?;
        sync_folder(&self.folder)?;
        let folder = self.parent.join(&manifest.version);
        std::fs::rename(&self.folder, &folder).map_err(Error::io(&folder))?;
        self.finished = true;
        sync_folder(&self.parent)?;
        Ok(Artifact { folder, manifest })
    }
}

impl Drop for ArtifactWriter {
    fn drop(&mut self) {
        if !self.finished {
            // Best effort: a hidden leftover is never served, and `ShopStore::lock` removes it.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

struct Hashing {
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(buf)?;
        self.hasher.update(&buf[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
