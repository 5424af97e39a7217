//! Arguments that several commands share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::generator::{Lane, Pace, Span, WhenBusy};
use crate::process::Process;
use crate::questions::ids::{self, Ids};
use crate::questions::{Headers, Questions, Scenario};
use crate::target::Target;

/// The variable that holds the API key; there is no flag, because a command line is public.
const KEY_VARIABLE: &str = "QIANMIAN_KEY";

/// The server under load.
#[derive(Debug, clap::Args)]
pub struct ServerArgs {
    /// The server, as http://HOST:PORT.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    target: String,
    /// Allow a target that is not this machine.
    #[arg(long)]
    allow_remote: bool,
    /// Process id of the server on this machine: also reports its processor time per request and its memory.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Timeout of an answer; overdue requests are also still sent for this long after the end.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    pub timeout: Duration,
    /// The latency, from the scheduled send time, up to which an answer counts as in time.
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = parse_time)]
    limit: Duration,
    /// Checks the content of every N-th answer; 1 checks all, 0 none.
    #[arg(long, value_name = "N", default_value_t = 1)]
    check_every: u64,
}

/// The requests to send.
#[derive(Debug, clap::Args)]
pub struct QuestionArgs {
    /// The kind of requests to send.
    #[arg(long, value_enum, default_value_t = Scenario::Recommend)]
    pub scenario: Scenario,
    /// User ids to draw from, one per line, the most active first.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// A user id to draw from; may be repeated, and adds to --users.
    #[arg(long = "user-id", value_name = "ID")]
    user_ids: Vec<String>,
    /// Item ids to draw from, one per line, the best-selling first.
    #[arg(long, value_name = "FILE")]
    items: Option<PathBuf>,
    /// An item id to draw from; may be repeated, and adds to --items.
    #[arg(long = "item-id", value_name = "ID")]
    item_ids: Vec<String>,
    /// The Zipf exponent of the draw over the order of the ids, 0..=5; 0 draws evenly.
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    zipf: f64,
    /// Equal seeds send equal requests in equal order.
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,
    /// Number of results to ask for; by default 20, /bundle 10, /audience 100 or as lines 100,000.
    #[arg(long, value_name = "N")]
    count: Option<u32>,
    /// The scene that /recommend is asked for.
    #[arg(long, value_name = "NAME", default_value = "home")]
    scene: String,
}

/// Files for the results, in addition to the table on standard output.
#[derive(Debug, clap::Args)]
pub struct OutputArgs {
    /// Also writes the result to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl ServerArgs {
    /// Resolves the target.
    ///
    /// # Errors
    /// The target cannot be used, or a time is zero.
    pub fn target(&self) -> anyhow::Result<Target> {
        ensure!(!self.timeout.is_zero(), "--timeout must be longer than nothing");
        Target::resolve(&self.target, self.allow_remote)
    }

    /// The process to watch, if one is named.
    ///
    /// # Errors
    /// There is no such process.
    pub fn process(&self) -> anyhow::Result<Option<Process>> {
        self.pid.map(Process::new).transpose()
    }

    /// A lane of calls to the target; a call waits if no connection is free.
    pub fn lane(&self, target: &Target, questions: Questions, pace: Pace, span: Span, seed: u64) -> Lane {
        Lane {
            questions,
            address: target.address,
            pace,
            span,
            connections: 1,
            when_busy: WhenBusy::Wait,
            timeout: self.timeout,
            limit: self.limit,
            check_every: self.check_every,
            seed,
        }
    }
}

impl QuestionArgs {
    /// Reads the ids and the API key.
    ///
    /// # Errors
    /// A file or an argument that cannot be used, by its name.
    pub fn questions(&self, target: &Target) -> anyhow::Result<Questions> {
        ensure!((0.0..=5.0).contains(&self.zipf), "--zipf {} is not in 0..=5", self.zipf);
        let questions = Questions {
            scenario: self.scenario,
            headers: Headers::new(target, authorization()?.as_deref()),
            users: self.ids(self.users.as_deref(), &self.user_ids)?,
            items: self.ids(self.items.as_deref(), &self.item_ids)?,
            scene: self.scene.clone(),
            count: self.count,
        };
        questions.check()?;
        Ok(questions)
    }

    fn ids(&self, file: Option<&Path>, more: &[String]) -> anyhow::Result<Option<Arc<Ids>>> {
        let mut all = file.map(ids::read).transpose()?.unwrap_or_default();
        all.extend_from_slice(more);
        Ok(Ids::new(all, self.zipf).map(Arc::new))
    }
}

/// A rate from the command line.
///
/// # Errors
/// It is not in (0, 1000000].
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if rate > 0.0 && rate <= 1e6 { Ok(rate) } else { Err("give a rate above 0 and up to 1000000".to_owned()) }
}

/// Seconds, or a number with the unit us, ms, s or m; at most a week.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds_per_unit = match unit {
        "us" => 1e-6,
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        _ => return Err(format!("unknown unit {unit:?}; use us, ms, s or m")),
    };
    let number: f64 = number.trim().parse().map_err(|_| format!("{number:?} is not a number"))?;
    let seconds = number * seconds_per_unit;
    if !(0.0..=604_800.0).contains(&seconds) {
        return Err("give a time from 0 to a week".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn authorization() -> anyhow::Result<Option<String>> {
    let Some(key) = std::env::var_os(KEY_VARIABLE).filter(|key| !key.is_empty()) else { return Ok(None) };
    // The key itself must not reach an error message.
    let key = key.to_str().filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic()));
    let key = key.with_context(|| format!("{KEY_VARIABLE} may hold visible ASCII characters only"))?;
    Ok(Some(format!("Bearer {key}")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn times_are_read_with_and_without_a_unit() {
        for (text, us) in [("30", 30_000_000), ("1.5s", 1_500_000), ("250ms", 250_000), ("2m", 120_000_000)] {
            assert_eq!(parse_time(text).unwrap(), Duration::from_micros(us), "{text}");
        }
        assert_eq!(parse_time("80us").unwrap(), Duration::from_micros(80));
        for text in ["", "s", "-1", "5h", "nan", "inf", "1e99", "1 000"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_positive_and_bounded() {
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        for text in ["0", "-1", "nan", "inf", "1000001", "many"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
