//! Shared by the tests: a shop with known answers, a server on a free port, a plain client.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "each test file uses its own part of this")]

pub mod drained;
#[path = "../../../live/tests/support/mod.rs"]
pub mod redis;
pub mod shop;

use std::path::Path;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use qianmian_server::auth::new_key;
use qianmian_server::config::Config;
use qianmian_server::serve::{Place, Server};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Polls the store far more often than the default, so that tests need not wait.
pub const EAGER: &str = "poll_seconds = 0.02\n";

/// A server with a store of its own.
pub struct Running {
    pub server: Server,
    pub store: TempDir,
    /// Its Redis, if live state is in Redis.
    pub redis: Option<redis::RedisServer>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer, read whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Checks that it is a problem with this status and code, and returns its body.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!((self.status.as_u16(), self.header("content-type")), (status, "application/problem+json"));
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["type"], format!("urn:qianmian:problem:{code}"));
        assert_eq!(body["request_id"], self.header("x-request-id"), "{body}");
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
        body
    }

    /// Checks that it is JSON with status 200, and returns it.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/json");
        let body = self.json();
        if body.get("request_id").is_some() {
            assert_eq!(body["request_id"], self.header("x-request-id"));
        }
        body
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A server without keys whose shop `default` serves version `v1`, its ids marked `a`.
pub async fn served() -> Running {
    let store = tempfile::tempdir().unwrap();
    shop::publish(store.path(), "default", "v1", "a");
    let running = start(EAGER, store).await;
    running.until_ready().await;
    running
}

/// An answer without what differs from call to call. A cursor is dated and signed for its person.
pub fn lasting(mut answer: Value) -> Value {
    for field in ["request_id", "took_us", "next_cursor"] {
        answer.as_object_mut().unwrap().remove(field);
    }
    answer
}

/// A server with this configuration on this store.
pub async fn start(config: &str, store: TempDir) -> Running {
    let config = Config::parse(config).unwrap();
    let server = Server::start(&config, &place(store.path())).await.unwrap();
    Running { server, store, redis: None, client: Client::builder(TokioExecutor::new()).build_http() }
}

pub fn place(store: &Path) -> Place {
    Place { store: store.to_owned(), listen: "127.0.0.1:0".to_owned(), probes: None, allow_open: false }
}

impl Running {
    pub async fn until_ready(&self) {
        self.until("ready", || async { self.get("/readyz").await.status == 200 }).await;
    }

    /// Waits until `holds` does; fails after ten seconds.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, holds: impl Fn() -> F) {
        for _ in 0..1000 {
            if holds().await {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("not {what} after ten seconds");
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], &body.to_string()).await
    }

    /// The version that answers now.
    pub async fn version(&self) -> String {
        let body = self.get("/recommend?count=1").await.ok();
        body["model"]["version"].as_str().unwrap().to_owned()
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send_bytes(method, path, headers, body.to_owned().into_bytes()).await
    }

    pub async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let uri = format!("http://{}{path}", self.server.address());
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
    }
}

/// The part of a configuration that puts live state into Redis; it follows the part `[live]`. Its timeouts are longer
/// than by default, because machines that run tests are busy.
pub fn in_redis(url: &str) -> String {
    format!("[live.redis]\nurls = ['{url}']\ntimeout_ms = 1000\nappend_timeout_ms = 4000\n")
}

/// Calls every path that can show items, and returns the ids of all shown items.
pub async fn shown(running: &Running, n: usize) -> Vec<String> {
    let mut shown = Vec::new();
    let (item, user) = (|n| shop::item("a", n), shop::user(n));
    let get = running.get(&format!("/recommend?user_id={user}&count=30")).await.ok();
    shown.extend(ids(&get, "items", "item_id"));
    for question in [json!({"count": 30}), json!({"count": 30, "context": {"item_ids": [item(4)]}})] {
        let slate = running.post("/recommend", &question).await.ok();
        shown.extend(ids(&slate, "items", "item_id"));
    }
    let similar = running.post("/similar", &json!({"item_ids": [item(4), item(3)], "count": 30})).await.ok();
    shown.extend(ids(&similar, "items", "item_id"));
    let cart = json!({"cart": [item(3), item(4)], "count": 30, "mode": "relaxed", "user": {"id": user},
                      "personalize": true});
    let bundle = running.post("/bundle", &cart).await.ok();
    shown.extend(ids(&bundle, "complements", "item_id"));
    for set in bundle["bundles"].as_array().unwrap() {
        shown.extend(ids(set, "items", "item_id"));
    }
    shown
}

/// A key and its entry for the configuration.
pub fn key(shop: &str, scope: &str) -> (String, String) {
    let (key, hash) = new_key().unwrap();
    let entry = format!("[[keys]]\nshop = \"{shop}\"\nscopes = [\"{scope}\"]\nblake3 = \"{hash}\"\n");
    (format!("Bearer {key}"), entry)
}

/// The ids under `field` of every element of the list `list`.
pub fn ids(body: &Value, list: &str, field: &str) -> Vec<String> {
    let elements = body[list].as_array().unwrap_or_else(|| panic!("no `{list}` in {body}"));
    elements.iter().map(|element| element[field].as_str().unwrap().to_owned()).collect()
}
