//! Replaces the model while answers continue.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::shop::{publish, user, write};
use crate::support::{EAGER, Running, ids, served, start};
use hyper::Method;
use qianmian_models::storage::versions::ShopStore;
use serde_json::{Value, json};

const SWAPS: usize = 100;

/// The ids in an answer of any call.
fn items(body: &Value) -> Vec<String> {
    let list = if body.get("complements").is_some() { "complements" } else { "items" };
    ids(body, list, "item_id")
}

/// Queries without pause until told to stop; returns the number of answers checked. Version `a0` holds only ids marked
/// `a`, and so on.
async fn ask(running: Arc<Running>, stop: Arc<AtomicBool>) -> usize {
    let carts = json!(["a-item-03", "b-item-03", "c-item-03"]);
    let mut answers = 0;
    while !stop.load(Ordering::Relaxed) {
        let recommend = running.post("/recommend", &json!({"user": {"id": user(answers % 40)}})).await.ok();
        let audience = running.post("/audience", &json!({"item_ids": carts, "count": 5})).await.ok();
        let bundle = running.post("/bundle", &json!({"cart": carts})).await.ok();
        for body in [&recommend, &bundle] {
            let items = items(body);
            assert!(!items.is_empty());
            assert!(items.iter().all(|id| id.starts_with(mark(body))), "{} answered {items:?}", mark(body));
        }
        let unknown = audience["unknown_item_ids"].as_array().unwrap();
        assert_eq!(unknown.len(), 2);
        assert!(!unknown.contains(&json!(format!("{}-item-03", mark(&audience)))), "{audience}");
        answers += 3;
    }
    answers
}

/// The mark of the model that answered: the first letter of its ids.
fn mark(body: &Value) -> &str {
    &body["model"]["version"].as_str().unwrap()[..1]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_swaps_under_load_fail_nothing_and_mix_nothing() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "a0", "a");
    write(store.path(), "default", "b0", "b");
    write(store.path(), "default", "c0", "c");
    let running = Arc::new(start("poll_seconds = 0.01\n", store).await);
    running.until_ready().await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> =
        (0..4).map(|_| tokio::spawn(ask(Arc::clone(&running), Arc::clone(&stop)))).collect();
    let shop = ShopStore::new(running.store.path(), "default").unwrap();
    for n in 1..=SWAPS {
        // Three versions in turn: the next one is never the kept one, so that each is opened anew.
        let version = ["a0", "b0", "c0"][n % 3];
        shop.publish(version).unwrap();
        running.until(version, || async { running.version().await == version }).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut answers = 0;
    for client in clients {
        answers += client.await.unwrap();
    }
    assert!(answers >= SWAPS, "only {answers} answers were checked");
    let metrics = running.get("/metrics").await.text();
    let opened = format!("qianmian_model_open_seconds_count{{shop=\"default\"}} {}", SWAPS + 1);
    assert!(metrics.contains(&opened), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_models_are_freed_and_none_is_left_waiting() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v00", "a");
    for n in 1..12 {
        write(store.path(), "default", &format!("v{n:02}"), "a");
    }
    let running = start(EAGER, store).await;
    running.until_ready().await;
    let shop = ShopStore::new(running.store.path(), "default").unwrap();
    for n in 1..12 {
        let version = format!("v{n:02}");
        shop.publish(&version).unwrap();
        running.until(&version, || async { running.version().await == version }).await;
    }
    // Each open version maps its files; the current and the kept one stay.
    let mapped = || -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let folder = running.store.path().to_str().unwrap();
        let mut versions: Vec<String> = maps
            .lines()
            .filter_map(|line| line.split_once(folder)?.1.split('/').nth(2).map(str::to_owned))
            .collect();
        versions.sort();
        versions.dedup();
        versions
    };
    running.until("freed", || async { mapped() == ["v10", "v11"] }).await;
    let metrics = running.get("/metrics").await.text();
    assert!(metrics.contains("qianmian_models_retired 0"), "{metrics}");
    assert!(
        metrics.contains("qianmian_model_swaps_total{shop=\"default\",outcome=\"loaded\"} 12"),
        "{metrics}"
    );
}

/// Publishes `version` without the checks that would refuse a damaged one, as a broken copy would arrive.
fn point_at(running: &Running, version: &str) {
    let latest = running.store.path().join("default/latest.json");
    let new = latest.with_extension("new");
    std::fs::write(&new, json!({"version": version, "previous": "v1"}).to_string()).unwrap();
    std::fs::rename(new, latest).unwrap();
}

/// Flips one byte in the middle of a file of a version.
fn damage(running: &Running, version: &str, file: &str) {
    let path = running.store.path().join("default").join(version).join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // A new file, as the old one may be mapped.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
}

async fn refusals(running: &Running) -> String {
    let text = running.get("/metrics").await.text();
    let is_swap =
        |line: &&str| line.starts_with("qianmian_model_swaps_total{") && line.contains("outcome=\"refused\"");
    let line = text.lines().find(is_swap).unwrap();
    line.rsplit(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_damaged_model_is_refused_and_the_old_one_serves() {
    let running = served().await;
    write(running.store.path(), "default", "v2", "b");
    damage(&running, "v2", "co_purchase.arrow");
    point_at(&running, "v2");
    running.until("refused", || async { refusals(&running).await == "1" }).await;
    assert_eq!(running.version().await, "v1");
    let models = running.get("/models").await.ok();
    assert_eq!(models["last_error"]["section"], "co_purchase", "{models}");
    assert_eq!(models["last_error"]["version"], "v2");
    assert_eq!(models["latest"]["version"], "v2");
    // It has not been tried again after many polls.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(refusals(&running).await, "1");
    assert_eq!(running.get("/readyz").await.status, 200);
    // Requested by hand, it is refused, too.
    running.post("/models/v2/activate", &json!({})).await.problem(409, "model_refused");
    assert_eq!(running.version().await, "v1");
    // A valid version clears the error.
    publish(running.store.path(), "default", "v3", "c");
    running.until("v3", || async { running.version().await == "v3" }).await;
    assert_eq!(running.get("/models").await.ok()["last_error"], Value::Null);
}

#[tokio::test]
async fn a_pointer_that_is_damaged_or_names_nothing_is_refused() {
    let running = served().await;
    point_at(&running, "gone");
    running.until("refused", || async { refusals(&running).await == "1" }).await;
    let latest = running.store.path().join("default/latest.json");
    std::fs::write(&latest, "{").unwrap();
    running.until("refused", || async { refusals(&running).await == "2" }).await;
    std::fs::write(&latest, json!({"version": "../v1", "previous": null}).to_string()).unwrap();
    running.until("refused", || async { refusals(&running).await == "3" }).await;
    std::fs::remove_file(&latest).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(running.version().await, "v1");
}

#[tokio::test]
async fn a_damaged_manifest_is_refused_before_it_is_read() {
    let running = served().await;
    write(running.store.path(), "default", "v2", "b");
    damage(&running, "v2", "manifest.json");
    point_at(&running, "v2");
    running.until("refused", || async { refusals(&running).await == "1" }).await;
    let models = running.get("/models").await.ok();
    assert_eq!(models["last_error"]["section"], "manifest", "{models}");
    assert_eq!(running.version().await, "v1");
}

#[tokio::test]
async fn a_rollback_is_instant_and_stays_until_the_next_publish() {
    let running = served().await;
    publish(running.store.path(), "default", "v2", "b");
    running.until("v2", || async { running.version().await == "v2" }).await;
    // The kept version no longer needs its files.
    std::fs::remove_dir_all(running.store.path().join("default/v1")).unwrap();
    let body = running.post("/models/rollback", &json!({})).await.ok();
    assert_eq!((&body["model"]["version"], &body["pinned"]), (&json!("v1"), &json!(true)));
    assert_eq!(running.version().await, "v1");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(running.version().await, "v1", "an unchanged `latest.json` undid the rollback");
    let models = running.get("/models").await.ok();
    assert_eq!((&models["pinned"], &models["previous"]["version"]), (&json!(true), &json!("v2")));
    assert_eq!(models["latest"], json!({"version": "v2", "previous": "v1"}));
    // Rolling back again returns to the newer version.
    assert_eq!(running.post("/models/rollback", &json!({})).await.ok()["model"]["version"], "v2");
    // A publish, even of the version that is named already, ends the pin.
    ShopStore::new(running.store.path(), "default").unwrap().publish("v2").unwrap();
    running.until("unpinned", || async { running.get("/models").await.ok()["pinned"] == false }).await;
    assert_eq!(running.version().await, "v2");
}

#[tokio::test]
async fn a_rollback_after_a_restart_opens_the_previous_version() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let running = start(EAGER, store).await;
    running.until_ready().await;
    running.post("/models/rollback", &json!({})).await.problem(409, "no_previous_model");
    publish(running.store.path(), "default", "v2", "b");
    running.until("v2", || async { running.version().await == "v2" }).await;
    let again = start(EAGER, running.store).await;
    again.until_ready().await;
    assert_eq!(again.get("/models").await.ok()["previous"], Value::Null);
    assert_eq!(again.post("/models/rollback", &json!({})).await.ok()["model"]["version"], "v1");
    assert_eq!(again.version().await, "v1");
}

#[tokio::test]
async fn a_version_of_the_store_is_activated_by_name() {
    let running = served().await;
    write(running.store.path(), "default", "v0", "z");
    let models = running.get("/models").await.ok();
    assert_eq!(models["available"], json!(["v0", "v1"]));
    assert_eq!(models["serving"]["counts"]["items"], 30);
    let body = running.send(Method::POST, "/models/v0/activate", &[], "").await.ok();
    assert_eq!(body["model"]["version"], "v0");
    assert_eq!(running.version().await, "v0");
    for name in ["v9", "..%2Fv1", ".hidden", "%20"] {
        let answer = running.send(Method::POST, &format!("/models/{name}/activate"), &[], "").await;
        answer.problem(404, "unknown_version");
    }
    assert_eq!(refusals(&running).await, "0");
    assert_eq!(running.version().await, "v0");
}

/// Copies the files of a version for which `wanted` is true.
fn copy(from: &Path, to: &Path, wanted: impl Fn(usize) -> bool) {
    std::fs::create_dir_all(to).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for (_, file) in files.iter().enumerate().filter(|(n, _)| wanted(*n)) {
        std::fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
    }
}

#[tokio::test]
async fn a_version_that_is_copied_late_is_served_when_it_is_whole() {
    let (source, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    publish(source.path(), "default", "v1", "a");
    let (from, shop) = (source.path().join("default"), store.path().join("default"));
    let pointer = shop.join("latest.json");
    std::fs::create_dir_all(&shop).unwrap();
    std::fs::copy(from.join("latest.json"), &pointer).unwrap();
    let running = start(EAGER, store).await;
    let refused = || async { running.get("/models").await.ok()["last_error"]["version"] == "v1" };
    running.until("refused", refused).await;
    copy(&from.join("v1"), &shop.join("v1"), |n| n % 2 == 0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(running.get("/readyz").await.status, 503);
    copy(&from.join("v1"), &shop.join("v1"), |n| n % 2 == 1);
    running.until_ready().await;
    assert_eq!(running.get("/models").await.ok()["last_error"], Value::Null);
}

#[tokio::test]
async fn a_refused_version_is_tried_again_on_demand_and_by_name() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let folder = store.path().join("default").join("v1");
    let (section, aside) = (folder.join("items.arrow"), store.path().join("items.arrow"));
    std::fs::rename(&section, &aside).unwrap();
    // It polls only when told to.
    let running = start("poll_seconds = 3600\n", store).await;
    let refused = || async { running.get("/models").await.ok()["last_error"]["version"] == "v1" };
    running.until("refused", refused).await;
    running.post("/models/v1/activate", &json!({})).await.problem(409, "model_refused");
    std::fs::rename(&aside, &section).unwrap();
    running.server.poll_now().await;
    assert_eq!(running.version().await, "v1");
}
