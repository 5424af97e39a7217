//! The embedded store behaves as every store does, and guards its folder.

#![expect(clippy::unwrap_used, reason = "tests")]

mod behaviours;

use behaviours::{Place, TTL};
use qianmian_live::store::{Embedded, StoreError};
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
