//! Two servers on one Redis have the same state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::redis::{RedisServer, redis_is_here};
use crate::support::shop::{item, publish};
use crate::support::{EAGER, Running, ids, in_redis, shown, start};
use serde_json::{Value, json};

/// A server of its own store and folder on `redis`.
async fn replica(redis: &RedisServer) -> Running {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let live = format!("[live]\nfolder = '{}'\n", store.path().join("live").display());
    let running = start(&format!("{EAGER}{live}{}", in_redis(&redis.url())), store).await;
    running.until_ready().await;
    running
}

async fn view(running: &Running, id: &str, user: &str, item: &str) -> Value {
    let occurred_at = chrono::Utc::now().to_rfc3339();
    let view =
        json!({"event_id": id, "type": "view", "occurred_at": occurred_at, "user_id": user, "item_id": item});
    let answer = running.post("/events", &json!({"events": [view]})).await.ok();
    answer["results"][0]["status"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_changes_the_next_answer_of_another_replica() {
    if !redis_is_here("an_event_changes_the_next_answer_of_another_replica") {
        return;
    }
    let redis = RedisServer::start();
    let (a, b) = (replica(&redis).await, replica(&redis).await);
    for n in 0..30 {
        let newcomer = format!("newcomer-{n}");
        let question = json!({"user": {"id": newcomer}, "count": 5});
        let before = b.post("/recommend", &question).await.ok();
        assert_eq!((&before["personalized"], &before["degraded"]), (&json!(false), &json!([])));
        assert_eq!(view(&a, &n.to_string(), &newcomer, &item("a", 22)).await, "accepted");
        let after = b.post("/recommend", &question).await.ok();
        assert_eq!(after["personalized"], true);
        assert_ne!(ids(&after, "items", "item_id"), ids(&before, "items", "item_id"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_sent_to_both_replicas_counts_once() {
    if !redis_is_here("an_event_sent_to_both_replicas_counts_once") {
        return;
    }
    let redis = RedisServer::start();
    let (a, b) = (replica(&redis).await, replica(&redis).await);
    let occurred_at = chrono::Utc::now().to_rfc3339();
    for n in 0..30 {
        let event = json!({"event_id": n.to_string(), "type": "view", "occurred_at": occurred_at, "user_id": "u",
                           "item_id": "i"});
        let body = json!({"events": [event]});
        let (of_a, of_b) = tokio::join!(a.post("/events", &body), b.post("/events", &body));
        let mut outcomes = [of_a.ok(), of_b.ok()].map(|answer| ids(&answer, "results", "status").remove(0));
        outcomes.sort();
        assert_eq!(outcomes, ["accepted", "duplicate"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_off_sale_disappears_from_all_replicas() {
    if !redis_is_here("an_item_off_sale_disappears_from_all_replicas") {
        return;
    }
    let redis = RedisServer::start();
    let (a, b) = (Arc::new(replica(&redis).await), Arc::new(replica(&redis).await));
    let gone = [item("a", 7), item("a", 6), item("a", 9)];
    let before = shown(&b, 4).await;
    assert!(gone.iter().all(|id| before.contains(id)), "{before:?}");
    let late = Arc::new(AtomicBool::new(false));
    let hammer: Vec<_> = [(0, &a), (1, &b), (2, &b)]
        .into_iter()
        .map(|(n, replica)| {
            let (replica, late, gone) = (Arc::clone(replica), Arc::clone(&late), gone.clone());
            tokio::spawn(async move {
                let mut rounds_after = 0;
                while rounds_after < 15 {
                    let counts = late.load(Ordering::SeqCst);
                    let shown = shown(&replica, n).await;
                    if counts {
                        rounds_after += 1;
                        assert!(gone.iter().all(|id| !shown.contains(id)), "{shown:?}");
                    }
                }
            })
        })
        .collect();
    let told = json!({"items": [
        {"item_id": gone[0], "stock": 0}, {"item_id": gone[1], "on_sale": false}, {"item_id": gone[2], "stock": 0},
    ]});
    assert_eq!(a.post("/items", &told).await.ok()["accepted"], 3);
    tokio::time::sleep(Duration::from_secs(1)).await;
    late.store(true, Ordering::SeqCst);
    for task in hammer {
        task.await.unwrap();
    }
    // A version that the other one opens later knows it, too.
    publish(b.store.path(), "default", "v2", "a");
    b.until("swapped", || async { b.version().await == "v2" }).await;
    let after = shown(&b, 4).await;
    assert!(gone.iter().all(|id| !after.contains(id)), "{after:?}");
    // And so does a replica that starts only now.
    let c = replica(&redis).await;
    let after = shown(&c, 4).await;
    assert!(gone.iter().all(|id| !after.contains(id)), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_starts_without_redis_and_replays_later() {
    if !redis_is_here("a_replica_starts_without_redis_and_replays_later") {
        return;
    }
    let mut redis = RedisServer::start();
    redis.end("TERM");
    let a = replica(&redis).await;
    let question = json!({"user": {"id": "newcomer"}, "count": 5});
    let before = a.post("/recommend", &question).await.ok();
    assert_eq!((&before["personalized"], &before["degraded"]), (&json!(false), &json!(["user_state"])));
    assert_eq!(view(&a, "1", "newcomer", &item("a", 22)).await, "accepted");
    // Times are distinguished by milliseconds.
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(view(&a, "1", "newcomer", &item("a", 22)).await, "conflict", "a later time is another event");
    // Refusals of personal answers are unknown until Redis has answered once.
    let own = a.post("/recommend", &question).await.ok();
    assert_eq!((&own["personalized"], &own["degraded"]), (&json!(false), &json!(["user_state"])));
    a.post("/audience", &json!({"item_ids": [item("a", 7)]})).await.problem(503, "live_unavailable");
    let told = json!({"items": [{"item_id": item("a", 7), "stock": 0}]});
    a.post("/items", &told).await.problem(503, "live_unavailable");
    let metrics = a.get("/metrics").await.text();
    for line in ["breaker_open{shop=\"default\"} 1", "spooled_events{shop=\"default\"} 1"] {
        assert!(metrics.contains(&format!("qianmian_live_{line}")), "{line}: {metrics}");
    }
    let since = Instant::now();
    redis.start_again();
    let b = replica(&redis).await;
    let knows = async || b.post("/recommend", &question).await.ok()["personalized"] == true;
    b.until("handed over", knows).await;
    eprintln!("handed over {} ms after Redis came back", since.elapsed().as_millis());
    a.until("whole", || async { a.post("/recommend", &question).await.ok()["degraded"] == json!([]) }).await;
    let metrics = a.get("/metrics").await.text();
    for line in ["breaker_open{shop=\"default\"} 0", "spooled_events{shop=\"default\"} 0"] {
        assert!(metrics.contains(&format!("qianmian_live_{line}")), "{line}: {metrics}");
    }
    a.post("/items", &told).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_an_embedded_store_are_replayed_to_redis() {
    if !redis_is_here("events_of_an_embedded_store_are_replayed_to_redis") {
        return;
    }
    let redis = RedisServer::start();
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let live = format!("{EAGER}[live]\nfolder = '{}'\n", store.path().join("live").display());
    let embedded = start(&live, store).await;
    embedded.until_ready().await;
    assert_eq!(view(&embedded, "1", "newcomer", &item("a", 22)).await, "accepted");
    let Running { server, store, .. } = embedded;
    server.stop().await;
    let _a = start(&format!("{live}{}", in_redis(&redis.url())), store).await;
    let b = replica(&redis).await;
    let question = json!({"user": {"id": "newcomer"}, "count": 5});
    let knows = async || b.post("/recommend", &question).await.ok()["personalized"] == true;
    b.until("handed over", knows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_scene_shapes_another_replica_within_a_second() {
    if !redis_is_here("a_changed_scene_shapes_another_replica_within_a_second") {
        return;
    }
    let redis = RedisServer::start();
    let (a, b) = (replica(&redis).await, replica(&redis).await);
    let json_type = [("content-type", "application/json")];
    for count in [3, 7, 4, 9, 2] {
        let scene = json!({"count": count}).to_string();
        a.send(hyper::Method::PUT, "/scenes/home", &json_type, &scene).await.ok();
        let changed = Instant::now();
        loop {
            let slate = b.post("/recommend", &json!({})).await.ok();
            if slate["items"].as_array().unwrap().len() == count {
                break;
            }
            assert!(changed.elapsed() < Duration::from_secs(1), "not followed after a second");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let history = b.get("/scenes/home/history").await.ok();
    assert_eq!(history["revisions"].as_array().unwrap().len(), 5);
}
