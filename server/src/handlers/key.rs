//! `GET /key`: the permissions of the caller's key, so that a program can offer only what it may do.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::json;
use crate::app::App;
use crate::auth::Scope;
use crate::guard::Call;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;

/// What the caller's key allows.
#[derive(Serialize, ToSchema)]
pub struct KeyResponse<'a> {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// The shop that it is for.
    shop: &'a str,
    /// Which calls it may make.
    scopes: &'a [Scope],
    /// True if the server has no keys: then nobody needs one.
    open: bool,
    /// True if the server keeps live state: events, item states, scenes.
    live: bool,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// What the caller's key allows.
#[utoipa::path(get, path = "/key", operation_id = "key", tag = "operations",
    responses((status = 200, description = "Its shop and its scopes.", body = KeyResponse<'_>)))]
pub async fn get(call: Call, State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    // The guard let the key in.
    let grant = app.keys.check(&headers).map_err(|_| Problem::new(Code::UnknownKey, "the key is gone"))?;
    let response = KeyResponse {
        request_id: call.id,
        shop: &call.shop.name,
        scopes: grant.scopes,
        open: app.keys.is_open(),
        live: call.shop.live_store().is_some(),
        took_us: call.took_us(),
    };
    json(&response, 256)
}
