//! The steering fields of requests: fields, filters, boosts, pools.

use serde_json::{Value, json};

use crate::support::shop::{item, user};
use crate::support::{Running, ids, served};

async fn slate(running: &Running, question: Value) -> Vec<String> {
    ids(&running.post("/recommend", &question).await.ok(), "items", "item_id")
}

#[tokio::test]
async fn answers_carry_the_fields_that_were_asked_for() {
    let running = served().await;
    let ask = async |fields: Value| {
        let body = running.post("/recommend", &json!({"count": 1, "fields": fields})).await.ok();
        body["items"][0].clone()
    };
    let first = ask(json!(["title", "stock"])).await;
    assert!(first.get("title").is_some() && first.get("price").is_none(), "{first}");
    let bare = ask(json!([])).await;
    assert!(bare.get("title").is_none() && bare.get("item_id").is_some(), "{bare}");
    assert_eq!(ask(json!(["tags"])).await["tags"], json!([]));
    let problem =
        running.post("/recommend", &json!({"fields": ["titel"]})).await.problem(400, "invalid_field");
    assert_eq!(problem["field"], "fields[0]", "{problem}");
    let by_get = running.get("/recommend?count=1&fields=title,stock").await.ok();
    assert_eq!(by_get["items"][0], first);
    running.get("/recommend?fields=titel").await.problem(400, "invalid_field");
    let similar = json!({"item_ids": [item("a", 4)], "count": 1, "fields": ["price"]});
    let similar = running.post("/similar", &similar).await.ok();
    assert!(similar["items"][0].get("title").is_none() && similar["items"][0].get("price").is_some());
}

#[tokio::test]
async fn a_filter_holds_for_every_item_and_by_either_method() {
    let running = served().await;
    let filter = format!("item.id > '{}' && item.id != params.not", item("a", 20));
    let question =
        json!({"user": {"id": user(4)}, "count": 30, "filter": filter, "params": {"not": item("a", 25)}});
    let mut shown = slate(&running, question).await;
    shown.sort();
    let want: Vec<String> = (21..29).filter(|&n| n != 25).map(|n| item("a", n)).collect();
    assert_eq!(shown, want);
    let question = json!({"user": {"id": user(4)}, "count": 5, "filter": "item.price > 12.0"});
    let by_get =
        running.get(&format!("/recommend?user_id={}&count=5&filter=item.price%20%3E%2012.0", user(4))).await;
    assert_eq!(ids(&by_get.ok(), "items", "item_id"), slate(&running, question).await);
    let similar =
        json!({"item_ids": [item("a", 4)], "filter": "item.id == params.id", "params": {"id": item("a", 7)}});
    assert_eq!(ids(&running.post("/similar", &similar).await.ok(), "items", "item_id"), [item("a", 7)]);
    let nothing = running.post("/recommend", &json!({"filter": "item.price < 0.0"})).await.ok();
    assert_eq!((&nothing["items"], &nothing["fallback"]), (&json!([]), &json!("nothing_left")));
}

#[tokio::test]
async fn pools_limit_and_exclusions_take_out() {
    let running = served().await;
    let pool = [item("a", 3), item("a", 9), item("a", 12), "none".to_owned()];
    let question = json!({"count": 9, "allow_item_ids": pool, "exclude_item_ids": [item("a", 9)]});
    let body = running.post("/recommend", &question).await.ok();
    let mut shown = ids(&body, "items", "item_id");
    shown.sort();
    assert_eq!((shown, &body["unknown_item_ids"]), (vec![item("a", 3), item("a", 12)], &json!(["none"])));
    let unknown: Vec<String> = (0..5_000).map(|n| format!("unknown {n}")).collect();
    let body = running.post("/recommend", &json!({"allow_item_ids": unknown})).await.ok();
    assert_eq!((&body["items"], &body["fallback"]), (&json!([]), &json!("nothing_left")));
    let many: Vec<String> = (0..5_001).map(|n| format!("unknown {n}")).collect();
    running.post("/recommend", &json!({"allow_item_ids": many})).await.problem(400, "invalid_field");
    let similar = json!({"item_ids": [item("a", 4)], "allow_item_ids": [item("a", 7), item("a", 10)],
                         "exclude_item_ids": [item("a", 10)]});
    assert_eq!(ids(&running.post("/similar", &similar).await.ok(), "items", "item_id"), [item("a", 7)]);
}

#[tokio::test]
async fn boosts_lift_and_lower_items() {
    let running = served().await;
    let ask = async |boosts: Value| {
        slate(&running, json!({"user": {"id": user(4)}, "count": 30, "boosts": boosts})).await
    };
    let plain = ask(json!([])).await;
    let last = plain.last().unwrap();
    let lifted = ask(json!([{"when": format!("item.id == '{last}'"), "factor": 100}])).await;
    assert_eq!(&lifted[0], last);
    let lowered =
        ask(json!([{"when": format!("item.id == '{}' && user.known", plain[0]), "factor": 0.01}])).await;
    assert!(lowered.iter().position(|id| *id == plain[0]).unwrap() > 10, "{lowered:?}");
}

#[tokio::test]
async fn expressions_that_are_wrong_are_refused_with_a_cure() {
    let running = served().await;
    let problem = async |question: Value| running.post("/recommend", &question).await.json();
    let unknown = problem(json!({"filter": "item.pirce < 3"})).await;
    assert_eq!(
        (&unknown["code"], &unknown["field"]),
        (&json!("invalid_field"), &json!("filter")),
        "{unknown}"
    );
    assert_eq!(unknown["nearest"], "item.price");
    assert_eq!(problem(json!({"filter": "item.cost < 3.0"})).await["field"], "filter", "costs are not told");
    let absent = problem(json!({"filter": "item.price < params.most", "params": {"least": 1}})).await;
    assert_eq!(
        (&absent["code"], &absent["field"]),
        (&json!("missing_field"), &json!("params.most")),
        "{absent}"
    );
    let boost =
        problem(json!({"boosts": [{"when": "true", "factor": 1}, {"when": "item.price", "factor": 2}]}))
            .await;
    assert_eq!(boost["field"], "boosts[1].when", "{boost}");
    let factor = problem(json!({"boosts": [{"when": "true", "factor": 0}]})).await;
    assert_eq!(factor["field"], "boosts[0].factor", "{factor}");
    let list = problem(json!({"params": {"a": ["x", 1]}})).await;
    assert!(list["field"].as_str().unwrap().starts_with("params"), "{list}");
    let bomb = format!("true{}", " || true".repeat(400));
    assert_eq!(problem(json!({"filter": bomb})).await["field"], "filter");
}
