//! A record added to a manifest, and readers during the write.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use qianmian_models::storage::artifact::{Artifact, ArtifactWriter, Manifest};
use qianmian_models::storage::metrics::{Outcome, Verdict};

fn version(folder: &Path) -> Artifact {
    ArtifactWriter::create(folder, "v1").unwrap().finish(Manifest::new("v1", "2026-01-01T00:00:00Z")).unwrap()
}

fn verdict(outcome: Outcome) -> Verdict {
    Verdict {
        outcome,
        at: "2026-01-01T00:00:00Z".to_owned(),
        ndcg_10: Some(0.1),
        popularity_ndcg_10: None,
        served: None,
        tolerance: 0.05,
        objections: Vec::new(),
        notes: Vec::new(),
        reason: None,
    }
}

#[test]
fn a_record_is_read_back_and_leaves_everything_else_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut artifact = version(folder.path());
    let before = artifact.manifest().clone();
    artifact.record(|metrics| metrics.publish.push(verdict(Outcome::Passed))).unwrap();
    artifact.record(|metrics| metrics.publish.push(verdict(Outcome::Forced))).unwrap();
    let again = Artifact::open(&folder.path().join("v1")).unwrap();
    assert_eq!(again.manifest(), artifact.manifest());
    assert_eq!(again.manifest().metrics.publish[1], verdict(Outcome::Forced));
    assert_eq!(Manifest { metrics: before.metrics.clone(), ..again.manifest().clone() }, before);
    let mut files: Vec<_> =
        std::fs::read_dir(folder.path().join("v1")).unwrap().map(|f| f.unwrap().file_name()).collect();
    files.sort_unstable();
    assert_eq!(files, ["manifest.b3", "manifest.json"]);
    let checksum = std::fs::read_to_string(folder.path().join("v1/manifest.b3")).unwrap();
    assert_eq!(checksum.lines().count(), 1);
}

#[test]
fn a_version_can_be_read_at_every_moment_of_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join("v1").join(name);
    let read = |name: &str| std::fs::read(file(name)).unwrap();
    let mut artifact = version(folder.path());
    let (old, old_checksum) = (read("manifest.json"), read("manifest.b3"));
    artifact.record(|metrics| metrics.publish.push(verdict(Outcome::Passed))).unwrap();
    let (new, new_checksum) = (read("manifest.json"), read("manifest.b3"));
    let both = [&old_checksum[..], &new_checksum].concat();
    for (manifest, checksum) in [(&old, &both), (&new, &both), (&new, &new_checksum)] {
        std::fs::write(file("manifest.json"), manifest).unwrap();
        std::fs::write(file("manifest.b3"), checksum).unwrap();
        let mut opened = Artifact::open(&folder.path().join("v1")).unwrap();
        // The next record completes one that was interrupted.
        opened.record(|metrics| metrics.publish = vec![verdict(Outcome::Refused)]).unwrap();
        let again = Artifact::open(&folder.path().join("v1")).unwrap();
        assert_eq!(again.manifest().metrics.publish, [verdict(Outcome::Refused)]);
    }
    std::fs::write(file("manifest.json"), &old).unwrap();
    std::fs::write(file("manifest.b3"), &new_checksum).unwrap();
    assert!(Artifact::open(&folder.path().join("v1")).is_err());
    std::fs::write(file("manifest.b3"), [&both[..], &both].concat()).unwrap();
    assert!(Artifact::open(&folder.path().join("v1")).is_err(), "no third line");
}
