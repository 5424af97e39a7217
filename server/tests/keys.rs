//! Keys, scopes and shops: the walk over every documented route with every kind of key.

use std::collections::BTreeSet;

use crate::support::shop::{item, publish, user};
use crate::support::{EAGER, Running, key, served, start};
use hyper::Method;
use serde_json::{Value, json};

/// A server with two shops, `tea` (ids marked `tea`) and `rice`, each with a key for every scope.
async fn two_shops() -> (Running, Vec<(&'static str, &'static str, String)>) {
    let store = tempfile::tempdir().unwrap();
    let mut config = format!("{EAGER}[live]\nfolder = '{}'\n", store.path().join("live").display());
    let mut keys = Vec::new();
    for shop in ["tea", "rice"] {
        publish(store.path(), shop, "v1", shop);
        publish(store.path(), shop, "v2", shop);
        for scope in ["read", "events", "write", "admin"] {
            let (bearer, entry) = key(shop, scope);
            config.push_str(&entry);
            keys.push((shop, scope, bearer));
        }
    }
    let running = start(&config, store).await;
    running.until_ready().await;
    for (shop, _, bearer) in keys.iter().filter(|(_, scope, _)| *scope == "read") {
        let path = "/recommend?count=1";
        let headers = [("authorization", bearer.as_str())];
        running
            .until(shop, || async { running.send(Method::GET, path, &headers, "").await.status == 200 })
            .await;
    }
    (running, keys)
}

/// One documented call: method, path to try, body, required scope.
struct Documented {
    method: Method,
    path: String,
    body: String,
    scope: Option<String>,
}

/// Every call of the OpenAPI document, with a request that passes its scope check.
async fn documented(running: &Running) -> Vec<Documented> {
    let document = running.get("/openapi.json").await.json();
    let mut calls = Vec::new();
    for (template, item_of_path) in document["paths"].as_object().unwrap() {
        for (method, operation) in item_of_path.as_object().unwrap() {
            let body = match template.as_str() {
                "/similar" | "/audience" => json!({"item_ids": [item("tea", 4)]}).to_string(),
                "/events" => json!({"events": [{}]}).to_string(),
                "/items" => json!({"items": [{}]}).to_string(),
                "/identities/link" => json!({"identities": [{"type": "cookie", "value": "c"}]}).to_string(),
                "/halls/{name}" if method == "put" => json!({"sections": [{"name": "s"}]}).to_string(),
                "/scenes/{name}" if method == "put" => json!({"count": 5}).to_string(),
                "/scenes/{name}/preview" => json!({"scene": {"count": 5}, "sample": 1}).to_string(),
                "/identities/undo" => json!({"merge_id": "m_none"}).to_string(),
                "/users/{id}/consent" if method == "put" => json!({"contact": true}).to_string(),
                "/bundle" => json!({"cart": [item("tea", 4)]}).to_string(),
                "/pages" => json!({"shelves": [{"name": "s", "recommend": {}}]}).to_string(),
                "/recommend" if method == "post" => json!({"user": {"id": user(4)}}).to_string(),
                _ => String::new(),
            };
            calls.push(Documented {
                method: method.to_uppercase().parse().unwrap(),
                path: template
                    .replace("/items/{id}", &format!("/items/{}", item("tea", 4)))
                    .replace("{id}", &user(4))
                    .replace("{item_id}", &item("tea", 4))
                    .replace("{name}", "home")
                    .replace("{version}", "v2"),
                body,
                scope: operation["security"][0]["key"][0].as_str().map(str::to_owned),
            });
        }
    }
    calls
}

impl Documented {
    /// True if `status` says that the key was accepted. Calls of one document come in any order: it may not be
    /// there.
    fn is_let_through(&self, status: u16) -> bool {
        let is_document = ["/scenes/", "/rooms/", "/halls/"].iter().any(|path| self.path.starts_with(path));
        status == 200 || is_document && [201, 204, 400, 404].contains(&status)
    }

    async fn try_with(&self, running: &Running, bearer: Option<&str>) -> crate::support::Answer {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(bearer.map(|bearer| ("authorization", bearer)));
        running.send(self.method.clone(), &self.path, &headers, &self.body).await
    }
}

#[tokio::test]
async fn every_documented_route_asks_for_its_scope() {
    let (running, keys) = two_shops().await;
    let calls = documented(&running).await;
    let scoped: BTreeSet<&str> =
        calls.iter().filter(|call| call.scope.is_some()).map(|call| call.path.as_str()).collect();
    assert_eq!(scoped.len(), 42, "{scoped:?}");
    let (wrong, _) = key("tea", "read");
    for call in calls.iter().filter(|call| call.path != "/key") {
        let Some(scope) = &call.scope else {
            assert!(["/healthz", "/readyz"].contains(&call.path.as_str()), "{} is open", call.path);
            assert_eq!(call.try_with(&running, None).await.status, 200);
            continue;
        };
        let none = call.try_with(&running, None).await;
        none.problem(401, "missing_key");
        assert!(none.header("www-authenticate").starts_with("Bearer"));
        call.try_with(&running, Some(&wrong)).await.problem(401, "unknown_key");
        for (_, given, bearer) in keys.iter().filter(|(shop, ..)| *shop == "tea") {
            let answer = call.try_with(&running, Some(bearer)).await;
            if given == scope {
                let passed = call.is_let_through(answer.status.as_u16());
                assert!(passed, "{} {} with {given}: {}", call.method, call.path, answer.text());
            } else {
                let problem = answer.problem(403, "missing_scope");
                assert!(problem["detail"].as_str().unwrap().contains(scope.as_str()), "{problem}");
            }
        }
    }
}

#[tokio::test]
async fn a_key_learns_its_own_shop_and_scopes() {
    let (running, keys) = two_shops().await;
    for (shop, scope, bearer) in &keys {
        let answer = running.send(Method::GET, "/key", &[("authorization", bearer)], "").await.ok();
        assert_eq!((&answer["shop"], &answer["scopes"]), (&json!(shop), &json!([scope])));
        assert_eq!((&answer["open"], &answer["live"]), (&json!(false), &json!(true)));
    }
    running.get("/key").await.problem(401, "missing_key");
    let (unknown, _) = key("tea", "read");
    running.send(Method::GET, "/key", &[("authorization", &unknown)], "").await.problem(401, "unknown_key");
    let open = served().await.get("/key").await.ok();
    assert_eq!(
        (&open["shop"], &open["open"], &open["live"]),
        (&json!("default"), &json!(true), &json!(false))
    );
    assert_eq!(open["scopes"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn no_answer_to_one_shop_holds_anything_of_another() {
    let (running, keys) = two_shops().await;
    let bearer = |shop: &str, scope: &str| {
        keys.iter().find(|(s, c, _)| *s == shop && *c == scope).map(|(.., bearer)| bearer.clone()).unwrap()
    };
    for call in documented(&running).await {
        let Some(scope) = &call.scope else { continue };
        let rice = call.try_with(&running, Some(&bearer("rice", scope))).await;
        let is_item = call.path.starts_with("/items/");
        let expected = if is_item { rice.status == 404 } else { call.is_let_through(rice.status.as_u16()) };
        assert!(expected, "{} {} {}", call.path, rice.status, rice.text());
        let mut text = rice.text();
        // Ids that the caller itself sent may be listed as unknown.
        text = text.replace(&format!("\"unknown_item_ids\":[\"{}\"]", item("tea", 4)), "");
        assert!(!text.contains("tea"), "{} told rice of tea: {text}", call.path);
    }
    let rollback = [("authorization", bearer("rice", "admin"))];
    let headers: Vec<(&str, &str)> = rollback.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let before = running.send(Method::POST, "/models/rollback", &headers, "").await;
    assert_eq!(before.status, 200);
    let tea = [("authorization", bearer("tea", "read"))];
    let headers: Vec<(&str, &str)> = tea.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let served = running.send(Method::GET, "/recommend", &headers, "").await.ok();
    assert_eq!(served["model"]["version"], "v2", "rice's rollback reached tea");
}

#[tokio::test]
async fn a_shops_bound_is_its_own() {
    let store = tempfile::tempdir().unwrap();
    let (tea, tea_entry) = key("tea", "read");
    let (rice, rice_entry) = key("rice", "read");
    for shop in ["tea", "rice"] {
        publish(store.path(), shop, "v1", shop);
    }
    let config = format!("{EAGER}[shops.tea]\nin_flight = 1\n{tea_entry}{rice_entry}");
    let running = start(&config, store).await;
    running.until_ready().await;
    let mut holder = tokio::net::TcpStream::connect(running.server.address()).await.unwrap();
    let head = format!(
        "POST /similar HTTP/1.1\r\nhost: localhost\r\nauthorization: {tea}\r\ncontent-type: application/json\r\n\
         content-length: 9\r\n\r\n{{"
    );
    tokio::io::AsyncWriteExt::write_all(&mut holder, head.as_bytes()).await.unwrap();
    let of = |bearer: String| {
        let running = &running;
        async move {
            let headers = [("authorization", bearer.as_str())];
            running.send(Method::GET, "/recommend", &headers, "").await.status.as_u16()
        }
    };
    running.until("busy", || async { of(tea.clone()).await == 503 }).await;
    assert_eq!(of(rice).await, 200);
}

#[tokio::test]
async fn metrics_can_be_opened_and_then_hold_every_shop() {
    let store = tempfile::tempdir().unwrap();
    let (_, tea) = key("tea", "read");
    let (_, rice) = key("rice", "read");
    let running = start(&format!("{EAGER}open_metrics = true\n{tea}{rice}"), store).await;
    let text = running.get("/metrics").await.text();
    assert!(text.contains("shop=\"tea\"") && text.contains("shop=\"rice\""), "{text}");
}

#[tokio::test]
async fn without_keys_the_document_asks_for_none() {
    let running = crate::support::served().await;
    let document = running.get("/openapi.json").await.json();
    assert!(!document.to_string().contains("\"security\""));
    assert!(
        document["components"]["securitySchemes"]["key"].is_object(),
        "generators need it to be there always"
    );
    assert_eq!(document["paths"]["/recommend"]["get"]["responses"]["401"], Value::Null);
}
