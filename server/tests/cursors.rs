//! Pages of a list over HTTP: `next_cursor` and `cursor`.

use hyper::Method;
use serde_json::{Value, json};

use crate::support::shop::{ITEMS, item, publish, user, write};
use crate::support::{Answer, EAGER, Running, ids, key, served, start};

const SECRET: &str = "[cursors]\nsecret = '0123456789abcdef0123456789abcdef'\n";

async fn page(running: &Running, question: &Value, cursor: Option<&str>) -> Answer {
    let mut question = question.clone();
    if let Some(cursor) = cursor {
        question["cursor"] = json!(cursor);
    }
    running.post("/recommend", &question).await
}

fn next(page: &Value) -> Option<String> {
    page["next_cursor"].as_str().map(str::to_owned)
}

/// The items of all pages, each read by the server that comes next.
async fn read(servers: &[&Running], question: &Value) -> Vec<String> {
    let (mut items, mut cursor) = (Vec::new(), None);
    for n in 0..40 {
        let page = page(servers[n % servers.len()], question, cursor.as_deref()).await.ok();
        items.extend(ids(&page, "items", "item_id"));
        cursor = next(&page);
        if cursor.is_none() {
            return items;
        }
    }
    panic!("the list has no end");
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

#[tokio::test]
async fn pages_go_on_until_every_item_was_shown_once() {
    let running = served().await;
    for question in [
        json!({"count": 7}),
        json!({"user": {"id": user(4)}, "count": 4}),
        json!({"user": {"id": user(5)}, "count": 30}),
        json!({"session_id": "s", "count": 11, "context": {"item_ids": [item("a", 3)]}, "exclude_bought": true}),
        json!({"user": {"id": user(7)}, "count": 2, "filter": "item.id > 'a-item-20'"}),
    ] {
        let mut whole = question.clone();
        whole["count"] = json!(200);
        let whole = ids(&running.post("/recommend", &whole).await.ok(), "items", "item_id");
        let pages = read(&[&running], &question).await;
        assert_eq!(sorted(pages), sorted(whole), "{question}");
    }
}

#[tokio::test]
async fn a_get_goes_on_as_a_post_does() {
    let running = served().await;
    let (mut by_get, mut by_post): (Option<String>, Option<String>) = (None, None);
    for _ in 0..5 {
        let question = json!({"user": {"id": user(4)}, "count": 7, "session_id": "s"});
        let post = page(&running, &question, by_post.as_deref()).await.ok();
        let cursor = by_get.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let path = format!("/recommend?user_id={}&count=7&session_id=s{cursor}", user(4));
        let get = running.get(&path).await.ok();
        assert_eq!(get["items"], post["items"]);
        (by_get, by_post) = (next(&get), next(&post));
    }
    assert!(by_get.is_none() && by_post.is_none(), "30 items are 5 pages of 7");
}

#[tokio::test]
async fn pages_go_on_over_replicas_and_swaps() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let config = format!("{EAGER}{SECRET}");
    let one = start(&config, store).await;
    let other = tempfile::tempdir().unwrap();
    publish(other.path(), "default", "v1", "a");
    let other = start(&config, other).await;
    one.until_ready().await;
    other.until_ready().await;
    let question = json!({"user": {"id": user(4)}, "count": 5});
    assert_eq!(read(&[&one, &other], &question).await.len(), ITEMS - 1, "one item is off sale");
    let first = page(&one, &question, None).await.ok();
    // The same items in another version.
    write(one.store.path(), "default", "v2", "a");
    qianmian_models::storage::versions::ShopStore::new(one.store.path(), "default")
        .unwrap()
        .publish("v2")
        .unwrap();
    one.until("swapped", || async { one.version().await == "v2" }).await;
    let second = page(&one, &question, next(&first).as_deref()).await.ok();
    let (first, second) = (ids(&first, "items", "item_id"), ids(&second, "items", "item_id"));
    assert_eq!(second.len(), 5);
    assert!(second.iter().all(|id| !first.contains(id)), "{first:?} {second:?}");
    let alone = served().await;
    let problem = page(&alone, &question, next(&page(&one, &question, None).await.ok()).as_deref()).await;
    problem.problem(400, "invalid_cursor");
}

#[tokio::test]
async fn cursors_of_others_are_refused() {
    let running = served().await;
    let ask = async |question: Value, cursor: &str| page(&running, &question, Some(cursor)).await;
    let of_user = page(&running, &json!({"user": {"id": user(4)}, "count": 5}), None).await.ok();
    let cursor = next(&of_user).unwrap();
    for question in [
        json!({"user": {"id": user(5)}}),
        json!({}),
        json!({"session_id": user(4)}),
        json!({"user": {"id": user(4)}, "scene": "cart"}),
        json!({"user": {"ids": [{"type": "member_card", "value": user(4)}]}}),
    ] {
        let problem = ask(question.clone(), &cursor).await.problem(400, "foreign_cursor");
        assert_eq!(problem["field"], "cursor", "{question}");
    }
    let own = json!({"user": {"id": user(4)}, "session_id": "another", "count": 3});
    ask(own.clone(), &cursor).await.ok();
    for forged in ["", "x", &cursor[1..], &format!("{}A", &cursor[..cursor.len() - 1]), &"A".repeat(20_000)] {
        ask(own.clone(), forged).await.problem(400, "invalid_cursor");
    }
}

#[tokio::test]
async fn a_cursor_of_another_shop_is_refused() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "one", "v1", "a");
    publish(store.path(), "other", "v1", "a");
    let ((of_one, one), (of_other, other)) = (key("one", "read"), key("other", "read"));
    let running = start(&format!("{EAGER}{one}{other}"), store).await;
    running.until_ready().await;
    let ask = async |key: &str, question: Value| {
        let headers = [("authorization", key), ("content-type", "application/json")];
        running.send(Method::POST, "/recommend", &headers, &question.to_string()).await
    };
    running.until("ready", || async { ask(&of_other, json!({})).await.status == 200 }).await;
    let cursor = next(&ask(&of_one, json!({"count": 5})).await.ok()).unwrap();
    ask(&of_one, json!({"count": 5, "cursor": cursor})).await.ok();
    ask(&of_other, json!({"count": 5, "cursor": cursor})).await.problem(400, "foreign_cursor");
}

#[tokio::test]
async fn rules_hold_over_the_borders_of_pages() {
    let rules = r#"
[shops.default.scenes.home]
exploration_percent = 0
rules = [
  { id = "few", priority = 1, action = { mix = { items = "item.id < 'a-item-15'", at_most = 1, first = 8 } } },
  { id = "pin", action = { pin = { item_id = "a-item-28", slot = 7 } } },
]
"#;
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let running = start(&format!("{EAGER}{rules}"), store).await;
    running.until_ready().await;
    for n in 0..9 {
        let question = json!({"user": {"id": user(n)}, "count": 5});
        let mut pages = vec![page(&running, &question, None).await.ok()];
        for _ in 0..2 {
            let cursor = next(pages.last().unwrap());
            pages.push(page(&running, &question, cursor.as_deref()).await.ok());
        }
        assert_eq!(
            pages[0]["unmet"][0]["because"], "short_slate",
            "slot 7 is on the second page: {}",
            pages[0]
        );
        let all: Vec<String> = pages.iter().flat_map(|page| ids(page, "items", "item_id")).collect();
        let few = all[..8].iter().filter(|id| id.as_str() < "a-item-15").count();
        assert!(few <= 1, "{all:?}");
        match all[..5].iter().position(|id| id == "a-item-28") {
            None => assert_eq!(all[6], "a-item-28"),
            Some(slot) => assert_eq!(
                pages[1]["unmet"][0],
                json!({"rule": "pin", "wanted": 7, "got": slot + 1, "because": "earlier_page"})
            ),
        }
        assert!(pages[2].get("unmet").is_none(), "the third page has no slot of a rule: {}", pages[2]);
    }
}
