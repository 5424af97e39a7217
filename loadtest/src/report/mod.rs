//! The summary of a run: JSON for scripts, a table and a page for people.

pub mod html;
pub mod table;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::commands::args::parse_time;
use crate::generator::{Failure, Flaw, Histogram, Lane, LaneResult, Pace, Run, ServerUsage};
use crate::process;
use crate::questions::Scenario;

/// Quantiles of a histogram, in microseconds.
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

/// A latency curve: shares of the answers, and the microseconds that each share does not exceed.
pub type Curve = Vec<(f64, f64)>;

/// The report of a run. Rates are per second, times in `_us` are microseconds.
#[derive(Debug, Serialize)]
pub struct Report {
    pub target: String,
    #[serde(flatten)]
    pub main: LaneReport,
    /// The lane that ran beside the first one.
    pub beside: Option<LaneReport>,
    /// Resource use of the watched process while the first lane was measured.
    pub server: Option<Server>,
    /// Turns of the event loop with work: an answer may have waited unread for this long.
    pub turn_us: Quantiles,
}

/// The report of one lane.
#[derive(Debug, Serialize)]
pub struct LaneReport {
    pub scenario: Scenario,
    /// `poisson`, `even` or `closed`.
    pub mode: &'static str,
    pub rate_asked: Option<f64>,
    pub connections: usize,
    pub seed: u64,
    pub warmup_seconds: f64,
    pub duration_seconds: f64,
    /// From the end of the warm-up to the last answer, at least `duration_seconds`.
    pub elapsed_seconds: f64,
    pub sent: u64,
    /// Due, but given up at the end because no connection became free.
    pub unsent: u64,
    /// Skipped because no connection was free when they were due.
    pub skipped: u64,
    pub answered: u64,
    pub statuses: BTreeMap<u16, u64>,
    /// Sent calls without an answer.
    pub errors: BTreeMap<Failure, u64>,
    /// 2xx answers with wrong content.
    pub flaws: BTreeMap<Flaw, u64>,
    /// 2xx answers whose content was checked.
    pub checked: u64,
    /// Of these, answers with fewer results than asked for.
    pub short: u64,
    /// Answers of any status.
    pub rate_reached: f64,
    /// 2xx answers.
    pub goodput: f64,
    /// 2xx answers within the limit.
    pub in_time: u64,
    pub limit_us: f64,
    pub body_bytes: u64,
    /// From the scheduled send time to the end of a 2xx answer, or to the time when a call was given up.
    pub latency_us: Quantiles,
    pub latency_curve: Curve,
    /// From the actual send time to the end of a 2xx answer.
    pub service_us: Quantiles,
    /// From the actual send time to the end of an answer 429 or 503.
    pub refusals_us: Quantiles,
    /// Time for which calls waited for a free connection; open loop only.
    pub wait_us: Option<Quantiles>,
    /// Lag of the generator itself; open loop only.
    pub lag_us: Option<Quantiles>,
    /// Latency by call.
    pub calls_us: BTreeMap<&'static str, Quantiles>,
    /// The same as curves.
    pub call_curves: BTreeMap<&'static str, Curve>,
    pub distinct_model_versions: usize,
    /// Checked answers by `model.version`.
    pub model_versions: BTreeMap<String, u64>,
    /// Checked answers without a `model.version`.
    pub unversioned: u64,
    /// True if something was sent, and every due call got a 2xx answer without a flaw.
    pub flawless: bool,
}

/// Resource use of the server.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Server {
    /// User and system time of all its threads over the answers of all lanes.
    pub cpu_us_per_request: f64,
    /// Processor time over elapsed time: 1 is one core.
    pub cores_used: f64,
    pub cpu_seconds: f64,
    pub answers: u64,
    /// At the end of the measured time.
    pub resident_bytes: u64,
    pub anonymous_bytes: u64,
    pub peak_resident_bytes: u64,
}

/// Limits past which a load exits with code 1.
#[derive(Debug, clap::Args)]
pub struct Bounds {
    /// Exit with code 1 unless every request got a 2xx answer that passes its check.
    #[arg(long)]
    fail_on_error: bool,
    /// Exit with code 1 if the 99th percentile of latency is longer.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    max_p99: Option<Duration>,
    /// Exit with code 1 if the server uses more processor microseconds per request; needs --pid.
    #[arg(long, value_name = "US")]
    max_cpu_us: Option<f64>,
    /// Exit with code 1 if fewer 2xx answers come per second.
    #[arg(long, value_name = "PER_SECOND")]
    min_goodput: Option<f64>,
}

impl Bounds {
    /// Checks the bounds against what will be measured.
    ///
    /// # Errors
    /// A bound on processor time without a process to watch.
    pub fn check(&self, has_process: bool) -> anyhow::Result<()> {
        ensure!(self.max_cpu_us.is_none() || has_process, "--max-cpu-us needs --pid");
        Ok(())
    }

    /// The bounds that a run exceeded, in words.
    pub fn passed(&self, report: &Report) -> Vec<String> {
        let mut passed = Vec::new();
        if self.fail_on_error && !report.main.flawless {
            passed.push("not every request got a good answer".to_owned());
        }
        let p99 = Duration::from_secs_f64(report.main.latency_us.p99 / 1e6);
        // Without a measured answer there is no tail to compare.
        let has_tail = report.main.latency_us.count > 0;
        if let Some(most) = self.max_p99.filter(|most| !has_tail || p99 > *most) {
            passed.push(format!("p99 of latency is {p99:?}, more than {most:?}"));
        }
        let cpu = report.server.map_or(f64::INFINITY, |server| server.cpu_us_per_request);
        if let Some(most) = self.max_cpu_us.filter(|most| cpu > *most) {
            passed.push(format!("the server used {cpu:.1} us a request, more than {most}"));
        }
        let goodput = report.main.goodput;
        if let Some(least) = self.min_goodput.filter(|least| goodput < *least) {
            passed.push(format!("{goodput:.1} answers a second, fewer than {least}"));
        }
        passed
    }
}

impl Report {
    /// Sums up a run of one lane, or of one and another beside it.
    pub fn new(target: &str, lanes: &[Lane], run: &Run) -> Self {
        Self {
            target: target.to_owned(),
            main: LaneReport::new(&lanes[0], &run.lanes[0]),
            beside: lanes.get(1).zip(run.lanes.get(1)).map(|(lane, result)| LaneReport::new(lane, result)),
            server: run.server.map(Server::new),
            turn_us: Quantiles::of(&run.turns),
        }
    }
}

impl LaneReport {
    /// Sums up one lane.
    pub fn new(lane: &Lane, result: &LaneResult) -> Self {
        let (tally, seconds) = (&result.tally, result.elapsed.as_secs_f64());
        let mode = match lane.pace {
            Pace::Even { .. } => "even",
            Pace::Poisson { .. } => "poisson",
            Pace::Closed => "closed",
        };
        let scheduled = |histogram: &Histogram| lane.pace.rate().is_some().then(|| Quantiles::of(histogram));
        Self {
            scenario: lane.questions.scenario,
            mode,
            rate_asked: lane.pace.rate(),
            connections: lane.connections,
            seed: lane.seed,
            warmup_seconds: lane.span.warmup.as_secs_f64(),
            duration_seconds: lane.span.duration.as_secs_f64(),
            elapsed_seconds: seconds,
            sent: tally.sent,
            unsent: tally.unsent,
            skipped: tally.skipped,
            answered: tally.answered(),
            statuses: tally.statuses.clone(),
            errors: tally.failures.clone(),
            flaws: tally.flaws.clone(),
            checked: tally.checked,
            short: tally.short,
            rate_reached: tally.answered() as f64 / seconds,
            goodput: tally.ok() as f64 / seconds,
            in_time: tally.in_time,
            limit_us: lane.limit.as_secs_f64() * 1e6,
            body_bytes: tally.body_bytes,
            latency_us: Quantiles::of(&tally.latency),
            latency_curve: curve(&tally.latency),
            service_us: Quantiles::of(&tally.service),
            refusals_us: Quantiles::of(&tally.refusals),
            wait_us: scheduled(&tally.wait),
            lag_us: scheduled(&tally.lag),
            calls_us: tally.calls.iter().map(|(call, times)| (call.name(), Quantiles::of(times))).collect(),
            call_curves: tally.calls.iter().map(|(call, times)| (call.name(), curve(times))).collect(),
            distinct_model_versions: tally.versions.len(),
            model_versions: tally.versions.clone(),
            unversioned: tally.unversioned,
            flawless: tally.is_flawless(),
        }
    }
}

impl Server {
    fn new(usage: ServerUsage) -> Self {
        let cpu_seconds = process::cpu_between(usage.first, usage.last).as_secs_f64();
        Self {
            cpu_us_per_request: cpu_seconds * 1e6 / usage.answers as f64,
            cores_used: cpu_seconds / usage.elapsed.as_secs_f64(),
            cpu_seconds,
            answers: usage.answers,
            resident_bytes: usage.last.resident_bytes,
            anonymous_bytes: usage.last.anonymous_bytes,
            peak_resident_bytes: usage.peak_resident_bytes,
        }
    }
}

impl Quantiles {
    /// Reads the usual quantiles off a histogram.
    pub fn of(histogram: &Histogram) -> Self {
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

fn curve(histogram: &Histogram) -> Curve {
    histogram.curve().into_iter().map(|(share, time)| (share, us(time))).collect()
}

fn us(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

/// Prints to standard output.
///
/// # Errors
/// Standard output is closed.
pub fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}

/// Writes a file.
///
/// # Errors
/// It cannot be written; the message names it.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a result as indented JSON.
///
/// # Errors
/// The file cannot be written; the message names it.
pub fn write_json(path: &Path, result: &impl Serialize) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(result).context("the result cannot be written as JSON")?;
    write(path, &(json + "\n"))
}
