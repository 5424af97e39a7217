//! `/healthz`, `/readyz`, `/metrics`: probes and metrics of the platform.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{App, Shop};
use crate::guard::Call;
use crate::problem::{Code, Problem, ProblemBody};

/// The process is alive.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    #[schema(value_type = String)]
    status: &'static str,
}

/// True if traffic may come.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    /// Always true: a server that is not ready answers 503.
    ready: bool,
    /// Shops of the configuration.
    shops: usize,
    /// Shops that have a model.
    serving: usize,
    /// Background workers that restarted three times within the last minute; the log says why. Answers go on, with
    /// what the worker last did.
    failing_workers: Vec<&'static str>,
    /// Parts that do not work now: `live_state` while the live state of a shop cannot be written, such as on a full
    /// disk. Answers go on.
    #[schema(value_type = Vec<String>)]
    degraded: &'static [&'static str],
}

/// Reports that the process is alive.
#[utoipa::path(get, path = "/healthz", tag = "operations",
    responses((status = 200, description = "Alive.", body = Health)))]
pub async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Reports whether traffic may come, and which background workers keep failing.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, description = "A model is served.", body = Readiness),
    (status = 503, description = "No model is served yet, or the store of a shop was not read yet.",
        body = ProblemBody<'_>, content_type = "application/problem+json")))]
pub async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Readiness>, Problem> {
    let serving = app.shops.iter().filter(|shop| shop.models.current().is_some()).count();
    let shops = app.shops.len();
    if app.ready() {
        let failing_workers = app.workers.failing();
        let is_writable = |shop: &Arc<Shop>| shop.live_store().is_none_or(|live| live.is_writable());
        let degraded: &[&str] = if app.shops.iter().all(is_writable) { &[] } else { &["live_state"] };
        return Ok(Json(Readiness { ready: true, shops, serving, failing_workers, degraded }));
    }
    let detail = format!("{serving} of {shops} shops have a model; publish one into the model store");
    Err(Problem::new(Code::NotReady, detail))
}

/// Prometheus metrics: those of the process, and those of the key's shop.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "Prometheus text.", body = String, content_type = "text/plain")))]
pub async fn metrics(State(app): State<Arc<App>>, call: Option<Extension<Call>>) -> Response {
    let shop = call.as_ref().map(|call| call.shop.name.as_str());
    app.telemetry.in_flight.set(app.slots.taken() as f64);
    for shop in &app.shops {
        if let Some(live) = shop.live_store() {
            app.telemetry.live_writable(&shop.name).set(f64::from(u8::from(live.is_writable())));
        }
    }
    let text = app.telemetry.render(shop);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
