//! The sections of the tables: files, formats, columns and cleaning rules.

use super::unknown_name;
use super::zone::Zone;
use anyhow::{Context, bail};
use regex::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A canonical table. It determines the columns that a section may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Order lines.
    Orders,
    /// The catalog.
    Items,
    /// Users.
    Users,
    /// Identities of users.
    Identities,
    /// Browsing, purchases and refunds of users.
    Events,
}

impl Table {
    /// The name of the table and of its section.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Items => "items",
            Self::Users => "users",
            Self::Identities => "identities",
            Self::Events => "events",
        }
    }
}

/// The format of a file. Compression (gzip, zstd) is not part of it: it is detected from the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A header line, then values separated by the delimiter (a comma).
    Csv,
    /// The same with tabs.
    Tsv,
    /// JSON: one object per line, a sequence of objects, an array of objects, or an object that holds such an array.
    /// Nested values are columns by path, `customer.id`; arrays give one row per element.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, file or stream (Feather).
    Arrow,
    /// An Excel workbook, xlsx or xls.
    Xlsx,
    /// One line per user: the user, then its items in order, separated by white space. No header.
    Sequences,
    /// One line per basket: its items, separated by the delimiter. No header, no users, no times.
    Baskets,
    /// One line per basket and one column per item: a cell holds yes, no, or the quantity of the item in the basket.
    OneHot,
}

impl Format {
    /// The name that the configuration uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Xlsx => "xlsx",
            Self::Sequences => "sequences",
            Self::Baskets => "baskets",
            Self::OneHot => "one_hot",
        }
    }
}

/// A change made to every value of a column before it is used. White space around values is
/// always removed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// `17850.0` becomes `17850`: undoes a number column that went through a float.
    StripDecimal,
    /// `85123a` becomes `85123A`, by Unicode's rules.
    Uppercase,
    /// `AB` becomes `ab`, by Unicode's rules.
    Lowercase,
    /// No change beyond removing white space.
    Trim,
}

/// The source columns of a canonical column.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a column name or a list of column names")]
pub enum Column {
    /// One column. A `*` matches any text; each matching column gives a row of its own.
    One(String),
    /// Several columns. The first value that is not blank counts; for `category` they are joined with `/`; for times
    /// they are a date and its time of day.
    List(Vec<String>),
}

impl Column {
    /// The source's column names, in order.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::List(names) => names,
        }
    }
}

/// The origin of a file's column names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "true, false or a list of column names")]
pub enum Header {
    /// True if a line of the file names the columns; without one they are called 1, 2, 3 ...
    Line(bool),
    /// The names of a file without such a line.
    Names(Vec<String>),
}

/// The decimal mark of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Decimal {
    /// `1,234.50`.
    #[serde(rename = ".")]
    Point,
    /// `1.234,50`.
    #[serde(rename = ",")]
    Comma,
}

/// The meaning of a status word for its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusMeaning {
    /// The row is a purchase.
    Bought,
    /// The purchase was cancelled or refunded: the row is no purchase and cancels no other row.
    Cancelled,
    /// The row returns items of an earlier purchase.
    Returned,
}

/// The meaning of equal rows of one order in files without quantities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EqualLines {
    /// One piece each.
    Pieces,
    /// One purchase, exported more than once.
    Duplicates,
}

/// The treatment of a group of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepOrDrop {
    /// They count.
    Keep,
    /// They are left out.
    Drop,
}

/// The treatment of a person with an outsized share of all lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outsized {
    /// Kept as a person.
    Keep,
    /// Taken for a till, a test account or a wholesaler: its baskets become guest baskets.
    Guest,
}

/// The definition of a basket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baskets {
    /// The lines of one order id.
    OrderId,
    /// The lines of one person on one day.
    Day,
    /// The lines of one person with at most this many seconds between one line and the next.
    Gap(i64),
}

impl<'de> Deserialize<'de> for Baskets {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let gap = |end: &str, unit: i64| {
            text.strip_suffix(end)?.trim().parse::<u32>().ok().map(|n| i64::from(n) * unit)
        };
        match text.as_str() {
            "order_id" => Ok(Self::OrderId),
            "day" => Ok(Self::Day),
            _ => (gap("m", 60).or_else(|| gap("h", 3600)).filter(|gap| *gap > 0).map(Self::Gap)).ok_or_else(
                || serde::de::Error::custom("use \"order_id\", \"day\", or a gap such as \"30m\" or \"2h\""),
            ),
        }
    }
}

/// Declares a section: the options that all tables share, and its own options.
macro_rules! section {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $default:expr,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// Files or glob patterns; the command line may replace those of the orders.
            pub files: Vec<String>,
            /// Only for `[items]`: read the attributes from the orders' files instead.
            pub from_orders: bool,
            /// Detected from the files' endings and first bytes if absent.
            pub format: Option<Format>,
            /// A label such as `gb18030`; detected from the content if absent.
            pub encoding: Option<String>,
            /// A text such as `;` or `::`, or a space for runs of white space; detected from the content if absent.
            pub delimiter: Option<String>,
            /// Detected from the content if absent.
            pub header: Option<Header>,
            /// Lines before the header; detected from the content if absent.
            pub skip_lines: Option<u64>,
            /// The sheet of a workbook; the first with rows if absent.
            pub sheet: Option<String>,
            /// Canonical column to source columns. Columns that are not listed are found by their names.
            pub columns: BTreeMap<String, Column>,
            /// A strftime pattern; detected from the content if absent.
            pub time_format: Option<String>,
            /// Zone of times written without one, `Asia/Shanghai` or `+08:00`; UTC if absent.
            pub time_zone: Option<String>,
            /// Decimal mark; detected from the content if absent.
            pub decimal: Option<Decimal>,
            /// Normalization by canonical column.
            pub normalise: BTreeMap<String, Normalise>,
            /// By column, a regular expression: only rows that match all are read.
            pub keep_when: BTreeMap<String, String>,
            /// By column, a regular expression: rows that match any are left out.
            pub drop_when: BTreeMap<String, String>,
            $($(#[$doc])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    files: Vec::new(),
                    from_orders: false,
                    format: None,
                    encoding: None,
                    delimiter: None,
                    header: None,
                    skip_lines: None,
                    sheet: None,
                    columns: BTreeMap::new(),
                    time_format: None,
                    time_zone: None,
                    decimal: None,
                    normalise: BTreeMap::new(),
                    keep_when: BTreeMap::new(),
                    drop_when: BTreeMap::new(),
                    $($field: $default,)*
                }
            }
        }

        impl $name {
            /// The options that all tables share.
            pub fn source(&self) -> TableConfig {
                TableConfig {
                    files: self.files.clone(),
                    from_orders: self.from_orders,
                    format: self.format,
                    encoding: self.encoding.clone(),
                    delimiter: self.delimiter.clone(),
                    header: self.header.clone(),
                    skip_lines: self.skip_lines,
                    sheet: self.sheet.clone(),
                    columns: self.columns.clone(),
                    time_format: self.time_format.clone(),
                    time_zone: self.time_zone.clone(),
                    decimal: self.decimal,
                    normalise: self.normalise.clone(),
                    keep_when: self.keep_when.clone(),
                    drop_when: self.drop_when.clone(),
                }
            }
        }
    };
}

section! {
    /// The section of a table other than orders and events.
    TableConfig {}
}

section! {
    /// The orders' section: a source, and the rules that decide which rows are purchases.
    OrdersConfig {
        /// There is no time column; the order of the rows is the order of the baskets.
        timeless: bool = false,
        /// By column, a regular expression: rows that match any are returns of an earlier purchase.
        returned_when: BTreeMap<String, String> = BTreeMap::new(),
        /// By column, a regular expression: rows that match any are cancelled. They do not cancel other rows.
        cancelled_when: BTreeMap<String, String> = BTreeMap::new(),
        /// Words of the status column, in addition to the built-in ones.
        statuses: BTreeMap<String, StatusMeaning> = BTreeMap::new(),
        /// A regular expression on item ids, as written and as normalized: rows that match are not products.
        exclude_items: Option<String> = None,
        /// Treatment of lines of price 0, such as gifts; kept if absent.
        free_lines: Option<KeepOrDrop> = None,
        /// User ids of guests, in addition to the built-in words.
        guests: Vec<String> = Vec::new(),
        /// Treatment of persons with an outsized share of all lines; if absent, they are kept with a warning.
        outsized: Option<Outsized> = None,
        /// Meaning of equal lines of an order; detected from the content if absent.
        equal_lines: Option<EqualLines> = None,
        /// Columns that have a value on an order's first line only; detected from the content if absent.
        fill_down: Option<Vec<String>> = None,
        /// The separator of a list of items in one cell; detected from the content if absent, no lists if empty.
        split: Option<String> = None,
        /// The definition of a basket. Default: the lines of an order id; without order ids, a person's lines of a day.
        baskets: Option<Baskets> = None,
        /// Most distinct items of a basket that count for co-purchase; at least 1.
        max_basket_items: usize = 200,
    }
}

section! {
    /// The events' section: a source, and the use of purchases.
    EventsConfig {
        /// Count purchases and refunds that are missing from the orders.
        purchases: bool = true,
    }
}
impl TableConfig {
    pub(super) fn check(&self, table: Table) -> anyhow::Result<()> {
        let name = table.name();
        if self.from_orders && table != Table::Items {
            bail!("{name}.from_orders: only [items] can be read from the orders; give {name}.files");
        }
        if self.files.is_empty() != self.from_orders && table != Table::Orders {
            let or = if table == Table::Items { ", or from_orders = true (not both)" } else { "" };
            bail!("{name}.files: say where the rows are{or}, or leave the section [{name}] out");
        }
        if let Some(format @ (Format::Sequences | Format::Baskets | Format::OneHot)) = self.format
            && table != Table::Orders
        {
            bail!("{name}.format: {:?} is only for [orders]", format.name());
        }
        self.check_columns(table)?;
        if self.delimiter.as_deref().is_some_and(|text| text.is_empty() || text.contains(['"', '\r', '\n'])) {
            bail!("{name}.delimiter: use a text without quotes, such as \";\", \"\\t\" or \"::\"");
        }
        if let Some(label) = &self.encoding
            && encoding_rs::Encoding::for_label(label.as_bytes()).is_none()
        {
            bail!(
                "{name}.encoding = {label:?} is unknown; use a label such as \"gb18030\", \"big5\" or \"utf-16le\""
            );
        }
        if table != Table::Orders && !(self.keep_when.is_empty() && self.drop_when.is_empty()) {
            bail!("{name}.keep_when, {name}.drop_when: row filters are only for [orders]");
        }
        check_patterns(&format!("{name}.keep_when"), &self.keep_when)?;
        check_patterns(&format!("{name}.drop_when"), &self.drop_when)?;
        if let Some(zone) = &self.time_zone {
            Zone::parse(zone).with_context(|| format!("{name}.time_zone"))?;
        }
        if let Some(format) = &self.time_format
            && chrono::format::StrftimeItems::new(format).any(|item| item == chrono::format::Item::Error)
        {
            bail!("{name}.time_format = {format:?}: not a strftime pattern such as \"%d/%m/%Y %H:%M\"");
        }
        Ok(())
    }

    fn check_columns(&self, table: Table) -> anyhow::Result<()> {
        let name = table.name();
        for (column, source) in &self.columns {
            check_column(table, "columns", column)?;
            if source.names().is_empty() || source.names().iter().any(|name| name.trim().is_empty()) {
                bail!("{name}.columns.{column}: a column name is empty; leave the entry out instead");
            }
        }
        for column in self.normalise.keys() {
            check_column(table, "normalise", column)?;
        }
        Ok(())
    }
}

impl OrdersConfig {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.source().check(Table::Orders)?;
        for (field, patterns) in
            [("cancelled_when", &self.cancelled_when), ("returned_when", &self.returned_when)]
        {
            check_patterns(&format!("orders.{field}"), patterns)?;
        }
        if let Some(pattern) = &self.exclude_items {
            Regex::new(pattern).context("orders.exclude_items")?;
        }
        for column in self.fill_down.iter().flatten() {
            check_column(Table::Orders, "fill_down", column)?;
        }
        if self.max_basket_items == 0 {
            bail!("orders.max_basket_items: use 1 or more (the default is 200)");
        }
        if self.timeless && self.columns.contains_key("ordered_at") {
            bail!(
                "orders.timeless: leave it out, or leave columns.ordered_at out; they contradict each other"
            );
        }
        Ok(())
    }
}

impl EventsConfig {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.source().check(Table::Events)
    }
}

fn check_patterns(field: &str, patterns: &BTreeMap<String, String>) -> anyhow::Result<()> {
    for (column, pattern) in patterns {
        Regex::new(pattern).with_context(|| format!("{field}.{column}"))?;
    }
    Ok(())
}

fn check_column(table: Table, field: &str, column: &str) -> anyhow::Result<()> {
    let consent = table == Table::Users && column.starts_with("consent");
    let known: Vec<&str> = table.names().collect();
    if consent || known.contains(&column) {
        return Ok(());
    }
    bail!("{}.{field}: {}", table.name(), unknown_name(column, &known))
}
