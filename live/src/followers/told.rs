//! The latest statements of each source, so that repeating one does not count again.

use rustc_hash::{FxHashSet, FxHasher};
use std::hash::{Hash, Hasher};

use crate::event::Event;
use crate::people::Name;

/// Period in which a source's statement about an item counts once, in milliseconds.
pub const ONCE_MS: i64 = 10 * 60 * 1000;
/// Most statements of one period, 16 bytes each; beyond it the period ends early.
const MAX_TOLD: usize = 1_000_000;

/// The statements of the current period and of the one before: a source, an item, a type of event.
#[derive(Debug, Default)]
pub struct Told {
    since: i64,
    current: FxHashSet<u64>,
    before: FxHashSet<u64>,
}

impl Told {
    /// True if the event's source makes this statement for the first time, as of `now` (unix milliseconds). A source is
    /// a user, an identity or a visit.
    pub fn is_new(&mut self, event: &Event, now: i64) -> bool {
        if now - self.since >= ONCE_MS || self.current.len() >= MAX_TOLD {
            self.before = std::mem::take(&mut self.current);
            self.since = now;
        }
        let mut hasher = FxHasher::default();
        (Name::of(event), &event.item_id, event.kind as u8).hash(&mut hasher);
        let word = hasher.finish();
        !self.before.contains(&word) && self.current.insert(word)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::event::RawEvent;

    const NOW: i64 = 1_800_000_000_000;

    fn event(user: &str, item: &str, kind: &str) -> Event {
        let raw = RawEvent {
            event_id: "e",
            kind,
            occurred_at: "2027-01-15T07:59:00Z",
            user_id: Some(user),
            item_id: Some(item),
            ..RawEvent::default()
        };
        raw.check(NOW).unwrap()
    }

    #[test]
    fn a_source_says_a_thing_once_a_while() {
        let mut told = Told::default();
        let mut says = |user: &str, item: &str, kind: &str, at| told.is_new(&event(user, item, kind), at);
        assert!(says("u", "a", "view", NOW) && !says("u", "a", "view", NOW + ONCE_MS - 1));
        assert!(says("u", "b", "view", NOW) && says("u", "a", "click", NOW) && says("v", "a", "view", NOW));
        assert!(!says("u", "a", "view", NOW + ONCE_MS), "the period before counts, too");
        assert!(says("u", "a", "view", NOW + 3 * ONCE_MS));
    }
}
