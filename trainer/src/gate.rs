//! The gate before a publish: a version that a server cannot open, or that ranks worse than the served one, is not
//! published.
//!
//! Every version has figures of its rehearsal: NDCG@10 on held-out users, and that of best sellers on the same users. A
//! version is refused if it is below the served one by more than the tolerance, or below the best sellers. Without a
//! figure there is nothing to compare, and the version passes with a note. A version that passes is opened and warmed
//! exactly as by a server before `latest.json` moves. Every verdict is kept in the version's manifest, under
//! `metrics.publish`, the latest last.

use std::fmt;

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use qianmian_models::error::Error;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::artifact::{Artifact, Manifest};
use qianmian_models::storage::metrics::RankingQuality;
pub use qianmian_models::storage::metrics::{Outcome, Served, Verdict};
use qianmian_models::storage::versions::{Latest, ShopStore};
use qianmian_models::warm;

use crate::config::PublishConfig;

/// A version was refused; the command has an exit code of its own for it.
#[derive(Debug)]
pub struct Refused {
    /// Its name.
    pub version: String,
    /// The decision.
    pub verdict: Verdict,
    /// The command that publishes it anyway.
    pub cure: String,
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objections = self.verdict.objections.join("; ");
        write!(f, "version {} is not published: {objections}. {}", self.version, self.cure)
    }
}

/// Publishes a version if it passes, or if there is a reason to force it, and if a server can open it. The caller holds
/// the store's lock.
///
/// # Errors
/// [`Refused`], with the figures, if it does not pass; other errors if it is missing, damaged or cannot be served.
pub fn publish(
    store: &ShopStore,
    version: &str,
    reason: Option<&str>,
    now: DateTime<Utc>,
) -> anyhow::Result<(Latest, Verdict)> {
    let mut artifact = store.artifact(Some(version))?;
    let latest = store.latest()?.filter(|latest| latest.version != version);
    let served = latest.map(|latest| {
        let manifest = store.artifact(Some(&latest.version)).map(|artifact| artifact.manifest().clone());
        (latest.version, manifest)
    });
    let verdict = judge(artifact.manifest(), served, reason, now);
    if verdict.outcome != Outcome::Refused {
        open_as_served(&artifact)?;
    }
    let record = artifact.record(|metrics| metrics.publish.push(verdict.clone()));
    record.context("cannot keep the verdict in the manifest")?;
    match verdict.outcome {
        Outcome::Refused => {
            let cure = "It stays in the store.".to_owned();
            Err(Refused { version: version.to_owned(), verdict, cure }.into())
        }
        Outcome::Passed | Outcome::Forced => Ok((store.publish(version)?, verdict)),
    }
}

/// Opens and warms a version exactly as a server does, then closes it.
fn open_as_served(artifact: &Artifact) -> anyhow::Result<()> {
    let open = || -> Result<(), Error> {
        warm::warm(&Snapshot::open(artifact)?);
        Ok(())
    };
    let version = &artifact.manifest().version;
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(open)) {
        Ok(opened) => {
            opened.with_context(|| format!("no server can open version {version}; it is not published"))
        }
        Err(_) => bail!("opening version {version} panicked; it is not published"),
    }
}

/// The verdict on a version, given by its manifest, compared with the served one.
fn judge(
    manifest: &Manifest,
    served: Option<(String, Result<Manifest, Error>)>,
    reason: Option<&str>,
    now: DateTime<Utc>,
) -> Verdict {
    let tolerance = manifest.parameters["publish"]["tolerance"].as_f64();
    let quality = quality(manifest);
    let mut verdict = Verdict {
        outcome: Outcome::Passed,
        at: now.to_rfc3339_opts(SecondsFormat::Secs, true),
        ndcg_10: quality.and_then(RankingQuality::held_out),
        popularity_ndcg_10: quality.and_then(|quality| quality.popularity_held_out),
        served: None,
        tolerance: tolerance.unwrap_or(PublishConfig::default().tolerance),
        objections: Vec::new(),
        notes: Vec::new(),
        reason: None,
    };
    compare(&mut verdict, served);
    if !verdict.objections.is_empty() {
        verdict.outcome = if reason.is_some() { Outcome::Forced } else { Outcome::Refused };
        verdict.reason = reason.map(str::to_owned);
    }
    verdict
}

fn quality(manifest: &Manifest) -> Option<&RankingQuality> {
    manifest.metrics.rehearsal.as_ref().map(|rehearsal| &rehearsal.recommend_ndcg_10)
}

fn compare(verdict: &mut Verdict, served: Option<(String, Result<Manifest, Error>)>) {
    let served = served.map(|(version, manifest)| {
        if let Err(error) = &manifest {
            verdict.notes.push(format!("the served version {version} cannot be read ({error})"));
        }
        let manifest = manifest.ok();
        let ndcg_10 = manifest.as_ref().and_then(quality).and_then(RankingQuality::held_out);
        Served { version, ndcg_10 }
    });
    match verdict.ndcg_10 {
        None => verdict
            .notes
            .push("this version was trained without a rehearsal, or with too few users for one".to_owned()),
        Some(ndcg) => {
            compare_with_popularity(verdict, ndcg);
            compare_with_served(verdict, ndcg, served.as_ref());
        }
    }
    verdict.served = served;
}

fn compare_with_popularity(verdict: &mut Verdict, ndcg: f64) {
    if let Some(popularity) = verdict.popularity_ndcg_10.filter(|popularity| ndcg < *popularity) {
        verdict.objections.push(format!(
            "its recommend ndcg@10 on held-out users, {ndcg:.4}, is under that of best sellers, {popularity:.4}"
        ));
    }
}

fn compare_with_served(verdict: &mut Verdict, ndcg: f64, served: Option<&Served>) {
    match served {
        None => verdict.notes.push("no other version is served yet".to_owned()),
        Some(Served { version, ndcg_10: None }) => {
            verdict.notes.push(format!("the served version {version} has no held-out figure"));
        }
        Some(Served { version, ndcg_10: Some(before) }) if ndcg < before * (1.0 - verdict.tolerance) => {
            verdict.objections.push(format!(
                "its recommend ndcg@10 on held-out users, {ndcg:.4}, is {:.1} % below the {before:.4} of {version}, which \
                 is served; {:.1} % is tolerated",
                100.0 * (1.0 - ndcg / before),
                100.0 * verdict.tolerance
            ));
        }
        Some(_) => {}
    }
}
