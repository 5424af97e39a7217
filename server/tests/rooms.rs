//! Livestream rooms over HTTP: products, commands, revisions; `rooms_redis.rs` runs the same over Redis.

use std::path::Path;

use hyper::Method;
use serde_json::{Value, json};

use crate::support::redis::{RedisServer, redis_is_here};
use crate::support::shop::{item, publish};
use crate::support::{Answer, EAGER, Running, ids, in_redis, start};

#[path = "room_commands.rs"]
mod commands;
#[path = "room_figures.rs"]
mod figures;
#[path = "room_sales.rs"]
mod sales;
#[path = "room_streams.rs"]
pub mod streams;
#[path = "room_viewers.rs"]
mod viewers;

/// A server that keeps live state, serving `v1` with ids marked `a`.
async fn live() -> Running {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let wanted = module_path!().contains("rooms_redis") && redis_is_here("a test of rooms in Redis");
    let redis = wanted.then(RedisServer::start);
    let mut running = start(&config(store.path(), redis.as_ref()), store).await;
    running.redis = redis;
    running.until_ready().await;
    running
}

fn config(store: &Path, redis: Option<&RedisServer>) -> String {
    let mut config = format!("{EAGER}[live]\nfolder = '{}'\n", store.join("live").display());
    if let Some(redis) = redis {
        config.push_str(&in_redis(&redis.url()));
    }
    config
}

async fn call(
    running: &Running,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Value,
) -> Answer {
    let headers: Vec<(&str, &str)> =
        headers.iter().copied().chain([("content-type", "application/json")]).collect();
    running.send(method, path, &headers, &body.to_string()).await
}

async fn put(running: &Running, path: &str, body: Value) -> Answer {
    call(running, Method::PUT, path, &[], body).await
}

/// Makes the room `r` with the items of these numbers, in this state.
async fn room(running: &Running, state: &str, items: &[usize]) {
    put(running, "/rooms/r", json!({"title": "晚场", "anchor": "小李"})).await;
    if !items.is_empty() {
        let products: Vec<Value> = items.iter().map(|n| json!({"item_id": item("a", *n)})).collect();
        running.post("/rooms/r/products", &json!({"products": products})).await.ok();
    }
    if state != "planned" {
        put(running, "/rooms/r", json!({"title": "晚场", "state": "live"})).await.ok();
    }
}

async fn list(running: &Running) -> Value {
    running.get("/rooms/r/products").await.ok()
}

/// The numbers of the products, in the order of the list.
fn numbers(list: &Value) -> Vec<u64> {
    list["products"].as_array().unwrap().iter().map(|product| product["number"].as_u64().unwrap()).collect()
}

fn product<'l>(list: &'l Value, item_id: &str) -> &'l Value {
    let products = list["products"].as_array().unwrap();
    products.iter().find(|product| product["item_id"] == item_id).unwrap()
}

#[tokio::test]
async fn a_room_is_made_changed_and_read() {
    let running = live().await;
    running.get("/rooms/r").await.problem(404, "unknown_room");
    let about = json!({"title": "晚场", "anchor": "小李", "merchant_id": "m", "channel": "wechat",
                       "starts_at": "2026-11-28T20:00:00+08:00", "ends_at": "2026-11-28T22:00:00+08:00"});
    let made = put(&running, "/rooms/r?who=li&why=%E5%BC%80%E6%92%AD", about.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let read = running.get("/rooms/r").await;
    assert_eq!(read.header("etag"), made.header("etag"));
    let read = read.ok();
    for (field, value) in
        [("title", "晚场"), ("anchor", "小李"), ("starts_at", "2026-11-28T12:00:00Z"), ("state", "planned")]
    {
        assert_eq!(read[field], value, "{read}");
    }
    assert_eq!(read["products"], 0);
    let rooms = running.get("/rooms").await.ok();
    assert_eq!(ids(&rooms, "rooms", "room_id"), ["r"]);
    assert_eq!(list(&running).await["products"], json!([]), "a room of no products is a room");
    call(&running, Method::PUT, "/rooms/r", &[("if-none-match", "*")], about)
        .await
        .problem(412, "revision_conflict");
    let history = running.get("/rooms/r/history").await.ok();
    let first = &history["revisions"][0];
    assert_eq!(
        (&first["who"], &first["why"], &first["command"]),
        (&json!("li"), &json!("开播"), &json!("put"))
    );
    running.get("/rooms/other/history").await.problem(404, "unknown_room");
}

#[tokio::test]
async fn a_room_changes_its_state_step_by_step() {
    let running = live().await;
    let become_state =
        async |state: &str| put(&running, "/rooms/r", json!({"title": "t", "state": state})).await;
    become_state("planned").await;
    become_state("paused").await.problem(409, "wrong_state");
    for state in ["live", "paused", "live", "ended"] {
        become_state(state).await.ok();
        assert_eq!(running.get("/rooms/r").await.ok()["state"], state);
    }
    become_state("live").await.problem(409, "wrong_state");
    become_state("planned").await.ok();
    let wrong = put(&running, "/rooms/r", json!({"title": "t", "state": "open"})).await;
    assert_eq!(wrong.problem(400, "invalid_field")["field"], "state");
    let wrong = put(&running, "/rooms/r", json!({"title": ""})).await;
    assert_eq!(wrong.problem(400, "invalid_field")["field"], "title");
}

#[tokio::test]
async fn products_keep_their_numbers() {
    let running = live().await;
    room(&running, "planned", &[1, 2, 3]).await;
    assert_eq!(numbers(&list(&running).await), [1, 2, 3]);
    let path = format!("/rooms/r/products/{}", item("a", 2));
    running.send(Method::DELETE, &path, &[], "").await.ok();
    running.send(Method::DELETE, &path, &[], "").await.problem(404, "not_in_room");
    room(&running, "planned", &[4]).await;
    assert_eq!(numbers(&list(&running).await), [1, 3, 4], "a number is never reused");
    room(&running, "planned", &[2]).await;
    assert_eq!(numbers(&list(&running).await), [1, 3, 4, 2], "and comes back with its item");
    // An undo takes the product back, and not the number.
    room(&running, "planned", &[5]).await;
    running.send(Method::POST, "/rooms/r/undo", &[], "").await.ok();
    running.send(Method::POST, "/rooms/r/undo", &[], "").await.ok();
    assert_eq!(numbers(&list(&running).await), [1, 3, 4, 2]);
    room(&running, "planned", &[6]).await;
    assert_eq!(numbers(&list(&running).await), [1, 3, 4, 2, 6]);
    let products = json!([{"item_id": item("a", 6)}, {"item_id": item("a", 1)}, {"item_id": item("a", 7)}]);
    let replaced =
        running.post("/rooms/r/products", &json!({"mode": "replace", "products": products})).await.ok();
    assert_eq!(numbers(&list(&running).await), [6, 1, 7]);
    assert_eq!(replaced["results"][2]["number"], 7);
}

#[tokio::test]
async fn each_row_has_its_result() {
    let running = live().await;
    room(&running, "planned", &[1]).await;
    let products = json!([
        {"item_id": item("a", 1), "room_price": 9.9},
        {"item_id": "unheard-of", "title": "新品", "image_url": "https://img/x.jpg"},
        {"item_id": item("a", 2), "room_price": -1},
        {"item_id": item("a", 2), "visiblity": "hidden"},
        {"item_id": item("a", 2)},
        {"item_id": item("a", 2)},
        {"item_id": item("a", 3), "room_price": 9.999},
        {"item_id": ""},
    ]);
    let added = running.post("/rooms/r/products", &json!({"products": products})).await.ok();
    let statuses = ids(&added, "results", "status");
    let expected = ["updated", "added", "rejected", "rejected", "added", "repeated", "rejected", "rejected"];
    assert_eq!(statuses, expected, "{added}");
    let fields = |n: usize| added["results"][n]["field"].as_str().unwrap().to_owned();
    assert_eq!([2, 3, 6, 7].map(fields), ["room_price", "visiblity", "room_price", "item_id"]);
    assert_eq!(added["results"][3]["nearest"], "visibility");
    assert!(added["results"][1]["note"].as_str().unwrap().contains("catalog"), "{added}");
    let list = list(&running).await;
    let unknown = product(&list, "unheard-of");
    assert_eq!((&unknown["title"], &unknown["in_catalog"]), (&json!("新品"), &json!(false)));
    let first = product(&list, &item("a", 1));
    assert_eq!((&first["price"], &first["list_price"]), (&json!(9.9), &json!(2.5)), "{first}");
    running.post("/rooms/none/products", &json!({"products": products})).await.problem(404, "unknown_room");
    let none = running.post("/rooms/r/products", &json!({"products": []})).await;
    assert_eq!(none.problem(400, "invalid_field")["field"], "products");
}

#[tokio::test]
async fn a_full_room_takes_no_more() {
    let running = live().await;
    room(&running, "planned", &[]).await;
    let products: Vec<Value> = (0..5_000).map(|n| json!({"item_id": format!("p{n}")})).collect();
    let added = running.post("/rooms/r/products", &json!({"products": products})).await.ok();
    assert_eq!(added["accepted"], 5_000);
    let more = json!({"products": [{"item_id": "one more"}, {"item_id": "p7", "notes": "n"}]});
    let more = running.post("/rooms/r/products", &more).await.ok();
    assert_eq!(ids(&more, "results", "status"), ["room_full", "updated"]);
    assert_eq!(numbers(&list(&running).await).len(), 5_000);
    let too_many: Vec<Value> = (0..5_001).map(|n| json!({"item_id": format!("p{n}")})).collect();
    let answer = running.post("/rooms/r/products", &json!({"products": too_many})).await;
    assert_eq!(answer.problem(400, "invalid_field")["field"], "products");
    // More than a document may hold.
    let long = "x".repeat(150);
    let long: Vec<Value> = (0..5_000).map(|n| json!({"item_id": format!("p{n}"), "title": long})).collect();
    for half in long.chunks(2_500) {
        let answer = running.post("/rooms/r/products", &json!({"products": half})).await;
        if answer.status != 200 {
            answer.problem(409, "room_full");
        }
    }
    assert_eq!(numbers(&list(&running).await).len(), 5_000, "the room stays as it was");
}

#[tokio::test]
async fn the_order_is_a_list_a_move_or_pasted_numbers() {
    let running = live().await;
    room(&running, "planned", &[1, 2, 3, 4, 5]).await;
    let order = async |body: Value| running.post("/rooms/r/products/order", &body).await;
    order(json!({"numbers": "4, 2，5"})).await.ok();
    assert_eq!(numbers(&list(&running).await), [4, 2, 5, 1, 3]);
    order(json!({"move": {"item_id": item("a", 3), "to": 1}})).await.ok();
    assert_eq!(numbers(&list(&running).await), [3, 4, 2, 5, 1]);
    order(json!({"move": {"item_id": item("a", 4), "to": 99}})).await.ok();
    assert_eq!(numbers(&list(&running).await), [3, 2, 5, 1, 4]);
    let whole: Vec<String> = (1..=5).map(|n| item("a", n)).collect();
    order(json!({"item_ids": whole})).await.ok();
    assert_eq!(numbers(&list(&running).await), [1, 2, 3, 4, 5]);
    for (body, status, code) in [
        (json!({"numbers": "1,99"}), 404, "not_in_room"),
        (json!({"numbers": "1,a"}), 400, "invalid_field"),
        (json!({"numbers": "1,1"}), 400, "invalid_field"),
        (json!({"move": {"item_id": "nothing", "to": 1}}), 404, "not_in_room"),
        (json!({"move": {"item_id": item("a", 1), "to": 0}}), 400, "invalid_field"),
        (json!({"item_ids": &whole[..4]}), 400, "invalid_field"),
        (json!({}), 400, "invalid_field"),
        (json!({"numbers": "1", "item_ids": whole}), 400, "invalid_field"),
    ] {
        order(body).await.problem(status, code);
    }
    assert_eq!(numbers(&list(&running).await), [1, 2, 3, 4, 5], "a refused order changes nothing");
}

#[tokio::test]
async fn a_product_is_changed_field_by_field() {
    let running = live().await;
    room(&running, "planned", &[1, 2]).await;
    let path = format!("/rooms/r/products/{}", item("a", 1));
    let patch = async |body: Value| call(&running, Method::PATCH, &path, &[], body).await;
    patch(json!({"room_price": 1.5, "notes": "先讲", "coupon_id": "c"})).await.ok();
    patch(json!({"visibility": "visible_not_buyable"})).await.ok();
    let read = list(&running).await;
    let changed = product(&read, &item("a", 1));
    let expected = [
        ("price", json!(1.5)),
        ("notes", json!("先讲")),
        ("coupon_id", json!("c")),
        ("buyable", json!(false)),
    ];
    for (field, value) in expected {
        assert_eq!(changed[field], value, "{changed}");
    }
    patch(json!({"room_price": null, "notes": ""})).await.ok();
    let read = list(&running).await;
    let changed = product(&read, &item("a", 1));
    assert_eq!((&changed["price"], changed.get("notes")), (&json!(2.5), None), "{changed}");
    assert_eq!(patch(json!({"price": 1})).await.problem(400, "unknown_field")["field"], "price");
    let other = format!("/rooms/r/products/{}", item("a", 9));
    call(&running, Method::PATCH, &other, &[], json!({"notes": "n"})).await.problem(404, "not_in_room");
}

#[tokio::test]
async fn prices_and_stock_of_the_shop_show_at_once() {
    let running = live().await;
    room(&running, "planned", &[1, 2]).await;
    let told =
        json!({"items": [{"item_id": item("a", 1), "stock": 0}, {"item_id": item("a", 2), "price": 7.5}]});
    running.post("/items", &told).await.ok();
    let read = list(&running).await;
    let gone = product(&read, &item("a", 1));
    assert_eq!((&gone["stock"], &gone["buyable"]), (&json!(0), &json!(false)));
    assert_eq!(product(&read, &item("a", 2))["price"], 7.5);
}
