//! Rows of a table from files of any format: found, decompressed, decoded, with their columns located.
//!
//! A source yields rows of cells by canonical column. Properties detected from the content of a file (encoding,
//! delimiter, header, columns) are kept in [`FileFacts`] for the account.

mod arrow_rows;
mod bytes;
mod dialect;
mod encoding;
mod files;
mod json_rows;
mod json_values;
mod locate;
mod records;
mod row;
mod sequence_rows;
mod sheet;
mod text_rows;
mod unnest;

pub use files::{Compression, SourceFile, by_ending, expand, packed_by_ending};
pub use locate::{FileFacts, Need, Wanted};
pub use row::{Event, Flow, LIST_MARK, Row, plain};

use crate::config::{Format, Table, TableConfig, folded};
use anyhow::bail;
use bytes::TextEncoding;
use dialect::{Dialect, Known};
use locate::Resolved;
use records::Records;
use rustc_hash::FxHashSet;
use sheet::Sheet;
use std::cell::Cell;
use std::io::Read as _;
use text_rows::Shape;
use unnest::Unnester;

/// Bytes of a file's beginning from which its layout is detected.
const SAMPLE: u64 = 256 << 10;

/// Counts of a file's physical lines by outcome; for Parquet and Arrow files, of their rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Lines {
    /// Lines of rows, good or bad.
    pub rows: u64,
    /// Lines of headers.
    pub header: u64,
    /// Lines before the header.
    pub before: u64,
    /// Blank lines; for JSON also lines with only brackets.
    pub blank: u64,
    /// Of `rows`: lines with a quote that is never closed, read literally.
    pub literal: u64,
}

impl Lines {
    /// All lines.
    pub fn total(&self) -> u64 {
        self.rows + self.header + self.before + self.blank
    }

    /// Adds the lines of another file.
    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.header += other.header;
        self.before += other.before;
        self.blank += other.blank;
        self.literal += other.literal;
    }
}

/// The origin of the file names; it decides which cure an error can offer, and which columns are read.
#[derive(Debug, Clone, Copy)]
enum NamedBy {
    /// A section of the configuration, which can map column names. All columns are read, so that
    /// exact duplicates can be detected.
    Section(Table),
    /// An argument of the command line. Only the wanted columns are read, if the format allows it.
    Argument(&'static str),
}

/// The layout of a file, detected from its beginning.
enum Body {
    Text { encoding: TextEncoding, dialect: Dialect },
    Json { encoding: TextEncoding, layout: json_values::Layout, names: Vec<String>, objects: Vec<String> },
    Columns { names: Vec<String> },
    Sheet(Sheet),
    Sequences { encoding: TextEncoding },
}

impl Body {
    fn names(&self) -> Vec<String> {
        match self {
            Self::Text { dialect, .. } => dialect.names.clone(),
            Self::Json { names, .. } | Self::Columns { names } => names.clone(),
            Self::Sheet(sheet) => sheet.dialect.names.clone(),
            Self::Sequences { .. } => sequence_rows::COLUMNS.map(str::to_owned).to_vec(),
        }
    }

    fn dialect(&self) -> Option<&Dialect> {
        match self {
            Self::Text { dialect, .. } => Some(dialect),
            Self::Sheet(sheet) => Some(&sheet.dialect),
            _ => None,
        }
    }
}

/// The files of one table.
pub struct Source {
    named_by: NamedBy,
    files: Vec<SourceFile>,
    bodies: Vec<Body>,
    /// The separator of lists in cells of items, quantities and prices.
    split: Option<String>,
}

impl Source {
    /// Finds the table's files and examines their beginnings.
    ///
    /// # Errors
    /// Fails if a pattern matches nothing, or if a file is empty or invalid for its format.
    pub fn open(table: Table, options: &TableConfig) -> anyhow::Result<Self> {
        let name = table.name();
        let files = files::expand(&format!("{name}.files"), &options.files, options.format)?;
        let sequences = files.iter().filter(|file| file.format == Format::Sequences).count();
        if sequences > 0 && (sequences < files.len() || !options.columns.is_empty()) {
            bail!("{name}.format: sequences have no columns to map and cannot be mixed with other formats");
        }
        let own =
            table.columns().iter().flat_map(|column| column.aliases.iter().copied().chain([column.name]));
        let named = options.columns.values().flat_map(|column| column.names()).map(String::as_str);
        let filters = options.keep_when.keys().chain(options.drop_when.keys()).map(String::as_str);
        let known = Known::new(own.chain(named).chain(filters));
        let bodies = files.iter().map(|file| look(file, options, &known)).collect::<anyhow::Result<_>>()?;
        Ok(Self { named_by: NamedBy::Section(table), files, bodies, split: None })
    }

    /// Finds the files that `argument` (such as `--input`) names by a path or a pattern.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn of_argument(argument: &'static str, path: &str) -> anyhow::Result<Self> {
        let files = files::expand(argument, &[path.to_owned()], None)?;
        let options = TableConfig::default();
        let known = Known::new(["user_id", "item_id", "cart_id"].into_iter());
        let bodies = files.iter().map(|file| look(file, &options, &known)).collect::<anyhow::Result<_>>()?;
        Ok(Self { named_by: NamedBy::Argument(argument), files, bodies, split: None })
    }

    /// Sets the separator of lists in cells of items, quantities and prices.
    pub fn split_lists(&mut self, separator: Option<String>) {
        self.split = separator.filter(|separator| !separator.is_empty());
    }

    /// True if the files are sequences, which have no baskets and no times.
    pub fn is_sequences(&self) -> bool {
        self.has_format(Format::Sequences)
    }

    /// True if all files have this format.
    pub fn has_format(&self, format: Format) -> bool {
        self.files.first().is_some_and(|file| file.format == format)
    }

    /// The files in reading order.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// Size on disk of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The column names of each file, in order, followed by those of its folders.
    pub fn headers(&self) -> Vec<Vec<String>> {
        let header = |(file, body): (&SourceFile, &Body)| {
            let mut names = body.names();
            names.extend(file.folders.iter().map(|(name, _)| name.clone()));
            names
        };
        self.files.iter().zip(&self.bodies).map(header).collect()
    }

    /// Checks every file for the columns before any file is read completely; returns the findings.
    ///
    /// # Errors
    /// Fails if a needed column is missing, naming the nearest one.
    pub fn check(&self, wanted: &[Wanted]) -> anyhow::Result<Vec<FileFacts>> {
        let facts = |(file, body)| Ok(self.resolve(file, body, wanted)?.facts);
        self.files.iter().zip(&self.bodies).map(facts).collect()
    }

    /// Passes every row of every file to `sink`; `read` counts the bytes on disk read so far. Returns the line counts
    /// of each file.
    ///
    /// # Errors
    /// Fails if a needed column is missing, a file cannot be read to its end, or `sink` fails.
    pub fn each_row(
        &self,
        wanted: &[Wanted],
        read: &Cell<u64>,
        sink: &mut dyn FnMut(&SourceFile, Event<'_>) -> anyhow::Result<Flow>,
    ) -> anyhow::Result<Vec<Lines>> {
        let mut seen_users = FxHashSet::default();
        let stopped = Cell::new(false);
        let mut lines = Vec::with_capacity(self.files.len());
        for (file, body) in self.files.iter().zip(&self.bodies) {
            let mut sink = |event: Event<'_>| {
                let flow = sink(file, event)?;
                stopped.set(flow == Flow::Enough);
                Ok(flow)
            };
            let resolved = self.resolve(file, body, wanted)?;
            let ragged = file.format == Format::Baskets;
            let shape = Shape { columns: &resolved.columns, constants: &resolved.constants, ragged };
            let mut unnester = Unnester::new(&resolved.unnest);
            lines.push(match body {
                Body::Text { encoding, dialect } => {
                    let text = bytes::open(file, *encoding, read)?;
                    let mut records = Records::new(text, dialect.writing.clone(), 1);
                    records.expect(if ragged { 0 } else { dialect.width });
                    let line = Cell::new(0);
                    let mut next = |record: &mut records::Record| {
                        let more = records
                            .read(record)
                            .map_err(|error| bytes::read_error(file, line.get(), error))?;
                        line.set(record.line + record.lines - 1);
                        Ok(more)
                    };
                    text_rows::each(dialect, &shape, &mut next, &mut unnester, &mut sink)?
                }
                Body::Sheet(sheet) => {
                    let mut row = 0;
                    let mut next = |record: &mut records::Record| {
                        row += 1;
                        Ok(sheet.read(row - 1, record))
                    };
                    let lines = text_rows::each(&sheet.dialect, &shape, &mut next, &mut unnester, &mut sink)?;
                    read.set(read.get() + file.bytes);
                    lines
                }
                Body::Json { encoding, layout, names, .. } => {
                    let mut text = bytes::open(file, *encoding, read)?;
                    json_rows::each(file, &mut text, (layout, names), &shape, &mut unnester, &mut sink)?
                }
                Body::Columns { .. } => {
                    let whole = matches!(self.named_by, NamedBy::Section(_));
                    arrow_rows::each(file, &shape, whole, read, &mut unnester, &mut sink)?
                }
                Body::Sequences { encoding } => {
                    let mut text = bytes::open(file, *encoding, read)?;
                    sequence_rows::each(file, &mut text, &resolved.columns, &mut seen_users, &mut sink)?
                }
            });
            if stopped.get() {
                break;
            }
        }
        Ok(lines)
    }

    fn resolve(&self, file: &SourceFile, body: &Body, wanted: &[Wanted]) -> anyhow::Result<Resolved> {
        let is_elsewhere = |source: &str| self.headers().iter().flatten().any(|name| is_called(name, source));
        locate::resolve(self.named_by, file, body, wanted, self.split.as_ref(), &is_elsewhere)
    }
}

/// Detects the layout of a file from its beginning.
fn look(file: &SourceFile, options: &TableConfig, known: &Known) -> anyhow::Result<Body> {
    let read = Cell::new(0);
    let label = options.encoding.as_deref();
    match file.format {
        Format::Parquet | Format::Arrow => Ok(Body::Columns { names: arrow_rows::header(file)? }),
        Format::Xlsx => Ok(Body::Sheet(Sheet::open(file, options, known)?)),
        Format::Sequences => Ok(Body::Sequences { encoding: TextEncoding::of(file, label)? }),
        Format::Jsonl => {
            let encoding = TextEncoding::of(file, label)?;
            let is_row = |value: &serde_json::Value| {
                let mut names = Vec::new();
                json_rows::paths(value, "", &mut names, &mut Vec::new());
                known.count(&names) >= 2
            };
            let layout = json_values::layout(file, &mut bytes::open(file, encoding, &read)?, &is_row)?;
            let (names, objects) = json_rows::keys(file, &mut bytes::open(file, encoding, &read)?, &layout)?;
            Ok(Body::Json { encoding, layout, names, objects })
        }
        Format::Csv | Format::Tsv | Format::Baskets | Format::OneHot => {
            let encoding = TextEncoding::of(file, label)?;
            let mut sample = Vec::new();
            let text = bytes::open(file, encoding, &read)?;
            text.take(SAMPLE).read_to_end(&mut sample).map_err(|error| bytes::read_error(file, 0, error))?;
            if sample.is_empty() {
                bail!("{} is empty: not even a header; export it again or leave it out", file.name());
            }
            let whole = (sample.len() as u64) < SAMPLE;
            let mut dialect = dialect::sniff(&sample, whole, file.format, options, known);
            if file.format == Format::Baskets {
                (dialect.has_header, dialect.before) = (false, options.skip_lines.unwrap_or(0));
            }
            if file.format == Format::OneHot {
                dialect.name_columns(&sample);
            }
            Ok(Body::Text { encoding, dialect })
        }
    }
}

/// True if a source column has this name, ignoring case, spaces, punctuation and a unit in brackets: `销量(千克)`.
fn is_called(column: &str, name: &str) -> bool {
    let is = |column: &str| folded(column) == folded(name);
    column == name || is(column) || without_unit(column).is_some_and(is)
}

/// The name before a unit in brackets; `None` if there is none. `(s)` is a plural.
fn without_unit(column: &str) -> Option<&str> {
    let (name, unit) = column.trim_end().strip_suffix([')', '）'])?.rsplit_once(['(', '（'])?;
    Some(name).filter(|name| !name.trim().is_empty() && unit != "s")
}
