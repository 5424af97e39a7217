//! The commands of a show: what is explained, and the cards that viewers see.

use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    CommandHeaders, CommandQuery, CommandResponse, RoomConflict, command, done, succeeded, with_etag,
};
use crate::extract::{JsonBody, PathId, QueryString};
use crate::fields::{Count, Id, optional_id};
use crate::guard::Call;
use crate::handlers::answer::json;
use crate::problem::{Problem, ProblemBody};
use crate::request_id::RequestId;
use crate::rooms::command::Done;

/// Milliseconds that a card is shown by default.
const CARD_MS: i64 = 10_000;

/// What is explained now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest<'a> {
    /// The item; null or absent: nothing is explained.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    item_id: Option<Id<'a>>,
    /// Seconds; without it until another product is explained.
    #[serde(default)]
    #[schema(nullable = false)]
    ttl_seconds: Option<Count<86400>>,
}

/// A card for viewers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PushRequest<'a> {
    #[serde(borrow)]
    item_id: Id<'a>,
    /// Seconds that it is shown; 10 by default.
    #[serde(default)]
    #[schema(nullable = false)]
    ttl_seconds: Option<Count<86400>>,
    /// Takes the place of the card of another product, if one is shown.
    #[serde(default)]
    replace: bool,
}

/// A card that was pushed.
#[derive(Serialize, ToSchema)]
pub struct PushResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    room_id: String,
    /// The new revision; of a repetition the current one.
    revision: u64,
    /// True if the command was run before with the same key: nothing was changed.
    repeated: bool,
    /// Number of this push in the room; null of a repetition.
    number: Option<u64>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

fn ms(seconds: Count<86400>) -> i64 {
    seconds.get() as i64 * 1_000
}

/// Says which product is explained now. The room must be live, and the product visible.
#[utoipa::path(post, path = "/rooms/{id}/explain", operation_id = "explain_in_room", tag = "rooms",
    params(("id" = String, Path), CommandQuery, CommandHeaders), request_body = ExplainRequest<'_>,
    responses((status = 200, description = "It holds.", body = CommandResponse),
        (status = 404, description = "There is no such room, or it does not have the product.", body = ProblemBody<'_>,
            content_type = "application/problem+json"),
        (status = 409, description = "The room is not live, or the product is hidden.", body = ProblemBody<'_>,
            content_type = "application/problem+json"),
        (status = 412, description = "Another revision is current.", body = RoomConflict<'_>,
            content_type = "application/problem+json")))]
pub async fn explain(
    call: Call,
    PathId(id): PathId,
    QueryString(query): QueryString<CommandQuery>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let request: ExplainRequest<'_> = body.parse()?;
    let command = command((&id, "explain"), &query, &headers, body.bytes().to_vec())?;
    let item_id = request.item_id.as_ref().map(Id::as_str);
    let shown_ms = request.ttl_seconds.map(ms);
    let change = |room: &mut qianmian_live::rooms::Room, now| room.explain(item_id, shown_ms, now);
    let outcome = command.run(&call.shop.rooms, call.shop.live()?, change).await;
    done(&call, id.clone(), outcome)
}

/// Pushes the card of a product to viewers. The same product may be pushed again at once, also while it is explained.
#[utoipa::path(post, path = "/rooms/{id}/push", operation_id = "push_in_room", tag = "rooms",
    params(("id" = String, Path), CommandQuery, CommandHeaders), request_body = PushRequest<'_>,
    responses((status = 200, description = "The card is shown.", body = PushResponse),
        (status = 404, description = "There is no such room, or it does not have the product.", body = ProblemBody<'_>,
            content_type = "application/problem+json"),
        (status = 409, description = "The room is not live, the product is hidden or not for sale, or the card of another \
            product is shown.", body = ProblemBody<'_>, content_type = "application/problem+json"),
        (status = 412, description = "Another revision is current.", body = RoomConflict<'_>,
            content_type = "application/problem+json")))]
pub async fn push(
    call: Call,
    PathId(id): PathId,
    QueryString(query): QueryString<CommandQuery>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let request: PushRequest<'_> = body.parse()?;
    let command = command((&id, "push"), &query, &headers, body.bytes().to_vec())?;
    let shown_ms = request.ttl_seconds.map_or(CARD_MS, ms);
    let item_id = request.item_id.as_str();
    let sold_out = call.shop.rooms.get(&id).is_some_and(|room| {
        let board = room.board(call.shop.models.current().as_deref());
        board.cards.iter().any(|card| card.item_id == item_id && card.stock == Some(0))
    });
    let change = |room: &mut qianmian_live::rooms::Room, now| {
        let number = room.push_card(item_id, shown_ms, request.replace, now)?;
        let refused = qianmian_live::rooms::commands::Refused::NotBuyable(item_id.to_owned());
        if sold_out { Err(refused) } else { Ok(number) }
    };
    let outcome = command.run(&call.shop.rooms, call.shop.live()?, change).await;
    let Done { revision, outcome: number } = succeeded(&call, &id, outcome)?;
    let repeated = number.is_none();
    let response = PushResponse {
        request_id: call.id,
        room_id: id,
        revision,
        repeated,
        number,
        took_us: call.took_us(),
    };
    Ok(with_etag(json(&response, 256)?, revision))
}
