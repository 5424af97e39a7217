//! Consent: a person who refuses is in no audience and gets no personal answer, as trained and as decided since.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::redis::{RedisServer, redis_is_here};
use crate::support::shop::{ITEMS, item, publish_with_consents, user};
use crate::support::{EAGER, Running, ids, in_redis, lasting, start};
use hyper::Method;
use serde_json::{Value, json};

/// Users 3, 13 and 23 refuse contact, user 5 refuses personal answers; users from 30 on have no recorded consent.
fn table(n: usize) -> Vec<(&'static str, Option<bool>)> {
    let said = |yes: bool| (n < 30).then_some(yes);
    vec![("consent_contact", said(n % 10 != 3)), ("consent_personalization", said(n != 5))]
}

fn refuses_contact(id: &str) -> bool {
    (0..40).any(|n| user(n) == id && (n >= 30 || n % 10 == 3))
}

async fn serving(store: tempfile::TempDir, more: &str) -> Running {
    let live = store.path().join("live");
    let running = start(&format!("{EAGER}{more}[live]\nfolder = '{}'\n", live.display()), store).await;
    running.until_ready().await;
    running
}

async fn shop(more: &str) -> Running {
    let store = tempfile::tempdir().unwrap();
    publish_with_consents(store.path(), "default", "v1", table);
    serving(store, more).await
}

async fn audience(running: &Running, n: usize) -> BTreeSet<String> {
    let body = json!({"item_ids": [item("a", n)], "count": 1_000});
    let answer = running.post("/audience", &body).await.ok();
    ids(&answer, "users", "user_id").into_iter().collect()
}

async fn decide(running: &Running, user_id: &str, body: &Value) -> Value {
    let headers = [("content-type", "application/json")];
    let path = format!("/users/{user_id}/consent");
    running.send(Method::PUT, &path, &headers, &body.to_string()).await.ok()
}

#[tokio::test]
async fn nobody_who_refuses_contact_is_in_an_audience() {
    let running = shop("").await;
    let mut seen = BTreeSet::new();
    for n in (0..ITEMS).filter(|&n| n != 29) {
        let body = json!({"item_ids": [item("a", n), item("a", (n + 1) % 29)], "count": 1_000});
        let whole = running.post("/audience", &body).await.ok();
        let people = ids(&whole, "users", "user_id");
        assert!(people.iter().all(|id| !refuses_contact(id)), "{people:?}");
        let excluded = whole["excluded"]["no_contact_consent"].as_u64().unwrap();
        assert!(excluded >= 10, "users from 30 on did not say, and the shop asks: {excluded}");
        let headers = [("content-type", "application/json"), ("accept", "application/x-ndjson")];
        let lines = running.send(Method::POST, "/audience", &headers, &body.to_string()).await;
        assert_eq!(lines.header("x-excluded-no-contact-consent"), excluded.to_string());
        let streamed: Vec<String> = lines
            .text()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["user_id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(streamed, people);
        seen.extend(people);
    }
    assert_eq!(seen.len(), 27, "everybody else is found");
    let metrics = running.get("/metrics").await.text();
    let counted = metrics.lines().find(|line| line.contains("reason=\"no_contact_consent\"")).unwrap();
    assert!(counted.rsplit(' ').next().unwrap().parse::<u64>().unwrap() > 300, "{counted}");
}

#[tokio::test]
async fn without_personalization_an_answer_is_the_anonymous_one() {
    let running = shop("").await;
    let refuses = user(5);
    running
        .post(
            "/identities/link",
            &json!({"user_id": refuses, "identities": [{"type": "member_card", "value": "c5"}]}),
        )
        .await
        .ok();
    let event = json!({"event_id": "1", "type": "add_to_cart", "occurred_at": chrono::Utc::now().to_rfc3339(),
                       "user_id": refuses, "session_id": "s5", "item_id": item("a", 8)});
    running.post("/events", &json!({"events": [event]})).await.ok();
    let personal = running.get(&format!("/recommend?user_id={}", user(4))).await.ok();
    assert_eq!(personal["personalized"], true);
    let of = lasting(running.get(&format!("/recommend?user_id={refuses}&explain=true")).await.ok());
    assert_eq!(of["personalized"], false);
    assert_eq!(of, lasting(running.get("/recommend?explain=true").await.ok()));
    let card = json!([{"type": "member_card", "value": "c5"}]);
    for who in [json!({"id": refuses}), json!({"ids": card})] {
        let mut body = json!({"user": who, "session_id": "s5", "exclude_bought": true, "count": 30,
                              "context": {"item_ids": [item("a", 4)], "cart": [item("a", 7)], "store_id": "S1",
                                          "channel": "app"}});
        let of = lasting(running.post("/recommend", &body).await.ok());
        body["personalize"] = json!(false);
        assert_eq!(of, lasting(running.post("/recommend", &body).await.ok()));
        body.as_object_mut().unwrap().remove("user");
        assert_eq!(of, lasting(running.post("/recommend", &body).await.ok()));
        assert_eq!(of["fallback"], "popularity");
    }
    let mut cart = json!({"cart": [item("a", 3)], "user": {"id": refuses}, "personalize": true});
    let of = lasting(running.post("/bundle", &cart).await.ok());
    cart["personalize"] = json!(false);
    assert_eq!(of, lasting(running.post("/bundle", &cart).await.ok()));
    assert!(running.get("/metrics").await.text().contains("reason=\"no_personalization_consent\"} 4"));
}

#[tokio::test]
async fn a_decision_holds_at_once_and_survives_restart_and_retraining() {
    let running = shop("").await;
    let (joins, leaves) = (user(3), user(6));
    let before = audience(&running, 6).await;
    assert!(!before.contains(&joins) && before.contains(&leaves));
    let personal = running.get(&format!("/recommend?user_id={leaves}")).await.ok();
    assert_eq!(personal["personalized"], true);
    decide(&running, &joins, &json!({"contact": true})).await;
    let said = decide(&running, &leaves, &json!({"contact": false, "personalization": false})).await;
    let contact = &said["consents"]["contact"];
    assert_eq!((&contact["allowed"], &contact["origin"]), (&json!(false), &json!("live")));
    assert!(contact["decided_at"].is_string());
    assert_eq!(audience(&running, 6).await, changed(&before, &[&joins], &[&leaves]));
    let profile = running.get(&format!("/users/{leaves}")).await.ok();
    assert_eq!(profile["consents"], said["consents"]);
    let slate = running.get(&format!("/recommend?user_id={leaves}")).await.ok();
    assert_eq!(slate["personalized"], false);

    // A model trained later, with the same users table as before, and a restart.
    publish_with_consents(running.store.path(), "default", "v2", table);
    running.until("v2", || async { running.version().await == "v2" }).await;
    assert_eq!(audience(&running, 6).await, changed(&before, &[&joins], &[&leaves]));
    let Running { server, store, .. } = running;
    server.stop().await;
    let running = serving(store, "").await;
    assert_eq!(audience(&running, 6).await, changed(&before, &[&joins], &[&leaves]));

    let back = decide(&running, &leaves, &json!({"contact": null})).await;
    assert_eq!(back["consents"]["contact"]["origin"], "trained");
    assert_eq!(back["consents"]["personalization"]["origin"], "live", "absent stays as it was");
    assert!(audience(&running, 6).await.contains(&leaves));
}

fn changed(people: &BTreeSet<String>, joined: &[&String], left: &[&String]) -> BTreeSet<String> {
    let mut people = people.clone();
    people.extend(joined.iter().map(|id| (*id).clone()));
    people.retain(|id| !left.contains(&id));
    people
}

#[tokio::test]
async fn a_refusal_of_a_linked_name_holds_for_the_person() {
    let running = shop("").await;
    let link = json!({"identities": [{"type": "cookie", "value": "k1"}]});
    let visitor = running.post("/identities/link", &link).await.ok()["user_id"].as_str().unwrap().to_owned();
    let refused = decide(&running, &visitor, &json!({"contact": false, "personalization": false})).await;
    assert_eq!(refused["consents"]["contact"]["user_id"], visitor.as_str());
    let known = user(6);
    assert!(audience(&running, 6).await.contains(&known));
    let link = json!({"user_id": known, "identities": [{"type": "cookie", "value": "k1"}]});
    let merged = running.post("/identities/link", &link).await.ok();
    assert_eq!(merged["status"], "merged");
    assert!(!audience(&running, 6).await.contains(&known), "the visitor refused, and is this user");
    let slate = running.get(&format!("/recommend?user_id={known}")).await.ok();
    assert_eq!(slate["personalized"], false);
    let said = running.get(&format!("/users/{known}/consent")).await.ok();
    assert_eq!(said["consents"]["contact"]["user_id"], visitor.as_str());
    // A consent under the other name does not outweigh it; and a decision under that name reaches all names.
    decide(&running, &known, &json!({"contact": true})).await;
    assert!(!audience(&running, 6).await.contains(&known));
    let undo = json!({"merge_id": merged["merges"][0]["merge_id"]});
    assert_eq!(running.post("/identities/undo", &undo).await.ok()["status"], "undone");
    assert!(audience(&running, 6).await.contains(&known), "they are two people again");
    assert_eq!(running.get(&format!("/recommend?user_id={known}")).await.ok()["personalized"], true);
}

#[tokio::test]
async fn unknown_consent_is_what_the_configuration_says() {
    let running =
        shop("[shops.default.unknown_consent]\ncontact = 'allow'\npersonalization = 'deny'\n").await;
    let people = audience(&running, 1).await;
    assert!(people.contains(&user(31)) && !people.contains(&user(13)), "{people:?}");
    for (n, personal) in [(31, false), (7, true)] {
        let slate = running.get(&format!("/recommend?user_id={}", user(n))).await.ok();
        assert_eq!(slate["personalized"], personal, "user {n}");
    }
    let unknown = running.get("/users/somebody/consent").await.ok();
    assert_eq!(unknown["consents"]["personalization"], json!({"allowed": false, "origin": "default"}));
}

#[tokio::test]
async fn a_decision_must_be_clear() {
    let running = shop("").await;
    let put = |body: &'static str| {
        let running = &running;
        async move {
            let headers = [("content-type", "application/json")];
            running.send(Method::PUT, "/users/u/consent", &headers, body).await
        }
    };
    assert_eq!(put("{}").await.problem(400, "missing_field")["field"], "contact");
    assert_eq!(put(r#"{"contact":"no"}"#).await.problem(400, "invalid_field")["field"], "contact");
    let unknown = put(r#"{"contcat":false}"#).await.problem(400, "unknown_field");
    assert_eq!(unknown["nearest"], "contact");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_reaches_all_replicas_and_stays() {
    if !redis_is_here("a_refusal_reaches_all_replicas_and_stays") {
        return;
    }
    let redis = RedisServer::start();
    let (a, b) = (replica(&redis).await, replica(&redis).await);
    let refuses = user(6);
    assert!(audience(&b, 6).await.contains(&refuses));
    decide(&a, &refuses, &json!({"contact": false, "personalization": false})).await;
    assert!(!audience(&a, 6).await.contains(&refuses), "where it was said, at once");
    b.until("told", || async { !audience(&b, 6).await.contains(&refuses) }).await;
    assert_eq!(b.get(&format!("/recommend?user_id={refuses}")).await.ok()["personalized"], false);
    let c = replica(&redis).await;
    assert!(!audience(&c, 6).await.contains(&refuses), "a server that starts later");
    decide(&c, &refuses, &json!({"contact": null})).await;
    a.until("told", || async { audience(&a, 6).await.contains(&refuses) }).await;
}

async fn replica(redis: &RedisServer) -> Running {
    let store = tempfile::tempdir().unwrap();
    publish_with_consents(store.path(), "default", "v1", table);
    let live = live_folder(store.path());
    let running = start(&format!("{EAGER}{live}{}", in_redis(&redis.url())), store).await;
    running.until_ready().await;
    running
}

fn live_folder(store: &Path) -> String {
    format!("[live]\nfolder = '{}'\n", store.join("live").display())
}
