//! Parses single values: ids, numbers, lists.
//!
//! Numbers may have thousands separators, a decimal comma, currencies and units.

use super::source::LIST_MARK;
use super::summary::Reason;
use crate::config::{Decimal, Normalise};
use qianmian_money::{Currency, Exact, Money};
use std::borrow::Cow;

/// Longest id in bytes, after trimming and normalization.
pub const MAX_ID_BYTES: usize = 256;

/// Largest absolute quantity of a line.
const MAX_QUANTITY: f64 = 1e6;

/// Highest price of a piece and of a line, in whole units of the currency.
const MAX_PRICE: i64 = 1_000_000_000;

/// Largest absolute stock.
const MAX_STOCK: f64 = 1e9;

/// Normalizes a trimmed value. Borrows if nothing changes, the usual case.
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

/// The normalized id, at most [`MAX_ID_BYTES`] long.
///
/// # Errors
/// `missing` without a value, or [`Reason::IdTooLong`].
pub fn id(value: Option<&str>, how: Option<Normalise>, missing: Reason) -> Result<Cow<'_, str>, Reason> {
    let id = normalise(value.ok_or(missing)?, how);
    if id.len() > MAX_ID_BYTES { Err(Reason::IdTooLong) } else { Ok(id) }
}

/// The effect of a spreadsheet on an id of many digits.
#[derive(Debug, PartialEq, Eq)]
pub enum Scientific {
    /// None: the id is not in scientific notation.
    No,
    /// All digits are known; these are the digits.
    Exact(String),
    /// Digits are lost, so different ids became equal: `6.92E+11`.
    Rounded,
}

/// Recognizes an id in the scientific notation of spreadsheets.
pub fn scientific_id(id: &str) -> Scientific {
    let bytes = id.as_bytes();
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    if bytes.len() < 5 || !is_digit(bytes.first()) || !is_digit(bytes.last()) {
        return Scientific::No;
    }
    let Some((mantissa, exponent)) = id.split_once(['E', 'e']) else { return Scientific::No };
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let signed = exponent.strip_prefix('+');
    // `1E5` may be a code of an item.
    if whole.len() != 1 || !is_number(decimals) || (signed.is_none() && decimals.is_empty()) {
        return Scientific::No;
    }
    let exponent = signed.unwrap_or(exponent);
    match exponent.parse::<usize>() {
        Ok(exponent) if is_number(mantissa.get(2..).unwrap_or("")) && exponent < 40 => {
            match exponent.cmp(&decimals.len()) {
                std::cmp::Ordering::Equal => Scientific::Exact(format!("{whole}{decimals}")),
                std::cmp::Ordering::Greater => Scientific::Rounded,
                std::cmp::Ordering::Less => Scientific::No,
            }
        }
        _ => Scientific::No,
    }
}

/// True if an id is a whole number that was stored as a float: `17000.0`.
pub fn is_whole_float(id: &str) -> bool {
    strip_decimal(id).len() < id.len()
}

/// True if a value is a word for null in databases and programs.
pub fn is_null(value: &str) -> bool {
    value.len() <= 9
        && matches!(value.as_bytes()[0], b'N' | b'n' | b'\\' | b'#' | b'(' | b'<' | b'u' | b'U')
        && matches!(
            value,
            "NULL"
                | "null"
                | "Null"
                | "\\N"
                | "None"
                | "none"
                | "NaN"
                | "nan"
                | "NAN"
                | "N/A"
                | "n/a"
                | "#N/A"
                | "(null)"
                | "<null>"
                | "<NA>"
                | "NaT"
                | "nil"
                | "undefined"
                | "#NULL!"
        )
}

/// A number in any usual notation: `1,200.50`, `1.200,50`, `1'200`, `1 200`, `¥12`, `12.00 EUR`, `3件`, `(5.00)`,
/// `5-`. `decimal` decides the meaning of a single mark before three digits: `1,200`. `None` for anything else.
pub fn number(value: &str, decimal: Decimal) -> Option<f64> {
    written(value, decimal, |text| text.parse().ok()).filter(|number: &f64| number.is_finite())
}

/// The same, exact to 20 digits.
fn exact(value: &str, decimal: Decimal) -> Option<Exact> {
    written(value, decimal, Exact::parse)
}

/// Rewrites a number as plain text (sign, digits, decimal point, exponent) and parses it with `read`.
fn written<T>(value: &str, decimal: Decimal, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    if decimal == Decimal::Point
        && value.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'))
        && let Some(number) = read(value)
    {
        return Some(number);
    }
    let (digits, negative) = bare(value)?;
    let text = pointed(&digits, decimal)?;
    if negative { read(&format!("-{text}")) } else { read(&text) }
}

/// The digits and marks of a number without currency and unit, and true if it is negative.
fn bare(value: &str) -> Option<(String, bool)> {
    /// Longest currency or unit, in characters.
    const AROUND: usize = 8;
    let (mut digits, mut negative) = (String::new(), false);
    let (mut before, mut after) = (0, 0);
    let wide = |c: char| char::from_u32(u32::from(c).wrapping_sub(0xfee0)).filter(char::is_ascii);
    for written in value.chars() {
        let c = if ('\u{ff01}'..='\u{ff5e}').contains(&written) { wide(written)? } else { written };
        match c {
            '0'..='9' if after == 0 => digits.push(c),
            '.' | ',' | '\'' | '’' if !digits.is_empty() && after == 0 => {
                digits.push(if c == '’' { '\'' } else { c })
            }
            '-' | '−' | '(' if digits.is_empty() => negative = true,
            '-' | '−' | ')' if !digits.is_empty() => {
                negative = true;
                after += 1;
            }
            '+' if digits.is_empty() => {}
            _ if c.is_whitespace() => {}
            _ if c.is_alphabetic() || is_currency(c) => {
                let count = if digits.is_empty() { &mut before } else { &mut after };
                *count += 1;
                if *count > AROUND {
                    return None;
                }
            }
            '.' if after > 0 => {}
            _ => return None,
        }
    }
    // Only letters known as a currency may precede the number; `A12` is a code.
    let letters: String = value.chars().take_while(|c| !c.is_ascii_digit()).collect();
    let is_code = letters.chars().any(|c| c.is_ascii_alphabetic())
        && !CURRENCIES.contains(&letters.trim().trim_end_matches('.').to_uppercase().as_str());
    // `1e999` and `1e` are not numbers with the unit `e`.
    let exponent =
        value.bytes().zip(value.bytes().skip(1)).any(|(a, b)| matches!(a, b'e' | b'E') && b.is_ascii_digit())
            || matches!(value.as_bytes(), [.., b'0'..=b'9', b'e' | b'E']);
    (!digits.is_empty() && !is_code && !exponent).then_some((digits, negative))
}

const CURRENCIES: [&str; 28] = [
    "CNY", "RMB", "USD", "US$", "EUR", "GBP", "JPY", "KRW", "HK$", "HKD", "TWD", "NT$", "SGD", "S$", "AUD",
    "A$", "CAD", "C$", "CHF", "SEK", "NOK", "DKK", "KR", "R$", "BRL", "INR", "RS", "RP",
];

fn is_currency(c: char) -> bool {
    matches!(
        c,
        '$' | '¥'
            | '€'
            | '£'
            | '₩'
            | '₹'
            | '₽'
            | '฿'
            | '₫'
            | '₺'
            | '₴'
            | '₪'
            | '¢'
            | '￥'
            | '￡'
            | '￦'
    )
}

/// The number with a decimal point and without thousands separators.
fn pointed(digits: &str, decimal: Decimal) -> Option<String> {
    let digits = digits.replace('\'', "");
    let digits = digits.trim_end_matches(['.', ',']);
    let (commas, points) = (digits.matches(',').count(), digits.matches('.').count());
    let mark =
        match (commas, points) {
            (0, 0) => None,
            (_, 0) => Some(',')
                .filter(|mark| !is_grouped(digits, *mark) || (commas == 1 && decimal == Decimal::Comma)),
            (0, _) => Some('.')
                .filter(|mark| !is_grouped(digits, *mark) || (points == 1 && decimal == Decimal::Point)),
            _ => digits.chars().rev().find(|c| matches!(c, ',' | '.')),
        };
    let Some(mark) = mark else { return Some(digits.replace([',', '.'], "")) };
    if digits.matches(mark).count() > 1 {
        return None;
    }
    let (whole, decimals) = digits.split_once(mark)?;
    let other = if mark == ',' { '.' } else { ',' };
    if whole.contains(other) && !is_grouped(whole, other) {
        return None;
    }
    Some(format!("{}.{decimals}", whole.replace(other, "")))
}

/// True if the marks separate groups of three digits, or as in India groups of two and a last one of three.
fn is_grouped(digits: &str, mark: char) -> bool {
    let groups: Vec<&str> = digits.split(mark).collect();
    let [first, middle @ .., last] = groups.as_slice() else { return false };
    last.len() == 3
        && (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && middle.iter().all(|group| matches!(group.len(), 2 | 3))
}

/// The decimal mark of a number; `None` if it could be either.
pub fn decimal_of(value: &str) -> Option<Decimal> {
    let (digits, _) = bare(value)?;
    let last = digits.rfind([',', '.'])?;
    let mark = digits[last..].chars().next()?;
    let alone = digits.matches([',', '.']).count() == 1;
    let tells = if alone { !is_grouped(&digits, mark) } else { digits.matches(mark).count() == 1 };
    tells.then_some(if mark == ',' { Decimal::Comma } else { Decimal::Point })
}

fn within_range(
    value: &str,
    decimal: Decimal,
    lowest: f64,
    highest: f64,
    reason: Reason,
) -> Result<f64, Reason> {
    number(value, decimal).filter(|number| (lowest..=highest).contains(number)).ok_or(reason)
}

/// The quantity in pieces, negative for a return; 1 if there is no value.
///
/// # Errors
/// [`Reason::BadQuantity`] unless it is a finite number within ±1e6.
pub fn quantity(value: Option<&str>, decimal: Decimal) -> Result<f64, Reason> {
    let value = value.filter(|value| !is_null(value));
    value.map_or(Ok(1.0), |value| {
        within_range(value, decimal, -MAX_QUANTITY, MAX_QUANTITY, Reason::BadQuantity)
    })
}

/// An amount of money, negative for a refund.
///
/// # Errors
/// [`Reason::BadPrice`] unless it is a number within ±1e9.
pub fn amount(value: &str, decimal: Decimal) -> Result<Exact, Reason> {
    exact(value, decimal).filter(|amount| amount.is_within(MAX_PRICE)).ok_or(Reason::BadPrice)
}

/// A price or cost of one piece, and true if it had more decimals than the currency. Those are rounded, not rejected:
/// files hold computed prices (12.345) and prices that were stored as floats (12.700000000000001).
///
/// # Errors
/// [`Reason::BadPrice`] unless it is a number from 0 to 1e9.
pub fn price(value: &str, currency: Currency) -> Result<(Money, bool), Reason> {
    let price = amount(value, Decimal::Point)?;
    if price.is_negative() {
        return Err(Reason::BadPrice);
    }
    currency.rounded(price).ok_or(Reason::BadPrice)
}

/// Pieces that can be sold: fractions are truncated, and negative stock is 0.
///
/// # Errors
/// [`Reason::BadNumber`] unless it is a finite number within ±1e9.
pub fn stock(value: &str) -> Result<u32, Reason> {
    // Within 0..=1e9 after the clamp.
    let pieces = within_range(value, Decimal::Point, -MAX_STOCK, MAX_STOCK, Reason::BadNumber);
    pieces.map(|pieces| pieces.max(0.0) as u32)
}

/// A number within `-limit..=limit`.
///
/// # Errors
/// [`Reason::BadNumber`] otherwise.
pub fn within(value: &str, limit: f64) -> Result<f32, Reason> {
    within_range(value, Decimal::Point, -limit, limit, Reason::BadNumber).map(|number| number as f32)
}

/// The elements of a list in one cell, separated by `|`, `;`, `,` or their Chinese forms; trimmed,
/// without blanks and repeats, in order.
pub fn list(value: &str) -> Vec<String> {
    let mut members: Vec<String> = Vec::new();
    for member in value.split(['|', ';', ',', '；', '，', '、', LIST_MARK]) {
        let member = member.trim().trim_matches('"');
        if !member.is_empty() && members.iter().all(|other| other != member) {
            members.push(member.to_owned());
        }
    }
    members
}

/// True if a cell is a clear yes.
pub fn yes(value: &str) -> bool {
    matches!(value.to_lowercase().as_str(), "1" | "true" | "t" | "yes" | "y" | "granted" | "是" | "同意")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::{
        Scientific, decimal_of, id, is_whole_float, list, normalise, number, price, quantity, scientific_id,
        stock, yes,
    };
    use crate::config::{Decimal, Normalise};
    use crate::orders::summary::Reason;
    use qianmian_money::Currency;

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
        let quantity = |value| quantity(value, Decimal::Point);
        assert_eq!(quantity(None), Ok(1.0));
        assert_eq!([quantity(Some("-3")), quantity(Some("NULL"))], [Ok(-3.0), Ok(1.0)]);
        for bad in ["1e308", "1e999", "inf", "x", "1000001", "1e", "12x3", "A12", "10%"] {
            assert_eq!(quantity(Some(bad)), Err(Reason::BadQuantity), "{bad}");
        }
        for bad in ["NaN", "-0.01", "1e10", "1000000000.01", "inf", ""] {
            assert_eq!(price(bad, Currency::default()), Err(Reason::BadPrice), "{bad}");
        }
    }

    #[test]
    fn prices_are_exact_and_rounded_once() {
        let fen = |value| price(value, Currency::default()).map(|(price, rounded)| (price.minor(), rounded));
        for (value, expected) in [
            ("0", (0, false)),
            ("131072.01", (13_107_201, false)),
            ("¥1,200.50", (120_050, false)),
            ("1.005", (101, true)),
            ("12.700000000000001", (1_270, true)),
            ("1e2", (10_000, false)),
            ("999999999.99", (99_999_999_999, false)),
        ] {
            assert_eq!(fen(value), Ok(expected), "{value}");
        }
        assert_eq!(price("12.5", Currency::new("JPY", None).unwrap()).unwrap().0.minor(), 13);
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let point = |value| number(value, Decimal::Point);
        for (value, expected) in [
            ("1,200", 1200.0),
            ("¥1,200.00", 1200.0),
            ("1.200,50 €", 1200.5),
            ("10,50", 10.5),
            ("0,397", 0.397),
            ("1'200.50", 1200.5),
            ("1 200,5", 1200.5),
            ("1,00,000", 100_000.0),
            ("1.200.000", 1_200_000.0),
            ("2件", 2.0),
            ("１２．５", 12.5),
            ("CNY 12", 12.0),
            ("12.00 USD", 12.0),
            ("(5.00)", -5.0),
            ("5-", -5.0),
            ("-¥3", -3.0),
            ("3 pcs.", 3.0),
        ] {
            assert_eq!(point(value), Some(expected), "{value}");
        }
        let comma = |value| number(value, Decimal::Comma);
        assert_eq!(
            [comma("1.200"), comma("1,200"), comma("12.5"), comma("12")],
            [1200.0, 1.2, 12.5, 12.0].map(Some)
        );
        assert_eq!(
            ["10,50", "10.50", "1,200", "1.200,5", "7"].map(decimal_of),
            [Some(Decimal::Comma), Some(Decimal::Point), None, Some(Decimal::Comma), None]
        );
    }

    #[test]
    fn rounded_ids_are_told_from_whole_ones() {
        assert_eq!(scientific_id("6.92E+11"), Scientific::Rounded);
        assert_eq!(scientific_id("1E+15"), Scientific::Rounded);
        assert_eq!(scientific_id("6.92123456789e+11"), Scientific::Exact("692123456789".to_owned()));
        for plain in ["1E5", "692", "6.92", "A.92E+11", "17000.0", "1.2E+1x", "12E+11", "5.5e0"] {
            assert_eq!(scientific_id(plain), Scientific::No, "{plain}");
        }
        assert!(is_whole_float("17000.0") && !is_whole_float("17000") && !is_whole_float("1.50"));
    }

    #[test]
    fn stock_is_whole_pieces_and_never_negative() {
        assert_eq!(["12", "12.9", "0", "-3"].map(stock), [Ok(12), Ok(12), Ok(0), Ok(0)]);
        for bad in ["", "many", "NaN", "1e10"] {
            assert_eq!(stock(bad), Err(Reason::BadNumber), "{bad}");
        }
    }

    #[test]
    fn lists_lose_blanks_and_repeats() {
        assert_eq!(list("a| b;a,，c、"), ["a", "b", "c"]);
        assert!(yes("True") && yes("是") && !yes("maybe"));
    }
}
