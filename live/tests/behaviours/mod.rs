//! What every store does, written once over the interface; each store's test file runs all of it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod people;

use qianmian_live::event::{Draft, Event};
use qianmian_live::item::{ItemChange, Told};
use qianmian_live::store::{ItemOutcome, Name, Outcome, Store};

/// A moment of the tests, and the `ttl` that stores are opened with; milliseconds.
pub const NOW: i64 = 1_800_000_000_000;
pub const TTL: i64 = 7 * 86_400_000;

/// A way to open a store, and to open the same one again once it was dropped.
pub trait Place {
    type Store: Store + 'static;
    fn open(&self) -> Self::Store;
}

pub fn event(id: &str, kind: &str, user: &str, item: &str) -> Event {
    let occurred_at = chrono::DateTime::from_timestamp_millis(NOW - 1_000).unwrap().to_rfc3339();
    let draft = Draft {
        event_id: id,
        kind,
        occurred_at: &occurred_at,
        user_id: Some(user),
        item_id: Some(item),
        ..Draft::default()
    };
    draft.check(NOW).unwrap()
}

fn change(item: &str, stock: u32, at: i64) -> ItemChange {
    ItemChange::check(item, (None, Some(stock), None), at, NOW).unwrap()
}

async fn touched(store: &impl Store, user: &str, now: i64) -> Vec<String> {
    let state = store.load(&[Name::User(user)], now).await.unwrap().state;
    state.lately(now).touched.iter().map(|(id, _)| (*id).to_owned()).collect()
}

/// All behaviours, each on a store of its own.
pub async fn hold<P: Place>(new: impl Fn() -> P) {
    the_next_load_knows_what_was_appended(&new().open()).await;
    an_event_counts_once(&new()).await;
    another_event_under_a_known_id_is_a_conflict(&new().open()).await;
    names_are_kept_apart_and_read_together(&new().open()).await;
    the_newest_news_of_an_item_holds(&new()).await;
    what_is_older_than_the_ttl_is_forgotten(&new()).await;
    numbers_go_on_after_everything_was_forgotten(&new()).await;
    many_callers_at_once_lose_nothing(new().open()).await;
    people::hold(new).await;
}

async fn the_next_load_knows_what_was_appended(store: &impl Store) {
    let events = vec![event("1", "view", "u", "a"), event("2", "purchase", "u", "b")];
    assert_eq!(store.append(events.clone(), NOW).await.unwrap(), [Outcome::Accepted; 2]);
    let state = store.load(&[Name::User("u")], NOW).await.unwrap().state;
    assert_eq!(state.lately(NOW).bought, [("b", NOW - 1_000)]);
    assert_eq!(touched(store, "u", NOW).await, ["b", "a"]);
    assert!(store.load(&[Name::User("v")], NOW).await.unwrap().state.is_empty());
    let log: Vec<Event> = store.log(0, 10).await.unwrap().into_iter().map(|logged| logged.event).collect();
    assert_eq!(log, events);
}

async fn an_event_counts_once<P: Place>(place: &P) {
    let store = place.open();
    let twice = vec![event("1", "view", "u", "a"), event("1", "view", "u", "a")];
    assert_eq!(store.append(twice, NOW).await.unwrap(), [Outcome::Accepted, Outcome::Duplicate]);
    drop(store);
    let store = place.open();
    let again = store.append(vec![event("1", "view", "u", "a")], NOW + 5_000).await.unwrap();
    assert_eq!(again, [Outcome::Duplicate], "a restart does not forget");
    assert_eq!(store.log(0, 10).await.unwrap().len(), 1);
    assert_eq!(touched(&store, "u", NOW).await, ["a"]);
}

async fn another_event_under_a_known_id_is_a_conflict(store: &impl Store) {
    store.append(vec![event("1", "view", "u", "a")], NOW).await.unwrap();
    let other = store.append(vec![event("1", "view", "u", "b")], NOW).await.unwrap();
    assert_eq!(other, [Outcome::Conflict]);
    assert_eq!(touched(store, "u", NOW).await, ["a"]);
}

async fn names_are_kept_apart_and_read_together(store: &impl Store) {
    let mut visit = event("1", "view", "x", "a");
    visit.session_id = visit.user_id.take();
    store.append(vec![visit, event("2", "add_to_cart", "x", "b")], NOW).await.unwrap();
    assert_eq!(touched(store, "x", NOW).await, ["b"], "a session is not the user of the same id");
    let both = store.load(&[Name::User("x"), Name::Session("x")], NOW).await.unwrap().state;
    assert_eq!(both.marks().len(), 2);
}

async fn the_newest_news_of_an_item_holds<P: Place>(place: &P) {
    let store = place.open();
    let news = vec![change("a", 5, NOW), change("a", 9, NOW - 1), change("b", 1, NOW)];
    let outcomes = store.change_items(news).await.unwrap();
    assert_eq!(outcomes, [ItemOutcome::Accepted, ItemOutcome::Stale, ItemOutcome::Accepted]);
    drop(store);
    let store = place.open();
    let mut known = Vec::new();
    store.each_item(None, |id, state| known.push((id.to_owned(), state.stock)));
    known.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(known, [("a".to_owned(), Some(Told(5, NOW))), ("b".to_owned(), Some(Told(1, NOW)))]);
    let mut asked = 0;
    store.each_item(Some(&["b".to_owned(), "c".to_owned()]), |_, _| asked += 1);
    assert_eq!(asked, 1);
}

async fn what_is_older_than_the_ttl_is_forgotten<P: Place>(place: &P) {
    let store = place.open();
    store.append(vec![event("1", "view", "u", "a"), event("2", "view", "v", "a")], NOW).await.unwrap();
    store.append(vec![event("3", "view", "u", "b")], NOW + TTL).await.unwrap();
    assert_eq!(store.sweep(NOW + TTL - 1).await.unwrap(), 0, "nothing is old enough yet");
    let later = NOW + TTL;
    assert_eq!(store.sweep(later).await.unwrap(), 2);
    let numbers: Vec<u64> = store.log(0, 10).await.unwrap().iter().map(|logged| logged.number).collect();
    assert_eq!(numbers, [2]);
    for user in ["u", "v"] {
        assert!(store.load(&[Name::User(user)], later).await.unwrap().state.is_empty());
    }
    // Its id is free again: for so long, and no longer, an event counts once.
    let again = store.append(vec![event("1", "view", "u", "a")], later).await.unwrap();
    assert_eq!(again, [Outcome::Accepted]);
}

async fn numbers_go_on_after_everything_was_forgotten<P: Place>(place: &P) {
    let store = place.open();
    store.append(vec![event("1", "view", "u", "a"), event("2", "view", "u", "a")], NOW).await.unwrap();
    store.sweep(NOW + 2 * TTL).await.unwrap();
    drop(store);
    let store = place.open();
    store.append(vec![event("3", "view", "u", "a")], NOW + 2 * TTL).await.unwrap();
    assert_eq!(store.log(0, 10).await.unwrap().last().unwrap().number, 2);
}

async fn many_callers_at_once_lose_nothing(store: impl Store + 'static) {
    let store = std::sync::Arc::new(store);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..16 {
        let store = std::sync::Arc::clone(&store);
        callers.spawn(async move {
            let mut accepted = 0;
            for n in 0..20 {
                // Every id is sent by two callers.
                let id = format!("{}-{n}", caller / 2);
                let outcomes = store.append(vec![event(&id, "view", &id, "a")], NOW).await.unwrap();
                accepted += usize::from(outcomes == [Outcome::Accepted]);
            }
            accepted
        });
    }
    let accepted: usize = callers.join_all().await.into_iter().sum();
    assert_eq!((accepted, store.log(0, 1_000).await.unwrap().len()), (160, 160));
}
