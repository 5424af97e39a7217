//! The compiled rules of the configuration that decide which rows are purchases.

use super::layout::Layout;
use super::source::{Need, Row};
use crate::config::{Baskets, Config, EqualLines, KeepOrDrop, Normalise, OrderColumn};
use anyhow::Context;
use qianmian_money::Currency;
use regex::Regex;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_128;

/// Regular expressions on columns, by number.
type Patterns = Vec<(usize, Regex)>;

/// Compiled choices of the orders' section.
pub struct Rules {
    /// The normalization of item ids; the other ids have their own.
    pub item_id: Option<Normalise>,
    /// See `item_id`.
    pub order_id: Option<Normalise>,
    /// See `item_id`.
    pub user_id: Option<Normalise>,
    /// See `item_id`.
    pub channel: Option<Normalise>,
    /// See `item_id`.
    pub store_id: Option<Normalise>,
    /// See `item_id`.
    pub room_id: Option<Normalise>,
    /// See `item_id`.
    pub merchant_id: Option<Normalise>,
    /// Pseudo-items.
    pub exclude_items: Option<Regex>,
    /// Lines of price 0.
    pub free_lines: Option<KeepOrDrop>,
    /// Meaning of equal lines in files without quantities.
    pub equal_lines: Option<EqualLines>,
    /// The definition of a basket.
    pub baskets: Baskets,
    /// The currency of all amounts.
    pub currency: Currency,
    /// Start of the run, unix seconds.
    pub now: i64,
    /// Most rows in all files.
    pub max_lines: u64,
    keep_when: Patterns,
    drop_when: Patterns,
    cancelled_when: Patterns,
    returned_when: Patterns,
}

impl Rules {
    /// Compiles a section; columns used only by rules are added to `layout`.
    ///
    /// # Errors
    /// Fails if a pattern is not a valid regular expression.
    pub fn new(config: &Config, layout: &mut Layout, now: i64, max_lines: u64) -> anyhow::Result<Self> {
        let orders = &config.orders;
        let how = |column: OrderColumn| orders.normalise.get(column.name()).copied();
        let mut compile = |rule: &str, patterns: &BTreeMap<String, String>| -> anyhow::Result<Patterns> {
            let compiled = patterns.iter().map(|(column, pattern)| {
                let regex = Regex::new(pattern).with_context(|| format!("orders.{rule}.{column}"))?;
                Ok((layout.of_rule(column, rule, Need::Named), regex))
            });
            compiled.collect()
        };
        let exclude = orders.exclude_items.as_deref().map(Regex::new).transpose();
        Ok(Self {
            keep_when: compile("keep_when", &orders.keep_when)?,
            drop_when: compile("drop_when", &orders.drop_when)?,
            cancelled_when: compile("cancelled_when", &orders.cancelled_when)?,
            returned_when: compile("returned_when", &orders.returned_when)?,
            item_id: how(OrderColumn::ItemId),
            order_id: how(OrderColumn::OrderId),
            user_id: how(OrderColumn::UserId),
            channel: how(OrderColumn::Channel),
            store_id: how(OrderColumn::StoreId),
            room_id: how(OrderColumn::RoomId),
            merchant_id: how(OrderColumn::MerchantId),
            exclude_items: exclude.context("orders.exclude_items")?,
            free_lines: orders.free_lines,
            equal_lines: orders.equal_lines,
            baskets: orders.baskets.unwrap_or(Baskets::OrderId),
            currency: config.currency,
            now,
            max_lines,
        })
    }

    /// True if `keep_when` or `drop_when` excludes the row.
    pub fn leaves_out(&self, row: &Row<'_>, fill: &FillDown) -> bool {
        let matches =
            |(column, pattern): &(usize, Regex)| pattern.is_match(fill.get(row, *column).unwrap_or(""));
        !self.keep_when.iter().all(matches) || self.drop_when.iter().any(matches)
    }

    /// True if the row matches `cancelled_when`.
    pub fn cancels(&self, row: &Row<'_>, fill: &FillDown) -> bool {
        any(&self.cancelled_when, row, fill)
    }

    /// True if the row matches `returned_when`.
    pub fn returns(&self, row: &Row<'_>, fill: &FillDown) -> bool {
        any(&self.returned_when, row, fill)
    }
}

fn any(patterns: &Patterns, row: &Row<'_>, fill: &FillDown) -> bool {
    patterns
        .iter()
        .any(|(column, pattern)| fill.get(row, *column).is_some_and(|value| pattern.is_match(value)))
}

/// Carries values of an order's first line down to its other lines.
#[derive(Debug, Default)]
pub struct FillDown {
    columns: Vec<OrderColumn>,
    order: String,
    file: usize,
    values: Vec<Option<String>>,
    /// Number of values carried down.
    pub filled: u64,
}

impl FillDown {
    /// Starts with the columns to carry down.
    pub fn new(columns: Vec<OrderColumn>) -> Self {
        let values = vec![None; OrderColumn::ALL.len()];
        Self { columns, order: String::new(), file: usize::MAX, values, filled: 0 }
    }

    /// The columns that are carried down.
    pub fn columns(&self) -> &[OrderColumn] {
        &self.columns
    }

    /// Records the values of a row; to be called before `get`.
    pub fn see(&mut self, row: &Row<'_>, file: usize) {
        if self.columns.is_empty() {
            return;
        }
        let order = row.get(OrderColumn::OrderId as usize);
        let carries_order = self.columns.contains(&OrderColumn::OrderId);
        let is_new = file != self.file || order.map_or(!carries_order, |order| order != self.order);
        if is_new {
            self.values.fill(None);
            self.order.clear();
            self.order.push_str(order.unwrap_or(""));
            self.file = file;
        }
        for column in &self.columns {
            let slot = &mut self.values[*column as usize];
            match row.value(*column as usize) {
                Some(value) => *slot = Some(value.into_owned()),
                None => self.filled += u64::from(slot.is_some()),
            }
        }
    }

    /// [`Row::digest`] with the values that were carried down: lines of two orders may be written alike.
    pub fn digest(&self, row: &Row<'_>, scratch: &mut Vec<u8>) -> u128 {
        let written = row.digest(scratch);
        if self.columns.is_empty() {
            return written;
        }
        scratch.clear();
        scratch.extend_from_slice(&written.to_le_bytes());
        for column in &self.columns {
            scratch.extend_from_slice(self.get(row, *column as usize).unwrap_or("").as_bytes());
            scratch.push(0xff);
        }
        xxh3_128(scratch)
    }

    /// The value of a column: the row's own, else the one that was carried down.
    pub fn get<'a>(&'a self, row: &Row<'a>, column: usize) -> Option<&'a str> {
        row.get(column).or_else(|| self.values.get(column)?.as_deref())
    }
}
