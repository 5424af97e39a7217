//! A user's live state.
//!
//! A state is a set of marks: for every type of event and item the last time that it happened, and one mark for every
//! exposure. Applying events in any order, once or many times, gives the same state, so late events need no special
//! case. It is bounded: the latest [`MAX_TOUCHES`], [`MAX_FACTS`] and [`MAX_EXPOSURES`] marks stay. Encoded, a mark
//! takes 9 bytes and its item's id, an exposure 8 more and its scene: with ids of 12 bytes, a user with ten events
//! takes 211 bytes, one with the most marks 12 KB.

mod context;
mod mark;

pub use context::{HALF_LIFE_MS, LiveContext};
pub use mark::{Class, DEFAULT_SCENE, MAX_EXPOSURES, MAX_FACTS, MAX_TOUCHES, Mark};

/// First byte of an encoded state.
const FORMAT: u8 = 2;

/// The live state of one user or visit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserState {
    /// Touches, then facts, then exposures, the latest first in each; each name once.
    marks: Vec<Mark>,
}

/// The error of an encoded state that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state of a user is damaged at byte {at}")]
pub struct Damaged {
    at: usize,
}

impl UserState {
    /// The marks: touches, then facts, then exposures, the latest first in each.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// True if there are no marks.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The state of these marks, each with a distinct name.
    pub fn of(mut marks: Vec<Mark>) -> Self {
        marks.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        let mut state = Self { marks };
        Class::ALL.into_iter().for_each(|class| state.truncate(class));
        state
    }

    /// Adds a mark.
    pub fn apply(&mut self, mark: Mark) {
        let Some(class) = mark::class_of(mark.kind) else { return };
        let known = self.marks.iter().position(|m| m.is_same(&mark));
        match known {
            Some(n) if self.marks[n].at >= mark.at => return,
            Some(n) => drop(self.marks.remove(n)),
            None => {}
        }
        let n = self.marks.partition_point(|m| m.order() < mark.order());
        self.marks.insert(n, mark);
        self.truncate(class);
    }

    /// Removes a mark, unless a later one replaced it.
    pub fn remove(&mut self, mark: &Mark) {
        self.marks.retain(|known| known != mark);
    }

    /// Adds the marks of another state: two names turned out to be one user.
    pub fn merge(&mut self, other: Self) {
        for mark in other.marks {
            self.apply(mark);
        }
    }

    /// Removes marks at or before `moment` (unix milliseconds).
    pub fn forget(&mut self, moment: i64) {
        self.marks.retain(|mark| mark.at > moment);
    }

    fn truncate(&mut self, class: Class) {
        let from = self.marks.partition_point(|m| m.class() < class);
        let to = self.marks.partition_point(|m| m.class() <= class);
        if to - from > class.bound() {
            self.marks.drain(from + class.bound()..to);
        }
    }

    /// The state as bytes: a format byte, then for every mark its time (6 bytes), length of its name (2), name.
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

    /// Decodes what [`encoded`](Self::encoded) made.
    ///
    /// # Errors
    /// The bytes have another form.
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::event::EventType;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;

    fn mark(kind: EventType, item: &str, at: i64) -> Mark {
        let scene = if kind == EventType::Expose { DEFAULT_SCENE } else { "" };
        Mark { kind, at, item_id: item.into(), scene: scene.into() }
    }

    #[test]
    fn an_item_shown_often_and_never_touched_is_overexposed() {
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
        let context = state.context(2 * HOUR);
        assert_eq!(context.touched.len(), 1, "what is shown is no interest");
    }

    fn state(marks: &[Mark]) -> UserState {
        let mut state = UserState::default();
        marks.iter().cloned().for_each(|mark| state.apply(mark));
        state
    }

    #[test]
    fn the_latest_and_strongest_interest_comes_first() {
        use EventType::{AddToCart, Click, View};
        let state = state(&[
            mark(AddToCart, "old", HOUR),
            mark(View, "seen", 20 * HOUR),
            mark(Click, "hit", 20 * HOUR),
        ]);
        let touched: Vec<&str> = state.context(20 * HOUR).touched.iter().map(|(id, _)| *id).collect();
        assert_eq!(touched, ["seen", "hit", "old"]);
        let weights: Vec<f32> = state.context(26 * HOUR).touched.iter().map(|(_, weight)| *weight).collect();
        assert_eq!(weights[..2], [0.25, 0.2], "half as much after six hours");
    }

    #[test]
    fn a_rejected_item_is_unwanted_until_new_interest() {
        use EventType::{AddToCart, Dislike, Purchase, Refund};
        let given_back = [mark(Purchase, "a", 1), mark(Refund, "a", 2), mark(Dislike, "b", 2)];
        let state_of = state(&given_back);
        let context = state_of.context(3);
        assert_eq!((context.bought, context.unwanted, context.touched), (vec![], vec!["a", "b"], vec![]));
        let mut again = state(&given_back);
        again.apply(mark(AddToCart, "a", 3));
        again.apply(mark(Purchase, "b", 4));
        let context = again.context(5);
        assert_eq!((context.bought, context.unwanted.len()), (vec![("b", 4)], 0));
    }

    #[test]
    fn a_state_keeps_the_latest_marks() {
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
    fn a_mark_is_never_later_than_its_receipt() {
        let event = crate::event::RawEvent {
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
        fn order_and_repetition_do_not_matter(marks in marks(), seed in any::<u64>()) {
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
        fn damaged_bytes_never_panic(marks in marks(), at in any::<usize>(), bit in 0u8..8) {
            let state = state(&marks);
            let mut bytes = state.encoded();
            prop_assert_eq!(&UserState::decode(&bytes).unwrap(), &state);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            // Any bytes are read without a panic, and the state is used without one.
            if let Ok(odd) = UserState::decode(&bytes) {
                odd.context(100);
            }
        }
    }
}
