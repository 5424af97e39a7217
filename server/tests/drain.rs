//! Events received over HTTP end up in Parquet files.

use std::path::{Path, PathBuf};

use crate::support::drained::{drained, files};
use crate::support::{EAGER, Running, start};
use serde_json::json;
use tempfile::TempDir;

fn config(store: &Path, every_seconds: f64) -> String {
    let (live, folder) = (store.join("live"), store.join("drained"));
    format!(
        "{EAGER}[live]\nfolder = '{}'\n[live.drain]\nfolder = '{}'\nevery_seconds = {every_seconds}\n",
        live.display(),
        folder.display()
    )
}

async fn running(store: TempDir, every_seconds: f64) -> Running {
    start(&config(store.path(), every_seconds), store).await
}

async fn send(running: &Running, ids: std::ops::Range<usize>) {
    let at = chrono::Utc::now().to_rfc3339();
    let event = |id: usize| json!({"event_id": id.to_string(), "type": "view", "occurred_at": at, "user_id": "u", "item_id": "i"});
    let events: Vec<_> = ids.map(event).collect();
    running.post("/events", &json!({"events": events})).await.ok();
}

fn folder(running: &Running) -> PathBuf {
    running.store.path().join("drained").join("default")
}

fn all(count: usize) -> Vec<(i64, String)> {
    (0..count).map(|n| (n as i64, n.to_string())).collect()
}

/// True if the metrics have a line with this end, for the only shop.
async fn shows(running: &Running, metric: &str, value: &str) -> bool {
    let line = format!("{metric}{{shop=\"default\"}} {value}");
    running.get("/metrics").await.text().lines().any(|shown| shown == line)
}

#[tokio::test]
async fn events_are_drained_soon_and_at_the_stop() {
    let first = running(tempfile::tempdir().unwrap(), 0.05).await;
    send(&first, 0..30).await;
    first.until("drained", || async { drained(&folder(&first)).len() == 30 }).await;
    first.until("counted", || shows(&first, "qianmian_drained_events_total", "30")).await;
    assert!(shows(&first, "qianmian_drain_lag_events", "0").await);
    let metrics = first.get("/metrics").await.text();
    for worker in ["drain", "reaper", "models", "sweep"] {
        let line = format!("qianmian_worker_restarts_total{{worker=\"{worker}\"}} 0");
        assert!(metrics.contains(&line), "{worker} is supervised: {metrics}");
    }
    let Running { server, store, .. } = first;
    server.stop().await;
    let second = running(store, 3_600.0).await;
    send(&second, 20..40).await;
    let folder = folder(&second);
    assert_eq!(drained(&folder), all(30), "it is not time yet");
    let Running { server, store, .. } = second;
    server.stop().await;
    assert_eq!(drained(&folder), all(40));
    assert_eq!(files(&folder).len(), files(store.path()).len(), "a shop's events are in its folder alone");
}

#[tokio::test]
async fn a_failing_drain_folder_is_counted_and_retried() {
    let running = running(tempfile::tempdir().unwrap(), 0.05).await;
    let (folder, aside) = (folder(&running), running.store.path().join("aside"));
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, "no folder").unwrap();
    send(&running, 0..10).await;
    running.until("failing", || async { !shows(&running, "qianmian_drain_failures_total", "0").await }).await;
    running.until("behind", || shows(&running, "qianmian_drain_lag_events", "10")).await;
    send(&running, 10..20).await;
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    running.until("drained", || async { drained(&folder) == all(20) }).await;
}
