//! The account of the events: the outcome of every row.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

use crate::orders::source::{FileFacts, Lines};
use crate::orders::summary::Reason;

/// Counts of the events' rows by outcome. `rows_read` is the sum of the [parts](EventSummary::parts).
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EventSummary {
    /// Physical lines of all files.
    pub lines: Lines,
    /// Rows in all files, without headers and blank lines.
    pub rows_read: u64,
    /// Part: purchases that became order lines.
    pub purchases: u64,
    /// Part: refunds that became returns.
    pub refunds: u64,
    /// Part: purchases and refunds that are also in the orders: of the same user, item and day.
    pub in_orders: u64,
    /// Part: purchases and refunds sent by a storefront when there are orders; they count only through the orders.
    pub unconfirmed: u64,
    /// Part: events not used for training: other types, and purchases and refunds if `purchases` is off.
    pub unused: u64,
    /// Part: rows whose `event_id` occurred in an earlier row; the first row counts.
    pub repeated: u64,
    /// Part: rows of pseudo-items (`orders.exclude_items`).
    pub excluded: u64,
    /// Part: rows in the rejects file.
    pub rejected: u64,
    /// Rejected rows by reason.
    pub rejects: BTreeMap<Reason, u64>,
    /// Rows by type.
    pub types: BTreeMap<String, u64>,
    /// Purchases whose value is no price; they count without a price.
    pub unreadable_values: u64,
    /// Purchases whose room is beyond the limit on rooms; they count without a room.
    pub rooms_left_out: u64,
    /// The detected format and columns of each file.
    pub understood: Vec<FileFacts>,
    /// Files read, in order.
    pub files: Vec<String>,
}

impl EventSummary {
    /// The parts that add up to `rows_read`, with their names.
    pub fn parts(&self) -> [(&'static str, u64); 8] {
        [
            ("purchases", self.purchases),
            ("refunds", self.refunds),
            ("told by the orders too", self.in_orders),
            ("of storefronts, left to orders", self.unconfirmed),
            ("not used", self.unused),
            ("repeated event ids", self.repeated),
            ("excluded items", self.excluded),
            ("rejected", self.rejected),
        ]
    }

    /// True if every row is counted exactly once.
    pub fn adds_up(&self) -> bool {
        self.parts().iter().map(|(_, count)| count).sum::<u64>() == self.rows_read
    }
}

impl fmt::Display for EventSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<32}{:>14}", "events read", self.rows_read)?;
        for (name, count) in self.parts().into_iter().filter(|(_, count)| *count > 0) {
            writeln!(f, "  {name:<30}{count:>14}")?;
        }
        for (reason, count) in &self.rejects {
            writeln!(f, "    {:<28}{count:>14}", reason.text())?;
        }
        let types: Vec<String> =
            self.types.iter().take(12).map(|(name, count)| format!("{name} {count}")).collect();
        if !types.is_empty() {
            writeln!(f, "types of events: {}", types.join(", "))?;
        }
        Ok(())
    }
}
