//! Times as sources write them: which pattern a column follows, and what each value means.

use super::clock::{Clock, DateOrder, civil, digits};
use super::types::DAY_SECONDS;
use crate::config::parse_zone;
use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// How a column writes its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2010-12-01 08:26:00` and its kin: `/`, `.` or 年月日 between, `T`, no seconds, a zone, a
    /// fraction, AM or PM; or the same with the day or the month first.
    Date(DateOrder),
    /// Digits only: `20101201`, `20101201082600`, or an epoch in s, ms or us by its length.
    Digits,
    /// Small whole numbers: days counted from some first one, or a user's orders.
    Count,
    /// A strftime pattern of the configuration.
    Named(String),
}

/// What values seen so far say about a column's format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guess {
    /// It can only be this.
    Sure(TimeFormat),
    /// Day first or month first; a value with a number above 12 would tell.
    Ambiguous,
    /// The value is no time that this module knows.
    Unknown,
}

/// What one value says about its column's format.
pub fn guess(value: &str) -> Guess {
    if civil(value, DateOrder::Ymd).is_some() {
        return Guess::Sure(TimeFormat::Date(DateOrder::Ymd));
    }
    if digits(value).is_some() {
        return Guess::Sure(TimeFormat::Digits);
    }
    let day_first = civil(value, DateOrder::Dmy).is_some();
    match (day_first, civil(value, DateOrder::Mdy).is_some()) {
        (true, true) => Guess::Ambiguous,
        (true, false) => Guess::Sure(TimeFormat::Date(DateOrder::Dmy)),
        (false, true) => Guess::Sure(TimeFormat::Date(DateOrder::Mdy)),
        (false, false) => Guess::Unknown,
    }
}

/// Reads the values of one column.
#[derive(Debug, Clone)]
pub struct TimeReader {
    format: TimeFormat,
    /// Seconds east of UTC of values that carry no zone.
    zone: i32,
    last: (String, Option<i64>),
}

impl TimeReader {
    /// `zone` as in the configuration; UTC where absent.
    ///
    /// # Errors
    /// When the zone is no fixed offset.
    pub fn new(format: TimeFormat, zone: Option<&str>) -> anyhow::Result<Self> {
        let zone = zone.map_or(Ok(0), parse_zone)?;
        Ok(Self { format, zone, last: (String::new(), None) })
    }

    /// Unix seconds of `value`, fractions cut off. `None` where it does not fit the format or lies
    /// outside the years 1900 to 2199. Lines of a basket repeat their time, so the last is kept.
    pub fn read(&mut self, value: &str) -> Option<i64> {
        if self.last.0 != value {
            let parsed = match &self.format {
                TimeFormat::Named(pattern) => named(value, pattern),
                TimeFormat::Digits => digits(value),
                TimeFormat::Count => count(value).map(|days| (days * DAY_SECONDS, Some(0))),
                TimeFormat::Date(order) => civil(value, *order),
            };
            self.last.0.clear();
            self.last.0.push_str(value);
            self.last.1 = parsed
                .map(|(seconds, zone)| seconds - i64::from(zone.unwrap_or(self.zone)))
                .filter(|at| (MIN_AT..MAX_AT).contains(at));
        }
        self.last.1
    }

    /// For people: the format and the zone.
    pub fn describe(&self) -> String {
        let format = match &self.format {
            TimeFormat::Date(DateOrder::Ymd) => "year first, such as 2024-01-31 08:30:00",
            TimeFormat::Date(DateOrder::Dmy) => "day first, such as 31/01/2024 08:30",
            TimeFormat::Date(DateOrder::Mdy) => "month first, such as 01/31/2024 08:30",
            TimeFormat::Digits => "digits, such as 20240131 or 1706689800",
            TimeFormat::Count => return "whole numbers, each taken as a day".to_owned(),
            TimeFormat::Named(pattern) => pattern,
        };
        let (sign, minutes) = (if self.zone < 0 { '-' } else { '+' }, self.zone.abs() / 60);
        format!("{format}; UTC{sign}{:02}:{:02} where no zone is written", minutes / 60, minutes % 60)
    }
}

/// A whole number too short to be a date or an epoch.
pub fn count(value: &str) -> Option<i64> {
    let whole = value.strip_suffix(".0").unwrap_or(value);
    let is_count = (1..=7).contains(&whole.len()) && whole.bytes().all(|byte| byte.is_ascii_digit());
    whole.parse().ok().filter(|days| is_count && *days < MAX_AT / DAY_SECONDS)
}

/// 1900-01-01 and 2200-01-01: beyond them stand placeholders, not purchases.
const MIN_AT: i64 = -2_208_988_800;
const MAX_AT: i64 = 7_258_118_400;

fn named(value: &str, pattern: &str) -> Option<Clock> {
    if let Ok(time) = DateTime::parse_from_str(value, pattern) {
        return Some((time.naive_local().and_utc().timestamp(), Some(time.offset().local_minus_utc())));
    }
    if let Ok(time) = NaiveDateTime::parse_from_str(value, pattern) {
        // %s is an epoch, which is UTC whatever the zone.
        return Some((time.and_utc().timestamp(), pattern.contains("%s").then_some(0)));
    }
    let date = NaiveDate::parse_from_str(value, pattern).ok()?;
    Some((date.and_hms_opt(0, 0, 0)?.and_utc().timestamp(), None))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::{Guess, TimeFormat, TimeReader, guess};
    use crate::orders::clock::DateOrder;
    use chrono::{DateTime, Days, NaiveDate};

    fn read(value: &str, format: TimeFormat, zone: &str) -> Option<String> {
        let at = TimeReader::new(format, Some(zone)).unwrap().read(value)?;
        Some(DateTime::from_timestamp(at, 0).unwrap().format("%Y-%m-%dT%H:%M:%S").to_string())
    }

    #[test]
    fn year_first_times_are_read_in_all_their_dresses() {
        for value in [
            "2010-12-01 08:26:00",
            "2010-12-01T08:26:00Z",
            "2010/12/1 8:26",
            "2010年12月1日 08:26",
            "2010-12-01T16:26:00+08:00",
            "2010-12-01 03:26:00.123456-0500",
            "2010.12.01 8:26:00 AM",
        ] {
            assert_eq!(guess(value), Guess::Sure(TimeFormat::Date(DateOrder::Ymd)), "{value}");
            let at = read(value, TimeFormat::Date(DateOrder::Ymd), "UTC");
            assert_eq!(at.as_deref(), Some("2010-12-01T08:26:00"), "{value}");
        }
        assert_eq!(
            read("2010-12-01", TimeFormat::Date(DateOrder::Ymd), "+08:00").as_deref(),
            Some("2010-11-30T16:00:00")
        );
    }

    #[test]
    fn small_whole_numbers_count_days() {
        assert_eq!(guess("711"), Guess::Unknown, "one value alone is no format");
        assert_eq!(read("711", TimeFormat::Count, "+08:00").as_deref(), Some("1971-12-13T00:00:00"));
        assert_eq!(read("3.0", TimeFormat::Count, "UTC").as_deref(), Some("1970-01-04T00:00:00"));
        for bad in ["", "-1", "3.5", "1e3", "20240131", "9999999"] {
            assert_eq!(read(bad, TimeFormat::Count, "UTC"), None, "{bad}");
        }
    }

    #[test]
    fn digits_are_dates_or_epochs_by_their_length() {
        for value in ["1291191960", "1291191960000", "1291191960000000", "1291191960.0", "20101201082600"] {
            assert_eq!(guess(value), Guess::Sure(TimeFormat::Digits), "{value}");
            assert_eq!(read(value, TimeFormat::Digits, "UTC").as_deref(), Some("2010-12-01T08:26:00"));
        }
        assert_eq!(read("20101201", TimeFormat::Digits, "UTC").as_deref(), Some("2010-12-01T00:00:00"));
        assert_eq!(read("1291191960", TimeFormat::Digits, "+08:00").as_deref(), Some("2010-12-01T08:26:00"));
    }

    #[test]
    fn a_number_above_twelve_tells_day_from_month() {
        assert_eq!(guess("03/04/2024"), Guess::Ambiguous);
        assert_eq!(guess("25/04/2024 8:26"), Guess::Sure(TimeFormat::Date(DateOrder::Dmy)));
        assert_eq!(guess("4/25/2024 8:26 PM"), Guess::Sure(TimeFormat::Date(DateOrder::Mdy)));
        assert_eq!(
            read("4/25/2024 8:26 PM", TimeFormat::Date(DateOrder::Mdy), "UTC").as_deref(),
            Some("2024-04-25T20:26:00")
        );
    }

    #[test]
    fn what_is_no_time_is_none() {
        for value in ["", "x", "2024-02-30", "2024-13-01", "2024-01-01 25:00", "2024-01-01 08:26 x", "12345"]
        {
            assert_eq!(guess(value), Guess::Unknown, "{value}");
        }
        assert_eq!(read("0001-01-01", TimeFormat::Date(DateOrder::Ymd), "UTC"), None);
        assert_eq!(read("9999-12-31", TimeFormat::Date(DateOrder::Ymd), "UTC"), None);
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
        let mut reader = TimeReader::new(TimeFormat::Date(DateOrder::Ymd), None).unwrap();
        while day < NaiveDate::from_ymd_opt(2200, 1, 1).unwrap() {
            let expected = day.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp();
            assert_eq!(reader.read(&day.to_string()), Some(expected), "{day}");
            day = day + Days::new(1);
        }
    }
}
