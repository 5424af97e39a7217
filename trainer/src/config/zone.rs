//! Time zones: a fixed offset, or a name of the zone database with its summer times.

use anyhow::bail;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// Converts local times to UTC.
#[derive(Debug, Clone)]
pub struct Zone {
    name: String,
    zone: TimeZone,
    /// Seconds east of UTC for a fixed offset; `None` for a named zone.
    fixed: Option<i64>,
    /// The last local quarter of an hour looked up, in quarters since 1970, and its offset in seconds.
    last: (i64, i64),
}

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC, fixed: Some(0), last: (i64::MIN, 0) }
    }

    /// Reads `Z`, `UTC`, `+08:00`, `-0330`, or a name such as `Asia/Shanghai`. The zone database is part of the
    /// program.
    ///
    /// # Errors
    /// Fails if the zone is not known.
    pub fn parse(zone: &str) -> anyhow::Result<Self> {
        if matches!(zone, "Z" | "UTC" | "utc") {
            return Ok(Self::utc());
        }
        let (found, fixed) = match zone.parse::<chrono::FixedOffset>() {
            Ok(offset) => {
                let seconds = offset.local_minus_utc();
                let offset = Offset::from_seconds(seconds)?;
                (TimeZone::fixed(offset), Some(i64::from(seconds)))
            }
            Err(_) => match TimeZone::get(zone) {
                Ok(found) => (found, None),
                Err(_) => {
                    bail!("{zone:?} is no zone; write it like \"Asia/Shanghai\", \"+08:00\" or \"UTC\"")
                }
            },
        };
        Ok(Self { name: zone.to_owned(), zone: found, fixed, last: (i64::MIN, 0) })
    }

    /// The name as in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Seconds east of UTC at `local`, the local time in seconds since 1970-01-01 00:00 local. At the end of summer
    /// time an hour occurs twice: the first is used. At its start an hour is missing: the offset before it is used.
    pub fn offset(&mut self, local: i64) -> i64 {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        // Offsets change at multiples of a quarter of an hour.
        let quarter = local.div_euclid(900);
        if self.last.0 != quarter {
            self.last = (quarter, self.look_up(local));
        }
        self.last.1
    }

    fn look_up(&self, local: i64) -> i64 {
        let zoned = jiff::Timestamp::from_second(local)
            .map(|at| at.to_zoned(TimeZone::UTC).datetime())
            .and_then(|civil: DateTime| self.zone.to_ambiguous_timestamp(civil).compatible());
        zoned.map_or(0, |at| local - at.as_second())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::Zone;

    #[test]
    fn a_named_zone_has_its_summer_time() {
        let mut berlin = Zone::parse("Europe/Berlin").unwrap();
        // 2024-01-15 12:00 and 2024-07-15 12:00 local time.
        assert_eq!(
            [1_705_320_000, 1_721_044_800, 1_705_320_000].map(|at| berlin.offset(at)),
            [3600, 7200, 3600]
        );
        assert_eq!(Zone::parse("Asia/Shanghai").unwrap().offset(1_705_320_000), 28_800);
    }

    #[test]
    fn offsets_are_fixed_and_other_words_are_refused() {
        let offset = |zone: &str| Zone::parse(zone).unwrap().offset(0);
        assert_eq!(["UTC", "+08:00", "-0330"].map(offset), [0, 28_800, -12_600]);
        assert!(Zone::parse("Shanghai").unwrap_err().to_string().contains("Asia/Shanghai"));
    }
}
