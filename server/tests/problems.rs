//! Every error is a problem, whoever makes it: the handlers, the extractors, the router, the bounds.

use std::time::Duration;

use crate::support::shop::{item, publish, user};
use crate::support::{Running, served, start};
use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_body_that_is_wrong_names_the_field_and_the_nearest_known_one() {
    let running = served().await;
    let long = "牙".repeat(257);
    for (path, body, code, field, nearest) in [
        ("/recommend", json!({"cuont": 1}), "unknown_field", "cuont", "count"),
        ("/recommend", json!({"user": {"ID": "x"}}), "unknown_field", "user.ID", "id"),
        ("/recommend", json!({"context": {"itemids": []}}), "unknown_field", "context.itemids", "item_ids"),
        ("/recommend", json!({"user": {}}), "missing_field", "user.id", ""),
        ("/recommend", json!({"user": ["x"]}), "invalid_field", "user", ""),
        (
            "/recommend",
            json!({"user": {"id": "x", "ids": [{"type": "jd", "value": "x"}]}}),
            "invalid_field",
            "user.ids",
            "",
        ),
        ("/recommend", json!({"user": {"ids": []}}), "missing_field", "user.id", ""),
        ("/recommend", json!({"user": {"ids": [["jd", "x"]]}}), "invalid_field", "user.ids[0]", ""),
        ("/recommend", json!({"user": {"ids": [{"type": "jd"}]}}), "missing_field", "user.ids[0].value", ""),
        (
            "/recommend",
            json!({"user": {"ids": [{"type": "phone", "value": "x"}]}}),
            "invalid_field",
            "user.ids[0].type",
            "phone_sha256",
        ),
        (
            "/recommend",
            json!({"user": {"ids": vec![json!({"type": "jd", "value": "x"}); 17]}}),
            "invalid_field",
            "user.ids",
            "",
        ),
        ("/recommend", json!({"context": []}), "invalid_field", "context", ""),
        ("/recommend", json!({"count": 0}), "invalid_field", "count", ""),
        ("/recommend", json!({"count": 201}), "invalid_field", "count", ""),
        ("/recommend", json!({"count": -1}), "invalid_field", "count", ""),
        ("/recommend", json!({"count": 1e99}), "invalid_field", "count", ""),
        ("/recommend", json!({"explain": "yes"}), "invalid_field", "explain", ""),
        ("/recommend", json!({"context": {"cart": ["a", 5]}}), "invalid_field", "context.cart[1]", ""),
        ("/recommend", json!({"exclude_item_ids": ["a", long]}), "invalid_field", "exclude_item_ids[1]", ""),
        ("/recommend", json!({"exclude_item_ids": vec!["a"; 1001]}), "invalid_field", "exclude_item_ids", ""),
        ("/recommend", json!([]), "invalid_field", "", ""),
        ("/recommend", json!(null), "invalid_field", "", ""),
        ("/similar", json!({}), "missing_field", "item_ids", ""),
        ("/similar", json!({"item_ids": []}), "invalid_field", "item_ids", ""),
        ("/similar", json!({"item_ids": vec!["a"; 101]}), "invalid_field", "item_ids", ""),
        ("/similar", json!({"item_id": ["a"]}), "unknown_field", "item_id", "item_ids"),
        ("/bundle", json!({"cart": ["a"], "min_baskets": 0}), "invalid_field", "min_baskets", ""),
        ("/audience", json!({}), "missing_field", "item_ids", ""),
        ("/audience", json!({"item": {}}), "invalid_field", "item", ""),
        ("/audience", json!({"item": {"price": -1.0}}), "invalid_field", "item.price", ""),
        ("/audience", json!({"item": {"titel": "x"}}), "unknown_field", "item.titel", "title"),
        (
            "/audience",
            json!({"item_ids": ["a"], "holdout": {"share": 0.6, "seed": "s"}}),
            "invalid_field",
            "holdout.share",
            "",
        ),
        ("/bundle", json!({"cart": ["a"], "min_items": 1}), "invalid_field", "min_items", ""),
        ("/bundle", json!({"cart": ["a"], "min_items": 4, "max_items": 3}), "invalid_field", "max_items", ""),
        ("/bundle", json!({"cart": ["a"], "mode": "loose"}), "invalid_field", "mode", ""),
        (
            "/bundle",
            json!({"cart": ["a"], "personalise": true}),
            "unknown_field",
            "personalise",
            "personalize",
        ),
        ("/audience", json!({"item_ids": ["a"], "count": 100_001}), "invalid_field", "count", ""),
    ] {
        let problem = running.post(path, &body).await.problem(400, code);
        assert_eq!(problem["field"].as_str().unwrap_or(""), field, "{body} {problem}");
        assert_eq!(problem["nearest"].as_str().unwrap_or(""), nearest, "{body} {problem}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let running = served().await;
    let deep = format!("{{\"user\":{}", "[".repeat(100_000));
    for body in ["", "{", "{} {}", "{'count':1}", "\u{feff}{}", r#"{"count":1,"count":2}"#, "nonsense", &deep]
    {
        let answer = running.send(Method::POST, "/recommend", &[JSON], body).await;
        assert_eq!(answer.status, 400, "{body:.40} {}", answer.text());
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        answer.problem(400, &code);
    }
    let surrogate = running.send(Method::POST, "/similar", &[JSON], r#"{"item_ids":["\ud800"]}"#).await;
    assert_eq!(surrogate.status, 400);
}

#[tokio::test]
async fn a_query_string_is_read_as_strictly_as_a_body() {
    let running = served().await;
    for (query, code, field) in [
        ("cuont=1", "unknown_field", "cuont"),
        ("count=0", "invalid_field", "count"),
        ("count=x", "invalid_field", "count"),
        ("count=", "invalid_field", "count"),
        ("count=1&count=2", "invalid_field", ""),
        ("explain=1", "invalid_field", "explain"),
        ("user_id=", "invalid_field", "user_id"),
        ("user_id=%ff", "invalid_field", ""),
    ] {
        let problem = running.get(&format!("/recommend?{query}")).await.problem(400, code);
        assert_eq!(problem["field"].as_str().unwrap_or(""), field, "{query} {problem}");
    }
    running.get("/models?x=1").await.problem(400, "unknown_field");
    running.get(&format!("/users/{}?history=1", user(1))).await.problem(400, "unknown_field");
    running.get("/users/%ff").await.problem(400, "invalid_path");
    running.get(&format!("/users/{}", "x".repeat(257))).await.problem(400, "invalid_field");
}

#[tokio::test]
async fn the_routers_own_errors_are_problems_too() {
    let running = served().await;
    running.get("/nothing").await.problem(404, "not_found");
    running.get("/users/").await.problem(404, "not_found");
    running.get("/models/v1/activate/").await.problem(404, "not_found");
    for (method, path, allow) in [
        (Method::DELETE, "/recommend", "GET,HEAD,POST"),
        (Method::GET, "/similar", "POST"),
        (Method::POST, "/healthz", "GET,HEAD"),
        (Method::TRACE, "/models", "GET,HEAD"),
        (Method::from_bytes(b"BREW").unwrap(), "/models/rollback", "POST"),
    ] {
        let answer = running.send(method, path, &[], "").await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allow, "{path}");
    }
}

#[tokio::test]
async fn a_body_must_be_declared_as_json_and_be_short_enough() {
    let running = served().await;
    let body = json!({"item_ids": [item("a", 1)]}).to_string();
    for declared in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "\u{e9}"] {
        let headers = [("content-type", declared)];
        let headers = if declared.is_empty() { &headers[..0] } else { &headers[..] };
        let answer = running.send(Method::POST, "/similar", headers, &body).await;
        answer.problem(415, "unsupported_media_type");
    }
    for declared in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.shop+json"] {
        let answer = running.send(Method::POST, "/similar", &[("content-type", declared)], &body).await;
        assert_eq!(answer.status, 200, "{declared}");
    }
    let long = format!("{}{body}", " ".repeat(1 << 20));
    running.send(Method::POST, "/similar", &[JSON], &long).await.problem(413, "body_too_large");
}

/// Sends bytes as they are, and returns everything that comes back until the connection is closed.
async fn raw(running: &Running, parts: &[&str], pause: Duration) -> String {
    let mut stream = TcpStream::connect(running.server.address()).await.unwrap();
    for part in parts {
        stream.write_all(part.as_bytes()).await.unwrap();
        tokio::time::sleep(pause).await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_chunked_body_is_bounded_while_it_is_read() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let running = start("[limits]\nbody_bytes = 100\n", store).await;
    let head = "POST /similar HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let chunk = format!("40\r\n{}\r\n", " ".repeat(64));
    let answer = raw(&running, &[head, &chunk, &chunk], Duration::from_millis(20)).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"body_too_large\""), "{answer}");
}

#[tokio::test]
async fn a_client_that_stops_sending_is_not_waited_for() {
    let store = tempfile::tempdir().unwrap();
    let config = "poll_seconds = 0.02\n[limits]\nrequest_seconds = 0.3\nheader_seconds = 0.3\n";
    let running = start(config, store).await;
    let head = "POST /similar HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                content-length: 50\r\n\r\n{";
    let answer = raw(&running, &[head], Duration::ZERO).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"body_timeout\""), "{answer}");
    let started = std::time::Instant::now();
    raw(&running, &["GET /healthz HTTP/1.1\r\nhost:"], Duration::ZERO).await;
    assert!(started.elapsed() < Duration::from_secs(5), "a head that never ends was waited for");
}

#[tokio::test]
async fn more_requests_than_places_are_refused_at_once_but_probes_get_through() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let running = start("poll_seconds = 0.02\n[limits]\nin_flight = 1\n", store).await;
    running.until_ready().await;
    let mut holder = TcpStream::connect(running.server.address()).await.unwrap();
    let head = "POST /similar HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                content-length: 27\r\n\r\n";
    holder.write_all(head.as_bytes()).await.unwrap();
    running.until("busy", || async { running.get("/recommend").await.status == 503 }).await;
    let refused = running.get("/recommend").await;
    refused.problem(503, "overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(running.get("/readyz").await.status, 200);
    holder.write_all(br#"{"item_ids":["a-item-04"]}"#).await.unwrap();
    holder.write_all(b" ").await.unwrap();
    let mut answer = String::new();
    holder.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(running.get("/recommend").await.status, 200);
}

#[tokio::test]
async fn ids_of_any_shape_are_unknown_rather_than_wrong() {
    let running = served().await;
    for id in ["a b", "a/b", "../../etc/passwd", "🍚", "\u{0}", "\"", &"x".repeat(256), "%2F", "null"] {
        let body = running.post("/similar", &json!({"item_ids": [id]})).await.ok();
        assert_eq!(body["unknown_item_ids"], json!([id]));
        let body = running.post("/recommend", &json!({"user": {"id": id}})).await.ok();
        assert_eq!(body["fallback"], Value::from("unknown_user"));
    }
}
