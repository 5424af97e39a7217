//! The gate before a publish: a version whose slates are worse than those now served is not served by
//! accident.
//!
//! Both versions carry what their rehearsal measured: NDCG@10 on users that nothing was learned from, and
//! that of a slate of best sellers on the same users. A version is refused when it falls below the served
//! one by more than the tolerance, or below the best sellers. Where a figure is missing, there is nothing to
//! hold against a version, and it passes, saying so. Every verdict stays in the version's manifest, under
//! `metrics.publish`, the latest last.

use std::fmt;

use anyhow::Context;
use chrono::{DateTime, SecondsFormat, Utc};
use qianmian_models::error::Error;
use qianmian_models::storage::artifact::Manifest;
use qianmian_models::storage::versions::{Latest, ShopStore};
use serde::Serialize;
use serde_json::Value;

use crate::config::PublishConfig;

/// Where the verdicts are in the manifest's metrics.
const RECORD: &str = "publish";

/// What became of a version at the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing is held against it.
    Passed,
    /// Published all the same, for the reason given.
    Forced,
    /// Not published.
    Refused,
}

/// A verdict with its figures, as it stays on record.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// What became of it.
    pub outcome: Outcome,
    /// When, RFC 3339 UTC.
    pub at: String,
    /// The version's NDCG@10 on held-out users, where its training rehearsed.
    pub ndcg_10: Option<f64>,
    /// That of best sellers, on the same users.
    pub popularity_ndcg_10: Option<f64>,
    /// The version that was served then, if it was another one.
    pub served: Option<Served>,
    /// Part of the served version's figure that may be lost.
    pub tolerance: f64,
    /// What is held against the version.
    pub objections: Vec<String>,
    /// What could not be compared, and why.
    pub notes: Vec<String>,
    /// Why it was published all the same; of forced ones only.
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

/// A version was refused; the command ends with an exit code of its own.
#[derive(Debug)]
pub struct Refused {
    /// Its name.
    pub version: String,
    /// What is held against it.
    pub verdict: Verdict,
    /// What to do to publish it all the same.
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

/// Publishes a version if it passes, or if there is a reason to force it. The caller holds the store's lock.
///
/// # Errors
/// [`Refused`], with the numbers, when it does not pass; others when the version is missing or damaged.
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
        store.verify(version)?;
    }
    let mut record = artifact.manifest().metrics[RECORD].as_array().cloned().unwrap_or_default();
    record.push(serde_json::to_value(&verdict)?);
    artifact.record(RECORD, Value::Array(record)).context("keeping the verdict in the manifest")?;
    match verdict.outcome {
        Outcome::Refused => {
            let cure = "It stays in the store.".to_owned();
            Err(Refused { version: version.to_owned(), verdict, cure }.into())
        }
        Outcome::Passed | Outcome::Forced => Ok((store.publish(version)?, verdict)),
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

/// NDCG@10 on held-out users of what ranks: the trees where they do better than the blend.
fn held_out(manifest: &Manifest) -> Option<f64> {
    let of = |name| figure(manifest, name).filter(|value| *value > 0.0);
    of("ranker_held_out").into_iter().chain(of("blend_held_out")).reduce(f64::max)
}

fn figure(manifest: &Manifest, name: &str) -> Option<f64> {
    manifest.metrics["rehearsal"]["recommend_ndcg_10"][name].as_f64()
}
