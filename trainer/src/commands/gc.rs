//! `gc`: removes old versions from the model store.
//!
//! A version is removed if it is not among the newest ones, is old enough, and nothing needs it: `latest.json` names
//! the version to serve and the one to roll back to, and the gate compares with the parent of the version to serve. A
//! server that pinned another version keeps serving it from the files it has open, until it restarts.

use std::collections::BTreeSet;
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use qianmian_models::storage::versions::ShopStore;

use super::store::StoreArgs;

/// Arguments of `gc`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The version to serve, the one to roll back to and the parent of the version to serve are always kept.

  qianmian-trainer gc --store var/models --keep 5 --older-than 14d --dry-run"
)]
pub struct Args {
    #[command(flatten)]
    store: StoreArgs,
    /// Keep this many of the newest versions.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    /// Remove only versions created longer ago than this: a number with d (days), h (hours) or m (minutes).
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = age)]
    older_than: TimeDelta,
    /// Print what would be removed, but remove nothing.
    #[arg(long)]
    dry_run: bool,
}

/// A version and its creation time.
type Created = (String, DateTime<Utc>);

/// Removes and prints.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let store = ShopStore::new(&args.store.store, &args.store.shop)?;
    if !store.folder().is_dir() {
        super::say(&format!("there is no {}; nothing to remove", store.folder().display()));
        return Ok(());
    }
    let _lock = store.lock()?;
    let versions: Vec<Created> = store
        .versions()?
        .into_iter()
        .map(|version| (created_at(&store, &version), version))
        .map(|(at, v)| (v, at))
        .collect();
    let (all, needed) = (versions.len(), needed(&store)?);
    let removable = removable(versions, &needed, usize::from(args.keep), Utc::now() - args.older_than);
    for version in &removable {
        if !args.dry_run {
            store.remove(version)?;
        }
        let done = if args.dry_run { "would remove" } else { "removed" };
        super::say(&format!("{done} version {version}"));
    }
    super::say(&format!("{} of {all} versions stay", all - removable.len()));
    Ok(())
}

/// The versions to serve and to roll back to, and the parent of the former.
fn needed(store: &ShopStore) -> anyhow::Result<BTreeSet<String>> {
    let Some(latest) = store.latest()? else { return Ok(BTreeSet::new()) };
    // A version that cannot be read names no parent; it is kept itself.
    let parent = store.artifact(Some(&latest.version)).ok().and_then(|a| a.manifest().parent.clone());
    Ok([Some(latest.version), latest.previous, parent].into_iter().flatten().collect())
}

/// The versions to remove: neither needed nor among the `keep` newest, and created before `before`.
fn removable(
    mut versions: Vec<Created>,
    needed: &BTreeSet<String>,
    keep: usize,
    before: DateTime<Utc>,
) -> Vec<String> {
    versions.sort_by(|a, b| (b.1, &b.0).cmp(&(a.1, &a.0)));
    let old = versions.into_iter().skip(keep).filter(|(_, at)| *at < before);
    old.map(|(version, _)| version).filter(|version| !needed.contains(version)).collect()
}

/// The creation time of a version, from its manifest; the folder's modification time if the manifest is unreadable.
fn created_at(store: &ShopStore, version: &str) -> DateTime<Utc> {
    let manifest = store.artifact(Some(version)).ok().map(|a| a.manifest().created_at.clone());
    let by_manifest = manifest.and_then(|at| DateTime::parse_from_rfc3339(&at).ok());
    let by_folder = || std::fs::metadata(store.folder().join(version)).and_then(|m| m.modified());
    by_manifest.map_or_else(|| by_folder().unwrap_or_else(|_| SystemTime::now()).into(), Into::into)
}

/// `14d`, `36h` or `90m`; ten years at most.
fn age(text: &str) -> Result<TimeDelta, String> {
    let cure = || "give a number of days, hours or minutes, such as 14d, 36h or 90m".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(cure)?;
    let number: u32 = number.parse().map_err(|_| cure())?;
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        _ => return Err(cure()),
    } * i64::from(number);
    if seconds > 10 * 366 * 86_400 {
        return Err("give ten years at most".to_owned());
    }
    TimeDelta::try_seconds(seconds).ok_or_else(cure)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_old_versions_that_nothing_needs_are_removable() {
        let now = DateTime::from_timestamp(1_000_000_000, 0).unwrap();
        let aged = |days: i64| (format!("v{days}"), now - TimeDelta::days(days));
        let versions = || vec![aged(9), aged(1), aged(30), aged(20), aged(3)];
        let needed = BTreeSet::from(["v20".to_owned()]);
        let removed = |keep, days| removable(versions(), &needed, keep, now - TimeDelta::days(days));
        assert_eq!(removed(1, 2), ["v3", "v9", "v30"]);
        assert_eq!(removed(3, 2), ["v30"]);
        assert_eq!(removed(1, 10), ["v30"]);
        assert_eq!(removed(9, 0), [""; 0]);
    }

    #[test]
    fn an_age_is_a_number_with_a_unit() {
        assert_eq!(age("14d"), Ok(TimeDelta::days(14)));
        assert_eq!((age("36h"), age("0m")), (Ok(TimeDelta::hours(36)), Ok(TimeDelta::zero())));
        for bad in ["", "d", "14", "-1d", "1.5d", "14天", "9999d"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
