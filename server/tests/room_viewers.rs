//! Answers inside a room; over both stores, as `rooms.rs`.

use super::*;
use crate::support::shop::user;

async fn slate(running: &Running, mut question: Value) -> Value {
    question["context"]["room_id"] = json!("r");
    running.post("/recommend", &question).await.ok()
}

#[tokio::test]
async fn viewers_get_what_the_room_sells_at_its_prices() {
    let running = live().await;
    room(&running, "live", &[1, 4, 7, 10, 13, 16]).await;
    let hide = async |n: usize, visibility: &str| {
        let path = format!("/rooms/r/products/{}", item("a", n));
        call(&running, Method::PATCH, &path, &[], json!({"visibility": visibility})).await.ok();
    };
    hide(1, "hidden").await;
    hide(4, "visible_not_buyable").await;
    let path = format!("/rooms/r/products/{}", item("a", 7));
    call(&running, Method::PATCH, &path, &[], json!({"room_price": 3.2})).await.ok();
    let products = json!([{"item_id": "unheard-of", "title": "新品", "room_price": 5}]);
    running.post("/rooms/r/products", &json!({"products": products})).await.ok();
    for question in
        [json!({}), json!({"user": {"id": user(1)}}), json!({"context": {"cart": [item("a", 2)]}})]
    {
        let body = slate(&running, question).await;
        let mut shown = ids(&body, "items", "item_id");
        shown.sort();
        assert_eq!(shown, [7, 10, 13, 16].map(|n| item("a", n)), "{body}");
        let price = body["items"].as_array().unwrap().iter().find(|it| it["item_id"] == item("a", 7));
        assert_eq!(price.unwrap()["price"], 3.2);
        assert_eq!(body["room_products"][0]["title"], "新品");
    }
    let body = slate(&running, json!({"count": 4})).await;
    assert_eq!(body.get("room_products"), None, "the slate is full");
    let outside = running.post("/recommend", &json!({"count": 30})).await.ok();
    assert!(ids(&outside, "items", "item_id").contains(&item("a", 1)), "outside nothing changes");
    running.post("/items", &json!({"items": [{"item_id": item("a", 10), "stock": 0}]})).await.ok();
    let mut shown = ids(&slate(&running, json!({})).await, "items", "item_id");
    shown.sort();
    assert_eq!(shown, [7, 13, 16].map(|n| item("a", n)));
    let only = json!({"allow_item_ids": [item("a", 13), item("a", 1), item("a", 2)]});
    assert_eq!(ids(&slate(&running, only).await, "items", "item_id"), [item("a", 13)]);
}

#[tokio::test]
async fn what_is_explained_comes_first() {
    let running = live().await;
    room(&running, "live", &[2, 5, 8, 11, 14, 17, 20, 23, 26]).await;
    for n in [26, 2, 14] {
        running.post("/rooms/r/explain", &json!({"item_id": item("a", n)})).await.ok();
        for question in
            [json!({"count": 3}), json!({"count": 1}), json!({"user": {"id": user(3)}, "count": 9})]
        {
            let count = question["count"].as_u64().unwrap() as usize;
            let shown = ids(&slate(&running, question).await, "items", "item_id");
            assert_eq!((&shown[0], shown.len()), (&item("a", n), count));
            assert_eq!(shown.iter().collect::<std::collections::HashSet<_>>().len(), count, "each once");
        }
    }
    let by_query = running.get("/recommend?room_id=r&count=3").await.ok();
    assert_eq!(ids(&by_query, "items", "item_id")[0], item("a", 14));
    let without = json!({"exclude_item_ids": [item("a", 14)], "count": 3});
    assert!(!ids(&slate(&running, without).await, "items", "item_id").contains(&item("a", 14)));
}

#[tokio::test]
async fn a_room_that_sells_nothing_falls_back_by_name() {
    let running = live().await;
    let fallback = async || {
        let body = slate(&running, json!({"count": 5})).await;
        assert_eq!(ids(&body, "items", "item_id").len(), 5, "never a dead shelf");
        body["fallback"].clone()
    };
    assert_eq!(fallback().await, "unknown_room");
    room(&running, "planned", &[]).await;
    assert_eq!(fallback().await, "room_empty");
    room(&running, "live", &[1, 2, 3, 4, 5, 6]).await;
    assert_ne!(fallback().await, "room_empty");
    put(&running, "/rooms/r", json!({"title": "t", "state": "ended"})).await.ok();
    assert_eq!(fallback().await, "room_ended");
    running.send(Method::DELETE, "/rooms/r", &[], "").await.ok();
    assert_eq!(fallback().await, "unknown_room");
}
