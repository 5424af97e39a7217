//! Offline evaluation with a time split: learn from all data before a moment, measure on the days after it.
//!
//! The measured pipelines are those of the crate models, which the server runs. Every baseline runs in the same call
//! on the same cases, and the difference to the best of them has a bootstrap interval.
//!
//! | task | cases | metrics | baselines |
//! |---|---|---|---|
//! | recommend | users seen before T that buy in the window | recall, NDCG, hit rate at K; repeat and new items apart; coverage, Gini, novelty | popularity, personal frequency, UP-CF@r, TIFUKNN, ALS |
//! | new_users | users whose first basket is in the window; at most their place is known | recall, NDCG, hit rate at 10 | the same without the place, popularity |
//! | cold_items_shown | users seen before T that buy an item in the window that was never sold before | recall and hit rate at 20, of the slate and of its cold items | random cold items |
//! | audience | items seen before T with at least 10 such buyers in the window | recall and NDCG at 100, lift@1 %, AUC; repeat and new buyers apart | activity, RFM tiers, personal frequency, ALS, co-purchase profile |
//! | cold_items | items whose first sale is in the window, to at least 3 known users | recall@50, recall and NDCG at 100 | activity |
//! | session (`--sessions`) | visits of users left out of training, of guests and of new users | HR@10, HR@20, MRR@20 of the next item | popularity, cosine, VMIS-kNN |
//! | bundle | baskets of 2 or more in the window, one item hidden | HR@K, MRR@20 | popularity, cosine, lift, LLR, ALS item vectors |

mod audience;
mod bundle;
pub mod calibration;
mod cold_items;
mod cold_items_shown;
mod history;
pub mod html;
mod new_users;
mod pairs;
mod provenance;
mod recommend;
mod report;
mod sessions;
mod stored;
mod subject;
mod table;
mod windows;

pub use provenance::{DataFile, Provenance};
pub use recommend::{Ablation, Example, Exposure, Shown, SourceShare};
pub use report::{Evaluation, Method, Metric, Report, Role, Task, Versus};
pub use stored::Stored;
pub use subject::Subject;
pub use windows::{Rolled, RolledMethod, RolledWindow};

use anyhow::ensure;
use qianmian_models::snapshot::Snapshot;

use crate::config::TrainingConfig;
use crate::dataset::Dataset;
use crate::orders::TimeKind;
use crate::progress::Reporter;
use crate::train::Training;

const DAY: i64 = 86_400;

/// The test window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Window {
    /// Training data end before it; unix seconds.
    pub from: i64,
    /// End of the window, exclusive; unix seconds.
    pub to: i64,
}

impl Window {
    /// The last `days` of the data, or `days` from `from` on. If only the order is known, the last step; without times,
    /// the last fifth of the baskets.
    pub fn choose(dataset: &Dataset, from: Option<i64>, days: u32) -> Self {
        let until = dataset.until;
        match dataset.time_kind {
            TimeKind::Timestamps => {
                let from = from.unwrap_or(until - i64::from(days) * DAY);
                Self { from, to: from + i64::from(days) * DAY }
            }
            TimeKind::Steps => Self { from: until - 1, to: until },
            TimeKind::None => {
                let mut starts: Vec<i64> = dataset.baskets().map(|b| b[0].at).collect();
                starts.sort_unstable();
                Self { from: starts.get(starts.len() * 4 / 5).copied().unwrap_or(until), to: until }
            }
        }
    }

    /// This window and the ones before it, `count` in all, the latest first: of the same length, without gaps.
    ///
    /// # Errors
    /// Fails if there are no times, or if no data are left to learn from.
    pub fn back(self, dataset: &Dataset, count: u32) -> anyhow::Result<Vec<Self>> {
        ensure!(
            count == 1 || dataset.time_kind != TimeKind::None,
            "--windows {count}: these orders have no times, so there is only one window; leave --windows out"
        );
        let length = self.to - self.from;
        let back = |n: i64| Self { from: self.from - n * length, to: self.to - n * length };
        let windows: Vec<Self> = (0..i64::from(count)).map(back).collect();
        let earliest = dataset.from();
        ensure!(
            windows.last().is_none_or(|w| w.from > earliest) || count == 1,
            "--windows {count}: no data are left to learn from before the earliest window; use fewer"
        );
        Ok(windows)
    }
}

/// The models to measure.
pub enum Models<'a> {
    /// A model learned from before each window.
    Learned(&'a TrainingConfig),
    /// A model learned from before each window without every tenth user, measured on anonymous visits only.
    Anonymous(&'a TrainingConfig),
    /// Artifacts of a store, the measured one first.
    Stored {
        /// The artifacts.
        models: &'a [Stored],
        /// Training options of the baselines.
        training: &'a TrainingConfig,
    },
}

/// Measures every window, the latest first, and combines them.
///
/// # Errors
/// Fails if an artifact was trained on data of a window, or if training fails.
pub fn evaluate_all(
    dataset: &Dataset,
    windows: &[Window],
    models: &Models<'_>,
    provenance: Provenance,
    reporter: &Reporter,
) -> anyhow::Result<Evaluation> {
    let one = |(number, window): (usize, &Window)| {
        let reporter = &match windows.len() {
            1 => reporter.clone(),
            n => reporter.part(format!("window {} of {n}", number + 1)),
        };
        match models {
            Models::Learned(config) => evaluate(dataset, *window, config, reporter),
            Models::Anonymous(config) => anonymous(dataset, *window, config, reporter),
            Models::Stored { models, training } => {
                stored::evaluate(dataset, *window, models, training, reporter)
            }
        }
    };
    let mut reports = windows.iter().enumerate().map(one).collect::<anyhow::Result<Vec<Report>>>()?;
    ensure!(!reports.is_empty(), "no window to measure");
    let rolled = windows::roll(&reports.iter().collect::<Vec<_>>());
    let latest = reports.remove(0);
    Ok(Evaluation { provenance, latest, earlier: reports, rolled })
}

/// Learns from before the window and measures every task that the data allows.
///
/// # Errors
/// Fails if training fails.
pub fn evaluate(
    dataset: &Dataset,
    window: Window,
    config: &TrainingConfig,
    reporter: &Reporter,
) -> anyhow::Result<Report> {
    let (past, future) = (dataset.before(window.from), Future { dataset, window });
    learned(&past, future, config, reporter, TASK_STEPS, |bench, reporter| bench.measure(reporter))
}

/// Measures our model alone on the tasks recommend, audience and bundle, for a search of parameters.
///
/// # Errors
/// Fails if training fails.
pub fn evaluate_ours(
    dataset: &Dataset,
    window: Window,
    config: &TrainingConfig,
    reporter: &Reporter,
) -> anyhow::Result<Report> {
    let (past, future) = (dataset.before(window.from), Future { dataset, window });
    learned(&past, future, config, reporter, 0, |bench, _| bench.measure_ours())
}

fn anonymous(
    dataset: &Dataset,
    window: Window,
    config: &TrainingConfig,
    reporter: &Reporter,
) -> anyhow::Result<Report> {
    let past = dataset.before(window.from).without_users(sessions::is_left_out);
    learned(&past, Future { dataset, window }, config, reporter, 1, |bench, reporter| {
        let _stage = reporter.stage("measure sessions", 1);
        let tasks = sessions::measure(bench).into_iter().collect();
        Report { window, tasks, ablation: None, calibration: None, examples: Vec::new() }
    })
}

/// Learns from `past` and calls `measure`, which reports `steps` stages; with 0 steps, baselines are left out.
fn learned(
    past: &Dataset,
    future: Future<'_>,
    config: &TrainingConfig,
    reporter: &Reporter,
    steps: usize,
    measure: impl FnOnce(&Bench<'_>, &Reporter) -> Report,
) -> anyhow::Result<Report> {
    let training = Training::new(past, config, reporter);
    let reporter = reporter.plan(training.steps() + steps);
    let trained = training.learn(&reporter)?;
    let subjects = [Subject::learned("qianmian", &trained.snapshot)];
    let bench =
        Bench { subjects: &subjects, reference: &trained.snapshot, past, future, baselines: steps > 0 };
    Ok(measure(&bench, &reporter))
}

/// The purchases of the window.
pub struct Future<'a> {
    dataset: &'a Dataset,
    window: Window,
}

impl Future<'_> {
    fn lines(&self) -> impl Iterator<Item = &crate::orders::Line> {
        self.dataset.between(self.window.from, self.window.to)
    }
}

/// Stages that [`Bench::measure`] reports.
const TASK_STEPS: usize = 5;

/// The models and data that a task measures.
struct Bench<'a> {
    /// The measured models: ours first, then those it is compared with.
    subjects: &'a [Subject<'a>],
    /// Indexes learned from `past`, which the baselines and the cases read.
    reference: &'a Snapshot,
    past: &'a Dataset,
    future: Future<'a>,
    /// True if baselines are measured as well.
    baselines: bool,
}

impl Bench<'_> {
    fn measure(&self, reporter: &Reporter) -> Report {
        let stage = reporter.stage("measure slates", 3);
        let cases = recommend::Cases::new(self);
        let mut tasks = Vec::new();
        tasks.extend(recommend::measure(self, &cases));
        stage.advance(1);
        let ablation = recommend::ablation::measure(self, &cases);
        stage.advance(1);
        let examples = recommend::examples::choose(self, &cases);
        drop((cases, stage));
        let stage = reporter.stage("measure new users and cold items", 2);
        tasks.extend(new_users::measure(self));
        stage.advance(1);
        tasks.extend(cold_items_shown::measure(self));
        drop(stage);
        let stage = reporter.stage("measure audiences", 2);
        tasks.extend(audience::measure(self));
        stage.advance(1);
        tasks.extend(cold_items::measure(self));
        drop(stage);
        let stage = reporter.stage("measure probabilities", 1);
        let calibration = audience::calibration::measure(self);
        drop(stage);
        let _stage = reporter.stage("measure bundles", 1);
        tasks.extend(bundle::measure(self));
        Report { window: self.future.window, tasks, ablation, calibration, examples }
    }

    fn measure_ours(&self) -> Report {
        let cases = recommend::Cases::new(self);
        let tasks = [recommend::measure(self, &cases), audience::measure(self), bundle::measure(self)];
        let tasks = tasks.into_iter().flatten().collect();
        Report { window: self.future.window, tasks, ablation: None, calibration: None, examples: Vec::new() }
    }
}

/// Number of cases to measure: `budget` divided by the number of users, within `most / 10..=most`.
fn affordable(most: usize, budget: usize, past: &Dataset) -> usize {
    (budget / past.n_users().max(1)).clamp(most / 10, most)
}

/// At most `most`, evenly spaced.
fn every_nth<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let step = all.len().div_ceil(most).max(1);
    all.into_iter().step_by(step).collect()
}
