//! The command line: one file a command.

mod evaluate;
mod gc;
mod init;
mod input;
mod inspect;
mod predict;
mod publish;
mod shell;
mod store;
mod train;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::demo_data::{self, DemoDataArgs};
use crate::gate::Refused;
use crate::progress::Reporter;

/// Learns from order history and writes an artifact for qianmian-server.
#[derive(Debug, Parser)]
#[command(
    name = "qianmian-trainer",
    version,
    after_help = "Examples:
  qianmian-trainer demo-data --out var/demo
  qianmian-trainer init export.xlsx                                    (says what the file is, writes shop.toml)
  qianmian-trainer train --config var/demo/shop.toml --store var/models
  qianmian-trainer train --orders orders.csv.zst --store var/models     (or let the files tell what they are)
  qianmian-trainer inspect --store var/models
  qianmian-trainer predict recommend --store var/models --input users.csv --output slates.parquet --count 20
  qianmian-trainer rollback --store var/models"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Detect the format and columns of files, and write a commented configuration for them.
    Init(init::Args),
    /// Learn from orders, write a new version to the model store and publish it.
    Train(train::Args),
    /// Learn from the data before a moment and measure on the days after it, with baselines.
    Evaluate(evaluate::Args),
    /// Answer for a file of users, items or carts, with the code that serves.
    Predict(predict::Args),
    /// Make a version the one to serve, unless it ranks worse than the served one.
    Publish(publish::PublishArgs),
    /// Make the version before the published one the one to serve.
    Rollback(store::StoreArgs),
    /// Show the contents of an artifact.
    Inspect(inspect::Args),
    /// Remove old versions from the model store.
    Gc(gc::Args),
    /// Write a realistic shop: orders, items, users, identities and a training configuration.
    DemoData(DemoDataArgs),
    /// Print a completion script for a shell.
    Completions(shell::CompletionArgs),
    /// Write manual pages.
    Man(shell::ManArgs),
}

/// The exit code if the gate refuses to publish; 1 is any other error, 2 a wrong command line.
const REFUSED: u8 = 3;

/// Parses the command line and runs it. Errors go to standard error with their causes; exit code 1, or
/// `REFUSED`.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let reporter = Reporter::new();
    let result = match cli.command {
        Command::Init(args) => init::run(&args),
        Command::Train(args) => train::run(&args, &reporter),
        Command::Evaluate(args) => evaluate::run(&args, &reporter),
        Command::Predict(args) => predict::run(&args, &reporter),
        Command::Publish(args) => publish::publish(&args),
        Command::Rollback(args) => publish::rollback(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Gc(args) => gc::run(&args),
        Command::Completions(args) => shell::completions(&args, Cli::command()),
        Command::Man(args) => shell::man(&args, Cli::command()),
        Command::DemoData(args) => run_demo_data(&args, &reporter),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&error);
            if error.is::<Refused>() { ExitCode::from(REFUSED) } else { ExitCode::FAILURE }
        }
    }
}

fn run_demo_data(args: &DemoDataArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let stage = reporter.stage("demo data", 0);
    let summary = demo_data::run(args, |p| stage.set(u64::from(p.users_done), u64::from(p.users_total)))?;
    drop(stage);
    let config = summary.config();
    say(&format!(
        "wrote {} lines of {} orders by {} users over {} items to {}\ntrain on it: qianmian-trainer train --config {} --store DIR",
        summary.lines,
        summary.orders,
        summary.buyers,
        summary.items,
        summary.out.display(),
        config.display()
    ));
    Ok(())
}

/// Prints a result to standard output; a reader that has closed the pipe is no error.
fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

fn say_error(error: &anyhow::Error) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "error: {}", chain(error));
}

/// An error and its causes, `a: b: c`; a cause that the text so far already ends with is not repeated.
fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    #[test]
    fn a_cause_is_printed_once() {
        let full = || std::io::Error::other("disk full");
        let error = qianmian_models::error::Error::Io { path: "/a".into(), source: full() };
        assert_eq!(super::chain(&anyhow!(error).context("saving")), "saving: /a: disk full");
        assert_eq!(super::chain(&anyhow!(full()).context("saving")), "saving: disk full");
    }
}
