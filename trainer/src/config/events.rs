//! `[events]`: what users did, and what is made of it.

use serde::Deserialize;
use std::collections::BTreeMap;

use super::tables::{Column, Format, Normalise, Table, TableConfig};

/// The events' section: a source, and what is made of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventsConfig {
    /// Files or glob patterns, such as those that a server drains events into.
    pub files: Vec<String>,
    /// As in [`TableConfig`].
    pub format: Option<Format>,
    /// As in [`TableConfig`].
    pub delimiter: Option<String>,
    /// As in [`TableConfig`].
    pub columns: BTreeMap<String, Column>,
    /// As in [`TableConfig`].
    pub time_format: Option<String>,
    /// As in [`TableConfig`].
    pub time_zone: Option<String>,
    /// As in [`TableConfig`].
    pub normalise: BTreeMap<String, Normalise>,
    /// Purchases and refunds count where the orders do not tell of them.
    pub purchases: bool,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            format: None,
            delimiter: None,
            columns: BTreeMap::new(),
            time_format: None,
            time_zone: None,
            normalise: BTreeMap::new(),
            purchases: true,
        }
    }
}

impl EventsConfig {
    /// The options that events share with every table.
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
        self.source().check(Table::Events)
    }
}
