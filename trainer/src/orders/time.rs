//! Times as sources write them: which pattern a column follows, and what each value means.

use crate::config::parse_zone;
use anyhow::bail;
use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// How a column writes its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2010-12-01 08:26:00` and its kin: `/`, `.` or 年月日 between, `T`, no seconds, a zone, a fraction.
    YearFirst,
    /// `25/12/2010 8:26`, also with AM or PM.
    DayFirst,
    /// `12/25/2010 8:26`, also with AM or PM.
    MonthFirst,
    /// Digits only: `20101201`, `20101201082600`, or an epoch in s, ms or us by its length.
    Digits,
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
    if civil(value, &TimeFormat::YearFirst).is_some() {
        return Guess::Sure(TimeFormat::YearFirst);
    }
    if digits(value).is_some() {
        return Guess::Sure(TimeFormat::Digits);
    }
    let day_first = civil(value, &TimeFormat::DayFirst).is_some();
    match (day_first, civil(value, &TimeFormat::MonthFirst).is_some()) {
        (true, true) => Guess::Ambiguous,
        (true, false) => Guess::Sure(TimeFormat::DayFirst),
        (false, true) => Guess::Sure(TimeFormat::MonthFirst),
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
                format => civil(value, format),
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
            TimeFormat::YearFirst => "year first, such as 2024-01-31 08:30:00",
            TimeFormat::DayFirst => "day first, such as 31/01/2024 08:30",
            TimeFormat::MonthFirst => "month first, such as 01/31/2024 08:30",
            TimeFormat::Digits => "digits, such as 20240131 or 1706689800",
            TimeFormat::Named(pattern) => pattern,
        };
        let (sign, minutes) = (if self.zone < 0 { '-' } else { '+' }, self.zone.abs() / 60);
        format!("{format}; UTC{sign}{:02}:{:02} where no zone is written", minutes / 60, minutes % 60)
    }
}

/// 1900-01-01 and 2200-01-01: beyond them stand placeholders, not purchases.
const MIN_AT: i64 = -2_208_988_800;
const MAX_AT: i64 = 7_258_118_400;

/// Seconds since 1970 as the value's own clock shows, and its zone where it carries one.
type Clock = (i64, Option<i32>);

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

fn digits(value: &str) -> Option<Clock> {
    // A number column that went through a float.
    let whole = match value.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return None,
        None => value,
    };
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| whole.get(range)?.parse::<i64>().ok();
    match whole.len() {
        8 => Some((days(part(0..4)?, part(4..6)?, part(6..8)?)? * 86_400, None)),
        14 => {
            let days = days(part(0..4)?, part(4..6)?, part(6..8)?)?;
            Some((days * 86_400 + clock(part(8..10)?, part(10..12)?, part(12..14)?)?, None))
        }
        9 | 10 => Some((whole.parse().ok()?, Some(0))),
        12 | 13 => Some((whole.parse::<i64>().ok()? / 1000, Some(0))),
        15 | 16 => Some((whole.parse::<i64>().ok()? / 1_000_000, Some(0))),
        _ => None,
    }
}

/// A calendar time in the order that `format` says.
fn civil(value: &str, format: &TimeFormat) -> Option<Clock> {
    let mut rest = Scanner(value.as_bytes());
    let (first, width) = rest.number()?;
    rest.separator(b"-/.", "年")?;
    let (second, _) = rest.number()?;
    rest.separator(b"-/.", "月")?;
    let (third, last_width) = rest.number()?;
    rest.skip_text("日");
    let days = match format {
        TimeFormat::YearFirst if width == 4 => days(first, second, third)?,
        TimeFormat::DayFirst if last_width == 4 => days(third, second, first)?,
        TimeFormat::MonthFirst if last_width == 4 => days(third, first, second)?,
        _ => return None,
    };
    if rest.0.is_empty() {
        return Some((days * 86_400, None));
    }
    if !rest.skip_byte(b'T') {
        rest.skip_spaces().then_some(())?;
    }
    let (seconds, zone) = rest.time_of_day()?;
    Some((days * 86_400 + seconds, zone))
}

fn clock(hour: i64, minute: i64, second: i64) -> Option<i64> {
    // A leap second is the second before it.
    (hour < 24 && minute < 60 && second <= 60).then(|| hour * 3600 + minute * 60 + second.min(59))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar that exists.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Howard Hinnant's days_from_civil: years begin in March, so that leap days come last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468)
}

/// What is left of a value.
struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    /// A number of 1 to 4 digits, and how many they were.
    fn number(&mut self) -> Option<(i64, usize)> {
        let width = self.0.iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=4).contains(&width) {
            return None;
        }
        let value = self.0[..width].iter().fold(0, |value, byte| value * 10 + i64::from(byte - b'0'));
        self.0 = &self.0[width..];
        Some((value, width))
    }

    fn skip_byte(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        self.0 = &self.0[usize::from(found)..];
        found
    }

    fn skip_text(&mut self, text: &str) -> bool {
        let rest = self.0.strip_prefix(text.as_bytes());
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn skip_spaces(&mut self) -> bool {
        let before = self.0.len();
        self.0 = self.0.trim_ascii_start();
        self.0.len() < before
    }

    fn separator(&mut self, bytes: &[u8], text: &str) -> Option<()> {
        (bytes.iter().any(|byte| self.skip_byte(*byte)) || self.skip_text(text)).then_some(())
    }

    /// `8:26`, `08:26:00.5 PM`, `08:26:00+08:00`, to the end of the value.
    fn time_of_day(&mut self) -> Option<Clock> {
        let (mut hour, _) = self.number()?;
        self.skip_byte(b':').then_some(())?;
        let (minute, _) = self.number()?;
        let second = if self.skip_byte(b':') { self.number()?.0 } else { 0 };
        if self.skip_byte(b'.') || self.skip_byte(b',') {
            let width = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
            self.0 = &self.0[width..];
        }
        self.skip_spaces();
        if let [half @ (b'A' | b'a' | b'P' | b'p'), b'M' | b'm', rest @ ..] = self.0 {
            (1..=12).contains(&hour).then_some(())?;
            hour = hour % 12 + if half.eq_ignore_ascii_case(&b'p') { 12 } else { 0 };
            self.0 = rest;
        }
        let zone = self.zone()?;
        Some((clock(hour, minute, second)?, zone))
    }

    /// Nothing, `Z`, `UTC`, `+08`, `+0800` or `+08:00`.
    fn zone(&mut self) -> Option<Option<i32>> {
        match self.0 {
            [] => Some(None),
            b"Z" | b"z" | b"UTC" => Some(Some(0)),
            [sign @ (b'+' | b'-'), offset @ ..] => {
                let digits: Vec<i32> =
                    offset.iter().filter(|&&b| b != b':').map(|b| i32::from(*b) - 48).collect();
                if digits.iter().any(|digit| !(0..=9).contains(digit)) {
                    return None;
                }
                let seconds = match digits[..] {
                    [a, b] => (a * 10 + b) * 3600,
                    [a, b, c, d] if c < 6 => (a * 10 + b) * 3600 + (c * 10 + d) * 60,
                    _ => return None,
                };
                (seconds < 86_400).then_some(Some(if *sign == b'-' { -seconds } else { seconds }))
            }
            _ => None,
        }
    }
}

/// Settles a column's format from its values.
#[derive(Debug, Default)]
pub struct Detector {
    ambiguous: Option<(String, String)>,
    unknown: Option<(String, String)>,
    unknowns: u32,
}

impl Detector {
    /// Values without a known pattern that are looked at before giving up.
    const PATIENCE: u32 = 1000;

    /// Takes a value at a place; the format once it is sure.
    ///
    /// # Errors
    /// When 1,000 values have followed no known pattern. `field` is the configuration's name of
    /// the option that settles it.
    pub fn see(
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
                self.unknown.get_or_insert_with(|| (value.to_owned(), place()));
                if self.unknowns >= Self::PATIENCE && self.ambiguous.is_none() {
                    self.give_up(field)?;
                }
            }
        }
        Ok(None)
    }

    /// The end of the values, with no format sure.
    ///
    /// # Errors
    /// When any value was seen. All blank is no error here: each row then fails on its own.
    pub fn give_up(&self, field: &str) -> anyhow::Result<()> {
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
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::{Detector, Guess, TimeFormat, TimeReader, guess};
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
            assert_eq!(guess(value), Guess::Sure(TimeFormat::YearFirst), "{value}");
            let at = read(value, TimeFormat::YearFirst, "UTC");
            assert_eq!(at.as_deref(), Some("2010-12-01T08:26:00"), "{value}");
        }
        assert_eq!(
            read("2010-12-01", TimeFormat::YearFirst, "+08:00").as_deref(),
            Some("2010-11-30T16:00:00")
        );
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
        assert_eq!(guess("25/04/2024 8:26"), Guess::Sure(TimeFormat::DayFirst));
        assert_eq!(guess("4/25/2024 8:26 PM"), Guess::Sure(TimeFormat::MonthFirst));
        assert_eq!(
            read("4/25/2024 8:26 PM", TimeFormat::MonthFirst, "UTC").as_deref(),
            Some("2024-04-25T20:26:00")
        );
    }

    #[test]
    fn what_is_no_time_is_none() {
        for value in ["", "x", "2024-02-30", "2024-13-01", "2024-01-01 25:00", "2024-01-01 08:26 x", "12345"]
        {
            assert_eq!(guess(value), Guess::Unknown, "{value}");
        }
        assert_eq!(read("0001-01-01", TimeFormat::YearFirst, "UTC"), None);
        assert_eq!(read("9999-12-31", TimeFormat::YearFirst, "UTC"), None);
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
        let mut reader = TimeReader::new(TimeFormat::YearFirst, None).unwrap();
        while day < NaiveDate::from_ymd_opt(2200, 1, 1).unwrap() {
            let expected = day.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp();
            assert_eq!(reader.read(&day.to_string()), Some(expected), "{day}");
            day = day + Days::new(1);
        }
    }

    #[test]
    fn an_ambiguous_column_asks_for_its_format() {
        let mut detector = Detector::default();
        assert_eq!(detector.see("03/04/2024", || "a.csv:2".to_owned(), "orders.time_format").unwrap(), None);
        let error = detector.give_up("orders.time_format").unwrap_err().to_string();
        assert!(error.contains("a.csv:2") && error.contains("orders.time_format"), "{error}");
        let sure = detector.see("25/04/2024", || "a.csv:3".to_owned(), "orders.time_format").unwrap();
        assert_eq!(sure, Some(TimeFormat::DayFirst));
    }
}
