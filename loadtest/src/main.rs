//! `qianmian-loadtest`: loads a Qianmian server over HTTP and reports what its users would feel.
//!
//! `args` says what to do, `run` does it: `schedule` fixes when each call is due, `scenario` draws
//! what it asks from `ids`, `client` sends it, `tally` counts it in `histogram`s, `report` sums up.

mod args;
mod client;
mod histogram;
mod ids;
mod report;
mod run;
mod scenario;
mod schedule;
mod tally;
mod target;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::args::Args;
use crate::report::Report;

/// The run ended, but `--fail-on-error` found a flaw in it.
const FLAWED: u8 = 1;
/// The run could not start or its report could not be written.
const COULD_NOT_RUN: u8 = 2;

fn main() -> ExitCode {
    match load(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to do if even standard error is closed.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn load(args: &Args) -> anyhow::Result<ExitCode> {
    let plan = args.plan()?;
    let outcome = run::run(&plan)?;
    let report = Report::new(&plan, &outcome);
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&report).context("the report cannot be written as JSON")?;
        std::fs::write(path, json + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    writeln!(std::io::stdout(), "{report}").context("cannot write to standard output")?;
    let flawed = args.fail_on_error && !report.flawless;
    Ok(if flawed { ExitCode::from(FLAWED) } else { ExitCode::SUCCESS })
}
