//! The answers of the calls, over HTTP, from a shop whose right answers are known.

use crate::support::shop::{item, taste, user};
use crate::support::{ids, served};
use serde_json::{Value, json};

/// The number in an item's id.
fn number(id: &str) -> usize {
    id.rsplit('-').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_known_user_gets_items_of_their_taste_with_reasons() {
    let running = served().await;
    let body = running.post("/recommend", &json!({"user": {"id": user(4)}, "count": 6})).await.ok();
    assert_eq!(body["personalized"], true, "{body}");
    assert_eq!(body["fallback"], Value::Null);
    assert_eq!(body["model"], json!({"version": "v1", "trained_at": "2023-11-15T00:00:00Z"}));
    let items = ids(&body, "items", "item_id");
    assert_eq!(items.len(), 6);
    assert!(items.iter().all(|id| taste(number(id)) == taste(4)), "{items:?}");
    let first = &body["items"][0];
    assert_eq!((&first["rank"], &first["source"]), (&json!(1), &json!("personal")), "{first}");
    assert_eq!(first["reasons"][0]["code"], "bought_before", "{first}");
    assert_eq!(first["reasons"][0]["times"], 1);
    assert!(first["reasons"][0]["last_at"].as_str().unwrap().ends_with('Z'));
    assert!(first["title"].as_str().unwrap().starts_with("商品"));
    assert!(first.get("evidence").is_none());
    let scores: Vec<f64> =
        body["items"].as_array().unwrap().iter().map(|item| item["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
}

#[tokio::test]
async fn get_and_post_answer_alike() {
    let running = served().await;
    let query = format!("/recommend?user_id={}&count=7&exclude_bought=true&explain=true&scene=cart", user(7));
    let by_get = running.get(&query).await.ok();
    let request = json!({"user": {"id": user(7)}, "count": 7, "exclude_bought": true, "explain": true, "scene": "cart"});
    let by_post = running.post("/recommend", &request).await.ok();
    assert_eq!(by_get["items"], by_post["items"]);
    assert_eq!(by_get["items"].as_array().unwrap().len(), 7);
    let evidence = &by_get["items"][0]["evidence"];
    assert_eq!(evidence["personal"], 0.0, "{evidence}");
    assert!(evidence["factors"].as_f64().unwrap() > 0.0, "{evidence}");
}

#[tokio::test]
async fn a_newcomer_gets_what_sells_in_the_store_they_are_in() {
    let running = served().await;
    let ask = async |context: Value| {
        running.post("/recommend", &json!({"count": 3, "context": context})).await.ok()
    };
    let there = ask(json!({"channel": "app", "store_id": "S1", "city": "上海"})).await;
    assert_eq!(ids(&there, "items", "item_id"), [item("a", 9), item("a", 8), item("a", 0)]);
    assert_eq!((&there["personalized"], &there["fallback"]), (&json!(false), &json!("popularity")));
    let elsewhere = ask(json!({"channel": "app", "store_id": "S2", "city": "上海"})).await;
    assert_eq!(ids(&elsewhere, "items", "item_id"), [item("a", 0), item("a", 1), item("a", 2)]);
    let known = async |context: Value| {
        let request = json!({"user": {"id": user(4)}, "count": 6, "context": context});
        running.post("/recommend", &request).await.ok()
    };
    let (at_home, there) = (known(json!({})).await, known(json!({"store_id": "S1"})).await);
    assert_eq!(at_home["items"], there["items"], "a history says more than a place");
}

#[tokio::test]
async fn unknown_and_anonymous_users_get_labeled_best_sellers() {
    let running = served().await;
    let unknown = running.post("/recommend", &json!({"user": {"id": "nobody"}, "count": 3})).await.ok();
    assert_eq!((&unknown["fallback"], &unknown["personalized"]), (&json!("unknown_user"), &json!(false)));
    let anonymous = running.post("/recommend", &json!({"count": 3})).await.ok();
    assert_eq!(anonymous["fallback"], "popularity");
    for body in [&unknown, &anonymous] {
        assert_eq!(ids(body, "items", "item_id"), [item("a", 0), item("a", 1), item("a", 2)]);
        assert_eq!(body["items"][0]["reasons"], json!([{"code": "popular"}]));
    }
    let opted_out = running
        .post("/recommend", &json!({"user": {"id": user(4)}, "count": 3, "personalize": false}))
        .await
        .ok();
    assert_eq!(opted_out["items"], anonymous["items"]);
    assert_eq!(opted_out["fallback"], "popularity");
}

#[tokio::test]
async fn context_speaks_for_a_visitor_and_its_items_are_not_returned() {
    let running = served().await;
    let context = json!({"item_ids": [item("a", 4)], "cart": [item("a", 7), "gone", "gone"]});
    let request = json!({"context": context, "exclude_item_ids": [item("a", 1)], "count": 5});
    let body = running.post("/recommend", &request).await.ok();
    assert_eq!((&body["personalized"], &body["fallback"]), (&json!(true), &Value::Null), "{body}");
    assert_eq!(body["unknown_item_ids"], json!(["gone"]));
    let items = ids(&body, "items", "item_id");
    assert_eq!(taste(number(&items[0])), 1, "{items:?}");
    assert!(![1, 4, 7].iter().any(|&n| items.contains(&item("a", n))), "{items:?}");
    assert!(
        body["items"].to_string().contains(r#""code":"bought_together","item_id":"a-item-07""#),
        "{body}"
    );
}

#[tokio::test]
async fn what_is_sold_out_is_never_recommended() {
    let running = served().await;
    let body = running.get("/recommend?count=200").await.ok();
    let items = ids(&body, "items", "item_id");
    assert_eq!(items.len(), crate::support::shop::ITEMS - 1);
    assert!(!items.contains(&item("a", 29)));
}

#[tokio::test]
async fn similar_items_share_the_taste() {
    let running = served().await;
    let request = json!({"item_ids": [item("a", 2), "gone"], "count": 4});
    let body = running.post("/similar", &request).await.ok();
    let items = ids(&body, "items", "item_id");
    assert_eq!(items.len(), 4);
    assert!(items.iter().all(|id| taste(number(id)) == 2 && number(id) != 2), "{items:?}");
    assert_eq!(body["items"][0]["because_item_id"], item("a", 2));
    assert_eq!(body["unknown_item_ids"], json!(["gone"]));
    assert_eq!(body["empty_reason"], Value::Null);
}

#[tokio::test]
async fn an_empty_list_says_why() {
    let running = served().await;
    for (path, field) in [("/similar", "item_ids"), ("/bundle", "cart"), ("/audience", "item_ids")] {
        let body = running.post(path, &json!({field: ["gone"]})).await.ok();
        assert_eq!(body["empty_reason"], "unknown_items", "{path}");
    }
    for (path, field) in [("/similar", "item_ids"), ("/bundle", "cart")] {
        let body = running.post(path, &json!({field: [item("a", 28)]})).await.ok();
        assert_eq!(body["empty_reason"], "insufficient_data", "{path} {body}");
    }
}

#[tokio::test]
async fn a_bundle_carries_its_evidence() {
    let running = served().await;
    let body = running.post("/bundle", &json!({"cart": [item("a", 3)], "count": 2})).await.ok();
    let complement = &body["complements"][0];
    assert_eq!(
        (&complement["item_id"], &complement["with_item_id"]),
        (&json!(item("a", 6)), &json!(item("a", 3)))
    );
    let bundle = &body["bundles"][0];
    let items: Vec<&str> =
        bundle["items"].as_array().unwrap().iter().map(|item| item["item_id"].as_str().unwrap()).collect();
    assert_eq!(items, [item("a", 3), item("a", 6)]);
    // 6 of 200 baskets hold both, 20 hold each.
    for set in [complement, bundle] {
        assert_eq!((&set["baskets"], &set["support"]), (&json!(6), &json!(0.03)), "{set}");
        assert_eq!((&set["confidence"], &set["lift"]), (&json!(0.3), &json!(3.0)), "{set}");
    }
    assert_eq!(bundle["price"], 4.5 + 7.5);
    assert_eq!((&bundle["margin"], &bundle["stock"]), (&json!(1), &json!(94)));
    let strict = running.post("/bundle", &json!({"cart": [item("a", 3)], "min_baskets": 7})).await.ok();
    assert_eq!(strict["bundles"], json!([]));
}

#[tokio::test]
async fn a_set_of_three_is_counted_whole_and_sums_what_is_known() {
    let running = served().await;
    let body =
        running.post("/bundle", &json!({"cart": [item("a", 9), item("a", 3)], "min_items": 3})).await.ok();
    let sets = body["bundles"].as_array().unwrap();
    assert_eq!(sets.len(), 1, "{body}");
    let set = &sets[0];
    assert_eq!(ids(set, "items", "item_id"), [item("a", 3), item("a", 9), item("a", 6)], "the cart is first");
    assert_eq!((&set["evidence"], &set["pair_item_ids"]), (&json!("observed"), &Value::Null));
    // 2 of 200 baskets hold all three, 3 the two of the cart, 20 the third.
    assert_eq!((&set["baskets"], &set["support"]), (&json!(2), &json!(0.01)));
    assert_eq!(set["confidence"], json!(2.0 / 3.0));
    assert_eq!((set["lift"].as_f64().unwrap() * 3.0).round(), 20.0, "{set}");
    assert_eq!((&set["price"], &set["margin"], &set["stock"]), (&json!(22.5), &json!(1.5), &json!(91)));
    let partly = running.post("/bundle", &json!({"cart": [item("a", 8)], "max_items": 2})).await.ok();
    let [with_5, with_11] = [5, 11].map(|n| {
        let sets = partly["bundles"].as_array().unwrap();
        sets.iter().find(|set| set["items"][1]["item_id"] == item("a", n)).unwrap().clone()
    });
    assert_eq!(
        (&with_5["price"], &with_5["margin"], &with_5["stock"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!((&with_11["price"], &with_11["margin"]), (&json!(22), &Value::Null), "one cost is not known");
}

#[tokio::test]
async fn predicted_bundles_say_what_is_counted() {
    let running = served().await;
    let mut request = json!({"cart": [item("a", 12)], "min_items": 3, "min_baskets": 3});
    let strict = running.post("/bundle", &request).await.ok();
    assert_eq!((&strict["bundles"], &strict["empty_reason"]), (&json!([]), &Value::Null));
    assert_eq!(strict["bundles_empty_reason"], "insufficient_data");
    request["mode"] = json!("relaxed");
    let relaxed = running.post("/bundle", &request).await.ok();
    assert_eq!(relaxed["bundles"].as_array().unwrap().len(), 1, "{relaxed}");
    let set = &relaxed["bundles"][0];
    assert_eq!(ids(set, "items", "item_id"), [item("a", 12), item("a", 15), item("a", 18)]);
    assert_eq!((&set["evidence"], &set["baskets"]), (&json!("predicted"), &json!(3)));
    assert_eq!(set["pair_item_ids"], json!([item("a", 12), item("a", 18)]));
    assert_eq!(
        (&set["support"], &set["confidence"], &set["lift"]),
        (&json!(0.015), &json!(0.15), &json!(1.5))
    );
    assert_eq!(relaxed["bundles_empty_reason"], Value::Null);
    request["min_baskets"] = json!(4);
    assert_eq!(running.post("/bundle", &request).await.ok()["bundles"], json!([]), "a pair is in three only");
}

#[tokio::test]
async fn complements_are_personal_only_on_request() {
    let running = served().await;
    let ask = async |user: &str, cart: &str, personalize: bool| {
        let request = json!({"cart": [cart], "user": {"id": user}, "personalize": personalize, "count": 5});
        running.post("/bundle", &request).await.ok()
    };
    // User 4 bought items 4, 7 and 10; the cart's own companions are 6 and 9.
    let personal = ask(&user(4), &item("a", 3), true).await;
    let plain = ask(&user(4), &item("a", 3), false).await;
    assert_eq!((&personal["personalized"], &plain["personalized"]), (&json!(true), &json!(false)));
    assert_eq!(ids(&plain, "complements", "item_id"), [item("a", 6), item("a", 9)]);
    let lifted = ids(&personal, "complements", "item_id");
    assert_eq!(lifted, [item("a", 6), item("a", 9), item("a", 10), item("a", 7), item("a", 4)]);
    assert_eq!(personal["bundles"], plain["bundles"]);
    let stranger = ask("nobody", &item("a", 3), true).await;
    assert_eq!((&stranger["personalized"], &stranger["complements"]), (&json!(false), &plain["complements"]));
    let nothing = ask(&user(4), "gone", true).await;
    assert_eq!((&nothing["complements"], &nothing["empty_reason"]), (&json!([]), &json!("unknown_items")));
}

#[tokio::test]
async fn an_audience_is_buyers_first_and_can_leave_them_out() {
    let running = served().await;
    let request = json!({"item_ids": [item("a", 4)], "count": 10});
    let body = running.post("/audience", &request).await.ok();
    let first = &body["users"][0];
    assert_eq!((&first["segment"], &first["rank"]), (&json!("repeat"), &json!(1)), "{first}");
    assert_eq!(first["reasons"][0]["code"], "bought_before", "{first}");
    assert_eq!(first["reasons"][0]["times"], first["bought"]);
    let fresh = running
        .post("/audience", &json!({"item_ids": [item("a", 4)], "count": 10, "exclude_buyers": true}))
        .await
        .ok();
    for person in fresh["users"].as_array().unwrap() {
        assert_eq!((&person["segment"], &person["bought"]), (&json!("new"), &json!(0)));
        assert!(person["channel"].is_null() || person["channel"] == "mini_program");
    }
    assert!(!fresh["users"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn an_audience_says_how_likely_and_how_many() {
    let running = served().await;
    let body = running.post("/audience", &json!({"item_ids": [item("a", 4)], "count": 12})).await.ok();
    assert_eq!(body["within"], json!({"kind": "days", "days": 30.0}));
    let users = body["users"].as_array().unwrap();
    let likely = |n: usize| users[n]["probability"].as_f64().unwrap();
    assert!((likely(0) - 0.5).abs() < 1e-6 && users[0]["probability"] == users[0]["score"], "{}", users[0]);
    let expected = body["expected_conversions"].as_array().unwrap();
    assert_eq!(expected.iter().map(|e| e["first"].as_u64().unwrap()).collect::<Vec<_>>(), [10, 12]);
    let sum: f64 = (0..12).map(likely).sum();
    assert!((expected[1]["conversions"].as_f64().unwrap() - sum).abs() < 1e-4);
    assert!(users.iter().all(|user| user.get("group").is_none()));
}

#[tokio::test]
async fn described_items_find_people_by_their_attributes() {
    let running = served().await;
    let goods = json!({"title": "商品 新", "price": 9.0});
    let body = running.post("/audience", &json!({"item": goods, "count": 10})).await.ok();
    assert_eq!(body["empty_reason"], Value::Null, "{body}");
    for person in body["users"].as_array().unwrap() {
        assert_eq!(person["segment"], "new");
        assert!((person["probability"].as_f64().unwrap() - 0.0474).abs() < 1e-3, "{person}");
    }
    let codes = |person: &Value| person["reasons"].to_string();
    assert!(body["users"].as_array().unwrap().iter().any(|p| codes(p).contains("bought_companion")));
    let strange = running.post("/audience", &json!({"item": {"brand": "nobody's"}})).await.ok();
    assert_eq!(strange["empty_reason"], "insufficient_data");
    let both = json!({"item": goods, "item_ids": [item("a", 4)], "count": 10});
    assert_eq!(running.post("/audience", &both).await.ok()["users"][0]["segment"], "repeat");
}

#[tokio::test]
async fn a_holdout_is_drawn_by_its_seed_alone() {
    let running = served().await;
    let held = async |seed: &str, count: u32| -> Vec<Value> {
        let holdout = json!({"share": 0.5, "seed": seed});
        let request = json!({"item_ids": [item("a", 4)], "count": count, "holdout": holdout});
        let users = running.post("/audience", &request).await.ok()["users"].as_array().unwrap().clone();
        assert!(users.iter().all(|user| user["group"] == "holdout" || user["group"] == "reach"));
        let held = users.iter().filter(|user| user["group"] == "holdout");
        held.map(|user| user["user_id"].clone()).collect()
    };
    let spring = held("spring", 20).await;
    assert!((3..=17).contains(&spring.len()), "{spring:?}");
    assert!(held("spring", 40).await.starts_with(&spring));
    assert_ne!(held("autumn", 20).await, spring);
}

#[tokio::test]
async fn an_audience_streams_the_same_people_a_line_each() {
    let running = served().await;
    let request = json!({"item_ids": [item("a", 4)], "count": 30});
    let whole = running.post("/audience", &request).await.ok();
    let headers = [("content-type", "application/json"), ("accept", "application/x-ndjson")];
    let stream = running.send(hyper::Method::POST, "/audience", &headers, &request.to_string()).await;
    assert_eq!(
        (stream.header("content-type"), stream.header("x-model-version")),
        ("application/x-ndjson", "v1")
    );
    let lines: Vec<Value> = stream.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(&Value::Array(lines), &whole["users"]);
}

#[tokio::test]
async fn a_profile_tells_activity_tiers_stage_and_history() {
    let running = served().await;
    let body = running.get(&format!("/users/{}?count=2", user(4))).await.ok();
    assert_eq!(body["activity"]["baskets"], 7);
    assert_eq!(body["activity"]["channel"], "mini_program");
    assert_eq!(body["rfm"], json!({"recency": 5, "frequency": 3, "monetary": 1}));
    assert_eq!(body["lifecycle"], "active");
    assert_eq!((&body["items_bought"], body["history"].as_array().unwrap().len()), (&json!(3), 2));
    assert!(body["history"][0]["title"].as_str().unwrap().starts_with("商品"));
    running.get("/users/nobody%2F%20%E7%89%99").await.problem(404, "unknown_user");
}

#[tokio::test]
async fn the_platform_is_told_what_it_asks() {
    let running = served().await;
    assert_eq!(running.get("/healthz").await.ok(), json!({"status": "ok"}));
    assert_eq!(
        running.get("/readyz").await.ok(),
        json!({"ready": true, "shops": 1, "serving": 1, "failing_workers": [], "degraded": []})
    );
    running.get("/recommend?count=3").await.ok();
    let metrics = running.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain"));
    for line in [
        "qianmian_http_requests_total{method=\"GET\",route=\"/recommend\",status=\"2xx\"} 1",
        "qianmian_served_items_total{source=\"popularity\"} 3",
        "qianmian_fallbacks_total{fallback=\"popularity\"} 1",
        "qianmian_model_serving{shop=\"default\"} 1",
    ] {
        assert!(metrics.text().contains(line), "{line} is not in\n{}", metrics.text());
    }
}

#[tokio::test]
async fn the_page_and_its_files_are_served_from_the_binary() {
    let running = served().await;
    assert_eq!(running.get("/docs").await.header("location"), "docs/");
    let page = running.get("/docs/").await;
    assert!(page.header("content-type").starts_with("text/html") && page.text().contains("swagger-ui"));
    let script = running.get("/docs/swagger-initializer.js").await.text();
    assert!(script.contains("../openapi.json"), "{script}");
    running.get("/docs/nothing.js").await.problem(404, "not_found");
}

#[tokio::test]
async fn without_a_model_the_answer_is_the_cure() {
    let running = crate::support::start(crate::support::EAGER, tempfile::tempdir().unwrap()).await;
    running.get("/readyz").await.problem(503, "not_ready");
    assert_eq!(running.get("/healthz").await.status, 200);
    let problem = running.get("/recommend").await.problem(503, "no_model");
    assert!(problem["detail"].as_str().unwrap().contains("publish"), "{problem}");
    assert_eq!(running.get("/models").await.ok()["serving"], Value::Null);
}
