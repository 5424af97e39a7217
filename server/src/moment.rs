//! A moment in answers: RFC 3339 in UTC. It is written digit by digit, because a slate has one for every item bought
//! before, and the general formatter takes longer than the ranking of that item.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

/// Seconds since 1970, UTC. Serialized as `2023-11-14T22:13:20Z`; null outside the calendar of `chrono`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub i64);

const DAY: i64 = 86_400;
/// 0000-01-01 and 10000-01-01: between them a year has four digits.
const FOUR_DIGITS: std::ops::Range<i64> = -62_167_219_200..253_402_300_800;

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if FOUR_DIGITS.contains(&self.0) {
            let digits = digits(self.0);
            let text = std::str::from_utf8(&digits).map_err(serde::ser::Error::custom)?;
            return serializer.serialize_str(text);
        }
        match DateTime::<Utc>::from_timestamp(self.0, 0) {
            // The debug form of a `DateTime<Utc>` is RFC 3339.
            Some(moment) => serializer.collect_str(&format_args!("{moment:?}")),
            None => serializer.serialize_none(),
        }
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ` of a moment in the years 0 to 9999. The date is counted in eras of 400 years that begin
/// in March (Hinnant, "chrono-compatible low-level date algorithms").
fn digits(seconds: i64) -> [u8; 20] {
    let days = seconds.div_euclid(DAY) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let second = seconds.rem_euclid(DAY);
    let mut text = *b"0000-00-00T00:00:00Z";
    let two = [year / 100, year % 100, month, day, second / 3_600, second / 60 % 60, second % 60];
    for (at, value) in [0, 2, 5, 8, 11, 14, 17].into_iter().zip(two) {
        text[at] += (value / 10) as u8;
        text[at + 1] += (value % 10) as u8;
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn moments_are_written_as_chrono_writes_them() {
        let want = |seconds: i64| format!("\"{:?}\"", DateTime::<Utc>::from_timestamp(seconds, 0).unwrap());
        let edges = [FOUR_DIGITS.start, FOUR_DIGITS.end].into_iter().flat_map(|edge| edge - 2..edge + 2);
        // Every day from 1896 to 2110, each at another second.
        let days = (-27_000i64..51_500).map(|day| day * DAY + day.rem_euclid(1_009) * 85);
        for seconds in edges.chain(days).chain([0, 1_700_000_000]) {
            assert_eq!(serde_json::to_string(&Moment(seconds)).unwrap(), want(seconds));
        }
        assert_eq!(serde_json::to_string(&Moment(i64::MAX)).unwrap(), "null");
    }
}
