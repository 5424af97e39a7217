//! `/models`: the served model, the available ones, and swaps by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use qianmian_models::storage::metrics::Metrics;
use qianmian_models::storage::versions::Latest;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{ModelRef, Moment, json};
use crate::extract::PathId;
use crate::guard::Call;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;
use crate::snapshots::{Failure, Loaded, SwapError};

/// The models of a shop: served by this process, and available in the store.
#[derive(Serialize, ToSchema)]
pub struct ModelsResponse<'a> {
    #[schema(value_type = String)]
    request_id: RequestId,
    shop: &'a str,
    /// The model that answers; none before the first publish.
    serving: Option<ServedModel<'a>>,
    /// The model that a rollback restores at once.
    previous: Option<ModelRef<'a>>,
    /// True if the model was activated by hand; it then stays until `latest.json` is next written.
    pinned: bool,
    /// Content of the store's `latest.json`.
    latest: Option<LatestPointer<'a>>,
    /// Versions in the store, in byte order.
    available: &'a [String],
    /// The last refusal since the store's last success.
    last_error: Option<LastError<'a>>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// The model that answers.
#[derive(Serialize, ToSchema)]
pub struct ServedModel<'a> {
    #[serde(flatten)]
    model: ModelRef<'a>,
    /// When this process opened it.
    #[schema(format = DateTime)]
    opened_at: String,
    /// Earliest order of its data.
    #[schema(value_type = String, format = DateTime)]
    data_from: Moment,
    /// Latest order of its data.
    #[schema(value_type = String, format = DateTime)]
    data_until: Moment,
    /// Items, users, baskets, ...
    counts: &'a BTreeMap<String, u64>,
    /// What was measured of it before it was published.
    #[schema(value_type = Value)]
    metrics: &'a Metrics,
}

/// Content of `latest.json`.
#[derive(Serialize, ToSchema)]
pub struct LatestPointer<'a> {
    /// The version to serve.
    version: &'a str,
    /// The version before it.
    previous: Option<&'a str>,
}

/// Why a version was refused.
#[derive(Serialize, ToSchema)]
pub struct LastError<'a> {
    /// The version, if the store named one.
    version: Option<&'a str>,
    /// The section at fault, if one is.
    section: Option<&'a str>,
    message: &'a str,
    /// When it was refused.
    #[schema(format = DateTime)]
    at: String,
}

/// The outcome of a swap by hand.
#[derive(Serialize, ToSchema)]
pub struct SwapResponse<'a> {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// The model that answers from now on.
    model: ModelRef<'a>,
    /// Always true: it stays until `latest.json` is next written.
    pinned: bool,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Lists the served model and the available ones.
#[utoipa::path(get, path = "/models", operation_id = "models", tag = "models",
    responses((status = 200, description = "The models of the key's shop.", body = ModelsResponse<'_>)))]
pub async fn list(call: Call) -> Result<Response, Problem> {
    let store = call.shop.models.store().clone();
    let read = move || Ok((store.latest()?, store.versions()?));
    let (latest, available) = match tokio::task::spawn_blocking(read).await {
        Ok(Ok(read)) => read,
        // The served model is listed even if the store cannot be read; `last_error` has the reason.
        Ok(Err::<_, qianmian_models::error::Error>(_)) | Err(_) => (None, Vec::new()),
    };
    let status = call.shop.models.status();
    let response = ModelsResponse {
        request_id: call.id,
        shop: &call.shop.name,
        serving: status.current.as_deref().map(served),
        previous: status.previous.as_ref().map(|loaded| ModelRef::of(&loaded.snapshot)),
        pinned: status.pinned,
        latest: latest.as_ref().map(pointer),
        available: &available,
        last_error: status.last_error.as_ref().map(last_error),
        took_us: call.took_us(),
    };
    json(&response, 4096)
}

fn served(loaded: &Loaded) -> ServedModel<'_> {
    ServedModel {
        model: ModelRef::of(&loaded.snapshot),
        opened_at: moment(loaded.opened_at),
        data_from: Moment(loaded.manifest.data_from),
        data_until: Moment(loaded.manifest.data_until),
        counts: &loaded.manifest.counts,
        metrics: &loaded.manifest.metrics,
    }
}

fn pointer(latest: &Latest) -> LatestPointer<'_> {
    LatestPointer { version: &latest.version, previous: latest.previous.as_deref() }
}

fn last_error(failure: &Failure) -> LastError<'_> {
    LastError {
        version: failure.refusal.version.as_deref(),
        section: failure.refusal.section.as_deref(),
        message: &failure.refusal.message,
        at: moment(failure.at),
    }
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Serves a version of the store from this process, until `latest.json` is next written. To change what
/// every process serves, publish.
#[utoipa::path(post, path = "/models/{version}/activate", operation_id = "activate_model", tag = "models",
    params(("version" = String, Path, description = "A version of the store.", min_length = 1, max_length = 128)),
    responses((status = 200, description = "It is served.", body = SwapResponse<'_>),
        (status = 404, description = "The store holds no such version.",
            body = crate::problem::ProblemBody<'_>, content_type = "application/problem+json"),
        (status = 409, description = "It is damaged or not understood; the old one goes on.",
            body = crate::problem::ProblemBody<'_>, content_type = "application/problem+json")))]
pub async fn activate(call: Call, PathId(version): PathId) -> Result<Response, Problem> {
    let shop = Arc::clone(&call.shop);
    // A task of its own: the swap completes even if the caller leaves.
    let swap = tokio::spawn(async move { shop.models.activate(&version).await });
    swapped(&call, swap.await)
}

/// Serves the version before the current one again, until `latest.json` is next written.
#[utoipa::path(post, path = "/models/rollback", operation_id = "roll_back_model", tag = "models",
    responses((status = 200, description = "It is served.", body = SwapResponse<'_>),
        (status = 409, description = "There is no version before, or it is damaged; the current one goes on.",
            body = crate::problem::ProblemBody<'_>, content_type = "application/problem+json")))]
pub async fn rollback(call: Call) -> Result<Response, Problem> {
    let shop = Arc::clone(&call.shop);
    let swap = tokio::spawn(async move { shop.models.rollback().await });
    swapped(&call, swap.await)
}

fn swapped(
    call: &Call,
    outcome: Result<Result<Arc<Loaded>, SwapError>, tokio::task::JoinError>,
) -> Result<Response, Problem> {
    let outcome = outcome.map_err(|_| Problem::new(Code::Internal, "the swap panicked"))?;
    let loaded = outcome.map_err(|error| match error {
        SwapError::NoPrevious => Problem::new(
            Code::NoPreviousModel,
            "neither memory nor the store knows a version before this one",
        ),
        SwapError::Refused(refusal) if refusal.absent => {
            Problem::new(Code::UnknownVersion, "the store holds no such version; `GET /models` lists them")
        }
        SwapError::Refused(refusal) => Problem::new(Code::ModelRefused, refusal.message),
    })?;
    let model = ModelRef::of(&loaded.snapshot);
    json(&SwapResponse { request_id: call.id, model, pinned: true, took_us: call.took_us() }, 512)
}
