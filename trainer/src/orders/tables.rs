//! Reads the items, users and identities tables.

use super::aliases;
use super::attributes::{Prices, set, set_user};
use super::layout::Layout;
use super::meter::Meter;
use super::read::ReadOptions;
use super::rejects::{Rejects, Tally};
use super::source::{Event, Flow, Row, Source, SourceFile, Wanted};
use super::summary::{Reason, TableSummary};
use super::times::{Times, detect};
use super::types::{Identity, Item, User};
use super::values::id;
use crate::config::{Config, Normalise, Table, TableConfig};
use qianmian_money::Currency;
use std::collections::BTreeMap;

/// One opened table.
pub struct TableReader<'a> {
    table: Table,
    source: Source,
    options: &'a TableConfig,
    /// The normalization of ids: that of the table, else that of the orders.
    user_id: Option<Normalise>,
    item_id: Option<Normalise>,
    max_reject_ratio: f64,
    now: i64,
    currency: Currency,
}

impl<'a> TableReader<'a> {
    /// Finds the table's files.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn open(
        table: Table,
        options: &'a TableConfig,
        config: &Config,
        run: &ReadOptions,
    ) -> anyhow::Result<Self> {
        let how = |column: &str| {
            options.normalise.get(column).or_else(|| config.orders.normalise.get(column)).copied()
        };
        let source = Source::open(table, options)?;
        let (user_id, item_id) = (how("user_id"), how("item_id"));
        let (max_reject_ratio, now) = (run.max_reject_ratio, run.now);
        let currency = config.currency;
        Ok(Self { table, source, options, user_id, item_id, max_reject_ratio, now, currency })
    }

    /// Size on disk.
    pub fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    /// The catalog, sorted by id.
    ///
    /// # Errors
    /// Fails if a file cannot be read, a needed column is missing or too many rows are bad.
    pub fn items(
        &self,
        meter: &Meter<'_>,
        rejects: &mut Rejects,
    ) -> anyhow::Result<(Vec<Item>, TableSummary)> {
        let layout = self.layout(&["item_id"], &[]);
        let mut launched_at = self.time("launched_at")?;
        let (how, mut prices) = (self.item_id, Prices::new(self.currency));
        let parse = |row: &Row<'_>, file: &SourceFile| -> Result<(String, Item), Reason> {
            let item_id = id(row.get(0), how, Reason::NoItem)?.into_owned();
            let mut item = Item { item_id: item_id.clone(), ..Item::default() };
            for (number, column) in layout.names().enumerate() {
                if let Some(value) = row.value(number) {
                    set(&mut item, column, &value, (&mut launched_at, file.number), &mut prices)?;
                }
            }
            Ok((item_id, item))
        };
        let (items, mut summary) = self.entries(&layout, meter, rejects, parse)?;
        summary.rounded = prices.rounded;
        Ok((items, summary))
    }

    /// Users, sorted by id.
    ///
    /// # Errors
    /// As [`TableReader::items`].
    pub fn users(
        &self,
        meter: &Meter<'_>,
        rejects: &mut Rejects,
    ) -> anyhow::Result<(Vec<User>, TableSummary)> {
        let layout = self.layout(&["user_id"], &self.consents()?);
        let (mut birthday, mut registered_at) = (self.time("birthday")?, self.time("registered_at")?);
        let how = self.user_id;
        let parse = |row: &Row<'_>, file: &SourceFile| -> Result<(String, User), Reason> {
            let user_id = id(row.get(0), how, Reason::NoId)?.into_owned();
            let mut user = User { user_id: user_id.clone(), ..User::default() };
            for (number, column) in layout.names().enumerate() {
                let time = if column == "birthday" { &mut birthday } else { &mut registered_at };
                let time = (time, file.number);
                match row.value(number) {
                    Some(value) => set_user(&mut user, column, &value, time)?,
                    // An empty cell is recorded as `None`: the shop has this consent column, but no answer of the user.
                    None if column.starts_with("consent") => {
                        user.consents.insert(column.to_owned(), None);
                    }
                    None => {}
                }
            }
            Ok((user_id, user))
        };
        self.entries(&layout, meter, rejects, parse)
    }

    /// Identities, sorted by (kind, value).
    ///
    /// # Errors
    /// As [`TableReader::items`].
    pub fn identities(
        &self,
        meter: &Meter<'_>,
        rejects: &mut Rejects,
    ) -> anyhow::Result<(Vec<Identity>, TableSummary)> {
        let layout = self.layout(&["user_id", "type", "value"], &[]);
        let how = self.user_id;
        let parse = |row: &Row<'_>, _: &SourceFile| -> Result<((String, String), Identity), Reason> {
            let user_id = id(row.get(0), how, Reason::NoId)?.into_owned();
            let kind = id(row.get(1), None, Reason::NoId)?.into_owned();
            // User ids are normalized as in the orders.
            let how_value = how.filter(|_| kind == aliases::USER_ID);
            let value = id(row.get(2), how_value, Reason::NoId)?.into_owned();
            Ok(((kind.clone(), value.clone()), Identity { user_id, kind, value }))
        };
        self.entries(&layout, meter, rejects, parse)
    }

    /// The table's columns, followed by `more`.
    fn layout(&self, required: &[&str], more: &[String]) -> Layout {
        let mut layout = Layout::of_table(self.table, self.options, &|name| required.contains(&name));
        for column in more {
            layout.add(Wanted::of(self.table, column, false, self.options));
        }
        layout
    }

    /// The consent columns of the files and of the configuration.
    fn consents(&self) -> anyhow::Result<Vec<String>> {
        let headers = self.source.headers();
        let mut names: Vec<String> = headers
            .into_iter()
            .flatten()
            .chain(self.options.columns.keys().cloned())
            .filter(|name| name.starts_with("consent"))
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Readers of a column of times. A detected format has priority, because one `time_format` may not fit two columns.
    fn time(&self, column: &str) -> anyhow::Result<Option<Times>> {
        detect(&self.source, self.table, column, self.options, self.now)
    }

    fn entries<K: Ord, T>(
        &self,
        layout: &Layout,
        meter: &Meter<'_>,
        rejects: &mut Rejects,
        mut parse: impl FnMut(&Row<'_>, &SourceFile) -> Result<(K, T), Reason>,
    ) -> anyhow::Result<(Vec<T>, TableSummary)> {
        let table = self.table.name();
        let mut summary = TableSummary { table, ..TableSummary::default() };
        let mut tally = Tally::default();
        let mut entries: BTreeMap<K, T> = BTreeMap::new();
        self.source.each_row(&layout.wanted, meter.read(), &mut |file, event| {
            summary.rows_read += 1;
            meter.row();
            let (line, bad) = match event {
                Event::Bad { line, reason, shown } => (line, Some((reason, shown))),
                Event::Row(row) => match parse(row, file) {
                    Err(reason) => (row.line, Some((reason, row.show()))),
                    Ok((key, entry)) => {
                        match entries.entry(key) {
                            std::collections::btree_map::Entry::Vacant(place) => {
                                place.insert(entry);
                            }
                            std::collections::btree_map::Entry::Occupied(_) => summary.repeated += 1,
                        }
                        (row.line, None)
                    }
                },
            };
            if let Some((reason, shown)) = bad {
                tally.reject(rejects, &file.name(), line, reason, &shown)?;
            }
            Ok(Flow::Next)
        })?;
        summary.kept = entries.len() as u64;
        summary.rejected = tally.total();
        tally.check(table, summary.rows_read, self.max_reject_ratio)?;
        Ok((entries.into_values().collect(), summary))
    }
}
