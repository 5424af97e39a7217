//! Costs of the stores on this machine: durable events per second, bytes, and the time of a load.
//!
//!     cargo run --release -p qianmian-live --example bench -- var/bench-live
//!
//! It measures the folder's disk; the folder's contents are replaced. A Redis of its own is started there, if the
//! program is installed.

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use qianmian_live::StoreError;
use qianmian_live::backends::{Embedded, Redis, RedisOptions};
use qianmian_live::event::{Event, EventType};
use qianmian_live::identity::Identity;
use qianmian_live::items::{ItemChange, Items};
use qianmian_live::log::EventLog;
use qianmian_live::people::state::{MAX_EXPOSURES, MAX_FACTS, MAX_TOUCHES};
use qianmian_live::people::{LinkRequest, Name, People};
use qianmian_money::Decimal;
use support::{RedisServer, redis_is_here};

const TTL_MS: i64 = 7 * 86_400_000;
const USERS: u64 = 50_000;
const ITEMS: u64 = 20_000;
/// People with five identities each.
const PEOPLE: u64 = 4_000;
const SECONDS: Duration = Duration::from_secs(5);
/// Concurrent callers, and events per call.
const LOADS: [(u64, u64); 5] = [(1, 1), (16, 1), (64, 1), (8, 20), (8, 500)];

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Fallible<()> {
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from("var/bench-live"), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut out = std::io::stdout();
    writeln!(out, "store           callers  events/call  events/s durable  p50 ms  p99 ms  bytes/event")?;
    runtime.block_on(async {
        embedded(&folder, &mut out).await?;
        if redis_is_here("the bench of Redis") {
            redis(&folder, "always", &mut out).await?;
            redis(&folder, "everysec", &mut out).await?;
        }
        Ok(())
    })
}

async fn embedded(folder: &Path, out: &mut impl Write) -> Fallible<()> {
    for load in LOADS {
        renew(folder)?;
        let store = Arc::new(Embedded::open(folder, TTL_MS)?);
        let (events, waits) = pour(&store, load).await?;
        row(out, "embedded", load, waits, bytes_in(folder)? as f64 / events as f64)?;
        if load == LOADS[LOADS.len() - 1] {
            loads(&*store, out).await?;
            people(&store, out).await?;
        }
        drop(store);
        let started = Instant::now();
        drop(Embedded::open(folder, TTL_MS)?);
        writeln!(out, "    opened again in {} ms", started.elapsed().as_millis())?;
    }
    Ok(())
}

async fn redis(folder: &Path, fsync: &'static str, out: &mut impl Write) -> Fallible<()> {
    for load in LOADS {
        renew(folder)?;
        let server = RedisServer::start_in(folder, fsync);
        let timeout = Duration::from_secs(10);
        let store = Arc::new(Redis::open(RedisOptions {
            urls: vec![server.url()],
            cluster: false,
            shop: "bench".to_owned(),
            ttl: TTL_MS,
            first: 0,
            load_timeout: timeout,
            write_timeout: timeout,
        })?);
        store.connect().await?;
        let before = used(&server);
        let (events, waits) = pour(&store, load).await?;
        let bytes = (used(&server) - before) / events as f64;
        row(out, &format!("redis {fsync}"), load, waits, bytes)?;
        if load == LOADS[LOADS.len() - 1] {
            loads(&*store, out).await?;
            let log = memory(&server, "{qm:bench}:log") / events as f64;
            writeln!(out, "    memory: {log:.0} bytes an event in the log")?;
            sizes(&store, &server, out).await?;
        }
    }
    Ok(())
}

/// Measures the memory of users with ten marks, of users with the most marks, and of an item with all fields.
async fn sizes(store: &Redis, server: &RedisServer, out: &mut impl Write) -> Fallible<()> {
    let event = |user: &str, kind: EventType, n: usize| Event {
        event_id: format!("{user}-{}-{n}", kind.name()),
        kind,
        occurred_at: now() - n as i64,
        user_id: Some(user.to_owned()),
        item_id: Some(format!("item-{n:07}")),
        ..event(0)
    };
    let of = |user, kind, count| (0..count).map(move |n| event(user, kind, n));
    let ten = of("ten", EventType::View, 8).chain(of("ten", EventType::Purchase, 2)).collect();
    store.append(ten, now()).await?;
    let full = of("full", EventType::View, MAX_TOUCHES).chain(of("full", EventType::Purchase, MAX_FACTS));
    store.append(full.chain(of("full", EventType::Expose, MAX_EXPOSURES)).collect(), now()).await?;
    let told = |n| {
        ItemChange::check(
            &format!("item-{n:07}"),
            (Decimal::parse("9.5").ok(), Some(3), Some(true)),
            Some(now()),
            now(),
        )
    };
    store.change_items((0..1_000).filter_map(|n| told(n).ok()).collect()).await?;
    writeln!(
        out,
        "    memory: a user of 10 marks {:.0} bytes, of the most marks {:.0}; an item {:.0}",
        memory_of_user(server, "ten"),
        memory_of_user(server, "full"),
        memory(server, "{qm:bench:items}:states") / 1e3,
    )?;
    Ok(())
}

fn renew(folder: &Path) -> std::io::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)
}

fn row(
    out: &mut impl Write,
    store: &str,
    (callers, batch): (u64, u64),
    mut waits: Vec<u64>,
    bytes: f64,
) -> std::io::Result<()> {
    waits.sort_unstable();
    let rate = (waits.len() as u64 * batch) as f64 / SECONDS.as_secs_f64();
    let (p50, p99) = (millis(&waits, 50), millis(&waits, 99));
    writeln!(out, "{store:14}  {callers:7}  {batch:11}  {rate:16.0}  {p50:6.2}  {p99:6.2}  {bytes:11.0}")
}

/// Bytes of memory used, as reported by Redis.
fn used(server: &RedisServer) -> f64 {
    let info = server.say("INFO memory");
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0.0)
}

/// Bytes of memory of a key, all of it counted.
fn memory(server: &RedisServer, key: &str) -> f64 {
    let bytes = server.say(&format!("MEMORY USAGE {key} SAMPLES 0"));
    bytes.trim_start_matches(':').parse().unwrap_or(0.0)
}

fn memory_of_user(server: &RedisServer, id: &str) -> f64 {
    let key = |class| format!("qm:bench:{{u:{id}}}:{class}");
    ["touches", "facts", "exposures"].iter().map(|class| memory(server, &key(class))).sum()
}

/// Sends events for a while; returns the number acknowledged, and the latency of each call.
async fn pour<S: EventLog + 'static>(
    store: &Arc<S>,
    (callers, batch): (u64, u64),
) -> Result<(u64, Vec<u64>), StoreError> {
    let next = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + SECONDS;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (store, next) = (Arc::clone(store), Arc::clone(&next));
        tasks.spawn(async move {
            let mut waits = Vec::new();
            while Instant::now() < end {
                let first = next.fetch_add(batch, Ordering::Relaxed);
                let events = (first..first + batch).map(event).collect();
                let started = Instant::now();
                store.append(events, now()).await?;
                waits.push(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
            Ok::<_, StoreError>(waits)
        });
    }
    let mut waits = Vec::new();
    while let Some(done) = tasks.join_next().await {
        waits.extend(done.unwrap_or(Err(StoreError::Closed))?);
    }
    Ok((waits.len() as u64 * batch, waits))
}

/// Measures the cost of links, and a load by an identity of a person with five identities.
async fn people(store: &Arc<Embedded>, out: &mut impl Write) -> Fallible<()> {
    let kinds = ["member_card", "jd", "wechat_openid", "device_id", "cookie"];
    let identity =
        |kind: &str, n: u64| Identity::check(kind, &format!("{kind}-{n:016x}")).map_err(|fault| fault.reason);
    let started = Instant::now();
    for first in (0..PEOPLE).step_by(16) {
        let mut callers = tokio::task::JoinSet::new();
        for n in first..first + 16 {
            let request = LinkRequest {
                user_id: Some(format!("user-{n:08}")),
                identities: kinds.iter().map(|kind| identity(kind, n)).collect::<Result<_, _>>()?,
                at: now(),
                request_id: format!("{n:032x}"),
                source: None,
            };
            let store = Arc::clone(store);
            callers.spawn(async move { store.link(request).await });
        }
        for linked in callers.join_all().await {
            linked??;
        }
    }
    let rate = PEOPLE as f64 / started.elapsed().as_secs_f64();
    let mut times = Vec::new();
    for n in 0..PEOPLE {
        let device = identity("device_id", scattered(n) % PEOPLE)?;
        let started = Instant::now();
        std::hint::black_box(&store.load(&[Name::Identity(&device)], now()).await?.state.context(now()));
        times.push(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    times.sort_unstable();
    let (p50, p99) = (millis(&times, 50), millis(&times, 99));
    writeln!(
        out,
        "         {rate:.0} links a second, durable, 16 callers; load by an identity of a person with five: \
         p50 {p50:.1} us, p99 {p99:.1} us"
    )?;
    Ok(())
}

/// Measures the time of a load, and the sizes of the states.
async fn loads(store: &(impl EventLog + People), out: &mut impl Write) -> Fallible<()> {
    let (mut times, mut marks, mut bytes, mut known) = (Vec::new(), 0, 0, 0usize);
    for n in 0..20_000u64 {
        let id = user(n);
        let started = Instant::now();
        let state = store.load(&[Name::User(&id)], now()).await?.state;
        let lately = state.context(now());
        std::hint::black_box(&lately);
        times.push(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
        marks += state.marks().len();
        bytes += state.encoded().len();
        known += usize::from(!state.is_empty());
    }
    times.sort_unstable();
    let known = known.max(1);
    writeln!(
        out,
        "    load and reading of a user's state: p50 {:.1} us, p99 {:.1} us; {:.1} marks and {:.0} bytes a user",
        millis(&times, 50),
        millis(&times, 99),
        marks as f64 / known as f64,
        bytes as f64 / known as f64,
    )?;
    Ok(())
}

fn user(n: u64) -> String {
    format!("user-{:08}", scattered(n) % USERS)
}

fn event(n: u64) -> Event {
    let random = scattered(n);
    Event {
        event_id: format!("{random:016x}-{n:08}"),
        kind: EventType::of_number((random >> 8) as u8 % 7).unwrap_or(EventType::View),
        occurred_at: now(),
        identity: None,
        user_id: Some(user(n)),
        session_id: Some(format!("session-{:08}", random % (3 * USERS))),
        item_id: Some(format!("item-{:07}", (random >> 20) % ITEMS)),
        channel: Some("mini_program".to_owned()),
        region: None,
        scene: Some("home".to_owned()),
        room_id: None,
        request_id: Some(format!("{random:032x}")),
        value: None,
        storefront: false,
    }
}

/// A number that looks random (splitmix64).
fn scattered(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A percentile of sorted thousandths.
fn millis(sorted: &[u64], percent: usize) -> f64 {
    sorted.get(sorted.len() * percent / 100).map_or(0.0, |thousandths| *thousandths as f64 / 1e3)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Bytes that the files of a folder take on disk, each once.
fn bytes_in(folder: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let (mut folders, mut seen, mut bytes) = (vec![folder.to_owned()], BTreeSet::new(), 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if seen.insert(metadata.ino()) {
                bytes += metadata.blocks() * 512;
            }
        }
    }
    Ok(bytes)
}
