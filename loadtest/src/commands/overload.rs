//! `overload`: several times more calls than the server can answer, to see that it stays useful.
//!
//! Three lanes: the overload itself, whose callers give up if no connection is free; meanwhile `GET /healthz` on
//! connections of its own; and after the overload a load that the server can carry, to measure the recovery.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use super::args::{OutputArgs, QuestionArgs, ServerArgs, parse_rate, parse_time};
use super::saturation;
use crate::generator::{self, Lane, LaneResult, Pace, Run, Span, WhenBusy};
use crate::questions::{Questions, Scenario};
use crate::report::{self, LaneReport, Report, Server};
use crate::target::Target;

/// Calls per second to `/healthz`.
const HEALTH_RATE: f64 = 20.0;
/// Enough connections that a slow answer delays no other one.
const HEALTH_CONNECTIONS: usize = 32;
/// The load after the overload, as a share of the saturation.
const RECOVERY_SHARE: f64 = 0.5;
const RECOVERY_CONNECTIONS: usize = 64;

/// Sends several times the saturation rate and reports goodput, refusals, health and recovery.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    question: QuestionArgs,
    /// The server that answers `/healthz`, if that is another address than --target.
    #[arg(long, value_name = "URL")]
    health_target: Option<String>,
    /// Answers per second at saturation; measured first if not given.
    #[arg(long, value_name = "PER_SECOND", value_parser = parse_rate)]
    saturation: Option<f64>,
    /// The overload as a multiple of the saturation, above 1.
    #[arg(long, value_name = "X", default_value_t = 5.0)]
    factor: f64,
    /// Connections of the overload.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// Duration of the overload.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    duration: Duration,
    /// Time for which the server is watched afterwards.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    recovery: Duration,
    /// Exit with code 1 if less than this share of the saturation is answered in time.
    #[arg(long, value_name = "SHARE")]
    min_goodput: Option<f64>,
    /// Exit with code 1 if the 99th percentile of refusals takes longer.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    max_refusal: Option<Duration>,
    /// Exit with code 1 if the 99th percentile of /healthz takes longer.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    max_health: Option<Duration>,
    /// Exit with code 1 if the recovery takes longer.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    max_recovery: Option<Duration>,
    #[command(flatten)]
    output: OutputArgs,
}

/// The result of an overload.
#[derive(Debug, Serialize)]
pub struct Overload {
    /// Answers per second at saturation.
    pub saturation: f64,
    /// Calls per second of the overload.
    pub offered: f64,
    /// Answers per second in time, over the saturation.
    pub goodput_share: f64,
    /// From the end of the overload to the last call without an answer in time.
    pub recovery_seconds: f64,
    pub overload: LaneReport,
    pub health: LaneReport,
    pub after: LaneReport,
    pub server: Option<Server>,
}

impl Args {
    fn lanes(&self, target: &Target, questions: &Questions, saturation: f64) -> anyhow::Result<Vec<Lane>> {
        let health_target = self.health_target.as_ref().map(|url| Target::resolve(url, false)).transpose()?;
        let seed = self.question.seed;
        let patience = self.server.timeout;
        let span = Span { delay: Duration::ZERO, warmup: Duration::ZERO, duration: self.duration, patience };
        let lane = |target: &Target, questions, rate, span, connections| Lane {
            connections,
            ..self.server.lane(target, questions, Pace::Poisson { rate }, span, seed)
        };
        let health = Questions { scenario: Scenario::Health, ..questions.clone() };
        let after = Span { delay: self.duration, duration: self.recovery, ..span };
        let connections = self.connections as usize;
        let overload = lane(target, questions.clone(), saturation * self.factor, span, connections);
        Ok(vec![
            Lane { when_busy: WhenBusy::Skip, ..overload },
            lane(health_target.as_ref().unwrap_or(target), health, HEALTH_RATE, span, HEALTH_CONNECTIONS),
            lane(target, questions.clone(), saturation * RECOVERY_SHARE, after, RECOVERY_CONNECTIONS),
        ])
    }

    fn passed(&self, result: &Overload) -> Vec<String> {
        let seconds = |p99_us: f64| p99_us / 1e6;
        let share = self.min_goodput.filter(|least| result.goodput_share < *least);
        let mut passed: Vec<String> =
            share.map(|least| format!("goodput share below {least}")).into_iter().collect();
        for (name, found, most) in [
            ("p99 of refusals", seconds(result.overload.refusals_us.p99), self.max_refusal),
            ("p99 of /healthz", seconds(result.health.latency_us.p99), self.max_health),
            ("recovery", result.recovery_seconds, self.max_recovery),
        ] {
            if let Some(most) = most.filter(|most| found > most.as_secs_f64()) {
                passed.push(format!("{name} took {found:.4} s, more than {most:?}"));
            }
        }
        passed
    }
}

/// Runs the overload; returns the bounds that were exceeded.
///
/// # Errors
/// An argument cannot be used, the server cannot be reached, or the result cannot be written.
pub fn run(args: &Args) -> anyhow::Result<Vec<String>> {
    ensure!(args.factor > 1.0 && args.factor <= 100.0, "--factor {} is not in (1, 100]", args.factor);
    ensure!(!args.duration.is_zero(), "--duration must be longer than nothing");
    let target = args.server.target()?;
    let questions = args.question.questions(&target)?;
    let process = args.server.process()?;
    let saturation = match args.saturation {
        Some(rate) => rate,
        None => {
            let span = args.lanes(&target, &questions, 1.0)?.remove(0);
            saturation::search(&span, process.as_ref(), Duration::from_secs(3))?.rate
        }
    };
    ensure!(saturation > 0.0, "the server gave no 2xx answer, so there is no saturation to exceed");
    let lanes = args.lanes(&target, &questions, saturation)?;
    let run = generator::run(&lanes, process.as_ref())?;
    let result = sum_up(saturation, &target, &lanes, &run);
    if let Some(path) = &args.output.json {
        report::write_json(path, &result)?;
    }
    report::say(&table(&result))?;
    Ok(args.passed(&result))
}

fn sum_up(saturation: f64, target: &Target, lanes: &[Lane], run: &Run) -> Overload {
    let report = Report::new(&target.url, lanes, run);
    let [overload, health, after] = [0, 1, 2].map(|n| LaneReport::new(&lanes[n], &run.lanes[n]));
    let recovery = recovery(&run.lanes[0], &run.lanes[2]);
    Overload {
        saturation,
        offered: lanes[0].pace.rate().unwrap_or_default(),
        goodput_share: overload.in_time as f64 / lanes[0].span.duration.as_secs_f64() / saturation,
        recovery_seconds: recovery.as_secs_f64(),
        overload,
        health,
        after,
        server: report.server,
    }
}

fn recovery(overload: &LaneResult, after: &LaneResult) -> Duration {
    let last = after.tally.last_failed_due;
    last.map_or(Duration::ZERO, |due| due.saturating_duration_since(overload.end))
}

fn table(result: &Overload) -> String {
    let time = report::table::time;
    let Overload { overload, health, after, .. } = result;
    let memory = result.server.map_or(String::new(), |server| {
        let mb = |bytes: u64| bytes as f64 / 1e6;
        format!(
            "\nmemory      {:.0} MB, at most {:.0} MB",
            mb(server.resident_bytes),
            mb(server.peak_resident_bytes)
        )
    });
    format!(
        "saturation  {:.0}/s\noffered     {:.0}/s on {} connections; {} calls found none free\n\
         in time     {} ({:.0} % of the saturation), p50 {}, p99 {} of all 2xx answers\n\
         refused     {} of {} sent, p50 {}, p99 {}\nerrors      {:?}\n\
         /healthz    {} of {} answered, p50 {}, p99 {}, max {}\n\
         recovered   {:.2} s after the end; then p50 {}, p99 {} at {:.0} % of the saturation{memory}",
        result.saturation,
        result.offered,
        overload.connections,
        overload.skipped,
        overload.in_time,
        result.goodput_share * 100.0,
        time(overload.latency_us.p50),
        time(overload.latency_us.p99),
        overload.refusals_us.count,
        overload.sent,
        time(overload.refusals_us.p50),
        time(overload.refusals_us.p99),
        overload.errors,
        health.answered,
        health.sent + health.unsent,
        time(health.latency_us.p50),
        time(health.latency_us.p99),
        time(health.latency_us.max),
        result.recovery_seconds,
        time(after.latency_us.p50),
        time(after.latency_us.p99),
        RECOVERY_SHARE * 100.0,
    )
}
