//! The one error of this crate. Every variant carries what was expected, what was found and where.

use std::path::PathBuf;

/// The reason for which an artifact could not be written, opened, verified or understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read, mapped or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The bytes of a section or of the manifest are not those that were written.
    #[error(
        "section `{section}`: checksum is {got}, expected {expected}; the file is damaged, publish the artifact again"
    )]
    Checksum {
        /// The section's name, or `manifest`.
        section: String,
        /// blake3 in the manifest (or in `manifest.b3`), lower-case hex.
        expected: String,
        /// blake3 of the bytes on disk.
        got: String,
    },
    /// The file's length is not the one in the manifest.
    #[error("section `{section}`: file has {got} bytes, expected {expected}; it was cut short or extended")]
    Length {
        /// The section's name.
        section: String,
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes on disk.
        got: u64,
    },
    /// The artifact was written by a format this program does not know.
    #[error("artifact format is {got}, this program reads {expected}; use a matching release or train again")]
    Format {
        /// The format version of this program.
        expected: u32,
        /// The format version of the artifact.
        got: u32,
    },
    /// A section that the manifest must name is absent.
    #[error("section `{section}` is missing from the manifest; expected one of the format's sections")]
    MissingSection {
        /// The section's name.
        section: String,
    },
    /// The section is intact, but its content does not follow the format.
    #[error("section `{section}`: expected {expected}, got {got}")]
    Malformed {
        /// The section's name.
        section: String,
        /// The value that the format requires.
        expected: String,
        /// The value found in the section.
        got: String,
    },
    /// The manifest, or the store's pointer, is not valid JSON of the expected shape.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's message.
        source: serde_json::Error,
    },
    /// The store holds nothing under that name.
    #[error("{what} `{name}` is not in {}", store.display())]
    NotFound {
        /// `version` or `latest version`.
        what: &'static str,
        /// The name asked for.
        name: String,
        /// The shop's folder in the store.
        store: PathBuf,
    },
    /// The version cannot be removed, because `latest.json` names it.
    #[error("version `{version}` is named by latest.json; publish another one before it is removed")]
    Published {
        /// The version.
        version: String,
    },
    /// An id or a name that must not reach the file system or a section.
    #[error("{field} `{got}` is not allowed: {expected}")]
    Name {
        /// `version`, `shop`, `item_id`, ...
        field: &'static str,
        /// The rejected value (cut to 80 characters).
        got: String,
        /// The rule.
        expected: &'static str,
    },
}

/// The result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn malformed(section: &str, expected: impl Into<String>, got: impl std::fmt::Display) -> Self {
        Self::Malformed { section: section.to_owned(), expected: expected.into(), got: got.to_string() }
    }
}
