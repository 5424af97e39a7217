//! `POST /events`: what users do, taken in durably.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use qianmian_live::event::{Event, RawEvent};
use qianmian_live::log::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::answer::json;
use super::person::IdentityRef;
use super::rows::{self, RowFault, RowResult};
use crate::app::App;
use crate::extract::{RowsBody, parse};
use crate::fields::{Id, optional_object};
use crate::guard::Call;
use crate::live::now_ms;
use crate::problem::Problem;
use crate::request_id::RequestId;

/// What users did. As `application/x-ndjson` the body is one event a line instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsRequest<'a> {
    /// Each is taken in or refused by itself.
    #[serde(borrow)]
    #[schema(value_type = Vec<EventRow<'a>>, min_items = 1, max_items = 1000)]
    events: Vec<&'a RawValue>,
}

/// Something that a user did or was shown.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventRow<'a> {
    /// The caller's own id of the event: sent again within the `ttl`, it counts once.
    #[serde(borrow)]
    event_id: Id<'a>,
    /// `expose`, `click`, `view`, `add_to_cart`, `favorite`, `checkout`, `purchase`, `refund`, `dislike`, `share`,
    /// `search`, `room_enter`, `room_leave`, or a name that GA4, Segment or WeChat gives one of these.
    #[serde(borrow)]
    r#type: Id<'a>,
    /// When, RFC 3339 with an offset.
    #[serde(borrow)]
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Id<'a>,
    /// Who; this, `identity` or `session_id`.
    #[serde(borrow)]
    user_id: Option<Id<'a>>,
    /// A name by which a channel knows them; where `user_id` is there, the event counts for that.
    #[serde(borrow, default, deserialize_with = "optional_object")]
    identity: Option<IdentityRef<'a>>,
    /// The visit.
    #[serde(borrow)]
    session_id: Option<Id<'a>>,
    /// The item; all types need one but `checkout`, `share`, `search`, `room_enter` and `room_leave`.
    #[serde(borrow)]
    item_id: Option<Id<'a>>,
    /// Where: the channel.
    #[serde(borrow)]
    channel: Option<Id<'a>>,
    /// Where: the region, as the shop tells its regions apart; what trends is told by channel and region.
    #[serde(borrow)]
    region: Option<Id<'a>>,
    /// Where: the scene; of an exposure `home` where it is not given.
    #[serde(borrow)]
    scene: Option<Id<'a>>,
    /// Where: the livestream room.
    #[serde(borrow)]
    room_id: Option<Id<'a>>,
    /// The answer that led to it, by its `request_id`.
    #[serde(borrow)]
    request_id: Option<Id<'a>>,
    /// Money that went with it, in the shop's currency.
    #[schema(minimum = -1000000000.0, maximum = 1000000000.0)]
    value: Option<f64>,
}

impl EventRow<'_> {
    fn check(&self, now: i64) -> Result<Event, RowFault> {
        fn text<'t>(id: &'t Option<Id<'_>>) -> Option<&'t str> {
            id.as_ref().map(Id::as_str)
        }
        let raw = RawEvent {
            event_id: self.event_id.as_str(),
            kind: self.r#type.as_str(),
            occurred_at: self.occurred_at.as_str(),
            user_id: text(&self.user_id),
            identity: self
                .identity
                .as_ref()
                .map(|identity| (identity.r#type.as_str(), identity.value.as_str())),
            session_id: text(&self.session_id),
            item_id: text(&self.item_id),
            channel: text(&self.channel),
            region: text(&self.region),
            scene: text(&self.scene),
            room_id: text(&self.room_id),
            request_id: text(&self.request_id),
            value: self.value,
        };
        raw.check(now).map_err(RowFault::from)
    }
}

/// What became of each event.
#[derive(Serialize, ToSchema)]
pub struct EventsResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// Events that count from now on; they are durable.
    accepted: usize,
    /// One for each event, in order.
    results: Vec<RowResult<EventStatus>>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    /// It counts.
    Accepted,
    /// It was sent before, and counted then.
    Duplicate,
    /// Another event was sent under its `event_id` before; this one does not count.
    Conflict,
    /// It is not as an event must be; `field` and `reason` say why.
    Rejected,
}

impl From<Outcome> for EventStatus {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Accepted,
            Outcome::Duplicate => Self::Duplicate,
            Outcome::Conflict => Self::Conflict,
        }
    }
}

/// Takes in what users do. What is `accepted` is durable, and the next answer knows it.
///
/// Durable is: on this server's disk, or as Redis is set up to be.
#[utoipa::path(post, path = "/events", operation_id = "send_events", tag = "live state",
    request_body(content((EventsRequest<'_> = "application/json"), (EventRow<'_> = "application/x-ndjson"))),
    responses((status = 200, description = "What became of each event.", body = EventsResponse)))]
pub async fn post(call: Call, State(app): State<Arc<App>>, body: RowsBody) -> Result<Response, Problem> {
    let live = call.shop.live()?;
    let now = now_ms();
    let checked =
        rows::read(&body, "events", |request: EventsRequest<'_>| request.events, |row| event(row, now))?;
    let events: Vec<Event> = checked.iter().filter_map(|row| row.as_ref().ok().cloned()).collect();
    let outcomes = live.append(events).await?;
    let results = rows::results(checked, outcomes, EventStatus::Rejected);
    let count = |status| results.iter().filter(|result| result.status == status).count();
    app.telemetry.events.record([
        count(EventStatus::Accepted),
        count(EventStatus::Duplicate),
        count(EventStatus::Conflict),
        count(EventStatus::Rejected),
    ]);
    let accepted = count(EventStatus::Accepted);
    let bytes = 128 + 64 * results.len();
    json(&EventsResponse { request_id: call.id, accepted, results, took_us: call.took_us() }, bytes)
}

fn event(row: &[u8], now: i64) -> Result<Event, RowFault> {
    parse::<EventRow<'_>>(row).map_err(RowFault::from)?.check(now)
}
