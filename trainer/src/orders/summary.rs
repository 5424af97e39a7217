//! The account of a run: the outcome of every physical line and every row read.

use super::events::EventSummary;
use super::source::{FileFacts, Lines};
use super::statuses::Status;
use super::warnings::{Code, Warning};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The reason why a row was rejected.
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
    /// The quantity is not a finite number within ±1e6 pieces.
    BadQuantity,
    /// The price is not a finite number from 0 to 1e9. In orders it is only counted: the purchase counts without one.
    BadPrice,
    /// Another number of the row is not finite or outside its range.
    BadNumber,
    /// The row is not valid UTF-8.
    InvalidUtf8,
    /// The row and the header have different numbers of columns.
    WrongColumnCount,
    /// The row is not one JSON object.
    MalformedJson,
    /// A value is an object instead of a plain value.
    NotPlain,
    /// The lists of a row have different lengths.
    UnequalLists,
    /// A cell of a one-hot basket is neither yes, no nor a quantity.
    UnclearCell,
    /// A spreadsheet rounded an id: `6.92E+11`.
    RoundedId,
    /// A user of a sequence file has a second line.
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
            Self::NotPlain => "an object, not a plain value",
            Self::UnequalLists => "lists of different lengths",
            Self::UnclearCell => "neither yes nor no",
            Self::RoundedId => "id rounded by a spreadsheet",
            Self::RepeatedUser => "repeated user",
        }
    }
}

/// Counts of the orders' rows by outcome. `rows_read` is the sum of the [parts](Summary::parts);
/// the other counts describe those parts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Physical lines of all files.
    pub lines: Lines,
    /// Rows in all files, without headers and blank lines, plus purchases and refunds that are only in the events.
    /// In sequences, each (user, item) is a row.
    pub rows_read: u64,
    /// Part: lines in `Orders::lines`.
    pub kept_lines: u64,
    /// Part: rows equal to an earlier row in every source column.
    pub duplicates: u64,
    /// Part: rows summed into another row of the same basket and item.
    pub merged: u64,
    /// Part: return rows (a negative quantity or amount, or `returned_when`).
    pub returns: u64,
    /// Part: purchase lines that were returned completely.
    pub netted_out: u64,
    /// Part: rows of pseudo-items (`exclude_items`).
    pub excluded: u64,
    /// Part: rows that are cancelled or refunded by their status or by `cancelled_when`.
    pub cancelled: u64,
    /// Part: rows excluded by `keep_when` or `drop_when`.
    pub left_out: u64,
    /// Part: lines of price 0 (`free_lines = "drop"`).
    pub free: u64,
    /// Part: earlier states of lines that a later one replaced.
    pub replaced: u64,
    /// Part: rows of totals and remarks, which are not order lines.
    pub totals: u64,
    /// Part: rows with quantity 0, which are neither a purchase nor a return.
    pub zero_quantity: u64,
    /// Part: lines in `Orders::beyond_cap`.
    pub capped_lines: u64,
    /// Part: rows in the rejects file.
    pub rejected: u64,
    /// Of `returns`: those subtracted, at least in part, from an earlier purchase.
    pub returns_matched: u64,
    /// Of `returns`: those of guests, which match no purchase.
    pub returns_of_guests: u64,
    /// Of `kept_lines`: those of guest baskets.
    pub guest_lines: u64,
    /// Aliases replaced by their user (identities of the type `user_id`).
    pub aliases: u64,
    /// Baskets with more than `max_basket_items` items.
    pub capped_baskets: u64,
    /// Rejected rows by reason.
    pub rejects: BTreeMap<Reason, u64>,
    /// Counts of the events' rows by outcome; `None` without events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<EventSummary>,
    /// Files read, in order.
    pub files: Vec<String>,
    /// The format of times in readable form: the pattern and the zone. `None` without times.
    pub time_format: Option<String>,
    /// Words of the status column.
    pub statuses: BTreeMap<String, Status>,
    /// Purchase rows with a livestream room, before merging and returns.
    pub with_room: u64,
    /// Purchase rows with a merchant, before merging and returns.
    pub with_merchant: u64,
    /// Columns whose values were carried down from an order's first line.
    pub filled_down: Option<Vec<&'static str>>,
    /// The separator of lists in cells, used or suspected.
    pub split: Option<String>,
    /// Columns of ids that went through a float.
    pub float_columns: Vec<&'static str>,
    /// The detected format and columns of each file.
    pub understood: Vec<FileFacts>,
    /// Warnings about the data.
    pub warnings: Vec<Warning>,
}

impl Summary {
    /// The parts that add up to `rows_read`, with their names.
    pub fn parts(&self) -> [(&'static str, u64); 14] {
        [
            ("kept", self.kept_lines),
            ("exact duplicates", self.duplicates),
            ("merged (same basket and item)", self.merged),
            ("returns", self.returns),
            ("netted out by returns", self.netted_out),
            ("excluded items", self.excluded),
            ("cancelled or refunded", self.cancelled),
            ("left out by rules", self.left_out),
            ("price 0", self.free),
            ("replaced by a later state", self.replaced),
            ("totals and remarks", self.totals),
            ("quantity 0", self.zero_quantity),
            ("beyond the basket cap", self.capped_lines),
            ("rejected", self.rejected),
        ]
    }

    /// True if every row is counted exactly once.
    pub fn adds_up(&self) -> bool {
        self.parts().iter().map(|(_, count)| count).sum::<u64>() == self.rows_read
    }

    /// Adds a warning.
    pub fn warn(&mut self, code: Code, count: u64, text: impl Into<String>) {
        self.warnings.push(Warning::new(code, count, text));
    }

    /// True if there is a warning of this kind.
    pub fn has(&self, code: Code) -> bool {
        self.warnings.iter().any(|warning| warning.code == code)
    }

    /// The detected format and columns of the files, in a few lines of text.
    pub fn understanding(&self) -> String {
        /// Most files that are described individually.
        const FILES: usize = 3;
        let mut text = String::new();
        for facts in self.understood.iter().take(FILES) {
            text.push_str(&format!("{}: {}\n", facts.file, facts.written));
            let column = |(name, sources, guessed): &(String, Vec<String>, bool)| {
                let name = name.split_once('.').map_or(name.as_str(), |(_, name)| name);
                let sources = if sources.len() > 4 {
                    format!("{} columns", sources.len())
                } else {
                    sources.join(" + ")
                };
                format!("{name} = {sources}{}", if *guessed { " (by its name)" } else { "" })
            };
            text.push_str(&format!(
                "  {}\n",
                facts.columns.iter().map(column).collect::<Vec<_>>().join(", ")
            ));
        }
        if self.understood.len() > FILES {
            text.push_str(&format!("and {} more files\n", self.understood.len() - FILES));
        }
        text
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let other = self.lines.total() - self.lines.rows;
        writeln!(f, "{:<32}{:>14}", "lines in the files", self.lines.total())?;
        if other > 0 {
            writeln!(f, "  {:<30}{other:>14}", "headers, blank, before headers")?;
        }
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
        for (what, lines) in [("room", self.with_room), ("merchant", self.with_merchant)] {
            if lines > 0 {
                writeln!(f, "{:<32}{lines:>14}", format!("purchase rows that name a {what}"))?;
            }
        }
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
        let words: Vec<String> = self
            .statuses
            .iter()
            .take(20)
            .map(|(word, status)| format!("{word} {} ({})", status.rows, status.meaning))
            .collect();
        if !words.is_empty() {
            writeln!(f, "statuses: {}", words.join(", "))?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

/// Counts of the rows of another table by outcome: `rows_read = kept + repeated + rejected`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TableSummary {
    /// `items`, `users` or `identities`.
    pub table: &'static str,
    /// Rows in all files.
    pub rows_read: u64,
    /// Entries of the table.
    pub kept: u64,
    /// Rows whose key occurred in an earlier row; the first row counts.
    pub repeated: u64,
    /// Rows in the rejects file.
    pub rejected: u64,
    /// Prices and costs with more decimals than the currency has.
    pub rounded: u64,
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
