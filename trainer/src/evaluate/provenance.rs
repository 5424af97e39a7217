//! Provenance: the command, checksums of the data, versions and seed that reproduce an evaluation.

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;

use crate::config::Config;
use crate::dataset::Dataset;
use crate::orders::source::expand;

/// The command, data and versions that reproduce an evaluation.
#[derive(Debug, Serialize)]
pub struct Provenance {
    /// The command line, quoted for a shell.
    pub command: String,
    /// The program and its version.
    pub program: String,
    /// The shop that the configuration names.
    pub shop: String,
    /// Seed of all random choices of training; those of evaluation have a fixed one.
    pub seed: u64,
    /// Every file that was read.
    pub files: Vec<DataFile>,
    /// Order lines after cleaning.
    pub lines: usize,
    /// Items in orders and catalog.
    pub items: usize,
    /// Users in orders.
    pub users: usize,
    /// First and last moment of the data, unix seconds.
    pub data: [i64; 2],
    /// Measured stored versions, ours first; empty if a model was trained for each window.
    pub versions: Vec<String>,
}

/// A file with its checksum.
#[derive(Debug, Serialize)]
pub struct DataFile {
    /// Path as given.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// blake3 of its content, lower-case hex, as `b3sum` prints it.
    pub blake3: String,
}

impl Provenance {
    /// The provenance of this process and its data.
    ///
    /// # Errors
    /// Fails if a data file cannot be read again.
    pub fn new(config: &Config, dataset: &Dataset, versions: Vec<String>) -> anyhow::Result<Self> {
        let files = files(config)?.into_iter().map(DataFile::new).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            command: std::env::args().map(|word| quoted(&word)).collect::<Vec<_>>().join(" "),
            program: concat!("qianmian-trainer ", env!("CARGO_PKG_VERSION")).to_owned(),
            shop: config.shop.clone(),
            seed: config.training.seed,
            files,
            lines: dataset.lines().len(),
            items: dataset.n_items(),
            users: dataset.n_users(),
            data: [dataset.from(), dataset.until],
            versions,
        })
    }
}

/// Every file that training reads, as found now.
fn files(config: &Config) -> anyhow::Result<Vec<PathBuf>> {
    let tables = [("items", &config.items), ("users", &config.users), ("identities", &config.identities)];
    let mut files = Vec::new();
    // Events may be the only source.
    if !config.orders.files.is_empty() || config.events.is_none() {
        files.extend(expand("orders.files", &config.orders.files, config.orders.format)?);
    }
    for (name, table) in tables.iter().filter_map(|(name, table)| Some((name, table.as_ref()?))) {
        if !table.from_orders {
            files.extend(expand(&format!("{name}.files"), &table.files, table.format)?);
        }
    }
    if let Some(events) = &config.events {
        files.extend(expand("events.files", &events.files, events.format)?);
    }
    Ok(files.into_iter().map(|file| file.path).collect())
}

impl DataFile {
    fn new(path: PathBuf) -> anyhow::Result<Self> {
        let context = || format!("cannot read {} for its checksum", path.display());
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(&path).with_context(context)?).with_context(context)?;
        Ok(Self { bytes: hasher.count(), blake3: hasher.finalize().to_hex().to_string(), path })
    }
}

/// A word, quoted for a shell if needed.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_for_a_shell_if_needed() {
        assert_eq!(quoted("--orders"), "--orders");
        assert_eq!(quoted("data/o*.csv"), "'data/o*.csv'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
