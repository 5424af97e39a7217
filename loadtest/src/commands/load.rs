//! `load`: one scenario, open or closed loop, with the latency that users would see.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::ValueEnum;

use super::args::{OutputArgs, QuestionArgs, ServerArgs, parse_rate, parse_time};
use crate::generator::{self, Lane, Pace, Span};
use crate::questions::{Questions, Scenario};
use crate::report::{self, Bounds, Report};

/// Sends one scenario and reports latency from the scheduled send time.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    question: QuestionArgs,
    /// Requests per second, sent on schedule whether or not earlier ones are answered (open loop).
    #[arg(long, value_name = "PER_SECOND", default_value = "100", value_parser = parse_rate)]
    rate: f64,
    /// Distribution of the open loop's send times.
    #[arg(long, value_enum, default_value_t = Arrivals::Poisson)]
    arrivals: Arrivals,
    /// Saturates instead: every connection sends its next request as soon as it has an answer.
    #[arg(long, conflicts_with_all = ["rate", "arrivals"])]
    closed: bool,
    /// Measured time: seconds, or with a unit as in 500ms, 30s, 2m.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_time)]
    duration: Duration,
    /// Time to send before measuring.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    warmup: Duration,
    /// Kept-alive connections.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// A second scenario that runs beside the first, closed loop; its answers are reported apart.
    #[arg(long, value_name = "SCENARIO")]
    beside: Option<Scenario>,
    /// Callers of the second scenario, a connection each.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "beside", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    beside_callers: u32,
    #[command(flatten)]
    output: OutputArgs,
    /// Also writes a page with the latency curves to this file, as HTML.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    bounds: Bounds,
}

/// The distribution of an open loop's send times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Arrivals {
    /// Exponentially distributed gaps, as from independent callers.
    Poisson,
    /// Equal gaps.
    Even,
}

impl Args {
    fn pace(&self) -> Pace {
        match self.arrivals {
            _ if self.closed => Pace::Closed,
            Arrivals::Poisson => Pace::Poisson { rate: self.rate },
            Arrivals::Even => Pace::Even { rate: self.rate },
        }
    }

    fn lanes(&self) -> anyhow::Result<Vec<Lane>> {
        ensure!(!self.duration.is_zero(), "--duration must be longer than nothing");
        let target = self.server.target()?;
        let questions = self.question.questions(&target)?;
        let span = Span {
            delay: Duration::ZERO,
            warmup: self.warmup,
            duration: self.duration,
            patience: self.server.timeout,
        };
        let lane = |questions, pace, connections, seed| {
            let lane = self.server.lane(&target, questions, pace, span, seed);
            Lane { connections, ..lane }
        };
        let seed = self.question.seed;
        let mut lanes = vec![lane(questions.clone(), self.pace(), self.connections as usize, seed)];
        if let Some(scenario) = self.beside {
            let beside = Questions { scenario, count: None, ..questions };
            lanes.push(lane(beside, Pace::Closed, self.beside_callers as usize, seed + 1));
        }
        Ok(lanes)
    }
}

/// Runs the load; returns the bounds that were exceeded.
///
/// # Errors
/// An argument cannot be used, the server cannot be reached, or a result cannot be written.
pub fn run(args: &Args) -> anyhow::Result<Vec<String>> {
    let lanes = args.lanes()?;
    let process = args.server.process()?;
    args.bounds.check(process.is_some())?;
    let run = generator::run(&lanes, process.as_ref())?;
    let report = Report::new(&args.server.target()?.url, &lanes, &run);
    if let Some(path) = &args.output.json {
        report::write_json(path, &report)?;
    }
    if let Some(path) = &args.html {
        report::write(path, &report::html::page(&report))?;
    }
    report::say(&report::table::table(&report))?;
    Ok(args.bounds.passed(&report))
}
