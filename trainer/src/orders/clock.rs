//! Calendar times and epochs out of text.

/// Seconds since 1970 as the value's own clock shows, and its zone where it carries one.
pub type Clock = (i64, Option<i32>);

/// The order in which a date's numbers stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// `2010-12-25`.
    Ymd,
    /// `25/12/2010`.
    Dmy,
    /// `12/25/2010`.
    Mdy,
}

/// A date or an epoch in digits only; an epoch is UTC whatever the zone.
pub fn digits(value: &str) -> Option<Clock> {
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

/// A calendar time whose date stands in this order.
pub fn civil(value: &str, order: DateOrder) -> Option<Clock> {
    let mut rest = Scanner(value.as_bytes());
    let (first, width) = rest.number()?;
    rest.separator(b"-/.", "年")?;
    let (second, _) = rest.number()?;
    rest.separator(b"-/.", "月")?;
    let (third, last_width) = rest.number()?;
    rest.skip_text("日");
    let days = match order {
        DateOrder::Ymd if width == 4 => days(first, second, third)?,
        DateOrder::Dmy if last_width == 4 => days(third, second, first)?,
        DateOrder::Mdy if last_width == 4 => days(third, first, second)?,
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
