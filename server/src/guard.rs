//! The layer in front of every route: scope, bounds, deadline, panics, metrics, and the form of errors.
//!
//! One layer instead of several: a route's guard knows its scope and its metrics when the router
//! is built, so that a request costs one boxed future and a few atomic additions.

use std::pin::pin;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::{self, App, Shop};
use crate::auth::{Denied, Grant, Scope};
use crate::caught::Caught;
use crate::problem::{Code, Problem};
use crate::rate::Clock;
use crate::request_id::RequestId;
use crate::screen::screen;
use crate::telemetry::RouteMetrics;

/// The header with the id of the answered request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header with the token of a storefront's user.
pub const USER_TOKEN: HeaderName = HeaderName::from_static("x-user-token");

/// The callers that may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone, without a key and without a bound, so that probes get through when the server is busy.
    Open,
    /// Holders of any key, unless it is a storefront's.
    Keyed,
    /// Holders of a key with this scope.
    Scoped(Scope),
    /// Holders of a key with this scope, and storefronts, for their own user.
    Shared(Scope),
}

/// The caller.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A server of the shop: it may act for everyone.
    Server,
    /// A storefront: it acts for the user of its token, or for no one.
    Storefront(Option<String>),
}

/// The guard of one route.
pub struct Guard {
    /// State that all requests share.
    pub app: Arc<App>,
    /// The callers that may use the route.
    pub access: Access,
    /// True if the route takes a query string.
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
    /// The time when its headers were read.
    pub started: Instant,
    /// The shop that the key is for.
    pub shop: Arc<Shop>,
    /// The caller.
    pub caller: Caller,
}

impl Call {
    /// True if a storefront calls.
    pub fn is_storefront(&self) -> bool {
        matches!(self.caller, Caller::Storefront(_))
    }

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
        (Ok(()), Access::Keyed | Access::Scoped(_) | Access::Shared(_)) => {
            match guard.admit(id, started, request) {
                Ok((request, shop)) => guard.answer_bounded(&shop, request, next).await,
                Err(problem) => problem.into_response(),
            }
        }
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
        id: RequestId,
        started: Instant,
        mut request: Request,
    ) -> Result<(Request, Arc<Shop>), Problem> {
        let grant = self.grant(&request).map_err(|denied| self.denied(denied))?;
        let caller = self.caller(&grant, &request)?;
        self.take(&grant, &caller, started)?;
        if !self.takes_query && request.uri().query().is_some_and(|query| !query.is_empty()) {
            return Err(Problem::new(Code::UnknownField, "this call takes no query string"));
        }
        let shop = Arc::clone(&self.app.shops[grant.shop]);
        request.extensions_mut().insert(Call { id, started, shop: Arc::clone(&shop), caller });
        Ok((request, shop))
    }

    /// The permissions of the caller's key. Beacons of web pages cannot set headers, so a storefront may send its key
    /// in the query string.
    fn grant(&self, request: &Request) -> Result<Grant<'_>, Denied> {
        let keys = &self.app.keys;
        match (keys.check(request.headers()), parameter(request, "key")) {
            (Err(Denied::MissingKey), Some(key)) if matches!(self.access, Access::Shared(_)) => {
                let grant = keys.check_key(key.as_bytes())?;
                // Proxies log query strings; other keys must not be in one.
                if grant.scopes == [Scope::Storefront] { Ok(grant) } else { Err(Denied::MissingKey) }
            }
            (checked, _) => checked,
        }
    }

    /// The caller, if the key has a scope that the route accepts.
    fn caller(&self, grant: &Grant<'_>, request: &Request) -> Result<Caller, Problem> {
        let (wanted, is_shared) = match &self.access {
            // Routes without a key are answered before this check.
            Access::Open | Access::Keyed => (&Scope::OF_SERVERS[..], false),
            Access::Scoped(scope) => (slice::from_ref(scope), false),
            Access::Shared(scope) => (slice::from_ref(scope), true),
        };
        if wanted.iter().any(|scope| grant.scopes.contains(scope)) {
            return Ok(Caller::Server);
        }
        if !is_shared || !grant.scopes.contains(&Scope::Storefront) {
            self.app.telemetry.missing_scope.increment(1);
            let names: Vec<String> = wanted.iter().map(|scope| format!("`{}`", scope.name())).collect();
            let detail = format!("the key lacks the scope {}", names.join(" or "));
            return Err(Problem::new(Code::MissingScope, detail));
        }
        let in_header = request.headers().get(USER_TOKEN).map(|token| token.to_str().unwrap_or_default());
        let Some(token) = in_header.or_else(|| parameter(request, "user_token")) else {
            return Ok(Caller::Storefront(None));
        };
        let user = grant.user(token, app::now()).map_err(|fault| {
            self.app.telemetry.invalid_token.increment(1);
            Problem::new(Code::InvalidToken, fault.to_string())
        })?;
        Ok(Caller::Storefront(Some(user)))
    }

    /// Takes one request from the limits of the key and of the user.
    fn take(&self, grant: &Grant<'_>, caller: &Caller, started: Instant) -> Result<(), Problem> {
        let now = Clock::since(self.app.started, started);
        if let Caller::Storefront(Some(user)) = caller {
            grant.take_of_user(&self.app.user_buckets, user, now).map_err(|wait| {
                self.app.telemetry.limited_user.increment(1);
                Problem::new(Code::RateLimited, "the user of the token sends too many requests")
                    .retry_after(wait)
            })?;
        }
        grant.take(now).map_err(|wait| {
            self.app.telemetry.limited_key.increment(1);
            Problem::new(Code::RateLimited, "too many requests come with this key").retry_after(wait)
        })
    }

    /// Counts a request that was refused before its key was checked.
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

/// The value of a parameter of the query string, not decoded.
fn parameter<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let pairs = request.uri().query()?.split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Gives an answer its request id, and turns any error into a problem.
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
    // Hex digits are valid in a header.
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
