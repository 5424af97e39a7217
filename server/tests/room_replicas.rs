//! Two servers on one Redis show one room.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::suite::streams::Console;
use crate::support::redis::{RedisServer, redis_is_here};
use crate::support::shop::{item, publish};
use crate::support::{EAGER, Running, in_redis, start};
use hyper::Method;
use serde_json::json;

async fn replica(redis: &RedisServer) -> Running {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let live = format!("[live]\nfolder = '{}'\n", store.path().join("live").display());
    let running = start(&format!("{EAGER}{live}{}", in_redis(&redis.url())), store).await;
    running.until_ready().await;
    running
}

async fn put(running: &Running, state: &str) {
    let body = json!({"title": "t", "state": state}).to_string();
    running.send(Method::PUT, "/rooms/r", &[("content-type", "application/json")], &body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consoles_of_two_replicas_end_with_one_list() {
    if !redis_is_here("consoles_of_two_replicas_end_with_one_list") {
        return;
    }
    let redis = RedisServer::start();
    let (a, b) = (replica(&redis).await, replica(&redis).await);
    put(&a, "planned").await;
    let products: Vec<_> = (1..=20).map(|n| json!({"item_id": item("a", n)})).collect();
    a.post("/rooms/r/products", &json!({"products": products})).await.ok();
    put(&a, "live").await;
    b.until("followed", || async { b.get("/rooms/r").await.json()["state"] == "live" }).await;
    let (mut of_a, mut of_b) =
        (Console::open(&a, "/rooms/r/stream", "").await, Console::open(&b, "/rooms/r/stream", "").await);
    let changed = Instant::now();
    a.post("/rooms/r/explain", &json!({"item_id": item("a", 7)})).await.ok();
    while of_b.next().await.unwrap().1["room"]["explaining"]["item_id"] != item("a", 7) {}
    assert!(changed.elapsed() < Duration::from_secs(2), "{:?}", changed.elapsed());
    for n in 1..=10 {
        let server = if n % 2 == 0 { &a } else { &b };
        server.post("/rooms/r/products/order", &json!({"numbers": format!("{n},20")})).await.ok();
    }
    let revision = a.get("/rooms/r").await.ok()["revision"].clone();
    b.until("followed", || async { b.get("/rooms/r").await.json()["revision"] == revision }).await;
    of_a.until_equal(&a).await;
    of_b.until_equal(&b).await;
    assert_eq!(of_a.hash(), of_b.hash());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_sell_exactly_the_quantity() {
    if !redis_is_here("two_replicas_sell_exactly_the_quantity") {
        return;
    }
    let redis = RedisServer::start();
    let (a, b) = (Arc::new(replica(&redis).await), Arc::new(replica(&redis).await));
    put(&a, "planned").await;
    a.post("/rooms/r/products", &json!({"products": [{"item_id": item("a", 1)}, {"item_id": item("a", 2)}]}))
        .await
        .ok();
    put(&a, "live").await;
    let closes_at = (chrono::Utc::now() + chrono::TimeDelta::seconds(60)).to_rfc3339();
    let path = format!("/rooms/r/products/{}/flash_sale", item("a", 1));
    a.post(&path, &json!({"quantity": 17, "closes_at": closes_at})).await.ok();
    let is_open = async || b.get("/rooms/r/products").await.json()["products"][0]["flash_sale"]["left"] == 17;
    b.until("followed", is_open).await;
    let tasks: Vec<_> = (0..60)
        .map(|n| {
            let server = Arc::clone(if n % 2 == 0 { &a } else { &b });
            tokio::spawn(async move {
                let body = json!({"user": {"id": format!("u{n}")}, "lines": [{"item_id": item("a", 1)}]});
                let key = format!("k{n}");
                let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
                server.send(Method::POST, "/rooms/r/reservations", &headers, &body.to_string()).await.status
                    == 200
            })
        })
        .collect();
    let mut sold = 0;
    for task in tasks {
        sold += usize::from(task.await.unwrap());
    }
    assert_eq!(sold, 17);
    tokio::time::sleep(Duration::from_secs(1)).await;
    for server in [&a, &b] {
        let slate = server.post("/recommend", &json!({"context": {"room_id": "r"}})).await.ok();
        assert_eq!(slate["items"].as_array().unwrap().len(), 1, "gone on both within a second: {slate}");
    }
}
