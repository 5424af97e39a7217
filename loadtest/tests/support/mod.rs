//! A small real HTTP server whose answers a test chooses, and a way to run the binary against it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

/// The answer to one request.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub body: String,
    pub close: bool,
    /// Delay before the answer.
    pub delay: Duration,
}

impl Reply {
    /// An answer of a Qianmian server with this model version.
    pub fn of_version(version: &str) -> Self {
        Self::of_items(version, &["a", "b"])
    }

    /// An answer with these items.
    pub fn of_items(version: &str, ids: &[&str]) -> Self {
        let items: Vec<_> = ids.iter().map(|id| serde_json::json!({ "item_id": id })).collect();
        let body = serde_json::json!({ "request_id": "r", "model": { "version": version }, "items": items });
        let body = body.to_string();
        Self { status: 200, body, close: false, delay: Duration::ZERO }
    }
}

/// A request that a server received.
#[derive(Clone, Debug)]
pub struct Seen {
    pub line: String,
    pub authorization: Option<String>,
    pub body: String,
}

/// A server on a free loopback port; it stops with the test's process.
pub struct Server {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Starts a server that answers request number `n` (from 0), `elapsed` after the first one, with
    /// `reply(n, elapsed)`.
    pub fn start(reply: impl Fn(usize, Duration) -> Reply + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            seen: Arc::default(),
        };
        let (connections, seen) = (Arc::clone(&server.connections), Arc::clone(&server.seen));
        let reply: Arc<dyn Fn(usize, Duration) -> Reply + Send + Sync> = Arc::new(reply);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(listener, connections, seen, reply));
        });
        server
    }

    /// Runs `qianmian-loadtest load` against this server.
    pub fn load(&self, arguments: &[&str]) -> Run {
        self.run("load", arguments)
    }

    /// Runs a command of the load generator against this server.
    pub fn run(&self, command: &str, arguments: &[&str]) -> Run {
        run(&self.address.to_string(), command, arguments, &[])
    }
}

type Replies = Arc<dyn Fn(usize, Duration) -> Reply + Send + Sync>;

async fn serve(
    listener: std::net::TcpListener,
    connections: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
    reply: Replies,
) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let first: Arc<Mutex<Option<Instant>>> = Arc::default();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, Ordering::SeqCst);
        let (seen, reply, first) = (Arc::clone(&seen), Arc::clone(&reply), Arc::clone(&first));
        let service = service_fn(move |request| {
            answer(request, Arc::clone(&seen), Arc::clone(&reply), Arc::clone(&first))
        });
        // A client that goes away in the middle of an answer is part of some tests.
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Mutex<Vec<Seen>>>,
    reply: Replies,
    first: Arc<Mutex<Option<Instant>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let line = format!("{} {}", request.method(), request.uri());
    let authorization = request.headers().get("authorization").map(|key| key.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let n = {
        let mut seen = seen.lock().unwrap();
        seen.push(Seen { line, authorization, body: String::from_utf8(body.to_vec()).unwrap() });
        seen.len() - 1
    };
    let elapsed = first.lock().unwrap().get_or_insert_with(Instant::now).elapsed();
    let reply = reply(n, elapsed);
    tokio::time::sleep(reply.delay).await;
    let mut response = Response::builder().status(reply.status);
    if reply.close {
        response = response.header("connection", "close");
    }
    Ok(response.body(Full::from(reply.body)).unwrap())
}

/// A finished run of the binary.
pub struct Run {
    pub code: Option<i32>,
    pub table: String,
    pub error: String,
    pub json: serde_json::Value,
}

impl Run {
    /// A number of the JSON report by its JSON pointer.
    pub fn number(&self, pointer: &str) -> f64 {
        let value = self.json.pointer(pointer).and_then(serde_json::Value::as_f64);
        value.unwrap_or_else(|| panic!("no number at {pointer}: {}{}", self.json, self.error))
    }
}

/// Runs a command of the load generator against any host with extra environment variables.
pub fn run(host: &str, command: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("report.json");
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_qianmian-loadtest"))
        .args([command, "--target", &format!("http://{host}"), "--json", json.to_str().unwrap()])
        .args(arguments)
        .env_remove("QIANMIAN_KEY")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    Run {
        code: status.code(),
        table: String::from_utf8(stdout).unwrap(),
        error: String::from_utf8(stderr).unwrap(),
        json: std::fs::read(json)
            .map_or(serde_json::Value::Null, |text| serde_json::from_slice(&text).unwrap()),
    }
}
