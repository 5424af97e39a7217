//! Reading rooms: all of them, one, and its list.

use axum::response::Response;
use qianmian_live::rooms::Visibility;
use serde::Serialize;
use utoipa::ToSchema;

use super::{check_name, uncached, with_etag};
use crate::extract::PathId;
use crate::guard::Call;
use crate::handlers::answer::json;
use crate::problem::Problem;
use crate::request_id::RequestId;
use crate::rooms::{Board, Card, Head};

/// Rooms of the shop.
#[derive(Serialize, ToSchema)]
pub struct RoomsResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// In order of their ids.
    rooms: Vec<RoomSummary>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// A room in a list.
#[derive(Serialize, ToSchema)]
pub struct RoomSummary {
    #[serde(flatten)]
    room: Head,
    revision: u64,
    /// Number of products.
    products: usize,
}

/// A room.
#[derive(Serialize, ToSchema)]
pub struct RoomResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    #[serde(flatten)]
    room: RoomSummary,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// A room with its products.
#[derive(Serialize, ToSchema)]
pub struct RoomList<'a> {
    /// Revision of the room, as in `ETag`.
    revision: u64,
    /// Hash of the list, to be compared with that of the stream: docs/rooms.md says how it is made.
    hash: String,
    room: &'a Head,
    /// In the order of the list.
    products: Vec<ListedProduct<'a>>,
}

/// A product in a list.
#[derive(Serialize, ToSchema)]
pub struct ListedProduct<'a> {
    #[serde(flatten)]
    card: &'a Card,
    /// Notes for those who run the show; storefronts do not get them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    notes: Option<&'a str>,
}

/// The list of a room.
#[derive(Serialize, ToSchema)]
pub struct ProductsResponse<'a> {
    #[schema(value_type = String)]
    request_id: RequestId,
    #[serde(flatten)]
    list: RoomList<'a>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

impl<'a> RoomList<'a> {
    /// The list of a board; `all` with hidden products and notes.
    pub fn of(board: &'a Board, all: bool) -> Self {
        let products = board.cards.iter().zip(&board.room.products);
        let products = products.filter(|(card, _)| all || card.visibility != Visibility::Hidden);
        let listed = |(card, product): (&'a std::sync::Arc<Card>, &'a qianmian_live::rooms::Product)| {
            ListedProduct { card, notes: product.notes.as_deref().filter(|_| all) }
        };
        let hash = format!("{:08x}", board.hash());
        Self { revision: board.revision, hash, room: &board.head, products: products.map(listed).collect() }
    }
}

fn summary(board: &Board) -> RoomSummary {
    RoomSummary { room: board.head.clone(), revision: board.revision, products: board.cards.len() }
}

/// Rooms of the shop.
#[utoipa::path(get, path = "/rooms", operation_id = "list_rooms", tag = "rooms",
    responses((status = 200, description = "The rooms.", body = RoomsResponse)))]
pub async fn list(call: Call) -> Result<Response, Problem> {
    let model = call.shop.models.current();
    let rooms: Vec<RoomSummary> =
        call.shop.rooms.all().iter().map(|room| summary(&room.board(model.as_deref()))).collect();
    let bytes = 128 + 256 * rooms.len();
    json(&RoomsResponse { request_id: call.id, rooms, took_us: call.took_us() }, bytes).map(uncached)
}

/// A room. `ETag` is its revision.
#[utoipa::path(get, path = "/rooms/{id}", operation_id = "get_room", tag = "rooms",
    params(("id" = String, Path)),
    responses((status = 200, description = "The room.", body = RoomResponse)))]
pub async fn get(call: Call, PathId(id): PathId) -> Result<Response, Problem> {
    check_name(&id)?;
    let room = call.shop.rooms.required(&id)?;
    let board = room.board(call.shop.models.current().as_deref());
    let response = RoomResponse { request_id: call.id, room: summary(&board), took_us: call.took_us() };
    Ok(with_etag(uncached(json(&response, 512)?), board.revision))
}

/// The products of a room in the order of the list, as viewers would see them now. Storefronts get neither hidden products
/// nor notes. `ETag` is the revision of the room.
#[utoipa::path(get, path = "/rooms/{id}/products", operation_id = "list_room_products", tag = "rooms",
    params(("id" = String, Path)),
    responses((status = 200, description = "The list.", body = ProductsResponse<'_>)))]
pub async fn list_products(call: Call, PathId(id): PathId) -> Result<Response, Problem> {
    check_name(&id)?;
    let room = call.shop.rooms.required(&id)?;
    let board = room.board(call.shop.models.current().as_deref());
    let list = RoomList::of(&board, !call.is_storefront());
    let bytes = 512 + 320 * list.products.len();
    let response = ProductsResponse { request_id: call.id, list, took_us: call.took_us() };
    Ok(with_etag(uncached(json(&response, bytes)?), board.revision))
}
