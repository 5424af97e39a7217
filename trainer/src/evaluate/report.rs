//! The result of an evaluation.

use serde::Serialize;

use super::Window;
use super::calibration::AudienceCalibration;
use super::provenance::Provenance;
use super::recommend::{Ablation, Example, Exposure};
use super::windows::Rolled;
use crate::metrics::{bootstrap_difference, mean};

/// The result of one run of `evaluate`.
#[derive(Debug, Serialize)]
pub struct Evaluation {
    /// The command, data and versions that reproduce it.
    pub provenance: Provenance,
    /// The latest window.
    #[serde(flatten)]
    pub latest: Report,
    /// The windows before it, the latest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Report>,
    /// Every task over all windows; empty for a single window.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rolled: Vec<Rolled>,
}

/// The result of one window.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The test window.
    pub window: Window,
    /// Every task that has cases in the data.
    pub tasks: Vec<Task>,
    /// The contribution of each source to the slates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ablation: Option<Ablation>,
    /// Calibration of audiences, if the model gives probabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<AudienceCalibration>,
    /// A few users to look at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
}

impl Report {
    /// The mean of a metric of our method; `None` if it was not measured.
    pub fn ours(&self, task: &str, metric: &str) -> Option<f64> {
        self.tasks.iter().find(|t| t.name == task)?.methods.first()?.mean(metric)
    }
}

/// One task: every method on the same cases.
#[derive(Debug, Serialize)]
pub struct Task {
    /// Name, such as `recommend`, `audience` or `bundle`.
    pub name: &'static str,
    /// Users, items or carts measured.
    pub cases: usize,
    /// Cases before sampling; if more than `cases`, every n-th was measured.
    pub of: usize,
    /// The metrics that tables show first.
    pub headline: Vec<&'static str>,
    /// Ours first, then those it is compared with.
    pub methods: Vec<Method>,
}

/// One method's result.
#[derive(Debug, Serialize)]
pub struct Method {
    /// `qianmian`, a version, or the baseline's name.
    pub name: String,
    /// Its role in the comparison.
    pub role: Role,
    /// Metric by metric.
    pub metrics: Vec<Metric>,
    /// Exposure of items over all slates; only for slates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
}

/// The role of a method in the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The measured model.
    Ours,
    /// Ours with an option on or off; no baseline.
    Variant,
    /// Another artifact that it is compared with.
    Rival,
    /// A published or simple method.
    Baseline,
}

impl Role {
    /// The role of the n-th measured model.
    pub(super) fn of_subject(n: usize) -> Self {
        if n == 0 { Self::Ours } else { Self::Rival }
    }
}

/// A metric's mean over the cases.
#[derive(Debug, Serialize)]
pub struct Metric {
    /// Name, such as `ndcg@10`.
    pub name: &'static str,
    /// Mean over the cases to which it applies; 0 without such cases.
    pub mean: f64,
    /// For headline metrics: ours against this method; for ours itself, against the best baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versus: Option<Versus>,
}

/// Ours against another method by one metric.
#[derive(Debug, Clone, Serialize)]
pub struct Versus {
    /// The other method.
    pub other: String,
    /// Our mean over the other method's; `None` if the latter is 0.
    pub ratio: Option<f64>,
    /// 95 % bootstrap interval of the difference, ours minus the other.
    pub difference_95: [f64; 2],
}

/// One method's metric values, one row per case.
pub(super) struct Raw {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) exposure: Option<Exposure>,
    pub(super) cases: Vec<Vec<f64>>,
}

impl Raw {
    /// The values of the n-th metric for the cases to which it applies. These depend on the case alone, so the columns
    /// of different methods are paired.
    fn column(&self, n: usize) -> Vec<f64> {
        self.cases.iter().map(|case| case[n]).filter(|v| !v.is_nan()).collect()
    }

    fn versus(&self, other: &Self, n: usize) -> Versus {
        let (mine, theirs) = (self.column(n), other.column(n));
        let ratio = mean(&mine) / mean(&theirs);
        Versus {
            other: other.name.clone(),
            ratio: ratio.is_finite().then_some(ratio),
            difference_95: bootstrap_difference(&mine, &theirs),
        }
    }
}

impl Task {
    /// Summarizes methods, ours first; `None` without cases. NaN marks a case where a metric does not apply.
    pub(super) fn new(
        name: &'static str,
        metrics: &[&'static str],
        headline: &[&'static str],
        of: usize,
        raw: &[Raw],
    ) -> Option<Self> {
        let ours = raw.first().filter(|ours| !ours.cases.is_empty())?;
        let best = |n: usize| {
            let baselines = raw.iter().filter(|r| r.role == Role::Baseline);
            baselines.max_by(|a, b| mean(&a.column(n)).total_cmp(&mean(&b.column(n))))
        };
        let metric = |method: &Raw, n: usize| {
            let other = if method.role == Role::Ours { best(n) } else { Some(method) };
            let shown = headline.contains(&metrics[n]);
            Metric {
                name: metrics[n],
                mean: mean(&method.column(n)),
                versus: other.filter(|_| shown).map(|other| ours.versus(other, n)),
            }
        };
        let method = |method: &Raw| Method {
            name: method.name.clone(),
            role: method.role,
            metrics: (0..metrics.len()).map(|n| metric(method, n)).collect(),
            exposure: method.exposure.clone(),
        };
        let methods = raw.iter().map(method).collect();
        Some(Self { name, cases: ours.cases.len(), of, headline: headline.to_vec(), methods })
    }
}

impl Method {
    /// A metric's mean, if it is measured.
    pub fn mean(&self, metric: &str) -> Option<f64> {
        self.metric(metric).map(|m| m.mean)
    }

    /// A metric, if it is measured.
    pub fn metric(&self, metric: &str) -> Option<&Metric> {
        self.metrics.iter().find(|m| m.name == metric)
    }
}
