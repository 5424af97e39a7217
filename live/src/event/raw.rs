//! An event as a caller sends it, and its checks.

use chrono::DateTime;

use super::{Event, EventType, nearest};
use crate::check::{Fault, MAX_AHEAD_MS, id, optional_id};
use crate::identity::Identity;

/// Greatest age of an event when it is received, in milliseconds.
pub const MAX_AGE_MS: i64 = 365 * 86_400 * 1000;
/// Largest absolute `value`, in the shop's currency.
pub const MAX_VALUE: f64 = 1e9;

/// An event as a caller sends it: the fields of [`Event`] as text, not checked yet.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "the fields of `Event`, as text")]
pub struct RawEvent<'a> {
    pub event_id: &'a str,
    pub kind: &'a str,
    /// RFC 3339.
    pub occurred_at: &'a str,
    pub user_id: Option<&'a str>,
    /// Type and value.
    pub identity: Option<(&'a str, &'a str)>,
    pub session_id: Option<&'a str>,
    pub item_id: Option<&'a str>,
    pub channel: Option<&'a str>,
    pub region: Option<&'a str>,
    pub scene: Option<&'a str>,
    pub room_id: Option<&'a str>,
    pub request_id: Option<&'a str>,
    pub value: Option<f64>,
}

impl RawEvent<'_> {
    /// The checked event, received at `now` (unix milliseconds).
    ///
    /// # Errors
    /// The first field that is not allowed.
    pub fn check(&self, now: i64) -> Result<Event, Fault> {
        let event_id = id("event_id", self.event_id)?;
        let kind = EventType::named(self.kind).ok_or_else(|| unknown_type(self.kind))?;
        let occurred_at = moment(self.occurred_at, now)?;
        let user_id = optional_id("user_id", self.user_id)?;
        let identity =
            self.identity.map(|(kind, value)| Identity::check(kind, value).map_err(identity_fault));
        let identity = identity.transpose()?;
        let session_id = optional_id("session_id", self.session_id)?;
        if user_id.is_none() && identity.is_none() && session_id.is_none() {
            let reason = "name the person in `user_id` or `identity`, or the visit in `session_id`";
            return Err(Fault::new("user_id", reason));
        }
        let item_id = optional_id("item_id", self.item_id)?;
        if item_id.is_none() && kind.needs_item() {
            return Err(Fault::new("item_id", format!("`{}` needs an item", kind.name())));
        }
        if !self.value.is_none_or(|value| value.abs() <= MAX_VALUE) {
            return Err(Fault::new("value", "a number from -1000000000 to 1000000000"));
        }
        Ok(Event {
            event_id,
            kind,
            occurred_at,
            user_id,
            identity,
            session_id,
            item_id,
            channel: optional_id("channel", self.channel)?,
            region: optional_id("region", self.region)?,
            scene: optional_id("scene", self.scene)?,
            room_id: optional_id("room_id", self.room_id)?,
            request_id: optional_id("request_id", self.request_id)?,
            value: self.value,
            storefront: false,
        })
    }
}

/// The fault of an event's identity, under the event's field names.
fn identity_fault(fault: Fault) -> Fault {
    let field = if fault.field == "type" { "identity.type" } else { "identity.value" };
    Fault { field, ..fault }
}

fn unknown_type(name: &str) -> Fault {
    let shown: String = name.chars().take(80).collect();
    let nearest = nearest(name);
    let reason = match nearest {
        Some(nearest) => format!("unknown type `{shown}`; did you mean `{nearest}`?"),
        None => format!("unknown type `{shown}`"),
    };
    Fault { field: "type", reason, nearest }
}

/// Parses `occurred_at` and bounds it around the time of receipt.
///
/// # Errors
/// Not RFC 3339, too far ahead, or too old.
fn moment(text: &str, now: i64) -> Result<i64, Fault> {
    let field = "occurred_at";
    let Ok(moment) = DateTime::parse_from_rfc3339(text) else {
        return Err(Fault::new(field, "RFC 3339 with an offset, such as 2026-11-22T08:30:00+08:00"));
    };
    let at = moment.timestamp_millis();
    if at > now.saturating_add(MAX_AHEAD_MS) {
        return Err(Fault::new(field, "more than 10 minutes ahead of the server's clock"));
    }
    if at < now.saturating_sub(MAX_AGE_MS) {
        return Err(Fault::new(field, "more than 365 days ago"));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::check::MAX_ID_BYTES;

    const NOW: i64 = 1_800_000_000_000;

    fn raw() -> RawEvent<'static> {
        RawEvent {
            event_id: "e1",
            kind: "view",
            occurred_at: "2027-01-15T07:59:00Z",
            user_id: Some("u"),
            item_id: Some("i"),
            ..RawEvent::default()
        }
    }

    fn fault(raw: RawEvent<'_>) -> Fault {
        raw.check(NOW).unwrap_err()
    }

    #[test]
    fn names_of_other_trackers_are_stored_as_ours() {
        let event = RawEvent { kind: "Product Added", ..raw() }.check(NOW).unwrap();
        assert!(String::from_utf8(event.encoded()).unwrap().contains("\"type\":\"add_to_cart\""));
    }

    #[test]
    fn an_unknown_type_names_the_nearest() {
        assert_eq!(fault(RawEvent { kind: "purchse", ..raw() }).nearest, Some("purchase"));
        assert_eq!(fault(RawEvent { kind: "qqq", ..raw() }).nearest, None);
        assert!(fault(RawEvent { kind: &"名".repeat(10_000), ..raw() }).reason.len() < 400);
    }

    #[test]
    fn a_fault_names_the_field() {
        let long = "x".repeat(MAX_ID_BYTES + 1);
        for (wrong, field) in [
            (RawEvent { event_id: "", ..raw() }, "event_id"),
            (RawEvent { item_id: Some(&long), ..raw() }, "item_id"),
            (RawEvent { item_id: None, ..raw() }, "item_id"),
            (RawEvent { user_id: None, ..raw() }, "user_id"),
            (RawEvent { identity: Some(("cooky", "x")), ..raw() }, "identity.type"),
            (RawEvent { identity: Some(("member_card", "13800138000")), ..raw() }, "identity.value"),
            (RawEvent { occurred_at: "2028-01-15T07:59:00Z", ..raw() }, "occurred_at"),
            (RawEvent { occurred_at: "2025-01-15T07:59:00Z", ..raw() }, "occurred_at"),
            (RawEvent { occurred_at: "2027-01-15 07:59", ..raw() }, "occurred_at"),
            (RawEvent { value: Some(f64::NAN), ..raw() }, "value"),
            (RawEvent { value: Some(-2e9), ..raw() }, "value"),
        ] {
            assert_eq!(fault(wrong).field, field, "{wrong:?}");
        }
    }

    #[test]
    fn an_event_decodes_as_it_was_encoded() {
        let identity = Some(("cookie", "c"));
        let event =
            RawEvent { value: Some(9.5), session_id: Some("s"), identity, ..raw() }.check(NOW).unwrap();
        let back: Event = serde_json::from_slice(&event.encoded()).unwrap();
        assert_eq!(back, event);
        let other = Event { value: Some(9.6), ..event.clone() };
        assert_ne!(Event::fingerprint(&event.encoded()), Event::fingerprint(&other.encoded()));
    }
}
