//! The trainer selects localities and parameters by measurement.

use std::path::{Path, PathBuf};

use crate::support::{done, folder, served, shop};
use qianmian_models::index::localities::Kind;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::view::View;
use serde_json::Value;

/// Every day eight new users buy, each in one of two stores, and again three weeks later. If `apart`, each store
/// sells items of its own.
fn stores(folder: &Path, apart: bool) -> PathBuf {
    let mut csv = csv::Writer::from_path(folder.join("orders.csv")).unwrap();
    csv.write_record(["order_id", "user_id", "item_id", "ordered_at", "store_id"]).unwrap();
    for (day, k) in (0..120u32).flat_map(|day| (0..16u32).map(move |k| (day, k))) {
        let user = (8 * day + k % 8).checked_sub(if k < 8 { 0 } else { 168 });
        let Some(user) = user else { continue };
        let store = ["north", "south"][user as usize % 2];
        let at =
            (chrono::DateTime::UNIX_EPOCH + chrono::Duration::days(20_000 + i64::from(day))).to_rfc3339();
        let kind = if apart { store } else { "any" };
        for n in [user * 7 + k, user * 3 + day] {
            let line = [format!("{day}-{k}"), format!("u{user}"), format!("{kind}-{}", n % 9), at.clone()];
            csv.write_record(line.iter().map(String::as_str).chain([store])).unwrap();
        }
    }
    csv.flush().unwrap();
    let config = folder.join("shop.toml");
    let text = "[orders]\nfiles = [\"orders.csv\"]\n[training]\ndim = 8\niterations = 3\n";
    std::fs::write(&config, text).unwrap();
    config
}

fn slate_in(snapshot: &Snapshot, store: &str) -> Vec<String> {
    let place = snapshot.localities.as_ref().unwrap().ix(Kind::Store, store);
    let query = Query { count: 9, locality: place, ..Query::default() };
    recommend(View::as_trained(snapshot), &query)
        .items
        .iter()
        .map(|r| snapshot.items.id(r.item).to_owned())
        .collect()
}

#[test]
fn localities_are_learned_only_where_they_help_new_users() {
    for apart in [true, false] {
        let folder = folder();
        let (config, store) = (stores(folder.path(), apart), folder.path().join("store"));
        done(&args!["train", "--config", config, "--store", store]);
        let artifact = shop(&store).artifact(None).unwrap();
        let lift = &artifact.manifest().metrics.rehearsal.as_ref().unwrap().localities[0];
        assert_eq!((lift.kind.as_str(), lift.kept), ("store", apart), "{lift:?}");
        let snapshot = served(&store);
        assert_eq!(snapshot.localities.is_some(), apart);
        if apart {
            assert!(slate_in(&snapshot, "north").iter().all(|id| id.starts_with("north")));
            assert!(slate_in(&snapshot, "south").iter().all(|id| id.starts_with("south")));
        }
    }
}

#[test]
fn tuning_keeps_all_trials_and_ends_with_the_best() {
    let folder = folder();
    let (config, store) = (stores(folder.path(), true), folder.path().join("store"));
    let said = done(&args!["train", "--config", config, "--store", store, "--tune", "--budget", "0.05"]);
    assert!(said.contains("tuned: the best of "), "{said}");
    let artifact = shop(&store).artifact(None).unwrap();
    let (manifest, tuning) = (artifact.manifest(), artifact.manifest().metrics.tuning.as_ref().unwrap());
    let trials = tuning["trials"].as_array().unwrap();
    assert_eq!(trials[0]["gain"], 1.0);
    assert_eq!(trials[0]["parameters"]["dim"], 8.0, "the start is what is configured");
    let gain = |trial: &Value| trial["gain"].as_f64().unwrap();
    let best = &trials[tuning["best"].as_u64().unwrap() as usize];
    assert!(trials.iter().filter(|t| t["sound"] == true).all(|t| gain(t) <= gain(best)), "{tuning}");
    assert_eq!(best["sound"], true);
    let used = &manifest.parameters["training"];
    assert_eq!(used["dim"].as_f64(), best["parameters"]["dim"].as_f64());
    assert_eq!(used["ease_neighbors"].as_f64(), best["parameters"]["ease_neighbors"].as_f64());
    let error =
        crate::support::refused(&args!["train", "--config", config, "--store", store, "--budget", "5"]);
    assert!(error.contains("--tune"), "{error}");
}
