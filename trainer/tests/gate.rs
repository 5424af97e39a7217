//! The gate before a publish, with the real binary and real stores.

use std::path::Path;
use std::sync::OnceLock;

use crate::support::{Said, demo, done, folder, leftovers, orders, run, served, shop};
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::artifact::{ArtifactWriter, Manifest};
use qianmian_models::storage::metrics::{RankingQuality, Rehearsal};
use serde_json::{Value, json};

/// A tiny snapshot, trained once.
fn tiny() -> &'static Snapshot {
    static TINY: OnceLock<Snapshot> = OnceLock::new();
    TINY.get_or_init(|| {
        let folder = folder();
        let (path, store) = (folder.path().join("orders.csv"), folder.path().join("store"));
        orders(&path, [("1", "ann", "tea", "2025-01-01"), ("1", "ann", "cup", "2025-01-01")]);
        done(&args!["train", "--orders", path, "--store", store]);
        served(&store)
    })
}

/// Writes the tiny snapshot as a version with these figures of its rehearsal.
fn version(store: &Path, name: &str, ndcg: Option<f64>, popularity: f64, tolerance: Option<f64>) {
    let mut manifest = Manifest::new(name, "2026-01-01T00:00:00Z");
    if let Some(ndcg) = ndcg {
        let recommend_ndcg_10 = RankingQuality {
            blend: None,
            blend_held_out: Some(0.01),
            ranker_held_out: Some(ndcg),
            popularity_held_out: Some(popularity),
        };
        manifest.metrics.rehearsal = Some(Rehearsal { recommend_ndcg_10, ..Rehearsal::default() });
    }
    if let Some(tolerance) = tolerance {
        manifest.parameters = json!({"publish": {"tolerance": tolerance}});
    }
    tiny().describe(&mut manifest, 1);
    let mut writer = ArtifactWriter::create(shop(store).folder(), name).unwrap();
    tiny().write(&mut writer).unwrap();
    writer.finish(manifest).unwrap();
}

fn publish(store: &Path, name: &str) -> Said {
    run(&args!["publish", name, "--store", store])
}

fn latest(store: &Path) -> String {
    shop(store).latest().unwrap().unwrap().version
}

/// The verdicts that a version's manifest keeps.
fn verdicts(store: &Path, name: &str) -> Vec<Value> {
    let artifact = shop(store).artifact(Some(name)).unwrap();
    artifact.manifest().metrics.publish.iter().map(|verdict| json!(verdict)).collect()
}

#[test]
fn version_below_the_tolerance_is_refused_with_figures() {
    let folder = folder();
    let store = folder.path();
    version(store, "a", Some(0.4), 0.1, None);
    version(store, "b", Some(0.385), 0.1, None);
    version(store, "c", Some(0.36), 0.1, None);
    assert!(publish(store, "a").ok);
    let said = publish(store, "b");
    assert!(said.ok && said.out.contains("0.3850") && said.out.contains("0.4000"), "{}", said.out);

    let said = publish(store, "c");
    assert_eq!(said.code, Some(3));
    for part in
        ["0.3600", "0.3850 of b", "6.5 % below", "5.0 % is tolerated", "publish c", "--force --reason"]
    {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    assert_eq!(latest(store), "b");
    let verdict = verdicts(store, "c").remove(0);
    assert_eq!((verdict["outcome"].as_str(), verdict["ndcg_10"].as_f64()), (Some("refused"), Some(0.36)));
    assert_eq!(verdict["served"], json!({"version": "b", "ndcg_10": 0.385}));
}

#[test]
fn tolerance_is_that_of_the_version_under_test() {
    let folder = folder();
    let store = folder.path();
    version(store, "a", Some(0.4), 0.1, None);
    version(store, "lenient", Some(0.3), 0.1, Some(0.5));
    version(store, "strict", Some(0.299), 0.1, Some(0.0));
    assert!(publish(store, "a").ok);
    assert!(publish(store, "lenient").ok);
    assert_eq!(publish(store, "strict").code, Some(3));
}

#[test]
fn version_below_best_sellers_is_refused() {
    let folder = folder();
    let store = folder.path();
    version(store, "a", Some(0.09), 0.1, None);
    let said = publish(store, "a");
    assert_eq!(said.code, Some(3));
    assert!(said.err.contains("0.0900") && said.err.contains("best sellers, 0.1000"), "{}", said.err);
    assert_eq!(shop(store).latest().unwrap(), None);
}

#[test]
fn force_needs_a_reason_that_is_kept() {
    let folder = folder();
    let store = folder.path();
    version(store, "a", Some(0.4), 0.1, None);
    version(store, "b", Some(0.2), 0.1, None);
    assert!(publish(store, "a").ok);
    for incomplete in [
        args!["--force"].to_vec(),
        args!["--reason", "x"].to_vec(),
        args!["--force", "--reason", "  "].to_vec(),
    ] {
        let said = run(&[&args!["publish", "b", "--store", store][..], &incomplete].concat());
        assert_eq!((said.code, latest(store).as_str()), (Some(2), "a"), "{}", said.err);
    }
    assert_eq!(publish(store, "b").code, Some(3));
    let reason = "the range changed";
    let said = done(&args!["publish", "b", "--store", store, "--force", "--reason", reason]);
    assert!(said.contains(reason), "{said}");
    assert_eq!(latest(store), "b");
    let outcomes: Vec<Value> = verdicts(store, "b").iter().map(|v| v["outcome"].clone()).collect();
    assert_eq!(outcomes, ["refused", "forced"]);
    assert_eq!(verdicts(store, "b")[1]["reason"], reason);
    let shown = done(&args!["inspect", "b", "--store", store, "--json"]);
    assert!(shown.contains(reason), "{shown}");
}

#[test]
fn version_without_figures_passes_with_a_note() {
    let folder = folder();
    let store = folder.path();
    version(store, "a", None, 0.0, None);
    version(store, "b", Some(0.3), 0.1, None);
    version(store, "c", None, 0.0, None);
    for (name, note) in [
        ("a", "trained without a rehearsal"),
        ("b", "a has no held-out figure"),
        ("c", "without a rehearsal"),
    ] {
        let said = publish(store, name);
        assert!(said.ok && said.out.contains(note), "{name}: {}{}", said.out, said.err);
    }
    // A damaged served version must not block a sound one.
    std::fs::write(shop(store).folder().join("c/manifest.json"), "{").unwrap();
    let said = publish(store, "b");
    assert!(said.ok && said.out.contains("c cannot be read"), "{}{}", said.out, said.err);
}

#[test]
fn training_passes_the_gate_and_keeps_refused_versions() {
    let folder = folder();
    let (config, store) = (demo(folder.path(), 1_500), folder.path().join("store"));
    version(&store, "a", Some(0.99), 0.1, None);
    assert!(publish(&store, "a").ok);
    let train = args!["train", "--config", config, "--store", store];
    let said = run(&train);
    assert_eq!(said.code, Some(3), "{}{}", said.out, said.err);
    assert_eq!(latest(&store), "a");
    let trained = shop(&store).versions().unwrap().into_iter().find(|version| version != "a").unwrap();
    assert!(said.err.contains(&format!("publish {trained} --store {}", store.display())), "{}", said.err);
    let artifact = shop(&store).artifact(Some(&trained)).unwrap();
    let figures = artifact.manifest().metrics.rehearsal.as_ref().unwrap().recommend_ndcg_10;
    let (ranker, popularity) = (figures.ranker_held_out.unwrap(), figures.popularity_held_out.unwrap());
    assert!(ranker > 2.0 * popularity && popularity > 0.0, "{figures:?}");

    done(&args!["publish", trained, "--store", store, "--force", "--reason", "a new shop"]);
    assert_eq!(latest(&store), trained);
    let forced = done(&train);
    assert!(forced.contains(&format!("of {trained}, served before")), "{forced}");
}

/// Its low-pass vectors are not finite, so every server would refuse it.
#[test]
fn version_that_no_server_can_open_is_not_published() {
    let folder = folder();
    let store = folder.path();
    version(store, "a", Some(0.4), 0.1, None);
    assert!(publish(store, "a").ok);
    let mut broken = tiny().clone();
    let n_items = broken.items.len();
    broken.low_pass = Some(qianmian_models::index::factors::Factors::new(1, vec![f32::NAN; n_items]));
    let mut manifest = Manifest::new("b", "2026-01-01T00:00:00Z");
    broken.describe(&mut manifest, 1);
    let mut writer = ArtifactWriter::create(shop(store).folder(), "b").unwrap();
    broken.write(&mut writer).unwrap();
    writer.finish(manifest).unwrap();
    let said = publish(store, "b");
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(
        said.err.contains("no server can open version b") && said.err.contains("low_pass"),
        "{}",
        said.err
    );
    assert_eq!(latest(store), "a");
    assert_eq!(leftovers(&shop(store)), [""; 0]);
}
