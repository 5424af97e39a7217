//! The account of a run: where every row that was read went.

use super::events::EventSummary;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Why a row went to the rejects file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The type of an event is empty.
    NoType,
    /// The item id is empty.
    NoItem,
    /// The order id is empty.
    NoOrderId,
    /// The id that the table is keyed by is empty (users, identities).
    NoId,
    /// An id is longer than 256 bytes.
    IdTooLong,
    /// The time is missing, does not fit the format, or lies outside the years 1900 to 2199.
    UnparsableTime,
    /// The time lies more than a day after the start of the run.
    FutureTime,
    /// The quantity is no finite number of at most 1e6 pieces either way.
    BadQuantity,
    /// The price is no finite number from 0 to 1e9.
    BadPrice,
    /// Another number of the row is not finite or outside its range.
    BadNumber,
    /// The row is not valid UTF-8.
    InvalidUtf8,
    /// The row has not as many columns as the header.
    WrongColumnCount,
    /// The row is not one JSON object of plain values.
    MalformedJson,
    /// A sequence's user already had a line.
    RepeatedUser,
}

impl Reason {
    /// The words that the rejects file and error messages use.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoType => "no type",
            Self::NoItem => "no item",
            Self::NoOrderId => "no order id",
            Self::NoId => "no id",
            Self::IdTooLong => "id too long",
            Self::UnparsableTime => "unparsable time",
            Self::FutureTime => "time in the future",
            Self::BadQuantity => "bad quantity",
            Self::BadPrice => "bad price",
            Self::BadNumber => "bad number",
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::WrongColumnCount => "wrong column count",
            Self::MalformedJson => "malformed json",
            Self::RepeatedUser => "repeated user",
        }
    }
}

/// Where every row of the orders went. `rows_read` is the sum of the [parts](Summary::parts);
/// the other counts say something about those parts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Rows in all files, headers and blank lines apart, with the purchases and refunds that only the events tell
    /// of. In sequences, one (user, item) is a row.
    pub rows_read: u64,
    /// Part: lines in `Orders::lines`.
    pub kept_lines: u64,
    /// Part: rows equal to an earlier row in every source column.
    pub duplicates: u64,
    /// Part: rows summed into another row of the same basket and item.
    pub merged: u64,
    /// Part: return rows (negative quantity, or `cancelled_when`).
    pub returns: u64,
    /// Part: purchase lines that returns undid completely.
    pub netted_out: u64,
    /// Part: rows of pseudo-items (`exclude_items`).
    pub excluded: u64,
    /// Part: rows whose status says cancelled or refunded: purchases that did not last.
    pub cancelled: u64,
    /// Part: rows with quantity 0, which are neither a purchase nor a return.
    pub zero_quantity: u64,
    /// Part: lines in `Orders::beyond_cap`.
    pub capped_lines: u64,
    /// Part: rows in the rejects file.
    pub rejected: u64,
    /// Of `returns`: those that undid at least a piece of an earlier purchase.
    pub returns_matched: u64,
    /// Of `returns`: those of guests, which match nothing.
    pub returns_of_guests: u64,
    /// Of `kept_lines`: those of guest baskets.
    pub guest_lines: u64,
    /// User ids whose orders count as those of another (identities of the type `user_id`).
    pub aliases: u64,
    /// Baskets with more than `max_basket_items` items.
    pub capped_baskets: u64,
    /// Rejected rows by reason.
    pub rejects: BTreeMap<Reason, u64>,
    /// Where the rows of the events went, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<EventSummary>,
    /// Files read, in order.
    pub files: Vec<String>,
    /// How times were read, for people: the pattern and the zone. `None` without times.
    pub time_format: Option<String>,
    /// What a careful reader of the run should know, one sentence each.
    pub warnings: Vec<String>,
}

impl Summary {
    /// The parts that add up to `rows_read`, with their names.
    pub fn parts(&self) -> [(&'static str, u64); 10] {
        [
            ("kept", self.kept_lines),
            ("exact duplicates", self.duplicates),
            ("merged (same basket and item)", self.merged),
            ("returns", self.returns),
            ("netted out by returns", self.netted_out),
            ("excluded items", self.excluded),
            ("cancelled or refunded", self.cancelled),
            ("quantity 0", self.zero_quantity),
            ("beyond the basket cap", self.capped_lines),
            ("rejected", self.rejected),
        ]
    }

    /// Whether every row is accounted for, once.
    pub fn adds_up(&self) -> bool {
        self.parts().iter().map(|(_, count)| count).sum::<u64>() == self.rows_read
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<32}{:>14}", "rows read", self.rows_read)?;
        for (name, count) in self.parts() {
            if count > 0 {
                writeln!(f, "  {name:<30}{count:>14}")?;
            }
        }
        for (reason, count) in &self.rejects {
            writeln!(f, "    {:<28}{count:>14}", reason.text())?;
        }
        writeln!(f, "{:<32}{:>14}", "kept lines of guests", self.guest_lines)?;
        if self.aliases > 0 {
            writeln!(f, "{:<32}{:>14}", "user ids that are another's", self.aliases)?;
        }
        if self.returns > 0 {
            writeln!(f, "{:<32}{:>14}", "returns that undid a purchase", self.returns_matched)?;
        }
        if let Some(events) = &self.events {
            write!(f, "{events}")?;
        }
        if let Some(format) = &self.time_format {
            writeln!(f, "times: {format}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

/// Where every row of a table beside the orders went: `rows_read = kept + repeated + rejected`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TableSummary {
    /// `items`, `users` or `identities`.
    pub table: &'static str,
    /// Rows in all files.
    pub rows_read: u64,
    /// Entries that the table gave.
    pub kept: u64,
    /// Rows whose key an earlier row had; the first row stands.
    pub repeated: u64,
    /// Rows in the rejects file.
    pub rejected: u64,
}

#[cfg(test)]
mod tests {
    use super::{Reason, Summary};

    #[test]
    fn the_printed_account_names_each_part_that_is_not_empty() {
        let summary = Summary {
            rows_read: 3,
            kept_lines: 1,
            duplicates: 1,
            rejected: 1,
            rejects: [(Reason::NoItem, 1)].into(),
            ..Summary::default()
        };
        assert!(summary.adds_up());
        let text = summary.to_string();
        assert!(text.contains("exact duplicates") && text.contains("no item"), "{text}");
        assert!(!text.contains("netted"), "{text}");
    }

    #[test]
    fn a_missing_row_is_noticed() {
        assert!(!Summary { rows_read: 3, kept_lines: 2, ..Summary::default() }.adds_up());
    }
}
