//! `/items`: changes of price, stock and on-sale state, used by every answer from then on; and the
//! current state of an item.

use std::borrow::Cow;
use std::fmt;

use axum::response::Response;
use qianmian_live::items::{ItemChange, ItemOutcome};
use qianmian_money::Currency;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::answer::{ModelRef, json};
use super::card::ItemCard;
use super::rows::{self, Checked, Row, RowResult};
use crate::app;
use crate::extract::{PathId, RowsBody, parse};
use crate::fields::{Amount, CardField, CardFields, Id, Timestamp, is_id};
use crate::guard::Call;
use crate::live::now_ms;
use crate::problem::{Code, Problem};
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

/// What changed about an item; absent fields stay as they were. At least one of `price`, `stock`, `on_sale`, or `reset`
/// alone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemRow<'a> {
    #[serde(borrow)]
    item_id: Id<'a>,
    /// In the shop's currency, above 0, with at most its number of decimals.
    price: Option<Amount>,
    /// Pieces that can be sold; an item without any is not shown. A negative number is read as 0.
    stock: Option<Stock>,
    /// True if it may be shown at all.
    on_sale: Option<bool>,
    /// True takes back all that was sent: the catalog's own price, stock and status hold again.
    #[serde(default)]
    reset: bool,
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
    // Without a model the currency is not known; a price is then rounded when a model arrives.
    let currency = call.shop.models.current().as_ref().map(|model| model.snapshot.catalog.currency());
    let checked = rows::read(
        &body,
        ("items", rows::MAX_ROWS),
        |request: ItemsRequest<'_>| request.items,
        |row| change(row, currency, now),
    )?;
    let outcomes = live.change_items(rows::values(&checked), |ids| call.shop.models.item_news(ids)).await?;
    let results = rows::results(checked, outcomes, ItemStatus::Rejected);
    let accepted = results.iter().filter(|result| result.status == ItemStatus::Accepted).count();
    let bytes = 128 + 64 * results.len();
    json(&ItemsResponse { request_id: call.id, accepted, results, took_us: call.took_us() }, bytes)
}

/// An item as answers show it now.
#[derive(Serialize, ToSchema)]
pub struct ItemResponse<'a> {
    #[schema(value_type = String)]
    request_id: RequestId,
    model: ModelRef<'a>,
    #[serde(flatten)]
    item: ItemCard<'a>,
    /// True if it is listed, and its stock is not known to be 0.
    on_sale: bool,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Returns an item as answers show it now: as the model knows it, with what was sent to `/items` since.
#[utoipa::path(get, path = "/items/{id}", operation_id = "item", tag = "live state",
    params(("id" = String, Path, description = "The item's id, percent-encoded.", min_length = 1, max_length = 256)),
    responses((status = 200, description = "The item.", body = ItemResponse<'_>),
        (status = 404, description = "The model does not know the item.", body = crate::problem::ProblemBody<'_>,
            content_type = "application/problem+json")))]
pub async fn get(call: Call, PathId(id): PathId) -> Result<Response, Problem> {
    if !is_id(&id) {
        return Err(Problem::new(Code::InvalidField, "an id has 1 to 256 characters").at_field("id"));
    }
    let model = call.shop.model()?;
    let view = model.view(app::now());
    let unknown = || Problem::new(Code::UnknownItem, "the model that is served does not know this item");
    let item = view.snapshot.items.ix(&id).ok_or_else(unknown)?;
    let response = ItemResponse {
        request_id: call.id,
        model: ModelRef::of(view.snapshot),
        item: ItemCard::with(view, item, CardFields::default().and(CardField::Stock)),
        on_sale: view.on_sale(item),
        took_us: call.took_us(),
    };
    json(&response, 512)
}

fn change(row: &[u8], currency: Option<Currency>, now: i64) -> Checked<ItemChange> {
    let row = parse::<ItemRow<'_>>(row)?;
    if let (Some(price), Some(currency)) = (row.price, currency) {
        let fault = |reason| Problem::new(Code::InvalidField, reason).at_field("price");
        price.in_currency(currency).map_err(fault)?;
    }
    let changed_at = row.changed_at.map(|at| at.0);
    let told = (row.price.map(Amount::decimal), row.stock.map(|stock| stock.pieces), row.on_sale);
    let is_told = row.price.is_some() || row.stock.is_some() || row.on_sale.is_some();
    if row.reset && is_told {
        let reason = "`reset` stands alone: send what changes as a row of its own after it";
        return Err(Problem::new(Code::InvalidField, reason).at_field("reset").into());
    }
    let value = match row.reset {
        true => ItemChange::reset(row.item_id.as_str(), changed_at, now)?,
        false => ItemChange::check(row.item_id.as_str(), told, changed_at, now)?,
    };
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
