//! Batch inference: a file of users, items or carts in, a file of ranked rows out.
//!
//! Every answer comes from the functions of `models` that the server calls, so a batch and a live answer agree in every
//! item and score. Keys stream through in chunks: `keys` reads one, `answers` asks the model on all cores, `rows`
//! formats the answers, `output` writes them in the order of the input. Memory holds the model and one chunk; for
//! bundles also 16 to 34 bytes a cart, to detect carts that are not adjacent. The output gets its name only when it is
//! complete.

mod answers;
mod keys;
mod output;
mod rows;
mod summary;

use std::cell::Cell;
use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use qianmian_models::consent::{ConsentPolicy, Consents};
use qianmian_models::snapshot::Snapshot;

use crate::orders::source::Source;
use crate::progress::Reporter;
use answers::Answers;
use keys::KeyReader;
use output::OutputFile;

pub use summary::Summary;

/// Most keys of a chunk, for short answers.
const MAX_CHUNK_KEYS: usize = 4_096;
/// Fewest keys of a chunk, for long answers: enough to keep the cores busy.
const MIN_CHUNK_KEYS: usize = 32;
/// Rows of the answers to a chunk, within those bounds: 8 bytes each, then about 30 as text.
const CHUNK_ROWS: usize = 1 << 21;

/// The question about every key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Items for each user.
    Recommend,
    /// Items similar to each item.
    Similar,
    /// Items that complete each cart.
    Bundle,
    /// Users for each item.
    Audience,
}

impl Kind {
    /// The input column of the key; also the first output column.
    pub fn key_column(self) -> &'static str {
        match self {
            Self::Recommend => "user_id",
            Self::Similar | Self::Audience => "item_id",
            Self::Bundle => "cart_id",
        }
    }

    /// The output column of the answer. Columns are distinct, so similar items have a name of their own.
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

/// A batch to answer.
#[derive(Debug, Clone)]
pub struct Request {
    /// The question about every key.
    pub kind: Kind,
    /// Most rows per key, from 1 to [`Kind::max_count`].
    pub count: usize,
    /// The moment of the answers, unix seconds, clamped to the model's range as in the server
    /// ([`View::at`](qianmian_models::view::View::at)); if absent, the end of the model's data.
    pub at: Option<i64>,
    /// Leave out items that the user bought (recommend), or users who bought the item (audience).
    pub exclude_bought: bool,
    /// The policy for users without a recorded consent in the users table.
    pub consent: ConsentPolicy,
    /// Write `'` before CSV and TSV cells that a spreadsheet would run as a formula.
    pub neutralize_formulas: bool,
}

impl Request {
    /// # Errors
    /// Fails if the count is out of range.
    fn check(&self) -> anyhow::Result<()> {
        let (count, most) = (self.count, self.kind.max_count());
        ensure!((1..=most).contains(&count), "--count {count}: give 1 to {most}");
        Ok(())
    }

    /// Number of keys per chunk; independent of the number of threads, like the output.
    fn chunk_keys(&self) -> usize {
        (CHUNK_ROWS / self.count).clamp(MIN_CHUNK_KEYS, MAX_CHUNK_KEYS)
    }
}

/// Writes the answers to every key of `input` (a path or a pattern) to the file `output`, in the order of the input. A
/// repeated key is answered again.
///
/// # Errors
/// Fails if the request is invalid, a row of the input is bad (named by file and line), a file cannot be read to its
/// end, or the output cannot be written. An existing output file is then unchanged.
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
    let consents = Consents::new(&snapshot.user_attributes, request.consent);
    let answers = Answers::new(snapshot, &consents, request);
    let mut out = OutputFile::create(output, request, &source)?;
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
