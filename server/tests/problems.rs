//! Every error is a problem, from any part: the handlers, the extractors, the router, the bounds.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use crate::support::shop::{item, publish, user};
use crate::support::{Running, served, start};
use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_wrong_body_names_the_field_and_the_nearest_one() {
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
        ("/recommend", json!({"context": {"cart": ["a", 5.5]}}), "invalid_field", "context.cart[1]", ""),
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
    for body in ["", "{", "{} {}", "{'count':1}", r#"{"count":1,"count":2}"#, "nonsense", &deep] {
        let answer = running.send(Method::POST, "/recommend", &[JSON], body).await;
        assert_eq!(answer.status, 400, "{body:.40} {}", answer.text());
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        answer.problem(400, &code);
    }
    let surrogate = running.send(Method::POST, "/similar", &[JSON], r#"{"item_ids":["\ud800"]}"#).await;
    assert_eq!(surrogate.status, 400);
}

#[tokio::test]
async fn bodies_may_be_packed_and_begin_with_a_byte_order_mark() {
    let running = served().await;
    let body = json!({"item_ids": [item("a", 4)]}).to_string();
    let gzip = |text: &[u8]| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    };
    let send = async |coding: &'static str, body: Vec<u8>| {
        let headers = [JSON, ("content-encoding", coding)];
        running.send_bytes(Method::POST, "/similar", &headers, body).await
    };
    let plain = send("identity", body.clone().into_bytes()).await.ok();
    for (coding, packed) in
        [("gzip", gzip(body.as_bytes())), ("zstd", zstd::encode_all(body.as_bytes(), 3).unwrap())]
    {
        assert_eq!(send(coding, packed).await.ok()["items"], plain["items"], "{coding}");
    }
    send("gzip", gzip(&vec![b' '; 50 << 20])).await.problem(413, "body_too_large");
    send("gzip", body.clone().into_bytes()).await.problem(400, "invalid_request");
    let unknown = send("br", body.clone().into_bytes()).await;
    unknown.problem(415, "unsupported_media_type");
    assert_eq!(unknown.header("accept-encoding"), "gzip, deflate, zstd");
    let marked = running.send(Method::POST, "/similar", &[JSON], &format!("\u{feff}{body}")).await.ok();
    assert_eq!(marked["items"], plain["items"]);
}

#[tokio::test]
async fn answers_are_compressed_for_clients_that_accept_it() {
    let running = served().await;
    let question = json!({"user": {"id": user(4)}, "count": 30}).to_string();
    let plain = running.send(Method::POST, "/recommend", &[JSON], &question).await;
    assert!(plain.header("content-encoding").is_empty() && plain.body.len() > 1_024);
    let headers = [JSON, ("accept-encoding", "gzip")];
    let packed = running.send(Method::POST, "/recommend", &headers, &question).await;
    assert_eq!((packed.header("content-encoding"), packed.header("x-request-id").len()), ("gzip", 32));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut text).unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["items"], plain.ok()["items"]);
}

#[tokio::test]
async fn numbers_are_ids_and_empty_optional_ids_are_none() {
    let running = served().await;
    let body = running.post("/similar", &json!({"item_ids": [7, 8.0]})).await.ok();
    assert_eq!(body["unknown_item_ids"], json!(["7", "8"]));
    let body = running.post("/recommend", &json!({"session_id": "", "context": {"channel": ""}})).await.ok();
    assert_eq!(body["fallback"], "popularity");
    assert_eq!(running.get("/recommend?user_id=").await.ok()["fallback"], "popularity");
}

#[tokio::test]
async fn errors_repeat_little_of_a_request_and_cost_little() {
    let running = served().await;
    let long = "x".repeat(1_000_000);
    for body in [json!({long.as_str(): 1}), json!({"mode": long, "cart": ["a"]}), json!({"cart": long})] {
        let started = std::time::Instant::now();
        let answer = running.post("/bundle", &body).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.len() < 1_000, "{}", answer.text());
        // Generous for a busy machine and an unoptimized build: it was quadratic once.
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
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
        (Method::DELETE, "/recommend", "GET,HEAD,POST,OPTIONS"),
        (Method::GET, "/similar", "POST,OPTIONS"),
        (Method::POST, "/healthz", "GET,HEAD,OPTIONS"),
        (Method::TRACE, "/models", "GET,HEAD,OPTIONS"),
        (Method::from_bytes(b"BREW").unwrap(), "/models/rollback", "POST,OPTIONS"),
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

/// Sends raw bytes, and returns everything received until the connection is closed.
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
async fn options_lists_the_methods_and_head_answers_as_get() {
    let running = served().await;
    let options = running.send(Method::OPTIONS, "/recommend", &[], "").await;
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, "GET,HEAD,POST,OPTIONS"));
    assert!(options.body.is_empty() && options.header("x-request-id").len() == 32);
    let (get, head) = (running.get("/healthz").await, running.send(Method::HEAD, "/healthz", &[], "").await);
    assert_eq!((head.status, head.header("content-length")), (get.status, get.header("content-length")));
    assert!(head.body.is_empty() && head.header("x-content-type-options") == "nosniff");
    let page = running.get("/docs/").await;
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(page.header("x-frame-options"), "DENY");
}

#[tokio::test]
async fn errors_of_the_http_implementation_are_problems() {
    let running = served().await;
    let (long, path) = ("x".repeat(1 << 20), "x".repeat(70 << 10));
    for (head, status, code) in [
        ("NONSENSE\r\n\r\n".to_owned(), 400, "invalid_request"),
        (format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {long}\r\n\r\n"), 431, "headers_too_large"),
        (format!("GET /{path} HTTP/1.1\r\nhost: localhost\r\n\r\n"), 414, "uri_too_long"),
        (
            "GET / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked, x\r\n\r\n".to_owned(),
            400,
            "invalid_request",
        ),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(), 400, "invalid_request"),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n"
                .to_owned(),
            400,
            "invalid_request",
        ),
        (
            "POST /similar HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
                .to_owned(),
            501,
            "not_implemented",
        ),
    ] {
        let mut stream = TcpStream::connect(running.server.address()).await.unwrap();
        // The server may close before all of it is sent.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head:.40}: {answer}");
        let (headers, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"));
        assert_eq!((&body["code"], &body["status"]), (&json!(code), &json!(status)), "{head:.40}");
        assert!(headers.contains(&format!("x-request-id: {}", body["request_id"].as_str().unwrap())));
    }
}

#[tokio::test]
async fn a_client_that_sends_50_mb_before_it_reads_gets_its_413() {
    let running = served().await;
    let mut stream = TcpStream::connect(running.server.address()).await.unwrap();
    let length = 50_000_000;
    let head = format!(
        "POST /similar HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b' '; 1_000_000];
    for _ in 0..length / piece.len() {
        stream.write_all(&piece).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"body_too_large\""), "{answer}");
}

#[tokio::test]
async fn a_server_without_keys_refuses_commands_of_foreign_pages() {
    let running = served().await;
    let body = json!({"item_ids": [item("a", 4)]}).to_string();
    for (header, value) in [("origin", "https://evil.example"), ("origin", "null"), ("host", "evil.example")]
    {
        let answer = running.send(Method::POST, "/similar", &[JSON, (header, value)], &body).await;
        answer.problem(403, "untrusted_origin");
    }
    let own = format!("http://{}", running.server.address());
    assert_eq!(running.send(Method::POST, "/similar", &[JSON, ("origin", &own)], &body).await.status, 200);
}

#[tokio::test]
async fn a_chunked_body_is_bounded_while_it_is_read() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let running = start("[limits]\nbody_bytes = 100\n", store).await;
    let head = "POST /similar HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
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
    let head = "POST /similar HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
                content-length: 50\r\n\r\n{";
    let answer = raw(&running, &[head], Duration::ZERO).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"body_timeout\""), "{answer}");
    let started = std::time::Instant::now();
    raw(&running, &["GET /healthz HTTP/1.1\r\nhost:"], Duration::ZERO).await;
    assert!(started.elapsed() < Duration::from_secs(5), "a head that never ends was waited for");
}

#[tokio::test]
async fn requests_past_the_limit_are_refused_but_not_probes() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let running = start("poll_seconds = 0.02\n[limits]\nin_flight = 1\n", store).await;
    running.until_ready().await;
    let mut holder = TcpStream::connect(running.server.address()).await.unwrap();
    let head = "POST /similar HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
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
