//! What a user did or was shown.
//!
//! A caller's row is a [`Draft`]; what passes [`Draft::check`] is an [`Event`]. The names that GA4, Segment
//! and WeChat give an event are understood and stored as ours.

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::identity::Identity;

/// Longest id or name, in bytes.
pub const MAX_ID_BYTES: usize = 256;
/// How far ahead of the receiving clock an event may lie, in milliseconds: clocks differ a little.
pub const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;
/// How far back an event may lie, in milliseconds.
pub const MAX_AGE_MS: i64 = 365 * 86_400 * 1000;
/// Largest `value`, in the shop's currency, up or down.
pub const MAX_VALUE: f64 = 1e9;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EventType {
    /// The item was shown.
    Expose = 0,
    /// The item was chosen from a list.
    Click = 1,
    /// The item's page was looked at.
    View = 2,
    /// The item went into the cart.
    AddToCart = 3,
    /// The item was marked to be found again.
    Favorite = 4,
    /// The checkout began.
    Checkout = 5,
    /// The item was bought.
    Purchase = 6,
    /// The item was given back, or its money.
    Refund = 7,
    /// The user does not want to see the item.
    Dislike = 8,
    /// The item, or the room, was passed on to others.
    Share = 9,
    /// The user searched.
    Search = 10,
    /// The user entered a livestream room.
    RoomEnter = 11,
    /// The user left it.
    RoomLeave = 12,
}

use EventType::{
    AddToCart, Checkout, Click, Dislike, Expose, Favorite, Purchase, Refund, RoomEnter, RoomLeave, Search,
    Share, View,
};

/// Every name that is understood, in lower case with underscores; ours first, each type's name once.
const NAMES: [(&str, EventType); 35] = [
    ("expose", Expose),
    ("click", Click),
    ("view", View),
    ("add_to_cart", AddToCart),
    ("favorite", Favorite),
    ("checkout", Checkout),
    ("purchase", Purchase),
    ("refund", Refund),
    ("dislike", Dislike),
    ("share", Share),
    ("search", Search),
    ("room_enter", RoomEnter),
    ("room_leave", RoomLeave),
    // GA4
    ("view_item_list", Expose),
    ("select_item", Click),
    ("view_item", View),
    ("add_to_wishlist", Favorite),
    ("begin_checkout", Checkout),
    ("view_search_results", Search),
    // Segment
    ("product_list_viewed", Expose),
    ("product_clicked", Click),
    ("product_viewed", View),
    ("product_added", AddToCart),
    ("product_added_to_wishlist", Favorite),
    ("checkout_started", Checkout),
    ("order_completed", Purchase),
    ("order_refunded", Refund),
    ("product_shared", Share),
    ("products_searched", Search),
    // WeChat
    ("wxdata_expose_goods", Expose),
    // Spellings
    ("favourite", Favorite),
    ("exposure", Expose),
    ("impression", Expose),
    ("enter_room", RoomEnter),
    ("leave_room", RoomLeave),
];

impl EventType {
    /// How many there are.
    pub const COUNT: usize = 13;

    /// The type of this name, ours or another's; case, spaces and hyphens do not matter.
    pub fn named(name: &str) -> Option<Self> {
        let name = plain(name);
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// The name in our own words.
    pub fn name(self) -> &'static str {
        NAMES[self as usize].0
    }

    /// The type whose number this is, as it was stored.
    pub fn of_number(number: u8) -> Option<Self> {
        NAMES[..Self::COUNT].get(usize::from(number)).map(|(_, kind)| *kind)
    }

    /// Whether an event of this type says nothing without an item.
    pub fn needs_item(self) -> bool {
        matches!(self, Expose | Click | View | AddToCart | Favorite | Purchase | Refund | Dislike)
    }
}

/// The known name that resembles `name` most, if any does.
pub fn nearest(name: &str) -> Option<&'static str> {
    qianmian_suggest::nearest(name, NAMES.iter().map(|(known, _)| *known))
}

/// `name` as [`NAMES`] spells names; only as much of it as the longest of them has.
fn plain(name: &str) -> String {
    let letters = name.trim().chars().take(64);
    letters.map(|c| if c == ' ' || c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// An event as a caller words it.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "the fields of `Event`, as text")]
pub struct Draft<'a> {
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

/// Something that happened, checked. It is stored in this form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The caller's own id of it: sent twice, it counts once.
    pub event_id: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When, by the caller's clock, unix milliseconds.
    pub occurred_at: i64,
    /// Who; this, `identity` or `session_id` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// By which name a channel knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The visit it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The item it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_id: Option<String>,
    /// Where: the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Where: the region, as the shop tells its regions apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where: the scene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<String>,
    /// Where: the livestream room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// The answer that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Money that went with it, in the shop's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

/// Why a row is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field at fault.
    pub field: &'static str,
    /// What is wrong with it, and what it may be.
    pub reason: String,
    /// The known name that may have been meant.
    pub nearest: Option<&'static str>,
}

impl Fault {
    pub(crate) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into(), nearest: None }
    }
}

impl Draft<'_> {
    /// The event, received at `now` (unix milliseconds).
    ///
    /// # Errors
    /// The first field that is not as it must be.
    pub fn check(&self, now: i64) -> Result<Event, Fault> {
        let event_id = id("event_id", self.event_id)?;
        let kind = EventType::named(self.kind).ok_or_else(|| unknown_type(self.kind))?;
        let occurred_at = moment(self.occurred_at, now)?;
        let user_id = optional("user_id", self.user_id)?;
        let identity = self.identity.map(|(kind, value)| Identity::check(kind, value).map_err(of_identity));
        let identity = identity.transpose()?;
        let session_id = optional("session_id", self.session_id)?;
        if user_id.is_none() && identity.is_none() && session_id.is_none() {
            let reason = "name the person in `user_id` or `identity`, or the visit in `session_id`";
            return Err(Fault::new("user_id", reason));
        }
        let item_id = optional("item_id", self.item_id)?;
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
            channel: optional("channel", self.channel)?,
            region: optional("region", self.region)?,
            scene: optional("scene", self.scene)?,
            room_id: optional("room_id", self.room_id)?,
            request_id: optional("request_id", self.request_id)?,
            value: self.value,
        })
    }
}

/// An id that can be stored.
///
/// # Errors
/// Empty, or longer than [`MAX_ID_BYTES`].
pub fn id(field: &'static str, id: &str) -> Result<String, Fault> {
    if (1..=MAX_ID_BYTES).contains(&id.len()) {
        return Ok(id.to_owned());
    }
    Err(Fault::new(field, format!("1 to {MAX_ID_BYTES} bytes, not {}", id.len())))
}

fn optional(field: &'static str, given: Option<&str>) -> Result<Option<String>, Fault> {
    given.map(|given| id(field, given)).transpose()
}

/// What is wrong with the identity of an event.
fn of_identity(fault: Fault) -> Fault {
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

/// A moment that an event received at `now` can have happened at.
///
/// # Errors
/// Not RFC 3339, too far ahead, or too long ago.
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

impl Event {
    /// The event as it is written down: JSON.
    pub fn encoded(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and finite numbers serialise")
    }

    /// What two tellings of one event agree in, whatever their spelling was.
    pub fn fingerprint(encoded: &[u8]) -> u128 {
        xxh3_128(encoded)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn draft() -> Draft<'static> {
        Draft {
            event_id: "e1",
            kind: "view",
            occurred_at: "2027-01-15T07:59:00Z",
            user_id: Some("u"),
            item_id: Some("i"),
            ..Draft::default()
        }
    }

    fn fault(draft: Draft<'_>) -> Fault {
        draft.check(NOW).unwrap_err()
    }

    #[test]
    fn each_type_has_its_number_and_its_name() {
        for n in 0..EventType::COUNT as u8 {
            let kind = EventType::of_number(n).unwrap();
            assert_eq!(kind as u8, n);
            assert_eq!(EventType::named(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(EventType::of_number(EventType::COUNT as u8), None);
    }

    #[test]
    fn the_names_of_others_are_understood_and_stored_as_ours() {
        for (theirs, ours) in [
            ("view_item_list", "expose"),
            ("Product List Viewed", "expose"),
            ("wxdata_expose_goods", "expose"),
            ("Product Added", "add_to_cart"),
            ("order-completed", "purchase"),
            ("VIEW_ITEM", "view"),
        ] {
            let event = Draft { kind: theirs, ..draft() }.check(NOW).unwrap();
            assert_eq!(event.kind.name(), ours);
            assert!(String::from_utf8(event.encoded()).unwrap().contains(&format!("\"type\":\"{ours}\"")));
        }
    }

    #[test]
    fn an_unknown_type_names_the_nearest() {
        assert_eq!(fault(Draft { kind: "purchse", ..draft() }).nearest, Some("purchase"));
        assert_eq!(fault(Draft { kind: "qqq", ..draft() }).nearest, None);
        assert!(fault(Draft { kind: &"名".repeat(10_000), ..draft() }).reason.len() < 400);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = "x".repeat(MAX_ID_BYTES + 1);
        for (wrong, field) in [
            (Draft { event_id: "", ..draft() }, "event_id"),
            (Draft { item_id: Some(&long), ..draft() }, "item_id"),
            (Draft { item_id: None, ..draft() }, "item_id"),
            (Draft { user_id: None, ..draft() }, "user_id"),
            (Draft { identity: Some(("cooky", "x")), ..draft() }, "identity.type"),
            (Draft { identity: Some(("member_card", "13800138000")), ..draft() }, "identity.value"),
            (Draft { occurred_at: "2028-01-15T07:59:00Z", ..draft() }, "occurred_at"),
            (Draft { occurred_at: "2025-01-15T07:59:00Z", ..draft() }, "occurred_at"),
            (Draft { occurred_at: "2027-01-15 07:59", ..draft() }, "occurred_at"),
            (Draft { value: Some(f64::NAN), ..draft() }, "value"),
            (Draft { value: Some(-2e9), ..draft() }, "value"),
        ] {
            assert_eq!(fault(wrong).field, field, "{wrong:?}");
        }
    }

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let identity = Some(("cookie", "c"));
        let event =
            Draft { value: Some(9.5), session_id: Some("s"), identity, ..draft() }.check(NOW).unwrap();
        let back: Event = serde_json::from_slice(&event.encoded()).unwrap();
        assert_eq!(back, event);
        let other = Event { value: Some(9.6), ..event.clone() };
        assert_ne!(Event::fingerprint(&event.encoded()), Event::fingerprint(&other.encoded()));
    }
}
