//! `train`: from orders to a published artifact.

use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use qianmian_models::storage::versions::ShopStore;

use super::input::InputArgs;
use super::publish::{ForceArgs, through_gate};
use crate::progress::Reporter;
use crate::train::{self, Training};
use crate::tune;

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Model store: a folder with a folder for each shop.
    #[arg(long, env = "QIANMIAN_STORE", value_name = "DIR")]
    store: PathBuf,
    /// Shop to train for, instead of the configured one.
    #[arg(long, env = "QIANMIAN_SHOP", value_name = "NAME")]
    shop: Option<String>,
    /// First search the parameters that matter on the last month of the data; train with the best ones.
    #[arg(long)]
    tune: bool,
    /// Duration of the search; the defaults are always tried.
    #[arg(long, value_name = "MINUTES", default_value_t = 15.0, requires = "tune", value_parser = minutes)]
    budget: f64,
    /// Write the version, but do not publish it.
    #[arg(long, conflicts_with = "force")]
    no_publish: bool,
    #[command(flatten)]
    force: ForceArgs,
}

/// Trains, writes and publishes.
pub fn run(args: &Args, reporter: &Reporter) -> anyhow::Result<()> {
    let input = args.input.read(Utc::now().timestamp(), reporter)?;
    let mut config = input.config;
    let store = ShopStore::new(&args.store, args.shop.as_deref().unwrap_or(&config.shop))?;
    let mut search = None;
    if args.tune {
        let budget = Duration::from_secs_f64(60.0 * args.budget);
        let (training, found) = tune::tune(&input.dataset, &config.training, budget, reporter)?;
        let (tried, gain) = (found.trials.len(), found.trials[found.best].gain);
        super::say(&format!("tuned: the best of {tried} trials is x{gain:.4} of the defaults"));
        (config.training, search) = (training, Some(found));
    }
    let training = Training::new(&input.dataset, &config.training, reporter);
    let reporter = &reporter.plan(training.steps() + if args.no_publish { 1 } else { 2 });
    let mut trained = training.learn(reporter)?;
    for (section, reason) in &trained.left_out {
        super::say(&format!("without {section}: {reason}"));
    }
    if let Some(search) = search {
        trained.metrics.tuning = Some(serde_json::to_value(search)?);
    }
    let stage = reporter.stage("write artifact", 1);
    let _lock = store.lock()?;
    let artifact = train::write(&trained, &input.dataset, &config, &store, Utc::now(), input.summary)?;
    drop(stage);
    let version = &artifact.manifest().version;
    let shop = args.shop.as_deref().unwrap_or(&config.shop);
    let place = format!("--store {} --shop {shop}", args.store.display());
    if args.no_publish {
        super::say(&format!(
            "wrote version {version}; publish it with: qianmian-trainer publish {version} {place}"
        ));
    } else {
        super::say(&format!("wrote version {version}"));
        let _stage = reporter.stage("open, warm and publish", 1);
        let (_, verdict) = through_gate(&store, version, &args.force, &place)?;
        super::say(&format!("published version {version} in {}\n{verdict}", store.folder().display()));
    }
    Ok(())
}

/// Minutes, at most a week.
fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=10_080.0).contains(&minutes) { Ok(minutes) } else { Err("use 0 to 10080 minutes".to_owned()) }
}
