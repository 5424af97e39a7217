//! `predict`: batch inference by the code that serves, a subcommand for each kind.

use std::path::PathBuf;

use anyhow::Context;
use chrono::{DateTime, NaiveDate, NaiveTime};
use qianmian_models::consent::{ConsentPolicy, Unknown};
use qianmian_models::snapshot::Snapshot;

use super::store::StoreArgs;
use crate::predict::{self, Kind, Request};
use crate::progress::Reporter;

/// Arguments of `predict`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    kind: KindArgs,
}

#[derive(Debug, clap::Subcommand)]
enum KindArgs {
    /// Items for each user; a user that the model does not know gets best sellers
    #[command(
        after_help = "Input column: user_id. Output columns: user_id, rank, item_id, score. At most 1,000 rows a user.

  qianmian-trainer predict recommend --store DIR --input users.csv --output slates.parquet --count 20"
    )]
    Recommend(RecommendArgs),
    /// Items similar to each item
    #[command(
        after_help = "Input column: item_id. Output columns: item_id, rank, similar_item_id, score. At most 1,000 rows an item.

  qianmian-trainer predict similar --store DIR --input items.csv --output similar.csv --count 20"
    )]
    Similar(CommonArgs),
    /// Items that complete each cart
    #[command(
        after_help = "Input columns: cart_id, item_id and optionally user_id; the rows of a cart are adjacent. Output columns: cart_id, rank,
item_id, score. At most 1,000 rows a cart.

  qianmian-trainer predict bundle --store DIR --input carts.csv --output complements.jsonl --count 10"
    )]
    Bundle(CommonArgs),
    /// Users for each item
    #[command(
        after_help = "Input column: item_id. Output columns: item_id, rank, user_id, score. At most 100,000 rows an item.

  qianmian-trainer predict audience --store DIR --input items.csv --output people.csv.zst --count 1000"
    )]
    Audience(AudienceArgs),
}

#[derive(Debug, clap::Args)]
struct RecommendArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Leave out items that the user bought before.
    #[arg(long)]
    exclude_bought: bool,
}

#[derive(Debug, clap::Args)]
struct AudienceArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Leave out users who bought the item before.
    #[arg(long)]
    exclude_bought: bool,
}

#[derive(Debug, clap::Args)]
struct CommonArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// The version that answers [default: the published one].
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// The keys: CSV, TSV, JSON lines (plain, .gz, .zst) or Parquet; a path or a glob. Other columns are ignored.
    #[arg(long, value_name = "FILE")]
    input: String,
    /// The answers; the ending is the format: .csv, .tsv, .jsonl (each also .gz, .zst) or .parquet.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Most rows per key.
    #[arg(long, value_name = "K")]
    count: usize,
    /// Answer as of this moment: RFC 3339 or a date (UTC), at most a week after the end of the model's data
    /// [default: the end of the data].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<i64>,
    /// Write `'` before CSV and TSV cells that a spreadsheet would run as a formula (those that begin with =, +, -, @,
    /// a tab or a carriage return). Off by default, because it changes ids that programs read.
    #[arg(long)]
    neutralize_formulas: bool,
    /// Users whose consent to be contacted is unknown: allow, deny, or deny_if_recorded (deny if the users table has
    /// the column). Those who said no are in no audience.
    #[arg(long, value_name = "RULE", default_value = "deny_if_recorded")]
    unknown_contact: Unknown,
    /// Users whose consent to personal answers is unknown: allow, deny or deny_if_recorded. Those who said no get best
    /// sellers.
    #[arg(long, value_name = "RULE", default_value = "allow")]
    unknown_personalization: Unknown,
    /// Threads to answer on [default: all cores]. The output does not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// Answers and prints the summary.
pub fn run(args: &Args, reporter: &Reporter) -> anyhow::Result<()> {
    let (kind, args, exclude_bought) = match &args.kind {
        KindArgs::Recommend(args) => (Kind::Recommend, &args.common, args.exclude_bought),
        KindArgs::Similar(args) => (Kind::Similar, args, false),
        KindArgs::Bundle(args) => (Kind::Bundle, args, false),
        KindArgs::Audience(args) => (Kind::Audience, &args.common, args.exclude_bought),
    };
    if let Some(threads) = args.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::from(threads));
        pool.build_global().context("--threads")?;
    }
    let stage = reporter.stage("open artifact", 0);
    let store = args.store.open()?;
    let artifact = store.artifact(args.version.as_deref()).map_err(|e| args.store.explain(&store, e))?;
    let snapshot = Snapshot::open(&artifact)?;
    drop(stage);
    let CommonArgs { count, at, neutralize_formulas, unknown_contact, unknown_personalization, .. } = *args;
    let consent = ConsentPolicy { contact: unknown_contact, personalization: unknown_personalization };
    let request = Request { kind, count, at, exclude_bought, consent, neutralize_formulas };
    let summary = predict::predict(&snapshot, &request, &args.input, &args.output, reporter)?;
    super::say(&summary.to_string());
    Ok(())
}

/// Unix seconds of an RFC 3339 time, or of the first moment of a date.
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
    fn a_moment_is_a_time_with_a_zone_or_a_date() {
        assert_eq!(moment("2010-12-01T16:26:00+08:00"), Ok(1_291_191_960));
        assert_eq!(moment("2010-12-01T08:26:00.5Z"), Ok(1_291_191_960));
        assert_eq!(moment("2010-12-01"), Ok(1_291_161_600));
        for bad in ["", "yesterday", "2010-13-01", "2010-12-01T08:26:00", "1291191960"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
