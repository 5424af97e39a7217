//! One-ID over HTTP: linked names are one person in the very next answer, and two again after an undo.

use crate::support::shop::{item, publish, publish_with_first_user, taste, user};
use crate::support::{EAGER, Running, ids, start};
use chrono::{Duration, SecondsFormat, Utc};
use serde_json::{Value, json};

/// A server that keeps live state, serving `v1` with ids marked `a`.
async fn live() -> Running {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let config = config(&store);
    let running = start(&config, store).await;
    running.until_ready().await;
    running
}

fn config(store: &tempfile::TempDir) -> String {
    format!("{EAGER}[live]\nfolder = '{}'\n", store.path().join("live").display())
}

/// Sends one event of the person whom `who` names.
async fn happened(running: &Running, id: &str, kind: &str, who: (&str, Value), item_id: &str) {
    let occurred_at = (Utc::now() - Duration::seconds(5)).to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut event = json!({"event_id": id, "type": kind, "occurred_at": occurred_at, "item_id": item_id});
    event[who.0] = who.1;
    let answer = running.post("/events", &json!({"events": [event]})).await.ok();
    assert_eq!(answer["accepted"], 1, "{answer}");
}

async fn link(running: &Running, body: Value) -> Value {
    running.post("/identities/link", &body).await.ok()
}

async fn slate(running: &Running, body: Value) -> (Value, Vec<String>) {
    let body = running.post("/recommend", &body).await.ok();
    let items = ids(&body, "items", "item_id");
    (body, items)
}

fn identity(kind: &str, value: &str) -> Value {
    json!({"type": kind, "value": value})
}

fn is_to_taste(items: &[String], n: usize) -> bool {
    items.iter().filter(|id| taste(id[7..].parse().unwrap()) == taste(n)).count() * 5 >= items.len() * 4
}

#[tokio::test]
async fn a_log_in_joins_the_visit_to_the_person_at_once() {
    let running = live().await;
    let device = identity("device_id", "device-000001");
    happened(&running, "1", "view", ("identity", device.clone()), &item("a", 22)).await;
    happened(&running, "2", "view", ("session_id", json!("visit")), &item("a", 25)).await;
    let (by_device, own) = slate(&running, json!({"user": {"ids": [device]}, "count": 5})).await;
    assert_eq!(by_device["personalized"], true, "an identity that nobody linked is a name of its own");
    assert!(is_to_taste(&own, 22), "{own:?}");
    let question = json!({"user": {"id": "newcomer"}, "count": 5});
    let (before, _) = slate(&running, question.clone()).await;
    assert_eq!(before["fallback"], "unknown_user");
    let linked = link(
        &running,
        json!({"user_id": "newcomer", "identities": [device], "session_id": "visit", "source": "app"}),
    )
    .await;
    assert_eq!((&linked["user_id"], &linked["status"]), (&json!("newcomer"), &json!("created")));
    assert_eq!(ids(&linked, "identities", "status"), ["linked", "linked"]);
    let (after, own) = slate(&running, question).await;
    assert_eq!((&after["personalized"], &after["fallback"]), (&json!(true), &Value::Null));
    assert!(is_to_taste(&own, 22), "{own:?}");
}

#[tokio::test]
async fn a_merge_by_log_in_can_be_undone() {
    let running = live().await;
    let (device, cookie, card) =
        (identity("device_id", "d"), identity("cookie", "c"), identity("member_card", "MC-1"));
    let anonymous = link(&running, json!({"identities": [device, cookie]})).await;
    let made_up = anonymous["user_id"].as_str().unwrap().to_owned();
    assert!(made_up.starts_with("p_"));
    happened(&running, "1", "purchase", ("identity", cookie.clone()), &item("a", 22)).await;
    link(&running, json!({"user_id": user(4), "identities": [card]})).await;
    let question = json!({"user": {"ids": [card]}, "count": 30, "exclude_bought": true});
    assert!(slate(&running, question.clone()).await.1.contains(&item("a", 22)));
    let merged = link(&running, json!({"user_id": user(4), "identities": [device]})).await;
    assert_eq!((&merged["status"], &merged["merges"][0]["user_id"]), (&json!("merged"), &json!(made_up)));
    assert!(!slate(&running, question.clone()).await.1.contains(&item("a", 22)), "bought by the cookie");
    // Either user id, any identity: one person.
    for who in
        [json!({"id": made_up}), json!({"ids": [device]}), json!({"ids": [identity("jd", "none"), cookie]})]
    {
        let (answer, items) =
            slate(&running, json!({"user": who, "count": 30, "exclude_bought": true})).await;
        assert!(!items.contains(&item("a", 22)) && answer["personalized"] == true);
    }
    let again = link(&running, json!({"user_id": user(4), "identities": [device, card, cookie]})).await;
    assert_eq!(again["status"], "unchanged");
    let undo = json!({"merge_id": merged["merges"][0]["merge_id"], "source": "desk"});
    let undone = running.post("/identities/undo", &undo).await.ok();
    assert_eq!((&undone["status"], &undone["user_ids"]), (&json!("undone"), &json!([user(4), made_up])));
    assert!(slate(&running, question).await.1.contains(&item("a", 22)));
    assert_eq!(running.post("/identities/undo", &undo).await.ok()["status"], "unchanged");
    let metrics = running.get("/metrics").await.text();
    for line in ["created\"} 2", "merged\"} 1", "unchanged\"} 1", "undone\"} 1"] {
        assert!(metrics.contains(&format!("qianmian_identity_links_total{{outcome=\"{line}")), "{line}");
    }
}

#[tokio::test]
async fn what_the_model_knows_under_two_user_ids_is_one_history() {
    let running = live().await;
    let device = identity("device_id", "d");
    let made_up =
        link(&running, json!({"identities": [device]})).await["user_id"].as_str().unwrap().to_owned();
    // Orders came in under the generated id: the model knows it as its first user.
    publish_with_first_user(running.store.path(), "default", "v2", "a", &made_up);
    running.until("swapped", || async { running.version().await == "v2" }).await;
    let question = |who: Value| json!({"user": who, "count": 30, "exclude_bought": true});
    let (_, before) = slate(&running, question(json!({"id": user(4)}))).await;
    let theirs = [0, 3, 6].map(|n| item("a", n));
    assert!(theirs.iter().all(|id| before.contains(id)), "{before:?}");
    let merged = link(&running, json!({"user_id": user(4), "identities": [device]})).await;
    let (_, after) = slate(&running, question(json!({"id": user(4)}))).await;
    assert!(!theirs.iter().any(|id| after.contains(id)), "{after:?}");
    for who in [json!({"id": made_up}), json!({"ids": [device]})] {
        assert_eq!(slate(&running, question(who)).await.1, after);
    }
    let cart = json!({"cart": [item("a", 3)], "user": {"ids": [device]}, "personalize": true});
    assert_eq!(running.post("/bundle", &cart).await.ok()["personalized"], true);
    let undo = json!({"merge_id": merged["merges"][0]["merge_id"]});
    running.post("/identities/undo", &undo).await.ok();
    assert_eq!(slate(&running, question(json!({"id": user(4)}))).await.1, before);
}

#[tokio::test]
async fn a_shared_tablet_merges_nobody() {
    let running = live().await;
    let tablet = identity("device_id", "tablet-1234567");
    link(&running, json!({"user_id": "mother", "identities": [tablet]})).await;
    happened(&running, "1", "view", ("identity", tablet.clone()), &item("a", 22)).await;
    assert_eq!(slate(&running, json!({"user": {"id": "mother"}})).await.0["personalized"], true);
    let son = link(&running, json!({"user_id": "son", "identities": [tablet]})).await;
    assert_eq!(
        (&son["user_id"], &son["merges"], &son["identities"][0]["status"]),
        (&json!("son"), &json!([]), &json!("shared"))
    );
    for who in [json!({"id": "mother"}), json!({"id": "son"}), json!({"ids": [tablet]})] {
        assert_eq!(slate(&running, json!({"user": who})).await.0["personalized"], false);
    }
    let store = identity("store_tablet", "S1");
    happened(&running, "2", "view", ("identity", store.clone()), &item("a", 22)).await;
    assert_eq!(slate(&running, json!({"user": {"ids": [store]}})).await.0["personalized"], false);
    let nobody = link(&running, json!({"identities": [store]})).await;
    assert_eq!((&nobody["user_id"], &nobody["status"]), (&Value::Null, &json!("unchanged")));
}

#[tokio::test]
async fn two_people_are_a_conflict_and_nothing_is_changed() {
    let running = live().await;
    let phone = |n: u8| identity("phone_sha256", &format!("{n:064x}"));
    link(&running, json!({"identities": [phone(1), identity("tmall", "t")]})).await;
    link(&running, json!({"identities": [phone(2), identity("jd", "j")]})).await;
    let both =
        json!({"identities": [identity("tmall", "t"), identity("jd", "j"), identity("cookie", "new")]});
    let problem = running.post("/identities/link", &both).await.problem(409, "identity_conflict");
    assert!(problem["detail"].as_str().unwrap().contains("phone_sha256"), "{problem}");
    let cookie = link(&running, json!({"identities": [identity("cookie", "new")]})).await;
    assert_eq!(cookie["status"], "created");
    link(&running, json!({"user_id": "K", "identities": [phone(3)]})).await;
    let other = json!({"user_id": "L", "identities": [phone(3)]});
    running.post("/identities/link", &other).await.problem(409, "identity_conflict");
}

#[tokio::test]
async fn raw_phone_numbers_and_addresses_are_refused_and_told_how() {
    let running = live().await;
    for (raw, cure) in [
        ("13800138000", "phone_sha256"),
        ("+1 (415) 555-0100", "phone_sha256"),
        ("li@example.com", "email_sha256"),
    ] {
        for (path, body, field) in [
            (
                "/identities/link",
                json!({"identities": [identity("jd", "x"), identity("member_card", raw)]}),
                "identities[1].value",
            ),
            ("/recommend", json!({"user": {"ids": [identity("cookie", raw)]}}), "user.ids[0].value"),
            ("/identities/link", json!({"session_id": raw}), "session_id"),
        ] {
            let problem = running.post(path, &body).await.problem(400, "invalid_field");
            assert_eq!(problem["field"], field);
            let text = problem.to_string();
            assert!(text.contains(cure) && !text.contains(raw), "{text}");
        }
        let event = json!({"event_id": raw, "type": "view", "occurred_at": Utc::now().to_rfc3339(), "item_id": "i",
                           "identity": identity("device_id", raw)});
        let answer = running.post("/events", &json!({"events": [event]})).await.ok();
        let result = &answer["results"][0];
        assert_eq!((&result["status"], &result["field"]), (&json!("rejected"), &json!("identity.value")));
        assert!(result["reason"].as_str().unwrap().contains(cure));
    }
    running.post("/identities/link", &json!({})).await.problem(400, "missing_field");
    let long = json!({"user_id": "名".repeat(86), "session_id": "s"});
    assert_eq!(
        running.post("/identities/link", &long).await.problem(400, "invalid_field")["field"],
        "user_id"
    );
    let unknown = json!({"identities": [identity("wechat_union_id", "x")]});
    let problem = running.post("/identities/link", &unknown).await.problem(400, "invalid_field");
    assert_eq!(
        (&problem["field"], &problem["nearest"]),
        (&json!("identities[0].type"), &json!("wechat_unionid"))
    );
}

#[tokio::test]
async fn ten_thousand_identities_of_one_person_end_at_the_bound() {
    let running = live().await;
    let all: Vec<Value> = (0..10_000).map(|n| identity("device_id", &n.to_string())).collect();
    let problem =
        running.post("/identities/link", &json!({"identities": all})).await.problem(400, "invalid_field");
    assert!(problem["detail"].as_str().unwrap().contains("64"), "{problem}");
    for some in all[..200].chunks(5) {
        let answer = running.post("/identities/link", &json!({"user_id": "guest", "identities": some})).await;
        if answer.status != 200 {
            let problem = answer.problem(409, "too_many_identities");
            assert!(problem["detail"].as_str().unwrap().contains("at most 10"), "{problem}");
        }
    }
    let person = running.get("/identities/guest").await.ok();
    assert_eq!(person["identities"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn who_a_person_is_is_told_with_masked_values_and_a_trail() {
    let running = live().await;
    let (device, card) = (identity("device_id", "ABCDEFGH-9876"), identity("member_card", "MC-0042"));
    let made_up = link(&running, json!({"identities": [device]})).await["user_id"].clone();
    // Audit trails are ordered by milliseconds.
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let merged =
        link(&running, json!({"user_id": "K", "identities": [device, card], "source": "till"})).await;
    let answer = running.get(&format!("/identities/{}", made_up.as_str().unwrap())).await;
    assert!(!answer.text().contains("ABCDEFGH") && !answer.text().contains("MC-0042"));
    let person = answer.ok();
    assert_eq!(
        (&person["user_id"], ids(&person, "members", "user_id")),
        (&json!("K"), vec!["K".to_owned(), made_up.as_str().unwrap().to_owned()])
    );
    assert_eq!(ids(&person, "identities", "value"), ["…9876", "…"]);
    assert_eq!(ids(&person, "identities", "strength"), ["weak", "strong"]);
    assert_eq!(ids(&person, "audit", "action"), ["linked", "merged", "linked"]);
    assert_eq!(
        (&person["audit"][1]["source"], &person["audit"][1]["request_id"]),
        (&json!("till"), &merged["request_id"])
    );
    assert_eq!(person["audit"][1]["merge_id"], merged["merges"][0]["merge_id"]);
    let nobody = running.get("/identities/nobody").await.ok();
    assert_eq!((&nobody["identities"], &nobody["audit"]), (&json!([]), &json!([])));
    let metrics = running.get("/metrics").await.text();
    assert!(!metrics.contains("9876") && !metrics.contains("0042"));
}

#[tokio::test]
async fn links_need_live_state() {
    let running = crate::support::served().await;
    let body = json!({"identities": [identity("cookie", "c")]});
    running.post("/identities/link", &body).await.problem(503, "live_unavailable");
    running.post("/identities/undo", &json!({"merge_id": "m"})).await.problem(503, "live_unavailable");
    running.get("/identities/K").await.problem(503, "live_unavailable");
    let (answer, _) = slate(&running, json!({"user": {"ids": [identity("cookie", "c")]}})).await;
    assert_eq!((&answer["fallback"], &answer["degraded"]), (&json!("unknown_user"), &json!([])));
}

#[tokio::test]
async fn a_server_that_starts_again_knows_who_is_who() {
    let first = live().await;
    let cookie = identity("cookie", "c");
    happened(&first, "1", "view", ("identity", cookie.clone()), &item("a", 22)).await;
    link(&first, json!({"identities": [cookie]})).await;
    let merged = link(&first, json!({"user_id": "K", "identities": [cookie]})).await;
    let before = first.get("/identities/K").await.ok();
    let Running { server, store, .. } = first;
    server.stop().await;
    let config = config(&store);
    let second = start(&config, store).await;
    second.until_ready().await;
    let after = second.get("/identities/K").await.ok();
    for field in ["members", "identities", "audit"] {
        assert_eq!(before[field], after[field]);
    }
    let (answer, _) = slate(&second, json!({"user": {"id": "K"}})).await;
    assert_eq!(answer["personalized"], true);
    let undo = json!({"merge_id": merged["merges"][0]["merge_id"]});
    assert_eq!(second.post("/identities/undo", &undo).await.ok()["status"], "undone");
}
