//! The commands of a show, their revisions and their keys; over both stores, as `rooms.rs`.

use super::*;
use crate::support::key;

async fn explain(running: &Running, body: Value) -> Answer {
    running.post("/rooms/r/explain", &body).await
}

async fn push(running: &Running, body: Value) -> Answer {
    running.post("/rooms/r/push", &body).await
}

#[tokio::test]
async fn a_product_is_explained_for_a_while() {
    let running = live().await;
    room(&running, "planned", &[1, 2]).await;
    let one = json!({"item_id": item("a", 1)});
    explain(&running, one.clone()).await.problem(409, "wrong_state");
    room(&running, "live", &[]).await;
    explain(&running, one.clone()).await.ok();
    let read = list(&running).await;
    assert_eq!(read["room"]["explaining"]["item_id"], item("a", 1));
    assert_eq!(product(&read, &item("a", 1))["explained"], true);
    explain(&running, json!({"item_id": item("a", 2), "ttl_seconds": 1})).await.ok();
    let read = list(&running).await;
    assert_eq!(
        (&product(&read, &item("a", 1))["explained"], &product(&read, &item("a", 2))["explained"]),
        (&json!(false), &json!(true))
    );
    tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
    let over = list(&running).await;
    assert_eq!((&over["room"]["explaining"], &over["revision"]), (&Value::Null, &read["revision"]));
    assert_ne!(over["hash"], read["hash"], "the clock changes what is shown");
    explain(&running, json!({"item_id": item("a", 9)})).await.problem(404, "not_in_room");
    let hidden = format!("/rooms/r/products/{}", item("a", 1));
    call(&running, Method::PATCH, &hidden, &[], json!({"visibility": "hidden"})).await.ok();
    explain(&running, one).await.problem(409, "off_shelf");
    explain(&running, json!({"ttl_seconds": 0})).await.problem(400, "invalid_field");
    explain(&running, json!({})).await.ok();
    assert_eq!(list(&running).await["room"]["explaining"], Value::Null);
}

#[tokio::test]
async fn a_card_is_pushed_again_at_once() {
    let running = live().await;
    room(&running, "live", &[1, 2, 3]).await;
    explain(&running, json!({"item_id": item("a", 1)})).await.ok();
    for number in 1..=3 {
        let pushed = push(&running, json!({"item_id": item("a", 1)})).await.ok();
        assert_eq!(pushed["number"], number, "also while it is explained");
    }
    assert_eq!(list(&running).await["room"]["push"]["number"], 3);
    let other = push(&running, json!({"item_id": item("a", 2)})).await.problem(409, "push_running");
    assert!(other["detail"].as_str().unwrap().contains(&item("a", 1)), "{other}");
    push(&running, json!({"item_id": item("a", 2), "replace": true, "ttl_seconds": 1})).await.ok();
    tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
    assert_eq!(list(&running).await["room"]["push"], Value::Null);
    push(&running, json!({"item_id": item("a", 3)})).await.ok();
    let path = format!("/rooms/r/products/{}", item("a", 2));
    call(&running, Method::PATCH, &path, &[], json!({"visibility": "visible_not_buyable"})).await.ok();
    push(&running, json!({"item_id": item("a", 2), "replace": true})).await.problem(409, "not_buyable");
    running.post("/items", &json!({"items": [{"item_id": item("a", 1), "stock": 0}]})).await.ok();
    push(&running, json!({"item_id": item("a", 1), "replace": true})).await.problem(409, "not_buyable");
    push(&running, json!({"item_id": "nothing"})).await.problem(404, "not_in_room");
    running.post("/rooms/none/push", &json!({"item_id": "x"})).await.problem(404, "unknown_room");
    put(&running, "/rooms/r", json!({"title": "t", "state": "ended"})).await.ok();
    push(&running, json!({"item_id": item("a", 3)})).await.problem(409, "wrong_state");
    assert_eq!(list(&running).await["room"]["push"], Value::Null, "a show that is over shows no card");
}

#[tokio::test]
async fn two_assistants_never_overwrite_each_other() {
    let running = live().await;
    room(&running, "planned", &[1, 2, 3]).await;
    let seen = running.get("/rooms/r").await.header("etag").to_owned();
    let order = async |headers: &[(&str, &str)], numbers: &str| {
        call(&running, Method::POST, "/rooms/r/products/order", headers, json!({"numbers": numbers})).await
    };
    order(&[("if-match", &seen)], "3").await.ok();
    let path = format!("/rooms/r/products/{}", item("a", 2));
    running.send(Method::DELETE, &path, &[], "").await.ok();
    room(&running, "planned", &[4]).await;
    let late = order(&[("if-match", &seen)], "2").await.problem(412, "revision_conflict");
    assert_eq!(numbers(&late["current"]), [3, 1, 4], "the current list");
    let difference = json!({"added": [item("a", 4)], "removed": [item("a", 2)], "changed": [], "reordered": true, "room": []});
    assert_eq!(late["difference"], difference);
    let current = format!("\"{}\"", late["current"]["revision"]);
    order(&[("if-match", &current)], "4").await.ok();
    assert_eq!(numbers(&list(&running).await), [4, 3, 1]);
    let unheard = order(&[("if-match", "\"999999\"")], "1").await.problem(412, "revision_conflict");
    assert_eq!(unheard["difference"], Value::Null);
    order(&[("if-match", "new")], "1").await.problem(400, "invalid_request");
    let stale = [("if-match", seen.as_str())];
    call(&running, Method::DELETE, "/rooms/r", &stale, json!({})).await.problem(412, "revision_conflict");
    running.send(Method::POST, "/rooms/r/undo", &stale, "").await.problem(412, "revision_conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_at_once_all_hold() {
    let running = std::sync::Arc::new(live().await);
    room(&running, "planned", &[]).await;
    let adding = (0..12).map(|n| {
        let running = std::sync::Arc::clone(&running);
        tokio::spawn(async move {
            let products = json!({"products": [{"item_id": format!("p{n}")}]});
            running.post("/rooms/r/products", &products).await.ok();
        })
    });
    for task in adding.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let mut given = numbers(&list(&running).await);
    given.sort_unstable();
    assert_eq!(given, (1..=12).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_key_makes_a_command_count_once() {
    let running = live().await;
    room(&running, "live", &[1, 2]).await;
    let with_key = [("idempotency-key", "k-1")];
    let push = async |n: usize| {
        let body = json!({"item_id": item("a", n), "replace": true});
        call(&running, Method::POST, "/rooms/r/push", &with_key, body).await
    };
    let first = push(1).await.ok();
    assert_eq!((&first["repeated"], &first["number"]), (&json!(false), &json!(1)));
    let again = push(1).await.ok();
    assert_eq!((&again["repeated"], &again["revision"]), (&json!(true), &first["revision"]));
    push(2).await.problem(409, "key_conflict");
    assert_eq!(list(&running).await["room"]["push"]["number"], 1);
    running.send(Method::POST, "/rooms/r/undo", &[], "").await.ok();
    assert_eq!(list(&running).await["room"]["push"], Value::Null);
    assert_eq!(push(1).await.ok()["repeated"], true, "a late repetition does not run what was undone");
    assert_eq!(list(&running).await["room"]["push"], Value::Null);
    let long = "k".repeat(257);
    let long = [("idempotency-key", long.as_str())];
    let answer = call(&running, Method::POST, "/rooms/r/push", &long, json!({"item_id": item("a", 1)})).await;
    assert_eq!(answer.problem(400, "invalid_request")["field"], "idempotency-key");
}

#[tokio::test]
async fn a_deleted_room_is_gone_and_comes_back() {
    let running = live().await;
    room(&running, "live", &[1, 2]).await;
    running.send(Method::DELETE, "/rooms/r", &[], "").await.ok();
    running.get("/rooms/r").await.problem(404, "unknown_room");
    running.get("/rooms/r/products").await.problem(404, "unknown_room");
    explain(&running, json!({"item_id": item("a", 1)})).await.problem(404, "unknown_room");
    let again = running.send(Method::DELETE, "/rooms/r", &[], "").await.ok();
    assert_eq!(again["repeated"], true);
    running.send(Method::DELETE, "/rooms/never", &[], "").await.problem(404, "unknown_room");
    running.send(Method::POST, "/rooms/r/undo", &[], "").await.ok();
    assert_eq!(numbers(&list(&running).await), [1, 2]);
    let commands = ids(&running.get("/rooms/r/history").await.ok(), "revisions", "command");
    assert_eq!(commands[..3], ["undo", "delete", "put"]);
}

#[tokio::test]
async fn a_room_survives_a_restart() {
    let running = live().await;
    room(&running, "live", &[3, 1]).await;
    explain(&running, json!({"item_id": item("a", 1)})).await.ok();
    let before = list(&running).await;
    let Running { server, store, redis, .. } = running;
    server.stop().await;
    let again = start(&config(store.path(), redis.as_ref()), store).await;
    again.until_ready().await;
    again.until("read", || async { again.get("/rooms/r").await.status == 200 }).await;
    let after = list(&again).await;
    assert_eq!(after["hash"], before["hash"]);
    drop(redis);
}

#[tokio::test]
async fn viewers_read_and_operators_command() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let keys = ["read", "write", "storefront"].map(|scope| key("default", scope));
    let entries: String = keys.iter().map(|(_, entry)| entry.as_str()).collect();
    let running = start(&format!("{}{entries}", config(store.path(), None)), store).await;
    running.until_ready().await;
    let [read, write, storefront] = keys.map(|(key, _)| key);
    let send = async |key: &str, method: Method, path: &str, body: Value| {
        call(&running, method, path, &[("authorization", key)], body).await
    };
    let title = json!({"title": "t"});
    send(&read, Method::PUT, "/rooms/r", title.clone()).await.problem(403, "missing_scope");
    send(&storefront, Method::PUT, "/rooms/r", title.clone()).await.problem(403, "missing_scope");
    assert_eq!(send(&write, Method::PUT, "/rooms/r", title).await.status, 201);
    let products = json!([{"item_id": "a", "visibility": "hidden"}, {"item_id": "b", "notes": "secret"}]);
    send(&write, Method::POST, "/rooms/r/products", json!({"products": products})).await.ok();
    let list = async |key: &str| {
        running.send(Method::GET, "/rooms/r/products", &[("authorization", key)], "").await.ok()
    };
    assert_eq!(ids(&list(&read).await, "products", "item_id"), ["a", "b"]);
    let shown = list(&storefront).await;
    assert_eq!(ids(&shown, "products", "item_id"), ["b"], "nothing hidden");
    assert!(!shown.to_string().contains("secret"), "no notes");
    running
        .send(Method::GET, "/rooms", &[("authorization", &storefront)], "")
        .await
        .problem(403, "missing_scope");
}
