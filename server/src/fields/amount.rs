//! Amounts of money: JSON numbers, read from their text and never through a float.

use std::borrow::Cow;

use qianmian_money::{Currency, Decimal, Fault, Money};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Highest amount, in whole units of the currency.
const MAX: i64 = 1_000_000_000;

/// An amount above 0 and at most 1,000,000,000, as the caller wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(Decimal);

impl Amount {
    /// The number as it was written.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// The amount in `currency`.
    ///
    /// # Errors
    /// The number has more decimals than the currency; the message gives the allowed number.
    pub fn in_currency(self, currency: Currency) -> Result<Money, String> {
        currency.exactly(self.0).map_err(|fault| match fault {
            Fault::Decimals { max } => {
                format!("{} has more decimals than {} has: round it to {max}", self.0, currency.code())
            }
            other => other.to_string(),
        })
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let fault = |fault: Fault| {
            let shown: String = raw.get().chars().take(40).collect();
            D::Error::custom(format!("{shown} is no amount: write {fault}"))
        };
        let amount = Decimal::parse(raw.get()).map_err(fault)?;
        match amount.is_positive() && amount.is_at_most(MAX) {
            true => Ok(Self(amount)),
            false => Err(D::Error::custom(format!(
                "{amount} is no amount: write a number above 0 and at most {MAX}"
            ))),
        }
    }
}

impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        let description = "In the shop's currency, with at most its number of decimals.";
        let number =
            ObjectBuilder::new().schema_type(Type::Number).exclusive_minimum(Some(0)).maximum(Some(MAX));
        number.description(Some(description)).into()
    }
}

impl ToSchema for Amount {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Amount")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_amount_is_exact_and_within_its_bounds() {
        let read = |json: &str| serde_json::from_str::<Amount>(json).map_err(|error| error.to_string());
        let exact = read("131072.01").unwrap();
        assert_eq!(exact.in_currency(Currency::default()), Ok(Money::new(13_107_201).unwrap()));
        assert_eq!(read("1e2").unwrap().in_currency(Currency::default()).unwrap().minor(), 10_000);
        assert_eq!(read("9.500").unwrap().decimal().to_string(), "9.5");
        let error = read("9.999").unwrap().in_currency(Currency::default()).unwrap_err();
        assert_eq!(error, "9.999 has more decimals than CNY has: round it to 2");
        for (json, part) in [
            ("0", "above 0"),
            ("-1", "above 0"),
            ("1000000000.01", "at most 1000000000"),
            ("1e300", "15 digits"),
            ("1.23456", "at most 4 decimals"),
            ("\"9.5\"", "a decimal number"),
            ("true", "a decimal number"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}
