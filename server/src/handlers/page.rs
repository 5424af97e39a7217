//! What the pages for people share: headers that keep other pages, and what they bring, out.

use axum::http::{HeaderName, HeaderValue, header};

/// Headers of every file of a page: `policy` says what it may load. No page may frame it, and links tell nobody where they stood.
pub fn headers(policy: &'static str) -> [(HeaderName, HeaderValue); 3] {
    [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ]
}
