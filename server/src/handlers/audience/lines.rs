//! An audience as a stream of lines, one person each.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;

use super::answer::{Audience, Within};

/// The media type of the stream.
const NDJSON: &str = "application/x-ndjson";
/// Header of the stream: the version of the model.
pub const MODEL_VERSION: HeaderName = HeaderName::from_static("x-model-version");
/// Header of the stream: the days that probabilities are for.
pub const WITHIN_DAYS: HeaderName = HeaderName::from_static("x-within-days");
/// Header of the stream: candidates who were left out because they do not allow to be contacted.
pub const NO_CONTACT_CONSENT: HeaderName = HeaderName::from_static("x-excluded-no-contact-consent");
/// People in one frame of the body.
const LINES_A_FRAME: usize = 256;

/// True if the client prefers the stream to one document.
pub fn wanted(headers: &HeaderMap) -> bool {
    let (mut lines, mut whole) = (0.0, 0.0);
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0f32);
        if media.eq_ignore_ascii_case(NDJSON) {
            lines = quality;
        } else if media.eq_ignore_ascii_case("application/json") {
            whole = quality;
        }
    }
    lines > whole
}

/// The audience as a response that is written at the speed at which the client reads.
pub fn response(audience: Audience) -> Response {
    let version = HeaderValue::from_str(&audience.model.snapshot.version).ok();
    let within = match audience.within() {
        Some(Within::Days { days }) => HeaderValue::from_str(&days.to_string()).ok(),
        _ => None,
    };
    let excluded = Some(HeaderValue::from(audience.without_consent));
    let media = [(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON))];
    let mut response = (media, Body::new(Lines { audience, written: 0 })).into_response();
    for (name, value) in [(MODEL_VERSION, version), (WITHIN_DAYS, within), (NO_CONTACT_CONSENT, excluded)] {
        value.map(|value| response.headers_mut().insert(name, value));
    }
    response
}

struct Lines {
    audience: Audience,
    written: usize,
}

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = serde_json::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let end = this.audience.prospects.len().min(this.written + LINES_A_FRAME);
        if this.written == end {
            return Poll::Ready(None);
        }
        let mut lines = Vec::with_capacity(240 * (end - this.written));
        for n in this.written..end {
            if let Err(error) = serde_json::to_writer(&mut lines, &this.audience.user(n)) {
                return Poll::Ready(Some(Err(error)));
            }
            lines.push(b'\n');
        }
        this.written = end;
        Poll::Ready(Some(Ok(Frame::data(lines.into()))))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_stream_is_written_only_when_asked_for() {
        let wants = |accept: &str| {
            wanted(&[(header::ACCEPT, HeaderValue::from_str(accept).unwrap())].into_iter().collect())
        };
        assert!(wants("application/x-ndjson"));
        assert!(wants("text/html, Application/X-NDJSON;q=0.9"));
        assert!(wants("application/json;q=0.5, application/x-ndjson, */*"));
        assert!(!wants("application/json, application/x-ndjson"));
        assert!(!wants("application/x-ndjson;q=0"));
        assert!(!wants("*/*"));
        assert!(!wanted(&HeaderMap::new()));
    }
}
