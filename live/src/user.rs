//! What one user's latest events say.
//!
//! A state is a set of marks: for every kind of event and item, when it last happened, and for every time
//! that an item was shown, one of its own. Applying events in any order, once or many times, gives the same
//! state, so that late events need no care. It is bounded: the latest [`MAX_TOUCHES`], [`MAX_FACTS`] and
//! [`MAX_EXPOSURES`] marks stay, whatever else comes. Encoded, a mark takes 9 bytes and its item's id, that of
//! an exposure 8 more and its scene: with ids of 12 bytes a user with ten events takes 211 bytes, one with the
//! most marks 12 KB.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use crate::event::{Event, EventType};

/// Marks kept of what a user looked at, put into the cart, liked, shared.
pub const MAX_TOUCHES: usize = 64;
/// Marks kept of what a user bought, gave back, turned down.
pub const MAX_FACTS: usize = 128;
/// Marks kept of what was shown to a user.
pub const MAX_EXPOSURES: usize = 256;
/// The scene of what was shown where none is said.
pub const DEFAULT_SCENE: &str = "home";
/// A touch counts half as much after this long, in milliseconds.
pub const HALF_LIFE_MS: f64 = 6.0 * 3_600_000.0;
/// What a touch counts at least, however long ago it was.
const LEAST: f32 = 0.02;
/// First byte of an encoded state.
const FORMAT: u8 = 2;

/// When a kind of event last happened with an item; of exposures, one that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The kind.
    pub kind: EventType,
    /// When, unix milliseconds.
    pub at: i64,
    /// The item's outside id.
    pub item_id: Box<str>,
    /// Of an exposure, where it was; empty for all others.
    pub scene: Box<str>,
}

impl Mark {
    /// What `event`, received at `received_at`, leaves in its user's state, if anything. It never lies ahead
    /// of its receipt, so that it is gone no later than a `ttl` after it.
    pub fn of(event: &Event, received_at: i64) -> Option<Self> {
        class(event.kind)?;
        let item_id = event.item_id.as_deref()?.into();
        let scene = match event.kind {
            EventType::Expose => event.scene.as_deref().unwrap_or(DEFAULT_SCENE).into(),
            _ => Box::default(),
        };
        Some(Self { kind: event.kind, at: event.occurred_at.min(received_at).max(0), item_id, scene })
    }

    /// What it is kept among.
    pub fn class(&self) -> Class {
        class(self.kind).unwrap_or(Class::Touch)
    }

    /// What tells it from others of its user: two marks of one name are one, the later. Kind (1 byte), of an
    /// exposure its time (6) and its scene with the length before it (2), and the item's id.
    pub fn name(&self) -> Vec<u8> {
        let mut name = Vec::with_capacity(9 + self.scene.len() + self.item_id.len());
        name.push(self.kind as u8);
        if self.kind == EventType::Expose {
            name.extend_from_slice(&self.at.to_le_bytes()[..6]);
            name.extend_from_slice(&(self.scene.len() as u16).to_le_bytes());
            name.extend_from_slice(self.scene.as_bytes());
        }
        name.extend_from_slice(self.item_id.as_bytes());
        name
    }

    /// The mark of this [`name`](Self::name); `None` where it is none.
    pub fn named(name: &[u8], at: i64) -> Option<Self> {
        let (&kind, mut rest) = name.split_first()?;
        let kind = EventType::of_number(kind)?;
        class(kind)?;
        let mut scene: Box<str> = Box::default();
        if kind == EventType::Expose {
            let (_at, tail) = rest.split_first_chunk::<6>()?;
            let (length, tail) = tail.split_first_chunk::<2>()?;
            let (text, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            scene = std::str::from_utf8(text).ok()?.into();
            rest = tail;
        }
        let item_id = std::str::from_utf8(rest).ok()?.into();
        Some(Self { kind, at, item_id, scene })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.item_id == other.item_id
            && self.scene == other.scene
            && (self.kind != EventType::Expose || self.at == other.at)
    }

    fn order(&self) -> (Class, Reverse<i64>, EventType, &str, &str) {
        (self.class(), Reverse(self.at), self.kind, &self.item_id, &self.scene)
    }
}

/// What a mark is kept among.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// What the user looked at, put into the cart, liked, shared.
    Touch,
    /// What the user bought, gave back, turned down.
    Fact,
    /// What the user was shown.
    Exposure,
}

impl Class {
    /// All of them, in the order in which a state keeps them.
    pub const ALL: [Self; 3] = [Self::Touch, Self::Fact, Self::Exposure];

    /// How many marks are kept, the latest.
    pub fn bound(self) -> usize {
        match self {
            Self::Touch => MAX_TOUCHES,
            Self::Fact => MAX_FACTS,
            Self::Exposure => MAX_EXPOSURES,
        }
    }
}

/// What events of a kind are kept among; `None` for those that leave no mark.
fn class(kind: EventType) -> Option<Class> {
    use EventType as E;
    match kind {
        E::Click | E::View | E::AddToCart | E::Favorite | E::Checkout | E::Share => Some(Class::Touch),
        E::Purchase | E::Refund | E::Dislike => Some(Class::Fact),
        E::Expose => Some(Class::Exposure),
        E::Search | E::RoomEnter | E::RoomLeave => None,
    }
}

/// How much a fresh event of a kind says that the user wants the item, `0..=1`.
pub(crate) fn interest(kind: EventType) -> f32 {
    use EventType as E;
    match kind {
        E::AddToCart | E::Checkout | E::Purchase => 1.0,
        E::Favorite => 0.8,
        E::Share => 0.6,
        E::View => 0.5,
        E::Click => 0.4,
        _ => 0.0,
    }
}

/// The live state of one user, or of one visit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserState {
    /// Touches, then facts, then exposures; the latest first in each; each name once.
    marks: Vec<Mark>,
}

/// What a state says at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lately<'s> {
    /// Items that the user is drawn to, most first, each with how much (`0..=1`).
    pub touched: Vec<(&'s str, f32)>,
    /// Items bought and not given back, latest first, each with when, unix milliseconds.
    pub bought: Vec<(&'s str, i64)>,
    /// Items given back or turned down, and not wanted again since.
    pub unwanted: Vec<&'s str>,
}

/// An encoded state that does not read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state of a user is damaged at byte {at}")]
pub struct Damaged {
    at: usize,
}

impl UserState {
    /// The marks: touches, then facts, then exposures; the latest first in each.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The state of these marks, of which each has a name of its own.
    pub fn of(mut marks: Vec<Mark>) -> Self {
        marks.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        let mut state = Self { marks };
        Class::ALL.into_iter().for_each(|class| state.cut(class));
        state
    }

    /// Adds what happened.
    pub fn apply(&mut self, mark: Mark) {
        let Some(class) = class(mark.kind) else { return };
        let known = self.marks.iter().position(|m| m.is_same(&mark));
        match known {
            Some(place) if self.marks[place].at >= mark.at => return,
            Some(place) => drop(self.marks.remove(place)),
            None => {}
        }
        let place = self.marks.partition_point(|m| m.order() < mark.order());
        self.marks.insert(place, mark);
        self.cut(class);
    }

    /// Takes a mark out, unless what it marks happened again since.
    pub fn remove(&mut self, mark: &Mark) {
        self.marks.retain(|known| known != mark);
    }

    /// Adds all that another state knows: two names turned out to be one user.
    pub fn merge(&mut self, other: Self) {
        for mark in other.marks {
            self.apply(mark);
        }
    }

    /// Forgets what happened at or before `moment`.
    pub fn forget(&mut self, moment: i64) {
        self.marks.retain(|mark| mark.at > moment);
    }

    fn cut(&mut self, class: Class) {
        let from = self.marks.partition_point(|m| m.class() < class);
        let to = self.marks.partition_point(|m| m.class() <= class);
        if to - from > class.bound() {
            self.marks.drain(from + class.bound()..to);
        }
    }

    /// What it says at `now`.
    pub fn lately(&self, now: i64) -> Lately<'_> {
        let mut items: FxHashMap<&str, Items> = FxHashMap::default();
        for mark in self.marks.iter().filter(|mark| mark.class() != Class::Exposure) {
            items.entry(&mark.item_id).or_default().add(mark, now);
        }
        let mut lately = Lately::default();
        let mut bought: Vec<(i64, &str)> = Vec::new();
        for (id, item) in items {
            if item.against >= item.wanted_at {
                lately.unwanted.push(id);
                continue;
            }
            lately.touched.push((id, item.interest));
            if item.bought_at > item.refunded_at {
                bought.push((item.bought_at, id));
            }
        }
        lately.touched.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        lately.unwanted.sort_unstable();
        bought.sort_unstable_by_key(|&(at, id)| (Reverse(at), id));
        lately.bought = bought.into_iter().map(|(at, id)| (id, at)).collect();
        lately
    }

    /// Items that were shown in `scene` at least `times` times since `from` (unix milliseconds), and not touched
    /// or bought after the first of those times; rising.
    pub fn overexposed(&self, scene: &str, times: usize, from: i64) -> Vec<&str> {
        let mut shown: FxHashMap<&str, Vec<i64>> = FxHashMap::default();
        for mark in self.marks.iter().filter(|m| m.class() == Class::Exposure && *m.scene == *scene) {
            if mark.at >= from {
                shown.entry(&mark.item_id).or_default().push(mark.at);
            }
        }
        for mark in self.marks.iter().filter(|m| m.class() != Class::Exposure) {
            if let Some(shown) = shown.get_mut(&*mark.item_id) {
                shown.retain(|&at| at > mark.at);
            }
        }
        let mut items: Vec<&str> =
            shown.into_iter().filter(|(_, shown)| shown.len() >= times.max(1)).map(|(id, _)| id).collect();
        items.sort_unstable();
        items
    }

    /// As bytes: a format byte, then for every mark its time (6 bytes), length of its name (2), name.
    pub fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.marks.iter().map(|m| 9 + m.item_id.len()).sum::<usize>());
        bytes.push(FORMAT);
        for mark in &self.marks {
            let name = mark.name();
            bytes.extend_from_slice(&mark.at.to_le_bytes()[..6]);
            bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
            bytes.extend_from_slice(&name);
        }
        bytes
    }

    /// From bytes that [`encoded`](Self::encoded) made.
    ///
    /// # Errors
    /// They are not of this form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut rest = bytes.strip_prefix(&[FORMAT]).ok_or(Damaged { at: 0 })?;
        let mut marks = Vec::new();
        while !rest.is_empty() {
            let damaged = Damaged { at: bytes.len() - rest.len() };
            let (mark, tail) = read_mark(rest).ok_or(damaged)?;
            marks.push(mark);
            rest = tail;
        }
        Ok(Self { marks })
    }
}

fn read_mark(bytes: &[u8]) -> Option<(Mark, &[u8])> {
    let (&[a, b, c, d, e, f, low, high], rest) = bytes.split_first_chunk::<8>()?;
    let at = i64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([low, high])))?;
    Some((Mark::named(name, at)?, rest))
}

/// The marks of one item, summed up. Times are below every real one where there is none.
struct Items {
    interest: f32,
    wanted_at: i64,
    against: i64,
    bought_at: i64,
    refunded_at: i64,
}

impl Default for Items {
    fn default() -> Self {
        let never = i64::MIN;
        Self { interest: 0.0, wanted_at: 0, against: never, bought_at: never, refunded_at: never }
    }
}

impl Items {
    fn add(&mut self, mark: &Mark, now: i64) {
        match mark.kind {
            EventType::Refund => self.refunded_at = mark.at,
            EventType::Purchase => self.bought_at = mark.at,
            _ => {}
        }
        if matches!(mark.kind, EventType::Refund | EventType::Dislike) {
            self.against = self.against.max(mark.at);
            return;
        }
        self.wanted_at = self.wanted_at.max(mark.at);
        let age = (now - mark.at).max(0) as f64;
        let faded = interest(mark.kind) * (-age / HALF_LIFE_MS).exp2() as f32;
        self.interest = self.interest.max(faded).max(LEAST);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;

    fn mark(kind: EventType, item: &str, at: i64) -> Mark {
        let scene = if kind == EventType::Expose { DEFAULT_SCENE } else { "" };
        Mark { kind, at, item_id: item.into(), scene: scene.into() }
    }

    #[test]
    fn what_was_shown_often_and_never_touched_is_overexposed_in_its_scene() {
        use EventType::{Click, Expose};
        let state = state(&[
            mark(Expose, "often", HOUR),
            mark(Expose, "often", 2 * HOUR),
            mark(Expose, "often", 2 * HOUR),
            mark(Expose, "once", 2 * HOUR),
            mark(Expose, "liked", HOUR),
            mark(Expose, "liked", 2 * HOUR),
            mark(Click, "liked", 2 * HOUR),
        ]);
        assert_eq!(state.overexposed(DEFAULT_SCENE, 2, 0), ["often"]);
        assert_eq!(state.overexposed(DEFAULT_SCENE, 3, 0), [""; 0], "one exposure told twice is one");
        assert_eq!(state.overexposed(DEFAULT_SCENE, 2, HOUR + 1), [""; 0], "only what lies in the window");
        assert_eq!(state.overexposed("cart", 1, 0), [""; 0]);
        let lately = state.lately(2 * HOUR);
        assert_eq!(lately.touched.len(), 1, "what is shown is no interest");
    }

    fn state(marks: &[Mark]) -> UserState {
        let mut state = UserState::default();
        marks.iter().cloned().for_each(|mark| state.apply(mark));
        state
    }

    #[test]
    fn what_was_done_last_and_meant_most_comes_first() {
        use EventType::{AddToCart, Click, View};
        let state = state(&[
            mark(AddToCart, "old", HOUR),
            mark(View, "seen", 20 * HOUR),
            mark(Click, "hit", 20 * HOUR),
        ]);
        let touched: Vec<&str> = state.lately(20 * HOUR).touched.iter().map(|(id, _)| *id).collect();
        assert_eq!(touched, ["seen", "hit", "old"]);
        let weights: Vec<f32> = state.lately(26 * HOUR).touched.iter().map(|(_, weight)| *weight).collect();
        assert_eq!(weights[..2], [0.25, 0.2], "half as much after six hours");
    }

    #[test]
    fn what_was_given_back_or_turned_down_is_unwanted_until_it_is_wanted_again() {
        use EventType::{AddToCart, Dislike, Purchase, Refund};
        let given_back = [mark(Purchase, "a", 1), mark(Refund, "a", 2), mark(Dislike, "b", 2)];
        let state_of = state(&given_back);
        let lately = state_of.lately(3);
        assert_eq!((lately.bought, lately.unwanted, lately.touched), (vec![], vec!["a", "b"], vec![]));
        let mut again = state(&given_back);
        again.apply(mark(AddToCart, "a", 3));
        again.apply(mark(Purchase, "b", 4));
        let lately = again.lately(5);
        assert_eq!((lately.bought, lately.unwanted.len()), (vec![("b", 4)], 0));
    }

    #[test]
    fn it_stays_bounded_and_the_latest_stay() {
        let mut state = UserState::default();
        for at in 0..1_000 {
            state.apply(mark(EventType::View, &format!("v{at}"), at));
            state.apply(mark(EventType::Purchase, &format!("p{at}"), at));
            state.apply(mark(EventType::Expose, "shown", at));
        }
        assert_eq!(state.marks().len(), MAX_TOUCHES + MAX_FACTS + MAX_EXPOSURES);
        assert_eq!(&*state.marks()[0].item_id, "v999");
        assert_eq!(&*state.marks()[MAX_TOUCHES].item_id, "p999");
        state.forget(998);
        assert_eq!(state.marks().len(), 3);
    }

    #[test]
    fn an_event_ahead_of_its_receipt_is_as_of_its_receipt() {
        let event = crate::event::Draft {
            event_id: "e",
            kind: "view",
            occurred_at: "1970-01-01T00:05:00Z",
            user_id: Some("u"),
            item_id: Some("i"),
            ..Default::default()
        };
        let event = event.check(0).unwrap();
        assert_eq!(Mark::of(&event, 7).unwrap().at, 7);
    }

    fn marks() -> impl Strategy<Value = Vec<Mark>> {
        let one = (0u8..10, 0i64..40, 0u8..120).prop_map(|(kind, at, item)| {
            mark(EventType::of_number(kind).unwrap(), &format!("item-{item}"), at)
        });
        prop::collection::vec(one, 0..400)
    }

    proptest! {
        #[test]
        fn any_order_and_any_repetition_give_the_same_state(marks in marks(), seed in any::<u64>()) {
            let mut shuffled = marks.clone();
            shuffled.extend(marks.iter().take(50).cloned());
            shuffled.sort_by_key(|m| {
                xxhash_rust::xxh3::xxh3_64_with_seed(format!("{m:?}").as_bytes(), seed)
            });
            prop_assert_eq!(state(&marks), state(&shuffled));
            let (a, b) = marks.split_at(marks.len() / 2);
            let mut merged = state(a);
            merged.merge(state(b));
            prop_assert_eq!(state(&marks), merged.clone());
            prop_assert_eq!(UserState::of(merged.marks().to_vec()), merged);
        }

        #[test]
        fn bytes_read_back_and_damaged_ones_are_an_error_or_a_state(marks in marks(), at in any::<usize>(), bit in 0u8..8) {
            let state = state(&marks);
            let mut bytes = state.encoded();
            prop_assert_eq!(&UserState::decode(&bytes).unwrap(), &state);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            // Whatever it reads as, it reads without a panic, and is used without one.
            if let Ok(odd) = UserState::decode(&bytes) {
                odd.lately(100);
            }
        }
    }
}
