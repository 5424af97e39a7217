//! Single values: ids, numbers, lists.

use super::summary::Reason;
use crate::config::Normalise;
use std::borrow::Cow;

/// Longest id in bytes, after trimming and normalising.
pub const MAX_ID_BYTES: usize = 256;

/// Most pieces in a line, either way.
const MAX_QUANTITY: f64 = 1e6;

/// Highest price of one piece.
const MAX_PRICE: f64 = 1e9;

/// Most pieces in stock, either way.
const MAX_STOCK: f64 = 1e9;

/// Applies a normalisation to a trimmed value. Borrows where nothing changes, which is nearly always.
pub fn normalise(value: &str, how: Option<Normalise>) -> Cow<'_, str> {
    match how {
        None | Some(Normalise::Trim) => Cow::Borrowed(value),
        Some(Normalise::StripDecimal) => Cow::Borrowed(strip_decimal(value)),
        Some(Normalise::Uppercase) if value.bytes().all(|b| b.is_ascii() && !b.is_ascii_lowercase()) => {
            Cow::Borrowed(value)
        }
        Some(Normalise::Uppercase) => Cow::Owned(value.to_uppercase()),
        Some(Normalise::Lowercase) if value.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) => {
            Cow::Borrowed(value)
        }
        Some(Normalise::Lowercase) => Cow::Owned(value.to_lowercase()),
    }
}

fn strip_decimal(value: &str) -> &str {
    match value.split_once('.') {
        Some((whole, zeros))
            if !whole.is_empty()
                && whole.bytes().all(|byte| byte.is_ascii_digit())
                && zeros.bytes().all(|byte| byte == b'0') =>
        {
            whole
        }
        _ => value,
    }
}

/// A normalised id of a length that is allowed; `missing` where there is none.
///
/// # Errors
/// `missing`, or [`Reason::IdTooLong`].
pub fn id(value: Option<&str>, how: Option<Normalise>, missing: Reason) -> Result<Cow<'_, str>, Reason> {
    let id = normalise(value.ok_or(missing)?, how);
    if id.len() > MAX_ID_BYTES { Err(Reason::IdTooLong) } else { Ok(id) }
}

fn number(value: &str, lowest: f64, highest: f64, reason: Reason) -> Result<f64, Reason> {
    // NaN is in no range.
    let number: f64 = value.parse().map_err(|_| reason)?;
    if (lowest..=highest).contains(&number) { Ok(number) } else { Err(reason) }
}

/// Pieces, negative for a return; 1 where the source says nothing.
///
/// # Errors
/// [`Reason::BadQuantity`] for what is no finite number of at most 1e6 either way.
pub fn quantity(value: Option<&str>) -> Result<f64, Reason> {
    value.map_or(Ok(1.0), |value| number(value, -MAX_QUANTITY, MAX_QUANTITY, Reason::BadQuantity))
}

/// A price or cost of one piece.
///
/// # Errors
/// [`Reason::BadPrice`] for what is no finite number from 0 to 1e9.
pub fn price(value: &str) -> Result<f32, Reason> {
    number(value, 0.0, MAX_PRICE, Reason::BadPrice).map(|price| price as f32)
}

/// Pieces that can be sold: part of a piece is none, and what was sold beyond the stock leaves none either.
///
/// # Errors
/// [`Reason::BadNumber`] for what is no finite number of at most 1e9 either way.
pub fn stock(value: &str) -> Result<u32, Reason> {
    // Within 0 and 1e9 after the clamp.
    number(value, -MAX_STOCK, MAX_STOCK, Reason::BadNumber).map(|pieces| pieces.max(0.0) as u32)
}

/// The price of one piece from what the whole line came to; NaN for a line of no pieces.
///
/// # Errors
/// [`Reason::BadPrice`] as [`price`], for the price of one piece.
pub fn price_of_total(total: &str, quantity: f64) -> Result<f32, Reason> {
    let total = number(total, f64::MIN, f64::MAX, Reason::BadPrice)?;
    if quantity == 0.0 {
        return Ok(f32::NAN);
    }
    let price = total / quantity;
    if (0.0..=MAX_PRICE).contains(&price) { Ok(price as f32) } else { Err(Reason::BadPrice) }
}

/// A number within `-limit..=limit`.
///
/// # Errors
/// [`Reason::BadNumber`] otherwise.
pub fn within(value: &str, limit: f64) -> Result<f32, Reason> {
    number(value, -limit, limit, Reason::BadNumber).map(|number| number as f32)
}

/// The members of a list in one cell, separated by `|`, `;`, `,` or their Chinese forms; trimmed,
/// without blanks and repeats, in order.
pub fn list(value: &str) -> Vec<String> {
    let mut members: Vec<String> = Vec::new();
    for member in value.split(['|', ';', ',', '；', '，', '、']) {
        let member = member.trim().trim_matches('"');
        if !member.is_empty() && members.iter().all(|other| other != member) {
            members.push(member.to_owned());
        }
    }
    members
}

/// Whether a cell clearly says yes.
pub fn yes(value: &str) -> bool {
    matches!(value.to_lowercase().as_str(), "1" | "true" | "t" | "yes" | "y" | "granted" | "是" | "同意")
}

#[cfg(test)]
mod tests {
    use super::{id, list, normalise, price, price_of_total, quantity, stock, yes};
    use crate::config::Normalise;
    use crate::orders::summary::Reason;

    #[test]
    fn strip_decimal_only_touches_whole_numbers() {
        let strip = |value| normalise(value, Some(Normalise::StripDecimal)).into_owned();
        assert_eq!(
            ["17850.0", "17850.00", "17850", "1.50", "a.0", ".0"].map(strip),
            ["17850", "17850", "17850", "1.50", "a.0", ".0"]
        );
    }

    #[test]
    fn case_follows_unicode() {
        assert_eq!(normalise("85123aß", Some(Normalise::Uppercase)), "85123ASS");
        assert_eq!(normalise("ÄB", Some(Normalise::Lowercase)), "äb");
    }

    #[test]
    fn an_id_has_1_to_256_bytes() {
        assert_eq!(id(None, None, Reason::NoItem), Err(Reason::NoItem));
        assert!(id(Some(&"面".repeat(85)), None, Reason::NoItem).is_ok());
        assert_eq!(id(Some(&"面".repeat(86)), None, Reason::NoItem), Err(Reason::IdTooLong));
    }

    #[test]
    fn absurd_numbers_are_refused() {
        assert_eq!(quantity(None), Ok(1.0));
        assert_eq!(quantity(Some("-3")), Ok(-3.0));
        for bad in ["1e308", "1e999", "NaN", "inf", "1,000", "x", "1000001"] {
            assert_eq!(quantity(Some(bad)), Err(Reason::BadQuantity), "{bad}");
        }
        assert_eq!(price("0"), Ok(0.0));
        for bad in ["NaN", "-0.01", "1e10", "inf", ""] {
            assert_eq!(price(bad), Err(Reason::BadPrice), "{bad}");
        }
    }

    #[test]
    fn stock_is_whole_pieces_and_never_negative() {
        assert_eq!(["12", "12.9", "0", "-3"].map(stock), [Ok(12), Ok(12), Ok(0), Ok(0)]);
        for bad in ["", "many", "NaN", "1e10"] {
            assert_eq!(stock(bad), Err(Reason::BadNumber), "{bad}");
        }
    }

    #[test]
    fn a_line_total_is_shared_among_the_pieces() {
        assert_eq!(price_of_total("129.5", 2.0), Ok(64.75));
        assert_eq!(price_of_total("-10", -2.0), Ok(5.0));
        assert_eq!(price_of_total("-10", 2.0), Err(Reason::BadPrice));
        assert!(price_of_total("10", 0.0).is_ok_and(f32::is_nan));
    }

    #[test]
    fn lists_lose_blanks_and_repeats() {
        assert_eq!(list("a| b;a,，c、"), ["a", "b", "c"]);
        assert!(yes("True") && yes("是") && !yes("maybe"));
    }
}
