//! Settling the time format of a column before its table is read.

use super::source::{Event, Flow, Need, Source, Wanted};
use super::time::{Detector, TimeFormat, TimeReader};
use crate::config::{Table, TableConfig};
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
        None => scan(source, Table::Orders, "ordered_at", options)?.unwrap_or(TimeFormat::YearFirst),
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
    let mut detector = Detector::default();
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
    if found.is_none() {
        detector.give_up(&field)?;
    }
    Ok(found)
}
