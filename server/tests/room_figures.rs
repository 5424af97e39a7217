//! Figures of rooms against a recount of the raw events; over both stores, as `rooms.rs`.

use chrono::{SecondsFormat, TimeDelta, Utc};

use super::*;

struct Told {
    kind: &'static str,
    item: usize,
    minutes_ago: i64,
    value: f64,
}

/// Events of a show: every kind, about three items, over the last 14 minutes.
fn show() -> Vec<Told> {
    let kinds = ["expose", "expose", "click", "add_to_cart", "purchase", "view", "expose"];
    let told = |n: usize| Told {
        kind: kinds[n * 7 % 11 % kinds.len()],
        item: [1, 2, 2, 3][n * 5 % 7 % 4],
        minutes_ago: (n * 13 % 14) as i64,
        value: (n % 9) as f64 + 0.99,
    };
    (0..400).map(told).collect()
}

async fn send(running: &Running, events: &[Value]) {
    for chunk in events.chunks(200) {
        let answer = running.post("/events", &json!({"events": chunk})).await.ok();
        assert!(ids(&answer, "results", "status").iter().all(|status| status == "accepted"), "{answer}");
    }
}

async fn figures(running: &Running) -> Value {
    running.get("/rooms/r/figures?minutes=5").await.ok()
}

#[tokio::test]
async fn figures_equal_a_recount_of_the_events() {
    let running = live().await;
    room(&running, "live", &[1, 2, 3, 4]).await;
    let show = show();
    // Events of one minute stay in it while the test runs: the running minute has just begun, or is waited for.
    let seconds = Utc::now().timestamp().rem_euclid(60);
    if seconds > 40 {
        tokio::time::sleep(std::time::Duration::from_secs(61 - seconds as u64)).await;
    }
    let now = Utc::now();
    let events: Vec<Value> = show
        .iter()
        .enumerate()
        .map(|(n, told)| {
            let at = now - TimeDelta::minutes(told.minutes_ago);
            json!({"event_id": format!("e{n}"), "type": told.kind, "occurred_at": at.to_rfc3339_opts(SecondsFormat::Millis, true),
                   "user_id": format!("u{}", n % 50), "item_id": item("a", told.item), "room_id": "r", "value": told.value})
        })
        .collect();
    send(&running, &events).await;
    send_elsewhere(&running).await;
    let count = |kind: &str, item: Option<usize>, ages: std::ops::Range<i64>| {
        let counted = show.iter().filter(|told| told.kind == kind && ages.contains(&told.minutes_ago));
        counted.filter(|told| item.is_none_or(|item| told.item == item)).count()
    };
    let total = show.iter().filter(|told| told.kind == "purchase").count();
    running.until("followed", || async { figures(&running).await["total"]["orders"] == total }).await;
    let read = figures(&running).await;
    let rows = [None, Some(1), Some(2), Some(3), Some(4)];
    for of in rows {
        let row = match of {
            None => &read,
            Some(n) => product(&read, &item("a", n)),
        };
        for (kind, field) in
            [("expose", "exposures"), ("click", "clicks"), ("add_to_cart", "carts"), ("purchase", "orders")]
        {
            for (window, ages) in [("total", 0..99), ("last", 0..5), ("before", 5..10)] {
                assert_eq!(row[window][field], count(kind, of, ages), "{of:?} {window} {field}");
            }
        }
        let paid: i64 = show
            .iter()
            .filter(|told| told.kind == "purchase" && of.is_none_or(|item| told.item == item))
            .map(|told| (told.value * 100.0).round() as i64)
            .sum();
        assert_eq!((row["total"]["paid"].as_f64().unwrap() * 100.0).round() as i64, paid);
    }
    let percentile = |n: usize| product(&read, &item("a", n))["percentile"]["exposures"].as_u64().unwrap();
    assert_eq!((percentile(4), percentile(2)), (0, 100), "nothing, and most");
    running.get("/rooms/none/figures").await.problem(404, "unknown_room");
    running.get("/rooms/r/figures?minutes=31").await.problem(400, "invalid_field");
}

/// Events of another room, and of none.
async fn send_elsewhere(running: &Running) {
    let at = Utc::now().to_rfc3339();
    let event = |id: &str| json!({"event_id": id, "type": "expose", "occurred_at": at, "user_id": "u", "item_id": item("a", 1)});
    let mut elsewhere = event("x1");
    elsewhere["room_id"] = json!("another");
    send(running, &[elsewhere, event("x2")]).await;
}

#[tokio::test]
async fn people_are_viewers_once_until_they_leave() {
    let running = live().await;
    room(&running, "live", &[1]).await;
    let card = json!({"type": "member_card", "value": "card-7"});
    running.post("/identities/link", &json!({"user_id": "u1", "identities": [card]})).await.ok();
    let event = |id: &str, kind: &str, who: Value, seconds_ago: i64| {
        let at = (Utc::now() - TimeDelta::seconds(seconds_ago)).to_rfc3339();
        let mut event = json!({"event_id": id, "type": kind, "occurred_at": at, "room_id": "r"});
        event.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        event
    };
    let events = [
        event("1", "room_enter", json!({"user_id": "u1"}), 20),
        event("2", "room_enter", json!({"identity": card}), 10),
        event("3", "room_enter", json!({"user_id": "u2"}), 30),
        event("4", "room_leave", json!({"user_id": "u2"}), 5),
        event("5", "room_enter", json!({"user_id": "u3"}), 300),
        event("6", "room_enter", json!({"session_id": "s1"}), 3),
        event("7", "room_enter", json!({"user_id": "u4"}), 1),
    ];
    send(&running, &events).await;
    // u1 by two names, the visit, u4; u2 left, and u3 was not heard of for long.
    running.until("counted", || async { figures(&running).await["viewers"] == 3 }).await;
    send(&running, &[event("8", "room_enter", json!({"user_id": "u3"}), 0)]).await;
    running.until("back", || async { figures(&running).await["viewers"] == 4 }).await;
    let mut console = streams::Console::open(&running, "/rooms/r/stream", "").await;
    loop {
        let (event, data) = console.next().await.unwrap();
        if event == "figures" {
            assert_eq!((&data["viewers"], &data["minutes"]), (&json!(4), &json!(5)));
            break;
        }
    }
}
