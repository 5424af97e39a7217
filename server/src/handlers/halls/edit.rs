//! Halls as people edit them: revisions by `ETag`, history, undo.

use axum::http::HeaderMap;
use axum::response::Response;
use qianmian_live::documents::MAX_DOCUMENTS;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::extract::{JsonBody, PathId, QueryString};
use crate::guard::Call;
use crate::halls::{ActiveHall, HallDocument, KIND};
use crate::handlers::answer::json;
use crate::handlers::revisions::{self, Change, Edit, check_name, raw, with_etag};
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;

/// The person who changes a hall, and the reason.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HallEditQuery {
    /// Who, for the history: an account or a name; `api` by default.
    who: Option<String>,
    /// Why, for the history.
    why: Option<String>,
}

/// A changed hall.
#[derive(Serialize, ToSchema)]
pub struct HallEditResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    name: String,
    /// The new revision.
    revision: u64,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Halls of the shop.
#[derive(Serialize, ToSchema)]
pub struct HallsResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// In order of their names.
    halls: Vec<HallSummary>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// A hall in a list.
#[derive(Serialize, ToSchema)]
pub struct HallSummary {
    name: String,
    revision: u64,
    #[serde(flatten)]
    change: Change,
}

/// A hall as it was written.
#[derive(Serialize, ToSchema)]
pub struct HallResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    name: String,
    #[serde(flatten)]
    revision: HallRevision,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Revisions of a hall.
#[derive(Serialize, ToSchema)]
pub struct HallHistoryResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    name: String,
    /// Latest first; at most 32.
    revisions: Vec<HallRevision>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// A revision of a hall.
#[derive(Serialize, ToSchema)]
pub struct HallRevision {
    revision: u64,
    #[serde(flatten)]
    change: Change,
    /// The revision that an undo restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    restores: Option<u64>,
    /// The hall as it was written; null if it was deleted.
    #[schema(value_type = Option<HallDocument>)]
    hall: Option<Box<RawValue>>,
}

impl HallRevision {
    fn of(document: qianmian_live::documents::Document) -> Result<Self, Problem> {
        let (revision, restores) = (document.revision, document.restores);
        let hall = document.body.map(raw).transpose()?;
        Ok(Self { revision, change: document.author.into(), restores, hall })
    }
}

/// Halls of the shop.
#[utoipa::path(get, path = "/halls", operation_id = "list_halls", tag = "halls",
    responses((status = 200, description = "The halls.", body = HallsResponse)))]
pub async fn list(call: Call) -> Result<Response, Problem> {
    let listed = match call.shop.live_store() {
        Some(live) => live.documents(KIND, MAX_DOCUMENTS).await?,
        None => Vec::new(),
    };
    let summary = |listed: qianmian_live::documents::Listed| HallSummary {
        name: listed.name,
        revision: listed.revision,
        change: listed.author.into(),
    };
    let mut halls: Vec<HallSummary> = listed.into_iter().map(summary).collect();
    halls.sort_by(|a, b| a.name.cmp(&b.name));
    let bytes = 128 + 160 * halls.len();
    json(&HallsResponse { request_id: call.id, halls, took_us: call.took_us() }, bytes)
}

/// A hall as it was written. `ETag` is its revision.
#[utoipa::path(get, path = "/halls/{name}", operation_id = "get_hall", tag = "halls",
    params(("name" = String, Path)),
    responses((status = 200, description = "The hall.", body = HallResponse)))]
pub async fn get(call: Call, PathId(name): PathId) -> Result<Response, Problem> {
    check_name(&name)?;
    let document = call.shop.live()?.document(KIND, &name).await?;
    let revision = HallRevision::of(document.ok_or_else(|| no_hall(&name))?)?;
    let number = revision.revision;
    let response = HallResponse { request_id: call.id, name, revision, took_us: call.took_us() };
    Ok(with_etag(json(&response, 4_096)?, number))
}

/// Writes a hall. With `If-Match` only over the revision that it names; with `If-None-Match: *` only a new one.
#[utoipa::path(put, path = "/halls/{name}", operation_id = "put_hall", tag = "halls",
    params(("name" = String, Path), HallEditQuery,
        ("if-match" = Option<String>, Header, description = "The revision that is replaced, as `ETag` has it."),
        ("if-none-match" = Option<String>, Header, description = "`*`: only if there is none.")),
    request_body = HallDocument,
    responses((status = 200, description = "It is shown.", body = HallEditResponse),
        (status = 412, description = "Another revision is current.")))]
pub async fn put(
    call: Call,
    PathId(name): PathId,
    QueryString(query): QueryString<HallEditQuery>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let document: HallDocument = body.parse()?;
    let hall = ActiveHall::compile(document)?;
    let text = serde_json::to_string(&hall.document)
        .map_err(|error| Problem::new(Code::Internal, format!("the hall cannot be written: {error}")))?;
    change(&call, name, &query, &headers, Edit::Write(&text)).await
}

/// Deletes a hall; its history stays, so that this can be undone.
#[utoipa::path(delete, path = "/halls/{name}", operation_id = "delete_hall", tag = "halls",
    params(("name" = String, Path), HallEditQuery,
        ("if-match" = Option<String>, Header, description = "The revision that is deleted, as `ETag` has it.")),
    responses((status = 200, description = "It is deleted.", body = HallEditResponse),
        (status = 412, description = "Another revision is current.")))]
pub async fn delete(
    call: Call,
    PathId(name): PathId,
    QueryString(query): QueryString<HallEditQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    change(&call, name, &query, &headers, Edit::Delete).await
}

/// Undoes the latest change of a hall, a deletion included; once more goes further back.
#[utoipa::path(post, path = "/halls/{name}/undo", operation_id = "undo_hall", tag = "halls",
    params(("name" = String, Path), HallEditQuery,
        ("if-match" = Option<String>, Header, description = "The revision that is undone, as `ETag` has it.")),
    responses((status = 200, description = "The revision before is shown again.", body = HallEditResponse),
        (status = 412, description = "Another revision is current.")))]
pub async fn undo(
    call: Call,
    PathId(name): PathId,
    QueryString(query): QueryString<HallEditQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    change(&call, name, &query, &headers, Edit::Undo).await
}

/// Revisions of a hall, latest first; also of a deleted one.
#[utoipa::path(get, path = "/halls/{name}/history", operation_id = "hall_history", tag = "halls",
    params(("name" = String, Path)),
    responses((status = 200, description = "The revisions.", body = HallHistoryResponse)))]
pub async fn history(call: Call, PathId(name): PathId) -> Result<Response, Problem> {
    check_name(&name)?;
    let revisions = call.shop.live()?.document_history(KIND, &name).await?;
    if revisions.is_empty() {
        return Err(no_hall(&name));
    }
    let revisions = revisions.into_iter().map(HallRevision::of).collect::<Result<_, _>>()?;
    let took_us = call.took_us();
    json(&HallHistoryResponse { request_id: call.id, name, revisions, took_us }, 4_096)
}

/// Makes a change, and serves it on this server before it is acknowledged.
async fn change(
    call: &Call,
    name: String,
    query: &HallEditQuery,
    headers: &HeaderMap,
    edit: Edit<'_>,
) -> Result<Response, Problem> {
    let author = revisions::author(query.who.as_deref(), query.why.as_deref());
    let revision = edit.make(&call.shop, (KIND, &name), headers, author).await?;
    // It is durable; if it cannot be read now, the follower reads it.
    let _ = call.shop.halls.read(call.shop.live()?).await;
    let response = HallEditResponse { request_id: call.id, name, revision, took_us: call.took_us() };
    Ok(with_etag(json(&response, 512)?, revision))
}

/// The problem that there is no such hall.
pub fn no_hall(name: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no hall `{name}`"))
}
