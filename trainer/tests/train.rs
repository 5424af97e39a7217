//! From orders to a published artifact, with the real binary.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{demo, done, folder, names, quick_demo, refused, served, shop};
use serde_json::Value;

/// The checksum of every section of a version.
fn checksums(store: &Path, version: Option<&str>) -> BTreeMap<String, String> {
    let artifact = shop(store).artifact(version).unwrap();
    artifact.manifest().sections.iter().map(|(name, entry)| (name.clone(), entry.blake3.clone())).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_same_orders_seed_and_threads_give_the_same_bytes() {
    let folder = folder();
    let (config, store) = (demo(folder.path(), 1_000), folder.path().join("store"));
    // Small shops have no graphs; they must repeat, too.
    let mut text = std::fs::read_to_string(&config).unwrap();
    text.push_str("\n[training]\nitem_graph_min_rows = 100\nuser_graph_min_rows = 100\n");
    std::fs::write(&config, text).unwrap();
    for _ in 0..2 {
        done(&args!["train", "--config", config, "--store", store, "--threads", "2"]);
    }
    let versions = shop(&store).versions().unwrap();
    assert_eq!(versions.len(), 2, "{versions:?}");
    let first = checksums(&store, Some(&versions[0]));
    assert_eq!(first.len(), 31, "{first:?}");
    assert_eq!(first, checksums(&store, Some(&versions[1])));
}

#[test]
fn another_seed_changes_vectors_but_no_counts() {
    let folder = folder();
    let (config, store) = (quick_demo(folder.path(), 1_000), folder.path().join("store"));
    done(&args!["train", "--config", config, "--store", store]);
    let before = checksums(&store, None);
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + "seed = 8\n").unwrap();
    done(&args!["train", "--config", config, "--store", store]);
    let after = checksums(&store, None);
    let changed: Vec<&str> =
        before.iter().filter(|(name, sum)| after[*name] != **sum).map(|(name, _)| name.as_str()).collect();
    assert_eq!(changed, ["fold_in", "item_factors", "low_pass", "similar", "user_factors"]);
}

#[test]
fn versions_are_written_published_and_rolled_back() {
    let folder = folder();
    let (config, store) = (quick_demo(folder.path(), 1_000), folder.path().join("store"));
    let train = args!["train", "--config", config, "--store", store];
    let said = done(&[&train[..], &args!["--no-publish"]].concat());
    let [first] = &shop(&store).versions().unwrap()[..] else { panic!("one version") };
    assert!(said.contains(&format!("qianmian-trainer publish {first}")), "{said}");
    assert!(said.contains(&format!("--store {}", store.display())), "a command to paste: {said}");
    assert_eq!(shop(&store).latest().unwrap(), None);

    done(&args!["publish", first, "--store", store]);
    done(&train);
    let latest = shop(&store).latest().unwrap().unwrap();
    assert_eq!(latest.previous.as_ref(), Some(first));
    let second = latest.version;
    assert_eq!(shop(&store).artifact(None).unwrap().manifest().parent.as_ref(), Some(first));

    assert!(done(&args!["rollback", "--store", store]).contains(first));
    assert_eq!(served(&store).version, *first);
    assert!(done(&args!["rollback", "--store", store]).contains(&second));
    assert_eq!(served(&store).version, second);
    assert_eq!(names(shop(&store).folder()), [".lock", first, &second, "latest.json"]);
}

#[test]
fn inspect_shows_an_artifact_as_a_table_as_json_and_by_example() {
    let folder = folder();
    let (config, store) = (quick_demo(folder.path(), 1_000), folder.path().join("store"));
    done(&args!["train", "--config", config, "--store", store]);
    let version = shop(&store).versions().unwrap().remove(0);

    let table = done(&args!["inspect", "--store", store]);
    let (_, sections) = table.split_once("blake3 (verified)").unwrap();
    for (name, checksum) in checksums(&store, None) {
        let row = sections.lines().find(|line| line.split_whitespace().next() == Some(&name)).unwrap();
        assert!(row.contains(&checksum[..16]), "{row}");
    }
    assert!(table.contains(&format!("published: {version}")), "{table}");

    let all = json(&done(&args!["inspect", "--json", "--store", store, &version]));
    assert_eq!(all["versions"], serde_json::json!([version]));
    assert_eq!(all["latest"]["version"], version);
    let on_disk =
        std::fs::read_to_string(shop(&store).folder().join(&version).join("manifest.json")).unwrap();
    assert_eq!(all["manifest"], json(&on_disk));

    let snapshot = served(&store);
    let example = |kind| json(&done(&args!["inspect", "--store", store, "--examples", kind, "--json"]));
    let user = snapshot.users.ix(example("users").as_str().unwrap());
    assert_eq!(snapshot.items.ix(example("items").as_str().unwrap()), Some(snapshot.popularity.ranked()[0]));

    let lines =
        done(&args!["inspect", "--store", store, "--examples", "users", "--json", "--limit", "1000000"]);
    let users: Vec<u32> =
        lines.lines().map(|line| snapshot.users.ix(json(line).as_str().unwrap()).unwrap()).collect();
    assert_eq!((users.len(), user), (snapshot.users.len(), users.first().copied()));
    let refuses = |user| {
        snapshot.user_attributes.consent(user, "consent_personalization").is_some_and(|allowed| !allowed)
    };
    assert!(users.iter().any(|&user| refuses(user)), "the demo has people who refuse");
    assert!(users.is_sorted_by_key(|&user| (refuses(user), Reverse(snapshot.profiles.activity(user)))));
    assert_eq!(
        done(&args!["inspect", "--store", store, "--examples", "items", "--limit", "3"]).lines().count(),
        3
    );
}

#[test]
fn a_damaged_version_is_neither_inspected_nor_published() {
    let folder = folder();
    let (config, store) = (quick_demo(folder.path(), 1_000), folder.path().join("store"));
    done(&args!["train", "--config", config, "--store", store, "--no-publish"]);
    let version = shop(&store).versions().unwrap().remove(0);
    let path = shop(&store).folder().join(&version).join("history.arrow");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    for command in ["publish", "inspect"] {
        let said = refused(&args![command, &version, "--store", store]);
        assert!(said.contains("section `history`"), "{said}");
    }
    assert_eq!(shop(&store).latest().unwrap(), None);
}

#[test]
fn evaluate_writes_every_figure_that_it_prints() {
    let folder = folder();
    let (config, path) = (quick_demo(folder.path(), 1_000), folder.path().join("figures.json"));
    let printed = done(&args!["evaluate", "--config", config, "--json", path, "--from", "2025-12-01"]);
    let report = json(&std::fs::read_to_string(path).unwrap());
    assert_eq!(report["window"]["from"], 1_764_547_200);
    assert_eq!(report["window"]["to"], 1_764_547_200 + 30 * 86_400);
    let tasks = report["tasks"].as_array().unwrap();
    let task_names: Vec<&str> = tasks.iter().map(|task| task["name"].as_str().unwrap()).collect();
    let always = ["recommend", "audience", "bundle"];
    assert!(always.iter().all(|name| task_names.contains(name)), "{task_names:?}");
    for task in tasks {
        assert!(printed.contains(&format!("{} ({} cases)", task["name"].as_str().unwrap(), task["cases"])));
        let methods = task["methods"].as_array().unwrap();
        let least = if always.contains(&task["name"].as_str().unwrap()) { 6 } else { 2 };
        assert!(methods.len() >= least, "baselines stand beside ours: {task}");
        let headline = task["headline"].as_array().unwrap();
        for metric in methods.iter().flat_map(|m| m["metrics"].as_array().unwrap()) {
            let mean = metric["mean"].as_f64().unwrap();
            assert!(mean.is_finite() && mean >= 0.0, "{metric}");
            let shown = headline.contains(&metric["name"]);
            assert!(!shown || printed.contains(&format!(" {mean:.4} ")), "{metric}");
        }
    }
}

#[test]
fn progress_without_a_terminal_is_one_json_line_a_stage() {
    let folder = folder();
    let (config, store) = (quick_demo(folder.path(), 1_000), folder.path().join("store"));
    let said = crate::support::run(&args!["train", "--config", config, "--store", store]);
    let stages: Vec<Value> = said.err.lines().map(json).collect();
    assert!(stages.len() >= 6, "{}", said.err);
    assert!(stages.iter().all(|s| s["stage"].is_string() && s["seconds"].as_f64().unwrap() >= 0.0));
}
