//! Headers of the pages for people: they block other pages and third-party content.

use axum::http::{HeaderName, HeaderValue, header};

/// Headers of every file of a page: `policy` is its content security policy. No page may frame it, and links send no
/// referrer.
pub fn headers(policy: &'static str) -> [(HeaderName, HeaderValue); 3] {
    [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ]
}
