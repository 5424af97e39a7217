//! `predict`: batch inference by the code that serves.

use std::path::PathBuf;

use anyhow::Context;
use chrono::{DateTime, NaiveDate, NaiveTime};
use qianmian_models::snapshot::Snapshot;

use super::publish::StoreArgs;
use crate::predict::{self, Kind, Request};
use crate::progress::Reporter;

/// Arguments of `predict`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to ask about every key of the input.
    #[arg(value_enum)]
    kind: Kind,
    #[command(flatten)]
    store: StoreArgs,
    /// The version that answers [default: the published one].
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Keys: CSV, TSV, JSON lines (plain, .gz, .zst) or Parquet, with a column user_id (recommend), item_id
    /// (similar, audience), or cart_id, item_id and, if known, user_id (bundle). Other columns are passed over.
    #[arg(long, value_name = "FILE")]
    input: String,
    /// Answers: the key, rank from 1, item_id (similar: similar_item_id) or user_id, score; by ending .csv,
    /// .tsv, .jsonl (plain, .gz, .zst) or .parquet.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Most rows a key: 1 to 1000, for audience to 100000.
    #[arg(long, value_name = "K")]
    count: usize,
    /// Answer as of this moment, RFC 3339 or a date (UTC), at most a week after the end of the model's data
    /// [default: the end of the data].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<i64>,
    /// Leave out what the user bought before (recommend), or who bought the item before (audience).
    #[arg(long)]
    exclude_bought: bool,
    /// Threads to answer on [default: all cores]. The output does not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// Answers and prints the account.
pub fn run(args: &Args, reporter: &Reporter) -> anyhow::Result<()> {
    if let Some(threads) = args.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::from(threads));
        pool.build_global().context("--threads")?;
    }
    let stage = reporter.stage("open artifact", 0);
    let store = args.store.open()?;
    let artifact = store.artifact(args.version.as_deref()).map_err(|e| args.store.explain(&store, e))?;
    let snapshot = Snapshot::open(&artifact)?;
    drop(stage);
    let Args { kind, count, at, exclude_bought, .. } = *args;
    let request = Request { kind, count, at, exclude_bought };
    let summary = predict::predict(&snapshot, &request, &args.input, &args.output, reporter)?;
    super::say(&summary.to_string());
    Ok(())
}

/// Unix seconds of an RFC 3339 time, or of a date's first moment.
fn moment(text: &str) -> Result<i64, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp());
    }
    match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        Ok(date) => Ok(date.and_time(NaiveTime::MIN).and_utc().timestamp()),
        Err(_) => Err("give a time such as 2011-10-01T08:30:00Z, or a date such as 2011-10-01".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn a_moment_is_a_time_with_its_zone_or_a_date() {
        assert_eq!(moment("2010-12-01T16:26:00+08:00"), Ok(1_291_191_960));
        assert_eq!(moment("2010-12-01T08:26:00.5Z"), Ok(1_291_191_960));
        assert_eq!(moment("2010-12-01"), Ok(1_291_161_600));
        for bad in ["", "yesterday", "2010-13-01", "2010-12-01T08:26:00", "1291191960"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
