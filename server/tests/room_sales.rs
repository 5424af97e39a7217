//! Flash sales: never oversold, never undersold; over both stores, as `rooms.rs`.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};

use super::*;

fn later(seconds: i64) -> String {
    (Utc::now() + TimeDelta::seconds(seconds)).to_rfc3339()
}

async fn sale(running: &Running, n: usize, mut terms: Value) -> Answer {
    if terms.get("closes_at").is_none() {
        terms["closes_at"] = json!(later(600));
    }
    running.post(&format!("/rooms/r/products/{}/flash_sale", item("a", n)), &terms).await
}

async fn reserve(running: &Running, key: &str, user: Value, lines: Value, ttl: u32) -> Answer {
    let body = json!({"user": user, "lines": lines, "ttl_seconds": ttl});
    call(running, Method::POST, "/rooms/r/reservations", &[("idempotency-key", key)], body).await
}

async fn reserve_one(running: &Running, key: &str, user: &str, n: usize) -> Answer {
    reserve(running, key, json!({"id": user}), json!([{"item_id": item("a", n)}]), 60).await
}

async fn finish(running: &Running, token: &Value, how: &str) -> Answer {
    let path = format!("/rooms/r/reservations/{}/{how}", token.as_str().unwrap());
    running.send(Method::POST, &path, &[], "").await
}

async fn left(running: &Running, n: usize) -> u64 {
    product(&list(running).await, &item("a", n))["flash_sale"]["left"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_the_quantity_is_sold() {
    let running = Arc::new(live().await);
    room(&running, "live", &[1, 2]).await;
    sale(&running, 1, json!({"quantity": 7, "price": 1.0})).await.ok();
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let running = Arc::clone(&running);
            tokio::spawn(async move {
                let user = format!("u{n}");
                let answer = reserve_one(&running, &user, &user, 1).await;
                if answer.status == 200 {
                    Some(answer.json()["token"].clone())
                } else {
                    answer.problem(409, "sold_out");
                    None
                }
            })
        })
        .collect();
    let mut tokens = Vec::new();
    for task in tasks {
        tokens.extend(task.await.unwrap());
    }
    assert_eq!(tokens.len(), 7, "neither one more nor one less");
    let read = list(&running).await;
    let gone = product(&read, &item("a", 1));
    assert_eq!((&gone["buyable"], &gone["flash_sale"]["state"]), (&json!(false), &json!("sold_out")));
    for token in &tokens {
        assert_eq!(finish(&running, token, "confirm").await.ok()["state"], "confirmed");
    }
    reserve_one(&running, "late", "late", 1).await.problem(409, "sold_out");
}

#[tokio::test]
async fn all_lines_are_reserved_or_none() {
    let running = live().await;
    room(&running, "live", &[1, 2]).await;
    sale(&running, 1, json!({"quantity": 5})).await.ok();
    sale(&running, 2, json!({"quantity": 1})).await.ok();
    reserve_one(&running, "k1", "u1", 2).await.ok();
    let both = json!([{"item_id": item("a", 1), "quantity": 2}, {"item_id": item("a", 2)}]);
    let refused = reserve(&running, "k2", json!({"id": "u2"}), both, 60).await.problem(409, "sold_out");
    assert!(refused["detail"].as_str().unwrap().contains(&item("a", 2)), "{refused}");
    assert_eq!(left(&running, 1).await, 5, "nothing of the other line is held");
}

#[tokio::test]
async fn a_crash_before_the_order_loses_no_stock() {
    let running = live().await;
    room(&running, "live", &[1]).await;
    sale(&running, 1, json!({"quantity": 2})).await.ok();
    let line = json!([{"item_id": item("a", 1), "quantity": 2}]);
    let held = reserve(&running, "k1", json!({"id": "u1"}), line.clone(), 1).await.ok();
    assert_eq!((left(&running, 1).await, &held["state"]), (0, &json!("held")));
    running.until("expired", || async { left(&running, 1).await == 2 }).await;
    finish(&running, &held["token"], "confirm").await.problem(409, "reservation_over");
    let next = reserve(&running, "k2", json!({"id": "u2"}), line, 60).await.ok();
    finish(&running, &next["token"], "release").await.ok();
    assert_eq!(left(&running, 1).await, 2, "a release frees at once");
    finish(&running, &next["token"], "confirm").await.problem(409, "reservation_over");
    finish(&running, &json!("0".repeat(32)), "confirm").await.problem(404, "unknown_reservation");
    finish(&running, &json!("no-token"), "release").await.problem(404, "unknown_reservation");
}

#[tokio::test]
async fn a_person_by_any_name_has_one_limit() {
    let running = live().await;
    room(&running, "live", &[1]).await;
    sale(&running, 1, json!({"quantity": 100, "per_person": 2})).await.ok();
    let card = json!({"type": "member_card", "value": "card-7"});
    running.post("/identities/link", &json!({"user_id": "u1", "identities": [card]})).await.ok();
    reserve_one(&running, "k1", "u1", 1).await.ok();
    let line = json!([{"item_id": item("a", 1)}]);
    reserve(&running, "k2", json!({"ids": [card]}), line.clone(), 60).await.ok();
    let over =
        reserve(&running, "k3", json!({"ids": [card]}), line.clone(), 60).await.problem(409, "over_limit");
    assert!(over["detail"].as_str().unwrap().contains("0 more"), "{over}");
    reserve_one(&running, "k4", "u1", 1).await.problem(409, "over_limit");
    reserve_one(&running, "k5", "u2", 1).await.ok();
    assert_eq!(left(&running, 1).await, 97);
}

#[tokio::test]
async fn the_same_key_gives_the_same_reservation() {
    let running = live().await;
    room(&running, "live", &[1, 2]).await;
    sale(&running, 1, json!({"quantity": 10})).await.ok();
    let first = reserve_one(&running, "k", "u", 1).await.ok();
    for _ in 0..3 {
        let again = reserve_one(&running, "k", "u", 1).await.ok();
        assert_eq!((&again["token"], &again["repeated"]), (&first["token"], &json!(true)));
    }
    assert_eq!(left(&running, 1).await, 9);
    reserve_one(&running, "k", "another", 1).await.problem(409, "key_conflict");
    let confirmed = finish(&running, &first["token"], "confirm").await.ok();
    assert_eq!(finish(&running, &first["token"], "confirm").await.ok()["state"], confirmed["state"]);
    finish(&running, &first["token"], "release").await.problem(409, "reservation_over");
    // What was reserved in time is known after the sale is over.
    let path = format!("/rooms/r/products/{}/flash_sale", item("a", 1));
    running.send(Method::DELETE, &path, &[], "").await.ok();
    running.send(Method::DELETE, &path, &[], "").await.problem(409, "no_sale");
    assert_eq!(reserve_one(&running, "k", "u", 1).await.ok()["state"], "confirmed");
    reserve_one(&running, "new", "u", 1).await.problem(409, "no_sale");
    let body = json!({"user": {"id": "u"}, "lines": [{"item_id": item("a", 1)}]});
    let answer = running.post("/rooms/r/reservations", &body).await;
    assert_eq!(answer.problem(400, "missing_field")["field"], "idempotency-key");
}

#[tokio::test]
async fn a_sale_opens_and_closes_by_the_clock_of_the_server() {
    let running = live().await;
    room(&running, "live", &[1, 2]).await;
    let soon = json!({"quantity": 5, "price": 0.5, "opens_at": later(1), "closes_at": later(3)});
    sale(&running, 1, soon).await.ok();
    sale(&running, 1, json!({"quantity": 1})).await.problem(409, "sale_running");
    let before = list(&running).await;
    let planned = product(&before, &item("a", 1));
    assert_eq!((&planned["price"], &planned["flash_sale"]["state"]), (&json!(2.5), &json!("planned")));
    reserve_one(&running, "early", "u", 1).await.problem(409, "no_sale");
    let state =
        async |wanted: &str| product(&list(&running).await, &item("a", 1))["flash_sale"]["state"] == wanted;
    running.until("open", || state("open")).await;
    let open = list(&running).await;
    let open = product(&open, &item("a", 1));
    assert_eq!((&open["price"], &open["stock"]), (&json!(0.5), &json!(5)), "its price and its stock");
    reserve_one(&running, "k", "u", 1).await.ok();
    running.until("over", || state("over")).await;
    reserve_one(&running, "late", "v", 1).await.problem(409, "no_sale");
    assert_eq!(product(&list(&running).await, &item("a", 1))["price"], 2.5);
    for (terms, field) in [
        (json!({"quantity": 1, "closes_at": later(-5)}), "closes_at"),
        (json!({"quantity": 1, "opens_at": later(9), "closes_at": later(8)}), "closes_at"),
        (json!({"quantity": 0}), "quantity"),
        (json!({"quantity": 1, "per_person": 0}), "per_person"),
    ] {
        assert_eq!(sale(&running, 2, terms).await.problem(400, "invalid_field")["field"], field);
    }
    sale(&running, 9, json!({"quantity": 1})).await.problem(404, "not_in_room");
}

#[tokio::test]
async fn what_is_sold_out_is_gone_from_every_answer() {
    let running = live().await;
    room(&running, "live", &[1, 2, 3]).await;
    sale(&running, 1, json!({"quantity": 1})).await.ok();
    let question = json!({"context": {"room_id": "r"}});
    let shown = async || ids(&running.post("/recommend", &question).await.ok(), "items", "item_id");
    assert!(shown().await.contains(&item("a", 1)));
    let held = reserve_one(&running, "k", "u", 1).await.ok();
    assert!(!shown().await.contains(&item("a", 1)), "gone in the moment it is gone");
    let push = running.post("/rooms/r/push", &json!({"item_id": item("a", 1)})).await;
    push.problem(409, "not_buyable");
    finish(&running, &held["token"], "release").await.ok();
    assert!(shown().await.contains(&item("a", 1)));
    for (lines, code) in [
        (json!([{"item_id": item("a", 2)}]), "no_sale"),
        (json!([{"item_id": item("a", 1), "quantity": 2}]), "sold_out"),
    ] {
        reserve(&running, "x", json!({"id": "u"}), lines, 60).await.problem(409, code);
    }
    reserve(&running, "x", json!({"id": "u"}), json!([]), 60).await.problem(400, "invalid_field");
    put(&running, "/rooms/r", json!({"title": "t", "state": "paused"})).await.ok();
    reserve_one(&running, "x", "u", 1).await.problem(409, "wrong_state");
}
