//! Locates the canonical columns of a table in one file: as configured, else by their names.

use super::row::{Located, Parts, Place};
use super::unnest::Unnest;
use super::{Body, NamedBy, SourceFile, is_called};
use crate::config::{Format, Table, TableConfig, folded};
use anyhow::bail;
use qianmian_suggest::nearest;

/// The need for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The table cannot be read without it.
    Required,
    /// The configuration names it, so its absence is an error.
    Named,
    /// Read if present.
    Optional,
}

/// A canonical column, and the source columns that may hold it.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its own name: `user_id`.
    pub name: String,
    /// Its name in messages: `orders.user_id`.
    pub canonical: String,
    /// The source columns' names.
    pub sources: Vec<String>,
    /// Names that are tried if the configuration names none.
    pub aliases: &'static [&'static str],
    /// Decides between an error and a skip if the column is missing.
    pub need: Need,
    /// The way several source columns combine into one value.
    pub parts: Parts,
    /// True if its cells may hold a list, each element of which becomes a row.
    pub may_be_list: bool,
}

impl Wanted {
    /// A canonical column, with the options of its table.
    pub fn of(table: Table, column: &str, required: bool, options: &TableConfig) -> Self {
        let named = options.columns.get(column);
        let sources = named.map_or_else(|| vec![column.to_owned()], |column| column.names().to_vec());
        let parts = match (column, named) {
            ("category", _) => Parts::Path,
            ("ordered_at" | "occurred_at" | "updated_at", _) => Parts::Moment,
            _ => Parts::First,
        };
        let per_line = ["item_id", "line_id", "quantity", "unit_price", "line_total", "title", "merchant_id"];
        Self {
            name: column.to_owned(),
            canonical: format!("{}.{column}", table.name()),
            sources,
            aliases: if named.is_some() { &[] } else { table.aliases(column) },
            need: match (required, named) {
                (true, _) => Need::Required,
                (false, Some(_)) => Need::Named,
                (false, None) => Need::Optional,
            },
            parts,
            may_be_list: matches!(table, Table::Orders | Table::Items | Table::Events)
                && per_line.contains(&column),
        }
    }

    /// A column by its own name.
    pub fn plain(canonical: String, source: &str, need: Need) -> Self {
        Self {
            name: source.to_owned(),
            canonical,
            sources: vec![source.to_owned()],
            aliases: &[],
            need,
            parts: Parts::First,
            may_be_list: false,
        }
    }

    /// True if the configuration names the source columns.
    pub fn is_named(&self) -> bool {
        self.need == Need::Named || self.sources != [self.name.clone()]
    }
}

/// The detected format and columns of a file.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct FileFacts {
    /// The file.
    pub file: String,
    /// The format as text: `csv, gb18030, delimiter ";", header in line 4`.
    pub written: String,
    /// Canonical column, source columns, and true if it was found by its name alone.
    pub columns: Vec<(String, Vec<String>, bool)>,
    /// Columns that are not read.
    pub unused: Vec<String>,
    /// The encoding's label; `None` for UTF-8.
    pub encoding: Option<String>,
    /// The delimiter; `None` if it is the format's default.
    pub delimiter: Option<String>,
    /// Physical lines before the header.
    pub lines_before: u64,
    /// True if a line names the columns.
    pub has_header: bool,
    /// True if the format was detected from the content, false if configured.
    pub guessed: bool,
}

/// A file's columns.
pub(super) struct Resolved {
    pub columns: Vec<Located>,
    pub constants: Vec<String>,
    pub unnest: Unnest,
    pub facts: FileFacts,
}

/// Locates the columns of a file.
pub(super) fn resolve(
    named_by: NamedBy,
    file: &SourceFile,
    body: &Body,
    wanted: &[Wanted],
    split: Option<&String>,
    is_elsewhere: &dyn Fn(&str) -> bool,
) -> anyhow::Result<Resolved> {
    let cells = body.names();
    let mut header = cells.clone();
    header.extend(file.folders.iter().map(|(name, _)| name.clone()));
    let mut constants: Vec<String> = file.folders.iter().map(|(_, value)| value.clone()).collect();
    let place = |column: usize| match column.checked_sub(cells.len()) {
        None => Place::Cell(column),
        Some(folder) => Place::Constant(folder),
    };
    let baskets = matches!(file.format, Format::Baskets);
    let one_hot = file.format == Format::OneHot;
    let mut found: Vec<Vec<usize>> = vec![Vec::new(); wanted.len()];
    let mut guessed = vec![false; wanted.len()];
    let mut taken: Vec<usize> = Vec::new();
    let named = |wanted: &Wanted| wanted.is_named() || wanted.need == Need::Named;
    // Configured columns go first, so that no guess takes them.
    for (number, slot) in wanted.iter().enumerate().filter(|(_, slot)| named(slot)) {
        found[number] = slot.sources.iter().filter_map(|source| exactly(source, &header)).collect();
        taken.extend(&found[number]);
    }
    let mut spread: Vec<(usize, Vec<usize>)> = Vec::new();
    for (number, slot) in wanted.iter().enumerate() {
        if let [source] = slot.sources.as_slice()
            && source.contains('*')
            && found[number].is_empty()
            && let Ok(pattern) = glob::Pattern::new(source)
        {
            let fits: Vec<usize> =
                (0..cells.len()).filter(|&column| pattern.matches(&cells[column])).collect();
            if !fits.is_empty() {
                spread.push((number, fits));
                continue;
            }
        }
        if found[number].is_empty() && !named(slot) && !baskets {
            let is_free = |column: &usize| !taken.contains(column);
            let (columns, by_alias) = by_name(slot, &header, &is_free);
            // A column of the items may also be a column of the orders, but not of an id.
            if slot.canonical.starts_with("orders.") || slot.canonical.starts_with("events.") {
                taken.extend(&columns);
            }
            (found[number], guessed[number]) = (columns, by_alias);
        }
    }
    let item = wanted.iter().position(|slot| slot.name == "item_id").unwrap_or(usize::MAX);
    if baskets && item != usize::MAX {
        let most = cells.len().max(4096);
        spread.push((item, (0..most).collect()));
    }
    for (number, slot) in wanted.iter().enumerate() {
        if let Body::Json { objects, .. } = body
            && found[number].is_empty()
            && let Some(object) = slot.sources.iter().find(|source| objects.contains(source))
        {
            let inner: Vec<&String> =
                header.iter().filter(|name| name.starts_with(&format!("{object}."))).collect();
            bail!(
                "{}: {object} is an object, not a plain value; name the value in it: columns = {{ {} = {:?} }}",
                file.name(),
                slot.name,
                inner.first().map_or("...", |name| name.as_str())
            );
        }
        let is_there = !found[number].is_empty() || spread.iter().any(|(column, _)| *column == number);
        let stands_for_itself = file.format == Format::Sequences || baskets || (one_hot && number == item);
        // A configured column that only some files have gives a warning, not an error.
        let may_lack = match slot.need {
            Need::Optional => true,
            Need::Named => slot.sources.iter().any(|source| is_elsewhere(source)),
            Need::Required => false,
        };
        if !is_there && !may_lack && !stands_for_itself {
            bail!("{}", missing(named_by, file, body, slot, &header));
        }
        for &column in &found[number] {
            let name = &header[column];
            let is_same = |other: &&String| other.to_lowercase() == name.to_lowercase();
            let of_name: Vec<&String> = header.iter().filter(is_same).collect();
            if let [first, second, ..] = of_name[..]
                && column < cells.len()
            {
                bail!("{} has two columns `{first}` and `{second}`; rename one of them", file.name());
            }
        }
    }
    let quantity = wanted.iter().position(|slot| slot.name == "quantity").unwrap_or(usize::MAX);
    let mut unnest = Unnest { split: split.cloned(), item, quantity, ..Unnest::default() };
    unnest.nested = matches!(body, Body::Json { .. } | Body::Columns { .. });
    if one_hot && item != usize::MAX {
        let used: Vec<usize> = found.iter().flatten().copied().collect();
        for column in (0..cells.len()).filter(|column| !used.contains(column) && !cells[*column].is_empty()) {
            unnest.one_hot.push((column, constants.len()));
            constants.push(cells[column].clone());
        }
        if unnest.one_hot.is_empty() {
            bail!("{}: no column is left to be an item; one-hot baskets have a column an item", file.name());
        }
    }
    let locate = |number: usize, slot: &Wanted| {
        let places = match spread.iter().find(|(column, _)| *column == number) {
            Some((_, columns)) => vec![Place::Spread(columns.clone())],
            None => found[number].iter().map(|&column| place(column)).collect(),
        };
        Located { places, parts: slot.parts }
    };
    let columns: Vec<Located> =
        wanted.iter().enumerate().map(|(number, slot)| locate(number, slot)).collect();
    if unnest.nested || unnest.split.is_some() || !spread.is_empty() {
        let may_be = |number: &usize| {
            let spread = spread.iter().any(|(column, _)| column == number);
            (wanted[*number].may_be_list || spread) && columns[*number].places.len() == 1
        };
        unnest.lists = (0..wanted.len()).filter(may_be).collect();
    }
    let facts = facts(file, body, wanted, &header, &found, &guessed, &spread);
    Ok(Resolved { columns, constants, unnest, facts })
}

/// The column of this name.
fn exactly(name: &str, header: &[String]) -> Option<usize> {
    let exact = header.iter().position(|column| column == name);
    exact.or_else(|| header.iter().position(|column| is_called(column, name)))
}

/// The column with the slot's own name, or the first of its aliases; and true if found by an alias.
fn by_name(slot: &Wanted, header: &[String], is_free: &dyn Fn(&usize) -> bool) -> (Vec<usize>, bool) {
    let find = |name: &str| {
        let fits = |column: &usize| is_free(column) && is_called(&header[*column], name);
        let exact = (0..header.len()).find(|column| is_free(column) && header[*column] == name);
        exact.or_else(|| (0..header.len()).find(fits))
    };
    let own = slot.sources.first().map_or("", String::as_str);
    // A column of the items may also be one of the orders, such as the price, if it has exactly this name.
    let shared =
        || header.iter().position(|name| name == own).filter(|_| slot.canonical.starts_with("items."));
    if let Some(column) = find(own).or_else(shared) {
        return (vec![column], folded(&header[column]) != folded(&slot.name));
    }
    let by_alias = slot.aliases.iter().find_map(|alias| match alias.split_once('|') {
        Some((alias, beside)) => find(alias).filter(|_| header.iter().any(|name| is_called(name, beside))),
        None => find(alias),
    });
    let Some(column) = by_alias else { return (Vec::new(), false) };
    let mut columns = vec![column];
    if slot.parts == Parts::Moment {
        // A date and its time of day are often in two columns.
        let of = |names: &[&str]| names.iter().find_map(|name| find(name));
        let (date, time) = (of(&DATES), of(&TIMES));
        match (date, time) {
            (Some(date), Some(time)) if date == column && time != column => columns = vec![date, time],
            (Some(date), Some(time)) if time == column => columns = vec![date, time],
            _ => {}
        }
    }
    (columns, true)
}

const DATES: [&str; 20] = [
    "date",
    "日期",
    "交易日期",
    "销售日期",
    "消费日期",
    "订单日期",
    "下单日期",
    "营业日期",
    "transaction date",
    "trans date",
    "sale date",
    "order date",
    "purchase date",
    "invoice date",
    "datum",
    "fecha",
    "data",
    "日付",
    "날짜",
    "дата",
];

const TIMES: [&str; 19] = [
    "扫码销售时间",
    "time",
    "时间",
    "交易时间",
    "销售时间",
    "消费时间",
    "订单时间",
    "下单时间",
    "transaction time",
    "trans time",
    "sale time",
    "order time",
    "uhrzeit",
    "zeit",
    "hora",
    "heure",
    "ora",
    "hour",
    "время",
];

fn facts(
    file: &SourceFile,
    body: &Body,
    wanted: &[Wanted],
    header: &[String],
    found: &[Vec<usize>],
    guessed: &[bool],
    spread: &[(usize, Vec<usize>)],
) -> FileFacts {
    let names = |columns: &[usize]| {
        columns.iter().filter_map(|&column| header.get(column).cloned()).collect::<Vec<_>>()
    };
    let mut columns: Vec<(String, Vec<String>, bool)> = Vec::new();
    for (number, slot) in wanted.iter().enumerate() {
        if !found[number].is_empty() {
            columns.push((slot.canonical.clone(), names(&found[number]), guessed[number]));
        }
    }
    for (number, cells) in spread.iter().filter(|_| file.format != Format::Baskets) {
        columns.push((wanted[*number].canonical.clone(), names(cells), false));
    }
    let used: Vec<&String> = columns.iter().flat_map(|(_, names, _)| names).collect();
    let is_table = !matches!(file.format, Format::Baskets | Format::OneHot);
    let unused = header.iter().filter(|name| is_table && !used.contains(name)).cloned().collect();
    let encoding = match body {
        Body::Text { encoding, .. } | Body::Json { encoding, .. } | Body::Sequences { encoding } => {
            Some(*encoding)
        }
        Body::Columns { .. } | Body::Sheet(_) => None,
    };
    let other = encoding.filter(|encoding| encoding.encoding != encoding_rs::UTF_8);
    let dialect = body.dialect();
    let mut written = vec![file.format.name().to_owned()];
    written.extend(other.map(|other| other.encoding.name().to_lowercase()));
    let delimiter = match body {
        Body::Text { dialect, .. } if dialect.delimiter != "," || file.format == Format::Tsv => {
            Some(dialect.delimiter.clone()).filter(|text| text != "\t" || file.format != Format::Tsv)
        }
        _ => None,
    };
    written.extend(delimiter.as_ref().map(|delimiter| format!("delimiter {delimiter:?}")));
    if let Some(dialect) = dialect {
        match (dialect.has_header, dialect.before) {
            (true, 0) => {}
            (true, before) => written.push(format!("header in line {}", before + 1)),
            (false, _) => written.push("no header".to_owned()),
        }
    }
    if let Body::Sheet(sheet) = body {
        written.push(format!("sheet {}", sheet.sheets.join(", ")));
        if !sheet.others.is_empty() {
            written.push(format!("not read: sheet {}", sheet.others.join(", ")));
        }
    }
    FileFacts {
        file: file.name(),
        written: written.join(", "),
        columns,
        unused,
        encoding: other.map(|other| other.encoding.name().to_lowercase()),
        delimiter,
        lines_before: dialect.map_or(0, |dialect| dialect.before),
        has_header: dialect.is_none_or(|dialect| dialect.has_header),
        guessed: other.is_some_and(|other| other.guessed) || dialect.is_some_and(|dialect| dialect.guessed),
    }
}

/// The error message for a missing column. Suggests only columns of the same meaning: never a time for an id.
fn missing(named_by: NamedBy, file: &SourceFile, body: &Body, slot: &Wanted, header: &[String]) -> String {
    let mut message = format!("{} has no column `{}`", file.name(), slot.sources.join("` or `"));
    if slot.is_named() {
        message.push_str(&format!(" (for {})", slot.canonical));
    }
    if let Some(dialect) = body.dialect()
        && !dialect.has_header
    {
        let rows: Vec<String> = dialect.examples.iter().take(2).map(|row| row.join(" | ")).collect();
        message.push_str(&format!(
            ": its first line looks like data, so its columns are called {}. The first rows: {}. Say which column is \
             which: header = false and columns = {{ {} = \"1\", ... }}, or name all with header = [\"...\", \"...\"]",
            header.join(", "),
            rows.join(" / "),
            slot.name
        ));
        return message;
    }
    if let [only] = header
        && let Some(delimiter) = [';', '\t', '|', ','].iter().find(|delimiter| only.contains(**delimiter))
    {
        let cure = match named_by {
            NamedBy::Section(_) => "set delimiter",
            NamedBy::Argument(_) => "write commas (.csv) or tabs (.tsv)",
        };
        message.push_str(&format!("; the columns seem to be separated by {delimiter:?}: {cure}"));
        return message;
    }
    let is_time = |name: &str| {
        let lower = name.to_lowercase();
        ["date", "time", "_at", "日期", "时间"].iter().any(|part| lower.contains(part))
    };
    let wants_time = slot.parts == Parts::Moment;
    let alike = header.iter().map(String::as_str).filter(|name| is_time(name) == wants_time);
    let near = nearest(&slot.sources[0], alike);
    if let Some(near) = near {
        message.push_str(&format!("; the nearest is `{near}`"));
    }
    let shown: Vec<&str> = header.iter().take(40).map(String::as_str).collect();
    message.push_str(&format!(". Its columns are: {}. ", shown.join(", ")));
    message.push_str(&match named_by {
        NamedBy::Section(table) => format!(
            "Name the right one: [{}] columns = {{ {} = \"{}\" }}",
            table.name(),
            slot.name,
            near.unwrap_or("...")
        ),
        NamedBy::Argument(argument) => format!("{argument} needs it under this name: rename it"),
    });
    message
}
