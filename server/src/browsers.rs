//! Web pages as callers: cross-origin requests, and compressed answers.
//!
//! A browser asks by a preflight request, which has no key, if a page of another origin may call. The answer is yes if
//! any key allows that origin. The call itself then needs such a key.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::app::App;
use crate::guard::{REQUEST_ID, USER_TOKEN};
use crate::handlers::audience::{MODEL_VERSION, NO_CONTACT_CONSENT, WITHIN_DAYS};

/// Shorter answers are not compressed: they fit into one packet anyway.
const MIN_COMPRESSED_BYTES: u64 = 1024;
/// Time for which a browser caches a preflight's answer.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);
/// Headers that pages may read.
const EXPOSED: [HeaderName; 5] =
    [REQUEST_ID, header::RETRY_AFTER, MODEL_VERSION, WITHIN_DAYS, NO_CONTACT_CONSENT];

/// `router`, for web pages of the configured origins, and with answers compressed for clients that accept it.
pub fn layers(router: Router, app: &Arc<App>) -> Router {
    let compression = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(MIN_COMPRESSED_BYTES).and(NotForContentType::SSE));
    let router = router.layer(compression);
    if app.origins.is_empty() {
        return router;
    }
    let app = Arc::clone(app);
    let allowed = AllowOrigin::predicate(move |origin, parts| app.allows(origin, parts));
    let cors = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::CONTENT_ENCODING, USER_TOKEN])
        .expose_headers(EXPOSED)
        .max_age(PREFLIGHT_AGE);
    router.layer(cors)
}

impl App {
    /// True if a page of `origin` may read the answer to this request.
    fn allows(&self, origin: &HeaderValue, parts: &Parts) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let is_listed = |origins: &[String]| origins.iter().any(|known| known == origin);
        if is_listed(&self.trusted.origins) {
            return true;
        }
        match self.keys.check(&parts.headers) {
            Ok(grant) => is_listed(grant.origins),
            // A preflight, or a request that will be denied: the page may read the reason.
            Err(_) => is_listed(&self.origins),
        }
    }
}
