//! Every route, with who may call it: the table of contents of the API.
//!
//! A route cannot be added without saying its [`Access`]; what it says guards it, and stands in the
//! OpenAPI document, which is made from the same table.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::handler::Handler;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{HttpMethod, PathItem};
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use crate::app::{ADMIN_PATIENCE, App};
use crate::auth::Scope::{Admin, Events, Read, Write};
use crate::guard::Access::{self, Open, Scoped};
use crate::guard::{Guard, guard};
use crate::handlers::{
    audience, bundle, docs, events, health, identities, items, models, recommend, similar, users,
};
use crate::openapi;
use crate::problem::{Code, Problem};

/// The routes of `app`, and the OpenAPI document that describes them.
pub fn router(app: &Arc<App>) -> (Router, OpenApi) {
    let metrics = if app.open_metrics { Open } else { Scoped(Admin) };
    Routes::new(app)
        .call(Scoped(Read), routes!(recommend::get))
        .call(Scoped(Read), routes!(recommend::post))
        .call(Scoped(Read), routes!(similar::post))
        .call(Scoped(Read), routes!(bundle::post))
        .call(Scoped(Read), routes!(audience::post))
        .call(Scoped(Read), routes!(users::get))
        .call(Scoped(Events), routes!(events::post))
        .call(Scoped(Events), routes!(identities::link))
        .call(Scoped(Write), routes!(identities::undo))
        .call(Scoped(Write), routes!(identities::get))
        .call(Scoped(Write), routes!(items::post))
        .call(Scoped(Admin), routes!(models::list))
        .call(Scoped(Admin), routes!(models::activate))
        .call(Scoped(Admin), routes!(models::rollback))
        .call(metrics, routes!(health::metrics))
        .call(Open, routes!(health::healthz))
        .call(Open, routes!(health::readyz))
        .page("/docs", get(docs::home))
        .page("/docs/", get(docs::page))
        .page("/docs/{*file}", get(docs::file))
        .finish()
}

/// Routes being gathered.
struct Routes {
    app: Arc<App>,
    router: Router<Arc<App>>,
    api: OpenApi,
}

impl Routes {
    fn new(app: &Arc<App>) -> Self {
        Self { app: Arc::clone(app), router: Router::new(), api: openapi::base(!app.keys.is_open()) }
    }

    /// Adds one call of the API: guarded by `access`, described in the document.
    fn call(mut self, access: Access, (schemas, paths, methods): UtoipaMethodRouter<Arc<App>>) -> Self {
        let components = self.api.components.get_or_insert_default();
        components.schemas.extend(schemas);
        for (path, mut item) in paths.paths {
            let mut takes_query = false;
            for operation in operations(&mut item) {
                takes_query |= openapi::takes_query(operation);
                openapi::complete(operation, access, !self.app.keys.is_open());
            }
            let method = if item.get.is_some() { HttpMethod::Get } else { HttpMethod::Post };
            let guarded = self.guarded(access, method, &path, takes_query, methods.clone());
            self.router = self.router.route(&path, guarded);
            match self.api.paths.paths.get_mut(&path) {
                Some(known) => known.merge_operations(item),
                None => {
                    self.api.paths.paths.insert(path, item);
                }
            }
        }
        self
    }

    /// Adds a page for people: open, and not part of the document.
    fn page(mut self, path: &str, methods: MethodRouter<Arc<App>>) -> Self {
        let guarded = self.guarded(Open, HttpMethod::Get, path, true, methods);
        self.router = self.router.route(path, guarded);
        self
    }

    fn guarded(
        &self,
        access: Access,
        method: HttpMethod,
        path: &str,
        takes_query: bool,
        methods: MethodRouter<Arc<App>>,
    ) -> MethodRouter<Arc<App>> {
        let method = if method == HttpMethod::Get { "GET" } else { "POST" };
        methods.route_layer(from_fn_with_state(self.guard(access, method, path, takes_query), guard))
    }

    fn guard(&self, access: Access, method: &'static str, path: &str, takes_query: bool) -> Arc<Guard> {
        let patience = if access == Scoped(Admin) { ADMIN_PATIENCE } else { self.app.patience };
        let metrics = self.app.telemetry.route(method, path);
        Arc::new(Guard { app: Arc::clone(&self.app), access, takes_query, patience, metrics })
    }

    fn finish(mut self) -> (Router, OpenApi) {
        // Plain strings, numbers and lists always serialise.
        let document = Bytes::from(serde_json::to_vec_pretty(&self.api).unwrap_or_default());
        let json = [(header::CONTENT_TYPE, "application/json")];
        self = self.page("/openapi.json", get(move || async move { (json, document) }));
        // Whatever is left over is counted as one route.
        let left_over = from_fn_with_state(self.guard(Open, "ANY", "unmatched", true), guard);
        let router = self
            .router
            .fallback(not_found.layer(left_over.clone()))
            .method_not_allowed_fallback(method_not_allowed.layer(left_over))
            .with_state(self.app);
        (router, self.api)
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut utoipa::openapi::path::Operation> {
    [item.get.as_mut(), item.post.as_mut(), item.put.as_mut(), item.delete.as_mut()].into_iter().flatten()
}

async fn not_found() -> Problem {
    Problem::new(Code::NotFound, "no route of this server; `/docs` lists them")
}

async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed, "the path takes other methods; `Allow` lists them")
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
    async fn a_handler_that_panics_is_answered_as_a_problem_and_counted() {
        let app = App::new(&crate::config::Config::default(), std::path::Path::new("/nowhere")).unwrap();
        let (router, _) = Routes::new(&app).page("/panic", get(panicking)).finish();
        let router = TowerToHyperService::new(router);
        for _ in 0..2 {
            let request = Request::get("/panic").body(Body::empty()).unwrap();
            let response = router.call(request).await.unwrap();
            assert_eq!(response.status(), 500);
            assert_eq!(response.headers()["content-type"], crate::problem::MEDIA_TYPE);
            let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
            assert!(String::from_utf8_lossy(&body).contains("\"code\":\"internal\""));
        }
        assert!(app.telemetry.render(None).contains("qianmian_panics_total 2"));
    }
}
