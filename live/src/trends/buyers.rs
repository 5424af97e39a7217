//! Who bought an item lately, or turned it down: what an audience must know of people who did so after the model
//! was trained.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::event::{Event, EventType};
use crate::user::interest;

/// Pairs of an item and a user that are kept, the latest first heard of; some 150 bytes each.
const MAX_PAIRS: usize = 200_000;

/// What one user did about one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// They bought it, at this moment (unix milliseconds) last, and did not give it back.
    Bought(i64),
    /// They gave it back or want to see no more of it, and have not wanted it since.
    TurnedDown,
}

/// Moments, unix milliseconds; `i64::MIN` where nothing of the kind is known.
#[derive(Debug, Clone, Copy)]
struct Acts {
    bought: i64,
    wanted: i64,
    against: i64,
}

/// By item, what users did about it.
#[derive(Debug, Default)]
pub struct RecentBuyers {
    items: FxHashMap<Arc<str>, FxHashMap<Arc<str>, Acts>>,
    /// Items and users in the order in which the pairs were first heard of.
    order: VecDeque<(Arc<str>, Arc<str>)>,
}

impl Acts {
    fn did(&self) -> Option<Did> {
        match self {
            Self { wanted, against, .. } if against >= wanted => Some(Did::TurnedDown),
            Self { bought, against, .. } => (bought > against).then_some(Did::Bought(*bought)),
        }
    }
}

impl RecentBuyers {
    /// Takes in an event of a named user about an item. Purchases, returns and dislikes may come in any order; that
    /// somebody wants an item again is heard once something of them is known.
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
            (EventType::Refund | EventType::Dislike, Some(acts)) => acts.against = acts.against.max(at),
            (kind, Some(acts)) if interest(kind) > 0.0 => acts.wanted = acts.wanted.max(at),
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
                Acts { bought: event.occurred_at, wanted: event.occurred_at, against: i64::MIN }
            }
            _ => Acts { bought: i64::MIN, wanted: i64::MIN, against: event.occurred_at },
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

    /// What users did about `item`.
    pub fn of(&self, item: &str) -> impl Iterator<Item = (&str, Did)> {
        let users = self.items.get(item).into_iter().flatten();
        users.filter_map(|(user, acts)| Some((&**user, acts.did()?)))
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
        }
    }

    #[test]
    fn who_bought_and_who_turned_down_whatever_the_order_in_which_it_is_told() {
        use EventType::{AddToCart, Dislike, Purchase, Refund, View};
        let told =
            [(Purchase, "a", 1), (Refund, "b", 5), (Purchase, "b", 4), (Dislike, "c", 1), (View, "d", 1)];
        let then = [(Purchase, "e", 1), (Refund, "e", 2), (AddToCart, "e", 3), (Purchase, "a", 7)];
        let mut buyers = RecentBuyers::default();
        told.into_iter().chain(then).for_each(|(kind, user, at)| buyers.add(&event(kind, user, "i", at)));
        let mut found: Vec<(&str, Did)> = buyers.of("i").collect();
        found.sort_by_key(|(user, _)| *user);
        // Who gave it back and wants it again is as everybody else.
        assert_eq!(found, [("a", Did::Bought(7)), ("b", Did::TurnedDown), ("c", Did::TurnedDown)]);
        assert_eq!(buyers.of("another").count(), 0);
    }

    #[test]
    fn it_stays_bounded_and_the_latest_stay() {
        let mut buyers = RecentBuyers::default();
        for n in 0..MAX_PAIRS + 5 {
            buyers.add(&event(EventType::Purchase, &n.to_string(), &(n % 7).to_string(), n as i64));
        }
        let kept: usize = (0..7).map(|item: usize| buyers.of(&item.to_string()).count()).sum();
        assert_eq!((kept, buyers.order.len()), (MAX_PAIRS, MAX_PAIRS));
        assert!(buyers.of("0").all(|(user, _)| user != "0"));
    }
}
