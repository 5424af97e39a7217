//! The store in Redis: the common behaviors on a server and on a cluster, replicas, and returns of Redis.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use qianmian_live::StoreError;
use qianmian_live::backends::{Redis, RedisOptions, check_url};
use qianmian_live::items::{ItemChange, ItemOutcome, Items, Stamped};
use qianmian_live::log::{EventLog, Outcome};
use qianmian_live::people::{Name, People};

use super::behaviors::{self, NOW, Place, TTL, event};
use super::support::{self, RedisServer, redis_is_here};

/// A shop of its own on servers that other tests use, too.
struct Shop {
    options: RedisOptions,
}

impl Shop {
    fn new(urls: Vec<String>, cluster: bool) -> Self {
        static SHOPS: AtomicU32 = AtomicU32::new(0);
        let shop = format!("shop-{}", SHOPS.fetch_add(1, Ordering::Relaxed));
        let timeout = Duration::from_secs(5);
        let (load_timeout, write_timeout) = (timeout, timeout);
        Self {
            options: RedisOptions { urls, cluster, shop, ttl: TTL, first: 0, load_timeout, write_timeout },
        }
    }

    async fn connected(&self) -> Redis {
        let store = Redis::open(self.options.clone()).unwrap();
        store.connect().await.unwrap();
        store.replicas_loaded().await;
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
async fn redis_store_behaves() {
    if !redis_is_here("redis_store_behaves") {
        return;
    }
    let server = RedisServer::start();
    behaviors::hold(|| Shop::new(vec![server.url()], false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_cluster_store_behaves() {
    if !redis_is_here("redis_cluster_store_behaves") {
        return;
    }
    let servers = RedisServer::start_cluster(3);
    behaviors::hold(|| Shop::new(vec![servers[0].url(), servers[1].url()], true)).await;
    let keys = |server: &RedisServer| server.say("DBSIZE").trim_start_matches(':').parse::<u64>().unwrap();
    assert!(servers.iter().all(|server| keys(server) > 0), "some node holds nothing");
}

fn stock(item: &str, stock: u32, at: i64) -> Vec<ItemChange> {
    vec![ItemChange::check(item, (None, Some(stock), None), Some(at), NOW).unwrap()]
}

fn known(store: &Redis, item: &str) -> Option<Stamped<u32>> {
    let mut known = None;
    store.each_item(Some(&[item.to_owned()]), |_, state| known = state.stock);
    known
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_change_reaches_the_other_replica() {
    if !redis_is_here("an_acknowledged_change_reaches_the_other_replica") {
        return;
    }
    let server = RedisServer::start();
    let shop = Shop::new(vec![server.url()], false);
    let (a, b) = (shop.connected().await, shop.connected().await);
    assert_eq!(b.items_changed().await, None, "what was read first may be anything");
    // The very first change skips numbers, after which a replica reads everything again.
    a.change_items(stock("w", 1, NOW)).await.unwrap();
    support::wait_for("the other replica follows", || known(&b, "w").is_some());
    assert_eq!(b.items_changed().await, None);
    assert_eq!(a.change_items(stock("x", 0, NOW)).await.unwrap(), [ItemOutcome::Accepted]);
    let news = tokio::time::timeout(Duration::from_secs(1), b.items_changed()).await;
    assert_eq!(news, Ok(Some(vec!["x".to_owned()])));
    assert_eq!(known(&b, "x"), Some(Stamped(0, NOW)));
    // A change on a replica that has not seen the previous one is decided by the data in Redis.
    assert_eq!(b.change_items(stock("x", 9, NOW - 1)).await.unwrap(), [ItemOutcome::Stale]);
    // Both report a value for the same moment at once: afterwards both have the same value.
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
async fn a_reconnected_replica_reads_everything_again() {
    if !redis_is_here("a_reconnected_replica_reads_everything_again") {
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
    support::wait_for("the other replica knows", || known(&b, "x") == Some(Stamped(0, NOW + 1)));
    assert!(
        !a.load(&[Name::User("u")], NOW).await.unwrap().state.is_empty(),
        "what was acknowledged is there"
    );
    // A server that was emptied counts from the start again, without earlier data.
    server.say("FLUSHALL");
    server.say("CLIENT KILL TYPE normal");
    support::wait_for("the other replica forgets", || known(&b, "x").is_none());
    a.connect().await.unwrap();
    assert_eq!(a.append(vec![event("1", "view", "u", "i")], NOW).await.unwrap(), [Outcome::Accepted]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sending_again_completes_an_interrupted_append() {
    if !redis_is_here("sending_again_completes_an_interrupted_append") {
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
async fn a_thousand_rows_are_one_call_and_states_stay_bounded() {
    if !redis_is_here("a_thousand_rows_are_one_call_and_states_stay_bounded") {
        return;
    }
    let server = RedisServer::start();
    let store = Shop::new(vec![server.url()], false).connected().await;
    let views = (0..1_000).map(|n| event(&format!("e{n}"), "view", "u", &format!("i{n:04}"))).collect();
    let outcomes = store.append(views, NOW).await.unwrap();
    assert!(outcomes.len() == 1_000 && outcomes.iter().all(|outcome| *outcome == Outcome::Accepted));
    let state = store.load(&[Name::User("u")], NOW).await.unwrap().state;
    assert_eq!(state.marks().len(), qianmian_live::people::state::MAX_TOUCHES);
    let log = store.events(0, usize::MAX).await.unwrap();
    assert!(log.windows(2).all(|pair| pair[1].number == pair[0].number + 1) && log.len() == 1_000);
    assert_eq!(store.events(log[990].number, 5).await.unwrap().len(), 5);
}

#[tokio::test]
async fn risky_settings_are_reported_and_passwords_are_not() {
    for url in ["http://x", "rediss://:secret@x", "redis:/", ""] {
        let error = check_url(url).unwrap_err().to_string();
        assert!(error.contains("redis://") && !error.contains("secret"), "{error}");
    }
    if !redis_is_here("risky_settings_are_reported_and_passwords_are_not") {
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
async fn the_documented_account_rights_suffice() {
    if !redis_is_here("the_documented_account_rights_suffice") {
        return;
    }
    let server = RedisServer::start();
    let docs = include_str!("../../docs/operations.md");
    let rights =
        docs.split_once("An account for the server needs\n  `").and_then(|(_, rest)| rest.split_once('`'));
    assert_eq!(server.say(&format!("ACL SETUSER qm on >secret {}", rights.unwrap().0)), "+OK");
    assert_eq!(server.say("ACL SETUSER default off"), "+OK");
    let url = format!("redis://qm:secret@127.0.0.1:{}", server.port);
    behaviors::hold(|| Shop::new(vec![url.clone()], false)).await;
    let store = Shop::new(vec![url], false).connected().await;
    assert_eq!(store.concerns().await, Some(vec![]));
    let wrong = Shop::new(vec![format!("redis://qm:wrong@127.0.0.1:{}", server.port)], false);
    let error = Redis::open(wrong.options).unwrap().connect().await.unwrap_err().to_string();
    assert!(!error.contains("wrong@"), "{error}");
}
