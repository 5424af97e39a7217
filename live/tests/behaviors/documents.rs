//! The behaviors of documents.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use qianmian_live::documents::{
    Author, Document, DocumentError, DocumentWrite, Documents, MAX_BODY_BYTES, MAX_HISTORY,
};

use super::{NOW, Place, Store};

pub async fn hold<P: Place>(new: impl Fn() -> P) {
    a_put_is_read_after_a_restart(&new()).await;
    a_stale_revision_is_a_conflict(&new().open()).await;
    undo_goes_back_step_by_step(&new().open()).await;
    history_keeps_the_latest_revisions(&new().open()).await;
    kinds_and_names_are_kept_apart(&new().open()).await;
    watchers_hear_of_changes(&new()).await;
    concurrent_edits_lose_nothing(new().open()).await;
    a_rejected_write_names_the_field(&new().open()).await;
}

pub fn author(who: &str) -> Author {
    Author { who: who.to_owned(), why: Some("test".to_owned()), at: NOW }
}

pub async fn put(
    store: &impl Documents,
    address: (&str, &str),
    body: &str,
    if_revision: Option<u64>,
) -> Result<u64, DocumentError> {
    store.write_document(DocumentWrite::check(address, Some(body), if_revision, author("a"))?).await
}

async fn delete(
    store: &impl Documents,
    address: (&str, &str),
    if_revision: Option<u64>,
) -> Result<u64, DocumentError> {
    store.write_document(DocumentWrite::check(address, None, if_revision, author("d"))?).await
}

async fn body(store: &impl Documents, (kind, name): (&str, &str)) -> Option<String> {
    store.document(kind, name).await.unwrap().and_then(|document| document.body)
}

async fn a_put_is_read_after_a_restart<P: Place>(place: &P) {
    let store = place.open();
    let first = put(&store, ("scene", "home"), "{\"a\":1}", Some(0)).await.unwrap();
    let second = put(&store, ("scene", "home"), "{\"a\":2}", Some(first)).await.unwrap();
    assert!(second > first);
    drop(store);
    let store = place.open();
    let document = store.document("scene", "home").await.unwrap().unwrap();
    let expected = Document {
        revision: second,
        author: author("a"),
        body: Some("{\"a\":2}".to_owned()),
        restores: None,
    };
    assert_eq!(document, expected);
    let history = store.document_history("scene", "home").await.unwrap();
    assert_eq!(history.iter().map(|document| document.revision).collect::<Vec<_>>(), [second, first]);
    assert!(put(&store, ("scene", "cart"), "3", None).await.unwrap() > second, "numbers go on");
}

async fn a_stale_revision_is_a_conflict(store: &impl Store) {
    let home = ("scene", "home");
    assert_eq!(put(store, home, "1", Some(7)).await, Err(DocumentError::Conflict { current: 0 }));
    let first = put(store, home, "1", None).await.unwrap();
    assert_eq!(put(store, home, "2", Some(0)).await, Err(DocumentError::Conflict { current: first }));
    let second = put(store, home, "2", Some(first)).await.unwrap();
    assert_eq!(put(store, home, "3", Some(first)).await, Err(DocumentError::Conflict { current: second }));
    assert_eq!(delete(store, home, Some(first)).await, Err(DocumentError::Conflict { current: second }));
    assert_eq!(body(store, home).await.as_deref(), Some("2"));
    let deleted = delete(store, home, Some(second)).await.unwrap();
    assert_eq!(body(store, home).await, None);
    assert_eq!(delete(store, home, None).await, Err(DocumentError::Missing));
    assert_eq!(put(store, home, "3", Some(second)).await, Err(DocumentError::Conflict { current: 0 }));
    // A deleted document may be created anew, or revived by the revision that deleted it.
    assert!(put(store, home, "4", Some(deleted)).await.unwrap() > deleted);
}

async fn undo_goes_back_step_by_step(store: &impl Store) {
    let home = ("scene", "home");
    let undo = async |if_revision| store.undo_document("scene", "home", if_revision, author("u")).await;
    assert_eq!(undo(None).await, Err(DocumentError::Missing));
    for text in ["1", "2", "3"] {
        put(store, home, text, None).await.unwrap();
    }
    let current = store.document("scene", "home").await.unwrap().unwrap().revision;
    assert_eq!(undo(Some(current - 1)).await, Err(DocumentError::Conflict { current }));
    let revision = undo(Some(current)).await.unwrap();
    let document = store.document("scene", "home").await.unwrap().unwrap();
    assert_eq!((document.body.as_deref(), document.revision), (Some("2"), revision));
    assert!(document.restores.is_some() && document.author.who == "u");
    undo(None).await.unwrap();
    assert_eq!(body(store, home).await.as_deref(), Some("1"));
    assert_eq!(undo(None).await, Err(DocumentError::Missing), "there is nothing before the first");
    delete(store, home, None).await.unwrap();
    undo(None).await.unwrap();
    assert_eq!(body(store, home).await.as_deref(), Some("1"), "a deletion is undone, too");
    put(store, ("scene", "new"), "1", None).await.unwrap();
    store.undo_document("scene", "new", None, author("u")).await.unwrap();
    assert_eq!(body(store, ("scene", "new")).await, None, "undoing a creation deletes");
}

async fn history_keeps_the_latest_revisions(store: &impl Store) {
    let (small, large) = (("rule", "small"), ("rule", "large"));
    for n in 0..MAX_HISTORY + 5 {
        put(store, small, &n.to_string(), None).await.unwrap();
    }
    let history = store.document_history("rule", "small").await.unwrap();
    let bodies: Vec<String> = history.into_iter().filter_map(|document| document.body).collect();
    let expected: Vec<String> = (5..MAX_HISTORY + 5).rev().map(|n| n.to_string()).collect();
    assert_eq!(bodies, expected);
    let body = format!("\"{}\"", "x".repeat(MAX_BODY_BYTES - 2));
    for _ in 0..12 {
        put(store, large, &body, None).await.unwrap();
    }
    let kept = store.document_history("rule", "large").await.unwrap();
    assert!(kept.len() < 9 && kept.iter().all(|document| document.body.as_ref() == Some(&body)));
}

async fn kinds_and_names_are_kept_apart(store: &impl Store) {
    for (address, text) in [(("a", "x"), "1"), (("a", "x:y"), "2"), (("ab", "x"), "3"), (("a", "名"), "4")] {
        put(store, address, text, Some(0)).await.unwrap();
    }
    put(store, ("a", "gone"), "5", None).await.unwrap();
    delete(store, ("a", "gone"), None).await.unwrap();
    let names = async |kind: &str, after: Option<&str>, count| -> Vec<String> {
        store.documents(kind, after, count).await.unwrap().into_iter().map(|listed| listed.name).collect()
    };
    assert_eq!(names("a", None, 9).await, ["x", "x:y", "名"]);
    assert_eq!(names("a", Some("x"), 1).await, ["x:y"]);
    assert_eq!(names("ab", None, 9).await, ["x"]);
    assert!(names("b", None, 9).await.is_empty());
}

async fn watchers_hear_of_changes<P: Place>(place: &P) {
    let store = place.open();
    let (mut scenes, mut rules) = (store.watch_documents("scene"), store.watch_documents("rule"));
    // A document may have changed before a server follows it, and the very first change skips numbers.
    put(&store, ("scene", "home"), "0", None).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    scenes.mark_unchanged();
    rules.mark_unchanged();
    put(&store, ("scene", "home"), "1", None).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(1), scenes.changed()).await;
    assert!(heard.is_ok(), "a change is heard of within a second");
    assert!(!rules.has_changed().unwrap());
}

async fn concurrent_edits_lose_nothing(store: impl Store) {
    let store = std::sync::Arc::new(store);
    put(&*store, ("counter", "c"), "0", None).await.unwrap();
    let mut editors = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = std::sync::Arc::clone(&store);
        editors.spawn(async move {
            let mut conflicts = 0;
            for _ in 0..10 {
                // Read, modify, write: only an unchanged revision is replaced.
                loop {
                    let read = store.document("counter", "c").await.unwrap().unwrap();
                    let next = read.body.unwrap().parse::<u32>().unwrap() + 1;
                    match put(&*store, ("counter", "c"), &next.to_string(), Some(read.revision)).await {
                        Ok(_) => break,
                        Err(DocumentError::Conflict { .. }) => conflicts += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            conflicts
        });
    }
    editors.join_all().await;
    assert_eq!(body(&*store, ("counter", "c")).await.as_deref(), Some("40"));
}

async fn a_rejected_write_names_the_field(store: &impl Store) {
    let field = |outcome: Result<u64, DocumentError>| match outcome {
        Err(DocumentError::Invalid(fault)) => fault.field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(put(store, ("Scene", "x"), "1", None).await), "kind");
    assert_eq!(field(put(store, ("scene", ""), "1", None).await), "name");
    assert_eq!(field(put(store, ("scene", "a\0b"), "1", None).await), "name");
    assert_eq!(field(put(store, ("scene", "x"), "{", None).await), "body");
    let long = format!("\"{}\"", "x".repeat(MAX_BODY_BYTES));
    assert_eq!(field(put(store, ("scene", "x"), &long, None).await), "body");
    let nobody = DocumentWrite::check(("scene", "x"), Some("1"), None, Author::default());
    assert!(matches!(nobody, Err(DocumentError::Invalid(fault)) if fault.field == "who"));
}

/// A revision of the model: its number, its body, and the revision that it restored.
type ModelRevision = (u64, Option<String>, Option<u64>);
/// One step of the model test: the document, what is done, and whether the required revision is right.
type Step = (u8, u8, u8);

/// Any sequence of writes, deletions and undos gives the results of a list of revisions.
pub fn documents_agree_with_a_model<P: Place>(new: impl Fn() -> P, cases: u32) {
    let runtime = tokio::runtime::Handle::current();
    let steps = prop::collection::vec((0u8..3, 0u8..4, 0u8..3), 1..30);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let run = |steps: Vec<Step>| {
        let store = new().open();
        tokio::task::block_in_place(|| runtime.block_on(follow_model(&store, &steps)));
        Ok(())
    };
    runner.run(&steps, run).unwrap();
}

async fn follow_model(store: &impl Store, steps: &[Step]) {
    // By name the bodies of all revisions, with what each restored.
    let mut model: BTreeMap<u8, Vec<ModelRevision>> = BTreeMap::new();
    for (n, &(name, action, require)) in steps.iter().enumerate() {
        let text = name.to_string();
        let address = ("scene", text.as_str());
        let revisions = model.entry(name).or_default();
        let latest = revisions.last().cloned();
        let present = latest.as_ref().filter(|(_, body, _)| body.is_some());
        let current = present.map_or(0, |(revision, ..)| *revision);
        let required = [None, Some(current), Some(u64::MAX)][usize::from(require)];
        let conflict = required == Some(u64::MAX);
        let outcome = match action {
            0 | 1 => put(store, address, &n.to_string(), required).await,
            2 => delete(store, address, required).await,
            _ => store.undo_document("scene", &text, required.filter(|r| *r > 0), author("u")).await,
        };
        let undone = latest.as_ref().map(|(revision, _, restores)| restores.unwrap_or(*revision));
        let target = undone
            .and_then(|undone| revisions.iter().rev().find(|(revision, ..)| *revision < undone))
            .cloned();
        match action {
            3 if latest.is_none() => assert_eq!(outcome, Err(DocumentError::Missing)),
            _ if conflict => assert!(matches!(outcome, Err(DocumentError::Conflict { .. })), "{outcome:?}"),
            0 | 1 => revisions.push((outcome.unwrap(), Some(n.to_string()), None)),
            2 if present.is_none() => assert_eq!(outcome, Err(DocumentError::Missing)),
            2 => revisions.push((outcome.unwrap(), None, None)),
            _ => match target {
                // Deleting a missing document changes nothing.
                Some((_, None, _)) if present.is_none() => assert_eq!(outcome, Err(DocumentError::Missing)),
                Some((revision, body, _)) => revisions.push((outcome.unwrap(), body, Some(revision))),
                None if present.is_some() && latest.is_some_and(|latest| latest.2.is_none()) => {
                    revisions.push((outcome.unwrap(), None, Some(0)));
                }
                None => assert_eq!(outcome, Err(DocumentError::Missing)),
            },
        }
        let expected = revisions.last().and_then(|(_, body, _)| body.clone());
        assert_eq!(body(store, address).await, expected, "{steps:?} at {n}");
    }
}
