//! Consents, in every store.

use qianmian_live::consents::{Consent, ConsentAction, ConsentChange, Consents};
use qianmian_live::items::Stamped;
use qianmian_live::replicated::ChangeOutcome::{Accepted, Stale};

use super::{NOW, Place};

fn change(user_id: &str, action: ConsentAction) -> ConsentChange {
    ConsentChange { user_id: user_id.to_owned(), action }
}

fn contact(user_id: &str, allowed: Option<bool>) -> ConsentChange {
    change(user_id, ConsentAction::Decide { contact: Some(allowed), personalization: None, at: NOW })
}

fn in_memory(store: &impl Consents, user_id: &str) -> Consent {
    let mut found = Consent::default();
    store.each_consent(Some(&[user_id.to_owned()]), |_, consent| found = consent.clone());
    found
}

pub async fn hold<P: Place>(new: &impl Fn() -> P) {
    a_decision_survives_a_restart(&new()).await;
    decisions_of_many_callers_are_all_kept(new().open()).await;
}

async fn a_decision_survives_a_restart<P: Place>(place: &P) {
    let store = place.open();
    let changes = vec![
        contact("u", Some(false)),
        contact("v", Some(true)),
        contact("v", None),
        change("u", ConsentAction::Join(vec!["p".to_owned()])),
        change("u", ConsentAction::Join(vec!["p".to_owned()])),
    ];
    assert_eq!(
        store.change_consents(changes).await.unwrap(),
        [Accepted, Accepted, Accepted, Accepted, Stale]
    );
    drop(store);
    let store = place.open();
    let denied =
        Consent { contact: Some(Stamped(false, NOW)), personalization: None, others: vec!["p".to_owned()] };
    assert_eq!(in_memory(&store, "u"), denied);
    assert_eq!(in_memory(&store, "v"), Consent::default(), "the decision was taken back");
    let read = store.read_consents(&["x".to_owned(), "u".to_owned()]).await.unwrap();
    assert_eq!(read, [Consent::default(), denied]);
    let mut known = Vec::new();
    store.each_consent(None, |user_id, _| known.push(user_id.to_owned()));
    known.sort();
    assert_eq!(known, ["u", "v"]);
}

async fn decisions_of_many_callers_are_all_kept<S: Consents + 'static>(store: S) {
    let store = std::sync::Arc::new(store);
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..12 {
        let store = std::sync::Arc::clone(&store);
        // Each changes another part of the same record.
        callers.spawn(async move {
            let action = match n {
                0 => ConsentAction::Decide { contact: Some(Some(false)), personalization: None, at: NOW },
                1 => ConsentAction::Decide { contact: None, personalization: Some(Some(false)), at: NOW },
                _ => ConsentAction::Join(vec![format!("p{n:02}")]),
            };
            store.change_consents(vec![change("u", action)]).await.unwrap();
        });
    }
    callers.join_all().await;
    let consent = in_memory(&*store, "u");
    assert_eq!(
        (consent.contact, consent.personalization),
        (Some(Stamped(false, NOW)), Some(Stamped(false, NOW)))
    );
    assert_eq!(consent.others.len(), 10);
}
