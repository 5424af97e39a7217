//! `qianmian-loadtest`: loads a Qianmian server over HTTP and reports the latency that its users would see.
//!
//! `commands` define the runs; `questions` draw the calls; `generator` sends them and counts the answers; `process`
//! reads the server's resource use; `report` sums up. The server is accessed by HTTP alone.

mod commands;
mod generator;
mod process;
mod questions;
mod report;
mod target;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{floor, load, overload, saturation};

/// The run ended, but exceeded a given bound.
const PAST_A_BOUND: u8 = 1;
/// The run could not start or its result could not be written.
const COULD_NOT_RUN: u8 = 2;

/// Loads a Qianmian server over HTTP.
///
/// The generator is one thread that polls its sockets without a pause: give it a core of its own, apart
/// from the server's. The API key, if the server wants one, comes from the environment variable QIANMIAN_KEY.
/// Exit code: 0 when the run ended, 1 when it passed a given bound, 2 when it could not run.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Load(Box<load::Args>),
    Saturation(Box<saturation::Args>),
    Overload(Box<overload::Args>),
    Floor(floor::Args),
}

fn main() -> ExitCode {
    let passed = match Cli::parse().command {
        Command::Load(args) => load::run(&args),
        Command::Saturation(args) => saturation::run(&args),
        Command::Overload(args) => overload::run(&args),
        Command::Floor(args) => floor::run(&args).map(|()| Vec::new()),
    };
    // Nothing can be done if even standard error is closed.
    let mut stderr = std::io::stderr();
    match passed {
        Ok(bounds) if bounds.is_empty() => ExitCode::SUCCESS,
        Ok(bounds) => {
            for bound in bounds {
                let _ = writeln!(stderr, "past a bound: {bound}");
            }
            ExitCode::from(PAST_A_BOUND)
        }
        Err(error) => {
            let _ = writeln!(stderr, "error: {error:#}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bad_argument_is_named() {
        let refuse = |arguments: &[&str]| {
            let all = [&["qianmian-loadtest", "load", "--user-id", "u"], arguments].concat();
            match Cli::try_parse_from(all).map(|cli| cli.command) {
                Ok(Command::Load(args)) => format!("{:#}", load::run(&args).unwrap_err()),
                Ok(_) => unreachable!("the command is load"),
                Err(error) => error.to_string(),
            }
        };
        for (flag, value) in [
            ("--rate", "0"),
            ("--rate", "nan"),
            ("--zipf", "9"),
            ("--duration", "0"),
            ("--timeout", "0"),
            ("--connections", "0"),
            ("--max-cpu-us", "5"),
            ("--pid", "4294967295"),
        ] {
            let message = refuse(&[flag, value]);
            assert!(message.contains(flag), "{flag} {value}: {message}");
        }
        assert!(refuse(&["--users", "/does/not/exist"]).contains("/does/not/exist"));
        assert!(refuse(&["--closed", "--rate", "5"]).contains("cannot be used with"));
        assert!(refuse(&["--beside-callers", "5"]).contains("--beside"));
    }
}
