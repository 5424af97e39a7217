//! `/rooms`: livestream rooms, their products, and the commands of a show.
//!
//! Every command makes a revision with who, when and why; `If-Match` names the revision that its author saw, and
//! `Idempotency-Key` makes it count once. From the answer on this server shows the change, every other one within a second.

mod edit;
mod figures;
mod list;
mod products;
mod sale;
mod show;
mod stream;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use qianmian_live::check::MAX_ID_BYTES;
use qianmian_live::rooms::Difference;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use super::answer::json as answer;
use super::revisions::{self, check_name, required_revision, with_etag};
use crate::guard::Call;
use crate::problem::{Code, Problem, ProblemBody};
use crate::request_id::RequestId;
use crate::rooms::command::{Command, Conflict, Done, Failed};

pub use edit::*;
pub use figures::*;
pub use list::*;
pub use products::*;
pub use sale::*;
pub use show::*;
pub use stream::*;

/// Who runs a command, and why.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CommandQuery {
    /// Who, for the history: an account or a name; `api` by default.
    who: Option<String>,
    /// Why, for the history.
    why: Option<String>,
}

/// The headers of a command.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes headers")]
pub struct CommandHeaders {
    /// A key that makes the command count once; 1 to 256 bytes.
    #[param(rename = "idempotency-key")]
    idempotency_key: Option<String>,
    /// The revision of the room that its author saw, as `ETag` has it.
    #[param(rename = "if-match")]
    if_match: Option<String>,
}

/// A command that was run.
#[derive(Serialize, ToSchema)]
pub struct CommandResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    room_id: String,
    /// The new revision; of a repetition the current one.
    revision: u64,
    /// True if the command was run before with the same key: nothing was changed.
    repeated: bool,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Another revision is current than the command requires.
#[derive(Serialize, ToSchema)]
pub struct RoomConflict<'a> {
    #[serde(flatten)]
    problem: ProblemBody<'a>,
    /// The room as it is now; null if there is none.
    #[schema(value_type = Option<RoomList<'a>>)]
    current: Value,
    /// What changed since the revision that the caller saw; null if that is not kept any more.
    #[schema(value_type = Option<DifferenceBody>)]
    difference: Value,
}

/// What changed between two revisions of a room.
// The schema of the type of `live`, which is free of HTTP.
#[derive(Serialize, ToSchema)]
pub struct DifferenceBody {
    /// Items that were added.
    added: Vec<String>,
    /// Items that were removed.
    removed: Vec<String>,
    /// Items whose product changed.
    changed: Vec<String>,
    /// True if the items of both have another order.
    reordered: bool,
    /// Fields of the room itself that changed: `about`, `state`, `explaining`, `push`.
    room: Vec<String>,
}

/// The command of a request.
fn command<'a>(
    (room_id, name): (&'a str, &'static str),
    query: &CommandQuery,
    headers: &'a HeaderMap,
    words: Vec<u8>,
) -> Result<Command<'a>, Problem> {
    check_name(room_id)?;
    let author = revisions::author(query.who.as_deref(), query.why.as_deref());
    let (key, if_revision) = (idempotency_key(headers)?, required_revision(headers)?);
    Ok(Command { room_id, name, key, words, if_revision, author })
}

/// The key that makes a command count once, if there is one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=MAX_ID_BYTES).contains(&key.len()));
    let cure = || {
        let detail = format!("1 to {MAX_ID_BYTES} visible ASCII characters");
        Problem::new(Code::InvalidRequest, detail).at_field("idempotency-key")
    };
    key.map(Some).ok_or_else(cure)
}

/// The answer of a command that gives nothing back.
fn done<T>(call: &Call, room_id: String, outcome: Result<Done<T>, Failed>) -> Result<Response, Problem> {
    let Done { revision, outcome } = succeeded(call, &room_id, outcome)?;
    let repeated = outcome.is_none();
    let response =
        CommandResponse { request_id: call.id, room_id, revision, repeated, took_us: call.took_us() };
    Ok(with_etag(answer(&response, 256)?, revision))
}

/// The outcome of a command, or its problem; of a conflict with the current list and what changed.
fn succeeded<T>(call: &Call, room_id: &str, outcome: Result<Done<T>, Failed>) -> Result<Done<T>, Problem> {
    match outcome {
        Ok(done) => Ok(done),
        Err(Failed::Problem(problem)) => Err(problem),
        Err(Failed::Conflict(Conflict { current, difference })) => {
            let detail = match current {
                0 => "there is no such room now".to_owned(),
                _ => format!(
                    "the current revision is {current}: look at `current` and `difference`, and send it again with \
                     `If-Match: \"{current}\"`"
                ),
            };
            let room = call.shop.rooms.get(room_id).map(|room| {
                let model = call.shop.models.current();
                let board = room.board(model.as_deref());
                json!(RoomList::of(&board, !call.is_storefront()))
            });
            let mut members = Map::new();
            members.insert("current".to_owned(), room.unwrap_or_default());
            members
                .insert("difference".to_owned(), difference.map_or(Value::Null, |it: Difference| json!(it)));
            Err(Problem::new(Code::RevisionConflict, detail).with_members(members))
        }
    }
}

/// An answer that says that the room was made.
fn created(response: Response) -> Response {
    (axum::http::StatusCode::CREATED, response).into_response()
}

/// Forbids caches to keep an answer that changes at any time.
fn uncached(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
