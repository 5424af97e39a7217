//! The behaviors of every store, written once over the traits; the tests of each store run all of them.

mod consents;
pub mod counters;
pub mod documents;
mod people;

use qianmian_live::consents::Consents;
use qianmian_live::counters::Counters;
use qianmian_live::documents::Documents;
use qianmian_live::event::{Event, RawEvent};
use qianmian_live::items::{ItemChange, ItemOutcome, Items, Stamped};
use qianmian_live::log::{EventLog, Outcome, Sweep};
use qianmian_live::people::{Name, People};
use qianmian_money::Decimal;

/// The moment of the tests, and the `ttl` of their stores; milliseconds.
/// In the past, because Redis uses a clock of its own.
pub const NOW: i64 = 1_700_000_000_000;
pub const TTL: i64 = 7 * 86_400_000;

/// A store.
pub trait Store: EventLog + People + Items + Consents + Documents + Counters + 'static {}
impl<S: EventLog + People + Items + Consents + Documents + Counters + 'static> Store for S {}

/// A way to open a store, and to open the same one again after it was dropped.
pub trait Place {
    type Store: Store;
    fn open(&self) -> Self::Store;
}

pub fn event(id: &str, kind: &str, user: &str, item: &str) -> Event {
    let occurred_at = chrono::DateTime::from_timestamp_millis(NOW - 1_000).unwrap().to_rfc3339();
    let raw = RawEvent {
        event_id: id,
        kind,
        occurred_at: &occurred_at,
        user_id: Some(user),
        item_id: Some(item),
        ..RawEvent::default()
    };
    raw.check(NOW).unwrap()
}

fn change(item: &str, stock: u32, at: i64) -> ItemChange {
    ItemChange::check(item, (None, Some(stock), None), Some(at), NOW).unwrap()
}

async fn touched(store: &impl Store, user: &str, now: i64) -> Vec<String> {
    let state = store.load(&[Name::User(user)], now).await.unwrap().state;
    state.context(now).touched.iter().map(|(id, _)| (*id).to_owned()).collect()
}

/// A sweep at `now`, when the store has been open since [`NOW`].
pub fn sweep_at(now: i64) -> Sweep {
    Sweep { now, uptime_ms: now - NOW, keep_from: u64::MAX }
}

/// All behaviors, each on a store of its own.
pub async fn hold<P: Place>(new: impl Fn() -> P) {
    the_next_load_knows_an_append(&new().open()).await;
    an_event_counts_once(&new()).await;
    another_event_under_a_known_id_is_a_conflict(&new().open()).await;
    names_are_kept_apart_and_read_together(&new().open()).await;
    the_newest_report_about_an_item_holds(&new()).await;
    events_older_than_the_ttl_are_forgotten(&new()).await;
    numbers_continue_after_everything_was_forgotten(&new()).await;
    many_callers_at_once_lose_nothing(new().open()).await;
    people::hold(&new).await;
    consents::hold(&new).await;
    documents::hold(&new).await;
    counters::hold(&new).await;
    documents::documents_agree_with_a_model(&new, 16);
    counters::counters_agree_with_a_model(new, 16);
}

async fn the_next_load_knows_an_append(store: &impl Store) {
    let events = vec![event("1", "view", "u", "a"), event("2", "purchase", "u", "b")];
    assert_eq!(store.append(events.clone(), NOW).await.unwrap(), [Outcome::Accepted; 2]);
    let state = store.load(&[Name::User("u")], NOW).await.unwrap().state;
    assert_eq!(state.context(NOW).bought, [("b", NOW - 1_000)]);
    assert_eq!(touched(store, "u", NOW).await, ["b", "a"]);
    assert!(store.load(&[Name::User("v")], NOW).await.unwrap().state.is_empty());
    let log: Vec<Event> = store.events(0, 10).await.unwrap().into_iter().map(|logged| logged.event).collect();
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
    assert_eq!(store.events(0, 10).await.unwrap().len(), 1);
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

async fn the_newest_report_about_an_item_holds<P: Place>(place: &P) {
    let store = place.open();
    let changes = vec![change("a", 5, NOW), change("a", 9, NOW - 1), change("b", 1, NOW)];
    let outcomes = store.change_items(changes).await.unwrap();
    assert_eq!(outcomes, [ItemOutcome::Accepted, ItemOutcome::Stale, ItemOutcome::Accepted]);
    drop(store);
    let store = place.open();
    let mut known = Vec::new();
    store.each_item(None, |id, state| known.push((id.to_owned(), state.stock)));
    known.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(known, [("a".to_owned(), Some(Stamped(5, NOW))), ("b".to_owned(), Some(Stamped(1, NOW)))]);
    let priced = ["131072.01", "0.0001", "999999999.99"].map(|price| Decimal::parse(price).unwrap());
    let told = priced.iter().enumerate().map(|(n, price)| {
        ItemChange::check(&format!("p{n}"), (Some(*price), None, None), Some(NOW), NOW).unwrap()
    });
    store.change_items(told.collect()).await.unwrap();
    drop(store);
    let store = place.open();
    let mut back = Vec::new();
    let ids: Vec<String> = (0..3).map(|n| format!("p{n}")).collect();
    store.each_item(Some(&ids), |_, state| back.extend(state.price.map(|price| price.0)));
    assert_eq!(back, priced, "prices are stored as they were told");
    let mut asked = 0;
    store.each_item(Some(&["b".to_owned(), "c".to_owned()]), |_, _| asked += 1);
    assert_eq!(asked, 1);
}

async fn events_older_than_the_ttl_are_forgotten<P: Place>(place: &P) {
    let store = place.open();
    store.append(vec![event("1", "view", "u", "a"), event("2", "view", "v", "a")], NOW).await.unwrap();
    store.sweep(sweep_at(NOW)).await.unwrap();
    store.append(vec![event("3", "view", "u", "b")], NOW + TTL).await.unwrap();
    assert_eq!(store.sweep(sweep_at(NOW + TTL - 1)).await.unwrap(), 0, "nothing is old enough yet");
    let later = NOW + TTL;
    let undrained = Sweep { keep_from: 0, ..sweep_at(later) };
    assert_eq!(store.sweep(undrained).await.unwrap(), 0, "nothing is drained yet");
    assert_eq!(store.sweep(sweep_at(later)).await.unwrap(), 2);
    let left: Vec<_> =
        store.events(0, 10).await.unwrap().into_iter().map(|logged| logged.event.event_id).collect();
    assert_eq!(left, ["3"]);
    for user in ["u", "v"] {
        assert!(store.load(&[Name::User(user)], later).await.unwrap().state.is_empty());
    }
}

async fn numbers_continue_after_everything_was_forgotten<P: Place>(place: &P) {
    let store = place.open();
    store.append(vec![event("1", "view", "u", "a"), event("2", "view", "u", "a")], NOW).await.unwrap();
    let last = store.events(0, 10).await.unwrap()[1].number;
    store.sweep(sweep_at(NOW)).await.unwrap();
    store.sweep(sweep_at(NOW + 2 * TTL)).await.unwrap();
    drop(store);
    let store = place.open();
    store.append(vec![event("3", "view", "u", "a")], NOW + 2 * TTL).await.unwrap();
    assert_eq!(store.events(0, 10).await.unwrap().last().unwrap().number, last + 1);
}

async fn many_callers_at_once_lose_nothing(store: impl Store) {
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
    assert_eq!((accepted, store.events(0, 1_000).await.unwrap().len()), (160, 160));
}
