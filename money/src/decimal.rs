//! Amounts as callers write them.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::exact::Exact;
use crate::{MAX_DIGITS, MAX_MINOR};

/// An exact decimal number of at most 15 digits and [`MAX_DIGITS`] decimals; `1.5` equals `1.50`. It holds an amount
/// of a caller until the model's currency is known.
///
/// In JSON it is a number without exponent and trailing zeros. Reading JSON rounds further decimals, which occur only
/// in states written by older versions; callers' numbers go through [`Decimal::parse`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decimal {
    mantissa: i64,
    /// Decimals; the last one is not 0.
    scale: u8,
}

/// The reason why a text or number is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no decimal number.
    #[error("a decimal number, such as 19.9")]
    NotANumber,
    /// It has too many decimals.
    #[error("at most {max} decimals")]
    Decimals {
        /// The largest allowed number of decimals.
        max: u8,
    },
    /// It has too many digits.
    #[error("a number of at most 15 digits")]
    TooLarge,
}

impl Decimal {
    /// A number of `mantissa / 10^scale`; both are within their limits.
    pub(crate) fn new(mut mantissa: i64, mut scale: u8) -> Self {
        while scale > 0 && mantissa % 10 == 0 {
            (mantissa, scale) = (mantissa / 10, scale - 1);
        }
        Self { mantissa, scale }
    }

    /// Reads a decimal number.
    ///
    /// # Errors
    /// No number, more than [`MAX_DIGITS`] decimals, or more than 15 digits.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let exact = Exact::parse(text).ok_or(Fault::NotANumber)?;
        match Self::finest(exact).ok_or(Fault::TooLarge)? {
            (number, _, false) => Ok(number),
            (_, MAX_DIGITS, true) => Err(Fault::Decimals { max: MAX_DIGITS }),
            (_, _, true) => Err(Fault::TooLarge),
        }
    }

    /// The number with as many decimals as fit in 15 digits, the number of these decimals, and true if it was rounded.
    fn finest(exact: Exact) -> Option<(Self, u8, bool)> {
        (0..=MAX_DIGITS).rev().find_map(|scale| {
            let (mantissa, was_rounded) = exact.rounded(scale)?;
            Some((Self::new(mantissa, scale), scale, was_rounded))
        })
    }

    /// The number in units of `10^-digits`, rounded half away from zero, and true if rounding changed it; `None`
    /// beyond ±[`MAX_MINOR`].
    pub(crate) fn at(self, digits: u8) -> Option<(i64, bool)> {
        if digits >= self.scale {
            let units = self.mantissa.checked_mul(10i64.pow((digits - self.scale).into()))?;
            return (units.abs() <= MAX_MINOR).then_some((units, false));
        }
        let power = 10i64.pow((self.scale - digits).into());
        let (whole, rest) = (self.mantissa / power, (self.mantissa % power).abs());
        let up = i64::from(rest >= power - rest) * self.mantissa.signum();
        Some((whole + up, true))
    }

    /// True if it is above 0.
    pub fn is_positive(self) -> bool {
        self.mantissa > 0
    }

    /// True if it is at most `limit`.
    pub fn is_at_most(self, limit: i64) -> bool {
        i128::from(self.mantissa) <= i128::from(limit) * 10i128.pow(self.scale.into())
    }

    /// The nearest float. JSON numbers of 15 digits survive the conversion to a float and back.
    pub fn to_f64(self) -> f64 {
        // Both are exact as floats, so the quotient is the float nearest to the number.
        self.mantissa as f64 / 10f64.powi(self.scale.into())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.mantissa);
        }
        let power = 10u64.pow(self.scale.into());
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let (whole, rest) = (self.mantissa.unsigned_abs() / power, self.mantissa.unsigned_abs() % power);
        write!(f, "{sign}{whole}.{rest:0width$}", width = self.scale.into())
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.scale {
            0 => serializer.serialize_i64(self.mantissa),
            _ => serializer.serialize_f64(self.to_f64()),
        }
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let exact = Exact::parse(raw.get()).ok_or(Fault::NotANumber).map_err(de::Error::custom)?;
        let finest = Self::finest(exact).ok_or(Fault::TooLarge).map_err(de::Error::custom)?;
        Ok(finest.0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn json(text: &str) -> String {
        serde_json::to_string(&Decimal::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn a_number_is_written_as_it_was_told() {
        for (told, written) in [
            ("131072.01", "131072.01"),
            ("9.90", "9.9"),
            ("10.00", "10"),
            ("1e2", "100"),
            ("0.0001", "0.0001"),
            ("99999999999.9999", "99999999999.9999"),
            ("-0.5", "-0.5"),
            ("999999999999999", "999999999999999"),
        ] {
            assert_eq!(json(told), written);
            assert_eq!(Decimal::parse(told).unwrap().to_string(), written);
        }
    }

    #[test]
    fn a_fault_says_what_is_allowed() {
        assert_eq!(Decimal::parse("1.23456"), Err(Fault::Decimals { max: 4 }));
        assert_eq!(Decimal::parse("1.00000000000000000000000000001"), Err(Fault::Decimals { max: 4 }));
        assert_eq!(Decimal::parse("1e15"), Err(Fault::TooLarge));
        assert_eq!(Decimal::parse("99999999999999.99"), Err(Fault::TooLarge), "16 digits");
        assert_eq!(Decimal::parse("\"1\""), Err(Fault::NotANumber));
    }

    #[test]
    fn older_states_are_read_to_four_decimals() {
        let read = |text: &str| serde_json::from_str::<Decimal>(text).unwrap().to_string();
        assert_eq!([read("9.5"), read("3.14159"), read("7")], ["9.5", "3.1416", "7"]);
        assert!(serde_json::from_str::<Decimal>("\"9.5\"").is_err());
    }

    proptest! {
        #[test]
        fn json_keeps_every_number(mantissa in -MAX_MINOR..=MAX_MINOR, scale in 0..=MAX_DIGITS) {
            let number = Decimal::new(mantissa, scale);
            let written = serde_json::to_string(&number).unwrap();
            prop_assert_eq!(&written, &number.to_string());
            prop_assert_eq!(serde_json::from_str::<Decimal>(&written).unwrap(), number);
            prop_assert_eq!(written.parse::<f64>().unwrap(), number.to_f64());
        }
    }
}
