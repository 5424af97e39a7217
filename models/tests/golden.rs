//! Artifacts of every format that was ever published, written once by the release of that format and never again: this
//! program opens them, or refuses them as documented in `docs/artifact-format.md`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use qianmian_models::error::Error;
use qianmian_models::index::user_attributes::CONSENT_CONTACT;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::artifact::{Artifact, FORMAT};
use qianmian_models::storage::versions::ShopStore;
use qianmian_models::view::View;

use crate::support;

fn golden(format: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format).join("v1")
}

#[test]
fn format_1_is_refused_with_the_cure() {
    let error = Artifact::open(&golden("format-1")).unwrap_err();
    assert!(matches!(error, Error::Format { expected: FORMAT, got: 1 }), "{error}");
    let message = error.to_string();
    assert!(message.contains("format is 1") && message.contains("train again"), "{message}");
}

#[test]
fn format_2_opens_and_answers() {
    let snapshot = Snapshot::open(&Artifact::open(&golden("format-2")).unwrap()).unwrap();
    let slate = recommend(View::as_trained(&snapshot), &Query::for_user(1, 4));
    assert!(slate.personalized && slate.items.iter().all(|slot| slot.item < 4), "{:?}", slate.items);
    assert_eq!(snapshot.user_attributes.consent(1, CONSENT_CONTACT), Some(false));
    assert_eq!(snapshot.identities.of(2).collect::<Vec<_>>(), [("member_card", "2")]);
}

/// Writes the golden artifact of this format: once, by the release that introduces it.
#[test]
#[ignore = "writes the golden artifact of a new format"]
fn write_the_golden_artifact() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let store = ShopStore::new(&root, &format!("format-{FORMAT}")).unwrap();
    assert!(store.versions().unwrap_or_default().is_empty(), "it stands already");
    support::write(&store, "v1");
}
