//! `POST /events`: events, stored durably.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use qianmian_live::check::{self, Fault};
use qianmian_live::event::{Event, RawEvent};
use qianmian_live::log::Outcome;
use qianmian_live::people::Name;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::answer::json;
use super::person::IdentityRef;
use super::rows::{self, Checked, Row, RowResult};
use crate::app::App;
use crate::extract::{BeaconBody, QueryString, parse};
use crate::fields::{EventTypeName, Id, Timestamp, optional_id, optional_object};
use crate::guard::{Call, Caller};
use crate::live::{Live, now_ms};
use crate::nearest::cut;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;

/// What users did. As `application/x-ndjson` the body is one event a line instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsRequest<'a> {
    /// Each is accepted or refused by itself.
    #[serde(borrow)]
    #[schema(value_type = Vec<EventRow<'a>>, min_items = 1, max_items = 1000)]
    events: Vec<&'a RawValue>,
    /// When the body was sent, by the clock of the device: by how much that clock is wrong is subtracted from every
    /// `occurred_at`, in whole minutes.
    #[schema(value_type = Option<Timestamp>)]
    sent_at: Option<Timestamp>,
}

/// How strictly events are read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Accept events with unknown fields, without these fields; `ignored_fields` of the answer counts them.
    #[serde(default)]
    lenient: bool,
    /// A storefront key, for beacons, which have no headers of their own.
    #[serde(default)]
    #[expect(dead_code, reason = "read by the guard")]
    key: Option<String>,
    /// The token of the storefront's user, for beacons.
    #[serde(default)]
    #[expect(dead_code, reason = "read by the guard")]
    user_token: Option<String>,
}

/// Something that a user did or was shown.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventRow<'a> {
    /// The caller's own id of the event. Sent again within the `ttl`, the event counts once.
    #[serde(borrow)]
    event_id: Id<'a>,
    /// What happened.
    #[serde(borrow)]
    #[schema(value_type = EventTypeName)]
    r#type: Id<'a>,
    /// When, by the clock of the device.
    occurred_at: Timestamp,
    /// When this event was sent, by the same clock; else that of the whole body counts.
    sent_at: Option<Timestamp>,
    /// The person; this, `identity` or `session_id` is required.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    user_id: Option<Id<'a>>,
    /// The person, by an identity of a channel; with `user_id`, the event counts for that.
    #[serde(borrow, default, deserialize_with = "optional_object")]
    identity: Option<IdentityRef<'a>>,
    /// The visit.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    session_id: Option<Id<'a>>,
    /// The item; all types need one but `checkout`, `share`, `search`, `room_enter` and `room_leave`.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    item_id: Option<Id<'a>>,
    /// Where: the channel.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    channel: Option<Id<'a>>,
    /// Where: the region, as the shop names its regions; trends are counted by channel and region.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    region: Option<Id<'a>>,
    /// Where: the scene; `home` for an exposure without one.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    scene: Option<Id<'a>>,
    /// Where: the livestream room.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    room_id: Option<Id<'a>>,
    /// The `request_id` of the answer that led to it.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    request_id: Option<Id<'a>>,
    /// Money that went with it, in the shop's currency.
    #[schema(minimum = -1000000000.0, maximum = 1000000000.0)]
    value: Option<f64>,
}

/// Names of the fields of [`EventRow`]; a test holds them equal.
const FIELDS: [&str; 14] = [
    "event_id",
    "type",
    "occurred_at",
    "sent_at",
    "user_id",
    "identity",
    "session_id",
    "item_id",
    "channel",
    "region",
    "scene",
    "room_id",
    "request_id",
    "value",
];
/// Milliseconds by which an event may be ahead of this server's clock and still count: more is an invalid time.
const MAX_AHEAD_MS: i64 = 86_400_000;
/// Clock differences up to this are not corrected; others are corrected in steps of this.
const MINUTE_MS: i64 = 60_000;
/// Most different sessions that a storefront may name in one call: a device has one.
const MAX_SESSIONS: usize = 4;
/// Most different names that `ignored_fields` has.
const MAX_IGNORED_NAMES: usize = 20;

const CORRECTED: &str =
    "the device's clock is wrong by `sent_at`; `occurred_at` was corrected by whole minutes";
const RECEIVED: &str = "`occurred_at` is more than 10 minutes ahead of this server's clock; the time it was received \
    counts";

/// The time of an event by this server's clock, for an event received at `now`; and a note if it is not the time sent.
///
/// The correction is in whole minutes, so that an event sent again a moment later is the same event.
fn corrected(occurred_at: i64, sent_at: Option<i64>, now: i64) -> (i64, Option<&'static str>) {
    let ahead = sent_at.map_or(0, |sent_at| sent_at.saturating_sub(now));
    let minutes = ahead.saturating_add(ahead.signum() * MINUTE_MS / 2) / MINUTE_MS;
    let is_wrong = ahead.unsigned_abs() > MINUTE_MS.unsigned_abs();
    let at = if is_wrong { occurred_at.saturating_sub(minutes * MINUTE_MS) } else { occurred_at };
    let lead = at.saturating_sub(now);
    if lead > check::MAX_AHEAD_MS && lead <= MAX_AHEAD_MS {
        return (now, Some(RECEIVED));
    }
    (at, (at != occurred_at).then_some(CORRECTED))
}

impl EventRow<'_> {
    fn check(&self, caller: &Caller, sent_at: Option<Timestamp>, now: i64) -> Checked<Event> {
        fn text<'t>(id: &'t Option<Id<'_>>) -> Option<&'t str> {
            id.as_ref().map(Id::as_str)
        }
        let own = self.own_user(caller)?;
        let sent_at = self.sent_at.or(sent_at).map(|at| at.0);
        let (at, note) = corrected(self.occurred_at.0, sent_at, now);
        let raw = RawEvent {
            event_id: self.event_id.as_str(),
            kind: self.r#type.as_str(),
            occurred_at: &Timestamp(at).to_rfc3339(),
            user_id: own.or(text(&self.user_id)),
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
        let event = Event { storefront: matches!(caller, Caller::Storefront(_)), ..raw.check(now)? };
        Ok(Row { value: event, note })
    }

    /// The user that a storefront speaks for: the user of its token only.
    fn own_user<'c>(&self, caller: &'c Caller) -> Result<Option<&'c str>, Fault> {
        let Caller::Storefront(own) = caller else { return Ok(None) };
        let reason = "a storefront key speaks for the user of its `x-user-token` alone";
        if self.identity.is_some() {
            return Err(Fault::new("identity", reason));
        }
        match &self.user_id {
            Some(named) if own.as_deref() != Some(named.as_str()) => Err(Fault::new("user_id", reason)),
            _ => Ok(own.as_deref()),
        }
    }
}

/// Reads rows, and counts the fields that it ignored.
struct Reader<'c> {
    caller: &'c Caller,
    lenient: bool,
    /// By name, at most [`MAX_IGNORED_NAMES`].
    ignored: RefCell<BTreeMap<String, usize>>,
}

impl Reader<'_> {
    fn new(caller: &Caller, lenient: bool) -> Reader<'_> {
        Reader { caller, lenient, ignored: RefCell::default() }
    }

    fn event(&self, row: &[u8], sent_at: Option<Timestamp>, now: i64) -> Checked<Event> {
        match parse::<EventRow<'_>>(row) {
            Ok(row) => row.check(self.caller, sent_at, now),
            Err(problem) if self.lenient && problem.code() == Code::UnknownField => {
                let known = self.without_unknown(row)?;
                parse::<EventRow<'_>>(&known)?.check(self.caller, sent_at, now)
            }
            Err(problem) => Err(problem.into()),
        }
    }

    /// The row with its known fields alone.
    fn without_unknown(&self, row: &[u8]) -> Result<Vec<u8>, Problem> {
        let fields: BTreeMap<String, &RawValue> = parse(row)?;
        let (known, unknown): (BTreeMap<_, _>, BTreeMap<_, _>) =
            fields.into_iter().partition(|(name, _)| FIELDS.contains(&name.as_str()));
        let mut ignored = self.ignored.borrow_mut();
        for name in unknown.keys().map(|name| cut(name)) {
            if ignored.len() < MAX_IGNORED_NAMES || ignored.contains_key(&name) {
                *ignored.entry(name).or_default() += 1;
            }
        }
        serde_json::to_vec(&known).map_err(|error| Problem::new(Code::InvalidJson, error.to_string()))
    }
}

/// Outcome of each event.
#[derive(Serialize, ToSchema)]
pub struct EventsResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// Events that count from now on; they are durable.
    accepted: usize,
    /// One for each event, in order.
    results: Vec<RowResult<EventStatus>>,
    /// With `lenient`: how many events had an unknown field, by its name; at most 20 names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ignored_fields: Option<BTreeMap<String, usize>>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Outcome of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    /// It counts.
    Accepted,
    /// It was sent before and counted then.
    Duplicate,
    /// Another event was sent under its `event_id` before; this one does not count.
    Conflict,
    /// It is no valid event; `field` and `reason` say why.
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

/// Stores what users do. What is `accepted` is durable, and the next answer uses it.
///
/// Durable means: on this server's disk, or as Redis is configured. Web pages may send the body by
/// `navigator.sendBeacon`, as `text/plain`.
#[utoipa::path(post, path = "/events", operation_id = "send_events", tag = "live state", params(EventsQuery),
    request_body(content((EventsRequest<'_> = "application/json"), (EventRow<'_> = "application/x-ndjson"))),
    responses((status = 200, description = "Outcome of each event.", body = EventsResponse)))]
pub async fn post(
    call: Call,
    State(app): State<Arc<App>>,
    QueryString(query): QueryString<EventsQuery>,
    BeaconBody(body): BeaconBody,
) -> Result<Response, Problem> {
    let live = call.shop.live()?;
    let now = now_ms();
    let (reader, sent_at) = (Reader::new(&call.caller, query.lenient), Cell::new(None));
    let mut checked = rows::read(
        &body,
        ("events", rows::MAX_ROWS),
        |request: EventsRequest<'_>| {
            sent_at.set(request.sent_at);
            request.events
        },
        |row| reader.event(row, sent_at.get(), now),
    )?;
    if call.is_storefront() {
        refuse_sessions_of_users(live, &mut checked, now).await;
    }
    let outcomes = live.append(rows::values(&checked)).await?;
    let results = rows::results(checked, outcomes, EventStatus::Rejected);
    let count = |status| results.iter().filter(|result| result.status == status).count();
    let accepted = count(EventStatus::Accepted);
    let events = &app.telemetry.events;
    events.accepted.increment(accepted as u64);
    events.duplicate.increment(count(EventStatus::Duplicate) as u64);
    events.conflict.increment(count(EventStatus::Conflict) as u64);
    events.rejected.increment(count(EventStatus::Rejected) as u64);
    let bytes = 128 + 64 * results.len();
    let ignored_fields = query.lenient.then(|| reader.ignored.into_inner());
    let response =
        EventsResponse { request_id: call.id, accepted, results, ignored_fields, took_us: call.took_us() };
    json(&response, bytes)
}

/// Refuses events of sessions that belong to a user: without the user's token, anyone could send them. Events with a
/// user belong to that user, whatever their session.
async fn refuse_sessions_of_users(live: &Live, checked: &mut [Checked<Event>], now: i64) {
    let mut free: BTreeMap<String, bool> = BTreeMap::new();
    for row in checked {
        let Ok(Row { value: Event { user_id: None, session_id: Some(session), .. }, .. }) = row else {
            continue;
        };
        let known = free.get(session).copied();
        let is_free = match known {
            Some(is_free) => is_free,
            None if free.len() >= MAX_SESSIONS => false,
            // While the store does not answer, events are kept: they count for the session alone.
            None => {
                live.user(&[Name::Session(session)], now).await.is_none_or(|known| known.user_ids.is_empty())
            }
        };
        free.insert(session.clone(), is_free);
        if !is_free {
            let reason =
                format!("a user's session needs their token; and at most {MAX_SESSIONS} sessions a call");
            *row = Err(Fault::new("session_id", reason).into());
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_known_fields_are_those_of_a_row() {
        let problem = parse::<EventRow<'_>>(br#"{"?":1}"#).unwrap_err();
        let named = problem.detail().split('`').skip(3).step_by(2).collect::<Vec<_>>();
        assert_eq!(named, FIELDS);
    }

    #[test]
    fn a_wrong_clock_is_corrected_by_whole_minutes() {
        let (now, minute) = (1_800_000_000_000, MINUTE_MS);
        assert_eq!(
            corrected(now - 5_000, Some(now + 900), now),
            (now - 5_000, None),
            "clocks differ a little"
        );
        let ahead = now + 11 * minute;
        assert_eq!(corrected(ahead, Some(ahead), now), (now, Some(CORRECTED)));
        assert_eq!(corrected(ahead, Some(ahead - 400), now), (now, Some(CORRECTED)), "sent again, the same");
        let behind = now - 180 * minute;
        assert_eq!(corrected(behind, Some(behind + minute), now), (now - minute, Some(CORRECTED)));
        assert_eq!(corrected(ahead, None, now), (now, Some(RECEIVED)));
        let absurd = now + 2 * MAX_AHEAD_MS;
        assert_eq!(corrected(absurd, None, now), (absurd, None), "refused by the check");
        assert!(corrected(now, Some(i64::MIN), now).0 >= now, "no overflow");
    }

    #[test]
    fn unknown_fields_are_ignored_and_counted_on_demand() {
        let row = br#"{"event_id":"1","type":"view","occurred_at":"2027-01-15T08:00:00Z","user_id":"u","item_id":"i","platform":"ios"}"#;
        let now = 1_800_000_000_000;
        let strict = Reader::new(&Caller::Server, false);
        assert!(strict.event(row, None, now).is_err());
        let lenient = Reader::new(&Caller::Server, true);
        assert_eq!(lenient.event(row, None, now).unwrap().value.event_id, "1");
        assert_eq!(lenient.ignored.into_inner(), BTreeMap::from([("platform".to_owned(), 1)]));
    }
}
