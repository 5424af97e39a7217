//! Storefront keys: the few calls open to everyone with the mini-program.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::shop::{item, publish, user};
use crate::support::{Answer, EAGER, Running, ids, key, lasting, start};
use hyper::Method;
use qianmian_server::app::now;
use qianmian_server::user_token::TokenSecrets;
use serde_json::{Value, json};

const SECRET: &str = "a secret of the shop, at least 32 bytes";

/// A server with a storefront key and one with all other scopes.
struct Shop {
    running: Running,
    storefront: String,
    server: String,
}

async fn shop(more: &str) -> Shop {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let live = store.path().join("live");
    let (storefront, entry) = key("default", "storefront");
    let (server, server_entry) = key("default", "read");
    let server_entry = server_entry.replace("[\"read\"]", "['read', 'events', 'write', 'admin']");
    let config = format!(
        "{EAGER}cors.origins = ['https://shop.example']\n{more}\n[live]\nfolder = '{}'\n{entry}user_token_secrets = \
         ['{SECRET}']\n{server_entry}",
        live.display()
    );
    let running = start(&config, store).await;
    running.until_ready().await;
    Shop { running, storefront, server }
}

fn token(user_id: &str) -> String {
    TokenSecrets::new([SECRET.to_owned()]).sign(user_id, now(), Duration::from_secs(60)).unwrap()
}

impl Shop {
    async fn ask(&self, method: Method, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let mut headers =
            vec![("authorization", self.storefront.as_str()), ("content-type", "application/json")];
        headers.extend(token.map(|token| ("x-user-token", token)));
        let body = if method == Method::GET { String::new() } else { body.to_string() };
        self.running.send(method, path, &headers, &body).await
    }

    async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        self.ask(Method::POST, path, token, body).await
    }

    async fn as_server(&self, method: Method, path: &str, body: &Value) -> Answer {
        let headers = [("authorization", self.server.as_str()), ("content-type", "application/json")];
        let body = if method == Method::GET { String::new() } else { body.to_string() };
        self.running.send(method, path, &headers, &body).await
    }
}

fn event(n: usize, kind: &str, who: &Value) -> Value {
    let mut event = json!({"event_id": format!("{kind}-{n}-{who}"), "type": kind, "item_id": item("a", 8),
                           "occurred_at": chrono::Utc::now().to_rfc3339()});
    event.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
    event
}

/// The only calls that accept a storefront key. A new route is denied until it is listed here and in the router.
const LET_IN: [(&str, &str); 9] = [
    ("get", "/recommend"),
    ("post", "/recommend"),
    ("post", "/similar"),
    ("post", "/bundle"),
    ("post", "/events"),
    ("post", "/pages"),
    ("get", "/halls/{name}/slate"),
    ("get", "/rooms/{id}"),
    ("get", "/rooms/{id}/products"),
];

#[tokio::test]
async fn every_other_route_denies_a_storefront_key() {
    let shop = shop("").await;
    let document = shop.running.get("/openapi.json").await.json();
    let (token, mut let_in, mut denied) = (token(&user(4)), BTreeSet::new(), 0);
    for (template, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if operation["security"].is_null() {
                assert!(["/healthz", "/readyz"].contains(&template.as_str()), "{template} is open");
                continue;
            }
            let path = template.replace("{id}", &user(4)).replace("{version}", "v1");
            let verb: Method = method.to_uppercase().parse().unwrap();
            for token in [None, Some(token.as_str())] {
                let answer = shop.ask(verb.clone(), &path, token, &json!({})).await;
                match answer.status.as_u16() {
                    403 => {
                        answer.problem(403, "missing_scope");
                        denied += 1;
                    }
                    // There is no such room, whoever asks.
                    200 | 400 | 404 => drop(let_in.insert((method.clone(), template.clone()))),
                    status => panic!("{method} {path}: {status} {}", answer.text()),
                }
            }
        }
    }
    let listed = LET_IN.map(|(method, path)| (method.to_owned(), path.to_owned()));
    assert_eq!(let_in, BTreeSet::from(listed));
    assert!(denied >= 2 * 11, "{denied}");
}

#[tokio::test]
async fn a_storefront_gets_the_slate_of_its_user_alone() {
    let shop = shop("").await;
    let (own, other) = (user(4), user(7));
    let token = token(&own);
    let as_server = shop.as_server(Method::GET, &format!("/recommend?user_id={own}"), &json!({})).await.ok();
    for answer in [
        shop.ask(Method::GET, "/recommend", Some(&token), &json!({})).await,
        shop.ask(Method::GET, &format!("/recommend?user_id={own}"), Some(&token), &json!({})).await,
        shop.post("/recommend", Some(&token), &json!({})).await,
        shop.post("/recommend", Some(&token), &json!({"user": {"id": own}})).await,
    ] {
        assert_eq!(lasting(answer.ok()), lasting(as_server.clone()));
    }
    let anonymous = shop.ask(Method::GET, "/recommend", None, &json!({})).await.ok();
    assert_eq!((&anonymous["personalized"], &anonymous["fallback"]), (&json!(false), &json!("popularity")));
    let card = json!([{"type": "member_card", "value": "c7"}]);
    for token in [None, Some(token.as_str())] {
        for who in [json!({"id": other}), json!({"ids": card})] {
            shop.post("/recommend", token, &json!({"user": who})).await.problem(403, "foreign_user");
            let cart = json!({"cart": [item("a", 3)], "user": who, "personalize": true});
            shop.post("/bundle", token, &cart).await.problem(403, "foreign_user");
        }
    }
    let cart = json!({"cart": [item("a", 3)], "personalize": true});
    let of_user = shop.post("/bundle", Some(&token), &cart).await.ok();
    assert_eq!(of_user["personalized"], true);
    assert!(!of_user["bundles"].as_array().unwrap().is_empty() && !of_user.to_string().contains("margin"));
    let as_server = shop.as_server(Method::POST, "/bundle", &json!({"cart": [item("a", 3)]})).await.ok();
    assert!(as_server.to_string().contains("margin"));
}

#[tokio::test]
async fn invalid_tokens_are_refused_and_counted() {
    let shop = shop("").await;
    let secrets = TokenSecrets::new([SECRET.to_owned()]);
    let expired = secrets.sign("u", now() - 1_000, Duration::from_secs(60)).unwrap();
    let forged = TokenSecrets::new(["another secret of at least 32 bytes".to_owned()]);
    let forged = forged.sign("u", now(), Duration::from_secs(60)).unwrap();
    for (token, says) in
        [(expired.as_str(), "expired"), (&forged, "signature"), ("x", "JSON Web Token"), ("", "JSON")]
    {
        let problem = shop.post("/recommend", Some(token), &json!({})).await.problem(401, "invalid_token");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    let metrics = shop.as_server(Method::GET, "/metrics", &json!({})).await.text();
    assert!(metrics.contains("qianmian_http_denied_total{reason=\"invalid_token\"} 4"), "{metrics}");
}

#[tokio::test]
async fn a_storefront_sends_events_of_its_user_alone() {
    let shop = shop("").await;
    let (own, other) = (user(4), user(7));
    let own_token = token(&own);
    let rows = json!({"events": [
        event(1, "view", &json!({"user_id": own})),
        event(2, "view", &json!({"session_id": "s"})),
        event(3, "view", &json!({"user_id": other})),
        event(4, "view", &json!({"identity": {"type": "member_card", "value": "c"}})),
    ]});
    let answer = shop.post("/events", Some(&own_token), &rows).await.ok();
    assert_eq!(ids(&answer, "results", "status"), ["accepted", "accepted", "rejected", "rejected"]);
    assert_eq!(
        (&answer["results"][2]["field"], &answer["results"][3]["field"]),
        (&json!("user_id"), &json!("identity"))
    );
    let answer = shop.post("/events", None, &rows).await.ok();
    assert_eq!(
        ids(&answer, "results", "status"),
        ["rejected", "conflict", "rejected", "rejected"],
        "{answer}"
    );
    let slate = shop
        .as_server(Method::GET, &format!("/recommend?user_id={other}&explain=true"), &json!({}))
        .await
        .ok();
    let fresh = shop.as_server(Method::GET, "/recommend?user_id=fresh", &json!({})).await.ok();
    assert_eq!((&slate["personalized"], &fresh["fallback"]), (&json!(true), &json!("unknown_user")));
}

#[tokio::test]
async fn a_users_session_is_nobody_elses() {
    let shop = shop("").await;
    let own = user(4);
    let link = json!({"user_id": own, "session_id": "theirs"});
    shop.as_server(Method::POST, "/identities/link", &link).await.ok();
    let slate = |session: &'static str| {
        let shop = &shop;
        async move { lasting(shop.post("/recommend", None, &json!({"session_id": session})).await.ok()) }
    };
    let anonymous = lasting(shop.ask(Method::GET, "/recommend", None, &json!({})).await.ok());
    assert_eq!(slate("theirs").await, anonymous, "the session of a user says nothing without their token");
    let rows = json!({"events": [event(1, "add_to_cart", &json!({"session_id": "theirs"})),
                                 event(2, "add_to_cart", &json!({"session_id": "mine"}))]});
    let answer = shop.post("/events", None, &rows).await.ok();
    assert_eq!(ids(&answer, "results", "status"), ["rejected", "accepted"], "{answer}");
    assert_eq!(answer["results"][0]["field"], "session_id");
    assert_eq!(slate("mine").await["personalized"], true, "a visitor's own session counts");
    let many: Vec<Value> =
        (0..9).map(|n| event(n, "view", &json!({"session_id": format!("s{n}")}))).collect();
    let answer = shop.post("/events", None, &json!({"events": many})).await.ok();
    assert_eq!(answer["accepted"], 4, "a device has one session");
}

#[tokio::test]
async fn a_beacon_brings_its_key_in_the_query_string() {
    let shop = shop("").await;
    let own = user(4);
    let (key, token) = (shop.storefront.trim_start_matches("Bearer "), token(&own));
    let body = json!({"events": [event(1, "add_to_cart", &json!({}))]}).to_string();
    let headers = [("content-type", "text/plain;charset=UTF-8"), ("origin", "https://shop.example")];
    let path = format!("/events?key={key}&user_token={token}");
    let answer = shop.running.send(Method::POST, &path, &headers, &body).await;
    assert_eq!(answer.ok()["accepted"], 1);
    assert_eq!(answer.header("access-control-allow-origin"), "https://shop.example");
    let server_key = shop.server.trim_start_matches("Bearer ");
    let path = format!("/events?key={server_key}");
    shop.running.send(Method::POST, &path, &headers, &body).await.problem(401, "missing_key");
    let preflight = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type,x-user-token"),
    ];
    let allowed = shop.running.send(Method::OPTIONS, "/recommend", &preflight, "").await;
    assert!(allowed.header("access-control-allow-headers").contains("x-user-token"));
}

#[tokio::test]
async fn users_and_keys_have_rates() {
    let shop = shop(
        "[limits]\nuser_per_second = 0.5\nuser_burst = 3\nstorefront_per_second = 0.5\nstorefront_burst = 8",
    )
    .await;
    let (one, other) = (token("one"), token("other"));
    let mut taken = Vec::new();
    for token in [&one, &one, &one, &one, &other] {
        taken.push(shop.ask(Method::GET, "/recommend", Some(token), &json!({})).await);
    }
    let statuses: Vec<u16> = taken.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 200], "each user has their own");
    let problem = taken[3].problem(429, "rate_limited");
    assert!(problem["detail"].as_str().unwrap().contains("user"), "{problem}");
    let wait: u64 = taken[3].header("retry-after").parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    let mut anonymous = Vec::new();
    for _ in 0..6 {
        anonymous.push(shop.ask(Method::GET, "/recommend", None, &json!({})).await.status.as_u16());
    }
    assert_eq!(anonymous, [200, 200, 200, 200, 429, 429], "the key has a rate, too");
    for _ in 0..30 {
        assert_eq!(
            shop.as_server(Method::GET, "/recommend", &json!({})).await.status,
            200,
            "servers have none"
        );
    }
    let metrics = shop.as_server(Method::GET, "/metrics", &json!({})).await.text();
    for reason in ["rate_of_user\"} 1", "rate_of_key\"} 2"] {
        assert!(metrics.contains(&format!("qianmian_http_denied_total{{reason=\"{reason}")), "{metrics}");
    }
}
