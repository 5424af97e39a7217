//! The files of the demo shop: written under temporary names and renamed when complete.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::Serialize;

use super::columns;

/// The zstd level: the lowest, so that compression keeps up with the generator.
const ZSTD_LEVEL: i32 = 1;

/// The file format of the orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OrdersFormat {
    /// orders.csv
    Csv,
    /// orders.csv.zst, about a sixth of the size
    #[value(name = "csv.zst", alias = "csv-zst")]
    CsvZst,
    /// orders.parquet
    Parquet,
}

impl OrdersFormat {
    /// The name of the orders' file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "orders.csv",
            Self::CsvZst => "orders.csv.zst",
            Self::Parquet => "orders.parquet",
        }
    }
}

/// A part of a table, ready to be written.
pub enum Rows {
    /// CSV rows without a header, and their number.
    Text(Vec<u8>, u64),
    /// A batch of order lines.
    Batch(RecordBatch),
}

/// A written file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileSummary {
    /// Its name in the output folder.
    pub name: String,
    /// Rows without the header.
    pub rows: u64,
    /// Size on disk.
    pub bytes: u64,
}

enum Sink {
    Plain(BufWriter<File>),
    Zstd(Box<zstd::Encoder<'static, BufWriter<File>>>),
    Parquet(Box<ArrowWriter<File>>),
}

/// A file being written; it gets its name by [`TableFile::finish`].
pub struct TableFile {
    sink: Sink,
    name: String,
    unfinished: PathBuf,
    path: PathBuf,
    rows: u64,
}

impl TableFile {
    /// Starts `folder/name`. A name ending in `.zst` is compressed, one in `.parquet` has order lines; text files start
    /// with `header`.
    ///
    /// # Errors
    /// Fails if the file cannot be created or written.
    pub fn create(folder: &Path, name: &str, header: &str) -> anyhow::Result<Self> {
        let path = folder.join(name);
        let unfinished = folder.join(format!("{name}.tmp"));
        let file = File::create(&unfinished).with_context(|| format!("creating {}", unfinished.display()))?;
        let sink = if name.ends_with(".parquet") {
            let level = ZstdLevel::try_new(ZSTD_LEVEL)?;
            let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
            Sink::Parquet(Box::new(ArrowWriter::try_new(file, columns::schema(), Some(properties))?))
        } else if name.ends_with(".zst") {
            let mut encoder = zstd::Encoder::new(BufWriter::with_capacity(1 << 18, file), ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            Sink::Zstd(Box::new(encoder))
        } else {
            Sink::Plain(BufWriter::with_capacity(1 << 18, file))
        };
        let mut table = Self { sink, name: name.to_owned(), unfinished, path, rows: 0 };
        if !matches!(table.sink, Sink::Parquet(_)) {
            table.write(&Rows::Text(header.as_bytes().to_vec(), 0))?;
        }
        Ok(table)
    }

    /// Appends rows.
    ///
    /// # Errors
    /// Fails if the disk is full, or if the rows have another format than the file.
    pub fn write(&mut self, rows: &Rows) -> anyhow::Result<()> {
        let rows_written = match (&mut self.sink, rows) {
            (Sink::Plain(out), Rows::Text(text, n)) => out.write_all(text).map(|()| *n).map_err(Into::into),
            (Sink::Zstd(out), Rows::Text(text, n)) => out.write_all(text).map(|()| *n).map_err(Into::into),
            (Sink::Parquet(out), Rows::Batch(batch)) => {
                out.write(batch).map(|()| batch.num_rows() as u64).map_err(anyhow::Error::from)
            }
            _ => Err(anyhow::anyhow!("text rows for a Parquet file, or the reverse")),
        };
        self.rows += rows_written.with_context(|| format!("writing {}", self.unfinished.display()))?;
        Ok(())
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// Fails if the disk is full or the file cannot be renamed.
    pub fn finish(self) -> anyhow::Result<FileSummary> {
        let context = || format!("writing {}", self.unfinished.display());
        let file = match self.sink {
            Sink::Plain(out) => out.into_inner().map_err(|e| e.into_error()).with_context(context)?,
            Sink::Zstd(out) => {
                let out = out.finish().with_context(context)?;
                out.into_inner().map_err(|e| e.into_error()).with_context(context)?
            }
            Sink::Parquet(out) => out.into_inner().with_context(context)?,
        };
        let bytes = file.metadata().with_context(context)?.len();
        std::fs::rename(&self.unfinished, &self.path)
            .with_context(|| format!("renaming {} to {}", self.unfinished.display(), self.path.display()))?;
        Ok(FileSummary { name: self.name, rows: self.rows, bytes })
    }
}
