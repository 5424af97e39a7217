//! The arguments that name a shop's folder in the model store.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use qianmian_models::error::Error;
use qianmian_models::storage::versions::{DEFAULT_SHOP, ShopStore};

/// A shop's folder in the model store.
#[derive(Debug, clap::Args)]
pub struct StoreArgs {
    /// Model store: a folder with a folder for each shop.
    #[arg(long, env = "QIANMIAN_STORE", value_name = "DIR")]
    pub store: PathBuf,
    /// The shop.
    #[arg(long, env = "QIANMIAN_SHOP", value_name = "NAME", default_value = DEFAULT_SHOP)]
    pub shop: String,
}

impl StoreArgs {
    /// The shop's folder, which must exist: looking for a version creates nothing.
    pub fn open(&self) -> anyhow::Result<ShopStore> {
        let store = ShopStore::new(&self.store, &self.shop)?;
        if !store.folder().is_dir() {
            let (folder, root) = (store.folder().display(), self.store.display());
            bail!("there is no {folder}; fill it with: qianmian-trainer train --orders PATH --store {root}");
        }
        Ok(store)
    }

    /// The error; if a version was not found, with the versions that exist.
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
