//! Live state over HTTP: data sent is known to the very next answer, on every path.

use std::path::Path;

use crate::support::redis::{RedisServer, redis_is_here};
use crate::support::shop::{ITEMS, item, publish, taste, user};
use crate::support::{EAGER, Running, ids, in_redis, start};
use chrono::{Duration, SecondsFormat, Utc};
use hyper::Method;
use serde_json::{Value, json};

#[path = "live_items.rs"]
mod items;

/// A server that keeps live state, serving `v1` with ids marked `a`.
async fn live() -> Running {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let redis = redis();
    let mut running = start(&config(store.path(), redis.as_ref()), store).await;
    running.redis = redis;
    running.until_ready().await;
    running
}

/// A Redis for a test, if `live_redis.rs` runs it.
fn redis() -> Option<RedisServer> {
    let wanted = module_path!().contains("live_redis") && redis_is_here("a test of live state in Redis");
    wanted.then(RedisServer::start)
}

fn config(store: &Path, redis: Option<&RedisServer>) -> String {
    let mut config = format!("{EAGER}[live]\nfolder = '{}'\n", store.join("live").display());
    if let Some(redis) = redis {
        config.push_str(&in_redis(&redis.url()));
    }
    config
}

fn ago(seconds: i64) -> String {
    (Utc::now() - Duration::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn event(id: &str, kind: &str, user: &str, item_id: &str) -> Value {
    let occurred_at = "2026-01-01T00:00:00Z".replace("2026-01-01T00:00:00Z", &ago(5));
    json!({"event_id": id, "type": kind, "occurred_at": occurred_at, "user_id": user, "item_id": item_id})
}

async fn send(running: &Running, events: &[Value]) -> Value {
    running.post("/events", &json!({"events": events})).await.ok()
}

async fn tell(running: &Running, items: &[Value]) {
    let told = running.post("/items", &json!({"items": items})).await.ok();
    assert_eq!(told["accepted"], items.len(), "{told}");
}

async fn slate(running: &Running, body: &Value) -> (Value, Vec<String>) {
    let body = running.post("/recommend", body).await.ok();
    let items = ids(&body, "items", "item_id");
    (body, items)
}

fn statuses(answer: &Value) -> Vec<String> {
    ids(answer, "results", "status")
}

#[tokio::test]
async fn views_personalize_the_next_slate_of_an_unknown_user() {
    let running = live().await;
    let question = json!({"user": {"id": "newcomer"}, "count": 5});
    let (before, best_sellers) = slate(&running, &question).await;
    assert_eq!((&before["personalized"], &before["fallback"]), (&json!(false), &json!("unknown_user")));
    send(&running, &[event("1", "view", "newcomer", &item("a", 22))]).await;
    let (after, own) = slate(&running, &question).await;
    assert_eq!((&after["personalized"], &after["fallback"]), (&json!(true), &Value::Null));
    assert_ne!(own, best_sellers);
    let like_it = own.iter().filter(|id| taste(id[7..].parse().unwrap()) == taste(22)).count();
    assert!(like_it >= 4, "{own:?} is not to the taste of what was looked at");
    let (other, _) = slate(&running, &json!({"user": {"id": "somebody"}, "count": 5})).await;
    assert_eq!(other["personalized"], false, "it is theirs alone");
}

#[tokio::test]
async fn a_session_counts_until_the_user_is_known() {
    let running = live().await;
    let mut seen = event("1", "view", "x", &item("a", 22));
    seen["session_id"] = seen.as_object_mut().unwrap().remove("user_id").unwrap();
    send(&running, &[seen]).await;
    let (anonymous, _) = slate(&running, &json!({"session_id": "x"})).await;
    assert_eq!(anonymous["personalized"], true);
    let (user_x, _) = slate(&running, &json!({"user": {"id": "x"}})).await;
    assert_eq!(user_x["personalized"], false, "a session is no user");
    let (plain, _) = slate(&running, &json!({"session_id": "x", "personalize": false})).await;
    assert_eq!(plain["personalized"], false);
}

#[tokio::test]
async fn exclude_bought_honors_live_purchases_and_returns() {
    let running = live().await;
    let question = json!({"user": {"id": user(4)}, "count": 30, "exclude_bought": true});
    let (_, before) = slate(&running, &question).await;
    assert!(before.contains(&item("a", 22)) && before.contains(&item("a", 2)));
    let bought =
        [event("1", "purchase", &user(4), &item("a", 22)), event("2", "dislike", &user(4), &item("a", 2))];
    send(&running, &bought).await;
    let (_, after) = slate(&running, &question).await;
    assert!(!after.contains(&item("a", 22)) && !after.contains(&item("a", 2)), "{after:?}");
    let again = json!({"user": {"id": user(4)}, "count": 30});
    let (_, again) = slate(&running, &again).await;
    assert!(again.contains(&item("a", 22)) && !again.contains(&item("a", 2)), "{again:?}");
}

#[tokio::test]
async fn overexposed_items_come_last_in_their_scene() {
    let running = live().await;
    let question = |scene: &str| json!({"user": {"id": user(4)}, "count": 5, "scene": scene});
    let (_, before) = slate(&running, &question("home")).await;
    let first = &before[0];
    let shown = |n: usize| {
        let mut event = event(&format!("x{n}"), "expose", &user(4), first);
        event["occurred_at"] = json!(ago(60 - n as i64));
        event
    };
    send(&running, &(0..4).map(shown).collect::<Vec<_>>()).await;
    assert_eq!(slate(&running, &question("home")).await.1, before, "four times are not too often");
    // The fifth, reported twice: by then it was shown often enough.
    send(&running, &[shown(4), shown(4)]).await;
    let (_, after) = slate(&running, &question("home")).await;
    assert!(!after.contains(first), "{first} is still among {after:?}");
    assert_eq!(slate(&running, &question("cart")).await.1, before, "another scene has shown it to nobody");
    let long = json!({"user": {"id": user(4)}, "count": ITEMS, "scene": "home"});
    let (body, all) = slate(&running, &long).await;
    assert_eq!(all.last(), Some(first), "a shelf does not end early for it");
    let scores: Vec<f64> =
        body["items"].as_array().unwrap().iter().map(|item| item["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    send(&running, &[event("click", "click", &user(4), first)]).await;
    assert!(slate(&running, &question("home")).await.1.contains(first), "a click makes it fresh again");
}

#[tokio::test]
async fn a_bundle_uses_live_purchases_and_returns() {
    let running = live().await;
    let question = json!({"cart": [item("a", 22)], "user": {"id": "newcomer"}, "personalize": true});
    let before = running.post("/bundle", &question).await.ok();
    assert_eq!((&before["personalized"], &before["degraded"]), (&json!(false), &json!([])));
    let complements = |answer: &Value| ids(answer, "complements", "item_id");
    let first = complements(&before)[0].clone();
    let last = item("a", 5);
    assert!(!complements(&before).contains(&last));
    send(&running, &[event("1", "purchase", "newcomer", &last), event("2", "dislike", "newcomer", &first)])
        .await;
    let after = running.post("/bundle", &question).await.ok();
    assert_eq!(after["personalized"], true);
    assert!(complements(&after).contains(&last) && !complements(&after).contains(&first), "{after}");
    let sets = after["bundles"].as_array().unwrap();
    assert!(sets.iter().all(|set| !ids(set, "items", "item_id").contains(&first)), "{after}");
}

#[tokio::test]
async fn an_audience_knows_recent_buyers_within_seconds() {
    let running = live().await;
    let question =
        |exclude: bool| json!({"item_ids": [item("a", 22)], "count": 500, "exclude_buyers": exclude});
    let found = running.post("/audience", &question(false)).await.ok();
    let people = found["users"].as_array().unwrap();
    let one =
        |segment: &str| people.iter().find(|user| user["segment"] == segment).unwrap()["user_id"].as_str();
    let (buyer, other) = (one("repeat").unwrap(), one("new").unwrap());
    let told = [event("1", "purchase", other, &item("a", 22)), event("2", "refund", buyer, &item("a", 22))];
    send(&running, &told).await;
    let users = async |exclude| running.post("/audience", &question(exclude)).await.ok();
    running
        .until("the audience knows", async || {
            !ids(&users(false).await, "users", "user_id").contains(&buyer.to_owned())
        })
        .await;
    let known = users(false).await;
    let bought = known["users"].as_array().unwrap().iter().find(|user| user["user_id"] == other).unwrap();
    assert_eq!((&bought["segment"], &bought["bought"]), (&json!("repeat"), &json!(1)));
    assert_eq!(bought["reasons"][0]["code"], "bought_before", "{bought}");
    let new = ids(&users(true).await, "users", "user_id");
    assert!(!new.contains(&other.to_owned()) && !new.contains(&buyer.to_owned()));
}

#[tokio::test]
async fn the_exposure_limit_is_configured_by_scene() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let config = format!(
        "{EAGER}[live]\nfolder = '{}'\n[shops.default.scenes.cart]\nexposures = 1\n\
         exposure_window_seconds = 30\n[shops.default.scenes.hall]\nexposures = 0\n",
        store.path().join("live").display()
    );
    let running = start(&config, store).await;
    running.until_ready().await;
    let question = |scene: &str| json!({"user": {"id": user(4)}, "count": 5, "scene": scene});
    let (_, before) = slate(&running, &question("cart")).await;
    let mut events = Vec::new();
    for (n, scene) in ["cart", "hall", "hall", "hall", "hall", "hall", "hall"].into_iter().enumerate() {
        let mut shown = event(&n.to_string(), "expose", &user(4), &before[0]);
        (shown["scene"], shown["occurred_at"]) = (json!(scene), json!(ago(n as i64)));
        events.push(shown);
    }
    let mut long_ago = event("long ago", "expose", &user(4), &before[1]);
    (long_ago["scene"], long_ago["occurred_at"]) = (json!("cart"), json!(ago(31)));
    events.push(long_ago);
    send(&running, &events).await;
    let (_, cart) = slate(&running, &question("cart")).await;
    assert!(!cart.contains(&before[0]) && cart.contains(&before[1]), "{cart:?}");
    assert!(slate(&running, &question("hall")).await.1.contains(&before[0]));
}

#[tokio::test]
async fn trending_items_rise_in_their_channel() {
    let running = live().await;
    let question = |channel: &str| json!({"count": 5, "context": {"channel": channel, "region": "north"}});
    let (_, before) = slate(&running, &question("app")).await;
    let (slow, _) = slate(&running, &json!({"count": ITEMS})).await;
    let slowest = ids(&slow, "items", "item_id").pop().unwrap();
    assert!(!before.contains(&slowest));
    let bought = |n: usize| {
        let mut event = event(&format!("t{n}"), "purchase", &format!("u{n}"), &slowest);
        (event["channel"], event["region"]) = (json!("app"), json!("north"));
        event
    };
    send(&running, &(0..200).map(bought).collect::<Vec<_>>()).await;
    let is_lifted = async |channel| slate(&running, &question(channel)).await.1.contains(&slowest);
    running.until("lifted", || is_lifted("app")).await;
    let (body, _) = slate(&running, &question("app")).await;
    assert_eq!((&body["personalized"], &body["fallback"]), (&json!(false), &json!("popularity")));
}

#[tokio::test]
async fn every_row_has_its_own_outcome() {
    let running = live().await;
    let first = event("1", "view", "u", "i");
    let mut other = first.clone();
    other["item_id"] = json!("j");
    let mut ahead = event("3", "view", "u", "i");
    ahead["occurred_at"] = json!(ago(-366 * 86_400));
    let rows = [
        first.clone(),
        event("2", "Product List Viewed", "u", "i"),
        first,
        other,
        ahead,
        event("4", "purchse", "u", "i"),
        event("5", "view", "u", &"名".repeat(90)),
        json!({"event_id": "6", "type": "view", "occurredat": "x"}),
        json!(7),
    ];
    let answer = send(&running, &rows).await;
    let expected = [
        "accepted",
        "accepted",
        "duplicate",
        "conflict",
        "rejected",
        "rejected",
        "rejected",
        "rejected",
        "rejected",
    ];
    assert_eq!((statuses(&answer), &answer["accepted"]), (expected.map(str::to_owned).to_vec(), &json!(2)));
    let fault = |n: usize| (answer["results"][n]["field"].clone(), answer["results"][n]["nearest"].clone());
    assert_eq!(fault(4), (json!("occurred_at"), Value::Null));
    assert_eq!(fault(5), (json!("type"), json!("purchase")));
    assert_eq!(fault(6).0, "item_id");
    assert_eq!(fault(7), (json!("occurredat"), json!("occurred_at")));
    let metrics = running.get("/metrics").await.text();
    for line in ["accepted\"} 2", "duplicate\"} 1", "conflict\"} 1", "rejected\"} 5"] {
        assert!(metrics.contains(&format!("qianmian_events_total{{outcome=\"{line}")), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn each_line_is_accepted_or_refused_alone() {
    let running = live().await;
    let headers = [("content-type", "application/x-ndjson")];
    let body = format!(
        "{}\n\n{}\r\n{{\"event_id\":\"3\",\"ty",
        event("1", "view", "u", "i"),
        event("2", "view", "u", "i")
    );
    let answer = running.send(Method::POST, "/events", &headers, &body).await.ok();
    assert_eq!(statuses(&answer), ["accepted", "accepted", "rejected"]);
    assert_eq!(answer["results"][2]["field"], "");
    running.send(Method::POST, "/events", &headers, "\n").await.problem(400, "invalid_field");
}

#[tokio::test]
async fn too_many_rows_are_refused_as_a_whole() {
    let running = live().await;
    let many: Vec<Value> = (0..1_001).map(|n| event(&n.to_string(), "view", "u", "i")).collect();
    let problem = running.post("/events", &json!({"events": many})).await.problem(400, "invalid_field");
    assert_eq!(problem["field"], "events");
    running.post("/events", &json!({"events": []})).await.problem(400, "invalid_field");
    running.post("/events", &json!({"events": ["x".repeat(2 << 20)]})).await.problem(413, "body_too_large");
    running.post("/events", &json!({"rows": []})).await.problem(400, "unknown_field");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    running.send(Method::POST, "/events", &form, "{}").await.problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn without_a_folder_writes_are_refused_and_slates_go_on() {
    let running = crate::support::served().await;
    let refused = running.post("/events", &json!({"events": [event("1", "view", "u", "i")]})).await;
    assert!(refused.problem(503, "live_unavailable")["detail"].as_str().unwrap().contains("live.folder"));
    running
        .post("/items", &json!({"items": [{"item_id": "i", "stock": 0}]}))
        .await
        .problem(503, "live_unavailable");
    running.post("/recommend", &json!({"user": {"id": user(4)}})).await.ok();
}

#[tokio::test]
async fn a_restarted_server_knows_its_events() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let redis = redis();
    let config = config(store.path(), redis.as_ref());
    let first = start(&config, store).await;
    first.until_ready().await;
    send(&first, &[event("1", "view", "newcomer", &item("a", 22))]).await;
    tell(&first, &[json!({"item_id": item("a", 7), "on_sale": false})]).await;
    let Running { server, store, .. } = first;
    server.stop().await;
    let second = start(&config, store).await;
    second.until_ready().await;
    let (again, items) = slate(&second, &json!({"user": {"id": "newcomer"}, "count": 30})).await;
    assert_eq!(again["personalized"], true);
    assert!(!items.contains(&item("a", 7)));
}
