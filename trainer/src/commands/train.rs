//! `train`: orders in, a published artifact out.

use std::path::PathBuf;

use chrono::Utc;
use qianmian_models::store::ShopStore;

use super::input::InputArgs;
use super::publish::{ForceArgs, through_gate};
use crate::progress::Reporter;
use crate::train;

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Model store: a folder with a folder for each shop.
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Shop to train for, instead of the configured one.
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,
    /// Write the version, but leave the served one as it is.
    #[arg(long, conflicts_with = "force")]
    no_publish: bool,
    #[command(flatten)]
    force: ForceArgs,
}

/// Trains, writes and publishes.
pub fn run(args: &Args, reporter: &Reporter) -> anyhow::Result<()> {
    let input = args.input.read(Utc::now().timestamp(), reporter)?;
    let config = &input.config;
    let store = ShopStore::new(&args.store, args.shop.as_deref().unwrap_or(&config.shop))?;
    let trained = train::learn(&input.dataset, &config.training, reporter)?;
    let stage = reporter.stage("write artifact", 1);
    let _lock = store.lock()?;
    let artifact = train::write(&trained, &input.dataset, config, &store, Utc::now(), input.summary)?;
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
        let (_, verdict) = through_gate(&store, version, &args.force, &place)?;
        super::say(&format!("published version {version} in {}\n{verdict}", store.folder().display()));
    }
    Ok(())
}
