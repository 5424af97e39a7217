//! Batch inference: a file of users, items or carts in, a file of ranked rows out.
//!
//! Every answer comes from the functions of `models` that the server calls, so that a batch and a live
//! answer agree item by item and score by score. Keys stream through in chunks: `keys` reads one,
//! `answers` asks the model on all cores, `rows` gives the answers their outside form, `output` writes
//! them in the order of the input. Memory holds the model and one chunk; for bundles also 16 to 34 bytes
//! a cart, to tell when one comes back. The output appears under its name only when it is whole.

mod answers;
mod keys;
mod output;
mod rows;
mod summary;

use std::cell::Cell;
use std::path::Path;
use std::time::Instant;

use anyhow::{bail, ensure};
use qianmian_models::snapshot::Snapshot;

use crate::orders::source::Source;
use crate::progress::Reporter;
use answers::Answers;
use keys::KeyReader;
use output::OutputFile;

pub use summary::Summary;

/// Keys of a chunk where answers are short.
const MAX_CHUNK_KEYS: usize = 4_096;
/// Keys of a chunk where answers are long: enough to keep the cores busy.
const MIN_CHUNK_KEYS: usize = 32;
/// Rows that a chunk between those bounds may be answered with: 8 bytes each, then some 30 as text.
const CHUNK_ROWS: usize = 1 << 21;

/// What is asked about every key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Items for each user_id; a user that the model does not know gets best sellers
    Recommend,
    /// Items like each item_id
    Similar,
    /// Items that complete each cart: rows of cart_id, item_id and, where it is known whose it is, user_id; those of
    /// one cart together
    Bundle,
    /// Users for each item_id
    Audience,
}

impl Kind {
    /// The input column that names a key; it is the first of the output.
    pub fn key_column(self) -> &'static str {
        match self {
            Self::Recommend => "user_id",
            Self::Similar | Self::Audience => "item_id",
            Self::Bundle => "cart_id",
        }
    }

    /// The output column that names what was found. No column may stand twice in a table, so the items
    /// like an item have their own name.
    pub fn answer_column(self) -> &'static str {
        match self {
            Self::Recommend | Self::Bundle => "item_id",
            Self::Similar => "similar_item_id",
            Self::Audience => "user_id",
        }
    }

    /// The longest answer.
    pub fn max_count(self) -> usize {
        if self == Self::Audience { 100_000 } else { 1_000 }
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// About every key.
    pub kind: Kind,
    /// Most rows a key, from 1 to [`Kind::max_count`].
    pub count: usize,
    /// The moment to answer as of, unix seconds, held within what the model can know as the server holds
    /// it ([`View::at`](qianmian_models::view::View::at)); the end of the model's data where absent.
    pub at: Option<i64>,
    /// Leave out what the user bought (recommend), or who bought the item (audience).
    pub exclude_bought: bool,
}

impl Request {
    /// # Errors
    /// When the count is out of bounds, or the kind has nothing bought to leave out.
    fn check(&self) -> anyhow::Result<()> {
        let (count, most) = (self.count, self.kind.max_count());
        ensure!((1..=most).contains(&count), "--count {count}: give 1 to {most}");
        if self.exclude_bought && !matches!(self.kind, Kind::Recommend | Kind::Audience) {
            bail!("--exclude-bought: only recommend and audience know who bought what");
        }
        Ok(())
    }

    /// Keys that are answered between two writes; independent of the threads, so that the output is, too.
    fn chunk_keys(&self) -> usize {
        (CHUNK_ROWS / self.count).clamp(MIN_CHUNK_KEYS, MAX_CHUNK_KEYS)
    }
}

/// Answers every key of `input` (a path or a pattern) into the file `output`, in the order of the input.
/// A key that stands in the input twice is answered twice.
///
/// # Errors
/// When the request makes no sense, a row of the input is bad (named by file and line), a file cannot be
/// read to its end, or the output cannot be written. An output that was there before is then as it was.
pub fn predict(
    snapshot: &Snapshot,
    request: &Request,
    input: &str,
    output: &Path,
    reporter: &Reporter,
) -> anyhow::Result<Summary> {
    request.check()?;
    let started = Instant::now();
    let source = Source::of_argument("--input", input)?;
    source.check(&keys::columns(request.kind))?;
    let answers = Answers::new(snapshot, request);
    let mut out = OutputFile::create(output, request.kind, &source)?;
    let mut summary = Summary::new(snapshot, request, answers.at());
    let stage = reporter.stage("predict", source.bytes());
    let read = Cell::new(0);
    let reader = KeyReader::new(snapshot, request.kind, request.chunk_keys());
    let counts = reader.each_chunk(&source, &read, &mut |chunk| {
        for (part, tally) in answers.of(chunk, &out.encoder())? {
            out.write(part)?;
            summary.add(tally);
        }
        stage.set(read.get().min(source.bytes()), source.bytes());
        Ok(())
    })?;
    out.finish()?;
    drop(stage);
    summary.close(counts, started.elapsed());
    Ok(summary)
}
