//! `publish` and `rollback`: which version is served.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use qianmian_models::error::Error;
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
    /// The shop's folder, which must be there: to look for a version creates nothing.
    pub fn open(&self) -> anyhow::Result<ShopStore> {
        let store = ShopStore::new(&self.store, &self.shop)?;
        if !store.folder().is_dir() {
            let (folder, root) = (store.folder().display(), self.store.display());
            bail!("there is no {folder}; fill it with: qianmian-trainer train --orders PATH --store {root}");
        }
        Ok(store)
    }

    /// The error, with the versions that are there where one was not found.
    pub fn explain(&self, store: &ShopStore, error: Error) -> anyhow::Error {
        let versions = match (&error, store.versions()) {
            (Error::NotFound { .. }, Ok(versions)) => versions,
            _ => return error.into(),
        };
        let (root, shop) = (self.store.display(), &self.shop);
        if versions.is_empty() {
            return anyhow!(
                "{error}; there is none yet: qianmian-trainer train --orders PATH --store {root}"
            );
        }
        let there = versions.join(", ");
        anyhow!("{error}; there are: {there} (qianmian-trainer publish VERSION --store {root} --shop {shop})")
    }
}

/// Verifies a version and points `latest.json` at it.
pub fn publish(args: &PublishArgs) -> anyhow::Result<()> {
    let store = args.store.open()?;
    let _lock = store.lock()?;
    let latest = store.publish(&args.version).map_err(|error| args.store.explain(&store, error))?;
    let before = latest.previous.unwrap_or_else(|| "none".to_owned());
    super::say(&format!("published version {}; before it: {before}", latest.version));
    Ok(())
}

/// Points `latest.json` back.
pub fn rollback(args: &StoreArgs) -> anyhow::Result<()> {
    let store = args.open()?;
    let _lock = store.lock()?;
    let latest = store.rollback().map_err(|error| args.explain(&store, error))?;
    let from = latest.previous.unwrap_or_else(|| "none".to_owned());
    super::say(&format!("rolled back to version {}; from: {from}", latest.version));
    Ok(())
}
