//! A running server: its listener, its connections, its background tasks, its end.
//!
//! On shutdown it stops accepting, lets requests in flight finish within `drain_seconds`, drains the events that
//! are left, and closes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use qianmian_live::followers::Follower;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::app::{App, Shop};
use crate::config::{Config, duration};
use crate::drain::Drains;
use crate::router::router;
use crate::stall::Stall;

/// Longest request head, in bytes.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// How often histograms are folded.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How often what trends is renewed.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// How often old events are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Where a server is.
#[derive(Debug, Clone)]
pub struct Place {
    /// The model store: a folder a shop in it.
    pub store: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Allows listening on other than loopback without keys.
    pub allow_open: bool,
}

/// A server that runs until it is told to stop.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    shops: Vec<Arc<Shop>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens and begins to serve; models are opened in the background. Needs a tokio runtime.
    ///
    /// # Errors
    /// Listening is refused by the rules or by the operating system.
    pub async fn start(config: &Config, place: &Place) -> anyhow::Result<Self> {
        check_openness(config, place)?;
        let app = App::new(config, &place.store)?;
        let listener = TcpListener::bind(place.listen)
            .await
            .with_context(|| format!("cannot listen on {}", place.listen))?;
        let address = listener.local_addr().context("the listener has no address")?;
        let (stop, stopped) = watch::channel(false);
        let (router, _) = router(&app);
        let shops = app.shops.clone();
        let acceptor = Acceptor::new(config, &app, listener, router);
        let background = Background { tasks: background(config, &app), drains: Drains::start(config, &app)? };
        let drain = duration(config.drain_seconds);
        tracing::info!(%address, shops = shops.len(), keyed = !app.keys.is_open(), "listening");
        let task = tokio::spawn(acceptor.run(stopped, drain, background));
        Ok(Self { address, stop, shops, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Looks at the store now, for every shop.
    pub async fn poll_now(&self) {
        for shop in &self.shops {
            shop.models.poll().await;
        }
    }

    /// Stops accepting and waits until the requests in flight are answered or `drain_seconds` are over.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // The task ends by itself; a panic in it was reported by the panic hook.
        let _ = self.task.await;
    }
}

/// Without keys, everyone who reaches the server may read every profile and swap every model.
fn check_openness(config: &Config, place: &Place) -> anyhow::Result<()> {
    let loopback = place.listen.ip().to_canonical().is_loopback();
    if config.keys.is_empty() && !loopback && !place.allow_open {
        bail!(
            "refusing to listen on {} without API keys: everyone who reaches it could read every profile \
             and change the model. Add keys to the configuration (`qianmian-server new-key` makes one), \
             listen on 127.0.0.1, or pass --allow-open where the network itself keeps others out",
            place.listen
        );
    }
    Ok(())
}

/// What runs beside requests.
struct Background {
    tasks: JoinSet<()>,
    drains: Drains,
}

/// The tasks that run beside requests; they end when the set is dropped.
fn background(config: &Config, app: &Arc<App>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let every = duration(config.poll_seconds);
    for shop in app.shops.iter().cloned() {
        tasks.spawn(async move {
            loop {
                shop.models.poll().await;
                tokio::time::sleep(every).await;
            }
        });
    }
    for live in app.shops.iter().filter_map(|shop| shop.kept().cloned()) {
        let followed = Arc::clone(&live);
        tasks.spawn(async move {
            let mut follower = Follower::default();
            loop {
                followed.follow(&mut follower).await;
                tokio::time::sleep(FOLLOW_EVERY).await;
            }
        });
        tasks.spawn(async move {
            loop {
                live.sweep().await;
                tokio::time::sleep(SWEEP_EVERY).await;
            }
        });
    }
    for shop in app.shops.iter().cloned() {
        let Some(live) = shop.kept().cloned() else { continue };
        tasks.spawn(async move {
            live.tend(|ids| shop.models.item_news(ids)).await;
        });
    }
    let app = Arc::clone(app);
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            app.telemetry.upkeep();
        }
    });
    tasks
}

/// Takes connections in.
struct Acceptor {
    listener: TcpListener,
    service: TowerToHyperService<Router>,
    http: http1::Builder,
    places: Arc<Semaphore>,
    stall: Duration,
    app: Arc<App>,
}

impl Acceptor {
    fn new(config: &Config, app: &Arc<App>, listener: TcpListener, router: Router) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(duration(config.limits.header_seconds))
            .max_buf_size(MAX_HEAD_BYTES);
        Self {
            listener,
            service: TowerToHyperService::new(router),
            http,
            places: Arc::new(Semaphore::new(config.limits.connections.min(Semaphore::MAX_PERMITS))),
            stall: duration(config.limits.stall_seconds),
            app: Arc::clone(app),
        }
    }

    async fn run(self, mut stopped: watch::Receiver<bool>, drain: Duration, background: Background) {
        let graceful = GracefulShutdown::new();
        tokio::select! {
            () = self.accept(&graceful) => {}
            // An error means that the server's handle is gone, which is as good a reason to stop.
            _ = stopped.wait_for(|stop| *stop) => {}
        }
        drop(self.listener);
        drop(background.tasks);
        let until = Instant::now() + drain;
        tracing::info!(connections = graceful.count(), "draining");
        match tokio::time::timeout(drain, graceful.shutdown()).await {
            Ok(()) => tracing::info!("stopped; every request was answered"),
            Err(_) => tracing::warn!("stopped; some requests took longer than `drain_seconds`"),
        }
        background.drains.finish(until.saturating_duration_since(Instant::now())).await;
    }

    async fn accept(&self, graceful: &GracefulShutdown) {
        loop {
            // The semaphore is never closed.
            let place = Arc::clone(&self.places).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let connection = self.connection(stream, graceful.watcher());
                    let gauge = self.app.telemetry.connections.clone();
                    tokio::spawn(async move {
                        gauge.increment(1.0);
                        connection.await;
                        gauge.decrement(1.0);
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    // Out of files, most likely: others need time to close theirs.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn connection(&self, stream: TcpStream, watcher: Watcher) -> impl Future<Output = ()> + use<> {
        // A refusal only costs a little latency.
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(Stall::new(stream, self.stall));
        let connection = watcher.watch(self.http.serve_connection(io, self.service.clone()));
        async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        }
    }
}
