//! The command line.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use hyper::header::HeaderValue;

use crate::client::ClientOptions;
use crate::ids::{self, Ids};
use crate::run::Plan;
use crate::scenario::{Questions, Scenario};
use crate::schedule::{Length, Pace};
use crate::target::Target;

/// The variable that holds the API key; there is no flag, because a command line is public.
const KEY_VARIABLE: &str = "QIANMIAN_KEY";

/// Loads a Qianmian server over HTTP and reports latency from the scheduled send time.
///
/// The API key, if the server wants one, comes from the environment variable QIANMIAN_KEY.
/// Exit code: 0 when the run ended, 1 when --fail-on-error found a flaw, 2 when it could not run.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Args {
    /// The server, as http://HOST:PORT.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    target: String,
    /// Allow a target that is not this machine.
    #[arg(long)]
    allow_remote: bool,
    /// What to ask.
    #[arg(long, value_enum, default_value_t = Scenario::Recommend)]
    scenario: Scenario,
    /// Requests a second, sent on schedule whether or not earlier ones are answered (open loop).
    #[arg(long, value_name = "PER_SECOND", default_value_t = 100.0)]
    rate: f64,
    /// Saturate instead: every connection sends its next request as soon as it has an answer.
    #[arg(long, conflicts_with = "rate")]
    closed: bool,
    /// How long to measure: seconds, or with a unit as in 500ms, 30s, 2m.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_time)]
    duration: Duration,
    /// How long to send before measuring.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    warmup: Duration,
    /// How long an answer may take; also how long overdue requests are still sent after the end.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    timeout: Duration,
    /// Kept-alive connections, over all threads.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// Threads of the generator; one is enough for tens of thousands of requests a second.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: u32,
    /// User ids to draw from, one a line, the most active first.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// A user id to draw from; may be repeated, and adds to --users.
    #[arg(long = "user-id", value_name = "ID")]
    user_ids: Vec<String>,
    /// Item ids to draw from, one a line, the best-selling first.
    #[arg(long, value_name = "FILE")]
    items: Option<PathBuf>,
    /// An item id to draw from; may be repeated, and adds to --items.
    #[arg(long = "item-id", value_name = "ID")]
    item_ids: Vec<String>,
    /// The Zipf exponent of the draw over the ids' order, 0..=5; 0 draws evenly.
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    zipf: f64,
    /// Equal seeds send equal requests in equal order, for an equal number of threads.
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// How many results to ask for; by default 20, /bundle 10, /audience 100.
    #[arg(long, value_name = "N")]
    count: Option<u32>,
    /// The scene that /recommend is asked for.
    #[arg(long, value_name = "NAME", default_value = "home")]
    scene: String,
    /// Also write the report to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Exit with code 1 unless every request got a readable 2xx answer.
    #[arg(long)]
    pub fail_on_error: bool,
}

impl Args {
    /// Checks the arguments together and reads the files that they name.
    ///
    /// # Errors
    /// The first argument that cannot be used, by its flag.
    pub fn plan(&self) -> anyhow::Result<Plan> {
        ensure!(self.rate > 0.0 && self.rate <= 1e6, "--rate {} is not in (0, 1000000]", self.rate);
        ensure!((0.0..=5.0).contains(&self.zipf), "--zipf {} is not in 0..=5", self.zipf);
        ensure!(!self.duration.is_zero(), "--duration must be longer than nothing");
        ensure!(!self.timeout.is_zero(), "--timeout must be longer than nothing");
        ensure!(self.threads <= self.connections, "--threads {} needs as many --connections", self.threads);
        let client = ClientOptions {
            target: Target::resolve(&self.target, self.allow_remote)?,
            authorization: authorization()?,
            timeout: self.timeout,
        };
        let questions = Questions {
            scenario: self.scenario,
            users: self.ids(self.users.as_deref(), &self.user_ids)?,
            items: self.ids(self.items.as_deref(), &self.item_ids)?,
            scene: self.scene.clone(),
            count: self.count,
        };
        Ok(Plan {
            client: Arc::new(client),
            questions: Arc::new(questions),
            pace: if self.closed { Pace::Closed } else { Pace::Open { rate: self.rate } },
            length: Length { warmup: self.warmup, duration: self.duration, patience: self.timeout },
            connections: self.connections as usize,
            threads: self.threads as usize,
            seed: self.seed,
        })
    }

    fn ids(&self, file: Option<&Path>, more: &[String]) -> anyhow::Result<Option<Ids>> {
        let mut all = file.map(ids::read).transpose()?.unwrap_or_default();
        all.extend_from_slice(more);
        Ok(Ids::new(all, self.zipf))
    }
}

fn authorization() -> anyhow::Result<Option<HeaderValue>> {
    let Some(key) = std::env::var_os(KEY_VARIABLE).filter(|key| !key.is_empty()) else { return Ok(None) };
    // The key itself must not reach an error message.
    let key = key.to_str().with_context(|| format!("{KEY_VARIABLE} is not UTF-8"))?;
    let header = HeaderValue::from_str(&format!("Bearer {key}")).ok();
    let mut header = header.with_context(|| format!("{KEY_VARIABLE} holds characters that no header may"))?;
    header.set_sensitive(true);
    Ok(Some(header))
}

/// Seconds, or a number with the unit ms, s or m; at most a week.
fn parse_time(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds_per_unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        _ => return Err(format!("unknown unit {unit:?}; use ms, s or m")),
    };
    let number: f64 = number.trim().parse().map_err(|_| format!("{number:?} is not a number"))?;
    let seconds = number * seconds_per_unit;
    if !(0.0..=604_800.0).contains(&seconds) {
        return Err("give a time from 0 to a week".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use clap::CommandFactory;

    use super::*;

    fn refuse(extra: &[&str]) -> String {
        let args = Args::try_parse_from([&["qianmian-loadtest", "--user-id", "u"], extra].concat());
        match args {
            Ok(args) => format!("{:#}", args.plan().err().unwrap()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_command_line_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn times_are_read_with_and_without_a_unit() {
        for (text, ms) in [("30", 30_000), ("1.5s", 1_500), ("250ms", 250), ("2m", 120_000), ("0", 0)] {
            assert_eq!(parse_time(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for text in ["", "s", "-1", "5h", "nan", "inf", "1e99", "1 000"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bad_argument_is_named() {
        for (extra, named) in [
            (["--rate", "0"], "--rate"),
            (["--rate", "nan"], "--rate"),
            (["--zipf", "9"], "--zipf"),
            (["--duration", "0"], "--duration"),
            (["--threads", "65"], "--threads"),
            (["--connections", "0"], "--connections"),
            (["--users", "/does/not/exist"], "/does/not/exist"),
        ] {
            let message = refuse(&extra);
            assert!(message.contains(named), "{extra:?}: {message}");
        }
        assert!(refuse(&["--closed", "--rate", "5"]).contains("cannot be used with"));
    }

    #[test]
    fn ids_of_a_file_and_of_flags_are_drawn_together() {
        let args = Args::try_parse_from(["q", "--user-id", "a", "--user-id", "b"]).unwrap();
        let plan = args.plan().unwrap();
        assert!(plan.questions.users.is_some());
        assert!(plan.questions.items.is_none());
    }
}
