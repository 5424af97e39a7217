//! A real server is killed again and again while events pour in: what it acknowledged is there, once.
//!
//! `QIANMIAN_KILLS` says how often (5 by default; `make chaos` says 200). A SIGKILL takes the process, not the
//! page cache: that the disk itself holds what is acknowledged rests on the store's fsync before it answers.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use qianmian_live::store::{Embedded, Name, Store};
use serde_json::{Value, json};

/// Callers that send at once, users that they send for, and events of one call at most.
const CALLERS: u64 = 4;
const USERS: u64 = 40;
const BATCH: u64 = 20;
const TTL_MS: i64 = 7 * 86_400_000;

/// A server process. Its end is a SIGKILL.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qianmian-server"));
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.arg("--store").arg(folder.join("models")).args(["--listen", "127.0.0.1:0"]);
        command.arg("--config").arg(folder.join("server.toml"));
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it listened");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "listening" {
                break line["address"].as_str().unwrap().to_owned();
            }
        };
        // Read on, so that a full pipe does not hold it up.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, address }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Sends one body, and reads the answer; nothing where the server went away before it was whole.
fn post(address: &str, body: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
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

/// What the callers share.
struct Load {
    address: Mutex<String>,
    stop: AtomicBool,
    sent_again: AtomicU64,
    /// Item of each acknowledged event, by its id.
    acknowledged: Mutex<HashMap<String, u64>>,
}

/// Sends batches until told to stop; one that was not acknowledged is sent again until it is.
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

#[test]
fn no_acknowledged_event_is_lost_or_doubled_however_often_the_server_is_killed() {
    let kills: u64 = std::env::var("QIANMIAN_KILLS").map_or(5, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    std::fs::write(folder.path().join("server.toml"), format!("[live]\nfolder = '{}'\n", live.display()))
        .unwrap();
    let mut serving = Serving::start(folder.path());
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
        serving = Serving::start(folder.path());
        slowest_start = slowest_start.max(started.elapsed());
        load.address.lock().unwrap().clone_from(&serving.address);
    }
    std::thread::sleep(Duration::from_millis(100));
    load.stop.store(true, Ordering::Relaxed);
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    serving.kill();
    let acknowledged = load.acknowledged.lock().unwrap();
    let logged = check(&live.join("default"), &acknowledged);
    let again = load.sent_again.load(Ordering::Relaxed);
    // The figures are for `make chaos`, which shows them.
    eprintln!(
        "kills {kills}; acknowledged {}, on disk {logged}, lost 0, doubled 0; batches sent again {again}; \
         slowest start {} ms",
        acknowledged.len(),
        slowest_start.as_millis()
    );
    assert!(acknowledged.len() as u64 > kills, "there was hardly any load");
}

/// Opens what the last kill left behind; every acknowledged event must be in it once, and known of its user.
/// How many events it holds.
fn check(live: &Path, acknowledged: &HashMap<String, u64>) -> usize {
    let store = Embedded::open(live, TTL_MS).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let log = runtime.block_on(store.log(0, usize::MAX)).unwrap();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut bought: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (place, logged) in log.iter().enumerate() {
        assert_eq!(logged.number, place as u64, "a number is left out");
        *counts.entry(&logged.event.event_id).or_default() += 1;
        let user = logged.event.user_id.as_deref().unwrap();
        bought.entry(user).or_default().push(logged.event.item_id.as_deref().unwrap());
    }
    assert!(counts.values().all(|&count| count == 1), "an event is there twice");
    let lost: Vec<&String> = acknowledged.keys().filter(|id| !counts.contains_key(id.as_str())).collect();
    assert!(lost.is_empty(), "{} acknowledged events are lost: {lost:?}", lost.len());
    // All callers were answered in the end, so that nothing else can be there.
    assert_eq!(counts.len(), acknowledged.len(), "an event is there that nobody was told of");
    let now = chrono::Utc::now().timestamp_millis();
    for (user, mut items) in bought {
        items.sort_unstable();
        items.dedup();
        let state = runtime.block_on(store.load(&[Name::User(user)], now)).unwrap().state;
        let mut known: Vec<&str> = state.lately(now).bought.iter().map(|(id, _)| *id).collect();
        known.sort_unstable();
        assert_eq!(known, items, "what is known of {user} is not what is logged");
    }
    log.len()
}
