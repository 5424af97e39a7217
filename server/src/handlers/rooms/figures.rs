//! Figures of a room: who watches, and what they do with its products.

use axum::response::Response;
use qianmian_live::followers::room_figures::MINUTES;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{check_name, uncached};
use crate::extract::{PathId, QueryString};
use crate::fields::Count;
use crate::guard::Call;
use crate::handlers::answer::json;
use crate::live::now_ms;
use crate::problem::Problem;
use crate::request_id::RequestId;
use crate::rooms::figures::RoomFiguresBody;

/// Two windows of the longest length fit into what is kept.
const _: () = assert!(2 * 30 <= MINUTES);

/// Which minutes are compared.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FiguresQuery {
    /// Minutes of `last` and of `before`; 5 by default.
    #[param(inline)]
    minutes: Option<Count<30>>,
}

/// Figures of a room.
#[derive(Serialize, ToSchema)]
pub struct FiguresResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    room_id: String,
    #[serde(flatten)]
    figures: RoomFiguresBody,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Who watches a room now, and what they do with its products: over the show, in the latest minutes, and in as many before.
#[utoipa::path(get, path = "/rooms/{id}/figures", operation_id = "room_figures", tag = "rooms",
    params(("id" = String, Path), FiguresQuery),
    responses((status = 200, description = "The figures.", body = FiguresResponse),
        (status = 404, description = "There is no such room.", body = crate::problem::ProblemBody<'_>,
            content_type = "application/problem+json")))]
pub async fn figures(
    call: Call,
    PathId(id): PathId,
    QueryString(query): QueryString<FiguresQuery>,
) -> Result<Response, Problem> {
    check_name(&id)?;
    let (live, room) = (call.shop.live()?, call.shop.rooms.required(&id)?);
    let board = room.board(call.shop.models.current().as_deref());
    let minutes = query.minutes.map_or(5, Count::get);
    let figures = RoomFiguresBody::of(&live.room_figures(), (&id, &board), now_ms(), minutes);
    let bytes = 512 + 512 * figures.products.len();
    let response = FiguresResponse { request_id: call.id, room_id: id, figures, took_us: call.took_us() };
    json(&response, bytes).map(uncached)
}
