//! Stored artifacts, measured on days after all of their data.

use anyhow::{Context, bail, ensure};
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::versions::ShopStore;

use super::{Bench, Future, Report, Subject, TASK_STEPS, Window};
use crate::config::TrainingConfig;
use crate::dataset::Dataset;
use crate::orders::TimeKind;
use crate::progress::Reporter;
use crate::train::Training;

/// An artifact to be measured.
#[derive(Debug)]
pub struct Stored {
    /// Its version.
    pub version: String,
    /// Opened as a server opens it.
    pub snapshot: Snapshot,
}

impl Stored {
    /// Opens a version, or the published one.
    ///
    /// # Errors
    /// Fails if it is not there or damaged.
    pub fn open(store: &ShopStore, version: Option<&str>) -> qianmian_models::error::Result<Self> {
        let artifact = store.artifact(version)?;
        Ok(Self { version: artifact.manifest().version.clone(), snapshot: Snapshot::open(&artifact)? })
    }
}

/// Measures artifacts, the first one as ours; the baselines learn from all data before the window.
pub(super) fn evaluate(
    dataset: &Dataset,
    window: Window,
    models: &[Stored],
    training: &TrainingConfig,
    reporter: &Reporter,
) -> anyhow::Result<Report> {
    ensure!(
        dataset.time_kind == TimeKind::Timestamps,
        "stored versions are measured on days after their data, and these orders have no times; \
         leave --store out to train for the measurement"
    );
    models.iter().try_for_each(|model| check(model, window))?;
    let past = dataset.before(window.from);
    // The baselines need counts and vectors only, so the rehearsal is skipped.
    let plain = TrainingConfig { rehearse: false, ..training.clone() };
    let training = Training::new(&past, &plain, reporter);
    let reporter = &reporter.plan(training.steps() + TASK_STEPS);
    let reference = training.learn(reporter)?.snapshot;
    let subjects: Vec<Subject<'_>> =
        models.iter().map(|m| Subject::stored(m.version.clone(), &m.snapshot, dataset)).collect();
    let bench = Bench {
        subjects: &subjects,
        reference: &reference,
        past: &past,
        future: Future { dataset, window },
        baselines: true,
    };
    ensure!(
        models.is_empty() || subjects[0].knows_any_user(),
        "version {} knows none of the users of these orders; are they orders of the same shop?",
        models[0].version
    );
    Ok(bench.measure(reporter))
}

/// Refuses a version that was trained on data of the window.
fn check(model: &Stored, window: Window) -> anyhow::Result<()> {
    let Stored { version, snapshot } = model;
    if snapshot.data_until <= window.from {
        return Ok(());
    }
    let (until, from) = (day(snapshot.data_until)?, day(window.from)?);
    bail!(
        "version {version} was trained on orders until {until}, which include those of the window from {from} on; \
         measure from {until} on, or train a version on earlier orders"
    )
}

/// `2011-10-01 08:30 UTC`.
fn day(at: i64) -> anyhow::Result<String> {
    let time = chrono::DateTime::from_timestamp(at, 0).context("a time beyond the calendar")?;
    Ok(time.format("%Y-%m-%d %H:%M UTC").to_string())
}
