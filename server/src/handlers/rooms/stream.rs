//! `GET /rooms/{id}/stream`: the room and its changes as server-sent events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use utoipa::IntoParams;

use super::check_name;
use crate::app::Shop;
use crate::extract::{PathId, QueryString};
use crate::guard::Call;
use crate::problem::{Code, Problem};
use crate::rooms::LiveRoom;
use crate::rooms::stream::Frame;

/// A stream without frames is sent a comment this often, so that nothing on the way closes it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The header that says after which frame a stream goes on; `snapshot`: it begins with the whole state.
pub const STREAM_FROM: HeaderName = HeaderName::from_static("x-stream-from");

/// Where a stream goes on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// The id of the last frame that was seen, as the header `Last-Event-ID`, which precedes it.
    last_event_id: Option<String>,
}

/// One stream.
struct Streaming {
    shop: Arc<Shop>,
    room: Arc<LiveRoom>,
    frames: broadcast::Receiver<Frame>,
    first: VecDeque<Bytes>,
    stopped: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

/// The room and its changes, as server-sent events: `snapshot`, then `change` at once, `figures` every second, `hash` every 5
/// seconds; `deleted` ends it.
#[utoipa::path(get, path = "/rooms/{id}/stream", operation_id = "stream_room", tag = "rooms",
    params(("id" = String, Path), StreamQuery,
        ("last-event-id" = Option<String>, Header, description = "The id of the last frame that was seen.")),
    responses((status = 200, description = "The events.", body = String, content_type = "text/event-stream"),
        (status = 404, description = "There is no such room.", body = crate::problem::ProblemBody<'_>,
            content_type = "application/problem+json")))]
pub async fn stream(
    call: Call,
    PathId(id): PathId,
    QueryString(query): QueryString<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_name(&id)?;
    let room = call.shop.rooms.required(&id)?;
    let permit = call.shop.rooms.stream_permit().ok_or_else(|| {
        Problem::new(Code::Overloaded, "too many streams are open; try again after `Retry-After` seconds")
    })?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let last = last.or(query.last_event_id).filter(|last| !last.is_empty());
    let subscription = room.subscribe(call.shop.models.current().as_deref(), last.as_deref());
    let from = subscription.replays_after.as_deref().unwrap_or("snapshot");
    let from = HeaderValue::from_str(from).unwrap_or_else(|_| HeaderValue::from_static("snapshot"));
    let streaming = Streaming {
        stopped: call.shop.rooms.stopped(),
        shop: call.shop,
        room,
        frames: subscription.frames,
        first: subscription.first.into(),
        _permit: permit,
    };
    let body = stream::unfold(streaming, |mut streaming| async {
        let bytes = streaming.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), streaming))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        (STREAM_FROM, from),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

impl Streaming {
    /// What is sent next; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(bytes) = self.first.pop_front() {
            return Some(bytes);
        }
        let frame = tokio::select! {
            _ = self.stopped.wait_for(|stopped| *stopped) => return None,
            frame = tokio::time::timeout(HEARTBEAT, self.frames.recv()) => frame,
        };
        match frame {
            Ok(Ok(frame)) => Some(frame.bytes),
            Ok(Err(RecvError::Lagged(_))) => self.begin_again(),
            Ok(Err(RecvError::Closed)) => None,
            Err(_) => Some(Bytes::from_static(b": heartbeat\n\n")),
        }
    }

    /// A reader that was too slow gets the whole state again.
    fn begin_again(&mut self) -> Option<Bytes> {
        let subscription = self.room.subscribe(self.shop.models.current().as_deref(), None);
        self.frames = subscription.frames;
        subscription.first.into_iter().next()
    }
}
