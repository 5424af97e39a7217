//! The gate before a publish: a version that a server cannot open, or that ranks worse than the served one, is not
//! published.
//!
//! Every version has figures of its rehearsal: NDCG@10 on held-out users, and that of best sellers on the same users. A
//! version is refused if it is below the served one by more than the tolerance, or below the best sellers. Without a
//! figure there is nothing to compare, and the version passes with a note. A version that passes is opened and warmed
//! exactly as a server does it before `latest.json` moves. Every verdict is kept in the version's manifest, under
//! `metrics.publish`, the latest last.

use std::fmt;

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use qianmian_models::error::Error;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::artifact::{Artifact, Manifest};
use qianmian_models::storage::versions::{Latest, ShopStore};
use qianmian_models::warm;
use serde::Serialize;
use serde_json::Value;

use crate::config::PublishConfig;

/// The key of the verdicts in the manifest's metrics.
const RECORD: &str = "publish";

/// The gate's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No objection.
    Passed,
    /// Published in spite of objections, for the given reason.
    Forced,
    /// Not published.
    Refused,
}

/// A decision with its figures, as the manifest keeps it.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// The decision.
    pub outcome: Outcome,
    /// Time of the decision, RFC 3339 UTC.
    pub at: String,
    /// The version's NDCG@10 on held-out users, if its training rehearsed.
    pub ndcg_10: Option<f64>,
    /// NDCG@10 of best sellers on the same users.
    pub popularity_ndcg_10: Option<f64>,
    /// The version served at that time, if it was another one.
    pub served: Option<Served>,
    /// Share of the served version's figure that may be lost.
    pub tolerance: f64,
    /// Objections to the version.
    pub objections: Vec<String>,
    /// Comparisons that were not possible, and why.
    pub notes: Vec<String>,
    /// Why it was forced.
    pub reason: Option<String>,
}

/// The version that a new one is compared with.
#[derive(Debug, Clone, Serialize)]
pub struct Served {
    /// Its name.
    pub version: String,
    /// Its NDCG@10 on its own held-out users.
    pub ndcg_10: Option<f64>,
}

/// A version was refused; the command has an exit code of its own for it.
#[derive(Debug)]
pub struct Refused {
    /// Its name.
    pub version: String,
    /// The decision.
    pub verdict: Verdict,
    /// How to publish it anyway.
    pub cure: String,
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objections = self.verdict.objections.join("; ");
        write!(f, "version {} is not published: {objections}. {}", self.version, self.cure)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |v| format!("{v:.4}"));
        write!(f, "recommend ndcg@10, held out: {}", figure(self.ndcg_10))?;
        if let Some(served) = &self.served {
            write!(f, "; of {}, served before: {}", served.version, figure(served.ndcg_10))?;
        }
        write!(f, "; of best sellers: {}", figure(self.popularity_ndcg_10))?;
        self.notes.iter().try_for_each(|note| write!(f, "\nnot compared: {note}"))?;
        if let Some(reason) = &self.reason {
            write!(f, "\nforced ({reason}) against: {}", self.objections.join("; "))?;
        }
        Ok(())
    }
}

/// Publishes a version if it passes, or if there is a reason to force it, and if a server can open it. The caller holds
/// the store's lock.
///
/// # Errors
/// [`Refused`], with the figures, when it does not pass; others when the version is missing, damaged or cannot be served.
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
    let verdict = Verdict::new(artifact.manifest(), served, reason, now);
    if verdict.outcome != Outcome::Refused {
        open_as_served(&artifact)?;
    }
    let mut record = artifact.manifest().metrics[RECORD].as_array().cloned().unwrap_or_default();
    record.push(serde_json::to_value(&verdict)?);
    artifact.record(RECORD, Value::Array(record)).context("cannot keep the verdict in the manifest")?;
    match verdict.outcome {
        Outcome::Refused => {
            let cure = "It stays in the store.".to_owned();
            Err(Refused { version: version.to_owned(), verdict, cure }.into())
        }
        Outcome::Passed | Outcome::Forced => Ok((store.publish(version)?, verdict)),
    }
}

/// Opens and warms a version exactly as a server does, and lets go of it.
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

impl Verdict {
    fn new(
        manifest: &Manifest,
        served: Option<(String, Result<Manifest, Error>)>,
        reason: Option<&str>,
        now: DateTime<Utc>,
    ) -> Self {
        let tolerance = manifest.parameters["publish"]["tolerance"].as_f64();
        let mut verdict = Self {
            outcome: Outcome::Passed,
            at: now.to_rfc3339_opts(SecondsFormat::Secs, true),
            ndcg_10: held_out(manifest),
            popularity_ndcg_10: figure(manifest, "popularity_held_out"),
            served: None,
            tolerance: tolerance.unwrap_or(PublishConfig::default().tolerance),
            objections: Vec::new(),
            notes: Vec::new(),
            reason: None,
        };
        verdict.compare(served);
        if !verdict.objections.is_empty() {
            verdict.outcome = if reason.is_some() { Outcome::Forced } else { Outcome::Refused };
            verdict.reason = reason.map(str::to_owned);
        }
        verdict
    }

    fn compare(&mut self, served: Option<(String, Result<Manifest, Error>)>) {
        let served = served.map(|(version, manifest)| {
            if let Err(error) = &manifest {
                self.notes.push(format!("the served version {version} cannot be read ({error})"));
            }
            Served { ndcg_10: manifest.ok().as_ref().and_then(held_out), version }
        });
        match self.ndcg_10 {
            None => self.notes.push(
                "this version was trained without a rehearsal, or with too few users for one".to_owned(),
            ),
            Some(ndcg) => {
                self.compare_with_popularity(ndcg);
                self.compare_with_served(ndcg, served.as_ref());
            }
        }
        self.served = served;
    }

    fn compare_with_popularity(&mut self, ndcg: f64) {
        if let Some(popularity) = self.popularity_ndcg_10.filter(|popularity| ndcg < *popularity) {
            self.objections.push(format!(
                "its recommend ndcg@10 on held-out users, {ndcg:.4}, is under that of best sellers, {popularity:.4}"
            ));
        }
    }

    fn compare_with_served(&mut self, ndcg: f64, served: Option<&Served>) {
        match served {
            None => self.notes.push("no other version is served yet".to_owned()),
            Some(Served { version, ndcg_10: None }) => {
                self.notes.push(format!("the served version {version} has no held-out figure"));
            }
            Some(Served { version, ndcg_10: Some(before) }) if ndcg < before * (1.0 - self.tolerance) => {
                self.objections.push(format!(
                    "its recommend ndcg@10 on held-out users, {ndcg:.4}, is {:.1} % below the {before:.4} of {version}, \
                     which is served; {:.1} % is tolerated",
                    100.0 * (1.0 - ndcg / before),
                    100.0 * self.tolerance
                ));
            }
            Some(_) => {}
        }
    }
}

/// NDCG@10 on held-out users: of the trees or of the blend, whichever is better.
fn held_out(manifest: &Manifest) -> Option<f64> {
    let of = |name| figure(manifest, name).filter(|value| *value > 0.0);
    of("ranker_held_out").into_iter().chain(of("blend_held_out")).reduce(f64::max)
}

fn figure(manifest: &Manifest, name: &str) -> Option<f64> {
    manifest.metrics["rehearsal"]["recommend_ndcg_10"][name].as_f64()
}
