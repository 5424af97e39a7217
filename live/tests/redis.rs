//! The store in Redis behaves as every store does, on one server and on a cluster, and as replicas need it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod behaviours;
mod support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use behaviours::{NOW, Place, TTL, event};
use qianmian_live::item::{ItemChange, Told};
use qianmian_live::store::{ItemOutcome, Name, Outcome, Redis, RedisOptions, Store, StoreError};
use support::{RedisServer, redis_is_here};

/// A shop of its own on servers that others use, too.
struct Shop {
    options: RedisOptions,
}

impl Shop {
    fn new(urls: Vec<String>, cluster: bool) -> Self {
        static SHOPS: AtomicU32 = AtomicU32::new(0);
        let shop = format!("shop-{}", SHOPS.fetch_add(1, Ordering::Relaxed));
        let timeout = Duration::from_secs(5);
        let (load_timeout, write_timeout) = (timeout, timeout);
        Self { options: RedisOptions { urls, cluster, shop, ttl: TTL, load_timeout, write_timeout } }
    }

    async fn connected(&self) -> Redis {
        let store = Redis::open(self.options.clone()).unwrap();
        store.connect().await.unwrap();
        store.items_loaded().await;
        store
    }
}

impl Place for Shop {
    type Store = Redis;

    fn open(&self) -> Redis {
        let connected = self.connected();
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(connected))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_redis_behaves() {
    if !redis_is_here("the_store_in_redis_behaves") {
        return;
    }
    let server = RedisServer::start();
    behaviours::hold(|| Shop::new(vec![server.url()], false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_a_redis_cluster_behaves() {
    if !redis_is_here("the_store_in_a_redis_cluster_behaves") {
        return;
    }
    let servers = RedisServer::start_cluster(3);
    behaviours::hold(|| Shop::new(vec![servers[0].url(), servers[1].url()], true)).await;
    let keys = |server: &RedisServer| server.say("DBSIZE").trim_start_matches(':').parse::<u64>().unwrap();
    assert!(servers.iter().all(|server| keys(server) > 0), "some node holds nothing");
}

fn stock(item: &str, stock: u32, at: i64) -> Vec<ItemChange> {
    vec![ItemChange::check(item, (None, Some(stock), None), at, NOW).unwrap()]
}

fn known(store: &Redis, item: &str) -> Option<Told<u32>> {
    let mut known = None;
    store.each_item(Some(&[item.to_owned()]), |_, state| known = state.stock);
    known
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_one_replica_acknowledged_is_news_to_the_other_at_once() {
    if !redis_is_here("a_change_that_one_replica_acknowledged_is_news_to_the_other_at_once") {
        return;
    }
    let server = RedisServer::start();
    let shop = Shop::new(vec![server.url()], false);
    let (a, b) = (shop.connected().await, shop.connected().await);
    assert_eq!(b.items_changed().await, None, "what was read first may be anything");
    assert_eq!(a.change_items(stock("x", 0, NOW)).await.unwrap(), [ItemOutcome::Accepted]);
    let news = tokio::time::timeout(Duration::from_secs(1), b.items_changed()).await;
    assert_eq!(news, Ok(Some(vec!["x".to_owned()])));
    assert_eq!(known(&b, "x"), Some(Told(0, NOW)));
    // A change on a replica that has not heard of the one before is judged by what Redis knows.
    assert_eq!(b.change_items(stock("x", 9, NOW - 1)).await.unwrap(), [ItemOutcome::Stale]);
    // Both say something of the same moment at once: afterwards both know the same.
    for n in 0..50 {
        let (of_a, of_b) = (stock("x", n, NOW + 1), stock("x", 100 + n, NOW + 1));
        let (of_a, of_b) = tokio::join!(a.change_items(of_a), b.change_items(of_b));
        assert_eq!(
            (of_a.unwrap(), of_b.unwrap()),
            (vec![ItemOutcome::Accepted], vec![ItemOutcome::Accepted])
        );
    }
    support::wait_for("both replicas know the same", || known(&a, "x") == known(&b, "x"));
    let c = shop.connected().await;
    assert_eq!(known(&c, "x"), known(&a, "x"), "and it is what Redis knows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lost_its_connection_reads_everything_again() {
    if !redis_is_here("a_replica_that_lost_its_connection_reads_everything_again") {
        return;
    }
    let mut server = RedisServer::start();
    let shop = Shop::new(vec![server.url()], false);
    let (a, b) = (shop.connected().await, shop.connected().await);
    a.change_items(stock("x", 3, NOW)).await.unwrap();
    a.append(vec![event("1", "view", "u", "i")], NOW).await.unwrap();
    server.end("KILL");
    assert!(matches!(a.load(&[Name::User("u")], NOW).await, Err(StoreError::Failed(_))));
    server.start_again();
    a.connect().await.unwrap();
    a.change_items(stock("x", 0, NOW + 1)).await.unwrap();
    support::wait_for("the other replica knows", || known(&b, "x") == Some(Told(0, NOW + 1)));
    assert!(
        !a.load(&[Name::User("u")], NOW).await.unwrap().state.is_empty(),
        "what was acknowledged is there"
    );
    // A server that was emptied counts from the start again; nothing of before is left.
    server.say("FLUSHALL");
    server.say("CLIENT KILL TYPE normal");
    support::wait_for("the other replica forgets", || known(&b, "x").is_none());
    a.connect().await.unwrap();
    assert_eq!(a.append(vec![event("1", "view", "u", "i")], NOW).await.unwrap(), [Outcome::Accepted]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sending_again_repairs_what_a_crash_left_between_the_log_and_the_marks() {
    if !redis_is_here("sending_again_repairs_what_a_crash_left_between_the_log_and_the_marks") {
        return;
    }
    let server = RedisServer::start();
    let shop = Shop::new(vec![server.url()], false);
    let store = shop.connected().await;
    let shown = event("1", "expose", "u", "i");
    store.append(vec![shown.clone()], NOW).await.unwrap();
    let before = store.load(&[Name::User("u")], NOW).await.unwrap().state;
    let key = format!("qm:{}:{{u:u}}:exposures", shop.options.shop);
    assert_eq!(server.say(&format!("DEL {key}")), ":1");
    // Later, so that a mark made of the moment of the repetition would be another one.
    assert_eq!(store.append(vec![shown], NOW + 60_000).await.unwrap(), [Outcome::Duplicate]);
    assert_eq!(store.load(&[Name::User("u")], NOW).await.unwrap().state, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_stays_bounded_and_a_thousand_rows_are_one_call() {
    if !redis_is_here("a_state_stays_bounded_and_a_thousand_rows_are_one_call") {
        return;
    }
    let server = RedisServer::start();
    let store = Shop::new(vec![server.url()], false).connected().await;
    let views = (0..1_000).map(|n| event(&format!("e{n}"), "view", "u", &format!("i{n:04}"))).collect();
    let outcomes = store.append(views, NOW).await.unwrap();
    assert!(outcomes.len() == 1_000 && outcomes.iter().all(|outcome| *outcome == Outcome::Accepted));
    let state = store.load(&[Name::User("u")], NOW).await.unwrap().state;
    assert_eq!(state.marks().len(), qianmian_live::user::MAX_TOUCHES);
    let log = store.log(0, usize::MAX).await.unwrap();
    assert!(log.iter().enumerate().all(|(n, logged)| logged.number == n as u64) && log.len() == 1_000);
    assert_eq!(store.log(990, 5).await.unwrap().len(), 5);
}

#[tokio::test]
async fn what_settings_endanger_is_said_and_a_password_never() {
    for url in ["http://x", "rediss://:secret@x", "redis:/", ""] {
        let error = qianmian_live::store::check_url(url).unwrap_err().to_string();
        assert!(error.contains("redis://") && !error.contains("secret"), "{error}");
    }
    if !redis_is_here("what_settings_endanger_is_said_and_a_password_never") {
        return;
    }
    let server = RedisServer::start();
    let store = Shop::new(vec![server.url()], false).connected().await;
    assert_eq!(store.concerns().await, Some(vec![]));
    server.say("CONFIG SET appendonly no");
    server.say("CONFIG SET maxmemory-policy allkeys-lru");
    assert_eq!(store.concerns().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_with_the_rights_that_the_docs_name_is_enough() {
    if !redis_is_here("an_account_with_the_rights_that_the_docs_name_is_enough") {
        return;
    }
    let server = RedisServer::start();
    let docs = include_str!("../../docs/operations.md");
    let rights =
        docs.split_once("An account for the server needs\n  `").and_then(|(_, rest)| rest.split_once('`'));
    assert_eq!(server.say(&format!("ACL SETUSER qm on >secret {}", rights.unwrap().0)), "+OK");
    assert_eq!(server.say("ACL SETUSER default off"), "+OK");
    let url = format!("redis://qm:secret@127.0.0.1:{}", server.port);
    behaviours::hold(|| Shop::new(vec![url.clone()], false)).await;
    let store = Shop::new(vec![url], false).connected().await;
    assert_eq!(store.concerns().await, Some(vec![]));
    let wrong = Shop::new(vec![format!("redis://qm:wrong@127.0.0.1:{}", server.port)], false);
    let error = Redis::open(wrong.options).unwrap().connect().await.unwrap_err().to_string();
    assert!(!error.contains("wrong@"), "{error}");
}
