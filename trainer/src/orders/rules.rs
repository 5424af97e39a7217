//! What counts as a purchase: the configuration's choices, compiled.

use super::source::Row;
use crate::config::{Normalise, OrdersConfig, Table};
use anyhow::Context;
use regex::Regex;

/// Compiled choices of the orders' section.
pub struct Rules {
    /// How item ids are normalised, and so on for the other ids.
    pub item_id: Option<Normalise>,
    /// See `item_id`.
    pub order_id: Option<Normalise>,
    /// See `item_id`.
    pub user_id: Option<Normalise>,
    /// See `item_id`.
    pub channel: Option<Normalise>,
    /// See `item_id`.
    pub store_id: Option<Normalise>,
    /// Pseudo-items.
    pub exclude_items: Option<Regex>,
    /// Start of the run, unix seconds.
    pub now: i64,
    /// Most rows of all files together.
    pub max_lines: u64,
    cancelled_when: Vec<(usize, Regex)>,
}

impl Rules {
    /// Compiles a section.
    ///
    /// # Errors
    /// When a pattern is no regular expression.
    pub fn new(orders: &OrdersConfig, now: i64, max_lines: u64) -> anyhow::Result<Self> {
        let how = |column: &str| orders.normalise.get(column).copied();
        let mut cancelled_when = Vec::new();
        for (slot, column) in Table::Orders.columns().iter().enumerate() {
            if let Some(pattern) = orders.cancelled_when.get(*column) {
                let regex = Regex::new(pattern).with_context(|| format!("orders.cancelled_when.{column}"))?;
                cancelled_when.push((slot, regex));
            }
        }
        let exclude = orders.exclude_items.as_deref().map(Regex::new).transpose();
        Ok(Self {
            item_id: how("item_id"),
            order_id: how("order_id"),
            user_id: how("user_id"),
            channel: how("channel"),
            store_id: how("store_id"),
            exclude_items: exclude.context("orders.exclude_items")?,
            now,
            max_lines,
            cancelled_when,
        })
    }

    /// Whether a column of the row, as written, says that it is a return.
    pub fn cancels(&self, row: &Row<'_>) -> bool {
        self.cancelled_when
            .iter()
            .any(|(slot, pattern)| row.get(*slot).is_some_and(|value| pattern.is_match(value)))
    }
}
