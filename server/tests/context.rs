//! Live state in answers: a purchase since training is a reason, like one in the training data.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::support::shop::{publish, user};
use crate::support::{EAGER, Running, start};

async fn live() -> Running {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let config = format!("{EAGER}[live]\nfolder = '{}'\n", store.path().join("live").display());
    let running = start(&config, store).await;
    running.until_ready().await;
    running
}

/// The reason `bought_before` of an item in the slate of user 4.
async fn bought_before(running: &Running, item_id: Option<&str>) -> (String, Value) {
    let question = json!({"user": {"id": user(4)}, "count": 30});
    let slate = running.post("/recommend", &question).await.ok();
    let items = slate["items"].as_array().unwrap();
    let item = match item_id {
        None => &items[0],
        Some(id) => items.iter().find(|item| item["item_id"] == id).unwrap(),
    };
    let reasons = item["reasons"].as_array().unwrap();
    let reason = reasons.iter().find(|reason| reason["code"] == "bought_before").unwrap();
    (item["item_id"].as_str().unwrap().to_owned(), reason.clone())
}

#[tokio::test]
async fn a_purchase_since_training_is_part_of_the_reason() {
    let running = live().await;
    let (item_id, before) = bought_before(&running, None).await;
    let now = Utc::now();
    let purchase = json!({"event_id": "1", "type": "purchase", "occurred_at": now.to_rfc3339(), "user_id": user(4),
                          "item_id": item_id});
    running.post("/events", &json!({"events": [purchase]})).await.ok();
    let (_, after) = bought_before(&running, Some(&item_id)).await;
    assert_eq!(after["times"].as_u64(), before["times"].as_u64().map(|times| times + 1), "{before} {after}");
    let last_at: DateTime<Utc> = after["last_at"].as_str().unwrap().parse().unwrap();
    assert_eq!((last_at.timestamp(), &after["is_due"]), (now.timestamp(), &json!(false)));
}
