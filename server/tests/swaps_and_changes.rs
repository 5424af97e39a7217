//! Models are replaced while items change: no change is lost, and no answer mixes two models.
//!
//! `QIANMIAN_SWAPS` and `QIANMIAN_CHANGES` set the size; `make check-swaps` runs 200 swaps and 100,000 changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::shop::{ITEMS, item, publish, user, write};
use crate::support::{EAGER, Running, ids, start};
use qianmian_models::storage::versions::ShopStore;
use serde_json::{Value, json};

/// Writers, each with items of its own.
const WRITERS: usize = 3;
/// The item of each writer whose stock comes and goes; the others change their price.
const COMES_AND_GOES: usize = 6;

fn size(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |size| size.parse().unwrap())
}

/// Items of a writer, under the ids of both kinds of models.
fn items_of(writer: usize) -> Vec<usize> {
    (0..ITEMS).filter(|n| n % WRITERS == writer && *n != 29).collect()
}

/// The mark of the model that answered: the first letter of its ids.
fn mark(body: &Value) -> String {
    body["model"]["version"].as_str().unwrap()[..1].to_owned()
}

/// Changes a writer's items until `changes` were acknowledged by all writers together. After each acknowledgement the
/// next answers must know it, whichever model gives them.
async fn change(running: Arc<Running>, writer: usize, changes: Arc<AtomicUsize>, most: usize) -> usize {
    let items = items_of(writer);
    let mut round = 0;
    while changes.load(Ordering::Relaxed) < most {
        round += 1;
        let stock = if round % 2 == 0 { 0 } else { 5 };
        let row = |mark: &str, n: usize| match n == items[0] + COMES_AND_GOES {
            true => json!({"item_id": item(mark, n), "stock": stock}),
            false => json!({"item_id": item(mark, n), "price": price(round)}),
        };
        let rows: Vec<Value> = items.iter().flat_map(|&n| ["a", "b"].map(|mark| row(mark, n))).collect();
        let answer = running.post("/items", &json!({"items": rows})).await.ok();
        assert_eq!(answer["accepted"], rows.len(), "{answer}");
        changes.fetch_add(rows.len(), Ordering::Relaxed);
        knows(&running, &items, round).await;
    }
    round
}

/// A price that no other round has.
fn price(round: usize) -> f64 {
    (100_000 + round) as f64 / 100.0
}

/// Checks that answers show the state of `round`.
async fn knows(running: &Running, items: &[usize], round: usize) {
    let gone = items[0] + COMES_AND_GOES;
    let asked = json!(["a", "b"].map(|mark| item(mark, gone)));
    let similar = running.post("/similar", &json!({"item_ids": asked, "count": 30})).await.ok();
    let shown = mark(&similar);
    for card in similar["items"].as_array().unwrap() {
        let n = items.iter().find(|&&n| card["item_id"] == item(&shown, n));
        if n.is_some_and(|&n| n != gone) {
            assert_eq!(card["price"], price(round), "a change was lost in round {round}: {card}");
        }
    }
    for mark in ["a", "b"] {
        let one = running.get(&format!("/items/{}", item(mark, gone))).await;
        if one.status == 200 {
            let one = one.ok();
            assert_eq!(one["on_sale"], round % 2 == 1, "a stock was lost in round {round}: {one}");
        }
    }
}

/// Queries without pause until told to stop; returns the number of answers checked.
async fn ask(running: Arc<Running>, stop: Arc<AtomicBool>) -> usize {
    let carts = json!(["a-item-03", "b-item-03"]);
    let mut answers = 0;
    while !stop.load(Ordering::Relaxed) {
        let recommend = running.post("/recommend", &json!({"user": {"id": user(answers % 40)}})).await.ok();
        let bundle = running.post("/bundle", &json!({"cart": carts})).await.ok();
        for (body, list) in [(&recommend, "items"), (&bundle, "complements")] {
            let items = ids(body, list, "item_id");
            assert!(!items.is_empty() && items.iter().all(|id| id.starts_with(&mark(body))), "{items:?}");
        }
        answers += 2;
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_under_item_changes_lose_and_mix_nothing() {
    let (swaps, most) = (size("QIANMIAN_SWAPS", 12), size("QIANMIAN_CHANGES", 6_000));
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "a0", "a");
    for version in ["b0", "a1", "b1"] {
        write(store.path(), "default", version, &version[..1]);
    }
    let config = format!("{EAGER}[live]\nfolder = '{}'\n", store.path().join("live").display());
    let running = Arc::new(start(&config, store).await);
    running.until_ready().await;
    let (changes, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let asking: Vec<_> = (0..2).map(|_| tokio::spawn(ask(Arc::clone(&running), Arc::clone(&stop)))).collect();
    let changing: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(change(Arc::clone(&running), writer, Arc::clone(&changes), most)))
        .collect();
    let shop = ShopStore::new(running.store.path(), "default").unwrap();
    let mut done = 0;
    // Both continue until both have done enough.
    while done < swaps || changes.load(Ordering::Relaxed) < most {
        done += 1;
        // Four versions in turn: each is opened anew. Every fifth swap brings the kept one back.
        match done % 5 {
            0 => drop(running.post("/models/rollback", &Value::Null).await.ok()),
            _ => {
                let version = ["a0", "b0", "a1", "b1"][done % 4];
                shop.publish(version).unwrap();
                running.until(version, || async { running.version().await == version }).await;
            }
        }
    }
    let mut rounds = Vec::new();
    for writer in changing {
        rounds.push(writer.await.unwrap());
    }
    stop.store(true, Ordering::Relaxed);
    let mut answers = 0;
    for client in asking {
        answers += client.await.unwrap();
    }
    assert!(answers > done, "only {answers} answers were checked");
    for version in ["a0", "b1"] {
        running.post(&format!("/models/{version}/activate"), &Value::Null).await.ok();
        for (writer, &round) in rounds.iter().enumerate() {
            knows(&running, &items_of(writer), round).await;
        }
    }
}
