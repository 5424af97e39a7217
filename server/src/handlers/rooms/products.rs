//! The products of a room: added in bulk, changed, removed, put into order.

use std::cell::Cell;

use axum::http::HeaderMap;
use axum::response::Response;
use qianmian_live::rooms::{AddMode, Added, MAX_PRODUCTS, NewProduct, Order, Patch, Room, Visibility};
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    CommandHeaders, CommandQuery, CommandResponse, RoomConflict, command, done, succeeded, with_etag,
};
use crate::extract::{JsonBody, PathId, PathPair, QueryString, RowsBody, parse};
use crate::fields::{Amount, Id, Ids};
use crate::guard::Call;
use crate::handlers::answer::json;
use crate::handlers::rows::{self, Checked, Row, RowResult};
use crate::problem::{Code, Problem, ProblemBody};
use crate::request_id::RequestId;
use crate::rooms::board::VisibilityName;
use crate::rooms::command::Done;

/// A note on a row whose item the model does not know.
const NOT_IN_CATALOG: &str =
    "the catalog does not know it: it is shown with the title and picture given here";

/// Products to be added. As `application/x-ndjson` the body is one product a line instead, with the mode `add`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddProductsRequest<'a> {
    /// What happens to products that are not in the list.
    #[serde(default)]
    mode: AddModeName,
    /// Each is accepted or refused by itself.
    #[serde(borrow)]
    #[schema(value_type = Vec<ProductRow<'a>>, min_items = 1, max_items = 5000)]
    products: Vec<&'a RawValue>,
}

/// What happens to products that are not in the list.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddModeName {
    /// They stay; new ones go to the end.
    #[default]
    Add,
    /// They are removed; the list becomes the room's, in its order.
    Replace,
}

/// A product to be added; where the room has it, the fields that are given hold from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductRow<'a> {
    #[serde(borrow)]
    item_id: Id<'a>,
    #[serde(default)]
    #[schema(nullable = false, value_type = Option<VisibilityName>)]
    visibility: Option<Visibility>,
    /// Price in the room.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Amount>)]
    room_price: Option<Option<Amount>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    coupon_id: Option<Option<String>>,
    /// Notes for those who run the show.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    notes: Option<Option<String>>,
    /// Its title, where the catalog does not know the item.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    title: Option<Option<String>>,
    /// Its picture, where the catalog does not know the item.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    image_url: Option<Option<String>>,
}

/// Changes of a product; a field that is null is emptied, one that is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductPatch {
    #[serde(default)]
    #[schema(nullable = false, value_type = Option<VisibilityName>)]
    visibility: Option<Visibility>,
    /// Price in the room.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Amount>)]
    room_price: Option<Option<Amount>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    coupon_id: Option<Option<String>>,
    /// Notes for those who run the show.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    notes: Option<Option<String>>,
    /// Its title, where the catalog does not know the item.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    title: Option<Option<String>>,
    /// Its picture, where the catalog does not know the item.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    image_url: Option<Option<String>>,
}

/// A new order: exactly one of `item_ids`, `move` and `numbers`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest<'a> {
    /// The whole list.
    #[serde(borrow, default)]
    #[schema(nullable = false)]
    item_ids: Option<Ids<'a, 0, 5000>>,
    /// One product goes to a place.
    #[serde(borrow, default)]
    #[schema(nullable = false)]
    r#move: Option<MoveRequest<'a>>,
    /// Numbers of products as an assistant pastes them, such as `1,4,7,40`: these come first, the others stay behind them.
    #[serde(default)]
    #[schema(nullable = false)]
    numbers: Option<String>,
}

/// One product goes to a place.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveRequest<'a> {
    #[serde(borrow)]
    item_id: Id<'a>,
    /// The place, from 1; after the end is the end.
    to: usize,
}

/// Outcome of each product.
#[derive(Serialize, ToSchema)]
pub struct AddProductsResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    room_id: String,
    /// The new revision; of a repetition the current one.
    revision: u64,
    /// True if the command was run before with the same key: nothing was changed.
    repeated: bool,
    /// Rows that hold from now on.
    accepted: usize,
    /// One for each row, in order; empty of a repetition.
    results: Vec<AddedRow>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Outcome of a row.
#[derive(Serialize, ToSchema)]
pub struct AddedRow {
    /// The number of the product in the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    number: Option<u32>,
    #[serde(flatten)]
    row: RowResult<AddStatus>,
}

/// Outcome of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddStatus {
    /// The product is new.
    Added,
    /// The room had it; what the row gives holds from now on.
    Updated,
    /// An earlier row has the item.
    Repeated,
    /// The room has as many products as it may.
    RoomFull,
    /// It is no valid product; `field` and `reason` say why.
    Rejected,
}

impl From<Added> for AddStatus {
    fn from(added: Added) -> Self {
        match added {
            Added::Added(_) => Self::Added,
            Added::Updated(_) => Self::Updated,
            Added::Repeated => Self::Repeated,
            Added::Full => Self::RoomFull,
        }
    }
}

/// A field that is given, perhaps as null.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

impl ProductPatch {
    fn patch(self) -> Patch {
        let Self { visibility, room_price, coupon_id, notes, title, image_url } = self;
        let room_price = room_price.map(|price| price.map(Amount::decimal));
        Patch { visibility, room_price, coupon_id, notes, title, image_url }
    }
}

/// Checks that a price has not more decimals than the shop's currency.
fn check_price(call: &Call, price: Option<Option<Amount>>) -> Result<(), Problem> {
    let currency = call.shop.models.current().as_ref().map(|model| model.snapshot.catalog.currency());
    let (Some(price), Some(currency)) = (price.flatten(), currency) else { return Ok(()) };
    let fault = |reason| Problem::new(Code::InvalidField, reason).at_field("room_price");
    price.in_currency(currency).map(|_| ()).map_err(fault)
}

fn row(call: &Call, bytes: &[u8]) -> Checked<NewProduct> {
    let ProductRow { item_id, visibility, room_price, coupon_id, notes, title, image_url } = parse(bytes)?;
    check_price(call, room_price)?;
    let patch = ProductPatch { visibility, room_price, coupon_id, notes, title, image_url }.patch();
    let model = call.shop.models.current();
    let is_known = model.as_ref().is_none_or(|model| model.snapshot.items.ix(item_id.as_str()).is_some());
    let note = (!is_known).then_some(NOT_IN_CATALOG);
    Ok(Row { value: NewProduct::check(item_id.as_str(), patch)?, note })
}

/// Adds products, or makes the list anew; a result for each row. Products get numbers in the order of the rows.
#[utoipa::path(post, path = "/rooms/{id}/products", operation_id = "add_room_products", tag = "rooms",
    params(("id" = String, Path), CommandQuery, CommandHeaders),
    request_body(content((AddProductsRequest<'_> = "application/json"), (ProductRow<'_> = "application/x-ndjson"))),
    responses((status = 200, description = "Outcome of each product.", body = AddProductsResponse),
        (status = 404, description = "There is no such room.", body = ProblemBody<'_>, content_type = "application/problem+json"),
        (status = 412, description = "Another revision is current.", body = RoomConflict<'_>,
            content_type = "application/problem+json")))]
pub async fn add_products(
    call: Call,
    PathId(id): PathId,
    QueryString(query): QueryString<CommandQuery>,
    headers: HeaderMap,
    body: RowsBody,
) -> Result<Response, Problem> {
    let mode = Cell::new(AddModeName::Add);
    let checked = rows::read(
        &body,
        ("products", MAX_PRODUCTS),
        |request: AddProductsRequest<'_>| {
            mode.set(request.mode);
            request.products
        },
        |bytes| row(&call, bytes),
    )?;
    let mode = match mode.get() {
        AddModeName::Add => AddMode::Add,
        AddModeName::Replace => AddMode::Replace,
    };
    let products = rows::values(&checked);
    let command = command((&id, "add"), &query, &headers, body.bytes().to_vec())?;
    let outcome = command
        .run(&call.shop.rooms, call.shop.live()?, |room, _| Ok(room.add(mode, products.clone())))
        .await;
    let Done { revision, outcome } = succeeded(&call, &id, outcome)?;
    let repeated = outcome.is_none();
    let outcomes = outcome.unwrap_or_default();
    let results = if repeated { Vec::new() } else { added_rows(checked, outcomes) };
    let is_accepted = |row: &&AddedRow| matches!(row.row.status, AddStatus::Added | AddStatus::Updated);
    let accepted = results.iter().filter(is_accepted).count();
    let bytes = 256 + 64 * results.len();
    let response = AddProductsResponse {
        request_id: call.id,
        room_id: id,
        revision,
        repeated,
        accepted,
        results,
        took_us: call.took_us(),
    };
    Ok(with_etag(json(&response, bytes)?, revision))
}

fn added_rows(checked: Vec<Checked<NewProduct>>, outcomes: Vec<Added>) -> Vec<AddedRow> {
    let mut left = outcomes.clone().into_iter();
    let outcome = |row: &Checked<NewProduct>| row.as_ref().ok().and_then(|_| left.next());
    let numbers: Vec<Option<u32>> = checked
        .iter()
        .map(outcome)
        .map(|outcome| match outcome {
            Some(Added::Added(number) | Added::Updated(number)) => Some(number),
            _ => None,
        })
        .collect();
    let results = rows::results(checked, outcomes, AddStatus::Rejected);
    numbers.into_iter().zip(results).map(|(number, row)| AddedRow { number, row }).collect()
}

/// Changes a product.
#[utoipa::path(patch, path = "/rooms/{id}/products/{item_id}", operation_id = "edit_room_product", tag = "rooms",
    params(("id" = String, Path), ("item_id" = String, Path), CommandQuery, CommandHeaders),
    request_body = ProductPatch,
    responses((status = 200, description = "It holds.", body = CommandResponse),
        (status = 404, description = "There is no such room, or it does not have the product.", body = ProblemBody<'_>,
            content_type = "application/problem+json"),
        (status = 412, description = "Another revision is current.", body = RoomConflict<'_>,
            content_type = "application/problem+json")))]
pub async fn edit_product(
    call: Call,
    PathPair(id, item_id): PathPair,
    QueryString(query): QueryString<CommandQuery>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let request: ProductPatch = body.parse()?;
    check_price(&call, request.room_price)?;
    let patch = request.patch();
    let words = [item_id.as_bytes(), b"\0", body.bytes()].concat();
    let command = command((&id, "edit"), &query, &headers, words)?;
    let change = |room: &mut Room, _| room.edit(&item_id, patch.clone());
    let outcome = command.run(&call.shop.rooms, call.shop.live()?, change).await;
    done(&call, id.clone(), outcome)
}

/// Removes a product. Its number stays its own: if it is added again, it has it again.
#[utoipa::path(delete, path = "/rooms/{id}/products/{item_id}", operation_id = "remove_room_product", tag = "rooms",
    params(("id" = String, Path), ("item_id" = String, Path), CommandQuery, CommandHeaders),
    responses((status = 200, description = "It is removed.", body = CommandResponse),
        (status = 404, description = "There is no such room, or it does not have the product.", body = ProblemBody<'_>,
            content_type = "application/problem+json"),
        (status = 412, description = "Another revision is current.", body = RoomConflict<'_>,
            content_type = "application/problem+json")))]
pub async fn remove_product(
    call: Call,
    PathPair(id, item_id): PathPair,
    QueryString(query): QueryString<CommandQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let command = command((&id, "remove"), &query, &headers, item_id.as_bytes().to_vec())?;
    let outcome = command.run(&call.shop.rooms, call.shop.live()?, |room, _| room.remove(&item_id)).await;
    done(&call, id.clone(), outcome)
}

/// Puts the products into an order: the whole list, one move, or pasted numbers.
#[utoipa::path(post, path = "/rooms/{id}/products/order", operation_id = "order_room_products", tag = "rooms",
    params(("id" = String, Path), CommandQuery, CommandHeaders), request_body = OrderRequest<'_>,
    responses((status = 200, description = "It holds.", body = CommandResponse),
        (status = 404, description = "There is no such room, or it does not have a product.", body = ProblemBody<'_>,
            content_type = "application/problem+json"),
        (status = 412, description = "Another revision is current.", body = RoomConflict<'_>,
            content_type = "application/problem+json")))]
pub async fn order_products(
    call: Call,
    PathId(id): PathId,
    QueryString(query): QueryString<CommandQuery>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let order = body.parse::<OrderRequest<'_>>()?.order()?;
    let command = command((&id, "order"), &query, &headers, body.bytes().to_vec())?;
    let outcome = command.run(&call.shop.rooms, call.shop.live()?, |room, _| room.order(&order)).await;
    done(&call, id.clone(), outcome)
}

impl OrderRequest<'_> {
    fn order(self) -> Result<Order, Problem> {
        match (self.item_ids, self.r#move, self.numbers) {
            (Some(ids), None, None) => Ok(Order::List(ids.iter().map(|id| id.as_str().to_owned()).collect())),
            (None, Some(MoveRequest { item_id, to }), None) => {
                Ok(Order::Move { item_id: item_id.as_str().to_owned(), to })
            }
            (None, None, Some(numbers)) => Order::pasted(&numbers)
                .map_err(|fault| Problem::new(Code::InvalidField, fault.reason).at_field(fault.field)),
            _ => Err(Problem::new(Code::InvalidField, "exactly one of `item_ids`, `move` and `numbers`")),
        }
    }
}
