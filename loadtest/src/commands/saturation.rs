//! `saturation`: the most answers per second that the server gives, found by closed loops with more and more
//! connections.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::args::{OutputArgs, QuestionArgs, ServerArgs, parse_time};
use crate::generator::{self, Lane, Pace, Span};
use crate::process::Process;
use crate::report::{self, Report, Server};

/// Most connections to try.
const MAX_CONNECTIONS: usize = 512;
/// The search ends if doubling the connections raises the rate by less than this share.
const WORTHWHILE_GAIN: f64 = 0.03;

/// Finds the most answers per second by closed loops with more and more connections.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    question: QuestionArgs,
    /// Measured time per number of connections.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_time)]
    duration: Duration,
    #[command(flatten)]
    output: OutputArgs,
}

/// The result of the search.
#[derive(Debug, Serialize)]
pub struct Saturation {
    /// The highest rate of 2xx answers, per second.
    pub rate: f64,
    /// The number of connections that reached it.
    pub connections: usize,
    pub steps: Vec<Step>,
}

/// One number of connections.
#[derive(Debug, Serialize)]
pub struct Step {
    pub connections: usize,
    /// 2xx answers per second.
    pub rate: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub server: Option<Server>,
}

/// Doubles the connections of `lane` (which gives everything but pace, span and connections) until the
/// rate of 2xx answers stops growing.
///
/// # Errors
/// The server cannot be reached.
pub fn search(lane: &Lane, process: Option<&Process>, duration: Duration) -> anyhow::Result<Saturation> {
    let mut steps: Vec<Step> = Vec::new();
    let mut connections = 1;
    loop {
        let span = Span { delay: Duration::ZERO, warmup: duration / 4, duration, patience: Duration::ZERO };
        let lanes = [Lane { pace: Pace::Closed, span, connections, ..lane.clone() }];
        let report = Report::new("", &lanes, &generator::run(&lanes, process)?);
        let step = Step {
            connections,
            rate: report.main.goodput,
            p50_us: report.main.latency_us.p50,
            p99_us: report.main.latency_us.p99,
            server: report.server,
        };
        // One small step may be noise, so the comparison is with the rate two doublings before.
        let before = steps.len().checked_sub(2).map_or(0.0, |n| steps[n].rate);
        let has_grown = step.rate > before * (1.0 + WORTHWHILE_GAIN);
        steps.push(step);
        if !has_grown || connections >= MAX_CONNECTIONS {
            break;
        }
        connections *= 2;
    }
    let best = steps.iter().max_by(|a, b| a.rate.total_cmp(&b.rate));
    let (rate, connections) = best.map_or((0.0, 0), |step| (step.rate, step.connections));
    Ok(Saturation { rate, connections, steps })
}

/// Searches and prints the steps.
///
/// # Errors
/// An argument cannot be used, the server cannot be reached, or the result cannot be written.
pub fn run(args: &Args) -> anyhow::Result<Vec<String>> {
    let target = args.server.target()?;
    let questions = args.question.questions(&target)?;
    let span = Span {
        delay: Duration::ZERO,
        warmup: Duration::ZERO,
        duration: args.duration,
        patience: Duration::ZERO,
    };
    let lane = args.server.lane(&target, questions, Pace::Closed, span, args.question.seed);
    let saturation = search(&lane, args.server.process()?.as_ref(), args.duration)?;
    if let Some(path) = &args.output.json {
        report::write_json(path, &saturation)?;
    }
    report::say(&table(&saturation))?;
    Ok(Vec::new())
}

fn table(saturation: &Saturation) -> String {
    let mut text =
        format!("{:>12}{:>12}{:>12}{:>12}{:>16}\n", "connections", "2xx/s", "p50", "p99", "CPU a request");
    for step in &saturation.steps {
        let cpu = step.server.map_or("-".to_owned(), |server| report::table::time(server.cpu_us_per_request));
        let (p50, p99) = (report::table::time(step.p50_us), report::table::time(step.p99_us));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:>12}{:>12.0}{p50:>12}{p99:>12}{cpu:>16}", step.connections, step.rate);
    }
    text + &format!("\nsaturation: {:.0}/s at {} connections", saturation.rate, saturation.connections)
}
