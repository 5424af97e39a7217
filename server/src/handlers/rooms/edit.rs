//! Rooms themselves: made, changed, deleted, undone; and their history.

use axum::http::HeaderMap;
use axum::response::Response;
use qianmian_live::check::{self, Fault};
use qianmian_live::rooms::commands::Refused;
use qianmian_live::rooms::{Description, KIND, MAX_TEXT_BYTES, Room, RoomState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    CommandHeaders, CommandQuery, CommandResponse, RoomConflict, check_name, command, created, done,
};
use crate::extract::{JsonBody, PathId, QueryString};
use crate::fields::{Id, Timestamp, optional_id};
use crate::guard::Call;
use crate::handlers::answer::json;
use crate::handlers::revisions::Change;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;
use crate::rooms::board::StateName;
use crate::rooms::command::Failed;
use crate::rooms::parse;

/// A room as it is written: what is left out is emptied, but for the state. Its products stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomRequest<'a> {
    /// 1 to 1,024 bytes.
    title: String,
    /// Who presents it.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    anchor: Option<Id<'a>>,
    /// The seller.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    merchant_id: Option<Id<'a>>,
    /// Where it is streamed.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    channel: Option<Id<'a>>,
    /// When it is planned to begin.
    #[serde(default)]
    #[schema(nullable = false)]
    starts_at: Option<Timestamp>,
    /// When it is planned to end.
    #[serde(default)]
    #[schema(nullable = false)]
    ends_at: Option<Timestamp>,
    /// Planned rooms go live, live and paused ones change and end; an ended one may be planned again. Without it the state
    /// stays; a new room is planned.
    #[serde(default)]
    #[schema(nullable = false, value_type = Option<StateName>)]
    state: Option<RoomState>,
}

/// Revisions of a room.
#[derive(Serialize, ToSchema)]
pub struct RoomHistoryResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    room_id: String,
    /// Latest first; at most 32.
    revisions: Vec<RoomRevision>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// A revision of a room.
#[derive(Serialize, ToSchema)]
pub struct RoomRevision {
    revision: u64,
    #[serde(flatten)]
    change: Change,
    /// The command: `put`, `add`, `edit`, `remove`, `order`, `explain`, `push`, `flash_sale`, `delete`, `undo`.
    command: String,
    /// The revision that an undo restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    restores: Option<u64>,
    /// Number of products; null of a deletion.
    products: Option<usize>,
}

impl RoomRequest<'_> {
    fn description(&self) -> Result<Description, Refused> {
        let text =
            |field, id: &Option<Id<'_>>| id.as_ref().map(|id| check::id(field, id.as_str())).transpose();
        if self.title.trim().is_empty() || self.title.len() > MAX_TEXT_BYTES {
            return Err(Fault::new("title", format!("1 to {MAX_TEXT_BYTES} bytes")).into());
        }
        let (starts_at, ends_at) = (self.starts_at.map(|at| at.0), self.ends_at.map(|at| at.0));
        if starts_at.zip(ends_at).is_some_and(|(starts, ends)| ends <= starts) {
            return Err(Fault::new("ends_at", "after `starts_at`").into());
        }
        Ok(Description {
            title: self.title.clone(),
            anchor: text("anchor", &self.anchor)?,
            merchant_id: text("merchant_id", &self.merchant_id)?,
            channel: text("channel", &self.channel)?,
            starts_at,
            ends_at,
        })
    }
}

/// Makes a room, or changes its texts and state. With `If-None-Match: *` only a new one.
#[utoipa::path(put, path = "/rooms/{id}", operation_id = "put_room", tag = "rooms",
    params(("id" = String, Path), CommandQuery, CommandHeaders), request_body = RoomRequest<'_>,
    responses((status = 200, description = "It holds.", body = CommandResponse),
        (status = 201, description = "The room is new.", body = CommandResponse),
        (status = 409, description = "The room cannot take this state.", body = crate::problem::ProblemBody<'_>,
            content_type = "application/problem+json"),
        (status = 412, description = "Another revision is current.", body = RoomConflict<'_>,
            content_type = "application/problem+json")))]
pub async fn put(
    call: Call,
    PathId(id): PathId,
    QueryString(query): QueryString<CommandQuery>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let request: RoomRequest<'_> = body.parse()?;
    let about = request.description().map_err(crate::rooms::command::problem)?;
    let command = command((&id, "put"), &query, &headers, body.bytes().to_vec())?;
    let mut is_new = false;
    let outcome = command.run_on_any(&call.shop.rooms, call.shop.live()?, |room, now| {
        is_new = room.is_none();
        let mut room = room.unwrap_or_else(|| Room::new(Description::default(), now));
        room.about.clone_from(&about);
        if let Some(state) = request.state {
            room.become_state(state).map_err(Failed::from)?;
        }
        Ok((room, ()))
    });
    let outcome = outcome.await;
    let response = done(&call, id.clone(), outcome)?;
    Ok(if is_new { created(response) } else { response })
}

/// Deletes a room; its history stays, so that this can be undone. A deleted room stays deleted when it is deleted again.
#[utoipa::path(delete, path = "/rooms/{id}", operation_id = "delete_room", tag = "rooms",
    params(("id" = String, Path), CommandQuery, CommandHeaders),
    responses((status = 200, description = "It is deleted.", body = CommandResponse),
        (status = 412, description = "Another revision is current.", body = RoomConflict<'_>,
            content_type = "application/problem+json")))]
pub async fn delete(
    call: Call,
    PathId(id): PathId,
    QueryString(query): QueryString<CommandQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let command = command((&id, "delete"), &query, &headers, Vec::new())?;
    let outcome = command.delete(&call.shop.rooms, call.shop.live()?).await;
    done(&call, id.clone(), outcome)
}

/// Undoes the latest command, a deletion included; once more goes further back. Numbers of products stay as they were
/// given.
#[utoipa::path(post, path = "/rooms/{id}/undo", operation_id = "undo_room", tag = "rooms",
    params(("id" = String, Path), CommandQuery, CommandHeaders),
    responses((status = 200, description = "The revision before holds again.", body = CommandResponse),
        (status = 412, description = "Another revision is current.", body = RoomConflict<'_>,
            content_type = "application/problem+json")))]
pub async fn undo(
    call: Call,
    PathId(id): PathId,
    QueryString(query): QueryString<CommandQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let command = command((&id, "undo"), &query, &headers, Vec::new())?;
    let outcome = command.undo(&call.shop.rooms, call.shop.live()?).await;
    done(&call, id.clone(), outcome)
}

/// Revisions of a room, latest first; also of a deleted one.
#[utoipa::path(get, path = "/rooms/{id}/history", operation_id = "room_history", tag = "rooms",
    params(("id" = String, Path)),
    responses((status = 200, description = "The revisions.", body = RoomHistoryResponse)))]
pub async fn history(call: Call, PathId(id): PathId) -> Result<Response, Problem> {
    check_name(&id)?;
    let revisions = call.shop.live()?.document_history(KIND, &id).await?;
    if revisions.is_empty() {
        return Err(Problem::new(Code::UnknownRoom, "there is no such room, and there never was"));
    }
    let revisions = revisions.into_iter().map(|document| {
        let room = parse(document.body.as_deref());
        RoomRevision {
            revision: document.revision,
            change: document.author.into(),
            command: match &room {
                _ if document.restores.is_some() => "undo".to_owned(),
                Some(room) => room.command.clone(),
                None => "delete".to_owned(),
            },
            restores: document.restores,
            products: room.map(|room| room.products.len()),
        }
    });
    let revisions = revisions.collect();
    let response =
        RoomHistoryResponse { request_id: call.id, room_id: id, revisions, took_us: call.took_us() };
    json(&response, 4_096)
}
