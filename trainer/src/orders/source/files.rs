//! Resolves patterns to files, and detects their formats and compressions.

use crate::config::Format;
use anyhow::{Context, bail};
use qianmian_suggest::nearest;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not compressed.
    Plain,
    /// gzip, of one or more members.
    Gzip,
    /// zstd, of one or more frames.
    Zstd,
}

/// One input file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its path.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// Its compression.
    pub compression: Compression,
    /// Size on disk.
    pub bytes: u64,
    /// Its number among the files of its table.
    pub number: usize,
    /// Names and values of folders called `name=value`, as Hive and Spark write them.
    pub folders: Vec<(String, String)>,
}

impl SourceFile {
    /// The name that messages and the rejects file use.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// Finds the files of `patterns`, each file once, in the patterns' order and by name within one.
///
/// `field` is the configuration's name for the patterns.
///
/// # Errors
/// Fails if a pattern matches nothing (naming the nearest file) or is a folder, or if a file is empty or no table.
pub fn expand(field: &str, patterns: &[String], format: Option<Format>) -> anyhow::Result<Vec<SourceFile>> {
    if patterns.is_empty() {
        bail!("{field}: no files are named; give a file or a pattern such as \"data/*.csv.zst\"");
    }
    let mut files: Vec<SourceFile> = Vec::new();
    for pattern in patterns {
        for path in matches(field, pattern)? {
            if files.iter().all(|file| file.path != path) {
                let number = files.len();
                files.push(inspect(path, format, number)?);
            }
        }
    }
    Ok(files)
}

/// The files that match `pattern`. An existing name is taken literally, even with characters of patterns.
fn matches(field: &str, pattern: &str) -> anyhow::Result<Vec<PathBuf>> {
    let literal = PathBuf::from(pattern);
    if literal.is_dir() {
        bail!("{field}: {pattern} is a folder; give a pattern such as \"{pattern}/*.csv.zst\"");
    }
    if literal.exists() {
        return Ok(vec![literal]);
    }
    let found = glob::glob(pattern).with_context(|| format!("{field}: bad pattern {pattern:?}"))?;
    let mut paths = Vec::new();
    for path in found {
        let path = path.with_context(|| format!("{field}: cannot look into a folder of {pattern:?}"))?;
        if path.is_file() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        bail!("{field}: no file matches {pattern:?}{}", near_file(&literal));
    }
    Ok(paths)
}

/// "; the nearest name in data/ is `orders.csv`", or another hint.
fn near_file(wanted: &Path) -> String {
    let folder = match wanted.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return format!("; there is no folder {}", folder.display());
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let name = wanted.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match nearest(&name, names.iter().map(String::as_str)) {
        Some(near) => format!("; the nearest name in {} is `{near}`", folder.display()),
        None => format!("; {} has {} files, none with a similar name", folder.display(), names.len()),
    }
}

fn inspect(path: PathBuf, format: Option<Format>, number: usize) -> anyhow::Result<SourceFile> {
    let context = || format!("cannot open {}", path.display());
    let mut file = File::open(&path).with_context(context)?;
    let bytes = file.metadata().with_context(context)?.len();
    if bytes == 0 {
        bail!("{} is empty: not even a header; export it again or leave it out", path.display());
    }
    let mut magic = Vec::with_capacity(512);
    file.by_ref().take(512).read_to_end(&mut magic).with_context(context)?;
    let lower = path.to_string_lossy().to_lowercase();
    let compression = compression(&lower, &magic).with_context(|| path.display().to_string())?;
    let format = match format {
        Some(format) => format,
        None => by_content(&magic, &path)?.or_else(|| by_ending(&lower)).unwrap_or(Format::Csv),
    };
    let folders = folders(&path);
    if matches!(format, Format::Parquet | Format::Arrow | Format::Xlsx) && compression != Compression::Plain {
        bail!(
            "{}: unpack it first; {} files compress inside and are read in place",
            path.display(),
            format.name()
        );
    }
    Ok(SourceFile { path, format, compression, bytes, number, folders })
}

/// The format detected from a file's first bytes, regardless of its name.
fn by_content(magic: &[u8], path: &Path) -> anyhow::Result<Option<Format>> {
    let start =
        String::from_utf8_lossy(magic).trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']).to_lowercase();
    if start.starts_with("<html") || start.starts_with("<!doctype html") || start.starts_with("<table") {
        bail!(
            "{} is a web page that is named as a table; open it in a spreadsheet and save it as .xlsx",
            path.display()
        );
    }
    Ok(match magic {
        [b'P', b'A', b'R', b'1', ..] => Some(Format::Parquet),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] | [0xff, 0xff, 0xff, 0xff, ..] => Some(Format::Arrow),
        [b'P', b'K', 3, 4, ..] | [0xd0, 0xcf, 0x11, 0xe0, ..] => Some(Format::Xlsx),
        _ if start.starts_with(['{', '[']) && start.contains('"') => Some(Format::Jsonl),
        _ => None,
    })
}

/// The columns in the names of folders: `data/date=2024-01-01/part.csv` has the column `date`.
fn folders(path: &Path) -> Vec<(String, String)> {
    let names =
        path.parent().into_iter().flat_map(Path::components).filter_map(|part| part.as_os_str().to_str());
    let pair = |name: &str| {
        let (key, value) = name.split_once('=')?;
        let value = if value == "__HIVE_DEFAULT_PARTITION__" { String::new() } else { unescaped(value) };
        (!key.is_empty()).then(|| (key.to_owned(), value))
    };
    names.filter_map(pair).collect()
}

/// Decodes percent-encoding: `%3A` is `:`.
fn unescaped(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped =
            tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match escaped.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The compression indicated by the ending of a name in lower case.
pub fn packed_by_ending(lower_name: &str) -> Compression {
    if lower_name.ends_with(".gz") {
        Compression::Gzip
    } else if lower_name.ends_with(".zst") || lower_name.ends_with(".zstd") {
        Compression::Zstd
    } else {
        Compression::Plain
    }
}

/// The compression of the content; it is an error if the name indicates a compression and the content has none.
fn compression(lower_name: &str, magic: &[u8]) -> anyhow::Result<Compression> {
    let promised = packed_by_ending(lower_name);
    // A zstd file may begin with a skippable frame, 0x184D2A50 to 0x184D2A5F.
    let found = match magic {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        _ => Compression::Plain,
    };
    if found == Compression::Plain && promised != Compression::Plain {
        bail!("the name promises {promised:?} but the content is not; it is cut off, or misnamed");
    }
    Ok(found)
}

/// The format indicated by the ending of a name in lower case, without the ending of its compression.
pub fn by_ending(lower_name: &str) -> Option<Format> {
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|end| lower_name.strip_suffix(end));
    match name.unwrap_or(lower_name).rsplit_once('.')?.1 {
        "csv" => Some(Format::Csv),
        "tsv" => Some(Format::Tsv),
        "jsonl" | "ndjson" | "json" => Some(Format::Jsonl),
        "parquet" | "pq" => Some(Format::Parquet),
        "arrow" | "feather" | "ipc" => Some(Format::Arrow),
        "xlsx" | "xls" | "xlsm" | "xlsb" => Some(Format::Xlsx),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Compression, by_content, by_ending, compression, folders};
    use crate::config::Format;
    use std::path::Path;

    #[test]
    fn content_tells_workbooks_and_json_whatever_their_names() {
        let told = |bytes: &[u8]| by_content(bytes, Path::new("a.csv")).ok();
        assert_eq!(told(b"PK\x03\x04rest"), Some(Some(Format::Xlsx)));
        assert_eq!(told(b" [\n{\"a\": 1}]"), Some(Some(Format::Jsonl)));
        assert_eq!(told(b"a,b\n1,2\n"), Some(None));
        assert_eq!(told(b"<html><table>"), None);
    }

    #[test]
    fn folders_of_hive_are_columns() {
        let got = folders(Path::new("data/date=2024-01-01/hour=08%3A00/a.csv"));
        assert_eq!(
            got,
            [("date".to_owned(), "2024-01-01".to_owned()), ("hour".to_owned(), "08:00".to_owned())]
        );
    }

    #[test]
    fn the_ending_before_a_compression_gives_the_format() {
        assert_eq!(by_ending("a/b.csv.zst"), Some(Format::Csv));
        assert_eq!(by_ending("b.tsv"), Some(Format::Tsv));
        assert_eq!(by_ending("b.ndjson.gz"), Some(Format::Jsonl));
        assert_eq!(by_ending("b.parquet"), Some(Format::Parquet));
        assert_eq!(by_ending("b.txt.zst"), None);
    }

    #[test]
    fn content_decides_the_compression() {
        assert_eq!(compression("a.csv", &[0x1f, 0x8b, 8, 0]).ok(), Some(Compression::Gzip));
        assert_eq!(compression("a.csv.zst", &[0x28, 0xb5, 0x2f, 0xfd]).ok(), Some(Compression::Zstd));
        assert_eq!(compression("a.csv", b"a,b\n").ok(), Some(Compression::Plain));
        assert!(compression("a.csv.zst", &[0x28, 0xb5]).is_err());
        assert!(compression("a.csv.gz", b"a,b\n").is_err());
    }
}
