//! The validity of a rule: from one moment to another, and in hours of weekdays of a zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The times at which a rule holds; always if nothing is set.
#[derive(Debug, Clone, Default)]
pub struct Validity {
    /// From this moment on, unix seconds.
    pub from: Option<i64>,
    /// Before this moment, unix seconds.
    pub until: Option<i64>,
    /// In any of these; at all times where there is none.
    pub weekly: Vec<Weekly>,
    /// The zone of `weekly`; UTC where there is none.
    pub zone: Option<TimeZone>,
}

/// Hours on days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weekly {
    /// One bit a day, Monday lowest.
    pub days: u8,
    /// First minute of the day.
    pub from_minute: u16,
    /// The minute after the last one; not after `from_minute` where the hours go on into the next day.
    pub until_minute: u16,
}

impl Validity {
    /// True if a rule holds at a moment, unix seconds.
    pub fn holds(&self, at: i64) -> bool {
        let in_window = self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until);
        in_window && (self.weekly.is_empty() || self.holds_in_week(at))
    }

    fn holds_in_week(&self, at: i64) -> bool {
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        let local = Timestamp::from_second(at).unwrap_or_default().to_zoned(zone);
        let day = local.weekday().to_monday_zero_offset();
        let minute = 60 * u16::try_from(local.hour()).unwrap_or_default()
            + u16::try_from(local.minute()).unwrap_or_default();
        self.weekly.iter().any(|weekly| weekly.holds(u32::try_from(day).unwrap_or_default(), minute))
    }
}

impl Weekly {
    fn holds(self, day: u32, minute: u16) -> bool {
        let has = |day: u32| self.days >> (day % 7) & 1 == 1;
        if self.from_minute < self.until_minute {
            return has(day) && (self.from_minute..self.until_minute).contains(&minute);
        }
        (has(day) && minute >= self.from_minute) || (has(day + 6) && minute < self.until_minute)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn windows_are_half_open() {
        let validity = Validity { from: Some(10), until: Some(20), ..Validity::default() };
        assert_eq!([9, 10, 19, 20].map(|at| validity.holds(at)), [false, true, true, false]);
        assert!(Validity::default().holds(0));
    }

    #[test]
    fn hours_are_those_of_the_zone_and_go_over_midnight() {
        let friday = 1 << 4;
        let night = Weekly { days: friday, from_minute: 22 * 60, until_minute: 2 * 60 };
        let zone = Some(TimeZone::get("Asia/Shanghai").unwrap());
        let validity = Validity { weekly: vec![night], zone, ..Validity::default() };
        // Friday, 2023-11-17, in Shanghai (UTC+8).
        let at = |text: &str| validity.holds(text.parse::<Timestamp>().unwrap().as_second());
        assert!(!at("2023-11-17T21:59:59+08:00") && at("2023-11-17T22:00:00+08:00"));
        assert!(at("2023-11-18T01:59:00+08:00") && !at("2023-11-18T02:00:00+08:00"));
        assert!(!at("2023-11-17T01:00:00+08:00"), "the night from Thursday is not meant");
    }
}
