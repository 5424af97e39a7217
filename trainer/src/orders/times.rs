//! Decides the time format of a column, file by file, before its table is read.

use super::clock::{DateOrder, SERIAL_OF_1970};
use super::source::{Event, Flow, Need, Source, Wanted};
use super::time::{Guess, Numbers, TimeFormat, TimeReader, guess};
use super::types::DAY_SECONDS;
use crate::config::{Table, TableConfig};
use anyhow::bail;
use std::cell::Cell;

/// Values that are examined per file, unless dates are ambiguous.
const LOOKED_AT: u32 = 1000;

/// 1990-01-01 as a spreadsheet's day number; smaller whole numbers are not dates of a shop.
const FIRST_SERIAL: f64 = 32_874.0;

/// The readers of one column, one per file.
#[derive(Debug, Clone)]
pub struct Times {
    readers: Vec<TimeReader>,
}

impl Times {
    /// Unix seconds of a value in file number `file`; see [`TimeReader::read`].
    pub fn read(&mut self, file: usize, value: &str) -> Option<i64> {
        self.readers.get_mut(file)?.read(value)
    }

    /// Number of values rounded by a spreadsheet, and the coarsest precision of them in seconds.
    pub fn rounded(&self) -> (u64, f64) {
        self.readers
            .iter()
            .fold((0, 0.0), |sum, reader| (sum.0 + reader.rounded.0, sum.1.max(reader.rounded.1)))
    }

    /// True if numbers are read as day numbers of a spreadsheet.
    pub fn are_serials(&self) -> bool {
        let is_serial = |reader: &TimeReader| {
            matches!(reader.format(), TimeFormat::Plain { numbers: Numbers::Serial, .. })
        };
        self.readers.iter().any(is_serial)
    }

    /// True if numbers are read as counted days.
    pub fn are_counts(&self) -> bool {
        let is_count = |reader: &TimeReader| {
            matches!(reader.format(), TimeFormat::Plain { numbers: Numbers::Count, .. })
        };
        self.readers.iter().any(is_count)
    }

    /// All formats in readable form, each once.
    pub fn describe(&self) -> String {
        let mut ways: Vec<String> = Vec::new();
        for way in self.readers.iter().map(TimeReader::describe) {
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        ways.join("; and ")
    }
}

/// Readers for the times of an optional column; `None` if no file has a value in it. The
/// values decide; the configuration's `time_format` is used if they are ambiguous.
///
/// # Errors
/// Fails if neither decides the format.
pub fn detect(
    source: &Source,
    table: Table,
    column: &str,
    options: &TableConfig,
    now: i64,
) -> anyhow::Result<Option<Times>> {
    match scan(source, table, column, options, now) {
        Ok((_, false)) => Ok(None),
        Ok((formats, true)) => readers(formats, options).map(Some),
        Err(error) => match &options.time_format {
            Some(pattern) => readers(same(source, pattern), options).map(Some),
            None => Err(error),
        },
    }
}

/// Readers for the times of the orders: as configured, else detected from the values.
///
/// # Errors
/// Fails if the column is missing or its format is not clear.
pub fn of_orders(source: &Source, options: &TableConfig, now: i64) -> anyhow::Result<Times> {
    let formats = match &options.time_format {
        Some(pattern) => same(source, pattern),
        // Without any value, each row is rejected individually with any format.
        None => scan(source, Table::Orders, "ordered_at", options, now)?.0,
    };
    readers(formats, options)
}

fn same(source: &Source, pattern: &str) -> Vec<TimeFormat> {
    source.files().iter().map(|_| TimeFormat::Named(pattern.to_owned())).collect()
}

fn readers(formats: Vec<TimeFormat>, options: &TableConfig) -> anyhow::Result<Times> {
    let zone = options.time_zone.as_deref();
    let readers =
        formats.into_iter().map(|format| TimeReader::new(format, zone)).collect::<anyhow::Result<_>>()?;
    Ok(Times { readers })
}

/// Examines the beginning of each file, or the whole file if all dates are ambiguous. Returns the formats, and true
/// if there was any value.
fn scan(
    source: &Source,
    table: Table,
    column: &str,
    options: &TableConfig,
    now: i64,
) -> anyhow::Result<(Vec<TimeFormat>, bool)> {
    let required = table == Table::Orders && column == "ordered_at";
    let mut wanted = Wanted::of(table, column, required, options);
    if !required {
        wanted.need = Need::Optional;
    }
    let facts = source.check(std::slice::from_ref(&wanted))?;
    let mut seen: Vec<Seen> = source.files().iter().map(|_| Seen::default()).collect();
    // A file without the column is not read.
    if facts.iter().any(|facts| !facts.columns.is_empty()) {
        source.each_row(std::slice::from_ref(&wanted), &Cell::new(0), &mut |file, event| {
            let Event::Row(row) = event else { return Ok(Flow::Next) };
            let Some(seen) = seen.get_mut(file.number) else { return Ok(Flow::NextFile) };
            if facts[file.number].columns.is_empty() {
                return Ok(Flow::NextFile);
            }
            if let Some(value) = row.value(0) {
                seen.take(&value, || format!("{}:{}", file.name(), row.line));
            }
            Ok(if seen.is_enough() { Flow::NextFile } else { Flow::Next })
        })?;
    }
    let told = |order| seen.iter().any(|seen| seen.order == Some(order));
    // All files of one export have the same order of day and month.
    let order = match (told(DateOrder::Dmy), told(DateOrder::Mdy)) {
        (true, false) => Some(DateOrder::Dmy),
        (false, true) => Some(DateOrder::Mdy),
        _ => None,
    };
    let field = format!("{}.time_format", table.name());
    let may_count = table == Table::Orders;
    let formats =
        seen.iter().map(|seen| seen.format(order, may_count, now, &field)).collect::<anyhow::Result<_>>()?;
    Ok((formats, seen.iter().any(|seen| seen.values > 0)))
}

/// Evidence of one file's values about their time format, so far.
#[derive(Debug, Default)]
struct Seen {
    values: u32,
    times: u32,
    order: Option<DateOrder>,
    ambiguous: Option<(String, String)>,
    unknown: Option<(String, String)>,
    unknowns: u32,
    numbers: u32,
    /// Number of `numbers` with decimals.
    decimals: u32,
    least: f64,
    most: f64,
}

impl Seen {
    fn take(&mut self, value: &str, place: impl Fn() -> String) {
        self.values += 1;
        match guess(value) {
            Guess::Time => self.times += 1,
            Guess::Order(order) => {
                self.times += 1;
                self.order.get_or_insert(order);
            }
            Guess::Ambiguous => {
                self.ambiguous.get_or_insert_with(|| (value.to_owned(), place()));
            }
            Guess::Number(number) => {
                (self.least, self.most) = match self.numbers {
                    0 => (number, number),
                    _ => (self.least.min(number), self.most.max(number)),
                };
                self.numbers += 1;
                self.decimals += u32::from(number.fract() != 0.0);
                self.unknown.get_or_insert_with(|| (value.to_owned(), place()));
            }
            Guess::Unknown => {
                self.unknowns += 1;
                self.unknown.get_or_insert_with(|| (value.to_owned(), place()));
            }
        }
    }

    fn is_enough(&self) -> bool {
        self.values >= LOOKED_AT && (self.ambiguous.is_none() || self.order.is_some())
    }

    /// The format; `order` is the order of day and month in other files.
    ///
    /// # Errors
    /// Fails if the order of day and month is ambiguous, or if no value is a time. `field` is the configuration's
    /// option that decides it.
    fn format(
        &self,
        order: Option<DateOrder>,
        may_count: bool,
        now: i64,
        field: &str,
    ) -> anyhow::Result<TimeFormat> {
        let order = self.order.or(order);
        if let (None, Some((value, place))) = (order, &self.ambiguous) {
            bail!(
                "{place}: is {value:?} day first or month first? No value tells. Set {field} = \
                 \"%d/%m/%Y\" or \"%m/%d/%Y\", followed by \" %H:%M\" or \" %H:%M:%S\" where a time of day is written"
            );
        }
        let only_numbers = self.numbers > 0 && self.times + self.unknowns == 0 && self.ambiguous.is_none();
        let last_serial = (now + DAY_SECONDS) as f64 / DAY_SECONDS as f64 + SERIAL_OF_1970;
        let numbers = if only_numbers && self.least >= FIRST_SERIAL && self.most <= last_serial {
            Numbers::Serial
        } else if only_numbers && self.decimals == 0 && may_count {
            Numbers::Count
        } else {
            Numbers::None
        };
        let none_is_a_time = self.times == 0 && self.ambiguous.is_none() && numbers == Numbers::None;
        if let (true, Some((value, place))) = (none_is_a_time, &self.unknown) {
            bail!(
                "{place}: {value:?} is no time of a known pattern; set {field}, such as \"%d.%m.%y %H:%M\""
            );
        }
        Ok(TimeFormat::Plain { order, numbers })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::Seen;
    use crate::orders::clock::DateOrder;
    use crate::orders::time::{Numbers, TimeFormat};

    /// 2024-06-01.
    const NOW: i64 = 1_717_200_000;

    fn told(values: &[&str], other: Option<DateOrder>) -> anyhow::Result<TimeFormat> {
        let mut seen = Seen::default();
        values.iter().for_each(|value| seen.take(value, || "a.csv:2".to_owned()));
        seen.format(other, true, NOW, "orders.time_format")
    }

    fn plain(order: Option<DateOrder>, numbers: Numbers) -> TimeFormat {
        TimeFormat::Plain { order, numbers }
    }

    #[test]
    fn an_ambiguous_column_asks_for_its_format() {
        let error = told(&["03/04/2024"], None).unwrap_err().to_string();
        assert!(error.contains("a.csv:2") && error.contains("orders.time_format"), "{error}");
        let order = Some(DateOrder::Dmy);
        assert_eq!(told(&["03/04/2024", "25/04/2024"], None).unwrap(), plain(order, Numbers::None));
        assert_eq!(told(&["03/04/2024"], order).unwrap(), plain(order, Numbers::None));
    }

    #[test]
    fn numbers_are_days_of_a_spreadsheet_or_counted_days() {
        assert_eq!(told(&["45292.4", "45293"], None).unwrap(), plain(None, Numbers::Serial));
        assert_eq!(told(&["45292", "45301"], None).unwrap(), plain(None, Numbers::Serial));
        assert_eq!(told(&["1", "711"], None).unwrap(), plain(None, Numbers::Count));
        assert!(told(&["1.5", "711"], None).is_err());
    }
}
