//! The arguments that name the data, and reading it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::config::Config;
use crate::dataset::Dataset;
use crate::external;
use crate::orders::{self, ReadOptions};
use crate::progress::Reporter;

/// Where the data is.
#[derive(Debug, clap::Args)]
pub struct InputArgs {
    /// Training configuration: tables, column names, cleaning rules (TOML). Not needed for canonical columns.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Order files (CSV, JSON lines, Parquet; plain, .gz, .zst; globs) instead of the configured ones.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    orders: Vec<PathBuf>,
    /// Write rejected rows with file, line and reason here.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Stop when more than this share of the rows is rejected.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    max_reject_ratio: f64,
    /// Threads to learn on [default: all cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// The configuration and the cleaned data, with the account of its rows.
pub struct Input {
    /// As loaded.
    pub config: Config,
    /// Cleaned.
    pub dataset: Dataset,
    /// The account of all rows, for the manifest.
    pub summary: serde_json::Value,
}

impl InputArgs {
    /// Reads and cleans the data; prints the account of its rows.
    pub fn read(&self, now: i64, reporter: &Reporter) -> anyhow::Result<Input> {
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("--threads")?;
        }
        let mut config = match &self.config {
            Some(path) => Config::load(path)?,
            None => Config::default(),
        };
        if !self.orders.is_empty() {
            config.replace_orders(&self.orders);
        }
        if config.orders.files.is_empty() {
            bail!("no orders: name them with --orders PATH, or in [orders] files of a --config FILE");
        }
        let options = ReadOptions {
            rejects: self.rejects.clone(),
            max_reject_ratio: self.max_reject_ratio,
            ..ReadOptions::new(now)
        };
        let stage = reporter.stage("read orders", 0);
        let inputs = orders::read(&config, &options, &|done, total, _rows| stage.set(done, total))?;
        drop(stage);
        super::say(&inputs.orders.summary.to_string());
        let mut summary = serde_json::to_value(&inputs.orders.summary)?;
        let mut dataset = Dataset::new(inputs);
        if dataset.lines().is_empty() {
            bail!("no purchase is left after cleaning; the account above says where the rows went");
        }
        if !config.external.is_empty() {
            let brought = external::read(&config, &dataset)?;
            brought.iter().for_each(|b| super::say(&b.summary.to_string()));
            summary["external"] = brought.iter().map(|b| serde_json::json!(b.summary)).collect();
            dataset.external = Arc::new(brought);
        }
        Ok(Input { config, dataset, summary })
    }
}
