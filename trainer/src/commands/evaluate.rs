//! `evaluate`: our pipelines and the baselines on a time split, in one table.

use std::path::PathBuf;

use anyhow::Context;
use chrono::{NaiveDate, NaiveTime, Utc};
use qianmian_models::storage::versions::ShopStore;

use super::input::InputArgs;
use crate::evaluate::{self, Models, Provenance, Stored, Window, html};
use crate::progress::Reporter;

/// Arguments of `evaluate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --store a model is trained on the orders before each window and measured on the window. With --store a
version of the store is measured, and with --against compared with another one, case by case; nothing is published or
changed. Both must have been trained on orders before the window.

  qianmian-trainer evaluate --orders orders.csv --report report.html
  qianmian-trainer evaluate --orders orders.csv --windows 3
  qianmian-trainer evaluate --orders orders.csv --from 2011-10-01 --store var/models --version A --against B"
)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// First day of the test window, such as 2011-10-01 (UTC) [default: the last --days of the data].
    #[arg(long, value_name = "DATE")]
    from: Option<NaiveDate>,
    /// Length of the test window.
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
    /// Windows to measure, each of --days, one before the other; a step each if only the order is known.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=24))]
    windows: u32,
    /// Measure the next item of anonymous visits instead: every tenth user is left out of training.
    #[arg(long, conflicts_with = "store")]
    sessions: bool,
    /// Measure versions of this model store instead of training (QIANMIAN_STORE is not read).
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Shop within --store, instead of the configured one.
    #[arg(long, value_name = "NAME", requires = "store")]
    shop: Option<String>,
    /// The version to measure [default: the published one].
    #[arg(long, value_name = "VERSION", requires = "store")]
    version: Option<String>,
    /// A version to compare it with, case by case.
    #[arg(long, value_name = "VERSION", requires = "store")]
    against: Option<String>,
    /// Also write every figure to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write a report to this file: HTML with plots, without external files.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Evaluates and prints.
pub fn run(args: &Args, reporter: &Reporter) -> anyhow::Result<()> {
    let input = args.input.read(Utc::now().timestamp(), reporter)?;
    let (config, dataset) = (&input.config, &input.dataset);
    let stored = args.stored(&config.shop)?;
    let from = args.from.map(|date| date.and_time(NaiveTime::MIN).and_utc().timestamp());
    let windows = Window::choose(dataset, from, args.days).back(dataset, args.windows)?;
    let versions = stored.iter().map(|model| model.version.clone()).collect();
    let provenance = Provenance::new(config, dataset, versions)?;
    let training = &config.training;
    let models = match &stored[..] {
        [] if args.sessions => Models::Anonymous(training),
        [] => Models::Learned(training),
        models => Models::Stored { models, training },
    };
    let evaluation = evaluate::evaluate_all(dataset, &windows, &models, provenance, reporter)?;
    super::say(&evaluation.to_string());
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&evaluation)?;
        std::fs::write(path, json).with_context(|| format!("--json {}", path.display()))?;
    }
    if let Some(path) = &args.report {
        std::fs::write(path, html::page(&evaluation))
            .with_context(|| format!("--report {}", path.display()))?;
    }
    Ok(())
}

impl Args {
    /// The named versions, ours first; none without a store.
    fn stored(&self, shop: &str) -> anyhow::Result<Vec<Stored>> {
        let Some(root) = &self.store else { return Ok(Vec::new()) };
        let store = ShopStore::new(root, self.shop.as_deref().unwrap_or(shop))?;
        let open = |version: Option<&str>| -> anyhow::Result<Stored> {
            Stored::open(&store, version).with_context(|| {
                let there = store.versions().unwrap_or_default().join(", ");
                format!("--store {}; versions there: {there}", root.display())
            })
        };
        let mut models = vec![open(self.version.as_deref())?];
        if let Some(version) = &self.against {
            models.push(open(Some(version))?);
        }
        Ok(models)
    }
}
