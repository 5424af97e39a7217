//! The arguments that name the input data, and reading them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::config::Config;
use crate::dataset::Dataset;
use crate::external;
use crate::orders::{self, ReadOptions};
use crate::progress::Reporter;

/// The input data.
#[derive(Debug, clap::Args)]
pub struct InputArgs {
    /// Training configuration: tables, column names, cleaning rules (TOML) [default: detected from the files].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Order files (CSV, JSON, Parquet, Arrow, Excel; plain, .gz, .zst; globs) instead of the configured ones.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    orders: Vec<PathBuf>,
    /// Write rejected rows to this file, with file, line and reason.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Write the account of all lines and rows here, as JSON.
    #[arg(long, value_name = "FILE")]
    account: Option<PathBuf>,
    /// Stop if anything about the files had to be guessed.
    #[arg(long)]
    strict: bool,
    /// Stop when more than this share of the rows is rejected.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    max_reject_ratio: f64,
    /// Threads to learn on [default: all cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// The configuration and the cleaned data, with a summary of all rows.
pub struct Input {
    /// The configuration.
    pub config: Config,
    /// The cleaned data.
    pub dataset: Dataset,
    /// Counts of all rows by outcome, for the manifest.
    pub summary: serde_json::Value,
}

impl InputArgs {
    /// Reads and cleans the data; prints a summary of all rows.
    pub fn read(&self, now: i64, reporter: &Reporter) -> anyhow::Result<Input> {
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("--threads")?;
        }
        let config = self.config()?;
        if config.orders.files.is_empty() && config.events.is_none() {
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
        super::say(&inputs.orders.summary.understanding());
        super::say(&inputs.orders.summary.to_string());
        self.check(&inputs.orders.summary)?;
        let mut summary = serde_json::to_value(&inputs.orders.summary)?;
        if let Some(path) = &self.account {
            let text = serde_json::to_string_pretty(&summary)?;
            std::fs::write(path, text)
                .with_context(|| format!("cannot write the account {}", path.display()))?;
        }
        let mut dataset = Dataset::new(inputs);
        if dataset.lines().is_empty() {
            bail!("no purchase is left after cleaning; the summary above says what became of the rows");
        }
        if !config.external.is_empty() {
            let stage = reporter.stage("read external models", 0);
            let (models, summaries): (Vec<_>, Vec<_>) =
                external::read(&config, &dataset)?.into_iter().unzip();
            drop(stage);
            summaries.iter().for_each(|summary| super::say(&summary.to_string()));
            summary["external"] = serde_json::json!(summaries);
            dataset.external = Arc::new(models);
        }
        Ok(Input { config, dataset, summary })
    }

    /// The given configuration; without one, a draft from the files.
    fn config(&self) -> anyhow::Result<Config> {
        let Some(path) = &self.config else {
            return if self.orders.is_empty() { Ok(Config::default()) } else { orders::draft(&self.orders) };
        };
        let mut config = Config::load(path)?;
        if !self.orders.is_empty() {
            config.replace_orders(&self.orders);
        }
        Ok(config)
    }

    /// Refuses guesses if `--strict` is given.
    fn check(&self, summary: &orders::Summary) -> anyhow::Result<()> {
        let guesses: Vec<String> = summary
            .warnings
            .iter()
            .filter(|warning| warning.code.is_guess())
            .map(ToString::to_string)
            .collect();
        if self.strict && !guesses.is_empty() {
            bail!("--strict: {} things had to be guessed: {}", guesses.len(), guesses.join("; "));
        }
        Ok(())
    }
}
