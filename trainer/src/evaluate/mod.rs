//! Offline evaluation with a time split: learn from all before a moment, measure on the days after it.
//!
//! The pipelines that are measured are those of models, which the server runs. Every baseline is run in
//! the same call on the same cases, and the difference to the best of them carries a bootstrap interval.
//!
//! | task | cases | metrics | baselines |
//! |---|---|---|---|
//! | recommend | users seen before T that buy in the window | recall, NDCG, hit rate at K; repeat and new items apart; coverage, Gini, novelty | popularity, personal frequency, UP-CF@r, TIFUKNN, ALS |
//! | audience | items seen before T with at least 10 such buyers in the window | recall and NDCG at 100, lift@1 %, AUC; repeat and new buyers apart | activity, RFM tiers, personal frequency, ALS, co-purchase profile |
//! | bundle | baskets of 2 or more in the window, one item hidden | HR@K, MRR@20 | popularity, cosine, lift, LLR, ALS item vectors |

mod audience;
mod bundle;
pub mod calibration;
mod history;
pub mod metrics;
mod pairs;
mod recommend;
mod report;
mod subject;
mod table;

pub use recommend::Exposure;
pub use report::{Method, Metric, Report, Role, Task, Versus};
pub use subject::Subject;

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
}

/// Learns from before the window and measures every task that the data allows.
pub fn evaluate(
    dataset: &Dataset,
    window: Window,
    config: &TrainingConfig,
    reporter: &Reporter,
) -> anyhow::Result<Report> {
    let past = dataset.before(window.from);
    let trained = train::learn(&past, config, reporter)?;
    let subjects = [Subject::learned("qianmian", &trained.snapshot)];
    let future = Future { dataset, window };
    let bench = Bench { subjects: &subjects, reference: &trained.snapshot, past: &past, future };
    Ok(bench.measure(reporter))
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
}

impl Bench<'_> {
    fn measure(&self, reporter: &Reporter) -> Report {
        let stage = reporter.stage("evaluate", 3);
        let mut tasks = Vec::new();
        tasks.extend(recommend::measure(self, &recommend::Cases::new(self)));
        stage.advance(1);
        tasks.extend(audience::measure(self));
        stage.advance(1);
        tasks.extend(bundle::measure(self));
        Report { window: self.future.window, tasks }
    }
}

/// Evenly drawn, so many at most.
fn every_nth<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let step = all.len().div_ceil(most).max(1);
    all.into_iter().step_by(step).collect()
}
