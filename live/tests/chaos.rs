//! Documents and counters are changed under load while the process, or Redis, is killed again and again: no
//! acknowledged put is lost, nothing is oversold, and after expiry all remaining stock can be sold.
//!
//! The load runs in a process of its own: this test binary once more, which runs only [`worker`]. It reports every
//! acknowledged change on its standard output. `QIANMIAN_KILLS` sets the number of kills (3 by default, 100 in `make
//! chaos`).

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use qianmian_live::StoreError;
use qianmian_live::backends::{Embedded, Redis, RedisOptions};
use qianmian_live::counters::{MovementKind, ReservationState, Reserve, ReserveOutcome};
use qianmian_live::documents::{DocumentError, Documents};

use super::behaviors::documents::put;
use super::behaviors::{Store, TTL};
use super::support::{RedisServer, redis_is_here};

/// Callers of one worker; each edits a document of its own, and all reserve of the same counter.
const CALLERS: usize = 4;
/// Pieces of the counter of each round: far fewer than callers request.
const STOCK: u64 = 40;
/// A reservation that is not confirmed expires after this long, in milliseconds.
const HELD_MS: i64 = 150;
/// Only one of these tests at a time, so that kills hit a process that has processor time.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn redis_options(url: &str) -> RedisOptions {
    RedisOptions {
        urls: vec![url.to_owned()],
        cluster: false,
        shop: "chaos".to_owned(),
        ttl: TTL,
        first: 0,
        load_timeout: Duration::from_secs(5),
        write_timeout: Duration::from_secs(5),
    }
}

/// Changes acknowledged to the workers.
#[derive(Default)]
struct Told {
    /// By document the last acknowledged revision and number.
    documents: HashMap<String, (u64, u64)>,
    puts: u64,
    confirmed: Vec<String>,
    sold_out: u64,
}

/// The load; does nothing unless the test starts it as a worker.
#[test]
fn worker() {
    let Ok(place) = std::env::var("QIANMIAN_CHAOS_PLACE") else { return };
    let round = std::env::var("QIANMIAN_CHAOS_ROUND").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if place.starts_with("redis://") {
            let store = Redis::open(redis_options(&place)).unwrap();
            work(&store, &round, async || drop(store.connect().await)).await;
        } else {
            let store = Embedded::open(Path::new(&place), TTL).unwrap();
            work(&store, &round, async || ()).await;
        }
    });
}

async fn work(store: &impl Store, round: &str, reconnect: impl AsyncFn()) {
    reconnect().await;
    let counter = format!("sku-{round}");
    while store.define_counter(&counter, STOCK, Some(STOCK / 2), now()).await.is_err() {
        reconnect().await;
    }
    say("ready");
    let calls = (0..CALLERS).map(|caller| call(store, round, &counter, caller, &reconnect));
    let mut calls = Box::pin(futures_all(calls.collect()));
    calls.as_mut().await;
}

/// Runs futures on one task, in turn whenever one of them waits.
async fn futures_all<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        futures.iter_mut().for_each(|future| {
            let _ = future.as_mut().poll(context);
        });
        std::task::Poll::<()>::Pending
    })
    .await;
}

async fn call(store: &impl Store, round: &str, counter: &str, caller: usize, reconnect: &impl AsyncFn()) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("document-{caller}");
    loop {
        if edit(store, &name).await.is_err() {
            reconnect().await;
        }
        let key = format!("{round}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        // Repeated with the same key until there is an answer: the piece may have been reserved.
        let outcome = loop {
            let request = Reserve::check(&key, &format!("holder-{caller}"), &[(counter, 1)], HELD_MS, now());
            match store.reserve(request.unwrap()).await {
                Ok(outcome) => break outcome,
                Err(_) => reconnect().await,
            }
        };
        match outcome {
            ReserveOutcome::Reserved { .. } if key.ends_with(['0', '1', '2']) => {
                if let Ok(Some(ReservationState::Confirmed)) = store.confirm(&key, now()).await {
                    say(&format!("confirmed {key}"));
                }
            }
            ReserveOutcome::Reserved { .. } => {}
            ReserveOutcome::SoldOut { .. } | ReserveOutcome::OverLimit { .. } => {
                say("sold_out");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Raises the number in a document by one.
async fn edit(store: &impl Documents, name: &str) -> Result<(), DocumentError> {
    let read = store.document("note", name).await?;
    let (revision, number) = match &read {
        Some(document) => (document.revision, document.body.as_ref().unwrap().parse::<u64>().unwrap()),
        None => (0, 0),
    };
    let number = number + 1;
    let revision = put(store, ("note", name), &number.to_string(), Some(revision)).await?;
    say(&format!("put {name} {revision} {number}"));
    Ok(())
}

fn say(line: &str) {
    // A line is written at once, so that a kill never leaves half of one.
    let _ = std::io::stdout().write_all(format!("qm {line}\n").as_bytes());
    let _ = std::io::stdout().flush();
}

fn start(place: &str, round: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["chaos::worker", "--exact", "--nocapture", "--test-threads=1"]);
    command.env("QIANMIAN_CHAOS_PLACE", place).env("QIANMIAN_CHAOS_ROUND", round.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// One round: a worker starts, `kill` ends something after a while, the worker is killed.
fn round(place: &str, number: u64, told: &mut Told, kill: impl FnOnce()) {
    let mut child = start(place, number);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = |line: &str| line.ends_with("qm ready");
    while !ready(&lines.next().expect("the worker starts").unwrap()) {}
    let reading = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    // A spread of moments.
    std::thread::sleep(Duration::from_millis(40 + number * 37 % 260));
    kill();
    child.kill().unwrap();
    child.wait().unwrap();
    for line in reading.join().unwrap() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["qm", "put", name, revision, value] => {
                let told_before = told.documents.entry(name.to_owned()).or_default();
                *told_before = (*told_before).max((revision.parse().unwrap(), value.parse().unwrap()));
                told.puts += 1;
            }
            ["qm", "confirmed", key] => told.confirmed.push(key.to_owned()),
            ["qm", "sold_out"] => told.sold_out += 1,
            _ => {}
        }
    }
}

/// Checks the state after all kills, and prints a line of the table.
async fn check(place: &str, store: &impl Store, kills: u64, told: &Told) -> Result<(), StoreError> {
    for (name, (revision, number)) in &told.documents {
        let document =
            store.document("note", name).await.unwrap().expect("an acknowledged document is there");
        let known = document.body.unwrap().parse::<u64>().unwrap();
        assert!(
            document.revision >= *revision && known >= *number,
            "{name}: {number} is lost, {known} is there"
        );
        let history = store.document_history("note", name).await.unwrap();
        let numbers: Vec<u64> = history.iter().map(|d| d.body.as_ref().unwrap().parse().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] == pair[1] + 1), "an edit is lost: {numbers:?}");
    }
    store.expire(now() + 10_000).await?;
    let (mut confirmed, mut reserved, mut expired) = (0, 0, 0);
    for round in 0..kills {
        let counter = format!("sku-{round}");
        let (mut held, mut sold) = (0, 0);
        for movement in store.movements(&counter).await? {
            match movement.kind {
                MovementKind::Defined => {}
                MovementKind::Reserved => (held, reserved) = (held + 1, reserved + 1),
                MovementKind::Confirmed => (held, sold) = (held - 1, sold + 1),
                MovementKind::Released | MovementKind::Expired => (held, expired) = (held - 1, expired + 1),
            }
            assert!(held + sold <= STOCK, "{counter} is oversold");
        }
        let state = store.counter(&counter).await?.expect("the counter is there");
        assert_eq!((held, state.held, state.confirmed), (0, 0, sold), "{counter}: its history adds up");
        // Every piece that is not sold can be sold.
        for n in 0..STOCK - sold {
            let line = [(counter.as_str(), 1)];
            let request =
                Reserve::check(&format!("last-{round}-{n}"), &format!("h{n}"), &line, 60_000, now() + 10_000);
            let outcome = store.reserve(request.unwrap()).await?;
            assert!(
                matches!(outcome, ReserveOutcome::Reserved { .. }),
                "{counter} is undersold: {outcome:?}"
            );
        }
        confirmed += sold;
    }
    for key in &told.confirmed {
        let state = store.confirm(key, now()).await?;
        assert_eq!(state, Some(ReservationState::Confirmed), "{key} was acknowledged as sold");
    }
    assert!(told.puts > kills && confirmed >= told.confirmed.len() as u64, "there was hardly any load");
    eprintln!(
        "{place}: kills {kills}; documents: acknowledged puts {}, lost 0; counters: reserved {reserved}, confirmed \
         {confirmed} (acknowledged {}), expired {expired}, sold out {} times, oversold 0, undersold 0",
        told.puts,
        told.confirmed.len(),
        told.sold_out
    );
    Ok(())
}

fn kills() -> u64 {
    std::env::var("QIANMIAN_KILLS").map_or(3, |kills| kills.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_documents_and_counters_survive_kills() {
    let _turn = TURN.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let (place, mut told) = (folder.path().join("store"), Told::default());
    for number in 0..kills() {
        round(place.to_str().unwrap(), number, &mut told, || ());
    }
    let store = Embedded::open(&place, TTL).unwrap();
    check("embedded", &store, kills(), &told).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_documents_and_counters_survive_kills() {
    if !redis_is_here("redis_documents_and_counters_survive_kills") {
        return;
    }
    let _turn = TURN.lock().await;
    let (mut redis, mut told) = (RedisServer::start(), Told::default());
    for number in 0..kills() {
        let url = redis.url();
        // Every other time Redis is killed first, and comes back while the worker runs.
        round(&url, number, &mut told, || {
            if number % 2 == 0 {
                redis.end("KILL");
                redis.start_again();
                std::thread::sleep(Duration::from_millis(150));
            }
        });
    }
    let store = Redis::open(redis_options(&redis.url())).unwrap();
    store.connect().await.unwrap();
    check("redis", &store, kills(), &told).await.unwrap();
}
