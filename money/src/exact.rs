//! Decimal numbers of files, exact until they are rounded once.

use crate::MAX_MINOR;

/// Digits that are kept; of further ones only `is_cut` remains.
const MAX_KEPT: u32 = 20;

/// A decimal number `mantissa / 10^scale` of up to 20 significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact {
    mantissa: i128,
    scale: i32,
    /// True if digits other than 0 were dropped.
    is_cut: bool,
}

impl Exact {
    /// Reads digits with an optional sign, decimal point and exponent: `12.50`, `-3`, `.5`, `1e3`.
    pub fn parse(text: &str) -> Option<Self> {
        /// Beyond this every number is 0 or too large.
        const MAX_EXPONENT: i32 = 1_000_000;
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent_of(exponent)?.clamp(-MAX_EXPONENT, MAX_EXPONENT)),
            None => (text, 0),
        };
        let unsigned = number.strip_prefix(['-', '+']).unwrap_or(number);
        let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + decimals.len() == 0 || !is_digits(whole) || !is_digits(decimals) {
            return None;
        }
        // A text of gigabytes has more decimals than i32 counts; it is no number.
        let mut scale = i32::try_from(decimals.len()).ok()?.checked_sub(exponent)?;
        let (mut mantissa, mut kept, mut is_cut) = (0i128, 0, false);
        for byte in whole.bytes().chain(decimals.bytes()) {
            let digit = i128::from(byte - b'0');
            if kept < MAX_KEPT {
                mantissa = mantissa * 10 + digit;
                kept += u32::from(mantissa != 0);
            } else {
                scale = scale.checked_sub(1)?;
                is_cut |= digit != 0;
            }
        }
        let mantissa = if number.starts_with('-') { -mantissa } else { mantissa };
        Some(Self { mantissa, scale, is_cut })
    }

    /// The shortest decimal that reads as the same float. `None` for NaN and the infinities.
    pub fn of(number: f64) -> Option<Self> {
        Self::parse(&format!("{number:e}"))
    }

    /// True if it is 0.
    pub fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// True if it is below 0.
    pub fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// Its distance from 0.
    pub fn abs(self) -> Self {
        Self { mantissa: self.mantissa.abs(), ..self }
    }

    /// True if it is within `-limit..=limit`.
    pub fn is_within(self, limit: i64) -> bool {
        let power = |n: i32| u32::try_from(n).ok().and_then(|n| 10i128.checked_pow(n));
        let (mantissa, limit) = (self.mantissa.abs(), i128::from(limit));
        if self.scale < 0 {
            let scaled = power(-self.scale).and_then(|power| mantissa.checked_mul(power));
            return self.mantissa == 0 || scaled.is_some_and(|mantissa| mantissa <= limit);
        }
        // A limit beyond i128 is beyond every mantissa.
        let limit = power(self.scale).and_then(|power| limit.checked_mul(power));
        limit.is_none_or(|limit| mantissa < limit || (mantissa == limit && !self.is_cut))
    }

    /// The product; `None` if it has more than 38 digits.
    pub fn times(self, other: Self) -> Option<Self> {
        let mantissa = self.mantissa.checked_mul(other.mantissa)?;
        let scale = self.scale.checked_add(other.scale)?;
        Some(Self { mantissa, scale, is_cut: self.is_cut || other.is_cut })
    }

    /// The number in units of `10^-digits`, rounded half away from zero, and true if rounding changed it; `None`
    /// beyond ±[`MAX_MINOR`].
    pub fn rounded(self, digits: u8) -> Option<(i64, bool)> {
        let shift = self.scale.checked_sub(i32::from(digits))?;
        let power = 10i128.checked_pow(shift.unsigned_abs());
        let (units, changed) = match power {
            _ if self.mantissa == 0 => (0, self.is_cut),
            Some(power) if shift <= 0 => (self.mantissa.checked_mul(power)?, self.is_cut),
            Some(power) => {
                let (whole, rest) = (self.mantissa / power, (self.mantissa % power).abs());
                let up = i128::from(rest >= power - rest) * self.mantissa.signum();
                (whole + up, rest != 0 || self.is_cut)
            }
            None if shift > 0 => (0, true),
            None => return None,
        };
        let units = i64::try_from(units).ok().filter(|units| units.abs() <= MAX_MINOR)?;
        Some((units, changed))
    }
}

/// An exponent of any length, clamped to the range of i32.
fn exponent_of(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let end = if text.starts_with('-') { i32::MIN } else { i32::MAX };
    Some(text.parse().unwrap_or(end))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn rounded(text: &str, digits: u8) -> Option<(i64, bool)> {
        Exact::parse(text).unwrap().rounded(digits)
    }

    #[test]
    fn decimals_are_read_without_a_float() {
        assert_eq!(rounded("131072.01", 2), Some((13_107_201, false)));
        assert_eq!(rounded("1.005", 2), Some((101, true)), "as a float it is 1.00499...");
        assert_eq!(rounded("-1.005", 2), Some((-101, true)));
        assert_eq!(rounded("12.700000000000001", 2), Some((1_270, true)));
        assert_eq!(rounded("1.5e3", 0), Some((1_500, false)));
        assert_eq!(rounded("25e-1", 0), Some((3, true)));
        assert_eq!(rounded("+.5", 1), Some((5, false)));
        assert_eq!(rounded("9999999999999.99", 2), Some((MAX_MINOR, false)));
        assert_eq!(rounded("0.00000000000000000000000000000000000000000000001", 4), Some((0, true)));
        for text in ["", ".", "-", "e5", "1e", "1e+", "1.2.3", "+-1", "1_000", "0x1", "inf", "NaN", "１"] {
            assert_eq!(Exact::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_beyond_the_range_are_none() {
        for text in ["10000000000000", "1e300", "1e99999999999999999999", "-1e19", "9223372036854775808"] {
            assert_eq!(rounded(text, 2), None, "{text}");
        }
        assert_eq!(rounded("1e-99999999999999999999", 2), Some((0, true)));
        assert_eq!(rounded("0e99999999999999999999", 2), Some((0, false)));
        let long = format!("0.{}1", "0".repeat(100));
        assert_eq!(rounded(&long, 2), Some((0, true)));
        let cut = format!("1.01{}1", "0".repeat(40));
        assert_eq!(rounded(&cut, 2), Some((101, true)), "a digit far behind is not forgotten");
    }

    #[test]
    fn limits_hold_at_their_edges() {
        let within = |text: &str| Exact::parse(text).unwrap().is_within(1_000_000_000);
        assert!(within("1e9") && within("-1000000000.000") && within("0e40"));
        assert!(!within("1000000000.00000000000000000000000001") && !within("1e10") && !within("1e300"));
    }

    #[test]
    fn products_are_rounded_once() {
        let times = |price: &str, pieces: f64| {
            Exact::parse(price).unwrap().times(Exact::of(pieces).unwrap()).unwrap().rounded(2)
        };
        assert_eq!(times("3.3333333333333335", 3.0), Some((1_000, true)));
        assert_eq!(times("19.99", 0.35), Some((700, true)), "6.9965");
        assert_eq!(times("0.1", 3.0), Some((30, false)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(minor in -MAX_MINOR..=MAX_MINOR, digits in 0u8..=4) {
            let power = 10i64.pow(digits.into());
            let sign = if minor < 0 { "-" } else { "" };
            let (whole, rest) = (minor.abs() / power, minor.abs() % power);
            let text = format!("{sign}{whole}.{rest:0width$}", width = usize::from(digits.max(1)));
            let text = if digits == 0 { format!("{sign}{whole}") } else { text };
            prop_assert_eq!(rounded(&text, digits), Some((minor, false)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.eE]{0,40}") {
            if let Some(number) = Exact::parse(&text) {
                let _ = (number.rounded(2), number.is_within(5), number.times(number));
            }
        }
    }
}
