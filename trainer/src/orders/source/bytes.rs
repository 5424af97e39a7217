//! A file's bytes, unpacked, counted, and free of a byte order mark.

use super::files::{Compression, SourceFile};
use anyhow::{Context, bail};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// Longest row in bytes. A quote that is never closed makes a row of the rest of the file; the
/// limit keeps such a file from filling the memory.
pub const MAX_ROW_BYTES: u64 = 64 << 20;

const BUFFER: usize = 1 << 18;

/// Opens `file` for reading unpacked text. `read` grows by the packed bytes as they are read.
///
/// # Errors
/// When the file cannot be opened, starts damaged, holds nothing, or is UTF-16.
pub fn open<'a>(file: &SourceFile, read: &'a Cell<u64>) -> anyhow::Result<Box<dyn BufRead + 'a>> {
    let raw = File::open(&file.path).with_context(|| format!("cannot open {}", file.name()))?;
    let counted = Counted { inner: raw, read };
    let mut text: Box<dyn BufRead + 'a> = match file.compression {
        Compression::Plain => Box::new(BufReader::with_capacity(BUFFER, counted)),
        Compression::Gzip => {
            let packed = BufReader::with_capacity(BUFFER, counted);
            Box::new(BufReader::with_capacity(BUFFER, flate2::bufread::MultiGzDecoder::new(packed)))
        }
        Compression::Zstd => {
            let unpacked = zstd::stream::read::Decoder::new(counted)
                .with_context(|| format!("cannot unpack {}", file.name()))?;
            Box::new(BufReader::with_capacity(BUFFER, unpacked))
        }
    };
    skip_mark(&mut text, file)?;
    Ok(text)
}

fn skip_mark(text: &mut dyn BufRead, file: &SourceFile) -> anyhow::Result<()> {
    let start = text.fill_buf().map_err(|error| read_error(file, 0, error))?;
    if start.is_empty() {
        bail!("{} is empty: not even a header; export it again or leave it out", file.name());
    }
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        bail!("{}", utf16(file));
    }
    if start.starts_with(&[0xef, 0xbb, 0xbf]) {
        text.consume(3);
    }
    Ok(())
}

/// What to tell of a UTF-16 file.
pub fn utf16(file: &SourceFile) -> String {
    let name = file.name();
    format!("{name} is UTF-16, not UTF-8; convert it: iconv -f UTF-16 -t UTF-8 {name} > utf8.csv")
}

/// What to tell when reading fails in the midst of a file. Never let it pass for the end.
pub fn read_error(file: &SourceFile, line: u64, error: impl Into<anyhow::Error>) -> anyhow::Error {
    let what = match file.compression {
        Compression::Plain => "cannot be read on",
        Compression::Gzip => "is cut off or damaged (gzip); copy it again",
        Compression::Zstd => "is cut off or damaged (zstd); copy it again",
    };
    error.into().context(format!("{} {what}, after line {line}", file.name()))
}

struct Counted<'a> {
    inner: File,
    read: &'a Cell<u64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.set(self.read.get() + n as u64);
        Ok(n)
    }
}

/// Fails after [`MAX_ROW_BYTES`] without a reset of `left`, which the caller does at each row.
pub struct Limited<'a, R> {
    /// Where the bytes come from.
    pub inner: R,
    /// Bytes that may still be read for this row.
    pub left: &'a Cell<u64>,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if n as u64 > self.left.get() {
            return Err(io::Error::other("a row is longer than 64 MiB; a quote may never be closed"));
        }
        self.left.set(self.left.get() - n as u64);
        Ok(n)
    }
}

/// Reads one line without its end into `line` (cleared first). `false` at the end of the file.
///
/// # Errors
/// When reading fails or the line is longer than [`MAX_ROW_BYTES`].
pub fn read_line(text: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut limited = text.take(MAX_ROW_BYTES);
    if limited.read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.len() as u64 >= MAX_ROW_BYTES {
        return Err(io::Error::other("a line is longer than 64 MiB"));
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(true)
}
