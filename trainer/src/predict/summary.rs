//! The summary of a run of `predict`.

use std::fmt;
use std::time::Duration;

use chrono::DateTime;
use qianmian_models::snapshot::Snapshot;

use super::keys::Counts;
use super::{Kind, Request};

/// Counts of answered keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Keys.
    pub keys: u64,
    /// Keys with at least one row.
    pub answered: u64,
    /// Answered keys with fewer rows than requested.
    pub short: u64,
    /// Keys that the model does not know: users, items, carts without a known item.
    pub unknown: u64,
    /// Keys of users who do not allow personal answers; for audiences, candidates who do not allow contact.
    pub without_consent: u64,
    /// Rows.
    pub rows: u64,
}

impl Tally {
    /// Counts a key that was answered with `rows` of the `wanted` rows.
    pub fn count(&mut self, unknown: bool, rows: usize, wanted: usize) {
        self.keys += 1;
        self.unknown += u64::from(unknown);
        self.answered += u64::from(rows > 0);
        self.short += u64::from(rows > 0 && rows < wanted);
        self.rows += rows as u64;
    }
}

/// Counts of the input's keys by outcome.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The question.
    pub kind: Kind,
    /// The version that answered.
    pub version: String,
    /// The moment of the answers, unix seconds.
    pub at: i64,
    /// True if the requested moment was outside of the model's range and was clamped.
    pub at_held: bool,
    /// Rows of the input.
    pub rows_read: u64,
    /// Rows of carts with an item that the model does not know; they are ignored.
    pub unknown_cart_rows: u64,
    /// Counts of answered keys.
    pub tally: Tally,
    /// Duration of reading, answering and writing, without opening the model.
    pub seconds: f64,
}

impl Summary {
    pub(super) fn new(snapshot: &Snapshot, request: &Request, at: i64) -> Self {
        Self {
            kind: request.kind,
            version: snapshot.version.clone(),
            at,
            at_held: request.at.is_some_and(|asked| asked != at),
            rows_read: 0,
            unknown_cart_rows: 0,
            tally: Tally::default(),
            seconds: 0.0,
        }
    }

    pub(super) fn add(&mut self, part: Tally) {
        self.tally.keys += part.keys;
        self.tally.answered += part.answered;
        self.tally.short += part.short;
        self.tally.unknown += part.unknown;
        self.tally.without_consent += part.without_consent;
        self.tally.rows += part.rows;
    }

    pub(super) fn close(&mut self, counts: Counts, elapsed: Duration) {
        self.rows_read = counts.rows;
        self.unknown_cart_rows = counts.unknown_cart_rows;
        self.seconds = elapsed.as_secs_f64();
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at =
            DateTime::from_timestamp(self.at, 0).map_or_else(|| self.at.to_string(), |at| at.to_rfc3339());
        let held = if self.at_held { " (--at is beyond what the model can know)" } else { "" };
        writeln!(f, "answered by version {} as of {at}{held}", self.version)?;
        let (keys, unknown) = match self.kind {
            Kind::Recommend => ("users", "unknown, given best sellers"),
            Kind::Similar | Kind::Audience => ("items", "unknown, without rows"),
            Kind::Bundle => ("carts", "without a known item or rows"),
        };
        let mut line = |name: &str, count: u64| writeln!(f, "{name:<32}{count:>14}");
        if self.kind == Kind::Bundle {
            line("rows read", self.rows_read)?;
            line("  of unknown items", self.unknown_cart_rows)?;
        }
        line(&format!("{keys} read"), self.tally.keys)?;
        line("  answered", self.tally.answered)?;
        line("    with fewer than --count rows", self.tally.short)?;
        line(&format!("  {unknown}"), self.tally.unknown)?;
        let without_consent = match self.kind {
            Kind::Recommend => Some("  no_personalization_consent, same"),
            Kind::Bundle => Some("  no_personalization_consent"),
            Kind::Audience => Some("left out: no_contact_consent"),
            Kind::Similar => None,
        };
        if let Some(name) = without_consent {
            line(name, self.tally.without_consent)?;
        }
        line("rows written", self.tally.rows)?;
        writeln!(f, "{:<32}{:>14.2}", "seconds", self.seconds)?;
        writeln!(
            f,
            "{:<32}{:>14.0}",
            format!("{keys} a second"),
            self.tally.keys as f64 / self.seconds.max(1e-9)
        )
    }
}
