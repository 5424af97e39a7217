//! The days of the demo shop: traffic, seasons, festivals, sales.
//!
//! Days are numbered from 0, the first day of the window; the day after the last is `until`.
//! All values are computed once, so the simulation of a user only reads tables.

use chrono::{Datelike, Days, NaiveDate, NaiveTime};

use super::kinds::Season;

/// Festival dates (Dragon Boat, Mid-Autumn, Spring Festival) as month * 100 + day, by year from
/// 2019. Later years use the last row.
const FESTIVALS: [[u32; 3]; 12] = [
    [607, 913, 205],
    [625, 1001, 125],
    [614, 921, 212],
    [603, 910, 201],
    [622, 929, 122],
    [610, 917, 210],
    [531, 1006, 129],
    [619, 925, 217],
    [609, 915, 206],
    [528, 1003, 126],
    [616, 922, 213],
    [605, 912, 203],
];
const FESTIVALS_FROM: i32 = 2019;
const SEASONS: usize = 7;

/// The window of the demo shop, day by day.
pub struct Calendar {
    start: NaiveDate,
    start_unix: i64,
    dates: Vec<[u8; 10]>,
    /// Running sums of traffic: `traffic[d]` is all traffic before day `d`; `days + 1` long.
    traffic: Vec<f32>,
    /// `days x SEASONS`, row-major: demand for a season's items; 1 is an ordinary day.
    demand: Vec<f32>,
    /// The share of the list price that is paid on each day.
    price_factor: Vec<f32>,
}

impl Calendar {
    /// The `days` days (at least one) that end before midnight UTC of `until`.
    pub fn new(until: NaiveDate, days: u32) -> Self {
        let start = until.checked_sub_days(Days::new(u64::from(days))).unwrap_or(NaiveDate::MIN);
        let mut calendar = Self {
            start,
            start_unix: start.and_time(NaiveTime::MIN).and_utc().timestamp(),
            dates: Vec::new(),
            traffic: vec![0.0],
            demand: Vec::new(),
            price_factor: Vec::new(),
        };
        let mut sum = 0.0f64;
        for date in start.iter_days().take(days as usize) {
            let mut text = [b'0'; 10];
            for (to, from) in text.iter_mut().zip(date.format("%Y-%m-%d").to_string().bytes()) {
                *to = from;
            }
            calendar.dates.push(text);
            sum += f64::from(traffic_of(date));
            calendar.traffic.push(sum as f32);
            calendar.demand.extend(demand_on(date));
            calendar.price_factor.push(price_factor_of(date));
        }
        calendar
    }

    /// Days of the window.
    pub fn days(&self) -> usize {
        self.dates.len()
    }

    /// `YYYY-MM-DD` of a day.
    pub fn date_text(&self, day: usize) -> &[u8; 10] {
        &self.dates[day]
    }

    /// The date of a day that may lie before the window.
    pub fn date(&self, day: i32) -> NaiveDate {
        let days = Days::new(u64::from(day.unsigned_abs()));
        let moved =
            if day < 0 { self.start.checked_sub_days(days) } else { self.start.checked_add_days(days) };
        moved.unwrap_or(self.start)
    }

    /// Unix seconds of a day's midnight UTC.
    pub fn unix(&self, day: usize) -> i64 {
        self.start_unix + 86_400 * day as i64
    }

    /// The day of a Unix time inside the window.
    pub fn day_of(&self, at: i64) -> usize {
        ((at - self.start_unix) / 86_400).clamp(0, self.days() as i64 - 1) as usize
    }

    /// The end of the window in Unix seconds, exclusive.
    pub fn end_unix(&self) -> i64 {
        self.unix(self.days())
    }

    /// Demand for items of this season; 1 is an ordinary day.
    pub fn demand(&self, season: Season, day: usize) -> f32 {
        self.demand[day * SEASONS + season as usize]
    }

    /// The share of the list price that is paid on a day, before the channel's own discount.
    pub fn price_factor(&self, day: usize) -> f32 {
        self.price_factor[day]
    }

    /// All traffic before a day, in days of average traffic; the day may be one past the last.
    pub fn traffic_before(&self, day: usize) -> f32 {
        self.traffic[day]
    }

    /// The day on which the traffic since the start reaches `x`.
    pub fn day_at_traffic(&self, x: f32) -> usize {
        self.traffic.partition_point(|&t| t <= x).saturating_sub(1).min(self.days() - 1)
    }
}

/// The festivals of a year: Dragon Boat, Mid-Autumn, Spring Festival.
fn festivals_of(year: i32) -> [Option<NaiveDate>; 3] {
    let row = (year - FESTIVALS_FROM).clamp(0, FESTIVALS.len() as i32 - 1) as usize;
    FESTIVALS[row].map(|md| NaiveDate::from_ymd_opt(year, md / 100, md % 100))
}

/// Days from a date until the next such festival; `i64::MAX` if there is none.
fn days_until(date: NaiveDate, festival: usize) -> i64 {
    [date.year(), date.year() + 1]
        .into_iter()
        .filter_map(|year| festivals_of(year)[festival])
        .map(|on| (on - date).num_days())
        .find(|&left| left >= 0)
        .unwrap_or(i64::MAX)
}

fn traffic_of(date: NaiveDate) -> f32 {
    let weekday = match date.weekday().number_from_monday() {
        6 | 7 => 1.2,
        5 => 1.05,
        _ => 0.9,
    };
    let sale = match (date.month(), date.day()) {
        (11, 11) => 7.0,
        (11, 10) => 2.2,
        (11, 1..=9) => 1.4,
        (6, 18) => 4.0,
        (6, 1..=17) => 1.2,
        (12, 12) => 2.0,
        _ => 1.0,
    };
    let festival = match days_until(date, 2) {
        0..=2 => 0.6,
        3..=25 => 1.3,
        _ => 1.0,
    };
    weekday * sale * festival
}

fn price_factor_of(date: NaiveDate) -> f32 {
    match (date.month(), date.day()) {
        (11, 10..=11) | (6, 18) => 0.8,
        (11, 1..=9) | (6, 1..=17) | (12, 12) => 0.9,
        _ => 1.0,
    }
}

/// Demand for each season's items on a date, in the order of [`Season`].
fn demand_on(date: NaiveDate) -> [f32; SEASONS] {
    let warmth = (std::f32::consts::TAU * (date.ordinal() as f32 - 196.0) / 365.0).cos();
    let swell = |x: f32| 0.08 + 2.2 * (0.5 + 0.5 * x).powi(3);
    let before_festival = |festival| match days_until(date, festival) {
        0 => 2.0,
        left @ 1..=28 => 7.0 * (1.0 - left as f32 / 29.0),
        _ => 0.0,
    };
    let mut demand = [1.0; SEASONS];
    demand[Season::Summer as usize] = swell(warmth);
    demand[Season::Winter as usize] = swell(-warmth);
    demand[Season::Mild as usize] = 0.3 + 1.2 * (1.0 - warmth * warmth);
    demand[Season::DragonBoat as usize] = before_festival(0);
    demand[Season::MidAutumn as usize] = before_festival(1);
    demand[Season::SpringFestival as usize] = 0.03 + before_festival(2);
    demand
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn day(calendar: &Calendar, y: i32, m: u32, d: u32) -> usize {
        let at = NaiveDate::from_ymd_opt(y, m, d).unwrap().and_time(NaiveTime::MIN).and_utc().timestamp();
        calendar.day_of(at)
    }

    fn year_2025() -> Calendar {
        Calendar::new(NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(), 365)
    }

    #[test]
    fn days_end_before_until() {
        let calendar = year_2025();
        assert_eq!(calendar.days(), 365);
        assert_eq!(calendar.date_text(0), b"2025-01-01");
        assert_eq!(calendar.date_text(364), b"2025-12-31");
        assert_eq!(calendar.end_unix(), 1_767_225_600);
        assert_eq!(calendar.date(-1), NaiveDate::from_ymd_opt(2024, 12, 31).unwrap());
    }

    #[test]
    fn seasons_peak_at_their_time() {
        let c = year_2025();
        let (july, january) = (day(&c, 2025, 7, 10), day(&c, 2025, 1, 10));
        assert!(c.demand(Season::Summer, july) > 10.0 * c.demand(Season::Summer, january));
        assert!(c.demand(Season::Winter, january) > 10.0 * c.demand(Season::Winter, july));
        assert!(c.demand(Season::MidAutumn, day(&c, 2025, 10, 1)) > 3.0);
        assert_eq!(c.demand(Season::MidAutumn, day(&c, 2025, 10, 8)), 0.0);
        assert_eq!(c.demand(Season::Always, july), 1.0);
    }

    #[test]
    fn singles_day_has_most_traffic_and_lowest_prices() {
        let c = year_2025();
        let traffic = |d: usize| c.traffic_before(d + 1) - c.traffic_before(d);
        let top = (0..365).max_by(|&a, &b| traffic(a).total_cmp(&traffic(b))).unwrap();
        assert_eq!(c.date_text(top), b"2025-11-11");
        assert!(c.price_factor(top) < 1.0);
    }

    #[test]
    fn traffic_maps_back_to_its_day() {
        let c = year_2025();
        for d in [0, 17, 314, 364] {
            let middle = 0.5 * (c.traffic_before(d) + c.traffic_before(d + 1));
            assert_eq!(c.day_at_traffic(middle), d);
        }
        assert_eq!(c.day_at_traffic(1e9), 364);
    }
}
