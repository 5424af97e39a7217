//! `publish` and `rollback`: which version is served.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use chrono::Utc;
use qianmian_models::error::Error;
use qianmian_models::storage::versions::{DEFAULT_SHOP, Latest, ShopStore};

use crate::gate::{self, Refused, Verdict};

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
    #[command(flatten)]
    force: ForceArgs,
}

/// Past the gate, for a reason.
#[derive(Debug, clap::Args)]
pub struct ForceArgs {
    /// Publish even if the version ranks worse than the one served, or than best sellers.
    #[arg(long, requires = "reason")]
    force: bool,
    /// Why; it stays in the version's manifest.
    #[arg(long, value_name = "TEXT", requires = "force", value_parser = reason)]
    reason: Option<String>,
}

impl ForceArgs {
    /// The reason, where publishing is forced.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref().filter(|_| self.force)
    }
}

/// A reason of some words; the manifest is no place for a document.
fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        1..=500 => Ok(text.to_owned()),
        length => Err(format!("a reason of 1 to 500 characters is needed, this one has {length}")),
    }
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

/// Publishes a version through the gate, and says how to force one that is refused.
pub fn through_gate(
    store: &ShopStore,
    version: &str,
    force: &ForceArgs,
    place: &str,
) -> anyhow::Result<(Latest, Verdict)> {
    gate::publish(store, version, force.reason(), Utc::now()).map_err(|error| {
        match error.downcast::<Refused>() {
            Ok(refused) => {
                let command = format!("qianmian-trainer publish {version} {place} --force --reason TEXT");
                let cure = format!(
                    "It stays in the store, and what is served goes on; to publish it all the same: {command}"
                );
                Refused { cure, ..refused }.into()
            }
            Err(other) => other,
        }
    })
}

/// Verifies a version and points `latest.json` at it, unless the gate refuses it.
pub fn publish(args: &PublishArgs) -> anyhow::Result<()> {
    let store = args.store.open()?;
    let _lock = store.lock()?;
    let place = format!("--store {} --shop {}", args.store.store.display(), args.store.shop);
    let published = through_gate(&store, &args.version, &args.force, &place);
    let (latest, verdict) = published.map_err(|error| match error.downcast::<Error>() {
        Ok(error) => args.store.explain(&store, error),
        Err(other) => other,
    })?;
    let before = latest.previous.unwrap_or_else(|| "none".to_owned());
    super::say(&format!("published version {}; before it: {before}\n{verdict}", latest.version));
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
