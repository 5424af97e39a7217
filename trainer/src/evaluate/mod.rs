//! Offline evaluation with a time split: learn from all before a moment, measure on the days after it.
//!
//! The pipelines that are measured are those of models, which the server runs. Every baseline is run in
//! the same call on the same cases, and the difference to the best of them carries a bootstrap interval.
//!
//! | task | cases | metrics | baselines |
//! |---|---|---|---|
//! | recommend | users seen before T that buy in the window | recall, NDCG, hit rate at K; repeat and new items apart; coverage, Gini, novelty | popularity, personal frequency, UP-CF@r, TIFUKNN, ALS |
//! | newcomers | users whose first basket is in the window, known by their place at most | recall, NDCG, hit rate at 10 | the same without the place, popularity |
//! | launches_shown | users seen before T that buy an item in the window that was never sold before | recall and hit rate at 20, of the slate and of the launches in it | launches at random |
//! | audience | items seen before T with at least 10 such buyers in the window | recall and NDCG at 100, lift@1 %, AUC; repeat and new buyers apart | activity, RFM tiers, personal frequency, ALS, co-purchase profile |
//! | launches | items whose first sale is in the window, to at least 3 known users | recall@50, recall and NDCG at 100 | activity |
//! | session (`--sessions`) | visits of users who were left out of training, of guests and of new users | HR@10, HR@20, MRR@20 of the next item | popularity, cosine, VMIS-kNN |
//! | bundle | baskets of 2 or more in the window, one item hidden | HR@K, MRR@20 | popularity, cosine, lift, LLR, ALS item vectors |

mod audience;
mod bundle;
pub mod calibration;
mod history;
pub mod html;
mod launches;
mod launches_shown;
pub mod metrics;
mod newcomers;
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
use crate::train;

const DAY: i64 = 86_400;

/// Where the time line is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Window {
    /// Learn from what is before it, unix seconds.
    pub from: i64,
    /// Measure on what is before it and not before `from`.
    pub to: i64,
}

impl Window {
    /// The last `days` of the data, or those from `from` on. Where only the order is known, every user's
    /// last step; where nothing is known, the last fifth of the baskets.
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

    /// This window and the ones before it, `count` in all, the latest first: as long as it is and without
    /// gaps, or a step earlier each.
    ///
    /// # Errors
    /// Where no time is known, and where nothing is left to learn from.
    pub fn back(self, dataset: &Dataset, count: u32) -> anyhow::Result<Vec<Self>> {
        ensure!(
            count == 1 || dataset.time_kind != TimeKind::None,
            "--windows {count}: these orders have no times, so there is one window only"
        );
        let length = self.to - self.from;
        let back = |n: i64| Self { from: self.from - n * length, to: self.to - n * length };
        let windows: Vec<Self> = (0..i64::from(count)).map(back).collect();
        let earliest = dataset.from();
        ensure!(
            windows.last().is_none_or(|w| w.from > earliest) || count == 1,
            "--windows {count}: nothing is left to learn from before the first of them; use fewer"
        );
        Ok(windows)
    }
}

/// What is measured.
pub enum Models<'a> {
    /// A model learned from before each window.
    Learned(&'a TrainingConfig),
    /// A model learned from before each window without every tenth user, measured on visits of strangers alone.
    OfStrangers(&'a TrainingConfig),
    /// Artifacts of a store, the one that is judged first.
    Stored {
        /// The artifacts.
        models: &'a [Stored],
        /// How to learn what the baselines need.
        training: &'a TrainingConfig,
    },
}

/// Measures every window, the latest first, and puts them together.
///
/// # Errors
/// When an artifact knows what happened in a window, and when training fails.
pub fn evaluate_all(
    dataset: &Dataset,
    windows: &[Window],
    models: &Models<'_>,
    provenance: Provenance,
    reporter: &Reporter,
) -> anyhow::Result<Evaluation> {
    let one = |window: &Window| match models {
        Models::Learned(config) => evaluate(dataset, *window, config, reporter),
        Models::OfStrangers(config) => strangers(dataset, *window, config, reporter),
        Models::Stored { models, training } => stored::evaluate(dataset, *window, models, training, reporter),
    };
    let mut reports = windows.iter().map(one).collect::<anyhow::Result<Vec<Report>>>()?;
    ensure!(!reports.is_empty(), "no window to measure");
    let rolled = windows::roll(&reports.iter().collect::<Vec<_>>());
    let latest = reports.remove(0);
    Ok(Evaluation { provenance, latest, earlier: reports, rolled })
}

/// Learns from before the window and measures every task that the data allows.
///
/// # Errors
/// When training fails.
pub fn evaluate(
    dataset: &Dataset,
    window: Window,
    config: &TrainingConfig,
    reporter: &Reporter,
) -> anyhow::Result<Report> {
    let (past, future) = (dataset.before(window.from), Future { dataset, window });
    learned(&past, future, config, reporter, true, |bench| bench.measure(reporter))
}

/// The same without baselines and all that explains: what a search for parameters goes by.
///
/// # Errors
/// When training fails.
pub fn evaluate_ours(
    dataset: &Dataset,
    window: Window,
    config: &TrainingConfig,
    reporter: &Reporter,
) -> anyhow::Result<Report> {
    let (past, future) = (dataset.before(window.from), Future { dataset, window });
    learned(&past, future, config, reporter, false, |bench| bench.measure_ours())
}

fn strangers(
    dataset: &Dataset,
    window: Window,
    config: &TrainingConfig,
    reporter: &Reporter,
) -> anyhow::Result<Report> {
    let past = dataset.before(window.from).without_users(sessions::is_left_out);
    learned(&past, Future { dataset, window }, config, reporter, true, |bench| {
        let tasks = sessions::measure(bench).into_iter().collect();
        Report { window, tasks, ablation: None, promises: None, examples: Vec::new() }
    })
}

fn learned(
    past: &Dataset,
    future: Future<'_>,
    config: &TrainingConfig,
    reporter: &Reporter,
    baselines: bool,
    measure: impl FnOnce(&Bench<'_>) -> Report,
) -> anyhow::Result<Report> {
    let trained = train::learn(past, config, reporter)?;
    let subjects = [Subject::learned("qianmian", &trained.snapshot)];
    Ok(measure(&Bench { subjects: &subjects, reference: &trained.snapshot, past, future, baselines }))
}

/// What happened in the window.
pub struct Future<'a> {
    dataset: &'a Dataset,
    window: Window,
}

impl Future<'_> {
    fn lines(&self) -> impl Iterator<Item = &crate::orders::Line> {
        self.dataset.between(self.window.from, self.window.to)
    }
}

/// Everything that a measurement needs.
struct Bench<'a> {
    /// The models under measure: ours first, then what it is compared with.
    subjects: &'a [Subject<'a>],
    /// Indexes learned from `past`, in its indices; what the baselines and the cases are made of.
    reference: &'a Snapshot,
    past: &'a Dataset,
    future: Future<'a>,
    /// Whether baselines stand beside.
    baselines: bool,
}

impl Bench<'_> {
    fn measure(&self, reporter: &Reporter) -> Report {
        let stage = reporter.stage("evaluate", 5);
        let cases = recommend::Cases::new(self);
        let mut tasks = Vec::new();
        tasks.extend(recommend::measure(self, &cases));
        let ablation = recommend::ablation::measure(self, &cases);
        let examples = recommend::examples::choose(self, &cases);
        drop(cases);
        stage.advance(1);
        tasks.extend(newcomers::measure(self));
        tasks.extend(launches_shown::measure(self));
        stage.advance(1);
        tasks.extend(audience::measure(self));
        tasks.extend(launches::measure(self));
        stage.advance(1);
        let promises = audience::promises::measure(self);
        stage.advance(1);
        tasks.extend(bundle::measure(self));
        Report { window: self.future.window, tasks, ablation, promises, examples }
    }

    fn measure_ours(&self) -> Report {
        let cases = recommend::Cases::new(self);
        let tasks = [recommend::measure(self, &cases), audience::measure(self), bundle::measure(self)];
        let tasks = tasks.into_iter().flatten().collect();
        Report { window: self.future.window, tasks, ablation: None, promises: None, examples: Vec::new() }
    }
}

/// How many of at most `most` cases are measured where each costs as much as there are users: `budget` in all.
fn affordable(most: usize, budget: usize, past: &Dataset) -> usize {
    (budget / past.n_users().max(1)).clamp(most / 10, most)
}

/// Evenly drawn, so many at most.
fn every_nth<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let step = all.len().div_ceil(most).max(1);
    all.into_iter().step_by(step).collect()
}
