//! The embedded store behaves as every store does, and guards its folder.

#![expect(clippy::unwrap_used, reason = "tests")]

mod behaviours;

use behaviours::{NOW, Place, TTL, event};
use qianmian_live::store::{Embedded, Name, Outcome, Store, StoreError};
use tempfile::TempDir;

struct Folder(TempDir);

impl Place for Folder {
    type Store = Embedded;

    fn open(&self) -> Embedded {
        Embedded::open(self.0.path(), TTL).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_behaves() {
    behaviours::hold(|| Folder(tempfile::tempdir().unwrap())).await;
}

#[tokio::test]
async fn what_was_taken_out_is_gone_and_what_came_after_it_stays() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let store = folder.open();
    assert_eq!(store.numbers().unwrap(), 0..0);
    let mut again = event("2", "view", "u", "a");
    again.occurred_at += 1;
    let events = vec![event("1", "view", "u", "a"), event("0", "view", "v", "a"), again];
    store.append(events.clone(), NOW).await.unwrap();
    let first = store.log(0, 2).await.unwrap();
    store.remove(first).await.unwrap();
    assert_eq!(store.numbers().unwrap(), 2..3);
    let state = async |user| store.load(&[Name::User(user)], NOW).await.unwrap().state;
    assert_eq!(state("u").await.marks().len(), 1, "it happened again since");
    assert!(state("v").await.is_empty());
    // Its id is free: whoever keeps it elsewhere knows it there.
    assert_eq!(store.append(events[..1].to_vec(), NOW).await.unwrap(), [Outcome::Accepted]);
    let rest = store.log(0, 9).await.unwrap();
    assert_eq!(rest.iter().map(|logged| logged.number).collect::<Vec<_>>(), [2, 3]);
    store.remove(rest).await.unwrap();
    assert!(state("u").await.is_empty() && store.log(0, 9).await.unwrap().is_empty());
}

#[test]
fn two_owners_of_one_folder_are_refused() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let first = folder.open();
    assert!(matches!(Embedded::open(folder.0.path(), TTL), Err(StoreError::Failed(_))));
    drop(first);
    folder.open();
}

#[test]
fn a_place_that_cannot_be_a_folder_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    assert!(Embedded::open(&file, TTL).is_err());
}
