//! A real server is killed again and again while events arrive: every acknowledged event is stored once, in its store
//! and in the files that it drains events into.
//!
//! `QIANMIAN_KILLS` sets the number of kills (5 by default; 200 in `make chaos`). A SIGKILL ends the process, not the
//! page cache: durability on the disk itself rests on the store's fsync before it answers.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::process::{Serving, TURN};
use crate::support::drained::{drained, files};
use crate::support::redis::{RedisServer, redis_is_here, wait_for};
use qianmian_live::backends::{Embedded, Redis, RedisOptions};
use qianmian_live::log::EventLog;
use qianmian_live::people::{Name, People};
use serde_json::{Value, json};

/// Concurrent callers, the users that they send for, and most events of one call.
const CALLERS: u64 = 4;
const USERS: u64 = 40;
const BATCH: u64 = 20;
const TTL_MS: i64 = 7 * 86_400_000;
/// The metric of the number of spooled events.
const SPOOLED: &str = "qianmian_live_spooled_events{shop=\"default\"}";
/// The folder into which events are drained.
const DRAINED: &str = "drained";

/// Sends one body, and reads the answer; `None` if the server closes before the answer is complete.
fn post(address: &str, body: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200 ").then_some(())?;
    serde_json::from_str(body).ok()
}

/// State that the callers share.
struct Load {
    address: Mutex<String>,
    stop: AtomicBool,
    sent_again: AtomicU64,
    /// Item of each acknowledged event, by its id.
    acknowledged: Mutex<HashMap<String, u64>>,
}

/// Sends batches until told to stop; repeats each one until it is acknowledged.
fn call(load: &Load, caller: u64) {
    let mut next = 0;
    while !load.stop.load(Ordering::Relaxed) {
        let size = 1 + (next * 7 + caller) % BATCH;
        let batch: Vec<u64> = (next..next + size).collect();
        next += size;
        let at = chrono::Utc::now().to_rfc3339();
        let event = |n: &u64| {
            json!({"event_id": format!("{caller}-{n}"), "type": "purchase", "occurred_at": at,
                   "user_id": format!("u{}", n % USERS), "item_id": format!("i{}", n % 100)})
        };
        let body = json!({"events": batch.iter().map(event).collect::<Vec<_>>()}).to_string();
        let mut tries = 0u64;
        let answer = loop {
            let address = load.address.lock().unwrap().clone();
            match post(&address, &body) {
                Some(answer) => break answer,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
            tries += 1;
            assert!(tries < 12_000, "no answer for a minute");
        };
        load.sent_again.fetch_add(tries.min(1), Ordering::Relaxed);
        let mut acknowledged = load.acknowledged.lock().unwrap();
        for (n, result) in batch.iter().zip(answer["results"].as_array().unwrap()) {
            let status = result["status"].as_str().unwrap();
            assert!(status == "accepted" || (status == "duplicate" && tries > 0), "{status} at try {tries}");
            acknowledged.insert(format!("{caller}-{n}"), n % 100);
        }
    }
}

/// Kills a server with this configuration again and again under load; returns the acknowledged events: item by event
/// id.
fn torment(place: &str, folder: &Path, live: &str) -> HashMap<String, u64> {
    let kills: u64 = std::env::var("QIANMIAN_KILLS").map_or(5, |kills| kills.parse().unwrap());
    let config =
        format!("{live}[live.drain]\nfolder = '{}'\nevery_seconds = 0.05\n", folder.join(DRAINED).display());
    std::fs::write(folder.join("server.toml"), config).unwrap();
    let mut serving = Serving::start(folder);
    let load = Arc::new(Load {
        address: Mutex::new(serving.address.clone()),
        stop: AtomicBool::new(false),
        sent_again: AtomicU64::new(0),
        acknowledged: Mutex::default(),
    });
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let load = Arc::clone(&load);
            std::thread::spawn(move || call(&load, caller))
        })
        .collect();
    let mut slowest_start = Duration::ZERO;
    for kill in 0..kills {
        // A spread of moments, some of them right after the start.
        std::thread::sleep(Duration::from_millis(20 + kill * 37 % 230));
        serving.kill();
        let started = Instant::now();
        serving = Serving::start(folder);
        slowest_start = slowest_start.max(started.elapsed());
        load.address.lock().unwrap().clone_from(&serving.address);
    }
    std::thread::sleep(Duration::from_millis(100));
    load.stop.store(true, Ordering::Relaxed);
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    serving.kill();
    let acknowledged = std::mem::take(&mut *load.acknowledged.lock().unwrap());
    let again = load.sent_again.load(Ordering::Relaxed);
    let before = drained(&folder.join(DRAINED)).len();
    // The figures are for `make chaos`, which shows them.
    eprintln!(
        "{place}: kills {kills}; acknowledged {}; drained {before} before the last start; batches sent again {again}; \
         slowest start {} ms",
        acknowledged.len(),
        slowest_start.as_millis()
    );
    assert!(acknowledged.len() as u64 > kills, "there was hardly any load");
    acknowledged
}

/// Starts the server once more, stops it gracefully once `ready` returns, and checks the drained events: every
/// acknowledged event once, in the order of the numbers, and nothing else.
fn check_drained(place: &str, folder: &Path, acknowledged: &HashMap<String, u64>, ready: impl Fn(&Serving)) {
    let serving = Serving::start(folder);
    ready(&serving);
    serving.stop();
    let parquet = folder.join(DRAINED);
    let events = drained(&parquet);
    let first = events.first().map_or(0, |(number, _)| *number);
    for ((number, id), expected) in events.iter().zip(first..) {
        assert_eq!(*number, expected, "an event is left out or there twice");
        assert!(acknowledged.contains_key(id), "{id} is drained, and nobody was told of it");
    }
    assert_eq!(events.len(), acknowledged.len(), "acknowledged events are not drained");
    eprintln!("{place}: drained {} in {} files", events.len(), files(&parquet).len());
}

#[test]
fn embedded_events_survive_kills() {
    let _turn = TURN.blocking_lock();
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    let acknowledged =
        torment("embedded", folder.path(), &format!("[live]\nfolder = '{}'\n", live.display()));
    check_drained("embedded", folder.path(), &acknowledged, |_| ());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = Embedded::open(&live.join("default"), TTL_MS).unwrap();
    runtime.block_on(check("embedded", &store, &acknowledged));
}

#[test]
fn redis_events_survive_kills() {
    let _turn = TURN.blocking_lock();
    if !redis_is_here("redis_events_survive_kills") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::start();
    let live = folder.path().join("live").display().to_string();
    let config = format!("[live]\nfolder = '{live}'\n[live.redis]\nurls = ['{}']\n", redis.url());
    let acknowledged = torment("redis", folder.path(), &config);
    // The next start replays the events that the last kill left in the spool.
    check_drained("redis", folder.path(), &acknowledged, empty_the_spool);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let timeout = Duration::from_secs(5);
        let store = Redis::open(RedisOptions {
            urls: vec![redis.url()],
            cluster: false,
            shop: "default".to_owned(),
            ttl: TTL_MS,
            first: 0,
            load_timeout: timeout,
            write_timeout: timeout,
        });
        let store = store.unwrap();
        store.connect().await.unwrap();
        check("redis", &store, &acknowledged).await;
    });
}

/// Waits until all that is spooled is in Redis; every twenty seconds some of it must be.
fn empty_the_spool(serving: &Serving) {
    let spooled = || -> u64 {
        let metrics = serving.get("/metrics");
        let value = metrics.lines().find_map(|line| line.strip_prefix(SPOOLED)).unwrap();
        value.trim().parse().unwrap()
    };
    let (started, first) = (Instant::now(), spooled());
    loop {
        let before = spooled();
        if before == 0 {
            break;
        }
        wait_for("the spool shrinks", || spooled() < before);
    }
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("redis: {first} events were spooled at the last start, and in Redis {seconds:.1} s later");
}

/// Every acknowledged event must be in the store after the last kill, once, and in its user's state.
async fn check(place: &str, store: &(impl EventLog + People), acknowledged: &HashMap<String, u64>) {
    let log = store.events(0, usize::MAX).await.unwrap();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut bought: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let first = log.first().map_or(0, |logged| logged.number);
    for (logged, expected) in log.iter().zip(first..) {
        assert_eq!(logged.number, expected, "a number is left out");
        *counts.entry(&logged.event.event_id).or_default() += 1;
        let user = logged.event.user_id.as_deref().unwrap();
        bought.entry(user).or_default().push(logged.event.item_id.as_deref().unwrap());
    }
    assert!(counts.values().all(|&count| count == 1), "an event is there twice");
    let lost: Vec<&String> = acknowledged.keys().filter(|id| !counts.contains_key(id.as_str())).collect();
    assert!(lost.is_empty(), "{} acknowledged events are lost: {lost:?}", lost.len());
    // All callers were answered in the end, so there can be no other events.
    assert_eq!(counts.len(), acknowledged.len(), "an event is there that nobody was told of");
    let now = chrono::Utc::now().timestamp_millis();
    for (user, mut items) in bought {
        items.sort_unstable();
        items.dedup();
        let state = store.load(&[Name::User(user)], now).await.unwrap().state;
        let mut known: Vec<&str> = state.context(now).bought.iter().map(|(id, _)| *id).collect();
        known.sort_unstable();
        assert_eq!(known, items, "what is known of {user} is not what is logged");
    }
    eprintln!("{place}: logged {}; lost 0, doubled 0", log.len());
}
