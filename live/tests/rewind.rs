//! Redis comes back with older data, in five ways, under event load: every event that is acknowledged after the return
//! is drained exactly once and followed, and no event is drained twice.
//!
//! `QIANMIAN_REWINDS` sets the number of runs per way (1 by default, 20 in `make chaos`).

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use qianmian_live::backends::{Redis, RedisOptions};
use qianmian_live::event::Event;
use qianmian_live::followers::{Follower, RecentBuyers};
use qianmian_live::log::EventLog;
use qianmian_live::log::drain::Drain;

use super::behaviors::{NOW, TTL, event};
use super::drain::drained;
use super::support::{RedisServer, redis_is_here};

/// The way in which Redis comes back.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Killed; it restarts from a snapshot of a while ago.
    KilledWithoutSave,
    /// Stopped, and an older snapshot is restored by hand.
    OlderSnapshot,
    /// Killed; a replica that lagged takes over.
    LaggingReplica,
    /// Emptied while it runs.
    FlushAll,
    /// Killed; it restarts empty.
    Empty,
}

const WAYS: [Way; 5] =
    [Way::KilledWithoutSave, Way::OlderSnapshot, Way::LaggingReplica, Way::FlushAll, Way::Empty];

fn store(redis: &RedisServer, first: u64) -> Redis {
    let timeout = Duration::from_secs(5);
    let (load_timeout, write_timeout) = (timeout, timeout);
    let (urls, shop) = (vec![redis.url()], "rewind".to_owned());
    Redis::open(RedisOptions { urls, cluster: false, shop, ttl: TTL, first, load_timeout, write_timeout })
        .unwrap()
}

/// Appends events until it is told to stop; returns those whose call began after `returned`, by their number.
async fn append(store: Arc<Redis>, stop: Arc<AtomicBool>, returned: Arc<AtomicBool>) -> HashSet<String> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut acknowledged = HashSet::new();
    while !stop.load(Ordering::SeqCst) {
        let ids: Vec<String> = (0..5).map(|_| format!("e{}", NEXT.fetch_add(1, Ordering::SeqCst))).collect();
        let events: Vec<Event> = ids.iter().map(|id| event(id, "purchase", id, "item")).collect();
        loop {
            let after = returned.load(Ordering::SeqCst);
            if store.append(events.clone(), NOW).await.is_ok() {
                if after {
                    acknowledged.extend(ids);
                }
                break;
            }
            // Sent again until it is acknowledged, as callers do.
            let _ = store.connect().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    acknowledged
}

fn come_back(way: Way, redis: &mut RedisServer, snapshot: &[u8]) {
    match way {
        Way::FlushAll => drop(redis.say("FLUSHALL")),
        Way::KilledWithoutSave => {
            redis.end("KILL");
            redis.start_again();
        }
        Way::Empty => {
            redis.end("KILL");
            std::fs::remove_file(redis.folder().join("dump.rdb")).unwrap();
            redis.start_again();
        }
        Way::OlderSnapshot => {
            redis.end("TERM");
            std::fs::write(redis.folder().join("dump.rdb"), snapshot).unwrap();
            redis.start_again();
        }
        Way::LaggingReplica => {
            // The data that a replica had received a while ago takes over the address.
            redis.end("KILL");
            std::fs::write(redis.folder().join("dump.rdb"), snapshot).unwrap();
            redis.start_again();
        }
    }
}

/// The data of a replica that stops receiving now.
fn replica_of(redis: &RedisServer) -> Vec<u8> {
    let replica = RedisServer::start_volatile();
    replica.say(&format!("REPLICAOF 127.0.0.1 {}", redis.port));
    super::support::wait_for("the replica is in sync", || {
        replica.say("INFO replication").contains("master_link_status:up")
    });
    replica.say("REPLICAOF NO ONE");
    assert_eq!(replica.say("SAVE"), "+OK");
    std::fs::read(replica.folder().join("dump.rdb")).unwrap()
}

async fn survive(way: Way) -> (usize, usize, usize) {
    let (mut redis, folder) = (RedisServer::start_volatile(), tempfile::tempdir().unwrap());
    let writer = Arc::new(store(&redis, 0));
    // The server that drains is another one than the one that writes.
    let reader = store(&redis, 0);
    writer.connect().await.unwrap();
    reader.connect().await.unwrap();
    let drain = Drain::open(folder.path()).unwrap();
    let (mut follower, mut buyers) = (Follower::default(), RecentBuyers::default());
    let (stop, returned) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let appending = tokio::spawn(append(Arc::clone(&writer), Arc::clone(&stop), Arc::clone(&returned)));
    let mut heard: HashMap<String, usize> = HashMap::new();
    let mut snapshot = Vec::new();
    for step in 0..40 {
        tokio::time::sleep(Duration::from_millis(15)).await;
        if step == 8 {
            assert_eq!(redis.say("SAVE"), "+OK");
            snapshot = match way {
                Way::LaggingReplica => replica_of(&redis),
                _ => std::fs::read(redis.folder().join("dump.rdb")).unwrap(),
            };
        }
        if step == 20 {
            come_back(way, &mut redis, &snapshot);
            reader.connect().await.unwrap();
            returned.store(true, Ordering::SeqCst);
        }
        // Either may fail while Redis is away.
        let _ = drain.pass(&reader).await;
        let each = |event: &Event| {
            *heard.entry(event.event_id.clone()).or_default() += 1;
            buyers.add(event);
        };
        let _ = follower.catch_up(&reader, NOW, each).await;
    }
    stop.store(true, Ordering::SeqCst);
    let acknowledged = appending.await.unwrap();
    drain.pass(&reader).await.unwrap();
    let each = |event: &Event| {
        *heard.entry(event.event_id.clone()).or_default() += 1;
        buyers.add(event);
    };
    let trending = follower.catch_up(&reader, NOW, each).await.unwrap();
    assert!(trending.nearest(None, None).is_some_and(|items| &*items[0].0 == "item"));
    let ids: Vec<String> = drained(folder.path()).into_iter().map(|(_, id)| id).collect();
    let once: HashSet<&String> = ids.iter().collect();
    assert_eq!(once.len(), ids.len(), "{way:?}: an event was drained twice");
    let lost = acknowledged.iter().filter(|id| !once.contains(id)).count();
    assert_eq!(lost, 0, "{way:?}: {lost} of {} acknowledged events were not drained", acknowledged.len());
    let unheard = acknowledged.iter().filter(|id| !heard.contains_key(*id)).count();
    assert_eq!(unheard, 0, "{way:?}: trends do not know {unheard} of {}", acknowledged.len());
    let known: HashSet<&str> = buyers.of("item").map(|(user, _)| user).collect();
    assert!(acknowledged.iter().all(|id| known.contains(id.as_str())), "{way:?}: recent buyers miss some");
    assert!(acknowledged.len() > 20, "there was hardly any load");
    check_restart(&redis, &drain, folder.path()).await;
    (acknowledged.len(), ids.len(), lost)
}

/// A server that starts now continues from the position of the drain.
async fn check_restart(redis: &RedisServer, drain: &Drain, folder: &Path) {
    let again = Drain::open(folder).unwrap();
    assert_eq!(again.next(), drain.next());
    let store = store(redis, again.next());
    store.connect().await.unwrap();
    assert_eq!(again.pass(&store).await.unwrap(), 0);
    store.append(vec![event("restarted", "view", "u", "item")], NOW).await.unwrap();
    assert_eq!(again.pass(&store).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_after_a_rewind_are_drained_once() {
    if !redis_is_here("events_after_a_rewind_are_drained_once") {
        return;
    }
    let times: usize = std::env::var("QIANMIAN_REWINDS").map_or(1, |times| times.parse().unwrap());
    for way in WAYS {
        let (mut acknowledged, mut total) = (0, 0);
        for _ in 0..times {
            let (after, drained, _) = survive(way).await;
            (acknowledged, total) = (acknowledged + after, total + drained);
        }
        eprintln!(
            "{way:?}: {times} times; acknowledged after the return {acknowledged}, of them not drained 0; drained \
             {total}, of them twice 0"
        );
    }
}
