//! `POST /identities/undo`: undoes a merge.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use qianmian_live::people::{UndoOutcome, UndoRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::stored_id;
use crate::app::App;
use crate::extract::JsonBody;
use crate::fields::{Id, optional_id};
use crate::guard::Call;
use crate::handlers::answer::json;
use crate::live::now_ms;
use crate::problem::Problem;
use crate::request_id::RequestId;
use crate::telemetry::Linked;

/// A merge to undo.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UndoRequest)]
pub struct UndoBody<'a> {
    /// Its id, from `/identities/link` or the audit trail.
    #[serde(borrow)]
    merge_id: Id<'a>,
    /// The system that says so, for the audit trail.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    source: Option<Id<'a>>,
}

/// The outcome.
#[derive(Serialize, ToSchema)]
pub struct UndoResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    status: UndoStatus,
    /// The two people who are separate again: the one who stays, the one who left.
    user_ids: Vec<String>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// The outcome of an undo.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UndoStatus {
    /// They are two people again.
    Undone,
    /// There is no such merge: there never was, or it was undone before.
    Unchanged,
}

/// Undoes a merge: every identity returns to the person it belonged to before, with its history.
#[utoipa::path(post, path = "/identities/undo", operation_id = "undo_merge", tag = "people", request_body = UndoBody<'_>,
    responses((status = 200, description = "The outcome.", body = UndoResponse)))]
pub async fn undo(call: Call, State(app): State<Arc<App>>, body: JsonBody) -> Result<Response, Problem> {
    let body: UndoBody<'_> = body.parse()?;
    let request = UndoRequest {
        merge_id: body.merge_id.as_str().to_owned(),
        at: now_ms(),
        request_id: call.id.to_string(),
        source: stored_id("source", body.source.as_ref())?,
    };
    let (status, user_ids) =
        match call.shop.live()?.undo(request, |ids| call.shop.models.consent_news(ids)).await? {
            UndoOutcome::Undone { user_id, parted } => {
                app.telemetry.links.record(Linked::Undone);
                (UndoStatus::Undone, vec![user_id, parted])
            }
            UndoOutcome::Unchanged => (UndoStatus::Unchanged, Vec::new()),
        };
    json(&UndoResponse { request_id: call.id, status, user_ids, took_us: call.took_us() }, 512)
}
