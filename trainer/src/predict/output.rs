//! The output file: written under a temporary name and renamed when it is complete.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as ParquetCompression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::Request;
use super::rows::{Encoder, Part};
use crate::config::Format;
use crate::orders::source::{Compression, Source, by_ending, packed_by_ending};

/// The zstd level: the lowest, so that compression keeps up with the model.
const ZSTD_LEVEL: i32 = 1;

/// A file that gets its final name in [`OutputFile::finish`]; if dropped before, it is removed.
pub struct OutputFile {
    /// `None` once finished.
    sink: Option<Sink>,
    encoder: Encoder,
    path: PathBuf,
    unfinished: PathBuf,
}

enum Sink {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
    Parquet(Box<ArrowWriter<File>>),
}

impl OutputFile {
    /// Starts the file `path`; its ending decides the format.
    ///
    /// # Errors
    /// Fails if the ending is unknown, the file is one of `source`, or it cannot be created.
    pub fn create(path: &Path, request: &Request, source: &Source) -> anyhow::Result<Self> {
        let (encoder, compression) = format(path, request)?;
        let same =
            |input: &Path| input.canonicalize().ok().is_some_and(|i| path.canonicalize().ok() == Some(i));
        if source.files().iter().any(|file| same(&file.path)) {
            bail!("--output {}: this is the input; give another name", path.display());
        }
        if path.is_dir() {
            bail!("--output {}: this is a folder; give the name of a file in it", path.display());
        }
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(format!(".{}.tmp", std::process::id()));
        let unfinished = PathBuf::from(unfinished);
        let file = File::create(&unfinished)
            .with_context(|| format!("--output: cannot create {}", unfinished.display()))?;
        let mut out = Self { sink: None, encoder, path: path.to_owned(), unfinished };
        out.sink = Some(Sink::open(file, &out.encoder, compression).with_context(|| out.context())?);
        out.write(Part::Text(out.encoder.header().into_bytes()))?;
        Ok(out)
    }

    /// The encoder of its rows.
    pub fn encoder(&self) -> Encoder {
        self.encoder.clone()
    }

    /// Appends rows.
    ///
    /// # Errors
    /// Fails if the disk is full.
    pub fn write(&mut self, part: Part) -> anyhow::Result<()> {
        self.sink.as_mut().map_or(Ok(()), |sink| sink.write(part)).with_context(|| self.context())
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// Fails if the disk is full or the file cannot be renamed.
    pub fn finish(mut self) -> anyhow::Result<()> {
        if let Some(sink) = self.sink.take()
            && let Err(error) =
                sink.finish().and_then(|()| Ok(std::fs::rename(&self.unfinished, &self.path)?))
        {
            let _ = std::fs::remove_file(&self.unfinished);
            return Err(error.context(self.context()));
        }
        Ok(())
    }

    fn context(&self) -> String {
        format!("cannot write {}", self.path.display())
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        // Answering failed half-way; a partial output would look complete.
        if self.sink.take().is_some() {
            let _ = std::fs::remove_file(&self.unfinished);
        }
    }
}

impl Sink {
    fn open(file: File, encoder: &Encoder, compression: Compression) -> anyhow::Result<Self> {
        if let Encoder::Columns(schema) = encoder {
            let codec = ParquetCompression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?);
            let properties = WriterProperties::builder().set_compression(codec).build();
            return Ok(Self::Parquet(Box::new(ArrowWriter::try_new(
                file,
                schema.clone(),
                Some(properties),
            )?)));
        }
        let out = BufWriter::with_capacity(1 << 18, file);
        Ok(match compression {
            Compression::Plain => Self::Plain(out),
            Compression::Gzip => Self::Gzip(GzEncoder::new(out, flate2::Compression::fast())),
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(out, ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
        })
    }

    fn write(&mut self, part: Part) -> anyhow::Result<()> {
        match (self, part) {
            (Self::Plain(out), Part::Text(text)) => out.write_all(&text)?,
            (Self::Gzip(out), Part::Text(text)) => out.write_all(&text)?,
            (Self::Zstd(out), Part::Text(text)) => out.write_all(&text)?,
            // Row groups of a million rows bound the writer's memory.
            (Self::Parquet(out), Part::Batch(batch)) => out.write(&batch)?,
            // A Parquet file has no header row.
            (Self::Parquet(_), Part::Text(text)) if text.is_empty() => {}
            _ => bail!("text rows for a Parquet file, or the reverse"),
        }
        Ok(())
    }

    /// Writes buffered bytes and syncs, because a full disk may be reported only then.
    fn finish(self) -> anyhow::Result<()> {
        let buffered = match self {
            Self::Plain(out) => out,
            Self::Gzip(out) => out.finish()?,
            Self::Zstd(out) => out.finish()?,
            Self::Parquet(out) => return Ok(out.into_inner()?.sync_all()?),
        };
        buffered.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        Ok(())
    }
}

fn format(path: &Path, request: &Request) -> anyhow::Result<(Encoder, Compression)> {
    let lower = path.to_string_lossy().to_lowercase();
    let compression = packed_by_ending(&lower);
    let Request { kind, neutralize_formulas, .. } = *request;
    let delimited = |delimiter| Encoder::Delimited { delimiter, kind, neutralize: neutralize_formulas };
    let encoder = match by_ending(&lower) {
        Some(Format::Csv) => delimited(b','),
        Some(Format::Tsv) => delimited(b'\t'),
        _ if neutralize_formulas => bail!(
            "--neutralize-formulas: only .csv and .tsv files are opened by spreadsheets; leave it out for {}",
            path.display()
        ),
        Some(Format::Jsonl) => Encoder::JsonLines(kind),
        Some(Format::Parquet) if compression == Compression::Plain => Encoder::columns(kind),
        _ => bail!(
            "--output {}: end the name in .csv, .tsv, .jsonl (each also .gz or .zst) or .parquet",
            path.display()
        ),
    };
    Ok((encoder, compression))
}
