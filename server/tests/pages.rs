//! Pages of shelves over HTTP.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::shop::{item, publish, user};
use crate::support::{EAGER, Running, ids, served, start};

/// Every item that a page shows, by shelf; those of the cart in sets are left out.
fn shown(page: &Value, cart: &[String]) -> Vec<Vec<String>> {
    let of_shelf = |shelf: &Value| {
        let lists = ["recommend", "similar"].iter().filter(|kind| shelf.get(**kind).is_some());
        let mut items: Vec<String> = lists.flat_map(|kind| ids(&shelf[*kind], "items", "item_id")).collect();
        if let Some(bundle) = shelf.get("bundle") {
            items.extend(ids(bundle, "complements", "item_id"));
            let sets =
                bundle["bundles"].as_array().unwrap().iter().flat_map(|set| ids(set, "items", "item_id"));
            items.extend(sets.filter(|id| !cart.contains(id)));
        }
        items
    };
    page["shelves"].as_array().unwrap().iter().map(of_shelf).collect()
}

async fn ask(running: &Running, page: &Value) -> Value {
    running.post("/pages", page).await.ok()
}

#[tokio::test]
async fn no_item_is_twice_on_a_page() {
    let running = served().await;
    let cart = [item("a", 3), item("a", 4)];
    for n in 0..8 {
        let page = json!({"user": {"id": user(n)}, "context": {"cart": cart}, "shelves": [
            {"name": "cart", "bundle": {"cart": cart, "count": 4, "mode": "relaxed", "personalize": n % 2 == 0}},
            {"name": "like", "similar": {"item_ids": [item("a", n)], "count": 4}},
            {"name": "first", "recommend": {"count": 5}},
            {"name": "sellers", "recommend": {"count": 5, "personalize": false, "scene": "trending"}},
            {"name": "rest", "recommend": {"count": 30, "scene": "more"}},
        ]});
        let answer = ask(&running, &page).await;
        let shelves = shown(&answer, &cart);
        let all: Vec<&String> = shelves.iter().flatten().collect();
        let different: BTreeSet<&String> = all.iter().copied().collect();
        assert_eq!(all.len(), different.len(), "{shelves:?}");
        assert!(shelves.iter().all(|shelf| !shelf.is_empty()), "{answer}");
        assert!(all.len() >= 26, "the last shelf has all that is left: {shelves:?}");
        let names: Vec<&str> = answer["shelves"]
            .as_array()
            .unwrap()
            .iter()
            .map(|shelf| shelf["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["cart", "like", "first", "sellers", "rest"]);
    }
}

#[tokio::test]
async fn the_first_shelf_is_what_its_call_answers() {
    let running = served().await;
    let of = |shelf: Value| json!({"user": {"id": user(4)}, "session_id": "s", "shelves": [shelf]});
    let recommend = json!({"count": 5, "filter": "item.price > 3.0", "explain": true});
    let mut alone = recommend.clone();
    alone["user"] = json!({"id": user(4)});
    alone["session_id"] = json!("s");
    let alone = running.post("/recommend", &alone).await.ok();
    let page = ask(&running, &of(json!({"name": "x", "recommend": recommend}))).await;
    assert_eq!(page["shelves"][0]["recommend"]["items"], alone["items"]);
    assert_eq!(page["model"], alone["model"]);
    let similar = json!({"item_ids": [item("a", 4)], "count": 5});
    let alone = running.post("/similar", &similar).await.ok();
    let page = ask(&running, &of(json!({"name": "x", "similar": similar}))).await;
    assert_eq!(page["shelves"][0]["similar"]["items"], alone["items"]);
    let anybody = running.post("/recommend", &json!({"count": 5, "personalize": false})).await.ok();
    let shelf = json!({"name": "x", "recommend": {"count": 5, "personalize": false}});
    let page = ask(&running, &of(shelf)).await;
    assert_eq!(page["shelves"][0]["recommend"]["items"], anybody["items"], "best sellers for a known person");
    assert_eq!(page["shelves"][0]["recommend"]["personalized"], false);
}

#[tokio::test]
async fn a_list_goes_on_without_what_the_page_showed() {
    let running = served().await;
    let page = json!({"user": {"id": user(4)}, "shelves": [
        {"name": "like", "similar": {"item_ids": [item("a", 4)], "count": 6}},
        {"name": "list", "recommend": {"count": 5}},
    ]});
    let page = ask(&running, &page).await;
    let mut all: Vec<String> = shown(&page, &[]).concat();
    let mut cursor = page["shelves"][1]["recommend"]["next_cursor"].clone();
    while cursor.is_string() {
        let question = json!({"user": {"id": user(4)}, "count": 5, "cursor": cursor});
        let more = running.post("/recommend", &question).await.ok();
        all.extend(ids(&more, "items", "item_id"));
        cursor = more["next_cursor"].clone();
    }
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (29, 29), "one item of 30 is off sale");
}

#[tokio::test]
async fn a_wrong_shelf_has_its_problem_and_the_others_answer() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let brand = "[shops.default.scenes.brand]\npreset = 'brand'\n";
    let running = start(&format!("{EAGER}{brand}"), store).await;
    running.until_ready().await;
    let wrong = [
        (json!({"recommend": {"filter": "item.pirce > 1"}}), "invalid_field", json!("filter")),
        (json!({"recommend": {"scene": "brand"}}), "missing_field", json!("params.brand")),
        (json!({"recommend": {"user": {"id": "u"}}}), "invalid_field", json!("user")),
        (json!({"recommend": {"session_id": "s"}}), "invalid_field", json!("session_id")),
        (json!({"recommend": {"cursor": "x"}}), "invalid_cursor", json!("cursor")),
        (
            json!({"bundle": {"cart": ["x"], "user": {"id": "u"}, "personalize": true}}),
            "invalid_field",
            json!("user"),
        ),
        (
            json!({"bundle": {"cart": ["x"], "min_items": 4, "max_items": 3}}),
            "invalid_field",
            json!("max_items"),
        ),
        (json!({}), "invalid_field", Value::Null),
        (json!({"recommend": {}, "similar": {"item_ids": ["x"]}}), "invalid_field", Value::Null),
    ];
    let mut shelves = vec![json!({"name": "good", "recommend": {"count": 3}})];
    for (n, (shelf, ..)) in wrong.iter().enumerate() {
        let mut shelf = shelf.clone();
        shelf["name"] = json!(n);
        shelves.push(shelf);
    }
    let page = ask(&running, &json!({"shelves": shelves})).await;
    assert_eq!(ids(&page["shelves"][0]["recommend"], "items", "item_id").len(), 3);
    for (n, (_, code, field)) in wrong.iter().enumerate() {
        let problem = &page["shelves"][n + 1]["problem"];
        assert_eq!((&problem["code"], &problem["field"]), (&json!(code), field), "{problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_page_that_is_asked_for_wrongly_is_refused() {
    let running = served().await;
    let shelf = |name: &str| json!({"name": name, "recommend": {}});
    let many: Vec<Value> = (0..13).map(|n| shelf(&n.to_string())).collect();
    for (page, code, field) in [
        (json!({}), "missing_field", "shelves"),
        (json!({"shelves": []}), "invalid_field", "shelves"),
        (json!({"shelves": many}), "invalid_field", "shelves"),
        (json!({"shelves": [shelf("a"), shelf("a")]}), "invalid_field", "shelves[1].name"),
        (json!({"shelves": [{"name": "a", "recomend": {}}]}), "unknown_field", "shelves[0].recomend"),
        (
            json!({"shelves": [{"name": "a", "recommend": {"cuont": 1}}]}),
            "unknown_field",
            "shelves[0].recommend.cuont",
        ),
        (json!({"user": {}, "shelves": [shelf("a")]}), "missing_field", "user.id"),
    ] {
        let problem = running.post("/pages", &page).await.problem(400, code);
        assert_eq!(problem["field"], field, "{problem}");
    }
}
