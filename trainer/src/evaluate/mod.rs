//! Offline evaluation with a time split: learn from all before a moment, measure on the days after it.
//!
//! The pipelines that are measured are those of models, which the server runs. Every baseline is run in
//! the same call on the same cases, and the difference to the best of them carries a bootstrap interval.
//!
//! | task | cases | metrics |
//! |---|---|---|
//! | recommend | users seen before T that buy in the window | recall, NDCG, hit rate at K |
//! | newcomers | users whose first basket is in the window, known by their place at most | recall, NDCG, hit rate at 10 |
//! | audience | items seen before T with at least 10 such buyers in the window | recall@100, lift@1 %, new buyers' recall@100 |
//! | bundle | baskets of 2 or more in the window, one item hidden | HR@5, HR@10, MRR@20 |

mod audience;
mod bundle;
pub mod metrics;
mod newcomers;
mod recommend;
mod report;

pub use report::{Method, Report, Task};

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
    let future = Future { dataset, window };
    Ok(measure(&trained.snapshot, &past, &future, reporter))
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

/// Measures a snapshot that was learned from `past`.
pub fn measure(snapshot: &Snapshot, past: &Dataset, future: &Future<'_>, reporter: &Reporter) -> Report {
    let stage = reporter.stage("evaluate", 4);
    let mut tasks = Vec::new();
    for task in [recommend::measure, newcomers::measure, audience::measure, bundle::measure] {
        tasks.extend(task(snapshot, past, future));
        stage.advance(1);
    }
    Report { window: future.window, tasks }
}
