//! The behaviors of people: the rules of One-ID (`one_id.rs`) hold at once and durably.

use qianmian_live::event::{Event, RawEvent};
use qianmian_live::identity::Identity;
use qianmian_live::log::EventLog;
use qianmian_live::people::{
    Known, LinkOutcome, LinkRequest, LinkStatus, Name, People, Refusal, UndoOutcome, UndoRequest,
};

use super::{NOW, Place, Store, TTL, event, sweep_at};

pub async fn hold<P: Place>(new: impl Fn() -> P) {
    a_persons_state_spans_all_names(&new().open()).await;
    an_undone_merge_leaves_each_name_its_state(&new()).await;
    a_refused_link_changes_nothing(&new().open()).await;
    callers_who_link_at_once_make_one_person(new().open()).await;
    silent_anonymous_people_are_forgotten(&new().open()).await;
}

fn id(kind: &str, value: &str) -> Identity {
    Identity::check(kind, value).unwrap()
}

/// An event under an identity.
fn seen_by(event_id: &str, (kind, value): (&str, &str), item: &str) -> Event {
    let occurred_at = chrono::DateTime::from_timestamp_millis(NOW - 1_000).unwrap().to_rfc3339();
    let identity = Some((kind, value));
    let raw = RawEvent {
        event_id,
        kind: "view",
        occurred_at: &occurred_at,
        identity,
        item_id: Some(item),
        ..RawEvent::default()
    };
    raw.check(NOW).unwrap()
}

async fn link(
    store: &impl Store,
    request_id: &str,
    user_id: Option<&str>,
    identities: &[Identity],
) -> Result<LinkOutcome, Refusal> {
    let request = LinkRequest {
        user_id: user_id.map(str::to_owned),
        identities: identities.to_vec(),
        at: NOW,
        request_id: request_id.to_owned(),
        source: None,
    };
    store.link(request).await.unwrap()
}

async fn known(store: &impl Store, name: Name<'_>) -> (Vec<String>, Vec<String>) {
    let Known { user_ids, state, .. } = store.load(&[name], NOW).await.unwrap();
    let mut touched: Vec<String> =
        state.context(NOW).touched.iter().map(|(id, _)| (*id).to_owned()).collect();
    touched.sort();
    (user_ids, touched)
}

async fn a_persons_state_spans_all_names(store: &impl Store) {
    let (device, card) = (id("device_id", "d"), id("member_card", "c"));
    let mut visit = event("1", "view", "s", "a");
    visit.session_id = visit.user_id.take();
    let events = vec![visit, seen_by("2", ("device_id", "d"), "b"), event("3", "view", "K", "c")];
    store.append(events, NOW).await.unwrap();
    assert_eq!(
        known(store, Name::Identity(&device)).await,
        (vec![], vec!["b".to_owned()]),
        "a name of its own"
    );
    link(store, "r1", Some("K"), &[device.clone(), card.clone(), id("session", "s")]).await.unwrap();
    for name in [Name::User("K"), Name::Identity(&device), Name::Identity(&card), Name::Session("s")] {
        let (user_ids, touched) = known(store, name).await;
        assert_eq!(
            (user_ids, touched),
            (vec!["K".to_owned()], ["a", "b", "c"].map(str::to_owned).to_vec()),
            "{name:?}"
        );
    }
    store.append(vec![seen_by("4", ("member_card", "c"), "d")], NOW).await.unwrap();
    assert_eq!(known(store, Name::User("K")).await.1.len(), 4, "events go on under any name");
}

async fn an_undone_merge_leaves_each_name_its_state<P: Place>(place: &P) {
    let store = place.open();
    let device = id("device_id", "d");
    store
        .append(vec![seen_by("1", ("device_id", "d"), "a"), event("2", "view", "K", "b")], NOW)
        .await
        .unwrap();
    let anonymous =
        link(&store, "r1", None, &[device.clone(), id("cookie", "k")]).await.unwrap().user_id.unwrap();
    let merged = link(&store, "r2", Some("K"), std::slice::from_ref(&device)).await.unwrap();
    assert_eq!(merged.status, LinkStatus::Merged);
    drop(store);
    let store = place.open();
    let (user_ids, touched) = known(&store, Name::Identity(&device)).await;
    assert_eq!(user_ids, ["K".to_owned(), anonymous.clone()], "a restart does not forget");
    assert_eq!(touched, ["a", "b"]);
    store.append(vec![seen_by("3", ("cookie", "k"), "c"), event("4", "view", "K", "d")], NOW).await.unwrap();
    assert_eq!(known(&store, Name::User("K")).await.1, ["a", "b", "c", "d"]);
    let undo = UndoRequest { merge_id: merged.merges[0].merge_id.clone(), at: NOW, ..UndoRequest::default() };
    assert!(matches!(store.undo(undo.clone()).await.unwrap(), UndoOutcome::Undone { .. }));
    drop(store);
    let store = place.open();
    assert_eq!(known(&store, Name::User("K")).await.1, ["b", "d"]);
    let (user_ids, touched) = known(&store, Name::Identity(&device)).await;
    assert_eq!((user_ids, touched), (vec![anonymous.clone()], vec!["a".to_owned(), "c".to_owned()]));
    assert_eq!(store.undo(undo).await.unwrap(), UndoOutcome::Unchanged);
    let trail = store.person(&anonymous, NOW).await.unwrap().audit;
    assert_eq!(trail.len(), 3, "{trail:?}");
}

async fn a_refused_link_changes_nothing(store: &impl Store) {
    link(store, "r1", Some("K"), &[id("member_card", "k")]).await.unwrap();
    link(store, "r2", Some("L"), &[id("member_card", "l")]).await.unwrap();
    let before = store.person("K", NOW).await.unwrap();
    let refused =
        link(store, "r3", None, &[id("member_card", "k"), id("member_card", "l"), id("cookie", "c")]).await;
    assert_eq!(refused, Err(Refusal::UserIds));
    assert_eq!(store.person("K", NOW).await.unwrap(), before);
    assert!(known(store, Name::Identity(&id("cookie", "c"))).await.0.is_empty());
}

async fn silent_anonymous_people_are_forgotten(store: &impl Store) {
    store.append(vec![seen_by("1", ("cookie", "1"), "a"), event("2", "view", "K", "b")], NOW).await.unwrap();
    for n in ["1", "2"] {
        link(store, n, None, &[id("cookie", n), id("session", n)]).await.unwrap();
    }
    link(store, "3", Some("K"), &[id("cookie", "3")]).await.unwrap();
    let who = async |n: &str| known(store, Name::Identity(&id("cookie", n))).await.0.len();
    store.sweep(sweep_at(NOW)).await.unwrap();
    store.sweep(sweep_at(NOW + TTL - 1)).await.unwrap();
    assert_eq!((who("1").await, who("2").await, who("3").await), (1, 1, 1));
    // The first sweep removes the first event of the log, the next one its user.
    for _ in 0..2 {
        store.sweep(sweep_at(NOW + TTL)).await.unwrap();
    }
    assert_eq!((who("1").await, who("2").await, who("3").await), (0, 0, 1));
}

async fn callers_who_link_at_once_make_one_person(store: impl Store) {
    let store = std::sync::Arc::new(store);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..8 {
        let store = std::sync::Arc::clone(&store);
        callers.spawn(async move {
            // A chain: each link shares a name with the next.
            let names = [caller, caller + 1].map(|n| id("device_id", &n.to_string()));
            link(&*store, &format!("r{caller}"), None, &names).await.unwrap();
        });
    }
    callers.join_all().await;
    let device = id("device_id", "0");
    let (user_ids, _) = known(&*store, Name::Identity(&device)).await;
    let person = store.person(&user_ids[0], NOW).await.unwrap().person;
    assert_eq!(person.identities.len(), 9, "{person:?}");
}
