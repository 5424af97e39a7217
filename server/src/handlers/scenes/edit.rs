//! Changes of scenes: `PUT`, `DELETE` and undo.

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::EditQuery;
use crate::app::Shop;
use crate::extract::{JsonBody, PathId, QueryString};
use crate::guard::Call;
use crate::handlers::answer::json;
use crate::handlers::revisions::{Edit, with_etag};
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;
use crate::scenes::lint::{Warning, lint};
use crate::scenes::{KIND, SceneDocument};

/// A changed scene.
#[derive(Serialize, ToSchema)]
pub struct EditResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    name: String,
    /// The new revision.
    revision: u64,
    /// What is probably not meant, by the items as they are now.
    warnings: Vec<Warning>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Writes a scene. With `If-Match` only over the revision that it names; with `If-None-Match: *` only a new one.
#[utoipa::path(put, path = "/scenes/{name}", operation_id = "put_scene", tag = "scenes",
    params(("name" = String, Path), EditQuery,
        ("if-match" = Option<String>, Header, description = "The revision that is replaced, as `ETag` has it."),
        ("if-none-match" = Option<String>, Header, description = "`*`: only if there is none.")),
    request_body = SceneDocument,
    responses((status = 200, description = "It holds.", body = EditResponse),
        (status = 412, description = "Another revision is current.")))]
pub async fn put(
    call: Call,
    PathId(name): PathId,
    QueryString(query): QueryString<EditQuery>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let document: SceneDocument = body.parse()?;
    let warnings = checked(&call.shop, &name, &document)?;
    if let Some(first) = warnings.first().filter(|_| query.strict) {
        let detail = format!("{} warnings; the first: {}", warnings.len(), first.detail);
        return Err(Problem::new(Code::SceneRefused, detail).at_field(first.field.clone()));
    }
    let text = serde_json::to_string(&document)
        .map_err(|error| Problem::new(Code::Internal, format!("the scene cannot be written: {error}")))?;
    let edit = (Edit::Write(&text), warnings);
    change(&call, name, (&query, &headers), edit).await
}

/// Deletes a scene; its history stays, so that this can be undone.
#[utoipa::path(delete, path = "/scenes/{name}", operation_id = "delete_scene", tag = "scenes",
    params(("name" = String, Path), EditQuery,
        ("if-match" = Option<String>, Header, description = "The revision that is deleted, as `ETag` has it.")),
    responses((status = 200, description = "It is deleted.", body = EditResponse),
        (status = 412, description = "Another revision is current.")))]
pub async fn delete(
    call: Call,
    PathId(name): PathId,
    QueryString(query): QueryString<EditQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    change(&call, name, (&query, &headers), (Edit::Delete, Vec::new())).await
}

/// Undoes the latest change of a scene, a deletion included; once more goes further back.
#[utoipa::path(post, path = "/scenes/{name}/undo", operation_id = "undo_scene", tag = "scenes",
    params(("name" = String, Path), EditQuery,
        ("if-match" = Option<String>, Header, description = "The revision that is undone, as `ETag` has it.")),
    responses((status = 200, description = "The revision before holds again.", body = EditResponse),
        (status = 412, description = "Another revision is current.")))]
pub async fn undo(
    call: Call,
    PathId(name): PathId,
    QueryString(query): QueryString<EditQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    change(&call, name, (&query, &headers), (Edit::Undo, Vec::new())).await
}

/// Makes a change, and serves it on this server before it is acknowledged.
async fn change(
    call: &Call,
    name: String,
    (query, headers): (&EditQuery, &HeaderMap),
    (edit, warnings): (Edit<'_>, Vec<Warning>),
) -> Result<Response, Problem> {
    let revision = edit.make(&call.shop, (KIND, &name), headers, query.author()).await?;
    // It is durable; if it cannot be read now, the follower reads it.
    let _ = call.shop.scenes.read(call.shop.live()?).await;
    let response = EditResponse { request_id: call.id, name, revision, warnings, took_us: call.took_us() };
    Ok(with_etag(json(&response, 512)?, revision))
}

/// The warnings of a scene that can be compiled.
pub(super) fn checked(shop: &Shop, name: &str, document: &SceneDocument) -> Result<Vec<Warning>, Problem> {
    let draft = shop.scenes.draft(name, document)?;
    let known = |scene: &str| shop.scenes.has(scene);
    Ok(lint(&draft, &shop.models.current(), known))
}
