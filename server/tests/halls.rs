//! Halls over HTTP: written, undone, shown; on pages; followed by replicas.

use std::collections::BTreeSet;

use hyper::Method;
use serde_json::{Value, json};

use crate::support::shop::{item, publish, user};
use crate::support::{Answer, EAGER, Running, ids, start};

async fn live() -> Running {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let config = format!("{EAGER}[live]\nfolder = '{}'\n", store.path().join("live").display());
    let running = start(&config, store).await;
    running.until_ready().await;
    running
}

async fn put(running: &Running, path: &str, headers: &[(&str, &str)], hall: &Value) -> Answer {
    let headers: Vec<(&str, &str)> =
        headers.iter().copied().chain([("content-type", "application/json")]).collect();
    running.send(Method::PUT, path, &headers, &hall.to_string()).await
}

async fn slate(running: &Running, query: &str) -> Value {
    running.get(&format!("/halls/mothers/slate{query}")).await.ok()
}

fn names(slate: &Value) -> Vec<String> {
    ids(slate, "sections", "name")
}

fn items(slate: &Value) -> Vec<Vec<String>> {
    slate["sections"].as_array().unwrap().iter().map(|section| ids(section, "items", "item_id")).collect()
}

fn hall() -> Value {
    json!({
        "title": {"zh": "母亲节", "en": "Mother's Day"}, "language": "zh",
        "sections": [
            {"name": "known", "title": {"zh": "老朋友"}, "when": "user.known", "count": 3, "image_url": "https://x/1.png"},
            {"name": "app", "when": "context.channel == 'app'", "count": 2},
            {"name": "these", "item_ids": [item("a", 20), item("a", 21), item("a", 29), "none"]},
            {"name": "dear", "text": {"en": "Best"}, "filter": "item.price > 20.0", "count": 4},
        ]
    })
}

#[tokio::test]
async fn a_hall_is_written_undone_and_deleted() {
    let running = live().await;
    running.get("/halls/mothers").await.problem(404, "not_found");
    running.get("/halls/mothers/slate").await.problem(404, "not_found");
    let first = put(&running, "/halls/mothers?who=li&why=may", &[("if-none-match", "*")], &hall()).await;
    let revision = first.ok()["revision"].as_u64().unwrap();
    assert_eq!(first.header("etag"), format!("\"{revision}\""));
    assert_eq!(names(&slate(&running, "").await), ["these", "dear"], "shown by the next answer");
    put(&running, "/halls/mothers", &[("if-none-match", "*")], &hall())
        .await
        .problem(412, "revision_conflict");
    let read = running.get("/halls/mothers").await;
    assert_eq!(read.header("etag"), first.header("etag"));
    let read = read.ok();
    assert_eq!(
        (&read["hall"]["title"], &read["who"], &read["why"]),
        (&hall()["title"], &json!("li"), &json!("may"))
    );
    let mut shorter = hall();
    shorter["sections"].as_array_mut().unwrap().truncate(3);
    put(&running, "/halls/mothers", &[("if-match", first.header("etag"))], &shorter).await.ok();
    assert_eq!(names(&slate(&running, "").await), ["these"]);
    let undone = running.send(Method::POST, "/halls/mothers/undo", &[], "").await.ok();
    assert_eq!(names(&slate(&running, "").await), ["these", "dear"]);
    let history = running.get("/halls/mothers/history").await.ok();
    assert_eq!(history["revisions"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&history["revisions"][0]["revision"], &history["revisions"][0]["restores"]),
        (&undone["revision"], &json!(revision))
    );
    assert_eq!(running.get("/halls").await.ok()["halls"][0]["name"], "mothers");
    running.send(Method::DELETE, "/halls/mothers", &[], "").await.ok();
    running.get("/halls/mothers/slate").await.problem(404, "not_found");
    running.send(Method::POST, "/halls/mothers/undo", &[], "").await.ok();
    assert_eq!(names(&slate(&running, "").await), ["these", "dear"], "a deletion can be undone");
}

#[tokio::test]
async fn sections_are_for_whom_their_conditions_hold() {
    let running = live().await;
    put(&running, "/halls/mothers", &[], &hall()).await.ok();
    let known = slate(&running, &format!("?user_id={}&channel=app&language=en-US", user(4))).await;
    assert_eq!(names(&known), ["known", "app", "these", "dear"]);
    assert_eq!((&known["title"], &known["sections"][0]["title"]), (&json!("Mother's Day"), &json!("老朋友")));
    assert_eq!(known["sections"][0]["image_url"], "https://x/1.png");
    let shown = items(&known);
    let different: BTreeSet<&String> = shown.iter().flatten().collect();
    assert_eq!(different.len(), shown.iter().map(Vec::len).sum::<usize>(), "no item twice: {shown:?}");
    assert!(
        shown[2].iter().all(|id| [item("a", 20), item("a", 21)].contains(id)),
        "29 is sold out: {shown:?}"
    );
    assert_eq!(names(&slate(&running, "?user_id=stranger").await), ["these", "dear"]);
    let mut crowd = hall();
    crowd["show"] = json!("first");
    put(&running, "/halls/mothers", &[], &crowd).await.ok();
    for (query, section) in [
        (format!("?user_id={}", user(4)), "known"),
        ("?channel=app".to_owned(), "app"),
        (String::new(), "these"),
    ] {
        assert_eq!(names(&slate(&running, &query).await), [section], "one address, another shelf: {query}");
    }
}

#[tokio::test]
async fn sections_are_ordered_for_the_person() {
    let running = live().await;
    // Items of three tastes, as users have them.
    let taste = |taste: usize| {
        let items: Vec<String> = (0..9).filter(|n| n % 3 == taste).map(|n| item("a", n)).collect();
        json!({"name": taste.to_string(), "item_ids": items})
    };
    let hall = json!({"order": "person", "sections": [taste(0), taste(1), taste(2)]});
    put(&running, "/halls/mothers", &[], &hall).await.ok();
    for n in 0..6 {
        let slate = slate(&running, &format!("?user_id={}", user(n))).await;
        assert_eq!(names(&slate)[0], (n % 3).to_string(), "the own taste of user {n} is first: {slate}");
    }
}

#[tokio::test]
async fn a_hall_is_a_shelf_of_a_page() {
    let running = live().await;
    put(&running, "/halls/mothers", &[], &hall()).await.ok();
    let page = json!({"user": {"id": user(4)}, "shelves": [
        {"name": "top", "recommend": {"count": 4}},
        {"name": "hall", "hall": {"name": "mothers", "language": "en"}},
        {"name": "none", "hall": {"name": "fathers"}},
        {"name": "rest", "recommend": {"count": 30}},
    ]});
    let page = running.post("/pages", &page).await.ok();
    let hall = &page["shelves"][1]["hall"];
    assert_eq!(hall["title"], "Mother's Day");
    assert_eq!(page["shelves"][2]["problem"]["code"], "not_found", "{page}");
    let mut all: Vec<String> = items(hall).concat();
    for shelf in [0, 3] {
        all.extend(ids(&page["shelves"][shelf]["recommend"], "items", "item_id"));
    }
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (29, 29), "one item of 30 is off sale");
}

#[tokio::test]
async fn what_is_wrong_with_a_hall_is_named() {
    let running = live().await;
    let of = |section: Value| json!({"sections": [{"name": "a"}, section]});
    for (hall, field) in [
        (json!({"sections": []}), "sections"),
        (json!({"sections": [{"name": "a"}], "tilte": {}}), "tilte"),
        (json!({"sections": [{"name": "a"}], "title": {"x y": "z"}}), "title"),
        (of(json!({"name": "a"})), "sections[1].name"),
        (of(json!({"name": ""})), "sections[1].name"),
        (of(json!({"name": "b", "filter": "item.pirce > 1"})), "sections[1].filter"),
        (of(json!({"name": "b", "filter": "item.cost > 1.0"})), "sections[1].filter"),
        (of(json!({"name": "b", "filter": "item.brand == params.brand"})), "sections[1].filter"),
        (of(json!({"name": "b", "when": "item.is_new"})), "sections[1].when"),
        (of(json!({"name": "b", "count": 0})), "sections[1].count"),
        (of(json!({"name": "b", "item_ids": [""]})), "sections[1].item_ids[0]"),
    ] {
        let answer = put(&running, "/halls/mothers", &[], &hall).await;
        assert_eq!(answer.status, 400, "{hall}: {}", answer.text());
        assert_eq!(answer.json()["field"], field, "{}", answer.text());
    }
    running.get("/halls/mothers").await.problem(404, "not_found");
}
