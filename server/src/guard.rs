//! What stands before every route: scope, bounds, deadline, panics, metrics, and the form of errors.
//!
//! One layer rather than a stack of them: a route's guard knows its scope and its metrics when the router
//! is built, so that a request pays for one boxed future and a few atomic additions.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::{App, Shop};
use crate::auth::{Denied, Scope};
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;
use crate::telemetry::RouteMetrics;

/// The header that names an answer's request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone, without a key; never bounded, so that probes get through when the server is busy.
    Open,
    /// Who has a key with this scope.
    Scoped(Scope),
}

/// The guard of one route.
pub struct Guard {
    /// What every request shares.
    pub app: Arc<App>,
    /// Who may call.
    pub access: Access,
    /// Whether the route takes a query string.
    pub takes_query: bool,
    /// For the answer to be worked out.
    pub patience: Duration,
    /// The route's metrics.
    pub metrics: RouteMetrics,
}

/// The call being answered: its id, its beginning and its shop. Only a guarded route has one.
#[derive(Clone)]
pub struct Call {
    /// The request's id.
    pub id: RequestId,
    /// When its headers were read.
    pub started: Instant,
    /// The shop that the key names.
    pub shop: Arc<Shop>,
}

impl Call {
    /// Microseconds since the headers were read.
    pub fn took_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let missing = || Problem::new(Code::Internal, "the route is not guarded");
        parts.extensions.remove::<Self>().ok_or_else(missing)
    }
}

/// Lets a request through to its route, or not, and finishes the answer.
pub async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let app = &guard.app;
    let id = app.request_ids.next();
    let mut response = match guard.access {
        Access::Open => guard.answer(request, next).await,
        Access::Scoped(scope) => match guard.admit(scope, id, started, request) {
            Ok((request, shop)) => guard.answer_bounded(&shop, request, next).await,
            Err(problem) => problem.into_response(),
        },
    };
    finish(&mut response, id);
    let status = response.status().as_u16();
    guard.metrics.record(status, started.elapsed().as_secs_f64());
    response
}

impl Guard {
    /// Checks the key and the query string, and gives the request its [`Call`].
    fn admit(
        &self,
        scope: Scope,
        id: RequestId,
        started: Instant,
        mut request: Request,
    ) -> Result<(Request, Arc<Shop>), Problem> {
        let grant = self.app.keys.check(request.headers()).map_err(|denied| self.denied(denied))?;
        if !grant.scopes.contains(&scope) {
            self.app.telemetry.missing_scope.increment(1);
            let detail = format!("the key lacks the scope `{}`", scope.name());
            return Err(Problem::new(Code::MissingScope, detail));
        }
        if !self.takes_query && request.uri().query().is_some_and(|query| !query.is_empty()) {
            return Err(Problem::new(Code::UnknownField, "this call takes no query string"));
        }
        let shop = Arc::clone(&self.app.shops[grant.shop]);
        request.extensions_mut().insert(Call { id, started, shop: Arc::clone(&shop) });
        Ok((request, shop))
    }

    fn denied(&self, denied: Denied) -> Problem {
        let telemetry = &self.app.telemetry;
        match denied {
            Denied::MissingKey => {
                telemetry.missing_key.increment(1);
                Problem::new(Code::MissingKey, "send `Authorization: Bearer <key>`")
            }
            Denied::UnknownKey => {
                telemetry.unknown_key.increment(1);
                Problem::new(Code::UnknownKey, "the key is none of those that the configuration holds")
            }
        }
    }

    async fn answer_bounded(&self, shop: &Shop, request: Request, next: Next) -> Response {
        let (Some(_one), Some(_other)) = (self.app.slots.take(), shop.slots.take()) else {
            self.app.telemetry.overloaded.increment(1);
            let detail = "too many requests are in flight; try again after `Retry-After` seconds";
            return Problem::new(Code::Overloaded, detail).into_response();
        };
        self.answer(request, next).await
    }

    async fn answer(&self, request: Request, next: Next) -> Response {
        let work = pin!(next.run(request));
        match tokio::time::timeout(self.patience, Caught { work }).await {
            Ok(Some(response)) => response,
            Ok(None) => {
                self.app.telemetry.panics.increment(1);
                Problem::new(Code::Internal, "a fault of the server; its log has the details").into_response()
            }
            Err(_) => {
                let detail = format!("no answer within {} seconds", self.patience.as_secs_f64());
                Problem::new(Code::TimedOut, detail).into_response()
            }
        }
    }
}

/// Gives an answer its request id, and an error its form: whoever made it, it leaves as a problem.
fn finish(response: &mut Response, id: RequestId) {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let made_here = response.extensions_mut().remove::<Problem>();
        let problem = made_here.unwrap_or_else(|| {
            let detail = status.canonical_reason().unwrap_or("an error");
            Problem::new(Code::of_status(status), detail)
        });
        problem.render(id, response);
        match problem.code() {
            Code::Internal => {
                tracing::error!(request_id = %id, detail = problem.detail(), "a request failed");
            }
            Code::TimedOut => tracing::warn!(request_id = %id, "a request took too long"),
            code => tracing::debug!(request_id = %id, ?code, "a request was refused"),
        }
    }
    // Hex digits make a header value.
    if let Ok(value) = HeaderValue::from_bytes(&id.digits()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
}

/// A future that ends with `None` when it panics. The panic itself is reported by the panic hook.
struct Caught<'f, F> {
    work: Pin<&'f mut F>,
}

impl<F: Future> Future for Caught<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A request that panicked is dropped whole, so nothing half changed is seen again.
        match catch_unwind(AssertUnwindSafe(|| self.work.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_answer() {
        let work = pin!(async {
            if std::hint::black_box(true) {
                panic!("on purpose")
            }
        });
        assert!(Caught { work }.await.is_none());
        let work = pin!(async { 7 });
        assert_eq!(Caught { work }.await, Some(7));
    }

    #[tokio::test]
    async fn an_error_that_the_framework_made_leaves_as_a_problem() {
        let mut response = (axum::http::StatusCode::PAYLOAD_TOO_LARGE, "plain text").into_response();
        finish(&mut response, RequestId::default());
        assert_eq!(response.headers()["content-type"], crate::problem::MEDIA_TYPE);
        assert_eq!(response.headers()[REQUEST_ID].len(), 32);
    }
}
