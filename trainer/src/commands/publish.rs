//! `publish` and `rollback`: which version is served.

use std::path::PathBuf;

use qianmian_models::store::{DEFAULT_SHOP, ShopStore};

/// Which shop's store.
#[derive(Debug, clap::Args)]
pub struct StoreArgs {
    /// Model store: a folder with a folder for each shop.
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// The shop.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_SHOP)]
    shop: String,
}

/// Arguments of `publish`.
#[derive(Debug, clap::Args)]
pub struct PublishArgs {
    /// The version to serve; see `inspect` for those in the store.
    version: String,
    #[command(flatten)]
    store: StoreArgs,
}

impl StoreArgs {
    /// The shop's folder.
    pub fn open(&self) -> anyhow::Result<ShopStore> {
        Ok(ShopStore::new(&self.store, &self.shop)?)
    }
}

/// Verifies a version and points `latest.json` at it.
pub fn publish(args: &PublishArgs) -> anyhow::Result<()> {
    let store = args.store.open()?;
    let _lock = store.lock()?;
    let latest = store.publish(&args.version)?;
    let before = latest.previous.unwrap_or_else(|| "none".to_owned());
    super::say(&format!("published version {}; before it: {before}", latest.version));
    Ok(())
}

/// Points `latest.json` back.
pub fn rollback(args: &StoreArgs) -> anyhow::Result<()> {
    let store = args.open()?;
    let _lock = store.lock()?;
    let latest = store.rollback()?;
    let from = latest.previous.unwrap_or_else(|| "none".to_owned());
    super::say(&format!("rolled back to version {}; from: {from}", latest.version));
    Ok(())
}
