//! What a run is summed up to: a table for people, JSON for scripts.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::Serialize;

use crate::client::Failure;
use crate::histogram::Histogram;
use crate::run::{Outcome, Plan};
use crate::scenario::Scenario;
use crate::schedule::Pace;

/// A generator that is later than this share of the median latency colours what it measures.
const TOLERABLE_LAG: f64 = 0.1;

/// The quantiles of a histogram, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
}

/// Everything that a run tells. Rates are per second, times in `_us` are microseconds.
#[derive(Debug, Serialize)]
pub struct Report {
    pub target: String,
    pub scenario: Scenario,
    /// `open` or `closed`.
    pub mode: &'static str,
    pub rate_asked: Option<f64>,
    pub connections: usize,
    pub threads: usize,
    pub seed: u64,
    pub warmup_seconds: f64,
    pub duration_seconds: f64,
    /// From the end of the warm-up to the last answer, at least `duration_seconds`.
    pub elapsed_seconds: f64,
    pub sent: u64,
    /// Due, but given up at the end because no connection became free.
    pub unsent: u64,
    pub answered: u64,
    /// Answers by class: `2xx`, `4xx`, ...
    pub status_classes: BTreeMap<String, u64>,
    pub statuses: BTreeMap<u16, u64>,
    pub errors: BTreeMap<Failure, u64>,
    /// Answers of any status.
    pub rate_reached: f64,
    /// 2xx answers.
    pub goodput: f64,
    pub body_bytes: u64,
    /// From the scheduled send time to the end of a 2xx answer, or to when a call was given up.
    pub latency_us: Quantiles,
    /// From the actual send time to the end of a 2xx answer.
    pub service_us: Quantiles,
    /// How long calls waited for a free connection; open loop only.
    pub wait_us: Option<Quantiles>,
    /// How late the generator itself sent; open loop only.
    pub lag_us: Option<Quantiles>,
    /// Latency by call.
    pub calls_us: BTreeMap<&'static str, Quantiles>,
    pub distinct_model_versions: usize,
    /// 2xx answers by `model.version`.
    pub model_versions: BTreeMap<String, u64>,
    /// 2xx answers without a `model.version`.
    pub unversioned: u64,
    /// Something was sent, everything that was due got a readable 2xx answer.
    pub flawless: bool,
}

impl Report {
    /// Sums up a run.
    pub fn new(plan: &Plan, outcome: &Outcome) -> Self {
        let tally = &outcome.tally;
        let seconds = outcome.elapsed.as_secs_f64();
        let (mode, rate_asked) = match plan.pace {
            Pace::Open { rate } => ("open", Some(rate)),
            Pace::Closed => ("closed", None),
        };
        let scheduled = |histogram: &Histogram| rate_asked.is_some().then(|| Quantiles::of(histogram));
        Self {
            target: plan.client.target.url.clone(),
            scenario: plan.questions.scenario,
            mode,
            rate_asked,
            connections: plan.connections,
            threads: plan.threads,
            seed: plan.seed,
            warmup_seconds: plan.length.warmup.as_secs_f64(),
            duration_seconds: plan.length.duration.as_secs_f64(),
            elapsed_seconds: seconds,
            sent: tally.sent,
            unsent: tally.unsent,
            answered: tally.answered(),
            status_classes: classes(&tally.statuses),
            statuses: tally.statuses.clone(),
            errors: tally.failures.clone(),
            rate_reached: tally.answered() as f64 / seconds,
            goodput: tally.ok() as f64 / seconds,
            body_bytes: tally.body_bytes,
            latency_us: Quantiles::of(&tally.latency),
            service_us: Quantiles::of(&tally.service),
            wait_us: scheduled(&tally.wait),
            lag_us: scheduled(&tally.lag),
            calls_us: tally.calls.iter().map(|(name, histogram)| (*name, Quantiles::of(histogram))).collect(),
            distinct_model_versions: tally.versions.len(),
            model_versions: tally.versions.clone(),
            unversioned: tally.unversioned,
            flawless: tally.is_flawless(),
        }
    }

    /// What a reader must know before believing the numbers.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(lag) = self.lag_us
            && lag.p99 > TOLERABLE_LAG * self.latency_us.p50
            && lag.p99 > 100.0
        {
            warnings.push(format!("the generator itself was late by {} at p99", time(lag.p99)));
        }
        if let Some(asked) = self.rate_asked.filter(|asked| self.rate_reached < 0.99 * asked) {
            warnings.push(format!("the server answered {:.1} of {asked} a second", self.rate_reached));
        }
        if self.unsent > 0 {
            warnings.push(format!("{} requests were due but found no free connection in time", self.unsent));
        }
        if self.answered == 0 {
            warnings.push("nothing was answered".to_owned());
        }
        warnings
    }
}

impl Quantiles {
    /// Reads the usual quantiles off a histogram.
    pub fn of(histogram: &Histogram) -> Self {
        let us = |duration: Duration| duration.as_nanos() as f64 / 1e3;
        Self {
            count: histogram.count(),
            mean: us(histogram.mean()),
            p50: us(histogram.quantile(0.5)),
            p90: us(histogram.quantile(0.9)),
            p99: us(histogram.quantile(0.99)),
            p99_9: us(histogram.quantile(0.999)),
            max: us(histogram.max()),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let pace = self.rate_asked.map_or("closed loop".to_owned(), |rate| format!("open loop at {rate}/s"));
        let scenario = serde_json::to_value(self.scenario).unwrap_or_default();
        writeln!(f, "{} at {}", scenario.as_str().unwrap_or_default(), self.target)?;
        writeln!(
            f,
            "{pace}, {} s after {} s of warm-up, {} connections, {} threads, seed {}\n",
            self.duration_seconds, self.warmup_seconds, self.connections, self.threads, self.seed
        )?;
        writeln!(f, "  sent      {} (and {} given up unsent)", self.sent, self.unsent)?;
        writeln!(f, "  answered  {}: {}", self.answered, list(&self.status_classes))?;
        writeln!(f, "  errors    {}", list(&self.errors_by_name()))?;
        writeln!(f, "  rate      {:.1}/s answered, {:.1}/s with 2xx", self.rate_reached, self.goodput)?;
        writeln!(
            f,
            "  models    {} distinct: {}; {} answers named none\n",
            self.distinct_model_versions,
            list(&self.model_versions),
            self.unversioned
        )?;
        writeln!(
            f,
            "  {:<20}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "", "count", "p50", "p90", "p99", "p99.9", "max"
        )?;
        self.rows().into_iter().try_for_each(|(name, quantiles)| row(f, &name, &quantiles))?;
        self.warnings().into_iter().try_for_each(|warning| write!(f, "\n  note: {warning}"))
    }
}

impl Report {
    fn rows(&self) -> Vec<(String, Quantiles)> {
        let mut rows = vec![("latency".to_owned(), self.latency_us)];
        if self.calls_us.len() > 1 {
            rows.extend(self.calls_us.iter().map(|(name, quantiles)| (format!("  {name}"), *quantiles)));
        }
        rows.push(("service time".to_owned(), self.service_us));
        rows.extend(self.wait_us.map(|wait| ("connection wait".to_owned(), wait)));
        rows.extend(self.lag_us.map(|lag| ("generator's lag".to_owned(), lag)));
        rows
    }

    fn errors_by_name(&self) -> BTreeMap<String, u64> {
        self.errors.iter().map(|(failure, count)| (format!("{failure:?}").to_lowercase(), *count)).collect()
    }
}

fn classes(statuses: &BTreeMap<u16, u64>) -> BTreeMap<String, u64> {
    let mut classes = BTreeMap::new();
    for (status, count) in statuses {
        *classes.entry(format!("{}xx", status / 100)).or_default() += count;
    }
    classes
}

fn list(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    counts.iter().map(|(name, count)| format!("{name} x {count}")).collect::<Vec<_>>().join(", ")
}

fn row(f: &mut Formatter<'_>, name: &str, quantiles: &Quantiles) -> fmt::Result {
    write!(f, "  {name:<20}{:>10}", quantiles.count)?;
    for us in [quantiles.p50, quantiles.p90, quantiles.p99, quantiles.p99_9, quantiles.max] {
        write!(f, "{:>10}", time(us))?;
    }
    writeln!(f)
}

/// Three digits that count and a unit.
fn time(us: f64) -> String {
    let (value, unit) = match us {
        us if us < 999.5 => (us, "us"),
        us if us < 999_500.0 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_three_digits_and_choose_their_unit() {
        for (us, text) in [
            (0.0, "0.00 us"),
            (1.234, "1.23 us"),
            (456.7, "457 us"),
            (999.6, "1.00 ms"),
            (56_780.0, "56.8 ms"),
            (1_234_567.0, "1.23 s"),
        ] {
            assert_eq!(time(us), text);
        }
    }

    #[test]
    fn statuses_are_summed_up_by_class() {
        let statuses = BTreeMap::from([(200, 3), (204, 1), (404, 2), (503, 5)]);
        assert_eq!(list(&classes(&statuses)), "2xx x 4, 4xx x 2, 5xx x 5");
        assert_eq!(list(&BTreeMap::new()), "none");
    }
}
