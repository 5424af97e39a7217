//! `POST /items`: what changed about items, seen by every answer from then on.

use axum::response::Response;
use chrono::DateTime;
use qianmian_live::items::{ItemChange, ItemOutcome};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::answer::json;
use super::rows::{self, RowFault, RowResult};
use crate::extract::{RowsBody, parse};
use crate::fields::Id;
use crate::guard::Call;
use crate::live::now_ms;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;

/// What changed about items. As `application/x-ndjson` the body is one item a line instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemsRequest<'a> {
    /// Each is taken in or refused by itself.
    #[serde(borrow)]
    #[schema(value_type = Vec<ItemRow<'a>>, min_items = 1, max_items = 1000)]
    items: Vec<&'a RawValue>,
}

/// What changed about an item; what is left out stays as it was. At least one of `price`, `stock`, `on_sale`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemRow<'a> {
    #[serde(borrow)]
    item_id: Id<'a>,
    /// In the shop's currency, above 0.
    #[schema(exclusive_minimum = 0.0, maximum = 1000000000.0)]
    price: Option<f64>,
    /// Pieces that can be sold; an item without any is not shown. Below 0 (oversold) it counts as 0, and a whole number
    /// may have decimals (`3.0`); the result has a note then.
    #[schema(value_type = Option<f64>, maximum = 4294967294.0)]
    stock: Option<Stock>,
    /// Whether it may be shown at all.
    on_sale: Option<bool>,
    /// Since when, RFC 3339 with an offset. A change that is older than what is known is stale. Without it changes are
    /// ordered by arrival, whatever the clocks say.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, format = DateTime)]
    changed_at: Option<Id<'a>>,
}

/// A stock as stock systems send it.
#[derive(Debug, Clone, Copy)]
struct Stock {
    pieces: u32,
    note: Option<&'static str>,
}

impl<'de> Deserialize<'de> for Stock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = serde_json::Number::deserialize(deserializer)?;
        let number = given.as_f64().filter(|number| number.fract() == 0.0 && *number < f64::from(u32::MAX));
        let Some(number) = number else {
            return Err(D::Error::custom("a whole number up to 4294967294"));
        };
        let note = match number {
            below if below < 0.0 => Some("stock: below 0 counts as 0"),
            _ if given.is_f64() => Some("stock: read as a whole number"),
            _ => None,
        };
        // Below 0 the conversion gives 0; above, the check bounds it.
        Ok(Self { pieces: number as u32, note })
    }
}

/// What became of each change.
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

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// It holds.
    Accepted,
    /// Newer news is known of all that it tells.
    Stale,
    /// Too many other items have a state already.
    Full,
    /// It is not as a change must be; `field` and `reason` say why.
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

/// Takes in what changed about items. From the answer on, no slate, list, bundle or audience holds what is sold
/// out or off sale, and prices are the new ones.
#[utoipa::path(post, path = "/items", operation_id = "change_items", tag = "live state",
    request_body(content((ItemsRequest<'_> = "application/json"), (ItemRow<'_> = "application/x-ndjson"))),
    responses((status = 200, description = "What became of each change.", body = ItemsResponse)))]
pub async fn post(call: Call, body: RowsBody) -> Result<Response, Problem> {
    let live = call.shop.live()?;
    let now = now_ms();
    let checked =
        rows::read(&body, "items", |request: ItemsRequest<'_>| request.items, |row| change(row, now))?;
    let changes: Vec<ItemChange> =
        checked.iter().filter_map(|row| Some(row.as_ref().ok()?.0.clone())).collect();
    let notes: Vec<Option<&str>> = checked.iter().map(|row| row.as_ref().ok()?.1).collect();
    let outcomes = live.change_items(changes, |ids| call.shop.models.item_news(ids)).await?;
    let mut results = rows::results(checked, outcomes, ItemStatus::Rejected);
    results.iter_mut().zip(notes).for_each(|(result, note)| result.note = note);
    let accepted = results.iter().filter(|result| result.status == ItemStatus::Accepted).count();
    let bytes = 128 + 64 * results.len();
    json(&ItemsResponse { request_id: call.id, accepted, results, took_us: call.took_us() }, bytes)
}

/// A change, and what its result should say of how it was read.
type Noted = (ItemChange, Option<&'static str>);

fn change(row: &[u8], now: i64) -> Result<Noted, RowFault> {
    let row = parse::<ItemRow<'_>>(row)?;
    let changed_at = match &row.changed_at {
        None => None,
        Some(text) => match DateTime::parse_from_rfc3339(text.as_str()) {
            Ok(moment) => Some(moment.timestamp_millis()),
            Err(_) => {
                let detail = "RFC 3339 with an offset, such as 2026-11-22T08:30:00+08:00";
                return Err(Problem::new(Code::InvalidField, detail).at_field("changed_at").into());
            }
        },
    };
    let stock = row.stock.map(|stock| stock.pieces);
    let change = ItemChange::check(row.item_id.as_str(), (row.price, stock, row.on_sale), changed_at, now)?;
    Ok((change, row.stock.and_then(|stock| stock.note)))
}
