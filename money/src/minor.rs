//! Amounts in minor units.

use crate::MAX_MINOR;

/// An amount in minor units of the shop's currency, within ±[`MAX_MINOR`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

impl Money {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(MAX_MINOR);
    /// Marks a missing amount in a column of numbers; outside of the range of amounts.
    const NONE: i64 = i64::MIN;

    /// An amount of minor units; `None` beyond ±[`MAX_MINOR`].
    pub const fn new(minor: i64) -> Option<Self> {
        if minor >= -MAX_MINOR && minor <= MAX_MINOR { Some(Self(minor)) } else { None }
    }

    /// The nearest amount: large sums saturate at the largest amount instead of wrapping.
    pub fn clamped(minor: i128) -> Self {
        let max = i128::from(MAX_MINOR);
        // Within i64 after the clamp.
        Self(minor.clamp(-max, max) as i64)
    }

    /// Minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// The sum; `None` beyond the largest amount.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        // Both are far from the ends of i64.
        Self::new(self.0 + other.0)
    }

    /// The difference; `None` beyond the largest amount.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        Self::new(self.0 - other.0)
    }

    /// The sum of all amounts; `None` if one is unknown or the sum is beyond the largest amount.
    pub fn total(amounts: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, |sum, amount| sum.checked_add(amount?))
    }

    /// The amount times `factor`, rounded to the nearest minor unit, at most the largest amount.
    pub fn scaled(self, factor: f64) -> Self {
        // A float's cast saturates, and NaN becomes 0.
        Self::clamped((self.0 as f64 * factor).round() as i128)
    }

    /// An optional amount as one number, for columns and atomics; see [`Money::unpacked`].
    pub const fn packed(amount: Option<Self>) -> i64 {
        match amount {
            Some(amount) => amount.0,
            None => Self::NONE,
        }
    }

    /// The inverse of [`Money::packed`]; `None` for numbers beyond ±[`MAX_MINOR`].
    pub const fn unpacked(packed: i64) -> Option<Self> {
        Self::new(packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_beyond_the_range_are_none_and_never_wrap() {
        assert_eq!(Money::MAX.checked_add(Money(1)), None);
        assert_eq!(Money(-MAX_MINOR).checked_sub(Money(1)), None);
        assert_eq!(Money::new(i64::MIN).or(Money::new(i64::MAX)), None);
        assert_eq!(Money::total([Some(Money(3)), Some(Money(-1))]), Some(Money(2)));
        assert_eq!(Money::total([Some(Money(3)), None]), None);
        assert_eq!(Money::total([Some(Money::MAX), Some(Money::MAX)]), None);
        assert_eq!(Money::clamped(i128::MAX), Money::MAX);
        assert_eq!((Money::MAX.scaled(1e300), Money::MAX.scaled(f64::NAN)), (Money::MAX, Money::ZERO));
    }

    #[test]
    fn no_amount_is_packed_as_a_number_of_its_own() {
        for amount in [None, Money::new(0), Money::new(-5), Some(Money::MAX)] {
            assert_eq!(Money::unpacked(Money::packed(amount)), amount);
        }
    }

    #[test]
    fn parts_are_rounded_to_the_nearest_minor_unit() {
        assert_eq!(Money(3000).scaled(2.0 / 3.0), Money(2000));
        assert_eq!(Money(1000).scaled(1.0 / 3.0), Money(333));
    }
}
