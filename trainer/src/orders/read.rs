//! The whole of reading, in order.

use super::aliases;
use super::arrange::arrange;
use super::catalogue::Catalogue;
use super::clean::{Cleaner, ITEM_ID, ORDER_ID, ORDERED_AT, USER_ID};
use super::events::Events;
use super::layout::Layout;
use super::meter::{Meter, Progress};
use super::order::settle;
use super::rejects::{Rejects, Tally};
use super::rules::Rules;
use super::source::{Event, Flow, Source};
use super::tables::TableReader;
use super::times::{detect, of_orders};
use super::types::{Identity, Inputs, Item, Orders, TimeKind};
use crate::config::{Config, Table, TableConfig};
use anyhow::bail;
use qianmian_suggest::{nearest, similarity};
use std::path::PathBuf;

/// Choices of a run that are not the shop's.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Start of the run, unix seconds; purchases more than a day later are rejected.
    pub now: i64,
    /// Where rejected rows go; they are only counted where absent.
    pub rejects: Option<PathBuf>,
    /// Share of a table's rows that may be rejected, 0 to 1.
    pub max_reject_ratio: f64,
    /// Most rows of the orders' files together; more is an error.
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
/// When a file is missing, empty, cut off or in another encoding, a column is missing, a time
/// format is not clear, no purchase remains, or more than `max_reject_ratio` of a table is bad.
/// The rejects file is written then too, with the rows that were rejected so far.
pub fn read(config: &Config, options: &ReadOptions, progress: Progress<'_>) -> anyhow::Result<Inputs> {
    let opened = Opened::open(config, options)?;
    let meter = Meter::new(progress, opened.bytes());
    let mut rejects = Rejects::create(options.rejects.clone())?;
    let inputs = opened.read(config, options, &meter, &mut rejects);
    meter.tell();
    let written = rejects.finish();
    let inputs = inputs?;
    written?;
    Ok(inputs)
}

/// All tables with their files found, so that a misspelt name fails before hours of reading.
struct Opened<'a> {
    orders: Source,
    events: Option<Events>,
    items: Option<TableReader<'a>>,
    users: Option<TableReader<'a>>,
    identities: Option<TableReader<'a>>,
}

impl<'a> Opened<'a> {
    fn open(config: &'a Config, options: &ReadOptions) -> anyhow::Result<Self> {
        let table = |table, section: &'a Option<TableConfig>| -> anyhow::Result<Option<TableReader<'a>>> {
            let with_files = section.as_ref().filter(|section| !section.from_orders);
            with_files
                .map(|section| TableReader::open(table, section, config, options.max_reject_ratio))
                .transpose()
        };
        Ok(Self {
            orders: Source::open(Table::Orders, &config.orders.source())?,
            events: Events::open(config, options.max_reject_ratio)?,
            items: table(Table::Items, &config.items)?,
            users: table(Table::Users, &config.users)?,
            identities: table(Table::Identities, &config.identities)?,
        })
    }

    fn bytes(&self) -> u64 {
        let tables = [&self.items, &self.users, &self.identities];
        let events = self.events.as_ref().map_or(0, Events::bytes);
        self.orders.bytes() + events + tables.into_iter().flatten().map(TableReader::bytes).sum::<u64>()
    }

    fn read(
        &self,
        config: &Config,
        options: &ReadOptions,
        meter: &Meter<'_>,
        rejects: &mut Rejects,
    ) -> anyhow::Result<Inputs> {
        // First, because they say which user ids are one.
        let identities =
            self.identities.as_ref().map(|table| table.identities(meter, rejects)).transpose()?;
        let (identities, summary) = identities.unzip();
        let identities = identities.unwrap_or_default();
        let (orders, items) = self.read_orders(config, options, &identities, meter, rejects)?;
        let mut inputs = Inputs { orders, items, users: vec![], identities, tables: vec![] };
        if let Some(table) = &self.items {
            let (items, summary) = table.items(meter, rejects)?;
            inputs.items = items;
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

    /// The orders, and the catalogue that their own columns give where the configuration asks for it.
    fn read_orders(
        &self,
        config: &Config,
        options: &ReadOptions,
        identities: &[Identity],
        meter: &Meter<'_>,
        rejects: &mut Rejects,
    ) -> anyhow::Result<(Orders, Vec<Item>)> {
        let source = &self.orders;
        let source_options = config.orders.source();
        let untold =
            !source.is_sequences() && !config.orders.timeless && has_no_times(source, &source_options)?;
        let time_kind = match (source.is_sequences(), config.orders.timeless || untold) {
            (true, _) => TimeKind::Steps,
            (false, true) => TimeKind::None,
            (false, false) => TimeKind::Timestamps,
        };
        let (layout, attributes) = layout(config, &source_options, time_kind);
        let rules = Rules::new(&config.orders, options.now, options.max_lines)?;
        let missing = missing_columns(source, &layout)?;
        let time = match time_kind {
            TimeKind::Timestamps => Some(of_orders(source, &source_options)?),
            _ => None,
        };
        let mut cleaner = Cleaner::new(&rules, &layout, time.clone(), Catalogue::new(attributes));
        let mut tally = Tally::default();
        source.each_row(&layout.wanted, meter.read(), &mut |file, event| {
            cleaner.count()?;
            meter.row();
            match event {
                Event::Bad { line, reason, shown } => {
                    tally.reject(rejects, &file.name(), line, reason, &shown)?;
                }
                Event::Row(row) => {
                    if let Some(reason) = cleaner.take(row)? {
                        tally.reject(rejects, &file.name(), row.line, reason, &row.show())?;
                    }
                }
            }
            Ok(Flow::Next)
        })?;
        let mut launched_at = launched_at(config, source)?;
        let Cleaner { mut raw, mut summary, catalogue, .. } = cleaner;
        summary.rejected = tally.total();
        summary.rejects = tally.counts();
        summary.files = source.files().iter().map(super::source::SourceFile::name).collect();
        summary.time_format = time.map(|time| time.describe());
        summary.warnings = missing;
        if untold {
            summary.warnings.push(
                "there is no column `ordered_at`, so nothing is known of when; if there are times, name their column \
                 in [orders] columns"
                    .to_owned(),
            );
        }
        if summary.rows_read == 0 {
            bail!("{} has a header but no rows; export it again", summary.files.join(", "));
        }
        tally.check("the orders", summary.rows_read, options.max_reject_ratio)?;
        if let Some(events) = &self.events {
            if time_kind != TimeKind::Timestamps {
                bail!("[events]: the orders have no times to put events beside; leave the section out");
            }
            events.add(&rules, &mut raw, &mut summary, meter, rejects)?;
        }
        summary.aliases = aliases::apply(&mut raw, identities) as u64;
        let (mut orders, item_of) = arrange(raw, summary, time_kind, config.orders.max_basket_items);
        if orders.lines.is_empty() {
            bail!("no purchase remains of the orders; where the rows went:\n{}", orders.summary);
        }
        settle(&mut orders);
        let items = match &config.items {
            Some(section) if section.from_orders => {
                catalogue.into_items(&layout, &orders.item_ids, &item_of, &mut launched_at)
            }
            _ => Vec::new(),
        };
        Ok((orders, items))
    }
}

/// The slots of the orders' columns in the order of `Table::columns`, then those of the items'
/// attributes where they come from the same files; the numbers of the latter.
fn layout(config: &Config, options: &TableConfig, time_kind: TimeKind) -> (Layout, Vec<usize>) {
    let mut layout = Layout::default();
    for (number, column) in Table::Orders.columns().iter().enumerate() {
        let required = matches!(number, ORDER_ID | ITEM_ID)
            || (number == ORDERED_AT && time_kind == TimeKind::Timestamps);
        layout.add(Table::Orders, column, required, options);
    }
    let mut attributes = Vec::new();
    if let Some(section) = config.items.as_ref().filter(|section| section.from_orders) {
        for column in Table::Items.columns() {
            // An order's `status` is not its item's, unless the configuration says so.
            let shared = *column == "status" && !section.columns.contains_key(*column);
            if *column != "item_id" && !shared {
                attributes.push(layout.add(Table::Items, column, false, section));
            }
        }
    }
    (layout, attributes)
}

/// Warnings of optional columns that are not there but look misspelt, and of a lack of users.
///
/// # Errors
/// When a column is missing that is needed.
fn missing_columns(source: &Source, layout: &Layout) -> anyhow::Result<Vec<String>> {
    let mut warnings = Vec::new();
    let headers = source.check(&layout.wanted)?;
    for (number, wanted) in layout.wanted.iter().take(Table::Orders.columns().len()).enumerate() {
        let Some(header) = headers.iter().find(|header| !header.contains(&wanted.source)) else {
            continue;
        };
        let spare = |name: &&str| layout.wanted.iter().all(|wanted| wanted.source != **name);
        let near = nearest(&wanted.source, header.iter().map(String::as_str).filter(spare))
            .filter(|near| similarity(&wanted.source, near) >= 0.9);
        let hint = near.map(|near| format!("; is it `{near}`? Then name it in [orders] columns"));
        if number == USER_ID {
            let hint = hint.unwrap_or_default();
            warnings.push(format!("without a column `{}` all baskets are guests'{hint}", wanted.source));
        } else if let Some(hint) = hint {
            warnings.push(format!("there is no column `{}`{hint}", wanted.source));
        }
    }
    Ok(warnings)
}

/// Whether the configuration names no column of times and no file has one, nor one whose name sounds like it.
fn has_no_times(source: &Source, options: &TableConfig) -> anyhow::Result<bool> {
    if options.columns.contains_key("ordered_at") || options.time_format.is_some() {
        return Ok(false);
    }
    let mut others = Vec::new();
    for column in Table::Orders.columns().iter().filter(|column| **column != "ordered_at") {
        match options.columns.get(*column) {
            Some(source) => others.extend(source.names().iter().map(String::as_str)),
            None => others.push(*column),
        }
    }
    let is_time = |name: &&String| {
        let lower = name.to_lowercase();
        let by_name = ["time", "date", "_at"].iter().any(|part| lower.contains(part));
        !others.contains(&name.as_str()) && (by_name || similarity("ordered_at", &lower) >= 0.9)
    };
    Ok(!source.headers()?.iter().flatten().any(|name| is_time(&name)))
}

fn launched_at(config: &Config, source: &Source) -> anyhow::Result<Option<super::time::TimeReader>> {
    match &config.items {
        Some(section) if section.from_orders => detect(source, Table::Items, "launched_at", section),
        _ => Ok(None),
    }
}
