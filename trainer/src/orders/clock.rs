//! Parses calendar times and epochs.

use super::month_names::month;

/// Local time in seconds since 1970, and the zone as seconds east of UTC; `None` if the value has no zone.
pub type Clock = (i64, Option<i32>);

/// The order of day and month in a date that does not begin with its year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// `25/12/2010`.
    Dmy,
    /// `12/25/2010`.
    Mdy,
}

/// Two-digit years from this on are 19xx, smaller ones 20xx.
const CENTURY: i64 = 70;

/// A date or an epoch in digits only; an epoch is always UTC.
pub fn digits(value: &str) -> Option<Clock> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    // Only an epoch can have decimals other than 0.
    let is_whole = fraction.bytes().all(|byte| byte == b'0');
    let part = |range: std::ops::Range<usize>| whole.get(range)?.parse::<i64>().ok();
    let date = || Some(days(part(0..4)?, part(4..6)?, part(6..8)?)? * 86_400);
    match whole.len() {
        8 if is_whole => Some((date()?, None)),
        12 if is_whole && matches!(part(0..2), Some(19 | 20)) && date().is_some() => {
            Some((date()? + clock(part(8..10)?, part(10..12)?, 0)?, None))
        }
        14 if is_whole => Some((date()? + clock(part(8..10)?, part(10..12)?, part(12..14)?)?, None)),
        9 | 10 => Some((whole.parse().ok()?, Some(0))),
        12 | 13 => Some((whole.parse::<i64>().ok()? / 1000, Some(0))),
        15 | 16 => Some((whole.parse::<i64>().ok()? / 1_000_000, Some(0))),
        18 | 19 => Some((whole.parse::<i64>().ok()? / 1_000_000_000, Some(0))),
        _ => None,
    }
}

/// An epoch in the scientific notation of spreadsheets, `1.43322E+12`, and its precision in seconds.
pub fn scientific(value: &str) -> Option<(i64, f64)> {
    let (mantissa, exponent) = value.split_once(['E', 'e'])?;
    let exponent: i32 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count() as i32;
    if !mantissa.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') || digits == 0 {
        return None;
    }
    let unit = match exponent {
        8 | 9 => 1.0,
        11 | 12 => 1e3,
        14 | 15 => 1e6,
        _ => return None,
    };
    let number: f64 = value.parse().ok()?;
    let exact_to = 10f64.powi((exponent + 1 - digits).max(0)) / unit;
    Some(((number / unit) as i64, if exponent + 1 > digits { exact_to } else { 0.0 }))
}

/// A time as a spreadsheet's days since 1899-12-30: `45292.4` is 2024-01-01 09:36.
pub fn serial(value: &str) -> Option<Clock> {
    let days: f64 = value.parse().ok()?;
    let seconds = ((days - SERIAL_OF_1970) * 86_400.0).round();
    (days > 0.0 && days < 100_000.0).then_some((seconds as i64, None))
}

/// 1970-01-01 as spreadsheets count days.
pub const SERIAL_OF_1970: f64 = 25_569.0;

/// A calendar time. `order` applies to dates that begin with neither the year nor the name of the month.
pub fn civil(value: &str, order: DateOrder) -> Option<Clock> {
    let mut rest = Scanner(value.as_bytes());
    rest.skip_weekday();
    let days = rest.date(order)?;
    let apart = rest.skip_byte(b'T') || rest.skip_byte(b'_') || rest.skip_spaces();
    rest.skip_weekday();
    if rest.0.is_empty() {
        return Some((days * 86_400, None));
    }
    let (seconds, zone) = rest.time_of_day(apart)?;
    Some((days * 86_400 + seconds, zone))
}

fn clock(hour: i64, minute: i64, second: i64) -> Option<i64> {
    // A leap second counts as second 59.
    (hour < 24 && minute < 60 && second <= 60).then(|| hour * 3600 + minute * 60 + second.min(59))
}

/// Days since 1970-01-01 of a Gregorian date; `None` if there is no such date.
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

/// The unread rest of a value.
struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    /// A number of 1 to 8 digits, and the count of digits.
    fn number(&mut self) -> Option<(i64, usize)> {
        let width = self.0.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=8).contains(&width) {
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

    fn skip_any(&mut self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.skip_text(text))
    }

    fn skip_spaces(&mut self) -> bool {
        let before = self.0.len();
        self.0 = self.0.trim_ascii_start();
        while self.skip_any(&["\u{3000}", "\u{a0}", "\u{202f}"]) {
            self.0 = self.0.trim_ascii_start();
        }
        self.0.len() < before
    }

    /// `星期一`, `周一`, `(月)`, `Mon`, `Monday,`.
    fn skip_weekday(&mut self) {
        const SHORT: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let before = self.0;
        self.skip_spaces();
        let opened = self.skip_any(&["(", "（"]);
        if self.skip_any(&["星期", "周", "礼拜"]) {
            self.skip_any(&["一", "二", "三", "四", "五", "六", "日", "天"]);
        } else if opened {
            self.skip_any(&["一", "二", "三", "四", "五", "六", "日", "月", "火", "水", "木", "金", "土"]);
            self.skip_any(&["월", "화", "수", "목", "금", "토", "일"]);
        } else {
            let letters = self.0.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
            let word = String::from_utf8_lossy(&self.0[..letters]).to_lowercase();
            if !(letters >= 3
                && SHORT.iter().any(|day| word.starts_with(day))
                && (letters == 3 || word.ends_with("day")))
            {
                self.0 = before;
                return;
            }
            self.0 = &self.0[letters..];
        }
        if opened {
            self.skip_any(&[")", "）"]);
        }
        self.skip_any(&[",", "."]);
        self.skip_spaces();
    }

    /// Days since 1970.
    fn date(&mut self, order: DateOrder) -> Option<i64> {
        if let Some(month) = self.month_name() {
            self.skip_separator();
            let (day, _) = self.number()?;
            self.skip_any(&["st", "nd", "rd", "th"]);
            self.skip_separator().then_some(())?;
            let (year, width) = self.number()?;
            return days(full_year(year, width)?, month, day);
        }
        let (first, width) = self.number()?;
        if width == 8 {
            return days(first / 10_000, first / 100 % 100, first % 100);
        }
        if width > 4 {
            return None;
        }
        let slashed = matches!(self.0.first(), Some(b'/' | b'.'));
        (self.skip_any(&["年"]) || self.skip_separator()).then_some(())?;
        self.skip_spaces();
        if let Some(month) = self.month_name() {
            self.skip_separator();
            let (last, last_width) = self.number()?;
            return match width {
                4 => days(first, month, last),
                _ => days(full_year(last, last_width)?, month, first),
            };
        }
        let (second, _) = self.number()?;
        (self.skip_any(&["月"]) || self.skip_separator()).then_some(())?;
        self.skip_spaces();
        let (third, last_width) = self.number()?;
        self.skip_any(&["日", "号"]);
        // Formats `31.01.2024.` and `2024. 1. 31.`.
        if matches!(self.0, [b'.'] | [b'.', b' ', ..]) {
            self.0 = &self.0[1..];
        }
        if width == 4 {
            return days(first, second, third);
        }
        let year = match last_width {
            4 => third,
            2 if slashed => full_year(third, 2)?,
            _ => return None,
        };
        match order {
            DateOrder::Dmy => days(year, second, first),
            DateOrder::Mdy => days(year, first, second),
        }
    }

    fn skip_separator(&mut self) -> bool {
        let found = [b'-', b'/', b'.', b',', b' '].iter().any(|byte| self.skip_byte(*byte));
        // `1. Feb 2013`, `Feb 1, 2013`, `1 de febrero de 2013`.
        if found {
            self.skip_spaces();
            if self.skip_text("de ") {
                self.skip_spaces();
            }
        }
        found
    }

    fn month_name(&mut self) -> Option<i64> {
        let text = std::str::from_utf8(self.0).ok()?;
        let length = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
        let found = month(&text[..length])?;
        self.0 = &self.0[length..];
        Some(found)
    }

    /// `8:26`, `08:26:00.5 PM`, `08:26:00+08:00`, `下午8时26分`, and, if separated from the date, `18` and `0826`; up to
    /// the end of the value.
    fn time_of_day(&mut self, apart: bool) -> Option<Clock> {
        let early = self.half_of_day();
        self.skip_spaces();
        let (mut hour, width) = self.number()?;
        let (mut minute, mut second) = (0, 0);
        if width == 4 || width == 3 || width == 6 {
            (apart && self.is_at_end()).then_some(())?;
            let (hours, rest) =
                if width == 6 { (hour / 10_000, hour % 10_000) } else { (hour / 100, hour % 100 * 100) };
            (hour, minute, second) = (hours, rest / 100, rest % 100);
        } else if self.skip_any(&[":", "：", "时", "点", "h", "시"]) {
            self.skip_spaces();
            if let Some((found, _)) = self.number() {
                minute = found;
                if self.skip_any(&[":", "：", "分", "분"]) {
                    self.skip_spaces();
                    second = self.number().map_or(0, |(second, _)| second);
                    self.skip_any(&["秒", "초"]);
                }
            }
            if self.skip_byte(b'.') || self.skip_byte(b',') {
                let width = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
                self.0 = &self.0[width..];
            }
        } else {
            (apart && width <= 2).then_some(())?;
        }
        self.skip_spaces();
        let late = early.or_else(|| self.half_of_day());
        if let Some(afternoon) = late {
            (hour <= 23).then_some(())?;
            // Format 下午14:05.
            if hour <= 12 {
                hour = hour % 12 + if afternoon { 12 } else { 0 };
            }
        }
        let zone = self.zone()?;
        Some((clock(hour, minute, second)?, zone))
    }

    fn is_at_end(&self) -> bool {
        !self.0.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b':')
    }

    /// Reads AM or PM, also in Chinese, Japanese and Korean; true for PM, `None` if neither is there.
    fn half_of_day(&mut self) -> Option<bool> {
        if self.skip_any(&["上午", "凌晨", "早上", "清晨", "午前", "오전"]) {
            return Some(false);
        }
        if self.skip_any(&["下午", "晚上", "中午", "傍晚", "午後", "오후"]) {
            return Some(true);
        }
        let afternoon = match self.0 {
            [b'A' | b'a', ..] => false,
            [b'P' | b'p', ..] => true,
            _ => return None,
        };
        let length = match &self.0[1..] {
            [b'M' | b'm', ..] => 2,
            [b'.', b'M' | b'm', b'.', ..] => 4,
            _ => return None,
        };
        self.0 = &self.0[length..];
        Some(afternoon)
    }

    /// Nothing, `Z`, `UTC`, `GMT`, `+08`, `+0800`, `+08:00` or `GMT+0800`.
    fn zone(&mut self) -> Option<Option<i32>> {
        self.skip_spaces();
        let named = self.skip_any(&["UTC", "GMT", "Z", "z"]);
        match self.0 {
            [] => Some(named.then_some(0)),
            [sign @ (b'+' | b'-'), offset @ ..] => {
                // Browsers append the zone's name: `GMT+0800 (CST)`.
                let offset = offset.split(|byte| *byte == b' ').next().unwrap_or_default();
                let digits: Vec<i32> =
                    offset.iter().filter(|&&b| b != b':').map(|b| i32::from(*b) - 48).collect();
                if digits.iter().any(|digit| !(0..=9).contains(digit)) {
                    return None;
                }
                let seconds = match digits[..] {
                    [a] => a * 3600,
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

fn full_year(year: i64, width: usize) -> Option<i64> {
    match width {
        4 => Some(year),
        2 if year >= CENTURY => Some(1900 + year),
        2 => Some(2000 + year),
        _ => None,
    }
}
