//! Item changes: prices, stock, sale, on every path; over both stores, as in `live.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::support::shown;

#[tokio::test]
async fn item_changes_are_checked_and_late_ones_are_stale() {
    let running = live().await;
    let rows = json!([
        {"item_id": "i", "stock": 3},
        {"item_id": "i", "stock": 9, "changed_at": ago(60)},
        {"item_id": "i", "price": -1},
        {"item_id": "i"},
        {"item_id": "i", "on_sale": true, "changed_at": "yesterday"},
        {"item_id": "i", "stok": 1},
    ]);
    let answer = running.post("/items", &json!({"items": rows})).await.ok();
    assert_eq!(statuses(&answer), ["accepted", "stale", "rejected", "rejected", "rejected", "rejected"]);
    assert_eq!(answer["results"][5]["nearest"], "stock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_shows_items_that_cannot_be_sold() {
    let running = Arc::new(live().await);
    let gone = [item("a", 7), item("a", 6), item("a", 9)];
    let before = shown(&running, 4).await;
    assert!(gone.iter().all(|id| before.contains(id)), "{before:?}");
    // Half of them while every path is under load: only requests after the acknowledgment count.
    let acknowledged = Arc::new(AtomicBool::new(false));
    let hammer: Vec<_> = (0..3)
        .map(|n| {
            let (running, acknowledged, gone) =
                (Arc::clone(&running), Arc::clone(&acknowledged), gone.clone());
            tokio::spawn(async move {
                let mut rounds_after = 0;
                while rounds_after < 20 {
                    let counts = acknowledged.load(Ordering::SeqCst);
                    let shown = shown(&running, n).await;
                    if counts {
                        rounds_after += 1;
                        assert!(gone.iter().all(|id| !shown.contains(id)), "{shown:?}");
                    }
                }
            })
        })
        .collect();
    let told = [
        json!({"item_id": gone[0], "stock": 0}),
        json!({"item_id": gone[1], "on_sale": false}),
        json!({"item_id": gone[2], "stock": 0}),
    ];
    tell(&running, &told).await;
    acknowledged.store(true, Ordering::SeqCst);
    for task in hammer {
        task.await.unwrap();
    }
    // A version published later knows it from its first answer on.
    publish(running.store.path(), "default", "v2", "a");
    running.until("swapped", || async { running.version().await == "v2" }).await;
    assert!(gone.iter().all(|id| !before.is_empty() && before.contains(id)));
    let after = shown(&running, 4).await;
    assert!(gone.iter().all(|id| !after.contains(id)), "{after:?}");
    let back = [json!({"item_id": gone[0], "stock": 5}), json!({"item_id": gone[1], "on_sale": true})];
    tell(&running, &back).await;
    let after = shown(&running, 4).await;
    assert!(after.contains(&gone[0]) && after.contains(&gone[1]) && !after.contains(&gone[2]));
}

#[tokio::test]
async fn prices_come_back_as_they_were_told() {
    let running = live().await;
    let told =
        [(7, "131072.01"), (8, "0.01"), (9, "999999999.99"), (10, "20"), (11, "16777217.1"), (12, "1e2")];
    let rows: Vec<String> = told
        .iter()
        .map(|(n, price)| format!(r#"{{"item_id":"{}","price":{price}}}"#, item("a", *n)))
        .collect();
    let body = format!(r#"{{"items":[{}]}}"#, rows.join(","));
    let answer =
        running.send(Method::POST, "/items", &[("content-type", "application/json")], &body).await.ok();
    assert_eq!(statuses(&answer), ["accepted"; 6]);
    let similar = running.post("/similar", &json!({"item_ids": [item("a", 4)], "count": 30})).await.ok();
    for (n, price) in told {
        let price = if price == "1e2" { "100" } else { price };
        let one = running.get(&format!("/items/{}", item("a", n))).await.ok();
        assert_eq!(one["price"].to_string(), price, "GET /items");
        let card = similar["items"].as_array().unwrap().iter().find(|i| i["item_id"] == item("a", n));
        if let Some(card) = card {
            assert_eq!(card["price"].to_string(), price, "the card of an answer");
        }
    }
    running.get("/items/nothing").await.problem(404, "unknown_item");
}

#[tokio::test]
async fn more_decimals_than_the_currency_has_are_refused() {
    let running = live().await;
    let rows = json!([
        {"item_id": "i", "price": 9.999},
        {"item_id": "i", "price": 1.123456},
        {"item_id": "i", "price": 1e10},
        {"item_id": "i", "price": "9.5"},
        {"item_id": "i", "price": 9.50},
    ]);
    let answer = running.post("/items", &json!({"items": rows})).await.ok();
    assert_eq!(statuses(&answer), ["rejected", "rejected", "rejected", "rejected", "accepted"]);
    let results = answer["results"].as_array().unwrap();
    assert!(results[..4].iter().all(|result| result["field"] == "price"), "{results:?}");
    assert_eq!(results[0]["reason"], "9.999 has more decimals than CNY has: round it to 2");
    let audience = running.post("/audience", &json!({"item": {"price": 9.999}})).await;
    audience.problem(400, "invalid_field");
}

#[tokio::test]
async fn a_new_price_outlives_the_model() {
    let running = live().await;
    tell(&running, &[json!({"item_id": item("a", 7), "price": 3.25})]).await;
    let price = async || {
        let similar = running.post("/similar", &json!({"item_ids": [item("a", 4)], "count": 30})).await.ok();
        let items = similar["items"].as_array().unwrap().clone();
        items.iter().find(|i| i["item_id"] == item("a", 7)).unwrap()["price"].clone()
    };
    assert_eq!(price().await, 3.25);
    publish(running.store.path(), "default", "v2", "a");
    running.until("swapped", || async { running.version().await == "v2" }).await;
    assert_eq!(price().await, 3.25);
    running.post("/models/rollback", &Value::Null).await.ok();
    tell(&running, &[json!({"item_id": item("a", 7), "price": 4.5})]).await;
    assert_eq!(price().await, 4.5);
}

#[tokio::test]
async fn items_that_cannot_be_sold_have_no_audience() {
    let running = live().await;
    let (kept, gone) = (item("a", 3), item("a", 4));
    tell(&running, &[json!({"item_id": gone, "stock": 0})]).await;
    let audience = running.post("/audience", &json!({"item_ids": [gone]})).await.ok();
    assert_eq!(
        (&audience["empty_reason"], audience["users"].as_array().unwrap().len()),
        (&json!("off_sale"), 0)
    );
    assert_eq!(audience["off_sale_item_ids"], json!([gone]));
    let of_both = running.post("/audience", &json!({"item_ids": [gone, kept]})).await.ok();
    let of_one = running.post("/audience", &json!({"item_ids": [kept]})).await.ok();
    assert_eq!(of_both["users"], of_one["users"]);
    assert_eq!((of_both["off_sale_item_ids"].clone(), ITEMS), (json!([gone]), 30));
}

#[tokio::test]
async fn an_oversold_stock_takes_the_item_off_sale() {
    let running = live().await;
    let id = item("a", 4);
    for (stock, note) in [(json!(-1), true), (json!(0.0), true), (json!(0), false)] {
        let reset = running.post("/items", &json!({"items": [{"item_id": id, "stock": 5.0}]})).await.ok();
        assert_eq!(reset["accepted"], 1, "{reset}");
        assert!(reset["results"][0]["note"].is_string(), "{reset}");
        assert!(shown(&running, 1).await.contains(&id), "it can be sold");
        let answer = running.post("/items", &json!({"items": [{"item_id": id, "stock": stock}]})).await.ok();
        assert_eq!(answer["accepted"], 1, "{answer}");
        assert_eq!(answer["results"][0]["note"].is_string(), note, "{answer}");
        assert!(!shown(&running, 1).await.contains(&id), "{stock} takes it off");
    }
    let odd = running.post("/items", &json!({"items": [{"item_id": id, "stock": 1.5}]})).await.ok();
    assert_eq!((&odd["accepted"], &odd["results"][0]["field"]), (&json!(0), &json!("stock")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_item_is_as_in_the_catalog() {
    let running = live().await;
    let id = item("a", 7);
    let card = || async { running.get(&format!("/items/{id}")).await.ok() };
    let before = card().await;
    tell(&running, &[json!({"item_id": id, "price": 99.5, "stock": 0})]).await;
    assert!(!shown(&running, 4).await.contains(&id));
    tell(&running, &[json!({"item_id": id, "reset": true})]).await;
    assert!(shown(&running, 4).await.contains(&id));
    let after = card().await;
    for field in ["price", "stock", "on_sale"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    let late = json!({"items": [{"item_id": id, "stock": 0, "changed_at": ago(60)},
                                {"item_id": id, "reset": true, "stock": 3}, {"item_id": id}]});
    let answer = running.post("/items", &late).await.ok();
    assert_eq!(statuses(&answer), ["stale", "rejected", "rejected"]);
    assert_eq!(answer["results"][1]["field"], "reset");
}
