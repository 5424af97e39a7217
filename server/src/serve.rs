//! A running server: its listener, its connections, its shutdown.
//!
//! On shutdown it stops accepting, and closes connections without a request at once. Requests in flight have three
//! quarters of `drain_seconds`; the rest, at least a quarter, is for the drain of events.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::app::{App, Shop};
use crate::config::{Config, duration};
use crate::connection::{Activity, stream};
use crate::drain::Drains;
use crate::probes::Probes;
use crate::router::router;
use crate::workers;
use crate::workers::supervisor::Workers;

/// Longest request head, in bytes.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Part of `drain_seconds` that requests in flight may use; the rest is for the drain of events.
const REQUESTS_SHARE: f64 = 0.75;
/// Interval of checks for connections without requests while the server stops.
const IDLE_CHECK: Duration = Duration::from_millis(100);

/// The place of a server: its store and its address.
#[derive(Debug, Clone)]
pub struct Place {
    /// The model store, with a folder for each shop.
    pub store: PathBuf,
    /// Address to listen on: a host name or address, and a port; port 0 takes a free one.
    pub listen: String,
    /// Address at which a thread of its own also answers probes; `None` disables it.
    pub probes: Option<String>,
    /// Allows listening on other than loopback without keys.
    pub allow_open: bool,
}

/// A server that runs until it is told to stop.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    shops: Vec<Arc<Shop>>,
    task: JoinHandle<()>,
    probes: Option<Probes>,
}

impl Server {
    /// Listens and starts to serve; models are opened in the background. Needs a tokio runtime.
    ///
    /// # Errors
    /// The address is invalid, or the rules or the operating system refuse to listen on it.
    pub async fn start(config: &Config, place: &Place) -> anyhow::Result<Self> {
        let addresses_of_probes = match &place.probes {
            Some(listen) => Some(addresses(listen).await?),
            None => None,
        };
        let addresses = addresses(&place.listen).await?;
        let mut all = addresses.iter().chain(addresses_of_probes.iter().flatten());
        let loopback = all.all(|address| address.ip().to_canonical().is_loopback());
        check_openness(config, place, loopback)?;
        let app = App::new(config, &place.store, loopback)?;
        let listener = TcpListener::bind(&addresses[..])
            .await
            .with_context(|| format!("cannot listen on {}", place.listen))?;
        let address = listener.local_addr().context("the listener has no address")?;
        let probes =
            addresses_of_probes.map(|addresses| Probes::start(config, &app, &addresses)).transpose()?;
        let (stop, stopped) = watch::channel(false);
        let (router, _) = router(&app);
        let shops = app.shops.clone();
        let background =
            Background { workers: workers::start(config, &app), drains: Drains::start(config, &app)? };
        let acceptor = Acceptor::new(config, &app, listener, router, stopped);
        let drain = duration(config.drain_seconds);
        tracing::info!(
            %address,
            probes = probes.as_ref().map(|probes| tracing::field::display(probes.address())),
            shops = shops.len(),
            keyed = !app.keys.is_open(),
            "listening"
        );
        let task = tokio::spawn(acceptor.run(drain, background));
        Ok(Self { address, stop, shops, task, probes })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Address of the separate listener for probes, if there is one.
    pub fn address_of_probes(&self) -> Option<SocketAddr> {
        self.probes.as_ref().map(Probes::address)
    }

    /// Checks the store now, for every shop, and tries a refused version again.
    pub async fn poll_now(&self) {
        for shop in &self.shops {
            shop.models.poll_now().await;
        }
    }

    /// Stops accepting and waits until requests in flight are answered or `drain_seconds` have passed.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // The task ends by itself; the panic hook has reported a panic in it.
        let _ = self.task.await;
    }
}

/// The addresses of `listen`.
async fn addresses(listen: &str) -> anyhow::Result<Vec<SocketAddr>> {
    let form = "expected a host and a port: 127.0.0.1:8080, localhost:8080, [::1]:8080 or 0.0.0.0:8080";
    let found = lookup_host(listen).await.with_context(|| format!("cannot listen on `{listen}`: {form}"))?;
    let found: Vec<SocketAddr> = found.collect();
    if found.is_empty() {
        bail!("cannot listen on `{listen}`: the name has no address");
    }
    Ok(found)
}

/// Without keys, everyone who reaches the server may read every profile and swap every model.
fn check_openness(config: &Config, place: &Place, loopback: bool) -> anyhow::Result<()> {
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

/// The tasks that run beside requests.
struct Background {
    workers: Workers,
    drains: Drains,
}

/// Accepts connections.
pub(crate) struct Acceptor {
    listener: TcpListener,
    service: TowerToHyperService<Router>,
    http: http1::Builder,
    permits: Arc<Semaphore>,
    connections: u32,
    stall: Duration,
    app: Arc<App>,
    stopped: watch::Receiver<bool>,
}

impl Acceptor {
    pub(crate) fn new(
        config: &Config,
        app: &Arc<App>,
        listener: TcpListener,
        router: Router,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(duration(config.limits.header_seconds))
            .max_buf_size(MAX_HEAD_BYTES);
        let most = Semaphore::MAX_PERMITS.min(u32::MAX as usize);
        let connections = config.limits.connections.min(most);
        Self {
            listener,
            service: TowerToHyperService::new(router),
            http,
            permits: Arc::new(Semaphore::new(connections)),
            connections: u32::try_from(connections).unwrap_or(u32::MAX),
            stall: duration(config.limits.stall_seconds),
            app: Arc::clone(app),
            stopped,
        }
    }

    async fn run(self, drain: Duration, background: Background) {
        self.accept_until_stopped().await;
        drop(self.listener);
        drop(background.workers);
        self.app.shops.iter().for_each(|shop| shop.rooms.end_streams());
        let until = Instant::now() + drain;
        let open = self.connections as usize - self.permits.available_permits();
        tracing::info!(connections = open, "draining");
        let all_closed = self.permits.acquire_many(self.connections);
        match tokio::time::timeout(drain.mul_f64(REQUESTS_SHARE), all_closed).await {
            Ok(_) => tracing::info!("stopped; every request was answered"),
            Err(_) => tracing::warn!("stopped; some requests took longer than `drain_seconds`"),
        }
        background.drains.finish(until.saturating_duration_since(Instant::now())).await;
    }

    pub(crate) async fn accept_until_stopped(&self) {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            () = self.accept() => {}
            // An error means that the server's handle is gone: a reason to stop, too.
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    }

    async fn accept(&self) {
        loop {
            // The semaphore is never closed.
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((socket, _)) => {
                    let connection = self.connection(socket);
                    let gauge = self.app.telemetry.connections.clone();
                    tokio::spawn(async move {
                        gauge.increment(1.0);
                        connection.await;
                        gauge.decrement(1.0);
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    // Most likely out of file descriptors: other connections need time to close theirs.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn connection(&self, socket: TcpStream) -> impl Future<Output = ()> + use<> {
        // A failure only costs a little latency.
        let _ = socket.set_nodelay(true);
        let activity = Arc::new(Activity::default());
        let io = TokioIo::new(stream(socket, self.stall, Arc::clone(&self.app), Arc::clone(&activity)));
        let (service, answered) = (self.service.clone(), Arc::clone(&activity));
        let service = service_fn(move |request| answer(service.clone(), Arc::clone(&answered), request));
        let connection = self.http.serve_connection(io, service);
        let mut stopped = self.stopped.clone();
        async move {
            let mut connection = pin!(connection);
            tokio::select! {
                ended = connection.as_mut() => return log_early_end(ended),
                _ = stopped.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
            }
            loop {
                tokio::select! {
                    ended = connection.as_mut() => return log_early_end(ended),
                    () = tokio::time::sleep(IDLE_CHECK) => {
                        // Half a head is not a request: its client is not waited for.
                        if activity.is_idle() {
                            return;
                        }
                    }
                }
            }
        }
    }
}

fn log_early_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Answers one request, which counts as in flight on its connection until the last byte is written.
async fn answer(
    service: TowerToHyperService<Router>,
    activity: Arc<Activity>,
    request: Request<Incoming>,
) -> Result<Response<impl HttpBody<Data = Bytes, Error = axum::Error>>, Infallible> {
    let answering = activity.begin();
    let has_body = !request.body().is_end_stream();
    let mut response = service.call(request).await?;
    activity.set_unread(has_body && !response.status().is_success());
    allow_options(response.headers_mut());
    // The closure, and with it the body, holds `answering` until the last byte is written.
    Ok(response.map(|body: Body| {
        body.inspect_err(move |_| {
            let _ = &answering;
        })
    }))
}

/// Every path takes OPTIONS, so that `Allow` has to list it.
fn allow_options(headers: &mut HeaderMap) {
    let allowed = headers.get(header::ALLOW).and_then(|methods| methods.to_str().ok());
    let listed = allowed.filter(|methods| !methods.is_empty()).map(|methods| format!("{methods},OPTIONS"));
    if let Some(methods) = listed.and_then(|methods| HeaderValue::from_str(&methods).ok()) {
        headers.insert(header::ALLOW, methods);
    }
}
