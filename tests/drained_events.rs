//! Events that a server takes in over HTTP become orders that the trainer reads.

use qianmian_trainer::config::Config;
use qianmian_trainer::orders::{ReadOptions, read};
use serde_json::json;

use crate::support::drained::drained;
use crate::support::{EAGER, start};

#[tokio::test]
async fn the_trainer_reads_what_the_server_drained() {
    let store = tempfile::tempdir().unwrap();
    let (live, folder) = (store.path().join("live"), store.path().join("drained"));
    let config = format!(
        "{EAGER}[live]\nfolder = '{}'\n[live.drain]\nfolder = '{}'\nevery_seconds = 0.05\n",
        live.display(),
        folder.display()
    );
    let running = start(&config, store).await;
    let now = chrono::Utc::now();
    let event = |id: &str, kind: &str, user: &str, item: &str| {
        json!({"event_id": id, "type": kind, "occurred_at": now.to_rfc3339(), "user_id": user, "item_id": item,
               "session_id": "s", "channel": "app", "value": 12.5})
    };
    let events = [
        event("1", "view", "ann", "cup"),
        event("2", "Order Completed", "ann", "cup"),
        event("3", "purchase", "ann", "pot"),
        event("4", "purchase", "bob", "tea"),
    ];
    running.post("/events", &json!({"events": events})).await.ok();
    running.until("drained", || async { drained(&folder).len() == 4 }).await;
    let orders = format!("order_id,user_id,item_id,ordered_at\n1,bob,tea,{}\n", now.format("%Y-%m-%d"));
    let shop = running.store.path();
    std::fs::write(shop.join("orders.csv"), orders).unwrap();
    let config = "[orders]\nfiles = ['orders.csv']\n[events]\nfiles = ['drained/default/**/*.parquet']\n";
    let config = Config::parse(config, shop).unwrap();
    let orders = read(&config, &ReadOptions::new(now.timestamp()), &|_, _, _| {}).unwrap().orders;
    assert_eq!(
        (orders.user_ids.join(" "), orders.item_ids.join(" ")),
        ("ann bob".into(), "cup pot tea".into())
    );
    assert_eq!((orders.n_baskets, orders.lines.len(), orders.lines[2].paid), (2, 3, 1_250));
    let account = orders.summary.events.unwrap();
    assert_eq!((account.purchases, account.in_orders, account.unused), (2, 1, 1));
}
