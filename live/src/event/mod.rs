//! Events: users' actions, and items shown to them.
//!
//! A caller's row is a [`RawEvent`]; [`RawEvent::check`] turns it into an [`Event`]. Names of GA4, Segment and
//! WeChat are accepted and stored as ours.

mod raw;
mod types;

pub use raw::{MAX_AGE_MS, MAX_VALUE, RawEvent};
use serde::{Deserialize, Serialize};
pub use types::{EventType, nearest};
use xxhash_rust::xxh3::xxh3_128;

use crate::identity::Identity;

/// A checked event, in the form in which it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The caller's own id of the event: an event sent twice counts once.
    pub event_id: String,
    /// The type of the event.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// Time by the caller's clock, unix milliseconds.
    pub occurred_at: i64,
    /// The user; at least one of this, `identity` and `session_id` is present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// An identity of the user in a channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_id: Option<String>,
    /// The channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The region, by the shop's own division.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The scene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<String>,
    /// The livestream room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// The answer that led to the event (attribution).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Amount of money, in the shop's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// True if a storefront sent it from the shopper's own device, which the shop does not vouch for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub storefront: bool,
}

impl Event {
    /// The event as JSON, the form in which stores keep it.
    pub fn encoded(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and finite numbers serialize")
    }

    /// 128-bit hash of an encoded event: equal for two deliveries of one event, whatever their spelling.
    pub fn fingerprint(encoded: &[u8]) -> u128 {
        xxh3_128(encoded)
    }
}
