//! Redis is stopped, killed, frozen, slowed and flapping under steady load: answers continue, no event is lost.
//!
//! Short by default: it asserts only that answers are given and that no event is lost or doubled, because latencies
//! mean little on a busy machine. `make chaos` (`QIANMIAN_OUTAGE_SECONDS=10`) prints all figures.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::process::{Serving, TURN};
use crate::support::redis::{RedisServer, redis_is_here};
use crate::support::shop::{item, publish, user};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use qianmian_live::backends::{Redis, RedisOptions};
use qianmian_live::log::EventLog;
use qianmian_live::people::{Name, People};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// Intervals between two queries, and between two calls with events.
const ASK_EVERY: Duration = Duration::from_millis(10);
const SEND_EVERY: Duration = Duration::from_millis(25);
/// Time before the outage, and after it.
const BEFORE: Duration = Duration::from_secs(1);
const AFTER: Duration = Duration::from_secs(6);
/// Delay that the slow proxy adds to every answer of Redis.
const SLOW: Duration = Duration::from_secs(2);
/// Time for which Redis is alternately reachable and not.
const FLAP: Duration = Duration::from_millis(300);

/// Queries in a row that are answered in full once Redis is back; on a busy machine a single one may be late.
const STEADY: usize = 50;

const PASS: u8 = 0;
const DELAY: u8 = 1;
const AWAY: u8 = 2;

/// A proxy between the server and Redis.
struct Proxy {
    address: SocketAddr,
    mode: AtomicU8,
    connections: Mutex<Vec<AbortHandle>>,
}

impl Proxy {
    async fn start(port: u16) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            mode: AtomicU8::new(PASS),
            connections: Mutex::default(),
        });
        let own = Arc::clone(&proxy);
        tokio::spawn(async move {
            loop {
                let Ok((from, _)) = listener.accept().await else { continue };
                if own.mode.load(Ordering::SeqCst) == AWAY {
                    continue;
                }
                let (passing, shared) = (Arc::clone(&own), Arc::clone(&own));
                let task = tokio::spawn(async move {
                    let Ok(to) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    // Without these, packets wait for each other's acknowledgment.
                    let _ = (from.set_nodelay(true), to.set_nodelay(true));
                    let ((from_read, from_write), (to_read, to_write)) = (from.into_split(), to.into_split());
                    tokio::select! {
                        () = pass(from_read, to_write, None) => {}
                        () = pass(to_read, from_write, Some(&passing)) => {}
                    }
                });
                shared.connections.lock().unwrap().push(task.abort_handle());
            }
        });
        proxy
    }

    fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
        if mode == AWAY {
            self.connections.lock().unwrap().drain(..).for_each(|connection| connection.abort());
        }
    }
}

/// Forwards bytes, with a delay if `slowed` is set.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, slowed: Option<&Proxy>) {
    let (sender, mut waiting) = tokio::sync::mpsc::channel::<(Instant, Vec<u8>)>(10_000);
    let read = async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n @ 1..) = from.read(&mut buffer).await {
            let slow = slowed.is_some_and(|proxy| proxy.mode.load(Ordering::SeqCst) == DELAY);
            let due = Instant::now() + if slow { SLOW } else { Duration::ZERO };
            if sender.send((due, buffer[..n].to_vec())).await.is_err() {
                break;
            }
        }
    };
    let write = async {
        while let Some((due, bytes)) = waiting.recv().await {
            tokio::time::sleep_until(due.into()).await;
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}

/// The outcome of one call.
struct Fact {
    /// Arrival of the answer.
    when: Instant,
    took: Duration,
    /// True if its status was 2xx.
    good: bool,
    /// True if it reports that live state did not answer.
    degraded: bool,
    /// True for a query, false for a call with events.
    asked: bool,
}

/// The load on one server, and its outcome.
struct Load {
    client: Client<HttpConnector, Full<Bytes>>,
    address: String,
    stop: AtomicBool,
    next: AtomicU64,
    answers: Mutex<Vec<Fact>>,
    /// The user of each acknowledged event, by its id.
    acknowledged: Mutex<HashMap<String, usize>>,
}

impl Load {
    async fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let started = Instant::now();
        let request = Request::post(format!("http://{}{path}", self.address));
        let request = request.header("content-type", "application/json");
        let request = request.body(Full::new(Bytes::from(body.to_string()))).unwrap();
        let answer = async {
            let answer = self.client.request(request).await.ok()?;
            answer.status().is_success().then_some(())?;
            serde_json::from_slice::<Value>(&answer.into_body().collect().await.ok()?.to_bytes()).ok()
        };
        let answer = answer.await;
        let degraded = answer.as_ref().is_some_and(|answer| answer["degraded"][0] == "user_state");
        let (when, took, good) = (Instant::now(), started.elapsed(), answer.is_some());
        self.answers.lock().unwrap().push(Fact { when, took, good, degraded, asked: path == "/recommend" });
        answer
    }

    async fn ask(self: Arc<Self>) {
        let n = self.next.fetch_add(1, Ordering::Relaxed) as usize;
        self.post("/recommend", &json!({"user": {"id": user(n % 40)}, "count": 10})).await;
    }

    /// Sends some events until they are acknowledged.
    async fn send(self: Arc<Self>) {
        let first = self.next.fetch_add(5, Ordering::Relaxed) as usize;
        let at = chrono::Utc::now().to_rfc3339();
        let ids: Vec<usize> = (first..first + 1 + first % 5).collect();
        let event = |n: &usize| {
            json!({"event_id": format!("e{n}"), "type": "view", "occurred_at": at, "user_id": user(n % 40),
                   "item_id": item("a", n % 30)})
        };
        let body = json!({"events": ids.iter().map(event).collect::<Vec<_>>()});
        let mut tries = 0;
        let answer = loop {
            match self.post("/events", &body).await {
                Some(answer) => break answer,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
            tries += 1;
            assert!(tries < 200, "no answer for ten seconds");
        };
        let statuses = crate::support::ids(&answer, "results", "status");
        assert!(statuses.iter().all(|status| status == "accepted" || (tries > 0 && status == "duplicate")));
        self.acknowledged.lock().unwrap().extend(ids.iter().map(|n| (format!("e{n}"), n % 40)));
    }
}

/// Starts a task at every tick, whether or not earlier ones have ended, and finally waits for all of them.
async fn steadily<F: Future<Output = ()> + Send + 'static>(
    load: Arc<Load>,
    every: Duration,
    task: fn(Arc<Load>) -> F,
) {
    let (mut tasks, mut ticks) = (JoinSet::new(), tokio::time::interval(every));
    while !load.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        tasks.spawn(task(Arc::clone(&load)));
        while let Some(done) = tasks.try_join_next() {
            done.unwrap();
        }
    }
    tasks.join_all().await;
}

/// One kind of outage: it begins, lasts, and ends. `None` shows the machine's own part in the figures.
#[derive(Clone, Copy, PartialEq)]
enum Outage {
    None,
    Stopped,
    Killed,
    Frozen,
    Slowed,
    Flapping,
}

impl Outage {
    async fn happen(self, redis: &mut RedisServer, proxy: &Proxy, lasting: Duration) {
        match self {
            Self::None => tokio::time::sleep(lasting).await,
            Self::Stopped | Self::Killed => {
                redis.end(if self == Self::Stopped { "TERM" } else { "KILL" });
                tokio::time::sleep(lasting).await;
                redis.start_again();
            }
            Self::Frozen => {
                redis.signal("STOP");
                tokio::time::sleep(lasting).await;
                redis.signal("CONT");
            }
            Self::Slowed => {
                proxy.set(DELAY);
                tokio::time::sleep(lasting).await;
                proxy.set(PASS);
            }
            Self::Flapping => {
                let until = Instant::now() + lasting;
                while Instant::now() < until {
                    proxy.set(AWAY);
                    tokio::time::sleep(FLAP).await;
                    proxy.set(PASS);
                    tokio::time::sleep(FLAP).await;
                }
            }
        }
    }
}

async fn survive(outage: Outage, name: &str) {
    let _turn = TURN.lock().await;
    if !redis_is_here(name) {
        return;
    }
    let lasting = std::env::var("QIANMIAN_OUTAGE_SECONDS").map_or(1.5, |seconds| seconds.parse().unwrap());
    let mut redis = RedisServer::start();
    let proxy = Proxy::start(redis.port).await;
    let folder = tempfile::tempdir().unwrap();
    publish(&folder.path().join("models"), "default", "v1", "a");
    let live = folder.path().join("live").display().to_string();
    let config = format!("[live]\nfolder = '{live}'\n[live.redis]\nurls = ['redis://{}']\n", proxy.address);
    std::fs::write(folder.path().join("server.toml"), config).unwrap();
    let serving = Serving::start(folder.path());
    crate::support::redis::wait_for("it is ready", || serving.get("/readyz").starts_with("HTTP/1.1 200 "));
    let load = Arc::new(Load {
        client: Client::builder(TokioExecutor::new()).build_http(),
        address: serving.address.clone(),
        stop: AtomicBool::new(false),
        next: AtomicU64::new(0),
        answers: Mutex::default(),
        acknowledged: Mutex::default(),
    });
    let asking = tokio::spawn(steadily(Arc::clone(&load), ASK_EVERY, Load::ask));
    let sending = tokio::spawn(steadily(Arc::clone(&load), SEND_EVERY, Load::send));
    tokio::time::sleep(BEFORE).await;
    outage.happen(&mut redis, &proxy, Duration::from_secs_f64(lasting)).await;
    let back = Instant::now();
    let mut emptied = None;
    while back.elapsed() < AFTER {
        let metrics =
            load.client.get(format!("http://{}/metrics", load.address).parse().unwrap()).await.unwrap();
        let metrics = metrics.into_body().collect().await.unwrap().to_bytes();
        let metrics = String::from_utf8_lossy(&metrics);
        if metrics.contains("qianmian_live_spooled_events{shop=\"default\"} 0") && emptied.is_none() {
            emptied = Some(back.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    load.stop.store(true, Ordering::Relaxed);
    asking.await.unwrap();
    sending.await.unwrap();
    // Events spooled by a late failure are replayed before the count.
    let is_empty = || serving.get("/metrics").contains("qianmian_live_spooled_events{shop=\"default\"} 0");
    crate::support::redis::wait_for("the spool is empty", is_empty);
    let acknowledged = std::mem::take(&mut *load.acknowledged.lock().unwrap());
    let (logged, doubled, lost) = count(&redis, &acknowledged).await;
    report(name, &load.answers.lock().unwrap(), back, emptied, (logged, lost, doubled));
    assert_eq!((lost, doubled), (0, 0), "events lost, doubled");
    let answers = load.answers.lock().unwrap();
    let good = answers.iter().filter(|fact| fact.good).count();
    assert!(good as f64 >= 0.999 * answers.len() as f64, "{good} of {} answers were good", answers.len());
}

/// Returns the number of events in Redis, of duplicate ids, and of acknowledged events that are missing or not in their
/// user's state.
async fn count(redis: &RedisServer, acknowledged: &HashMap<String, usize>) -> (usize, usize, usize) {
    let timeout = Duration::from_secs(10);
    let store = Redis::open(RedisOptions {
        urls: vec![redis.url()],
        cluster: false,
        shop: "default".to_owned(),
        ttl: 7 * 86_400_000,
        first: 0,
        load_timeout: timeout,
        write_timeout: timeout,
    });
    let store = store.unwrap();
    store.connect().await.unwrap();
    let log = store.events(0, usize::MAX).await.unwrap();
    let ids: HashSet<&str> = log.iter().map(|logged| logged.event.event_id.as_str()).collect();
    let now = chrono::Utc::now().timestamp_millis();
    let mut known: Vec<HashSet<String>> = Vec::new();
    for n in 0..40 {
        let state = store.load(&[Name::User(&user(n))], now).await.unwrap().state;
        known.push(state.marks().iter().map(|mark| mark.item_id.to_string()).collect());
    }
    let is_lost = |(id, user): &(&String, &usize)| {
        let n: usize = id[1..].parse().unwrap();
        !ids.contains(id.as_str()) || !known[**user].contains(&item("a", n % 30))
    };
    let lost = acknowledged.iter().filter(is_lost).count();
    (log.len(), log.len() - ids.len(), lost)
}

/// A line of the table printed by `make chaos`.
fn report(
    name: &str,
    answers: &[Fact],
    back: Instant,
    emptied: Option<Duration>,
    (logged, lost, doubled): (usize, usize, usize),
) {
    let sorted = |asked| {
        let mut times: Vec<Duration> =
            answers.iter().filter(|fact| fact.asked == asked).map(|fact| fact.took).collect();
        times.sort_unstable();
        times
    };
    let at = |times: &[Duration], share: f64| {
        times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3
    };
    let (asked, sent) = (sorted(true), sorted(false));
    let good = answers.iter().filter(|fact| fact.good).count() as f64 / answers.len() as f64;
    let degraded: Vec<&Fact> = answers.iter().filter(|fact| fact.degraded).collect();
    let mut after: Vec<&Fact> = answers.iter().filter(|fact| fact.asked && fact.when > back).collect();
    after.sort_unstable_by_key(|fact| fact.when);
    let whole = after.windows(STEADY).find(|answers| answers.iter().all(|fact| !fact.degraded));
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    eprintln!(
        "outage | answers | 2xx | degraded | questions p50, p99, p99.9 ms | events p50, p99 ms | whole again after \
         | spool empty after | events logged | lost | doubled\n\
         {name} | {} | {:.2} % | {} | {:.1}, {:.1}, {:.1} | {:.1}, {:.1} | {} | {} | {logged} | {lost} | {doubled}",
        answers.len(),
        100.0 * good,
        degraded.len(),
        at(&asked, 0.5),
        at(&asked, 0.99),
        at(&asked, 0.999),
        at(&sent, 0.5),
        at(&sent, 0.99),
        whole.map_or("never".to_owned(), |answers| seconds(answers[0].when - back)),
        emptied.map_or("never".to_owned(), seconds),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_left_alone() {
    survive(Outage::None, "none").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_stopped() {
    survive(Outage::Stopped, "stopped").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed() {
    survive(Outage::Killed, "killed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_frozen() {
    survive(Outage::Frozen, "frozen").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_slowed() {
    survive(Outage::Slowed, "slowed by 2 s").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_flapping() {
    survive(Outage::Flapping, "flapping").await;
}
