//! Web pages as callers: preflights, keys for origins, beacons, clocks of devices, unknown fields.

use chrono::{Duration, SecondsFormat, Utc};
use hyper::Method;
use serde_json::{Value, json};

use crate::support::shop::{item, publish, user};
use crate::support::{Running, ids, key, start};

const SHOP: &str = "https://shop.example";
const OTHER: &str = "https://other.example";

/// A server with a key for events that pages of [`SHOP`] may use; and that key.
async fn for_pages() -> (Running, String) {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let (bearer, entry) = key("default", "events");
    let (_, plain) = key("default", "read");
    let live = store.path().join("live");
    let config = format!(
        "poll_seconds = 0.02\n[live]\nfolder = '{}'\n{entry}origins = ['{SHOP}']\n{plain}",
        live.display()
    );
    let running = start(&config, store).await;
    running.until_ready().await;
    (running, bearer)
}

fn event(id: &str, occurred_at: impl Into<Value>) -> Value {
    json!({"event_id": id, "type": "view", "occurred_at": occurred_at.into(), "user_id": user(1), "item_id": item("a", 3)})
}

async fn send(running: &Running, bearer: &str, path: &str, body: &Value) -> Value {
    let headers = [("authorization", bearer), ("content-type", "text/plain;charset=UTF-8")];
    running.send(Method::POST, path, &headers, &body.to_string()).await.ok()
}

#[tokio::test]
async fn a_preflight_is_answered_for_configured_origins() {
    let (running, _) = for_pages().await;
    let ask = async |origin| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,authorization"),
        ];
        running.send(Method::OPTIONS, "/events", &headers, "").await
    };
    let allowed = ask(SHOP).await;
    assert!(allowed.status.is_success());
    assert_eq!(allowed.header("access-control-allow-origin"), SHOP);
    assert!(allowed.header("access-control-allow-methods").contains("POST"));
    assert!(allowed.header("access-control-allow-headers").contains("authorization"));
    assert_eq!(ask(OTHER).await.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_page_reads_answers_for_keys_of_its_origin() {
    let (running, bearer) = for_pages().await;
    let body = json!({"events": [event("1", Utc::now().timestamp())]}).to_string();
    let send = async |origin, bearer: &str| {
        let headers = [("origin", origin), ("authorization", bearer), ("content-type", "application/json")];
        running.send(Method::POST, "/events", &headers, &body).await
    };
    let own = send(SHOP, &bearer).await;
    assert_eq!((own.status.as_u16(), own.header("access-control-allow-origin")), (200, SHOP));
    assert!(own.header("access-control-expose-headers").contains("x-request-id"));
    assert_eq!(send(OTHER, &bearer).await.header("access-control-allow-origin"), "");
    let denied = send(SHOP, "Bearer qm_wrong").await;
    assert_eq!((denied.status.as_u16(), denied.header("access-control-allow-origin")), (401, SHOP));
}

#[tokio::test]
async fn a_beacon_is_plain_text_and_moments_may_be_numbers() {
    let (running, bearer) = for_pages().await;
    let now = Utc::now();
    let rows = [
        event("1", now.to_rfc3339_opts(SecondsFormat::Millis, true)),
        event("2", now.timestamp()),
        event("3", now.timestamp_millis()),
        event("4", now.timestamp_millis().to_string()),
        event("5", "yesterday"),
    ];
    let body = send(&running, &bearer, "/events", &json!({"events": rows})).await;
    assert_eq!(ids(&body, "results", "status"), ["accepted", "accepted", "accepted", "accepted", "rejected"]);
    let fault = &body["results"][4];
    let reason = fault["reason"].as_str().unwrap();
    assert!(
        fault["field"] == "occurred_at" && reason.contains("RFC 3339") && !reason.contains("an id"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_and_noted() {
    let (running, bearer) = for_pages().await;
    let ahead = (Utc::now() + Duration::minutes(11)).timestamp_millis();
    let body = json!({"sent_at": ahead, "events": [event("1", ahead)]});
    let answer = send(&running, &bearer, "/events", &body).await;
    assert_eq!(answer["results"][0]["status"], "accepted", "{answer}");
    assert!(answer["results"][0]["note"].as_str().unwrap().contains("sent_at"), "{answer}");
    let again = send(&running, &bearer, "/events", &body).await;
    assert_eq!(again["results"][0]["status"], "duplicate", "{again}");
    let unsent = send(&running, &bearer, "/events", &json!({"events": [event("2", ahead)]})).await;
    assert!(unsent["results"][0]["note"].as_str().unwrap().contains("received"), "{unsent}");
}

#[tokio::test]
async fn unknown_fields_are_refused_or_counted() {
    let (running, bearer) = for_pages().await;
    let mut row = event("1", Utc::now().timestamp());
    row["platform"] = json!("ios");
    row["session_id"] = json!("");
    let body = json!({"events": [row]});
    let strict = send(&running, &bearer, "/events", &body).await;
    assert_eq!(strict["results"][0]["field"], "platform", "{strict}");
    let lenient = send(&running, &bearer, "/events?lenient=true", &body).await;
    assert_eq!((&lenient["accepted"], &lenient["ignored_fields"]), (&json!(1), &json!({"platform": 1})));
}
