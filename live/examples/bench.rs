//! What the embedded store costs on this machine: durable events a second, bytes, and the time of a load.
//!
//!     cargo run --release -p qianmian-live --example bench -- var/bench-live
//!
//! The folder's disk is the one that is measured; what is in it is replaced.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use qianmian_live::event::{Event, EventType};
use qianmian_live::identity::{Identity, LinkRequest};
use qianmian_live::store::{Embedded, Name, Store, StoreError};

const TTL_MS: i64 = 7 * 86_400_000;
const USERS: u64 = 50_000;
const ITEMS: u64 = 20_000;
/// People who get five identities each.
const PEOPLE: u64 = 4_000;
const SECONDS: Duration = Duration::from_secs(5);
/// Callers at once, and events of a call.
const LOADS: [(u64, u64); 5] = [(1, 1), (16, 1), (64, 1), (8, 20), (8, 500)];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from("var/bench-live"), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let mut out = std::io::stdout();
    writeln!(out, "callers  events/call  events/s durable  p50 ms  p99 ms  disk bytes/event")?;
    for (callers, batch) in LOADS {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let store = Arc::new(Embedded::open(&folder, TTL_MS)?);
        let (events, mut waits) = runtime.block_on(pour(&store, callers, batch))?;
        waits.sort_unstable();
        let disk = bytes_in(&folder)? as f64 / events as f64;
        let rate = events as f64 / SECONDS.as_secs_f64();
        let (p50, p99) = (millis(&waits, 50), millis(&waits, 99));
        writeln!(out, "{callers:7}  {batch:11}  {rate:16.0}  {p50:6.2}  {p99:6.2}  {disk:16.0}")?;
        if (callers, batch) == LOADS[LOADS.len() - 1] {
            runtime.block_on(loads(&store, &mut out))?;
            runtime.block_on(people(&store, &mut out))?;
        }
        drop(store);
        let started = Instant::now();
        drop(Embedded::open(&folder, TTL_MS)?);
        writeln!(out, "         opened again in {} ms", started.elapsed().as_millis())?;
    }
    Ok(())
}

/// Sends events for a while; how many were acknowledged, and how long each call waited.
async fn pour(store: &Arc<Embedded>, callers: u64, batch: u64) -> Result<(u64, Vec<u64>), StoreError> {
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

/// What links take, and a load by an identity of a person who has five.
async fn people(store: &Arc<Embedded>, out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
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
        std::hint::black_box(&store.load(&[Name::Identity(&device)], now()).await?.state.lately(now()));
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

/// What a load takes, and how large the states are.
async fn loads(store: &Embedded, out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    let (mut times, mut marks, mut bytes, mut known) = (Vec::new(), 0, 0, 0usize);
    for n in 0..20_000u64 {
        let id = format!("user-{:08}", scattered(n) % USERS);
        let started = Instant::now();
        let state = store.load(&[Name::User(&id)], now()).await?.state;
        let lately = state.lately(now());
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
        "         load and reading of a user's state: p50 {:.1} us, p99 {:.1} us; {:.1} marks and {:.0} bytes a user",
        millis(&times, 50),
        millis(&times, 99),
        marks as f64 / known as f64,
        bytes as f64 / known as f64,
    )?;
    Ok(())
}

fn event(n: u64) -> Event {
    let random = scattered(n);
    Event {
        event_id: format!("{random:016x}-{n:08}"),
        kind: EventType::of_number((random >> 8) as u8 % 7).unwrap_or(EventType::View),
        occurred_at: now(),
        identity: None,
        user_id: Some(format!("user-{:08}", random % USERS)),
        session_id: Some(format!("session-{:08}", random % (3 * USERS))),
        item_id: Some(format!("item-{:07}", (random >> 20) % ITEMS)),
        channel: Some("mini_program".to_owned()),
        region: None,
        scene: Some("home".to_owned()),
        room_id: None,
        request_id: Some(format!("{random:032x}")),
        value: None,
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
