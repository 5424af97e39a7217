//! Self-tuning: a search of the parameters that matter, on the last month of the data.
//!
//! Every trial learns from all data before the window and is measured on it, as in `evaluate`. The first trial has the
//! defaults; each further trial changes one or two parameters of the best so far. A trial qualifies only if no task is
//! below the defaults; the best one has the highest mean ratio to them. So the result is never worse than the defaults
//! on the window. The search ends with its budget (decision 18).

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::config::TrainingConfig;
use crate::dataset::Dataset;
use crate::evaluate::{self, Report, Window};
use crate::orders::TimeKind;
use crate::progress::Reporter;

/// The metric of each task.
const TASKS: [(&str, &str); 3] = [("recommend", "ndcg@10"), ("audience", "recall@100"), ("bundle", "mrr@20")];
/// Days of the window; at most a quarter of the data is used.
const DAYS: i64 = 30;
/// Attempts to find an untried change; if none is found, the search ends.
const ATTEMPTS: usize = 50;

/// A parameter of the search.
struct Parameter {
    name: &'static str,
    /// True if it has no effect without known users.
    of_users: bool,
    /// Factors that are tried.
    steps: &'static [f64],
    /// Smallest and largest value.
    range: [f64; 2],
    get: fn(&TrainingConfig, &Dataset) -> f64,
    set: fn(&mut TrainingConfig, f64),
}

const PARAMETERS: [Parameter; 9] = [
    Parameter {
        name: "half_life_days",
        of_users: true,
        steps: &[0.5, 0.7, 1.4, 2.0],
        range: [0.5, 720.0],
        get: |config, dataset| dataset.half_life_days(config),
        set: |config, value| config.half_life_days = Some(value),
    },
    Parameter {
        name: "ease_lambda",
        of_users: true,
        steps: &[0.3, 0.6, 1.6, 3.0],
        range: [0.1, 1_000.0],
        get: |config, _| f64::from(config.ease_lambda),
        set: |config, value| config.ease_lambda = value as f32,
    },
    Parameter {
        name: "ease_neighbors",
        of_users: true,
        steps: &[0.5, 2.0],
        range: [25.0, 200.0],
        get: |config, _| config.ease_neighbors as f64,
        set: |config, value| config.ease_neighbors = value.round() as usize,
    },
    Parameter {
        name: "basket_ease_lambda",
        of_users: false,
        steps: &[0.3, 0.6, 1.6, 3.0],
        range: [0.1, 1_000.0],
        get: |config, _| f64::from(config.basket_ease_lambda),
        set: |config, value| config.basket_ease_lambda = value as f32,
    },
    Parameter {
        name: "basket_ease_neighbors",
        of_users: false,
        steps: &[0.5, 1.5],
        range: [50.0, 300.0],
        get: |config, _| config.basket_ease_neighbors as f64,
        set: |config, value| config.basket_ease_neighbors = value.round() as usize,
    },
    Parameter {
        name: "low_pass_dim",
        of_users: true,
        steps: &[0.5, 2.0],
        range: [16.0, 256.0],
        get: |config, _| config.low_pass_dim as f64,
        set: |config, value| config.low_pass_dim = value.round() as usize,
    },
    Parameter {
        name: "dim",
        of_users: true,
        steps: &[0.5, 1.5, 2.0],
        range: [16.0, 128.0],
        get: |config, _| config.dim as f64,
        set: |config, value| config.dim = value.round() as usize,
    },
    Parameter {
        name: "regularization",
        of_users: true,
        steps: &[0.3, 0.6, 1.6, 3.0],
        range: [0.1, 200.0],
        get: |config, _| f64::from(config.regularization),
        set: |config, value| config.regularization = value as f32,
    },
    Parameter {
        name: "alpha",
        of_users: true,
        steps: &[0.4, 0.7, 1.4, 2.5],
        range: [0.1, 100.0],
        get: |config, _| f64::from(config.alpha),
        set: |config, value| config.alpha = value as f32,
    },
];

/// The result of a search.
#[derive(Debug, Serialize)]
pub struct Search {
    /// The window that every trial was measured on.
    pub window: Window,
    /// All trials, the defaults first.
    pub trials: Vec<Trial>,
    /// The index of the best trial.
    pub best: usize,
}

/// One set of parameters, with its scores.
#[derive(Debug, Clone, Serialize)]
pub struct Trial {
    /// The values of the parameters of the search.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// The metric of each task.
    pub scores: serde_json::Map<String, serde_json::Value>,
    /// Mean ratio to the defaults over the tasks.
    pub gain: f64,
    /// True if no task is below the defaults.
    pub sound: bool,
    /// Duration, seconds.
    pub seconds: f64,
}

/// Searches from `start` for about `budget`: no trial begins after it, but the first one always runs. Returns the
/// best configuration and all trials. Without cases in the window it returns `start`.
///
/// # Errors
/// Fails if training fails.
pub fn tune(
    dataset: &Dataset,
    start: &TrainingConfig,
    budget: Duration,
    reporter: &Reporter,
) -> anyhow::Result<(TrainingConfig, Search)> {
    let began = Instant::now();
    let past = dataset.until - (DAYS * 86_400).min((dataset.until - dataset.from()) / 4);
    let window = Window { to: dataset.until, ..Window::choose(dataset, Some(past), DAYS as u32) };
    let mut runner = TrialRunner { dataset, window, defaults: Vec::new() };
    let mut best = start.clone();
    let mut search = Search { window, trials: vec![runner.trial(&best)?], best: 0 };
    reporter.note(&search.trials[0]);
    let mut rng = ChaCha8Rng::seed_from_u64(start.seed);
    let stage = reporter.stage("tune (seconds of the budget)", budget.as_secs());
    while began.elapsed() < budget && !runner.defaults.is_empty() {
        let Some(config) = changed(&best, dataset, &search.trials, &mut rng) else { break };
        let trial = runner.trial(&config)?;
        reporter.note(&trial);
        if trial.sound && trial.gain > search.trials[search.best].gain {
            (best, search.best) = (config, search.trials.len());
        }
        search.trials.push(trial);
        stage.set(began.elapsed().as_secs().min(budget.as_secs()), budget.as_secs());
    }
    Ok((best, search))
}

struct TrialRunner<'a> {
    dataset: &'a Dataset,
    window: Window,
    /// Scores of the first trial on the tasks with cases.
    defaults: Vec<(&'static str, f64)>,
}

impl TrialRunner<'_> {
    fn trial(&mut self, config: &TrainingConfig) -> anyhow::Result<Trial> {
        let began = Instant::now();
        let report = evaluate::evaluate_ours(self.dataset, self.window, config, &Reporter::silent())?;
        let scores = scores(&report);
        if self.defaults.is_empty() {
            self.defaults = scores.iter().copied().filter(|(_, score)| *score > 0.0).collect();
        }
        let score = |task: &str| scores.iter().find(|(t, _)| *t == task).map_or(0.0, |(_, score)| *score);
        let ratios: Vec<f64> = self.defaults.iter().map(|(task, default)| score(task) / default).collect();
        Ok(Trial {
            parameters: parameters(config, self.dataset),
            scores: scores.iter().map(|(task, score)| ((*task).to_owned(), (*score).into())).collect(),
            gain: ratios.iter().sum::<f64>() / ratios.len().max(1) as f64,
            sound: ratios.iter().all(|ratio| *ratio >= 1.0),
            seconds: began.elapsed().as_secs_f64(),
        })
    }
}

fn scores(report: &Report) -> Vec<(&'static str, f64)> {
    TASKS.iter().filter_map(|(task, metric)| Some((*task, report.ours(task, metric)?))).collect()
}

fn parameters(config: &TrainingConfig, dataset: &Dataset) -> serde_json::Map<String, serde_json::Value> {
    let value = |p: &Parameter| (p.name.to_owned(), rounded((p.get)(config, dataset)).into());
    parameters_of(dataset).map(value).collect()
}

/// The parameters that have an effect on this data.
fn parameters_of(dataset: &Dataset) -> impl Iterator<Item = &'static Parameter> {
    let (users, times) = (dataset.n_users() > 0, dataset.time_kind != TimeKind::None);
    PARAMETERS.iter().filter(move |p| (users || !p.of_users) && (times || p.name != "half_life_days"))
}

/// Rounded to about three digits.
fn rounded(value: f64) -> f64 {
    let scale = if value < 10.0 { 100.0 } else { 1.0 };
    (value * scale).round() / scale
}

/// `best` with one or two parameters changed to an untried combination.
fn changed(
    best: &TrainingConfig,
    dataset: &Dataset,
    trials: &[Trial],
    rng: &mut ChaCha8Rng,
) -> Option<TrainingConfig> {
    let searched: Vec<&Parameter> = parameters_of(dataset).collect();
    for _ in 0..ATTEMPTS {
        let mut config = best.clone();
        for _ in 0..rng.random_range(1..=2) {
            let parameter = searched[rng.random_range(0..searched.len())];
            let step = parameter.steps[rng.random_range(0..parameter.steps.len())];
            let value =
                ((parameter.get)(&config, dataset) * step).clamp(parameter.range[0], parameter.range[1]);
            (parameter.set)(&mut config, rounded(value));
        }
        let parameters = parameters(&config, dataset);
        if trials.iter().all(|trial| trial.parameters != parameters) {
            return Some(config);
        }
    }
    None
}
