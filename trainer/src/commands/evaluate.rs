//! `evaluate`: a time split, our pipelines and the baselines, in one table.

use std::path::PathBuf;

use anyhow::Context;
use chrono::{NaiveDate, NaiveTime, Utc};

use super::input::InputArgs;
use crate::evaluate::{self, Window};
use crate::progress::Reporter;

/// Arguments of `evaluate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// First day of the test window, such as 2011-10-01 (UTC) [default: the last --days of the data].
    #[arg(long, value_name = "DATE")]
    from: Option<NaiveDate>,
    /// Length of the test window.
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
    /// Write every figure here as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Evaluates and prints.
pub fn run(args: &Args, reporter: &Reporter) -> anyhow::Result<()> {
    let input = args.input.read(Utc::now().timestamp(), reporter)?;
    let from = args.from.map(|date| date.and_time(NaiveTime::MIN).and_utc().timestamp());
    let window = Window::choose(&input.dataset, from, args.days);
    let report = evaluate::evaluate(&input.dataset, window, &input.config.training, reporter)?;
    super::say(&report.to_string());
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&report)?;
        std::fs::write(path, json).with_context(|| format!("--json {}", path.display()))?;
    }
    Ok(())
}
