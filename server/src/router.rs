//! Every route, with its access: the table of contents of the API.
//!
//! A route cannot be added without its [`Access`], which guards it and appears in the OpenAPI document. Only `Shared`
//! routes accept storefront keys; each of their handlers must obey [`Call::caller`](crate::guard::Call).

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::handler::Handler;
use axum::http::{Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use crate::app::{ADMIN_PATIENCE, App};
use crate::auth::Scope::{Admin, Events, Read, Write};
use crate::browsers;
use crate::guard::Access::{self, Keyed, Open, Scoped, Shared};
use crate::guard::{self, Guard};
use crate::handlers::{
    audience, bundle, consent, console, docs, events, halls, health, identities, items, key, models, pages,
    recommend, rooms, scenes, similar, users,
};
use crate::openapi;
use crate::problem::{Code, Problem};

/// The routes of `app`, and the OpenAPI document that describes them.
pub fn router(app: &Arc<App>) -> (Router, OpenApi) {
    Routes::new(app)
        .call(Shared(Read), routes!(recommend::get))
        .call(Shared(Read), routes!(recommend::post))
        .call(Shared(Read), routes!(similar::post))
        .call(Shared(Read), routes!(bundle::post))
        .call(Shared(Read), routes!(pages::post))
        .call(Scoped(Read), routes!(audience::post))
        .call(Scoped(Read), routes!(users::get))
        .call(Scoped(Read), routes!(consent::get))
        .call(Scoped(Write), routes!(consent::put))
        .call(Shared(Events), routes!(events::post))
        .call(Scoped(Events), routes!(identities::link))
        .call(Scoped(Write), routes!(identities::undo))
        .call(Scoped(Write), routes!(identities::get))
        .call(Scoped(Read), routes!(items::get))
        .call(Scoped(Write), routes!(items::post))
        .call(Scoped(Write), routes!(halls::list))
        .call(Scoped(Write), routes!(halls::get))
        .call(Scoped(Write), routes!(halls::put))
        .call(Scoped(Write), routes!(halls::delete))
        .call(Scoped(Write), routes!(halls::history))
        .call(Scoped(Write), routes!(halls::undo))
        .call(Shared(Read), routes!(halls::slate))
        .call(Scoped(Write), routes!(scenes::list))
        .call(Scoped(Write), routes!(scenes::get))
        .call(Scoped(Write), routes!(scenes::put))
        .call(Scoped(Write), routes!(scenes::delete))
        .call(Scoped(Write), routes!(scenes::history))
        .call(Scoped(Write), routes!(scenes::undo))
        .call(Scoped(Write), routes!(scenes::preview))
        .call(Scoped(Read), routes!(rooms::list))
        .call(Shared(Read), routes!(rooms::get))
        .call(Scoped(Write), routes!(rooms::put))
        .call(Scoped(Write), routes!(rooms::delete))
        .call(Scoped(Write), routes!(rooms::history))
        .call(Scoped(Write), routes!(rooms::undo))
        .call(Shared(Read), routes!(rooms::list_products))
        .call(Scoped(Write), routes!(rooms::add_products))
        .call(Scoped(Write), routes!(rooms::order_products))
        .call(Scoped(Write), routes!(rooms::edit_product))
        .call(Scoped(Write), routes!(rooms::remove_product))
        .call(Scoped(Write), routes!(rooms::explain))
        .call(Scoped(Write), routes!(rooms::push))
        .call(Scoped(Read), routes!(rooms::stream))
        .call(Scoped(Read), routes!(rooms::figures))
        .call(Scoped(Write), routes!(rooms::start_sale))
        .call(Scoped(Write), routes!(rooms::end_sale))
        .call(Scoped(Write), routes!(rooms::reserve))
        .call(Scoped(Write), routes!(rooms::confirm))
        .call(Scoped(Write), routes!(rooms::release))
        .call(Scoped(Admin), routes!(models::list))
        .call(Scoped(Admin), routes!(models::activate))
        .call(Scoped(Admin), routes!(models::rollback))
        .call(Keyed, routes!(key::get))
        .probes()
        .page(Open, "/console", get(console::home))
        .page(Open, "/console/", get(console::page))
        .page(Open, "/console/{*file}", get(console::file))
        .page(Open, "/docs", get(docs::home))
        .page(Open, "/docs/", get(docs::page))
        .page(Open, "/docs/{*file}", get(docs::file))
        .finish()
}

/// The routes of probes alone.
pub fn probes(app: &Arc<App>) -> Router {
    Routes::new(app).probes().finish().0
}

/// Routes being gathered.
struct Routes {
    app: Arc<App>,
    router: Router<Arc<App>>,
    api: OpenApi,
}

impl Routes {
    fn new(app: &Arc<App>) -> Self {
        Self { app: Arc::clone(app), router: Router::new(), api: openapi::base() }
    }

    /// Adds the calls of the platform.
    fn probes(self) -> Self {
        let metrics = if self.app.open_metrics { Open } else { Scoped(Admin) };
        self.call(metrics, routes!(health::metrics))
            .call(Open, routes!(health::healthz))
            .call(Open, routes!(health::readyz))
    }

    /// Adds one call of the API: guarded by `access`, described in the document.
    fn call(mut self, access: Access, (schemas, paths, methods): UtoipaMethodRouter<Arc<App>>) -> Self {
        self.api.components.get_or_insert_default().schemas.extend(schemas);
        for (path, mut item) in paths.paths {
            let mut takes_query = false;
            let mut names = Vec::new();
            for (name, operation) in operations(&mut item) {
                takes_query |= openapi::takes_query(operation);
                openapi::complete(operation, access, !self.app.keys.is_open());
                names.push(name);
            }
            let guard = self.guard(access, &names.join(","), &path, takes_query);
            self.router = self.router.route(&path, guarded(guard, methods.clone()));
            match self.api.paths.paths.get_mut(&path) {
                Some(known) => known.merge_operations(item),
                None => {
                    self.api.paths.paths.insert(path, item);
                }
            }
        }
        self
    }

    /// Adds a page for people: not part of the document.
    fn page(mut self, access: Access, path: &str, methods: MethodRouter<Arc<App>>) -> Self {
        let guard = self.guard(access, "GET", path, true);
        self.router = self.router.route(path, guarded(guard, methods));
        self
    }

    fn guard(&self, access: Access, method: &str, path: &str, takes_query: bool) -> Arc<Guard> {
        let patience = if access == Scoped(Admin) { ADMIN_PATIENCE } else { self.app.patience };
        let metrics = self.app.telemetry.route(method, path);
        Arc::new(Guard { app: Arc::clone(&self.app), access, takes_query, patience, metrics })
    }

    fn finish(mut self) -> (Router, OpenApi) {
        // Plain strings, numbers and lists always serialize.
        openapi::name_alternatives(&mut self.api);
        openapi::describe_defaults(&mut self.api);
        let document = Bytes::from(serde_json::to_vec_pretty(&self.api).unwrap_or_default());
        let json = [(header::CONTENT_TYPE, "application/json")];
        self = self.page(Open, "/openapi.json", get(move || async move { (json, document) }));
        // All requests without a route share one metric.
        let left_over = from_fn_with_state(self.guard(Open, "ANY", "unmatched", true), guard::guard);
        let router = self
            .router
            .fallback(not_found.layer(left_over.clone()))
            .method_not_allowed_fallback(method_not_allowed.layer(left_over))
            .with_state(Arc::clone(&self.app));
        (browsers::layers(router, &self.app), self.api)
    }
}

fn guarded(guard: Arc<Guard>, methods: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    methods.route_layer(from_fn_with_state(guard, guard::guard))
}

/// The operations of a path, with their methods.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let methods = [
        ("GET", item.get.as_mut()),
        ("PUT", item.put.as_mut()),
        ("POST", item.post.as_mut()),
        ("DELETE", item.delete.as_mut()),
        ("OPTIONS", item.options.as_mut()),
        ("HEAD", item.head.as_mut()),
        ("PATCH", item.patch.as_mut()),
        ("TRACE", item.trace.as_mut()),
    ];
    methods.into_iter().filter_map(|(method, operation)| Some((method, operation?)))
}

async fn not_found() -> Problem {
    Problem::new(Code::NotFound, "no route of this server; `/docs` lists them")
}

/// `OPTIONS` asks for the methods of a path; the router answers in `Allow`.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::new(Code::MethodNotAllowed, "the path takes other methods; `Allow` lists them").into_response()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    async fn panicking() -> &'static str {
        panic!("on purpose")
    }

    #[tokio::test]
    async fn a_panicking_handler_is_answered_as_a_problem_and_counted() {
        let app =
            App::new(&crate::config::Config::default(), std::path::Path::new("/nowhere"), true).unwrap();
        let (router, _) = Routes::new(&app).page(Open, "/panic", get(panicking)).finish();
        let router = TowerToHyperService::new(router);
        for _ in 0..2 {
            let request = Request::get("/panic").header("host", "localhost").body(Body::empty()).unwrap();
            let response = router.call(request).await.unwrap();
            assert_eq!(response.status(), 500);
            assert_eq!(response.headers()["content-type"], crate::problem::MEDIA_TYPE);
            let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
            assert!(String::from_utf8_lossy(&body).contains("\"code\":\"internal\""));
        }
        assert!(app.telemetry.render(None).contains("qianmian_panics_total 2"));
    }
}
