//! A demo shop, trained by the trainer's own stages.

use chrono::{DateTime, Utc};
use clap::Parser;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::versions::ShopStore;
use qianmian_trainer::config::Config;
use qianmian_trainer::dataset::Dataset;
use qianmian_trainer::demo_data::{self, DemoDataArgs};
use qianmian_trainer::orders::{self, ReadOptions};
use qianmian_trainer::progress::Reporter;
use qianmian_trainer::train;
use tempfile::TempDir;

/// A published model and what it holds.
pub struct Trained {
    /// The store that serves it.
    pub store: TempDir,
    /// The published version, opened.
    pub snapshot: Snapshot,
}

/// The arguments of `demo-data`.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    demo: DemoDataArgs,
}

/// Makes up a shop whose data ended long ago, so that the server's clock stands a week past it, wherever the
/// test runs; trains and publishes it.
pub fn trained() -> Trained {
    let (data, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = data.path().to_str().unwrap();
    let arguments = ["", "--out", folder, "--users", "1000", "--items", "600", "--until", "2020-01-01"];
    demo_data::run(&Arguments::parse_from(arguments).demo, |_| {}).unwrap();
    let config = Config::load(&data.path().join("shop.toml")).unwrap();
    let now: DateTime<Utc> = "2020-01-02T00:00:00Z".parse().unwrap();
    let inputs = orders::read(&config, &ReadOptions::new(now.timestamp()), &|_, _, _| {}).unwrap();
    let (dataset, reporter) = (Dataset::new(inputs), Reporter::new());
    let trained = train::learn(&dataset, &config.training, &reporter).unwrap();
    let shop = ShopStore::new(store.path(), "default").unwrap();
    let artifact = train::write(&trained, &dataset, &config, &shop, now, serde_json::Value::Null).unwrap();
    shop.publish(&artifact.manifest().version).unwrap();
    let snapshot = Snapshot::open(&artifact).unwrap();
    assert!(snapshot.ranker.is_some(), "the trees must take part");
    Trained { store, snapshot }
}
