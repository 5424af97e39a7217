//! Amounts of money, exact from file to answer.
//!
//! | type | meaning |
//! |---|---|
//! | [`Money`] | an amount in minor units of the shop's currency (fen, cents), 8 bytes |
//! | [`Currency`] | the shop's currency and its number of decimals; turns text and decimals into [`Money`] and back |
//! | [`Decimal`] | an amount as a caller writes it, before the currency's decimals are known |
//! | [`Exact`] | a decimal number of a file, of up to 20 digits, to be multiplied and then rounded once |
//!
//! No amount goes through a float on its way from text to minor units. All amounts are within
//! ±[`MAX_MINOR`]: 15 digits, which every JSON reader keeps, even one that reads numbers as doubles.

#![warn(missing_docs)]

mod currency;
mod decimal;
mod exact;
mod minor;

pub use currency::{Currency, CurrencyFault};
pub use decimal::{Decimal, Fault};
pub use exact::Exact;
pub use minor::Money;

/// Largest absolute amount, in minor units. A double holds 15 decimal digits exactly.
pub const MAX_MINOR: i64 = 999_999_999_999_999;

/// Most decimals of a currency (ISO 4217: the Chilean UF).
pub const MAX_DIGITS: u8 = 4;
