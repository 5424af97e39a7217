//! The layer in front of every route: scope, bounds, deadline, panics, metrics, and the form of errors.
//!
//! One layer instead of several: a route's guard knows its scope and its metrics when the router
//! is built, so that a request costs one boxed future and a few atomic additions.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::{App, Shop};
use crate::auth::{Denied, Scope};
use crate::caught::Caught;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;
use crate::screen::screen;
use crate::telemetry::RouteMetrics;

/// The header with the id of the answered request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone, without a key and without a bound, so that probes get through when the server is busy.
    Open,
    /// Holders of a key with this scope.
    Scoped(Scope),
}

/// The guard of one route.
pub struct Guard {
    /// State that all requests share.
    pub app: Arc<App>,
    /// Who may call.
    pub access: Access,
    /// Whether the route takes a query string.
    pub takes_query: bool,
    /// Longest time to compute the answer.
    pub patience: Duration,
    /// The route's metrics.
    pub metrics: RouteMetrics,
}

/// The call being answered: its id, its start and its shop. Only routes with a scope have one.
#[derive(Clone)]
pub struct Call {
    /// The request's id.
    pub id: RequestId,
    /// When its headers were read.
    pub started: Instant,
    /// The shop that the key is for.
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
        let missing = || Problem::new(Code::Internal, "the route has no scope");
        parts.extensions.remove::<Self>().ok_or_else(missing)
    }
}

/// Passes a request on to its route, or refuses it, and finishes the answer.
pub async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let app = &guard.app;
    let id = app.request_ids.next();
    let mut response = match (screen(&request, &app.trusted), guard.access) {
        (Err(problem), _) => guard.refused(problem).into_response(),
        (Ok(()), Access::Open) => guard.answer(request, next).await,
        (Ok(()), Access::Scoped(scope)) => match guard.admit(scope, id, started, request) {
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

    /// Counts a request that was refused before its key was looked at.
    fn refused(&self, problem: Problem) -> Problem {
        if problem.code() == Code::UntrustedOrigin {
            self.app.telemetry.untrusted_origin.increment(1);
        }
        problem
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
                Problem::new(Code::UnknownKey, "the configuration does not hold this key")
            }
        }
    }

    async fn answer_bounded(&self, shop: &Shop, request: Request, next: Next) -> Response {
        let (Some(_in_process), Some(_in_shop)) = (self.app.slots.take(), shop.slots.take()) else {
            self.app.telemetry.overloaded.increment(1);
            let detail = "too many requests are in flight; try again after `Retry-After` seconds";
            return Problem::new(Code::Overloaded, detail).into_response();
        };
        if self.app.queue.turn().await.is_err() {
            self.app.telemetry.queued.increment(1);
            let detail = "requests wait too long for a processor; try again after `Retry-After` seconds";
            return Problem::new(Code::Overloaded, detail).into_response();
        }
        self.answer(request, next).await
    }

    async fn answer(&self, request: Request, next: Next) -> Response {
        let work = pin!(next.run(request));
        match tokio::time::timeout(self.patience, Caught::new(work)).await {
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

/// Gives an answer its request id, and turns an error into a problem, whoever made it.
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
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Hex digits make a header value.
    if let Ok(value) = HeaderValue::from_bytes(&id.digits()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_of_the_framework_becomes_a_problem() {
        let mut response = (axum::http::StatusCode::PAYLOAD_TOO_LARGE, "plain text").into_response();
        finish(&mut response, RequestId::default());
        assert_eq!(response.headers()["content-type"], crate::problem::MEDIA_TYPE);
        assert_eq!(response.headers()[REQUEST_ID].len(), 32);
    }
}
