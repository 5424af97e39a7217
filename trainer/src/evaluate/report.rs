//! What an evaluation found, as a table and as JSON.

use std::fmt;

use serde::Serialize;

use super::Window;
use super::metrics::{bootstrap_difference, mean};

/// All tasks of one evaluation.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The test window.
    pub window: Window,
    /// One entry a task that the data allowed.
    pub tasks: Vec<Task>,
}

/// One task: every method on the same cases.
#[derive(Debug, Serialize)]
pub struct Task {
    /// `recommend`, `audience`, `bundle`, ...
    pub name: &'static str,
    /// Users, items or baskets measured.
    pub cases: usize,
    /// Ours first, then the baselines.
    pub methods: Vec<Method>,
}

/// One method's result.
#[derive(Debug, Serialize)]
pub struct Method {
    /// `qianmian` or the baseline's name.
    pub name: &'static str,
    /// Metric by metric.
    pub metrics: Vec<Metric>,
}

/// A metric's mean over the cases.
#[derive(Debug, Serialize)]
pub struct Metric {
    /// Such as `ndcg@10`.
    pub name: &'static str,
    /// Mean over the cases.
    pub mean: f64,
    /// For ours: over the best baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versus: Option<Versus>,
}

/// Ours against the best baseline of one metric.
#[derive(Debug, Serialize)]
pub struct Versus {
    /// That baseline.
    pub baseline: &'static str,
    /// Ours over it.
    pub ratio: f64,
    /// 95 % bootstrap interval of the difference.
    pub difference_95: [f64; 2],
}

/// One method's metric values, a row a case.
pub(super) struct Raw {
    pub(super) name: &'static str,
    pub(super) cases: Vec<Vec<f64>>,
}

impl Task {
    /// Summarises methods, ours first; `None` without cases. A case where a metric does not apply is NaN.
    pub(super) fn new(name: &'static str, metrics: &[&'static str], raw: &[Raw]) -> Option<Self> {
        let (ours, baselines) = raw.split_first()?;
        if ours.cases.is_empty() {
            return None;
        }
        let column = |raw: &Raw, n: usize| -> Vec<f64> {
            raw.cases.iter().map(|case| case[n]).filter(|v| !v.is_nan()).collect()
        };
        let versus = |n: usize| {
            let mine = column(ours, n);
            // A variant of ours is shown beside us, and is no baseline.
            let best = baselines
                .iter()
                .filter(|b| !b.name.starts_with(ours.name))
                .map(|b| (b.name, column(b, n)))
                .max_by(|a, b| mean(&a.1).total_cmp(&mean(&b.1)))?;
            let ratio = mean(&mine) / mean(&best.1);
            Some(Versus { baseline: best.0, ratio, difference_95: bootstrap_difference(&mine, &best.1) })
        };
        let method = |(place, raw): (usize, &Raw)| Method {
            name: raw.name,
            metrics: metrics
                .iter()
                .enumerate()
                .map(|(n, &name)| Metric {
                    name,
                    mean: mean(&column(raw, n)),
                    versus: if place == 0 { versus(n) } else { None },
                })
                .collect(),
        };
        let methods = raw.iter().enumerate().map(method).collect();
        Some(Self { name, cases: ours.cases.len(), methods })
    }
}

impl Report {
    /// The metric of our method, for gates and manifests.
    pub fn ours(&self, task: &str, metric: &str) -> Option<f64> {
        let task = self.tasks.iter().find(|t| t.name == task)?;
        task.methods.first()?.metrics.iter().find(|m| m.name == metric).map(|m| m.mean)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for task in &self.tasks {
            let Some(first) = task.methods.first() else { continue };
            writeln!(f, "{} ({} cases)", task.name, task.cases)?;
            let mut table = comfy_table::Table::new();
            let names = first.metrics.iter().map(|m| m.name);
            table.load_style(comfy_table::presets::NOTHING);
            table.set_header(std::iter::once("method").chain(names));
            for method in &task.methods {
                let values = method.metrics.iter().map(|m| format!("{:.4}", m.mean));
                table.add_row(std::iter::once(method.name.to_owned()).chain(values));
            }
            let versus = first.metrics.iter().map(|m| match &m.versus {
                Some(v) => format!("x{:.3} [{:+.4} {:+.4}]", v.ratio, v.difference_95[0], v.difference_95[1]),
                None => String::new(),
            });
            table.add_row(std::iter::once("  over the best baseline".to_owned()).chain(versus));
            writeln!(f, "{table}\n")?;
        }
        Ok(())
    }
}
