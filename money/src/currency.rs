//! The shop's currency.

use serde::{Deserialize, Serialize};

use crate::decimal::{Decimal, Fault};
use crate::exact::Exact;
use crate::minor::Money;
use crate::{MAX_DIGITS, MAX_MINOR};

/// Currencies whose number of decimals is not 2 (ISO 4217).
const OTHER_DIGITS: [(&str, u8); 26] = [
    ("BHD", 3),
    ("BIF", 0),
    ("CLF", 4),
    ("CLP", 0),
    ("DJF", 0),
    ("GNF", 0),
    ("IQD", 3),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KMF", 0),
    ("KRW", 0),
    ("KWD", 3),
    ("LYD", 3),
    ("OMR", 3),
    ("PYG", 0),
    ("RWF", 0),
    ("TND", 3),
    ("UGX", 0),
    ("UYI", 0),
    ("UYW", 4),
    ("VND", 0),
    ("VUV", 0),
    ("XAF", 0),
    ("XOF", 0),
    ("XPF", 0),
];

/// A currency: its ISO 4217 code, and the decimals of an amount. CNY, with 2, by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Currency {
    code: [u8; 3],
    digits: u8,
}

/// A currency as written in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default = "usual_code")]
    code: String,
    /// If absent, the number of decimals follows from the code.
    digits: Option<u8>,
}

/// The reason why there is no such currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CurrencyFault {
    /// The code does not consist of three capital letters.
    #[error("currency code {0:?}: use the three capital letters of ISO 4217, such as \"CNY\"")]
    Code(String),
    /// More decimals than any currency has.
    #[error("currency digits {0}: use 0 to 4, the decimals of an amount")]
    Digits(u8),
}

fn usual_code() -> String {
    "CNY".to_owned()
}

impl Default for Currency {
    fn default() -> Self {
        Self { code: *b"CNY", digits: 2 }
    }
}

impl Currency {
    /// A currency by its code; without `digits` it has the decimals of ISO 4217.
    ///
    /// # Errors
    /// The code does not consist of three capital letters, or there are more than [`MAX_DIGITS`] decimals.
    pub fn new(code: &str, digits: Option<u8>) -> Result<Self, CurrencyFault> {
        let letters: Option<[u8; 3]> = code.as_bytes().try_into().ok();
        let letters = letters.filter(|letters| letters.iter().all(u8::is_ascii_uppercase));
        let bytes = letters.ok_or_else(|| CurrencyFault::Code(code.chars().take(20).collect()))?;
        let of_code = OTHER_DIGITS.iter().find(|(other, _)| *other == code).map_or(2, |(_, digits)| *digits);
        let digits = digits.unwrap_or(of_code);
        if digits > MAX_DIGITS {
            Err(CurrencyFault::Digits(digits))
        } else {
            Ok(Self { code: bytes, digits })
        }
    }

    /// The code of ISO 4217.
    pub fn code(&self) -> &str {
        // Capital letters.
        std::str::from_utf8(&self.code).unwrap_or_default()
    }

    /// Decimals of an amount.
    pub fn digits(&self) -> u8 {
        self.digits
    }

    /// Converts an amount of a caller, without rounding.
    ///
    /// # Errors
    /// More decimals than the currency has, or beyond the largest amount.
    pub fn exactly(&self, amount: Decimal) -> Result<Money, Fault> {
        match amount.at(self.digits) {
            Some((minor, false)) => Money::new(minor).ok_or(Fault::TooLarge),
            Some((_, true)) => Err(Fault::Decimals { max: self.digits }),
            None => Err(Fault::TooLarge),
        }
    }

    /// Rounds an amount that was stored before the currency was known; `None` beyond the largest amount.
    pub fn nearest(&self, amount: Decimal) -> Option<Money> {
        amount.at(self.digits).and_then(|(minor, _)| Money::new(minor))
    }

    /// A number of a file, rounded half away from zero, and true if rounding changed it; `None` beyond the largest
    /// amount.
    pub fn rounded(&self, number: Exact) -> Option<(Money, bool)> {
        let (minor, changed) = number.rounded(self.digits)?;
        Some((Money::new(minor)?, changed))
    }

    /// The amount as a decimal number, for answers.
    pub fn decimal(&self, money: Money) -> Decimal {
        Decimal::new(money.minor(), self.digits)
    }

    /// The amount in whole units of the currency (yuan, dollars), for features that compare prices by their ratio.
    pub fn units(&self, money: Money) -> f64 {
        money.minor() as f64 / 10f64.powi(self.digits.into())
    }
}

impl TryFrom<Written> for Currency {
    type Error = CurrencyFault;

    fn try_from(written: Written) -> Result<Self, CurrencyFault> {
        Self::new(&written.code, written.digits)
    }
}

impl From<Currency> for Written {
    fn from(currency: Currency) -> Self {
        Self { code: currency.code().to_owned(), digits: Some(currency.digits) }
    }
}

/// Amounts keep 15 digits as floats: 2^53 is above the largest one.
const _: () = assert!(MAX_MINOR < 1 << 53);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_decimals_follow_the_code_unless_they_are_given() {
        assert_eq!(Currency::default(), Currency::new("CNY", None).unwrap());
        let digits = |code| Currency::new(code, None).unwrap().digits();
        assert_eq!([digits("USD"), digits("JPY"), digits("KWD"), digits("UYW")], [2, 0, 3, 4]);
        assert_eq!(Currency::new("CNY", Some(3)).unwrap().digits(), 3);
        for bad in ["", "cny", "YUAN", "人民币", "C1Y"] {
            assert!(Currency::new(bad, None).unwrap_err().to_string().contains("ISO 4217"), "{bad}");
        }
        assert_eq!(Currency::new("CNY", Some(5)), Err(CurrencyFault::Digits(5)));
    }

    #[test]
    fn more_decimals_than_the_currency_has_are_a_fault() {
        let (yuan, yen) = (Currency::default(), Currency::new("JPY", None).unwrap());
        let told = Decimal::parse("131072.01").unwrap();
        assert_eq!(yuan.exactly(told), Ok(Money::new(13_107_201).unwrap()));
        assert_eq!(yuan.decimal(yuan.exactly(told).unwrap()), told);
        assert_eq!(yen.exactly(told), Err(Fault::Decimals { max: 0 }));
        assert_eq!(yen.nearest(told), Money::new(131_072));
        assert_eq!(yuan.exactly(Decimal::parse("99999999999999").unwrap()), Err(Fault::TooLarge));
    }

    #[test]
    fn a_currency_survives_json() {
        let json = serde_json::to_string(&Currency::default()).unwrap();
        assert_eq!(json, r#"{"code":"CNY","digits":2}"#);
        assert_eq!(serde_json::from_str::<Currency>("{}").unwrap(), Currency::default());
        let yen: Currency = serde_json::from_str(r#"{"code":"JPY"}"#).unwrap();
        assert_eq!(yen.digits(), 0);
        assert!(serde_json::from_str::<Currency>(r#"{"code":"JPY","digits":9}"#).is_err());
    }
}
