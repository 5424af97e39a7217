//! Settling the time format of a column before its table is read.

use super::clock::DateOrder;
use super::source::{Event, Flow, Need, Source, Wanted};
use super::time::{Guess, TimeFormat, TimeReader, count, guess};
use crate::config::{Table, TableConfig};
use anyhow::bail;
use std::cell::Cell;

/// A reader for the times of an optional column; `None` where no file has a value in it. The
/// values decide; the configuration's `time_format` is for those that leave it open.
///
/// # Errors
/// When neither tells the format.
pub fn detect(
    source: &Source,
    table: Table,
    column: &str,
    options: &TableConfig,
) -> anyhow::Result<Option<TimeReader>> {
    let zone = options.time_zone.as_deref();
    match scan(source, table, column, options) {
        Ok(Some(format)) => TimeReader::new(format, zone).map(Some),
        Ok(None) => Ok(None),
        Err(error) => match &options.time_format {
            Some(pattern) => TimeReader::new(TimeFormat::Named(pattern.clone()), zone).map(Some),
            None => Err(error),
        },
    }
}

/// A reader for the times of the orders: as configured, else as the values tell.
///
/// # Errors
/// When the column is missing or its format is not clear.
pub fn of_orders(source: &Source, options: &TableConfig) -> anyhow::Result<TimeReader> {
    let format = match &options.time_format {
        Some(pattern) => TimeFormat::Named(pattern.clone()),
        // Without any value each row is rejected on its own, whatever the format.
        None => {
            scan(source, Table::Orders, "ordered_at", options)?.unwrap_or(TimeFormat::Date(DateOrder::Ymd))
        }
    };
    TimeReader::new(format, options.time_zone.as_deref())
}

/// Looks at values until one tells, mostly the first; to the end where all are ambiguous.
fn scan(
    source: &Source,
    table: Table,
    column: &str,
    options: &TableConfig,
) -> anyhow::Result<Option<TimeFormat>> {
    let field = format!("{}.time_format", table.name());
    let mut detector = Detector { may_count: table == Table::Orders, ..Detector::default() };
    let mut found = None;
    let mut wanted = Wanted::of(table, column, table == Table::Orders, options);
    if table != Table::Orders {
        wanted.iter_mut().for_each(|wanted| wanted.need = Need::Optional);
    }
    // A file is not read through for a column that it has not.
    let headers = if table == Table::Orders { Vec::new() } else { source.headers()? };
    let has = |header: &Vec<String>| wanted.iter().any(|wanted| header.contains(&wanted.source));
    if table != Table::Orders && !headers.iter().any(has) {
        return Ok(None);
    }
    source.each_row(&wanted, &Cell::new(0), &mut |file, event| {
        if let Event::Row(row) = event
            && let Some(value) = row.get(0)
        {
            found = detector.see(value, || format!("{}:{}", file.name(), row.line), &field)?;
        }
        Ok(if found.is_some() { Flow::Enough } else { Flow::Next })
    })?;
    if found.is_none() { detector.give_up(&field) } else { Ok(found) }
}

/// Settles a column's format from its values.
#[derive(Debug, Default)]
struct Detector {
    ambiguous: Option<(String, String)>,
    unknown: Option<(String, String)>,
    unknowns: u32,
    /// Of these, small whole numbers.
    counts: u32,
    /// Whether those may be days or numbers of orders.
    may_count: bool,
}

impl Detector {
    /// Values without a known pattern that are looked at before giving up.
    const PATIENCE: u32 = 1000;

    /// Takes a value at a place; the format once it is sure.
    ///
    /// # Errors
    /// When 1,000 values have followed no known pattern. `field` is the configuration's name of
    /// the option that settles it.
    fn see(
        &mut self,
        value: &str,
        place: impl Fn() -> String,
        field: &str,
    ) -> anyhow::Result<Option<TimeFormat>> {
        match guess(value) {
            Guess::Sure(format) => return Ok(Some(format)),
            Guess::Ambiguous if self.ambiguous.is_none() => {
                self.ambiguous = Some((value.to_owned(), place()));
            }
            Guess::Ambiguous => {}
            Guess::Unknown => {
                self.unknowns += 1;
                self.counts += u32::from(count(value).is_some());
                self.unknown.get_or_insert_with(|| (value.to_owned(), place()));
                if self.unknowns >= Self::PATIENCE && self.ambiguous.is_none() {
                    return self.give_up(field);
                }
            }
        }
        Ok(None)
    }

    /// The end of the values, with no format sure: whole numbers, or none where all are blank; each row then
    /// fails on its own.
    ///
    /// # Errors
    /// When any other value was seen.
    fn give_up(&self, field: &str) -> anyhow::Result<Option<TimeFormat>> {
        if self.may_count && self.counts > 0 && self.counts == self.unknowns && self.ambiguous.is_none() {
            return Ok(Some(TimeFormat::Count));
        }
        if let Some((value, place)) = &self.ambiguous {
            bail!(
                "{place}: is {value:?} day first or month first? No value tells. Set {field} = \
                 \"%d/%m/%Y\" or \"%m/%d/%Y\", followed by \" %H:%M\" or \" %H:%M:%S\" where a time of day is written"
            );
        }
        if let Some((value, place)) = &self.unknown {
            bail!(
                "{place}: {value:?} is no time of a known pattern; set {field}, such as \"%d.%m.%y %H:%M\""
            );
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::Detector;
    use crate::orders::clock::DateOrder;
    use crate::orders::time::TimeFormat;

    #[test]
    fn an_ambiguous_column_asks_for_its_format() {
        let mut detector = Detector::default();
        assert_eq!(detector.see("03/04/2024", || "a.csv:2".to_owned(), "orders.time_format").unwrap(), None);
        let error = detector.give_up("orders.time_format").unwrap_err().to_string();
        assert!(error.contains("a.csv:2") && error.contains("orders.time_format"), "{error}");
        let sure = detector.see("25/04/2024", || "a.csv:3".to_owned(), "orders.time_format").unwrap();
        assert_eq!(sure, Some(TimeFormat::Date(DateOrder::Dmy)));
    }
}
