//! `init`: detects the format and columns of files, prints them, and writes them as a configuration.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::Utc;

use crate::config::Config;
use crate::orders::{self, ReadOptions, Summary};

/// Rows of the preview.
const PREVIEW_ROWS: usize = 10;

/// Most characters of a row that are shown.
const SHOWN_CHARS: usize = 100;

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files of orders or events, or patterns; CSV, JSON, Parquet, Arrow or Excel.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the configuration here.
    #[arg(long, value_name = "FILE", default_value = "shop.toml")]
    out: PathBuf,
    /// Name of the shop.
    #[arg(long, value_name = "NAME", default_value = "default")]
    shop: String,
    /// Zone of times that carry none, such as Asia/Shanghai.
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Replace the configuration that is there.
    #[arg(long)]
    force: bool,
}

/// Looks at the files and writes the configuration.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if args.out.exists() && !args.force {
        bail!(
            "{} is there already; give another name with --out, or replace it with --force",
            args.out.display()
        );
    }
    let mut config = orders::draft(&args.files)?;
    config.shop.clone_from(&args.shop);
    config.orders.time_zone.clone_from(&args.time_zone);
    if let Some(events) = &mut config.events {
        events.time_zone.clone_from(&args.time_zone);
    }
    // No limit on bad rows: the findings are printed in any case.
    let options = ReadOptions { max_reject_ratio: 1.0, ..ReadOptions::new(Utc::now().timestamp()) };
    let (summary, failed) = match orders::read(&config, &options, &|_, _, _| {}) {
        Ok(inputs) => (inputs.orders.summary, None),
        Err(error) => {
            let understood = orders::facts(&config).unwrap_or_default();
            (Summary { understood, ..Summary::default() }, Some(error))
        }
    };
    let folder = args.out.parent().unwrap_or(Path::new(""));
    let text = orders::write_shop_file(&config, &summary, &|file| named(file, folder));
    // The written file must parse as a valid configuration.
    Config::parse(&text, folder).context("the configuration that was drafted is not valid")?;
    let rows = if failed.is_none() { orders::preview(&config, &options, PREVIEW_ROWS)? } else { Vec::new() };
    if failed.is_none() {
        super::say(&summary.understanding());
        super::say(&summary.to_string());
    }
    if !rows.is_empty() {
        super::say("the first rows, and what becomes of them:");
        rows.iter().for_each(|[row, became]| super::say(&format!("  {}\n    -> {became}", shortened(row))));
    }
    std::fs::write(&args.out, text).with_context(|| format!("cannot write {}", args.out.display()))?;
    super::say(&format!("wrote {}", args.out.display()));
    match failed {
        Some(error) => {
            Err(error.context("not everything could be told; complete the configuration that was written"))
        }
        None => {
            super::say(&format!(
                "train on it: qianmian-trainer train --config {} --store DIR",
                args.out.display()
            ));
            Ok(())
        }
    }
}

/// A file's name relative to `folder`, where the configuration is.
fn named(file: &str, folder: &Path) -> String {
    if folder.as_os_str().is_empty() || Path::new(file).is_absolute() {
        return file.to_owned();
    }
    match std::env::current_dir() {
        Ok(here) => here.join(file).to_string_lossy().into_owned(),
        Err(_) => file.to_owned(),
    }
}

fn shortened(row: &str) -> String {
    let line: String = row.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN_CHARS).collect();
    if line.len() < row.len() { format!("{line}…") } else { line }
}
