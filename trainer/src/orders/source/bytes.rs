//! Reads a file's bytes: decompressed, counted, as UTF-8 and without a byte order mark.

use super::encoding::{Decoded, detect};
use super::files::{Compression, SourceFile};
use anyhow::{Context, bail};
use encoding_rs::{Encoding, UTF_8};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// Longest line in bytes; the limit bounds the memory for a file without line ends.
pub const MAX_ROW_BYTES: u64 = 64 << 20;

const BUFFER: usize = 1 << 18;

/// The text encoding of a file.
#[derive(Debug, Clone, Copy)]
pub struct TextEncoding {
    /// The encoding.
    pub encoding: &'static Encoding,
    /// Length of the byte order mark, in bytes.
    pub mark: usize,
    /// True if detected from the bytes, false if configured.
    pub guessed: bool,
}

impl TextEncoding {
    /// The encoding of a file: the one named by `label`, else detected from the bytes.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is empty, or if `label` names no encoding.
    pub fn of(file: &SourceFile, label: Option<&str>) -> anyhow::Result<Self> {
        let read = Cell::new(0);
        let mut text = unpacked(file, &read)?;
        if text.fill_buf().map_err(|error| read_error(file, 0, error))?.is_empty() {
            bail!("{} is empty: not even a header; export it again or leave it out", file.name());
        }
        if let Some(label) = label {
            let encoding = Encoding::for_label(label.as_bytes()).with_context(|| {
                format!("encoding = {label:?} is unknown; use a label such as \"gb18030\"")
            })?;
            let start = text.fill_buf().map_err(|error| read_error(file, 0, error))?;
            let mark = Encoding::for_bom(start)
                .filter(|(marked, _)| *marked == encoding)
                .map_or(0, |(_, mark)| mark);
            return Ok(Self { encoding, mark, guessed: false });
        }
        let (encoding, mark) = detect(&mut text).map_err(|error| read_error(file, 0, error))?;
        Ok(Self { encoding, mark, guessed: encoding != UTF_8 })
    }
}

/// Opens `file` for reading decompressed text. `read` counts the compressed bytes read.
///
/// # Errors
/// Fails if the file cannot be opened, or if its beginning is damaged.
pub fn open<'a>(
    file: &SourceFile,
    encoding: TextEncoding,
    read: &'a Cell<u64>,
) -> anyhow::Result<Box<dyn BufRead + 'a>> {
    let mut text = unpacked(file, read)?;
    let mut mark = encoding.mark;
    while mark > 0 {
        let there = text.fill_buf().map_err(|error| read_error(file, 0, error))?.len().min(mark);
        if there == 0 {
            break;
        }
        text.consume(there);
        mark -= there;
    }
    if encoding.encoding == UTF_8 {
        return Ok(text);
    }
    Ok(Box::new(BufReader::with_capacity(BUFFER, Decoded::new(text, encoding.encoding))))
}

fn unpacked<'a>(file: &SourceFile, read: &'a Cell<u64>) -> anyhow::Result<Box<dyn BufRead + 'a>> {
    let raw = File::open(&file.path).with_context(|| format!("cannot open {}", file.name()))?;
    let counted = Counted { inner: raw, read };
    Ok(match file.compression {
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
    })
}

/// The error for a read that fails inside a file; callers must not take it for the end of the file.
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

/// Reads one line without its end into `line` (cleared first). `false` at the end of the file.
///
/// # Errors
/// Fails on an I/O error, or if the line is longer than [`MAX_ROW_BYTES`].
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
