//! `publish` and `rollback`: choose the version to serve.

use chrono::Utc;
use qianmian_models::error::Error;
use qianmian_models::storage::versions::{Latest, ShopStore};

use super::store::StoreArgs;
use crate::gate::{self, Refused, Verdict};

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

/// Publishing against the gate, with a reason.
#[derive(Debug, clap::Args)]
pub struct ForceArgs {
    /// Publish even if the version ranks worse than the one served, or than best sellers.
    #[arg(long, requires = "reason")]
    force: bool,
    /// The reason for --force; it is kept in the version's manifest.
    #[arg(long, value_name = "TEXT", requires = "force", value_parser = reason)]
    reason: Option<String>,
}

impl ForceArgs {
    /// The reason, if publishing is forced.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref().filter(|_| self.force)
    }
}

/// A reason of 1 to 500 characters.
fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        1..=500 => Ok(text.to_owned()),
        length => Err(format!("a reason of 1 to 500 characters is needed, this one has {length}")),
    }
}

/// Publishes a version through the gate; the error of a refusal says how to force it.
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
                    "It stays in the store, and the served version is unchanged. To publish it anyway: {command}"
                );
                Refused { cure, ..refused }.into()
            }
            Err(other) => other,
        }
    })
}

/// Opens and warms a version and points `latest.json` at it, unless the gate refuses it.
pub fn publish(args: &PublishArgs) -> anyhow::Result<()> {
    let store = args.store.open()?;
    let _lock = store.lock()?;
    let place = format!("--store {} --shop {}", args.store.store.display(), args.store.shop);
    let published = through_gate(&store, &args.version, &args.force, &place);
    let (latest, verdict) = published.map_err(|error| match error.downcast_ref::<Error>() {
        Some(Error::NotFound { .. }) => match error.downcast::<Error>() {
            Ok(error) => args.store.explain(&store, error),
            Err(error) => error,
        },
        _ => error,
    })?;
    let before = latest.previous.unwrap_or_else(|| "none".to_owned());
    super::say(&format!("published version {}; before it: {before}\n{verdict}", latest.version));
    Ok(())
}

/// Points `latest.json` back at the previous version.
pub fn rollback(args: &StoreArgs) -> anyhow::Result<()> {
    let store = args.open()?;
    let _lock = store.lock()?;
    let latest = store.rollback().map_err(|error| args.explain(&store, error))?;
    let from = latest.previous.unwrap_or_else(|| "none".to_owned());
    super::say(&format!("rolled back to version {}; from: {from}", latest.version));
    Ok(())
}
