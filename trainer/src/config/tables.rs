//! The sections that say where a table's rows are and how their columns are called.

use super::unknown_name;
use anyhow::{Context, bail};
use regex::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A canonical table. It fixes which columns a section may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Order lines.
    Orders,
    /// The catalogue.
    Items,
    /// Users.
    Users,
    /// Identities of users.
    Identities,
    /// What users did.
    Events,
}

impl Table {
    /// The section's name, which is also the table's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Items => "items",
            Self::Users => "users",
            Self::Identities => "identities",
            Self::Events => "events",
        }
    }

    /// Every canonical column of the table.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Orders => &[
                "order_id",
                "user_id",
                "item_id",
                "ordered_at",
                "quantity",
                "unit_price",
                "line_total",
                "channel",
                "store_id",
                "room_id",
                "merchant_id",
                "status",
            ],
            Self::Items => &[
                "item_id",
                "title",
                "category",
                "brand",
                "merchant_id",
                "price",
                "cost",
                "stock",
                "image_url",
                "launched_at",
                "tags",
                "status",
                "store_ids",
            ],
            Self::Users => &["user_id", "birthday", "gender", "city", "lat", "lon", "registered_at", "tags"],
            Self::Identities => &["user_id", "type", "value"],
            Self::Events => &[
                "event_id",
                "type",
                "occurred_at",
                "user_id",
                "session_id",
                "item_id",
                "channel",
                "scene",
                "room_id",
                "request_id",
                "value",
            ],
        }
    }
}

/// How a file is written. Compression (gzip, zstd) is recognised by content and is no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A header line, then values separated by the delimiter (a comma).
    Csv,
    /// The same with tabs.
    Tsv,
    /// One JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// One line a user: the user, then its items in order, white space between. No header.
    Sequences,
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

/// Which column of the source holds a canonical column.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a column name or, for category, a list of column names")]
pub enum Column {
    /// One column.
    One(String),
    /// Columns to join with `/` into a path, from the root.
    Path(Vec<String>),
}

impl Column {
    /// The source's column names, in order.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Path(names) => names,
        }
    }
}

/// The options that every table's source has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableConfig {
    /// Files or glob patterns.
    pub files: Vec<String>,
    /// Only for `[items]`: take the attributes from the orders' files instead.
    pub from_orders: bool,
    /// By the files' endings where absent.
    pub format: Option<Format>,
    /// One ASCII character; a comma where absent.
    pub delimiter: Option<String>,
    /// Canonical column to source column. Unnamed columns keep their canonical name.
    pub columns: BTreeMap<String, Column>,
    /// A strftime pattern; detected where absent.
    pub time_format: Option<String>,
    /// Fixed offset of times that carry none, `+08:00`; UTC where absent.
    pub time_zone: Option<String>,
    /// By canonical column.
    pub normalise: BTreeMap<String, Normalise>,
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
        if self.format == Some(Format::Sequences) && table != Table::Orders {
            bail!("{name}.format: \"sequences\" is only for [orders]");
        }
        self.check_columns(table)?;
        self.delimiter_byte().with_context(|| format!("{name}.delimiter"))?;
        if let Some(zone) = &self.time_zone {
            parse_zone(zone).with_context(|| format!("{name}.time_zone"))?;
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
            if matches!(source, Column::Path(_)) && column != "category" {
                bail!("{name}.columns.{column}: give one column name; only category may be a list");
            }
            if source.names().is_empty() || source.names().iter().any(|name| name.trim().is_empty()) {
                bail!("{name}.columns.{column}: a column name is empty; leave the entry out instead");
            }
        }
        for column in self.normalise.keys() {
            check_column(table, "normalise", column)?;
        }
        Ok(())
    }

    /// The delimiter as a byte, where one is given.
    pub fn delimiter_byte(&self) -> anyhow::Result<Option<u8>> {
        match self.delimiter.as_deref().map(str::as_bytes) {
            None => Ok(None),
            Some(&[byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(Some(byte)),
            Some(_) => bail!("use one ASCII character, such as \";\" or \"\\t\""),
        }
    }
}

/// The orders' section: a source, and what counts as a purchase.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrdersConfig {
    /// Files or glob patterns; the command line may replace them.
    pub files: Vec<String>,
    /// As in [`TableConfig`].
    pub format: Option<Format>,
    /// As in [`TableConfig`].
    pub delimiter: Option<String>,
    /// As in [`TableConfig`]. `line_total` gives `unit_price` as `line_total / quantity`.
    pub columns: BTreeMap<String, Column>,
    /// As in [`TableConfig`].
    pub time_format: Option<String>,
    /// As in [`TableConfig`].
    pub time_zone: Option<String>,
    /// As in [`TableConfig`].
    pub normalise: BTreeMap<String, Normalise>,
    /// There is no time column; the order of the rows is the order of the baskets.
    pub timeless: bool,
    /// By canonical column, a regular expression: rows that match any are returns.
    pub cancelled_when: BTreeMap<String, String>,
    /// A regular expression on item ids, as written and as normalised: rows that match are no goods.
    pub exclude_items: Option<String>,
    /// Baskets with more distinct items keep this many for co-purchase; at least 1.
    pub max_basket_items: usize,
}

impl Default for OrdersConfig {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            format: None,
            delimiter: None,
            columns: BTreeMap::new(),
            time_format: None,
            time_zone: None,
            normalise: BTreeMap::new(),
            timeless: false,
            cancelled_when: BTreeMap::new(),
            exclude_items: None,
            max_basket_items: 200,
        }
    }
}

impl OrdersConfig {
    /// The options that orders share with every table.
    pub fn source(&self) -> TableConfig {
        TableConfig {
            files: self.files.clone(),
            from_orders: false,
            format: self.format,
            delimiter: self.delimiter.clone(),
            columns: self.columns.clone(),
            time_format: self.time_format.clone(),
            time_zone: self.time_zone.clone(),
            normalise: self.normalise.clone(),
        }
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.source().check(Table::Orders)?;
        for (column, pattern) in &self.cancelled_when {
            check_column(Table::Orders, "cancelled_when", column)?;
            Regex::new(pattern).with_context(|| format!("orders.cancelled_when.{column}"))?;
        }
        if let Some(pattern) = &self.exclude_items {
            Regex::new(pattern).context("orders.exclude_items")?;
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

fn check_column(table: Table, field: &str, column: &str) -> anyhow::Result<()> {
    let consent = table == Table::Users && column.starts_with("consent");
    if consent || table.columns().contains(&column) {
        return Ok(());
    }
    bail!("{}.{field}: {}", table.name(), unknown_name(column, table.columns()))
}

/// Seconds east of UTC of a fixed offset: `Z`, `UTC`, `+08:00`, `-0330`.
///
/// # Errors
/// For anything else, names of zones included: they would need a zone database and have gaps.
pub fn parse_zone(zone: &str) -> anyhow::Result<i32> {
    if matches!(zone, "Z" | "UTC") {
        return Ok(0);
    }
    let offset: Option<chrono::FixedOffset> = zone.parse().ok();
    match offset {
        Some(offset) => Ok(offset.local_minus_utc()),
        None => bail!("{zone:?} is no fixed offset; write it like \"+08:00\" or \"UTC\""),
    }
}
