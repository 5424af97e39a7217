//! Figures of livestream rooms: who watches now, and what they do with each product, from events with a `room_id`.
//!
//! Invariant: every figure equals a recount of the events that were followed, whatever order they came in. A minute is one
//! of `occurred_at`. Bounded: 2,000 rooms, 5,000 items of a room, 200,000 names that watch it, and [`MINUTES`] minutes;
//! items beyond are counted for the room alone.

use std::collections::VecDeque;
use std::sync::Arc;

use qianmian_money::Exact;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::event::{Event, EventType};
use crate::identity::Identity;
use crate::people::Name;

/// A viewer who is not heard of for this long has left, in milliseconds: players send `room_enter` again while they play.
pub const TIMEOUT_MS: i64 = 90_000;
/// Minutes that are kept apart.
pub const MINUTES: usize = 60;
/// Rooms with figures; the one that was quiet longest is forgotten.
const MAX_ROOMS: usize = 2_000;
/// Items of a room with figures of their own.
const MAX_ITEMS: usize = 5_000;
/// Names that watch a room.
const MAX_WATCHERS: usize = 200_000;
/// The time for which the owner of a name is remembered, in milliseconds.
const RESOLVED_MS: i64 = 60_000;
const MINUTE_MS: i64 = 60_000;
/// Decimals in which amounts are summed.
const DIGITS: u8 = 4;

/// Counts of actions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Times shown.
    pub exposures: u64,
    /// Times chosen from a list.
    pub clicks: u64,
    /// Times put into a cart.
    pub carts: u64,
    /// Times bought.
    pub orders: u64,
    /// Amount of what was bought, in ten-thousandths of the currency's unit.
    pub paid: i64,
}

/// Counts over the whole show, the latest minutes, and as many minutes before them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Since the first event that was followed.
    pub total: Counts,
    /// In the latest minutes.
    pub last: Counts,
    /// In as many minutes before.
    pub before: Counts,
}

/// A name that watches, so that its person can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watcher {
    /// A user id.
    User(String),
    /// A visit.
    Session(String),
    /// An identity.
    Identity(Identity),
}

impl Watcher {
    /// The name.
    pub fn name(&self) -> Name<'_> {
        match self {
            Self::User(id) => Name::User(id),
            Self::Session(id) => Name::Session(id),
            Self::Identity(identity) => Name::Identity(identity),
        }
    }

    fn of(name: Name<'_>) -> Self {
        match name {
            Name::User(id) => Self::User(id.to_owned()),
            Name::Session(id) => Self::Session(id.to_owned()),
            Name::Identity(identity) => Self::Identity(identity.clone()),
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    total: Counts,
    /// By minute since 1970, in order.
    minutes: VecDeque<(i64, Counts)>,
}

#[derive(Debug)]
struct Watching {
    watcher: Watcher,
    /// Hash of the person's leading name, as it was last found.
    person: u128,
    /// The time of the look-up, unix milliseconds.
    resolved: i64,
    /// The time of their latest event.
    heard: i64,
    /// The time at which they last left.
    left: i64,
}

#[derive(Debug, Default)]
struct RoomTally {
    all: Tally,
    items: FxHashMap<Arc<str>, Tally>,
    watching: FxHashMap<u128, Watching>,
    /// Time of the latest event.
    heard: i64,
}

/// Figures of all rooms of a shop.
#[derive(Debug, Default)]
pub struct RoomFigures(FxHashMap<Arc<str>, RoomTally>);

impl Counts {
    fn of(event: &Event) -> Self {
        let one = |kind| u64::from(event.kind == kind);
        let amount = event.value.filter(|_| event.kind == EventType::Purchase);
        let paid = amount.and_then(Exact::of).and_then(|amount| amount.rounded(DIGITS));
        Self {
            exposures: one(EventType::Expose),
            clicks: one(EventType::Click),
            carts: one(EventType::AddToCart),
            orders: one(EventType::Purchase),
            paid: paid.map_or(0, |(paid, _)| paid),
        }
    }

    fn add(&mut self, other: Self) {
        self.exposures += other.exposures;
        self.clicks += other.clicks;
        self.carts += other.carts;
        self.orders += other.orders;
        self.paid = self.paid.saturating_add(other.paid);
    }
}

impl Tally {
    fn add(&mut self, at: i64, counts: Counts) {
        self.total.add(counts);
        let minute = at.div_euclid(MINUTE_MS);
        match self.minutes.binary_search_by_key(&minute, |(known, _)| *known) {
            Ok(place) => self.minutes[place].1.add(counts),
            Err(place) => self.minutes.insert(place, (minute, counts)),
        }
        if self.minutes.len() > MINUTES {
            self.minutes.pop_front();
        }
    }

    fn figures(&self, now: i64, minutes: usize) -> Figures {
        let this = now.div_euclid(MINUTE_MS);
        let window = minutes as i64;
        let mut figures = Figures { total: self.total, ..Figures::default() };
        for (minute, counts) in &self.minutes {
            match this - minute {
                age if age < 0 => {}
                age if age < window => figures.last.add(*counts),
                age if age < 2 * window => figures.before.add(*counts),
                _ => {}
            }
        }
        figures
    }
}

impl RoomFigures {
    /// Counts an event that names a room.
    pub fn add(&mut self, event: &Event) {
        let Some(room_id) = event.room_id.as_deref() else { return };
        if !self.0.contains_key(room_id) {
            self.make_place();
            self.0.insert(room_id.into(), RoomTally::default());
        }
        let Some(room) = self.0.get_mut(room_id) else { return };
        room.heard = room.heard.max(event.occurred_at);
        room.watch(event);
        let counts = Counts::of(event);
        if counts == Counts::default() {
            return;
        }
        room.all.add(event.occurred_at, counts);
        let Some(item_id) = event.item_id.as_deref() else { return };
        if let Some(tally) = room.items.get_mut(item_id) {
            tally.add(event.occurred_at, counts);
        } else if room.items.len() < MAX_ITEMS {
            room.items.entry(item_id.into()).or_default().add(event.occurred_at, counts);
        }
    }

    fn make_place(&mut self) {
        if self.0.len() < MAX_ROOMS {
            return;
        }
        let quiet = self.0.iter().min_by_key(|(_, room)| room.heard).map(|(room_id, _)| Arc::clone(room_id));
        if let Some(quiet) = quiet {
            self.0.remove(&quiet);
        }
    }

    /// Forgets viewers who left, as of `now` (unix milliseconds).
    pub fn forget(&mut self, now: i64) {
        for room in self.0.values_mut() {
            room.watching.retain(|_, watching| watching.heard > now - 2 * TIMEOUT_MS);
        }
    }

    /// At most `count` names that watch at `now` and whose person was not looked for lately, each with its hash.
    pub fn unresolved(&self, now: i64, count: usize) -> Vec<(u128, Watcher)> {
        let watching = self.0.values().flat_map(|room| &room.watching);
        let due =
            watching.filter(|(_, watching)| watching.is_there(now) && watching.resolved <= now - RESOLVED_MS);
        let mut seen = FxHashSet::default();
        due.filter(|(name, _)| seen.insert(**name))
            .map(|(name, watching)| (*name, watching.watcher.clone()))
            .take(count)
            .collect()
    }

    /// Says whose name it is: `person` is the hash of the person's leading name.
    pub fn resolve(&mut self, name: u128, person: u128, now: i64) {
        for room in self.0.values_mut() {
            if let Some(watching) = room.watching.get_mut(&name) {
                (watching.person, watching.resolved) = (person, now);
            }
        }
    }

    /// People who watch the room at `now`, each once.
    pub fn viewers(&self, room_id: &str, now: i64) -> usize {
        let Some(room) = self.0.get(room_id) else { return 0 };
        let there = room.watching.values().filter(|watching| watching.is_there(now));
        there.map(|watching| watching.person).collect::<FxHashSet<u128>>().len()
    }

    /// Figures of the whole room; the latest `minutes` end with the minute of `now`.
    pub fn room(&self, room_id: &str, now: i64, minutes: usize) -> Figures {
        self.0.get(room_id).map(|room| room.all.figures(now, minutes)).unwrap_or_default()
    }

    /// Figures of an item in the room.
    pub fn item(&self, room_id: &str, item_id: &str, now: i64, minutes: usize) -> Figures {
        let tally = self.0.get(room_id).and_then(|room| room.items.get(item_id));
        tally.map(|tally| tally.figures(now, minutes)).unwrap_or_default()
    }
}

impl RoomTally {
    /// Notes that the person of an event is there, or left. Anything that they do in the room says that they are there.
    fn watch(&mut self, event: &Event) {
        let Some(name) = Name::of(event) else { return };
        let key = name.fingerprint();
        if !self.watching.contains_key(&key) {
            if self.watching.len() >= MAX_WATCHERS {
                return;
            }
            let (watcher, never) = (Watcher::of(name), i64::MIN / 2);
            self.watching
                .insert(key, Watching { watcher, person: key, resolved: never, heard: never, left: never });
        }
        let Some(watching) = self.watching.get_mut(&key) else { return };
        match event.kind {
            EventType::RoomLeave => watching.left = watching.left.max(event.occurred_at),
            // A purchase or a return may be told by the shop's server, long after the show.
            EventType::Purchase | EventType::Refund => {}
            _ => watching.heard = watching.heard.max(event.occurred_at),
        }
    }
}

impl Watching {
    fn is_there(&self, now: i64) -> bool {
        self.heard > self.left && self.heard > now - TIMEOUT_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn event(kind: EventType, user: &str, item: Option<&str>, at: i64) -> Event {
        Event {
            event_id: String::new(),
            kind,
            occurred_at: at,
            user_id: Some(user.to_owned()),
            identity: None,
            session_id: None,
            item_id: item.map(str::to_owned),
            channel: None,
            region: None,
            scene: None,
            room_id: Some("r".to_owned()),
            request_id: None,
            value: (kind == EventType::Purchase).then_some(9.99),
            storefront: false,
        }
    }

    #[test]
    fn viewers_leave_by_word_or_by_silence() {
        use EventType::{RoomEnter, RoomLeave};
        let mut figures = RoomFigures::default();
        // A leave may arrive before the enter that it follows.
        for (kind, user, at) in [
            (RoomEnter, "a", NOW - 10_000),
            (RoomLeave, "b", NOW - 5_000),
            (RoomEnter, "b", NOW - 9_000),
            (RoomEnter, "c", NOW - TIMEOUT_MS),
            (RoomEnter, "d", NOW - 80_000),
        ] {
            figures.add(&event(kind, user, None, at));
        }
        assert_eq!(figures.viewers("r", NOW), 2, "a and d");
        assert_eq!(figures.viewers("r", NOW + 20_000), 1, "d was silent");
        figures.add(&event(RoomEnter, "d", None, NOW + 15_000));
        figures.add(&event(RoomEnter, "b", None, NOW + 15_000));
        assert_eq!(figures.viewers("r", NOW + 20_000), 3);
        figures.forget(NOW + 10 * TIMEOUT_MS);
        assert_eq!((figures.viewers("r", NOW + 20_000), figures.viewers("other", NOW)), (0, 0));
    }

    #[test]
    fn names_of_one_person_are_one_viewer() {
        let mut figures = RoomFigures::default();
        for user in ["a", "b", "c"] {
            figures.add(&event(EventType::RoomEnter, user, None, NOW));
        }
        let unresolved = figures.unresolved(NOW, 10);
        assert_eq!((unresolved.len(), figures.viewers("r", NOW)), (3, 3));
        let person = Name::User("a").fingerprint();
        for (name, watcher) in unresolved {
            let person = if watcher.name() == Name::User("b") { person } else { name };
            figures.resolve(name, person, NOW);
        }
        assert_eq!(figures.viewers("r", NOW), 2);
        assert_eq!(figures.unresolved(NOW + 1, 10), [], "asked once a minute");
    }

    #[test]
    fn windows_are_whole_minutes_whatever_the_order() {
        let mut events: Vec<Event> = (0..200)
            .map(|n| event(EventType::Purchase, "u", Some("i"), NOW - n * 7_000))
            .chain((0..50).map(|n| event(EventType::Click, "u", Some("j"), NOW - n * 11_000)))
            .collect();
        let recount = |events: &[Event], item: &str, ages: std::ops::Range<i64>| {
            let age = |event: &Event| NOW.div_euclid(60_000) - event.occurred_at.div_euclid(60_000);
            let counted = events.iter().filter(|event| event.item_id.as_deref() == Some(item));
            counted.filter(|event| ages.contains(&age(event))).count() as u64
        };
        for _ in 0..2 {
            let mut figures = RoomFigures::default();
            events.iter().for_each(|event| figures.add(event));
            let bought = figures.item("r", "i", NOW, 5);
            assert_eq!((bought.total.orders, bought.total.paid), (200, 200 * 99_900), "exact amounts");
            assert_eq!(bought.last.orders, recount(&events, "i", 0..5));
            assert_eq!(bought.before.orders, recount(&events, "i", 5..10));
            assert_eq!(figures.item("r", "j", NOW, 3).last.clicks, recount(&events, "j", 0..3));
            assert_eq!(figures.room("r", NOW, 5).total.clicks, 50);
            events.reverse();
        }
    }
}
