//! Scenes over HTTP: written, read, followed, undone; and what their rules do to slates.

use hyper::Method;
use serde_json::{Value, json};

use crate::support::shop::{item, publish, user};
use crate::support::{Answer, EAGER, Running, ids, start};

async fn live(config: &str) -> Running {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let config = format!("{EAGER}[live]\nfolder = '{}'\n{config}", store.path().join("live").display());
    let running = start(&config, store).await;
    running.until_ready().await;
    running
}

async fn put(running: &Running, path: &str, headers: &[(&str, &str)], scene: &Value) -> Answer {
    let headers: Vec<(&str, &str)> =
        headers.iter().copied().chain([("content-type", "application/json")]).collect();
    running.send(Method::PUT, path, &headers, &scene.to_string()).await
}

async fn slate(running: &Running, question: Value) -> Value {
    running.post("/recommend", &question).await.ok()
}

async fn shown(running: &Running, question: Value) -> Vec<String> {
    ids(&slate(running, question).await, "items", "item_id")
}

#[tokio::test]
async fn a_scene_is_written_read_followed_and_undone() {
    let running = live("").await;
    running.get("/scenes/home").await.problem(404, "not_found");
    let scene = json!({"count": 3, "filter": "item.price > 10.0", "description": "首页"});
    let put_path = "/scenes/home?who=li&why=%E4%B8%8A%E6%96%B0";
    let first = put(&running, put_path, &[("if-none-match", "*")], &scene).await;
    let revision = first.ok()["revision"].as_u64().unwrap();
    assert_eq!(first.header("etag"), format!("\"{revision}\""));
    assert_eq!(shown(&running, json!({})).await.len(), 3, "the next answer is made by it");
    let read = running.get("/scenes/home").await;
    assert_eq!(read.header("etag"), first.header("etag"));
    let read = read.ok();
    assert_eq!((&read["scene"], &read["who"], &read["why"]), (&scene, &json!("li"), &json!("上新")));
    put(&running, "/scenes/home", &[("if-none-match", "*")], &scene).await.problem(412, "revision_conflict");
    let stale = put(&running, "/scenes/home", &[("if-match", "\"999\"")], &scene).await;
    assert!(
        stale.problem(412, "revision_conflict")["detail"].as_str().unwrap().contains(&revision.to_string())
    );
    let second =
        put(&running, "/scenes/home", &[("if-match", first.header("etag"))], &json!({"count": 5})).await;
    assert_ne!(second.header("etag"), first.header("etag"));
    assert_eq!(shown(&running, json!({})).await.len(), 5);
    let undone = running.send(Method::POST, "/scenes/home/undo", &[], "").await.ok();
    assert_eq!(shown(&running, json!({})).await.len(), 3);
    let history = running.get("/scenes/home/history").await.ok();
    let revisions = history["revisions"].as_array().unwrap();
    assert_eq!((revisions.len(), &revisions[0]["revision"]), (3, &undone["revision"]));
    assert_eq!(revisions[0]["restores"], revision);
    let listed = running.get("/scenes").await.ok();
    assert_eq!(
        (&listed["scenes"][0]["name"], &listed["scenes"][0]["origin"]),
        (&json!("home"), &json!("edited"))
    );
    running.send(Method::DELETE, "/scenes/home", &[], "").await.ok();
    assert_eq!(shown(&running, json!({})).await.len(), 20);
    running.send(Method::DELETE, "/scenes/home", &[], "").await.problem(404, "not_found");
    running.send(Method::POST, "/scenes/home/undo", &[], "").await.ok();
    assert_eq!(shown(&running, json!({})).await.len(), 3, "a deletion can be undone");
}

#[tokio::test]
async fn what_is_wrong_with_a_scene_is_named() {
    let running = live("").await;
    let rule = |rule: Value| json!({"rules": [{"id": "a", "action": {"bury": {"items": "true"}}}, rule]});
    for (scene, field) in [
        (json!({"cuont": 3}), "cuont"),
        (json!({"count": 0}), "count"),
        (json!({"filter": "item.pirce > 3"}), "filter"),
        (json!({"zone": "Mars/Base"}), "zone"),
        (json!({"exploration_percent": 51}), "exploration_percent"),
        (rule(json!({"id": "a", "action": {"bury": {"items": "true"}}})), "rules[1].id"),
        (
            rule(json!({"id": "b", "when": "item.price > 1", "action": {"bury": {"items": "true"}}})),
            "rules[1].when",
        ),
        (
            rule(json!({"id": "b", "from": "tomorrow", "action": {"bury": {"items": "true"}}})),
            "rules[1].from",
        ),
        (
            rule(json!({"id": "b", "action": {"pin": {"item_id": "x", "slot": 0}}})),
            "rules[1].action.pin.slot",
        ),
        (rule(json!({"id": "b", "action": {"mix": {"items": "true"}}})), "rules[1].action.mix"),
        (
            rule(json!({"id": "b", "action": {"mix": {"items": "true", "at_most_percent": 101}}})),
            "rules[1].action.mix.at_most_percent",
        ),
        (
            rule(json!({"id": "b", "action": {"boost": {"items": "true", "factor": 0}}})),
            "rules[1].action.boost.factor",
        ),
        (
            rule(json!({"id": "b", "weekly": [{"from": "9:00", "until": "10:00"}],
                     "action": {"bury": {"items": "true"}}})),
            "rules[1].weekly[0].from",
        ),
    ] {
        let answer = put(&running, "/scenes/home", &[], &scene).await;
        assert_eq!(answer.status, 400, "{scene}: {}", answer.text());
        assert_eq!(answer.json()["field"], field, "{}", answer.text());
    }
    let many: Vec<Value> =
        (0..501).map(|n| json!({"id": n.to_string(), "action": {"hide": {"items": "true"}}})).collect();
    let answer = put(&running, "/scenes/home", &[], &json!({"rules": many})).await;
    assert_eq!(answer.problem(400, "invalid_field")["field"], "rules");
    running.get("/scenes/home").await.problem(404, "not_found");
}

#[tokio::test]
async fn rules_steer_slates_and_unmet_ones_say_why() {
    let running = live("").await;
    let question = || json!({"user": {"id": user(4)}, "count": 6, "explain": true});
    let plain = shown(&running, question()).await;
    let (pinned, hidden) = (item("a", 26), plain[0].clone());
    let hide = json!({"id": "hide", "action": {"hide": {"items": format!("item.id == '{hidden}'")}}});
    let pin = json!({"id": "pin", "priority": 9, "action": {"pin": {"item_id": pinned, "slot": 2}}});
    let clash = json!({"id": "clash", "action": {"pin": {"item_id": item("a", 28), "slot": 2}}});
    let gone = json!({"id": "gone", "action": {"pin": {"item_id": hidden, "slot": 3}}});
    let cheap = format!("item.id in ['{}', '{}']", item("a", 20), item("a", 23));
    let mix = json!({"id": "mix", "action": {"mix": {"items": cheap, "at_least": 2, "first": 4}}});
    let night = json!({"id": "past", "until": "2020-01-01T00:00:00Z", "action": {"hide": {"items": "true"}}});
    let off = json!({"id": "off", "enabled": false, "action": {"hide": {"items": "true"}}});
    let strangers = json!({"id": "strangers", "when": "!user.known", "action": {"hide": {"items": "true"}}});
    let scene = json!({"rules": [hide, clash, pin, gone, mix, night, off, strangers]});
    let saved = put(&running, "/scenes/home", &[], &scene).await.ok();
    let codes: Vec<&str> = saved["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["pin_conflict", "expired", "shadowed"], "{saved}");
    let body = slate(&running, question()).await;
    let items = ids(&body, "items", "item_id");
    assert_eq!((items.len(), &items[1]), (6, &pinned), "{body}");
    assert_eq!(body["items"][1]["slot"], "pinned");
    assert!(!items.contains(&hidden));
    let listed = [item("a", 20), item("a", 23)];
    assert_eq!(items[..4].iter().filter(|id| listed.contains(id)).count(), 2, "{items:?}");
    assert_eq!(
        body["unmet"],
        json!([{"rule": "clash", "wanted": 2, "got": 0, "because": "higher_priority"},
               {"rule": "gone", "wanted": 3, "got": 0, "because": "filtered"}])
    );
    let stranger = slate(&running, json!({"count": 6})).await;
    assert_eq!((&stranger["items"], &stranger["fallback"]), (&json!([]), &json!("nothing_left")));
    let change = json!({"items": [{"item_id": pinned, "stock": 0}]});
    running.post("/items", &change).await.ok();
    let body = slate(&running, question()).await;
    assert!(!ids(&body, "items", "item_id").contains(&pinned), "a sold-out pin never shows");
    assert_eq!(body["items"].as_array().unwrap().len(), 6, "the gap closes");
    assert_eq!(ids(&body, "items", "item_id")[1], item("a", 28), "and the next pin of the slot is met");
}

#[tokio::test]
async fn spacing_keeps_items_of_one_value_apart() {
    let running = live("").await;
    let spacing = json!({"id": "apart", "action": {"spacing": {"by": "brand", "at_most": 1, "window": 3}}});
    put(&running, "/scenes/home", &[], &json!({"rules": [spacing]})).await.ok();
    let body = slate(&running, json!({"user": {"id": user(4)}, "count": 9, "fields": ["brand"]})).await;
    assert_eq!(body.get("unmet"), None, "{body}");
    let brands: Vec<Option<&str>> =
        body["items"].as_array().unwrap().iter().map(|item| item["brand"].as_str()).collect();
    for window in brands.windows(3) {
        let known: Vec<&str> = window.iter().copied().flatten().collect();
        assert!(
            known.iter().all(|brand| known.iter().filter(|other| *other == brand).count() == 1),
            "{brands:?}"
        );
    }
}

#[tokio::test]
async fn rules_of_the_shop_hold_in_every_scene() {
    let running = live("").await;
    let hidden = item("a", 0);
    let hide = json!({"id": "never", "action": {"hide": {"items": format!("item.id == '{hidden}'")}}});
    put(&running, "/scenes/home", &[], &json!({"count": 30})).await.ok();
    assert!(shown(&running, json!({})).await.contains(&hidden));
    put(&running, "/scenes/shop", &[], &json!({"rules": [hide]})).await.ok();
    for scene in ["home", "cart", "anything"] {
        let items = shown(&running, json!({"count": 30, "scene": scene})).await;
        assert_eq!((items.contains(&hidden), items.len()), (false, 28), "{scene}");
    }
}

#[tokio::test]
async fn short_slates_are_filled_up_by_name() {
    let running = live("").await;
    let narrow = json!({"filter": format!("item.id == '{}'", item("a", 3)), "fallback": ["wide"]});
    put(&running, "/scenes/narrow", &[], &narrow).await.ok();
    put(&running, "/scenes/wide", &[], &json!({"filter": format!("item.id != '{}'", item("a", 0))}))
        .await
        .ok();
    let body = slate(&running, json!({"scene": "narrow", "count": 5})).await;
    let items = ids(&body, "items", "item_id");
    assert_eq!((items.len(), &items[0], items.contains(&item("a", 0))), (5, &item("a", 3), false), "{body}");
    assert_eq!(body["filled_by"], json!([{"scene": "wide", "items": 4}]));
}

#[tokio::test]
async fn presets_and_configured_scenes_are_scenes() {
    let scenes = "[shops.default.scenes.top]\ncount = 2\nrules = [{ id = 'a', action = { hide = { items = 'item.price < 0' } } }]\n";
    let running = live(scenes).await;
    assert_eq!(shown(&running, json!({"scene": "top"})).await.len(), 2);
    let read = running.get("/scenes/top").await.ok();
    assert_eq!((&read["origin"], &read["revision"]), (&json!("configuration"), &json!(0)));
    put(&running, "/scenes/top", &[], &json!({"count": 4})).await.ok();
    assert_eq!(shown(&running, json!({"scene": "top"})).await.len(), 4, "the edited one precedes it");
    for preset in [
        "home",
        "product",
        "cart",
        "checkout",
        "order_done",
        "buy_again",
        "new_arrivals",
        "trending",
        "category",
        "brand",
        "guess_you_like",
        "festival",
    ] {
        put(&running, &format!("/scenes/{preset}"), &[], &json!({"preset": preset})).await.ok();
        let params = json!({"category": "x", "brand": "x", "theme": "x"});
        slate(&running, json!({"scene": preset, "user": {"id": user(1)}, "params": params})).await;
    }
    let absent = running.post("/recommend", &json!({"scene": "brand"})).await;
    assert_eq!(absent.problem(400, "missing_field")["field"], "params.brand");
}

#[tokio::test]
async fn warnings_are_given_and_strict_refuses() {
    let running = live("").await;
    let rule = |id: &str, action: Value| json!({"id": id, "action": action});
    let scene = json!({"count": 5, "fallback": ["nowhere"], "rules": [
        rule("none", json!({"boost": {"items": "item.price < 0.0", "factor": 2}})),
        rule("far", json!({"pin": {"item_id": item("a", 1), "slot": 9}})),
        rule("who", json!({"pin": {"item_id": "nobody", "slot": 1}})),
        rule("wide", json!({"spacing": {"by": "brand", "at_most": 1, "window": 9}})),
        rule("over", json!({"mix": {"items": "item.price > 1.0", "at_least": 4, "first": 3}})),
        rule("much", json!({"mix": {"items": "item.price > 2.0", "at_least_percent": 60}})),
        rule("more", json!({"mix": {"items": "item.price > 3.0", "at_least_percent": 60}})),
    ]});
    let refused = put(&running, "/scenes/home?strict=true", &[], &scene).await;
    refused.problem(409, "scene_refused");
    running.get("/scenes/home").await.problem(404, "not_found");
    let saved = put(&running, "/scenes/home", &[], &scene).await.ok();
    let warnings: Vec<(String, String)> = saved["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| (warning["code"].as_str().unwrap().into(), warning["field"].as_str().unwrap().into()))
        .collect();
    for (code, field) in [
        ("unknown_scene", "fallback"),
        ("matches_nothing", "none"),
        ("beyond_slate", "far"),
        ("pin_unknown", "who"),
        ("beyond_slate", "wide"),
        ("quota_impossible", "over"),
        ("quotas_contradict", "more"),
    ] {
        assert!(warnings.contains(&(code.into(), field.into())), "{code} of {field}: {warnings:?}");
    }
}

#[tokio::test]
async fn a_preview_shows_a_draft_beside_what_is_served() {
    let running = live("").await;
    put(&running, "/scenes/home", &[], &json!({"count": 5})).await.ok();
    let pin = json!({"id": "pin", "action": {"pin": {"item_id": item("a", 26), "slot": 1}}});
    let far = json!({"id": "far", "action": {"pin": {"item_id": item("a", 28), "slot": 9}}});
    let question =
        json!({"scene": {"count": 5, "rules": [pin, far]}, "user_ids": [user(4), "nobody"], "sample": 40});
    let body = running.post("/scenes/home/preview", &question).await.ok();
    assert_eq!(body["warnings"][0]["code"], "beyond_slate", "{body}");
    let person = &body["people"][0];
    let served = shown(&running, json!({"user": {"id": user(4)}})).await;
    assert_eq!(person["active"]["item_ids"], json!(served));
    assert_eq!(person["draft"]["item_ids"][0], item("a", 26));
    assert_eq!(person["draft"]["unmet"], json!(["far"]));
    assert_eq!(body["people"].as_array().unwrap().len(), 1);
    let sample = &body["sample"];
    assert_eq!((&sample["users"], &sample["draft"]["unmet"]["far"]), (&json!(40), &json!(40)), "{sample}");
    assert!(
        sample["changed"].as_f64().unwrap() > 0.5 && sample["overlap"].as_f64().unwrap() >= 0.8,
        "{sample}"
    );
    assert_eq!(shown(&running, json!({"user": {"id": user(4)}})).await, served, "nothing is saved");
    let same = json!({"scene": {"count": 5}, "sample": 10});
    let same = running.post("/scenes/home/preview", &same).await.ok();
    assert_eq!((&same["sample"]["changed"], &same["sample"]["overlap"]), (&json!(0.0), &json!(1.0)));
}
