//! Converts values of canonical columns to the typed rows of the items and users tables.

use super::summary::Reason;
use super::times::Times;
use super::types::{Item, User};
use super::values::{list, price, stock, within, yes};
use qianmian_money::{Currency, Money};

/// The readers of a column of times, and the number of the value's file.
pub type TimesOf<'a> = (&'a mut Option<Times>, usize);

/// Reads prices and costs in the shop's currency, and counts those rounded to its decimals.
#[derive(Debug, Clone, Copy)]
pub struct Prices {
    currency: Currency,
    /// Prices and costs with more decimals than the currency has.
    pub rounded: u64,
}

impl Prices {
    /// Starts with none.
    pub fn new(currency: Currency) -> Self {
        Self { currency, rounded: 0 }
    }

    fn read(&mut self, value: &str) -> Result<Money, Reason> {
        let (price, was_rounded) = price(value, self.currency)?;
        self.rounded += u64::from(was_rounded);
        Ok(price)
    }
}

/// Sets one attribute of an item; other columns are ignored.
///
/// # Errors
/// Fails if the value is no valid number or time.
pub fn set(
    item: &mut Item,
    column: &str,
    value: &str,
    launched_at: TimesOf<'_>,
    prices: &mut Prices,
) -> Result<(), Reason> {
    let text = || Some(value.to_owned());
    match column {
        "title" => item.title = text(),
        "category" => item.category = text(),
        "brand" => item.brand = text(),
        "merchant_id" => item.merchant_id = text(),
        "image_url" => item.image_url = text(),
        "status" => item.status = text(),
        "price" => item.price = Some(prices.read(value)?),
        "cost" => item.cost = Some(prices.read(value)?),
        "stock" => item.stock = Some(stock(value)?),
        "launched_at" => item.launched_at = Some(time(launched_at, value)?),
        "tags" => item.tags = list(value),
        "store_ids" => item.store_ids = list(value),
        _ => {}
    }
    Ok(())
}

/// Sets one attribute of a user; a column that is not canonical is a consent.
///
/// # Errors
/// Fails if the value is no valid number or time.
pub fn set_user(user: &mut User, column: &str, value: &str, time_of: TimesOf<'_>) -> Result<(), Reason> {
    let text = || Some(value.to_owned());
    match column {
        "birthday" => user.birthday = Some(time(time_of, value)?),
        "gender" => user.gender = text(),
        "city" => user.city = text(),
        "lat" => user.lat = Some(within(value, 90.0)?),
        "lon" => user.lon = Some(within(value, 180.0)?),
        "registered_at" => user.registered_at = Some(time(time_of, value)?),
        "tags" => user.tags = list(value),
        _ if column.starts_with("consent") => {
            user.consents.insert(column.to_owned(), Some(yes(value)));
        }
        _ => {}
    }
    Ok(())
}

fn time((times, file): TimesOf<'_>, value: &str) -> Result<i64, Reason> {
    times.as_mut().and_then(|times| times.read(file, value)).ok_or(Reason::UnparsableTime)
}
