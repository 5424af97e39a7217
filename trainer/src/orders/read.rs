//! Reads all tables, in order.

use super::doubts::say_rounded;
use super::events::Events;
use super::meter::{Meter, Progress};
use super::order_files::OrderFiles;
use super::rejects::Rejects;
use super::source::FileFacts;
use super::tables::TableReader;
use super::types::Inputs;
use crate::config::{Config, Table, TableConfig};
use std::path::PathBuf;

/// Options of a run that are independent of the shop.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Start of the run, unix seconds; purchases more than a day later are rejected.
    pub now: i64,
    /// The file for rejected rows; if absent, they are only counted.
    pub rejects: Option<PathBuf>,
    /// Share of a table's rows that may be rejected, 0 to 1.
    pub max_reject_ratio: f64,
    /// Most rows in all files of the orders; more is an error.
    pub max_lines: u64,
}

impl ReadOptions {
    /// The usual choices: no rejects file, at most 1 % rejected, up to four billion rows.
    pub fn new(now: i64) -> Self {
        Self { now, rejects: None, max_reject_ratio: 0.01, max_lines: u64::from(u32::MAX) - 1 }
    }
}

/// Reads and cleans everything that the configuration names.
///
/// # Errors
/// Fails if a file is missing, empty, cut off or in another encoding, a column is missing, a time
/// format is not clear, no purchase remains, or more than `max_reject_ratio` of a table is bad.
/// Even then the rejects file is written, with the rows rejected so far.
pub fn read(config: &Config, options: &ReadOptions, progress: Progress<'_>) -> anyhow::Result<Inputs> {
    let mut opened = Opened::open(config, options)?;
    let meter = Meter::new(progress, opened.bytes());
    let mut rejects = Rejects::create(options.rejects.clone())?;
    let inputs = opened.read(config, options, &meter, &mut rejects);
    meter.tell();
    let written = rejects.finish();
    let inputs = inputs?;
    written?;
    Ok(inputs)
}

/// The first rows of the orders, each with its outcome; empty if events are the only source.
///
/// # Errors
/// As [`read`].
pub fn preview(config: &Config, options: &ReadOptions, rows: usize) -> anyhow::Result<Vec<[String; 2]>> {
    let events = if config.orders.files.is_empty() { Events::open(config, options)? } else { None };
    OrderFiles::open(config, events)?.preview(config, options, rows)
}

/// The detected format and columns of the orders' files, for a configuration that cannot read them yet.
///
/// # Errors
/// Fails if a file is empty or invalid for its format.
pub fn facts(config: &Config) -> anyhow::Result<Vec<FileFacts>> {
    OrderFiles::open(config, None)?.facts(config)
}

/// All tables with their files found, so that a misspelt name fails before hours of reading.
struct Opened<'a> {
    orders: OrderFiles,
    items: Option<TableReader<'a>>,
    users: Option<TableReader<'a>>,
    identities: Option<TableReader<'a>>,
}

impl<'a> Opened<'a> {
    fn open(config: &'a Config, options: &ReadOptions) -> anyhow::Result<Self> {
        let table = |table, section: &'a Option<TableConfig>| -> anyhow::Result<Option<TableReader<'a>>> {
            let with_files = section.as_ref().filter(|section| !section.from_orders);
            with_files.map(|section| TableReader::open(table, section, config, options)).transpose()
        };
        Ok(Self {
            orders: OrderFiles::open(config, Events::open(config, options)?)?,
            items: table(Table::Items, &config.items)?,
            users: table(Table::Users, &config.users)?,
            identities: table(Table::Identities, &config.identities)?,
        })
    }

    fn bytes(&self) -> u64 {
        let tables = [&self.items, &self.users, &self.identities];
        self.orders.bytes() + tables.into_iter().flatten().map(TableReader::bytes).sum::<u64>()
    }

    fn read(
        &mut self,
        config: &Config,
        options: &ReadOptions,
        meter: &Meter<'_>,
        rejects: &mut Rejects,
    ) -> anyhow::Result<Inputs> {
        // Identities come first, because they hold the aliases of users.
        let identities =
            self.identities.as_ref().map(|table| table.identities(meter, rejects)).transpose()?;
        let (identities, summary) = identities.unzip();
        let identities = identities.unwrap_or_default();
        let (orders, items) = self.orders.read(config, options, &identities, meter, rejects)?;
        let mut inputs =
            Inputs { orders, items, users: vec![], identities, currency: config.currency, tables: vec![] };
        if let Some(table) = &self.items {
            let (items, summary) = table.items(meter, rejects)?;
            inputs.items = items;
            say_rounded(&mut inputs.orders.summary, config.currency, summary.rounded);
            inputs.tables.push(summary);
        }
        if let Some(table) = &self.users {
            let (users, summary) = table.users(meter, rejects)?;
            inputs.users = users;
            inputs.tables.push(summary);
        }
        inputs.tables.extend(summary);
        Ok(inputs)
    }
}
