//! Formats of times: detection from a column's values, and parsing of values.
//!
//! Most values are unambiguous, so a column may mix styles. Two properties are decided for a whole file: the order of
//! day and month, and the meaning of plain numbers.

use super::clock::{Clock, DateOrder, civil, digits, scientific, serial};
use super::types::DAY_SECONDS;
use crate::config::Zone;
use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// The meaning of numbers too small for an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// Not times.
    None,
    /// Days counted from some first day, or numbers of a user's orders.
    Count,
    /// Days since 1899-12-30, as in spreadsheets.
    Serial,
}

/// The time format of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    /// Any unambiguous style.
    Plain {
        /// Order of day and month in dates that begin with neither the year nor the name of a month.
        order: Option<DateOrder>,
        /// The meaning of small numbers.
        numbers: Numbers,
    },
    /// A strftime pattern of the configuration.
    Named(String),
}

/// Evidence of one value about its column's time format.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Guess {
    /// An unambiguous time.
    Time,
    /// A time whose date must have this order of day and month.
    Order(DateOrder),
    /// A time with day first or month first; only a number above 12 would decide.
    Ambiguous,
    /// A number too small for an epoch.
    Number(f64),
    /// Not a known format of time.
    Unknown,
}

impl Guess {
    /// True if the value can only be a time.
    pub fn is_time(self) -> bool {
        matches!(self, Self::Time | Self::Order(_) | Self::Ambiguous)
    }
}

/// The evidence of one value about its column's time format.
pub fn guess(value: &str) -> Guess {
    if digits(value).is_some() || scientific(value).is_some() {
        return Guess::Time;
    }
    match (civil(value, DateOrder::Dmy), civil(value, DateOrder::Mdy)) {
        (Some(day_first), Some(month_first)) if day_first == month_first => Guess::Time,
        (Some(_), Some(_)) => Guess::Ambiguous,
        (Some(_), None) => Guess::Order(DateOrder::Dmy),
        (None, Some(_)) => Guess::Order(DateOrder::Mdy),
        (None, None) => small_number(value).map_or(Guess::Unknown, Guess::Number),
    }
}

/// A number of at most seven digits before its decimals.
fn small_number(value: &str) -> Option<f64> {
    let is_plain = value.len() <= 24 && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    value.parse().ok().filter(|number| is_plain && *number < 1e7)
}

/// Reads the values of one column of one file.
#[derive(Debug, Clone)]
pub struct TimeReader {
    format: TimeFormat,
    /// Zone of values without one.
    zone: Zone,
    last: (String, Option<i64>),
    /// Precision of the last value, in seconds.
    last_exact_to: f64,
    /// Number of values rounded by a spreadsheet, and the coarsest precision of them in seconds.
    pub rounded: (u64, f64),
}

impl TimeReader {
    /// Starts with the configuration's `zone`; UTC if absent.
    ///
    /// # Errors
    /// Fails if the zone is unknown.
    pub fn new(format: TimeFormat, zone: Option<&str>) -> anyhow::Result<Self> {
        let zone = zone.map_or_else(|| Ok(Zone::utc()), Zone::parse)?;
        Ok(Self { format, zone, last: (String::new(), None), last_exact_to: 0.0, rounded: (0, 0.0) })
    }

    /// The format.
    pub fn format(&self) -> &TimeFormat {
        &self.format
    }

    /// Unix seconds of `value`, fractions truncated. `None` if it does not match the format or is
    /// outside the years 1900 to 2199. Caches the last value, because lines of a basket repeat their time.
    pub fn read(&mut self, value: &str) -> Option<i64> {
        if self.last.0 != value {
            self.last_exact_to = 0.0;
            let parsed = self.parse(value);
            self.last.0.clear();
            self.last.0.push_str(value);
            self.last.1 = parsed
                .map(|(seconds, zone)| seconds - zone.map_or_else(|| self.zone.offset(seconds), i64::from))
                .filter(|at| (MIN_AT..MAX_AT).contains(at));
        }
        if self.last_exact_to > 0.0 {
            self.rounded = (self.rounded.0 + 1, self.rounded.1.max(self.last_exact_to));
        }
        self.last.1
    }

    fn parse(&mut self, value: &str) -> Option<Clock> {
        let (order, numbers) = match &self.format {
            TimeFormat::Named(pattern) => return named(value, pattern),
            TimeFormat::Plain { order, numbers } => (*order, *numbers),
        };
        let by_order = civil(value, order.unwrap_or(DateOrder::Dmy));
        if let Some(clock) = by_order {
            // With an unknown order, only dates that do not depend on it are accepted.
            return Some(clock)
                .filter(|clock| order.is_some() || civil(value, DateOrder::Mdy) == Some(*clock));
        }
        if let Some(clock) = digits(value) {
            return Some(clock);
        }
        if let Some((seconds, exact_to)) = scientific(value) {
            self.last_exact_to = exact_to;
            return (exact_to <= DAY_SECONDS as f64).then_some((seconds, Some(0)));
        }
        match numbers {
            Numbers::None => None,
            Numbers::Count => count(value).map(|days| (days * DAY_SECONDS, Some(0))),
            Numbers::Serial => serial(value),
        }
    }

    /// The format and the zone in readable form.
    pub fn describe(&self) -> String {
        let format = match &self.format {
            TimeFormat::Plain { numbers: Numbers::Count, .. } => {
                return "whole numbers, each taken as a day".to_owned();
            }
            TimeFormat::Plain { numbers: Numbers::Serial, .. } => {
                "days as spreadsheets count them, such as 45292.4"
            }
            TimeFormat::Plain { order: Some(DateOrder::Dmy), .. } => "day first, such as 31/01/2024 08:30",
            TimeFormat::Plain { order: Some(DateOrder::Mdy), .. } => "month first, such as 01/31/2024 08:30",
            TimeFormat::Plain { .. } => "dates or epochs that tell themselves",
            TimeFormat::Named(pattern) => pattern,
        };
        format!("{format}; {} where no zone is written", self.zone.name())
    }
}

/// A whole number with too few digits for a date or an epoch.
pub fn count(value: &str) -> Option<i64> {
    let whole = value.strip_suffix(".0").unwrap_or(value);
    let is_count = (1..=7).contains(&whole.len()) && whole.bytes().all(|byte| byte.is_ascii_digit());
    whole.parse().ok().filter(|days| is_count && *days < MAX_AT / DAY_SECONDS)
}

/// 1900-01-01 and 2200-01-01: times beyond them are placeholders, not purchases.
const MIN_AT: i64 = -2_208_988_800;
const MAX_AT: i64 = 7_258_118_400;

fn named(value: &str, pattern: &str) -> Option<Clock> {
    if let Ok(time) = DateTime::parse_from_str(value, pattern) {
        return Some((time.naive_local().and_utc().timestamp(), Some(time.offset().local_minus_utc())));
    }
    if let Ok(time) = NaiveDateTime::parse_from_str(value, pattern) {
        // %s is an epoch, which is always UTC.
        return Some((time.and_utc().timestamp(), pattern.contains("%s").then_some(0)));
    }
    let date = NaiveDate::parse_from_str(value, pattern).ok()?;
    Some((date.and_hms_opt(0, 0, 0)?.and_utc().timestamp(), None))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::{Guess, Numbers, TimeFormat, TimeReader, guess};
    use crate::orders::clock::DateOrder;
    use chrono::{DateTime, Days, NaiveDate};

    fn read(value: &str, format: TimeFormat, zone: &str) -> Option<String> {
        let at = TimeReader::new(format, Some(zone)).unwrap().read(value)?;
        Some(DateTime::from_timestamp(at, 0).unwrap().format("%Y-%m-%dT%H:%M:%S").to_string())
    }

    fn plain(order: Option<DateOrder>) -> TimeFormat {
        TimeFormat::Plain { order, numbers: Numbers::None }
    }

    fn numbers(numbers: Numbers) -> TimeFormat {
        TimeFormat::Plain { order: None, numbers }
    }

    #[test]
    fn times_that_tell_themselves_are_read_in_any_style() {
        for value in [
            "2010-12-01 08:26:00",
            "2010-12-01T08:26:00Z",
            "2010/12/1 8:26",
            "2010年12月1日 08:26",
            "2010年12月1日 8时26分",
            "2010年12月01日08时26分00秒",
            "2010-12-01 星期三 上午8:26",
            "2010/12/1 上午 08:26:00",
            "2010-12-01(水) 8:26",
            "2010-12-01T16:26:00+08:00",
            "2010-12-01 03:26:00.123456-0500",
            "2010.12.01 8:26:00 AM",
            "2010. 12. 1. 오전 8:26",
            "01-Dec-10 8:26",
            "1 December 2010 08:26:00",
            "Dec 1, 2010 8:26 a.m.",
            "Wed Dec 01 2010 16:26:00 GMT+0800 (CST)",
            "1. Dezember 2010 08:26",
            "20101201 0826",
            "20101201T082600",
            "201012010826",
            "1291191960",
            "1291191960000",
            "1291191960000000",
            "1291191960.0",
            "1291191960.25",
            "20101201082600",
            "1.29119196E+09",
            "1.29119196E+12",
        ] {
            assert_eq!(guess(value), Guess::Time, "{value}");
            assert_eq!(read(value, plain(None), "UTC").as_deref(), Some("2010-12-01T08:26:00"), "{value}");
        }
        assert_eq!(read("2010-12-01", plain(None), "+08:00").as_deref(), Some("2010-11-30T16:00:00"));
        assert_eq!(read("2014-12-08 18", plain(None), "UTC").as_deref(), Some("2014-12-08T18:00:00"));
        assert_eq!(read("2018-01-01 星期一", plain(None), "UTC").as_deref(), Some("2018-01-01T00:00:00"));
        assert_eq!(
            read("2018年1月1日 下午2时05分", plain(None), "UTC").as_deref(),
            Some("2018-01-01T14:05:00")
        );
        assert_eq!(read("1291191960", plain(None), "+08:00").as_deref(), Some("2010-12-01T08:26:00"));
    }

    #[test]
    fn named_zones_have_their_summer_time() {
        let at = |value: &str| read(value, plain(None), "Europe/Berlin");
        assert_eq!(at("2024-01-15 12:00").as_deref(), Some("2024-01-15T11:00:00"));
        assert_eq!(at("2024-07-15 12:00").as_deref(), Some("2024-07-15T10:00:00"));
    }

    #[test]
    fn rounded_epochs_are_counted_with_what_they_lost() {
        let mut reader = TimeReader::new(plain(None), None).unwrap();
        assert_eq!(reader.read("1.43322E+12"), Some(1_433_220_000));
        assert_eq!(reader.rounded, (1, 10_000.0));
        assert_eq!(reader.read("1.4E+12"), None, "exact to three years only");
    }

    #[test]
    fn small_numbers_are_what_their_column_says() {
        assert_eq!(guess("711"), Guess::Number(711.0));
        assert_eq!(read("711", plain(None), "UTC"), None);
        assert_eq!(read("711", numbers(Numbers::Count), "+08:00").as_deref(), Some("1971-12-13T00:00:00"));
        assert_eq!(read("45292.40", numbers(Numbers::Serial), "UTC").as_deref(), Some("2024-01-01T09:36:00"));
        assert_eq!(read("45292", numbers(Numbers::Serial), "+08:00").as_deref(), Some("2023-12-31T16:00:00"));
        for bad in ["", "-1", "3.5", "1e3", "9999999"] {
            assert_eq!(read(bad, numbers(Numbers::Count), "UTC"), None, "{bad}");
        }
    }

    #[test]
    fn a_number_above_twelve_tells_day_from_month() {
        assert_eq!(guess("03/04/2024"), Guess::Ambiguous);
        assert_eq!(guess("25/04/2024 8:26"), Guess::Order(DateOrder::Dmy));
        assert_eq!(guess("4/25/24 8:26 PM"), Guess::Order(DateOrder::Mdy));
        assert_eq!(read("03/04/2024", plain(None), "UTC"), None, "no order is settled");
        assert_eq!(
            read("4/25/2024 8:26 PM", plain(Some(DateOrder::Mdy)), "UTC").as_deref(),
            Some("2024-04-25T20:26:00")
        );
        assert_eq!(
            read("3.4.2024", plain(Some(DateOrder::Dmy)), "UTC").as_deref(),
            Some("2024-04-03T00:00:00")
        );
    }

    #[test]
    fn what_is_no_time_is_none() {
        for value in
            ["", "x", "2024-02-30", "2024-13-01", "2024-01-01 25:00", "2024-01-01 08:26 x", "may", "Tuesday"]
        {
            assert_eq!(guess(value), Guess::Unknown, "{value}");
        }
        assert_eq!(read("0001-01-01", plain(None), "UTC"), None);
        assert_eq!(read("9999-12-31", plain(None), "UTC"), None);
    }

    #[test]
    fn a_named_pattern_reads_times_dates_and_zones() {
        let named = |pattern: &str| TimeFormat::Named(pattern.to_owned());
        let expected = Some("2024-04-03T08:26:00");
        assert_eq!(read("03/04/2024 08:26", named("%d/%m/%Y %H:%M"), "UTC").as_deref(), expected);
        assert_eq!(read("03.04.24 16:26 +0800", named("%d.%m.%y %H:%M %z"), "UTC").as_deref(), expected);
        assert_eq!(read("03/04/24", named("%d/%m/%y"), "UTC").as_deref(), Some("2024-04-03T00:00:00"));
    }

    #[test]
    fn every_day_of_three_centuries_agrees_with_chrono() {
        let mut day = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap();
        let mut reader = TimeReader::new(plain(None), None).unwrap();
        while day < NaiveDate::from_ymd_opt(2200, 1, 1).unwrap() {
            let expected = day.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp();
            assert_eq!(reader.read(&day.to_string()), Some(expected), "{day}");
            day = day + Days::new(1);
        }
    }
}
