//! `POST /items`: changes of price, stock and on-sale state, used by every answer from then on.

use std::borrow::Cow;
use std::fmt;

use axum::response::Response;
use qianmian_live::items::{ItemChange, ItemOutcome};
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::answer::json;
use super::rows::{self, Checked, Row, RowResult};
use crate::extract::{RowsBody, parse};
use crate::fields::{Id, Timestamp};
use crate::guard::Call;
use crate::live::now_ms;
use crate::problem::Problem;
use crate::request_id::RequestId;

/// What changed about items. As `application/x-ndjson` the body is one item a line instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemsRequest<'a> {
    /// Each is accepted or refused by itself.
    #[serde(borrow)]
    #[schema(value_type = Vec<ItemRow<'a>>, min_items = 1, max_items = 1000)]
    items: Vec<&'a RawValue>,
}

/// What changed about an item; absent fields stay as they were. At least one of `price`, `stock`, `on_sale`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemRow<'a> {
    #[serde(borrow)]
    item_id: Id<'a>,
    /// In the shop's currency, above 0.
    #[schema(exclusive_minimum = 0.0, maximum = 1000000000.0)]
    price: Option<f64>,
    /// Pieces that can be sold; an item without any is not shown. A negative number is read as 0.
    stock: Option<Stock>,
    /// Whether it may be shown at all.
    on_sale: Option<bool>,
    /// Since when. A change that is older than the known state changes nothing; without it, changes are ordered by
    /// arrival.
    changed_at: Option<Timestamp>,
}

/// Pieces in stock, as stock systems write them: oversold ones are negative, and some write whole numbers with a
/// decimal point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stock {
    pieces: u32,
    note: Option<&'static str>,
}

const OVERSOLD: &str = "stock: below 0 counts as 0";
const WHOLE: &str = "stock: read as a whole number";

impl<'de> Deserialize<'de> for Stock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pieces;
        impl Visitor<'_> for Pieces {
            type Value = Stock;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number of pieces, at most 4294967294")
            }

            fn visit_u64<E: Error>(self, pieces: u64) -> Result<Stock, E> {
                let invalid = |_| E::invalid_value(Unexpected::Unsigned(pieces), &self);
                Ok(Stock { pieces: u32::try_from(pieces).map_err(invalid)?, note: None })
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Stock, E> {
                // Numbers from 0 on are unsigned.
                Ok(Stock { pieces: 0, note: Some(OVERSOLD) })
            }

            fn visit_f64<E: Error>(self, pieces: f64) -> Result<Stock, E> {
                if pieces.fract() != 0.0 || pieces > f64::from(u32::MAX) {
                    return Err(E::invalid_value(Unexpected::Float(pieces), &self));
                }
                let note = if pieces < 0.0 { OVERSOLD } else { WHOLE };
                // Negative numbers become 0.
                Ok(Stock { pieces: pieces as u32, note: Some(note) })
            }
        }
        deserializer.deserialize_any(Pieces)
    }
}

impl PartialSchema for Stock {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).maximum(Some(u32::MAX - 1)).into()
    }
}

impl ToSchema for Stock {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Stock")
    }
}

/// Outcome of each change.
#[derive(Serialize, ToSchema)]
pub struct ItemsResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// Changes that hold from now on; they are durable.
    accepted: usize,
    /// One for each change, in order.
    results: Vec<RowResult<ItemStatus>>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Outcome of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// It holds.
    Accepted,
    /// For all of its fields a newer change is known.
    Stale,
    /// Too many other items have a state already.
    Full,
    /// It is no valid change; `field` and `reason` say why.
    Rejected,
}

impl From<ItemOutcome> for ItemStatus {
    fn from(outcome: ItemOutcome) -> Self {
        match outcome {
            ItemOutcome::Accepted => Self::Accepted,
            ItemOutcome::Stale => Self::Stale,
            ItemOutcome::Full => Self::Full,
        }
    }
}

/// Stores changes of items. From the answer on, no slate, list, bundle or audience holds an item that is sold out or
/// off sale, and prices are the new ones.
#[utoipa::path(post, path = "/items", operation_id = "change_items", tag = "live state",
    request_body(content((ItemsRequest<'_> = "application/json"), (ItemRow<'_> = "application/x-ndjson"))),
    responses((status = 200, description = "Outcome of each change.", body = ItemsResponse)))]
pub async fn post(call: Call, body: RowsBody) -> Result<Response, Problem> {
    let live = call.shop.live()?;
    let now = now_ms();
    let checked =
        rows::read(&body, "items", |request: ItemsRequest<'_>| request.items, |row| change(row, now))?;
    let outcomes = live.change_items(rows::values(&checked), |ids| call.shop.models.item_news(ids)).await?;
    let results = rows::results(checked, outcomes, ItemStatus::Rejected);
    let accepted = results.iter().filter(|result| result.status == ItemStatus::Accepted).count();
    let bytes = 128 + 64 * results.len();
    json(&ItemsResponse { request_id: call.id, accepted, results, took_us: call.took_us() }, bytes)
}

fn change(row: &[u8], now: i64) -> Checked<ItemChange> {
    let row = parse::<ItemRow<'_>>(row)?;
    let changed_at = row.changed_at.map(|at| at.0);
    let told = (row.price, row.stock.map(|stock| stock.pieces), row.on_sale);
    let value = ItemChange::check(row.item_id.as_str(), told, changed_at, now)?;
    Ok(Row { value, note: row.stock.and_then(|stock| stock.note) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oversold_stock_is_none_and_whole_numbers_may_have_a_point() {
        let read =
            |json: &str| serde_json::from_str::<Stock>(json).map(|stock| (stock.pieces, stock.note)).ok();
        assert_eq!(read("3"), Some((3, None)));
        assert_eq!(read("-1"), Some((0, Some(OVERSOLD))));
        assert_eq!(read("-2.0"), Some((0, Some(OVERSOLD))));
        assert_eq!(read("0.0"), Some((0, Some(WHOLE))));
        assert_eq!(read("12.0"), Some((12, Some(WHOLE))));
        for json in ["1.5", "-1.5", "5000000000", "1e300", "\"3\"", "true"] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
