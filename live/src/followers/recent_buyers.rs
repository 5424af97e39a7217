//! Recent buyers: users who bought, returned or disliked an item after the model was trained. Audiences need them.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::event::{Event, EventType};

/// Most pairs of an item and a user, about 150 bytes each; the oldest are dropped.
const MAX_PAIRS: usize = 200_000;

/// The last reaction of a user to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Bought, and not returned since. Time of the last purchase, unix milliseconds.
    Bought(i64),
    /// Returned or disliked, without interest since.
    Rejected,
}

/// Times of the latest acts, unix milliseconds; `i64::MIN` for none.
#[derive(Debug, Clone, Copy)]
struct Acts {
    bought: i64,
    wanted: i64,
    rejected: i64,
}

/// Reactions of users, by item.
#[derive(Debug, Default)]
pub struct RecentBuyers {
    items: FxHashMap<Arc<str>, FxHashMap<Arc<str>, Acts>>,
    /// Pairs in the order of their first event.
    order: VecDeque<(Arc<str>, Arc<str>)>,
}

impl Acts {
    fn reaction(&self) -> Option<Reaction> {
        match self {
            Self { wanted, rejected, .. } if rejected >= wanted => Some(Reaction::Rejected),
            Self { bought, rejected, .. } => (bought > rejected).then_some(Reaction::Bought(*bought)),
        }
    }
}

impl RecentBuyers {
    /// Adds an event of a user id about an item. Purchases, returns and dislikes may come in any order; renewed
    /// interest counts only after one of them.
    pub fn add(&mut self, event: &Event) {
        let (Some(item), Some(user)) = (event.item_id.as_deref(), event.user_id.as_deref()) else { return };
        let known = self.items.get_mut(item).and_then(|users| users.get_mut(user));
        let at = event.occurred_at;
        match (event.kind, known) {
            (EventType::Purchase | EventType::Refund | EventType::Dislike, None) => {
                self.begin(event, item, user)
            }
            (EventType::Purchase, Some(acts)) => {
                (acts.bought, acts.wanted) = (acts.bought.max(at), acts.wanted.max(at));
            }
            (EventType::Refund | EventType::Dislike, Some(acts)) => acts.rejected = acts.rejected.max(at),
            (kind, Some(acts)) if kind.interest() > 0.0 => acts.wanted = acts.wanted.max(at),
            _ => {}
        }
    }

    fn begin(&mut self, event: &Event, item: &str, user: &str) {
        while self.order.len() >= MAX_PAIRS {
            self.forget_oldest();
        }
        let (item, user): (Arc<str>, Arc<str>) = (item.into(), user.into());
        let acts = match event.kind {
            EventType::Purchase => {
                Acts { bought: event.occurred_at, wanted: event.occurred_at, rejected: i64::MIN }
            }
            _ => Acts { bought: i64::MIN, wanted: i64::MIN, rejected: event.occurred_at },
        };
        self.items.entry(Arc::clone(&item)).or_default().insert(Arc::clone(&user), acts);
        self.order.push_back((item, user));
    }

    fn forget_oldest(&mut self) {
        let Some((item, user)) = self.order.pop_front() else { return };
        if let Some(users) = self.items.get_mut(&item) {
            users.remove(&user);
            if users.is_empty() {
                self.items.remove(&item);
            }
        }
    }

    /// The reactions of users to `item`.
    pub fn of(&self, item: &str) -> impl Iterator<Item = (&str, Reaction)> {
        let users = self.items.get(item).into_iter().flatten();
        users.filter_map(|(user, acts)| Some((&**user, acts.reaction()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventType, user: &str, item: &str, occurred_at: i64) -> Event {
        Event {
            event_id: String::new(),
            kind,
            occurred_at,
            user_id: Some(user.to_owned()),
            identity: None,
            session_id: None,
            item_id: Some(item.to_owned()),
            channel: None,
            region: None,
            scene: None,
            room_id: None,
            request_id: None,
            value: None,
            storefront: false,
        }
    }

    #[test]
    fn reactions_do_not_depend_on_the_order_of_events() {
        use EventType::{AddToCart, Dislike, Purchase, Refund, View};
        let told =
            [(Purchase, "a", 1), (Refund, "b", 5), (Purchase, "b", 4), (Dislike, "c", 1), (View, "d", 1)];
        let then = [(Purchase, "e", 1), (Refund, "e", 2), (AddToCart, "e", 3), (Purchase, "a", 7)];
        let mut buyers = RecentBuyers::default();
        told.into_iter().chain(then).for_each(|(kind, user, at)| buyers.add(&event(kind, user, "i", at)));
        let mut found: Vec<(&str, Reaction)> = buyers.of("i").collect();
        found.sort_by_key(|(user, _)| *user);
        // A user who returned it and shows interest again has no reaction.
        assert_eq!(found, [("a", Reaction::Bought(7)), ("b", Reaction::Rejected), ("c", Reaction::Rejected)]);
        assert_eq!(buyers.of("another").count(), 0);
    }

    #[test]
    fn the_latest_pairs_are_kept() {
        let mut buyers = RecentBuyers::default();
        for n in 0..MAX_PAIRS + 5 {
            buyers.add(&event(EventType::Purchase, &n.to_string(), &(n % 7).to_string(), n as i64));
        }
        let kept: usize = (0..7).map(|item: usize| buyers.of(&item.to_string()).count()).sum();
        assert_eq!((kept, buyers.order.len()), (MAX_PAIRS, MAX_PAIRS));
        assert!(buyers.of("0").all(|(user, _)| user != "0"));
    }
}
