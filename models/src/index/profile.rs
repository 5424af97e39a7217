//! User profiles: activity, recency / frequency / monetary tiers, lifecycle stage.
//!
//! Section `users`: `user_id` (the vocabulary), `baskets`, `units`, `spend` (minor units), `first_at`, `last_at` (unix
//! seconds), `recency`, `frequency`, `monetary` (tiers 1..=5, 5 best: quintiles over the shop's users)
//! and `channel` (the one most bought through; empty if unknown).

use std::sync::Arc;

use arrow_array::types::{Float32Type, Int64Type, UInt8Type, UInt32Type};
use arrow_array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray, UInt8Array, UInt32Array};
use arrow_buffer::ScalarBuffer;
use qianmian_money::Money;

use crate::error::{Error, Result};
use crate::ids::{UserIx, Vocabulary};
use crate::storage::section::{self, Section};

/// The section's name; it is the user vocabulary's too.
pub const SECTION: &str = "users";

/// One user's activity in the data window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// Baskets bought.
    pub baskets: u32,
    /// Units bought, net of returns.
    pub units: f32,
    /// Money spent, at most the largest amount; lines without a price count 0.
    pub spend: Money,
    /// First and last purchase, unix seconds.
    pub first_at: u32,
    /// Last purchase, unix seconds.
    pub last_at: u32,
    /// Recency, frequency and monetary tier, each 1..=5, 5 best.
    pub rfm: [u8; 3],
    /// The channel most bought through; empty if unknown.
    pub channel: String,
}

/// The customer's stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// One basket, not long ago.
    Acquired,
    /// Buys at their usual pace.
    Active,
    /// Silent for over twice their usual gap.
    AtRisk,
    /// Silent for over four times their usual gap.
    Churned,
}

impl Lifecycle {
    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Acquired => "acquired",
            Self::Active => "active",
            Self::AtRisk => "at_risk",
            Self::Churned => "churned",
        }
    }
}

impl Profile {
    /// The stage at `at` (unix seconds). The usual gap is the mean gap between baskets, at least a week;
    /// for users of one basket it is 45 days.
    pub fn lifecycle(&self, at: i64) -> Lifecycle {
        const DAY: f64 = 86_400.0;
        let silent = (at - i64::from(self.last_at)).max(0) as f64 / DAY;
        let usual = match self.baskets {
            0 | 1 => 45.0,
            n => (f64::from(self.last_at - self.first_at) / DAY / f64::from(n - 1)).max(7.0),
        };
        match silent / usual {
            r if r > 4.0 => Lifecycle::Churned,
            r if r > 2.0 => Lifecycle::AtRisk,
            _ if self.baskets <= 1 => Lifecycle::Acquired,
            _ => Lifecycle::Active,
        }
    }
}

/// The profiles of all users.
#[derive(Debug, Clone)]
pub struct Profiles {
    counts: [ScalarBuffer<u32>; 3],
    units: ScalarBuffer<f32>,
    /// Minor units.
    spend: ScalarBuffer<i64>,
    rfm: [ScalarBuffer<u8>; 3],
    channel: StringArray,
    /// Derived: purchase frequency of each user, decayed until `latest`.
    activity: Arc<[f32]>,
    /// The last purchase of any user, unix seconds.
    latest: u32,
}

/// Days in which activity is halved.
const ACTIVITY_HALF_LIFE: f32 = 90.0;

const COUNTS: [&str; 3] = ["baskets", "first_at", "last_at"];
const TIERS: [&str; 3] = ["recency", "frequency", "monetary"];

impl Profiles {
    /// From one entry per user, in vocabulary order.
    pub fn new(users: &[Profile]) -> Self {
        let counts = [
            users.iter().map(|u| u.baskets).collect(),
            users.iter().map(|u| u.first_at).collect(),
            users.iter().map(|u| u.last_at).collect(),
        ];
        let units = users.iter().map(|u| u.units).collect();
        let spend = users.iter().map(|u| u.spend.minor()).collect();
        let rfm = std::array::from_fn(|n| users.iter().map(|u| u.rfm[n]).collect());
        Self::assemble(
            counts,
            (units, spend),
            rfm,
            StringArray::from_iter_values(users.iter().map(|u| u.channel.as_str())),
        )
    }

    fn assemble(
        counts: [ScalarBuffer<u32>; 3],
        (units, spend): (ScalarBuffer<f32>, ScalarBuffer<i64>),
        rfm: [ScalarBuffer<u8>; 3],
        channel: StringArray,
    ) -> Self {
        let latest = counts[2].iter().copied().max().unwrap_or(0);
        let activity = |(&baskets, &last_at): (&u32, &u32)| {
            (1.0 + baskets as f32).ln() * decay(i64::from(latest) - i64::from(last_at))
        };
        let activity = counts[0].iter().zip(counts[2].iter()).map(activity).collect();
        Self { counts, units, spend, rfm, channel, activity, latest }
    }

    /// A user's purchase frequency, decayed: `ln(1 + baskets)`, halved for every 90 days between their last purchase
    /// and `now` (unix seconds). The logarithm and the power of each user are computed when the profiles are opened.
    pub fn activity_at(&self, now: i64) -> impl Fn(UserIx) -> f32 + '_ {
        let since = decay(now - i64::from(self.latest));
        move |user| self.activity[user as usize] * since
    }

    /// The profile of `user`.
    pub fn of(&self, user: UserIx) -> Profile {
        let row = user as usize;
        Profile {
            baskets: self.counts[0][row],
            first_at: self.counts[1][row],
            last_at: self.counts[2][row],
            units: self.units[row],
            spend: Money::clamped(self.spend[row].into()),
            rfm: [self.rfm[0][row], self.rfm[1][row], self.rfm[2][row]],
            channel: self.channel.value(row).to_owned(),
        }
    }

    /// Baskets and last purchase (unix seconds) of `user`.
    pub fn activity(&self, user: UserIx) -> (u32, u32) {
        (self.counts[0][user as usize], self.counts[2][user as usize])
    }

    /// Baskets, first and last purchase (unix seconds) of `user`.
    pub fn span(&self, user: UserIx) -> (u32, u32, u32) {
        let row = user as usize;
        (self.counts[0][row], self.counts[1][row], self.counts[2][row])
    }

    /// The channel that `user` buys through most, if it is known.
    pub fn channel(&self, user: UserIx) -> Option<&str> {
        Some(self.channel.value(user as usize)).filter(|c| !c.is_empty())
    }

    pub(crate) fn batch(&self, users: &Vocabulary) -> Result<RecordBatch> {
        let mut columns = vec![("user_id", users.id_column())];
        for (name, values) in COUNTS.iter().zip(&self.counts) {
            columns.push((name, Arc::new(UInt32Array::new(values.clone(), None)) as ArrayRef));
        }
        columns.push(("units", Arc::new(Float32Array::new(self.units.clone(), None))));
        columns.push(("spend", Arc::new(Int64Array::new(self.spend.clone(), None))));
        for (name, values) in TIERS.iter().zip(&self.rfm) {
            columns.push((name, Arc::new(UInt8Array::new(values.clone(), None))));
        }
        columns.push(("channel", Arc::new(self.channel.clone())));
        section::batch(SECTION, columns)
    }

    pub(crate) fn open(section: &Section) -> Result<Self> {
        let [baskets, first_at, last_at] = COUNTS.map(|name| section.primitive::<UInt32Type>(name));
        let units = section.primitive::<Float32Type>("units")?;
        let spend = section.primitive::<Int64Type>("spend")?;
        let [recency, frequency, monetary] = TIERS.map(|name| section.primitive::<UInt8Type>(name));
        let counts = [baskets?, first_at?, last_at?];
        if !counts[1].iter().zip(counts[2].iter()).all(|(first, last)| first <= last) {
            return Err(Error::malformed(SECTION, "first_at <= last_at", "the reverse"));
        }
        let rfm = [recency?, frequency?, monetary?];
        Ok(Self::assemble(counts, (units, spend), rfm, section.strings("channel")?))
    }
}

/// The factor by which activity decays within `seconds`.
fn decay(seconds: i64) -> f32 {
    (-(seconds.max(0) as f32) / 86_400.0 / ACTIVITY_HALF_LIFE).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_is_halved_every_90_days_of_silence() {
        const DAY: u32 = 86_400;
        let user = |baskets, last_at| Profile { baskets, last_at, ..Profile::default() };
        let profiles = Profiles::new(&[user(3, 100 * DAY), user(1, 10 * DAY)]);
        let activity = profiles.activity_at(i64::from(190 * DAY));
        for (user, want) in [(0, 4f32.ln() / 2.0), (1, 2f32.ln() / 4.0)] {
            assert!((activity(user) - want).abs() < 1e-6);
        }
    }

    #[test]
    fn the_stage_follows_the_users_own_pace() {
        const DAY: u32 = 86_400;
        let weekly = Profile { baskets: 5, first_at: 0, last_at: 40 * DAY, ..Profile::default() };
        let stage = |days: u32| weekly.lifecycle(i64::from((40 + days) * DAY));
        assert_eq!(stage(10), Lifecycle::Active);
        assert_eq!(stage(25), Lifecycle::AtRisk);
        assert_eq!(stage(41), Lifecycle::Churned);
        let once = Profile { baskets: 1, first_at: DAY, last_at: DAY, ..Profile::default() };
        assert_eq!(once.lifecycle(i64::from(30 * DAY)), Lifecycle::Acquired);
    }
}
