//! The rejects file, and the limit on rejected rows.

use super::summary::Reason;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// Most characters of a rejected row that are kept.
const SHOWN_CHARS: usize = 2000;

/// Writes rejected rows as they occur: columns file, line, reason, row. The file gets its final
/// name only when it is complete.
pub struct Rejects {
    path: Option<PathBuf>,
    writer: Option<csv::Writer<BufWriter<File>>>,
}

impl Rejects {
    /// Starts the file; without a path, rows are only counted.
    ///
    /// # Errors
    /// Fails if the file cannot be created.
    pub fn create(path: Option<PathBuf>) -> anyhow::Result<Self> {
        let mut writer = None;
        if let Some(path) = &path {
            let temporary = temporary(path);
            let file = File::create(&temporary)
                .with_context(|| format!("cannot create the rejects file {}", temporary.display()))?;
            let mut csv = csv::Writer::from_writer(BufWriter::new(file));
            csv.write_record(["file", "line", "reason", "row"]).context("cannot write the rejects file")?;
            writer = Some(csv);
        }
        Ok(Self { path, writer })
    }

    fn add(&mut self, file: &str, line: u64, reason: Reason, shown: &str) -> anyhow::Result<()> {
        if let Some(writer) = &mut self.writer {
            let end = shown.char_indices().nth(SHOWN_CHARS).map_or(shown.len(), |(end, _)| end);
            writer
                .write_record([file, &line.to_string(), reason.text(), &shown[..end]])
                .context("cannot write the rejects file")?;
        }
        Ok(())
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// Fails if the disk is full or the file cannot be renamed.
    pub fn finish(mut self) -> anyhow::Result<()> {
        if let (Some(writer), Some(path)) = (self.writer.take(), self.path.take()) {
            let context = || format!("cannot write the rejects file {}", path.display());
            let buffer = writer.into_inner().map_err(|error| error.into_error()).with_context(context)?;
            let file = buffer.into_inner().map_err(|error| error.into_error()).with_context(context)?;
            file.sync_all().with_context(context)?;
            std::fs::rename(temporary(&path), &path).with_context(context)?;
        }
        Ok(())
    }
}

impl Drop for Rejects {
    fn drop(&mut self) {
        // Reading failed half-way, so the file is incomplete.
        if let (Some(_), Some(path)) = (self.writer.take(), self.path.take()) {
            let _ = std::fs::remove_file(temporary(&path));
        }
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// The advice for rows that are not in the encoding detected from the rest of the file.
pub fn encoding_cure() -> String {
    "name the encoding, if it is Chinese for instance encoding = \"gb18030\", or convert the file: iconv -f GBK -t UTF-8"
        .to_owned()
}

/// Rejected rows of one table by reason, with the first place of each.
#[derive(Debug, Default)]
pub struct Tally {
    reasons: BTreeMap<Reason, (u64, String, u64)>,
}

impl Tally {
    /// Counts a row and writes it to `rejects`.
    ///
    /// # Errors
    /// Fails if the rejects file cannot be written.
    pub fn reject(
        &mut self,
        rejects: &mut Rejects,
        file: &str,
        line: u64,
        reason: Reason,
        shown: &str,
    ) -> anyhow::Result<()> {
        let (count, _, _) = self.reasons.entry(reason).or_insert_with(|| (0, file.to_owned(), line));
        *count += 1;
        rejects.add(file, line, reason, shown)
    }

    /// Rows rejected.
    pub fn total(&self) -> u64 {
        self.reasons.values().map(|(count, _, _)| count).sum()
    }

    /// Rows rejected by reason.
    pub fn counts(&self) -> BTreeMap<Reason, u64> {
        self.reasons.iter().map(|(reason, (count, _, _))| (*reason, *count)).collect()
    }

    /// Fails if more than `max_ratio` of `rows` were rejected.
    ///
    /// # Errors
    /// The error names the three most frequent reasons with a place each, and the cure.
    pub fn check(&self, table: &str, rows: u64, max_ratio: f64) -> anyhow::Result<()> {
        let total = self.total();
        if total as f64 <= max_ratio * rows as f64 {
            return Ok(());
        }
        let mut top: Vec<_> = self.reasons.iter().collect();
        top.sort_by_key(|(_, (count, _, _))| std::cmp::Reverse(*count));
        let reasons: Vec<String> = top
            .iter()
            .take(3)
            .map(|(reason, (count, file, line))| {
                format!("{count} {} (first at {file}:{line})", reason.text())
            })
            .collect();
        let cure = match top.first() {
            Some((Reason::InvalidUtf8, _)) => encoding_cure(),
            Some((Reason::RoundedId, _)) => {
                "a spreadsheet rounded ids (6.92E+11), so that different ones look alike; export them as text"
                    .to_owned()
            }
            _ => "correct the rows or the configuration, or raise --max-reject-ratio".to_owned(),
        };
        bail!(
            "{total} of {rows} rows of {table} were rejected ({:.1} %), more than {:.1} %: {}; {cure}",
            100.0 * total as f64 / rows as f64,
            100.0 * max_ratio,
            reasons.join(", ")
        );
    }
}
