//! Several windows: the headline metrics of each, and their means.

use serde::Serialize;

use super::report::{Report, Role};
use crate::metrics::mean;

/// One task over all windows.
#[derive(Debug, Serialize)]
pub struct Rolled {
    /// Name of the task, such as `recommend`, `audience` or `bundle`.
    pub task: &'static str,
    /// The metrics, in the order of the values below.
    pub metrics: Vec<&'static str>,
    /// One entry per window with this task, the latest first.
    pub windows: Vec<RolledWindow>,
    /// Mean of each method over those windows, unweighted.
    pub means: Vec<RolledMethod>,
}

/// Our values in one window, and their ratios to the best baseline of each metric.
#[derive(Debug, Serialize)]
pub struct RolledWindow {
    /// First moment of the window, unix seconds.
    pub from: i64,
    /// Cases measured.
    pub cases: usize,
    /// Ours, by metric.
    pub ours: Vec<f64>,
    /// Ours over the best baseline of that window, by metric.
    pub ratios: Vec<Option<f64>>,
}

/// One method over the windows.
#[derive(Debug, Serialize)]
pub struct RolledMethod {
    /// Its name.
    pub name: String,
    /// Its role in the comparison.
    pub role: Role,
    /// Means, by metric.
    pub means: Vec<f64>,
}

/// The headlines of every task, window by window; empty for a single window.
pub(super) fn roll(reports: &[&Report]) -> Vec<Rolled> {
    let Some(latest) = reports.first().filter(|_| reports.len() > 1) else { return Vec::new() };
    latest.tasks.iter().map(|task| rolled(reports, task.name, &task.headline)).collect()
}

fn rolled(reports: &[&Report], task: &'static str, metrics: &[&'static str]) -> Rolled {
    let all: Vec<_> = reports
        .iter()
        .filter_map(|report| Some((report.window.from, report.tasks.iter().find(|t| t.name == task)?)))
        .collect();
    let windows = all
        .iter()
        .filter_map(|(from, task)| {
            let ours = task.methods.first()?;
            let ratio = |name: &&str| ours.metric(name)?.versus.as_ref()?.ratio;
            Some(RolledWindow {
                from: *from,
                cases: task.cases,
                ours: metrics.iter().map(|name| ours.mean(name).unwrap_or(0.0)).collect(),
                ratios: metrics.iter().map(ratio).collect(),
            })
        })
        .collect();
    let first = all.first().map_or(&[][..], |(_, task)| &task.methods[..]);
    let means = first.iter().enumerate().map(|(n, method)| {
        let of = |name: &&str| -> f64 {
            let values: Vec<f64> = all.iter().filter_map(|(_, t)| t.methods.get(n)?.mean(name)).collect();
            mean(&values)
        };
        RolledMethod { name: method.name.clone(), role: method.role, means: metrics.iter().map(of).collect() }
    });
    Rolled { task, metrics: metrics.to_vec(), windows, means: means.collect() }
}
