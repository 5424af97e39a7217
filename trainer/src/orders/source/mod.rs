//! Rows of a table, whatever its files are: found, unpacked, with their columns mapped to slots.

mod bytes;
mod csv_rows;
mod files;
mod json_rows;
mod parquet_rows;
mod row;
mod sequence_rows;

pub use csv_rows::encoding_cure;
pub use files::{Compression, SourceFile, by_ending, expand, packed_by_ending};
pub use row::{Event, Flow, Row};

use row::Slots;

use crate::config::{Format, Table, TableConfig};
use anyhow::{Context, bail};
use qianmian_suggest::nearest;
use rustc_hash::FxHashSet;
use std::cell::Cell;

/// How much a column is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The table makes no sense without it.
    Required,
    /// The configuration names it, so its absence is a mistake.
    Named,
    /// Read where it is there.
    Optional,
}

/// One slot of a row: a canonical column and the source column that fills it.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// For messages: `orders.user_id`.
    pub canonical: String,
    /// The source's column name.
    pub source: String,
    /// What happens when it is missing.
    pub need: Need,
}

impl Wanted {
    /// The slots of a canonical column under a configuration: one, or one for each part of a path.
    pub fn of(table: Table, column: &str, required: bool, options: &TableConfig) -> Vec<Self> {
        let canonical = format!("{}.{column}", table.name());
        let named = |need| match required {
            true => Need::Required,
            false => need,
        };
        match options.columns.get(column) {
            None => vec![Self { canonical, source: column.to_owned(), need: named(Need::Optional) }],
            Some(source) => source
                .names()
                .iter()
                .map(|name| Self {
                    canonical: canonical.clone(),
                    source: name.clone(),
                    need: named(Need::Named),
                })
                .collect(),
        }
    }
}

/// Who named the files: it decides which cure an error can offer, and which columns are read.
#[derive(Debug, Clone, Copy)]
enum NamedBy {
    /// A section of the configuration, which can map column names. Rows are read whole, so that
    /// exact duplicates can be told.
    Section(Table),
    /// An argument of the command line. Only the wanted columns are read, where the format can.
    Argument(&'static str),
}

/// The files of one table.
pub struct Source {
    named_by: NamedBy,
    files: Vec<SourceFile>,
    delimiter: Option<u8>,
}

impl Source {
    /// Finds the table's files.
    ///
    /// # Errors
    /// When a pattern matches nothing, or a file is empty or of unclear format.
    pub fn open(table: Table, options: &TableConfig) -> anyhow::Result<Self> {
        let name = table.name();
        let files = files::expand(&format!("{name}.files"), &options.files, options.format)?;
        let sequences = files.iter().filter(|file| file.format == Format::Sequences).count();
        if sequences > 0 && (sequences < files.len() || !options.columns.is_empty()) {
            bail!("{name}.format: sequences have no columns to map and cannot be mixed with other formats");
        }
        let delimiter = options.delimiter_byte().with_context(|| format!("{name}.delimiter"))?;
        Ok(Self { named_by: NamedBy::Section(table), files, delimiter })
    }

    /// Finds the files that `argument` (such as `--input`) names by a path or a pattern.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn of_argument(argument: &'static str, path: &str) -> anyhow::Result<Self> {
        let files = files::expand(argument, &[path.to_owned()], None)?;
        Ok(Self { named_by: NamedBy::Argument(argument), files, delimiter: None })
    }

    /// Whether the files are sequences, which have no baskets and no times.
    pub fn is_sequences(&self) -> bool {
        self.files.first().is_some_and(|file| file.format == Format::Sequences)
    }

    /// The files in reading order.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// Size on disk of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The column names of each file, in order.
    ///
    /// # Errors
    /// When a file's beginning cannot be read.
    pub fn headers(&self) -> anyhow::Result<Vec<Vec<String>>> {
        self.files.iter().map(|file| self.header(file)).collect()
    }

    /// Checks every file for the columns, before any is read through; gives their column names.
    ///
    /// # Errors
    /// When a needed column is missing, naming the nearest one, or a file cannot be read.
    pub fn check(&self, wanted: &[Wanted]) -> anyhow::Result<Vec<Vec<String>>> {
        let headers = self.headers()?;
        for (file, header) in self.files.iter().zip(&headers) {
            self.resolve(file, wanted, header)?;
        }
        Ok(headers)
    }

    fn header(&self, file: &SourceFile) -> anyhow::Result<Vec<String>> {
        let read = Cell::new(0);
        match file.format {
            Format::Sequences => Ok(sequence_rows::COLUMNS.map(str::to_owned).to_vec()),
            Format::Parquet => parquet_rows::header(file),
            Format::Jsonl => json_rows::keys(file, &mut bytes::open(file, &read)?),
            Format::Csv | Format::Tsv => {
                let names = std::cell::RefCell::new(Vec::new());
                let mut text = bytes::open(file, &read)?;
                let keep = |header: &[String]| {
                    *names.borrow_mut() = header.to_vec();
                    Ok(Vec::new())
                };
                csv_rows::each(file, &mut text, self.delimiter(file), &keep, &mut |_| Ok(Flow::Enough))?;
                Ok(names.into_inner())
            }
        }
    }

    /// Gives every row of every file to `sink`; `read` grows by the bytes on disk as they are read.
    ///
    /// # Errors
    /// When a needed column is missing, a file cannot be read to its end, or `sink` fails.
    pub fn each_row(
        &self,
        wanted: &[Wanted],
        read: &Cell<u64>,
        sink: &mut dyn FnMut(&SourceFile, Event<'_>) -> anyhow::Result<Flow>,
    ) -> anyhow::Result<()> {
        let mut seen_users = FxHashSet::default();
        let stopped = Cell::new(false);
        for file in &self.files {
            let mut sink = |event: Event<'_>| {
                let flow = sink(file, event)?;
                stopped.set(flow == Flow::Enough);
                Ok(flow)
            };
            let resolve = |header: &[String]| self.resolve(file, wanted, header);
            match file.format {
                Format::Csv | Format::Tsv => {
                    let mut text = bytes::open(file, read)?;
                    csv_rows::each(file, &mut text, self.delimiter(file), &resolve, &mut sink)?;
                }
                Format::Jsonl => {
                    resolve(&self.header(file)?)?;
                    let columns: Vec<&str> = wanted.iter().map(|wanted| wanted.source.as_str()).collect();
                    // Slots that share a source share its first place.
                    let place = |column| columns.iter().position(|other| other == column);
                    let slots: Vec<_> = columns.iter().map(place).collect();
                    json_rows::each(file, &mut bytes::open(file, read)?, &columns, &slots, &mut sink)?;
                }
                Format::Parquet => {
                    let slots = resolve(&parquet_rows::header(file)?)?;
                    let whole = matches!(self.named_by, NamedBy::Section(_));
                    parquet_rows::each(file, slots, whole, read, &mut sink)?;
                }
                Format::Sequences => {
                    let slots = resolve(&self.header(file)?)?;
                    let mut text = bytes::open(file, read)?;
                    sequence_rows::each(file, &mut text, &slots, &mut seen_users, &mut sink)?;
                }
            }
            if stopped.get() {
                break;
            }
        }
        Ok(())
    }

    fn delimiter(&self, file: &SourceFile) -> u8 {
        self.delimiter.unwrap_or(if file.format == Format::Tsv { b'\t' } else { b',' })
    }

    fn resolve(&self, file: &SourceFile, wanted: &[Wanted], header: &[String]) -> anyhow::Result<Slots> {
        let mut slots = Vec::with_capacity(wanted.len());
        for slot in wanted {
            let place = header.iter().position(|name| *name == slot.source);
            // Sequences have no order ids and no times; each item is its own basket.
            if place.is_none() && slot.need != Need::Optional && file.format != Format::Sequences {
                bail!("{}", self.missing(file, slot, header));
            }
            if place.is_some() && header.iter().filter(|name| **name == slot.source).count() > 1 {
                bail!("{} has two columns `{}`; rename one of them", file.name(), slot.source);
            }
            slots.push(place);
        }
        Ok(slots)
    }

    fn missing(&self, file: &SourceFile, slot: &Wanted, header: &[String]) -> String {
        let mut message = format!("{} has no column `{}`", file.name(), slot.source);
        let column = slot.canonical.rsplit('.').next().unwrap_or(&slot.canonical);
        if slot.source != column {
            message.push_str(&format!(" (for {})", slot.canonical));
        }
        let delimiters = [';', '\t', '|', ','];
        if let [only] = header
            && let Some(delimiter) = delimiters.iter().find(|delimiter| only.contains(**delimiter))
        {
            let cure = match self.named_by {
                NamedBy::Section(_) => "set delimiter",
                NamedBy::Argument(_) => "write commas (.csv) or tabs (.tsv)",
            };
            message.push_str(&format!("; the columns seem to be separated by {delimiter:?}: {cure}"));
            return message;
        }
        let near = nearest(&slot.source, header.iter().map(String::as_str));
        if let Some(near) = near {
            message.push_str(&format!("; the nearest is `{near}`"));
        }
        message.push_str(&format!(". Its columns are: {}. ", header.join(", ")));
        message.push_str(&match self.named_by {
            NamedBy::Section(table) => format!(
                "Name the right one: [{}] columns = {{ {column} = \"{}\" }}",
                table.name(),
                near.unwrap_or("...")
            ),
            NamedBy::Argument(argument) => format!("{argument} needs it under this name: rename it"),
        });
        message
    }
}
