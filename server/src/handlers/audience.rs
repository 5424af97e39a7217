//! `/audience` (货找人): goods -> people, as JSON or as a stream of lines.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use qianmian_models::audience::{self, AudienceQuery, Prospect};
use qianmian_models::ids::UserIx;
use qianmian_models::query::Source;
use qianmian_models::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{EmptyReason, ModelRef, Moment, Reason, Reasons, bought_together, finite, json, resolve};
use crate::app::{self, App};
use crate::extract::JsonBody;
use crate::fields::{Count, Ids};
use crate::guard::Call;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;
use crate::snapshots::Loaded;

/// The media type of the stream: one person a line.
const NDJSON: &str = "application/x-ndjson";
/// The header of the stream that names its model, as the body of the other form does.
const MODEL_VERSION: HeaderName = HeaderName::from_static("x-model-version");
/// People written before the connection is offered them.
const LINES_A_FRAME: usize = 256;

/// Which people for these goods?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AudienceRequest<'a> {
    /// The goods.
    #[serde(borrow)]
    item_ids: Ids<'a, 1, 100>,
    /// Length of the audience.
    #[serde(default = "usual_count")]
    #[schema(default = 100)]
    count: Count<100_000>,
    /// Leave out who bought any of the goods before.
    #[serde(default)]
    exclude_buyers: bool,
}

fn usual_count() -> Count<100_000> {
    Count::of(100)
}

/// An audience.
#[derive(Serialize, ToSchema)]
pub struct AudienceResponse<'a> {
    #[schema(value_type = String)]
    request_id: RequestId,
    model: ModelRef<'a>,
    /// Why there is nobody, where there is nobody.
    empty_reason: Option<EmptyReason>,
    /// Ids of the request that the model does not know.
    unknown_item_ids: &'a [String],
    /// Likeliest first.
    users: Vec<AudienceUser<'a>>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// One person of an audience.
#[derive(Serialize, ToSchema)]
pub struct AudienceUser<'a> {
    user_id: &'a str,
    /// Place, from 1.
    rank: usize,
    /// Comparable within one answer; higher is likelier to buy.
    score: f32,
    segment: Segment,
    /// Baskets in which they already bought one of the goods.
    bought: u32,
    /// The channel that they buy through most, where it is known.
    channel: Option<&'a str>,
    /// Strongest first.
    #[schema(value_type = Vec<Reason<'a>>)]
    reasons: Reasons<'a>,
}

/// Whether the person bought the goods before.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// They did.
    Repeat,
    /// They did not.
    New,
}

/// An audience that was found, with what it takes to write it.
struct Audience {
    model: Arc<Loaded>,
    query: AudienceQuery,
    prospects: Vec<Prospect>,
}

/// Finds the people for goods. With `Accept: application/x-ndjson` the answer is a stream, one person a
/// line, and the headers name the request and the model.
#[utoipa::path(post, path = "/audience", operation_id = "audience", tag = "goods -> people", request_body = AudienceRequest<'_>,
    responses((status = 200, description = "People, likeliest first.", content(
        (AudienceResponse<'_> = "application/json"), (AudienceUser<'_> = "application/x-ndjson")))))]
pub async fn post(
    call: Call,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let request: AudienceRequest<'_> = body.parse()?;
    let model = Arc::clone(&*call.shop.model()?);
    let snapshot = &model.snapshot;
    let mut unknown = Vec::new();
    // In order, so that a person's purchases are looked up by bisection.
    let mut items = resolve(snapshot, request.item_ids.iter(), &mut unknown);
    items.sort_unstable();
    let unknown: Vec<String> = unknown.into_iter().map(str::to_owned).collect();
    let (count, at) = (request.count.get(), snapshot.clamp_time(app::now()));
    let query = AudienceQuery { items, exclude_buyers: request.exclude_buyers, count, at };
    let stream = wants_lines(&headers);
    // The semaphore is never closed.
    let place = Arc::clone(&app.heavy).acquire_owned().await.ok();
    let work = move || {
        // Given back when the work is done, even if nobody waits for it any more.
        let _place = place;
        let prospects = match query.items.is_empty() {
            true => Vec::new(),
            false => audience::audience(&model.snapshot, &query),
        };
        let audience = Audience { model, query, prospects };
        if stream { Ok(lines(audience)) } else { whole(&audience, &call, &unknown) }
    };
    let failed = |_| Problem::new(Code::Internal, "finding the audience panicked");
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// Whether the stream is accepted, and the whole is not accepted just as gladly.
fn wants_lines(headers: &HeaderMap) -> bool {
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

fn whole(audience: &Audience, call: &Call, unknown: &[String]) -> Result<Response, Problem> {
    let users: Vec<AudienceUser<'_>> = (0..audience.prospects.len()).map(|n| audience.user(n)).collect();
    let response = AudienceResponse {
        request_id: call.id,
        model: ModelRef::of(&audience.model.snapshot),
        empty_reason: EmptyReason::of(&audience.query.items, users.len()),
        unknown_item_ids: unknown,
        took_us: call.took_us(),
        users,
    };
    json(&response, 512 + 200 * audience.prospects.len())
}

fn lines(audience: Audience) -> Response {
    let version = HeaderValue::from_str(&audience.model.snapshot.version).ok();
    let media = [(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON))];
    let mut response = (media, Body::new(Lines { audience, written: 0 })).into_response();
    if let Some(version) = version {
        response.headers_mut().insert(MODEL_VERSION, version);
    }
    response
}

impl Audience {
    fn user(&self, n: usize) -> AudienceUser<'_> {
        let (snapshot, prospect) = (&self.model.snapshot, &self.prospects[n]);
        AudienceUser {
            user_id: snapshot.users.id(prospect.user),
            rank: n + 1,
            score: finite(prospect.score),
            segment: if prospect.bought > 0 { Segment::Repeat } else { Segment::New },
            bought: prospect.bought,
            channel: snapshot.profiles.channel(prospect.user),
            reasons: Reasons::of(&prospect.evidence, &snapshot.blend.audience, |source| match source {
                Source::Personal => self.bought_before(snapshot, prospect.user),
                Source::CoPurchase | Source::Ease | Source::EaseRecent | Source::Transition => {
                    prospect.because.map(|other| bought_together(snapshot, other))
                }
                Source::Factors
                | Source::UserKnn
                | Source::LowPass
                | Source::External1
                | Source::External2 => Some(Reason::Taste),
                Source::Popularity => Some(Reason::Active),
            }),
        }
    }

    fn bought_before<'a>(&self, snapshot: &'a Snapshot, user: UserIx) -> Option<Reason<'a>> {
        let goods = |item: &u32| self.query.items.binary_search(item).is_ok();
        let (mut times, mut last_at) = (0u32, 0);
        for purchase in snapshot.history.of(user).filter(|purchase| goods(&purchase.ix)) {
            times = times.saturating_add(purchase.baskets);
            last_at = last_at.max(purchase.last_at);
        }
        (times > 0).then_some(Reason::BoughtBefore { times, last_at: Moment(last_at.into()) })
    }
}

/// An audience as a body that is written as fast as it is read.
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
        let mut lines = Vec::with_capacity(200 * (end - this.written));
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
            wants_lines(&[(header::ACCEPT, HeaderValue::from_str(accept).unwrap())].into_iter().collect())
        };
        assert!(wants("application/x-ndjson"));
        assert!(wants("text/html, Application/X-NDJSON;q=0.9"));
        assert!(wants("application/json;q=0.5, application/x-ndjson, */*"));
        assert!(!wants("application/json, application/x-ndjson"));
        assert!(!wants("application/x-ndjson;q=0"));
        assert!(!wants("*/*"));
        assert!(!wants_lines(&HeaderMap::new()));
    }
}
