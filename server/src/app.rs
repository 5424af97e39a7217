//! State that all requests share: the shops with their models, the keys, the bounds, the metrics.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use arc_swap::Guard;
use qianmian_models::storage::versions::ShopStore;
use tokio::sync::Semaphore;

use crate::auth::Keyring;
use crate::config::{Config, duration};
use crate::cursor::CursorKey;
use crate::expressions::Expressions;
use crate::halls::Halls;
use crate::live::Live;
use crate::problem::{Code, Problem};
use crate::queue::Queue;
use crate::rate::UserBuckets;
use crate::request_id::RequestIds;
use crate::rooms::Rooms;
use crate::scenes::Scenes;
use crate::screen::Trusted;
use crate::slots::Slots;
use crate::snapshots::{Loaded, Reaper, Snapshots};
use crate::telemetry::{RouteMetrics, Telemetry};
use crate::workers::supervisor::Health;

/// Longest time for a command that opens a model; the command itself continues if the caller leaves.
pub const ADMIN_PATIENCE: Duration = Duration::from_secs(120);

/// State that all requests share.
pub struct App {
    /// API keys.
    pub keys: Keyring,
    /// Names and origins that a server without keys trusts.
    pub trusted: Trusted,
    /// Origins of web pages that may use any key.
    pub origins: Vec<String>,
    /// The shops, in the numbering of the keys.
    pub shops: Vec<Arc<Shop>>,
    /// Every metric.
    pub telemetry: Telemetry,
    /// Requests whose head could not be read.
    pub malformed: RouteMetrics,
    /// Restarts of the background workers, and the workers that keep failing.
    pub workers: Arc<Health>,
    /// Frees models that were replaced.
    pub reaper: Reaper,
    /// Start of the process, for rates.
    pub started: Instant,
    /// The key of cursors.
    pub cursors: CursorKey,
    /// Requests of users, by their tokens.
    pub user_buckets: UserBuckets,
    /// Ids of requests.
    pub request_ids: RequestIds,
    /// Requests in flight.
    pub slots: Slots,
    /// Requests that wait for a processor.
    pub queue: Queue,
    /// Permits for long computations on the blocking pool: one per processor.
    pub heavy: Arc<Semaphore>,
    /// Longest body in bytes, as it arrives and unpacked.
    pub body_bytes: usize,
    /// Longest time for the body to arrive, and for the answer to be computed.
    pub patience: Duration,
    /// True if everyone may read `/metrics`.
    pub open_metrics: bool,
}

/// One shop. Its data cannot be reached from another shop.
pub struct Shop {
    /// Its name in the configuration and in the store.
    pub name: String,
    /// Its models.
    pub models: Snapshots,
    /// Its live state, if the configuration has a folder for it.
    live: Option<Arc<Live>>,
    /// Its requests in flight.
    pub slots: Slots,
    /// Predicates of its callers, compiled.
    pub expressions: Expressions,
    /// Its scenes.
    pub scenes: Scenes,
    /// Its halls.
    pub halls: Halls,
    /// Its livestream rooms.
    pub rooms: Rooms,
}

impl App {
    /// From a checked configuration; no model is open yet. `loopback` is true if the server listens on loopback only.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// The configuration would not pass [`Config::read`], or live state cannot be opened.
    pub fn new(config: &Config, store: &Path, loopback: bool) -> anyhow::Result<Arc<Self>> {
        let telemetry = Telemetry::new();
        let reaper = Reaper::new(telemetry.retired.clone());
        let shop = |name: &String| -> anyhow::Result<Arc<Shop>> {
            let folder = ShopStore::new(store, name)?;
            let (swaps, panics) = (telemetry.swaps(name), telemetry.panics.clone());
            let live = open_live(config, name, &telemetry)?;
            let choices = config.shops.get(name).cloned().unwrap_or_default();
            Ok(Arc::new(Shop {
                name: name.clone(),
                models: Snapshots::new(
                    name,
                    folder,
                    live.clone(),
                    choices.unknown_consent,
                    reaper.clone(),
                    swaps,
                    panics,
                ),
                live,
                slots: Slots::new(choices.in_flight.unwrap_or(usize::MAX)),
                expressions: Expressions::default(),
                scenes: Scenes::new(choices.scenes),
                halls: Halls::default(),
                rooms: Rooms::default(),
            }))
        };
        let trusted = Trusted {
            keyed: !config.keys.is_empty(),
            loopback,
            hosts: config.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: config.cors.origins.clone(),
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Arc::new(Self {
            keys: config.keyring()?,
            trusted,
            origins: config.origins(),
            malformed: telemetry.route("ANY", "malformed"),
            workers: Arc::default(),
            reaper: reaper.clone(),
            started: Instant::now(),
            cursors: config.cursor_key()?,
            user_buckets: UserBuckets::default(),
            shops: config.shop_names().iter().map(shop).collect::<Result<_, _>>()?,
            request_ids: RequestIds::new().context("the operating system gives no randomness")?,
            slots: Slots::new(config.limits.in_flight),
            queue: Queue::new(duration(config.limits.queue_seconds)),
            heavy: Arc::new(Semaphore::new(processors)),
            body_bytes: config.limits.body_bytes,
            patience: duration(config.limits.request_seconds),
            open_metrics: config.open_metrics,
            telemetry,
        }))
    }

    /// True if traffic may come: the stores of every shop were read once, and at least one shop has a model. One shop
    /// without a model does not keep the others offline.
    pub fn ready(&self) -> bool {
        let tried =
            |shop: &Arc<Shop>| shop.models.tried() && shop.live.as_ref().is_none_or(|live| live.tried());
        self.shops.iter().all(tried) && self.shops.iter().any(|shop| shop.models.current().is_some())
    }
}

/// The live state of a shop, if the configuration has a folder for it.
fn open_live(config: &Config, shop: &str, telemetry: &Telemetry) -> anyhow::Result<Option<Arc<Live>>> {
    let Some(folder) = config.live.folder.as_ref().map(|folder| folder.join(shop)) else { return Ok(None) };
    let live = Live::open(&config.live, &folder, shop, || telemetry.redis(shop))?;
    Ok(Some(Arc::new(live)))
}

/// A model held for one request.
pub struct Held(Guard<Option<Arc<Loaded>>>);

impl Shop {
    /// The model that answers one request.
    ///
    /// # Errors
    /// `no_model`, with the cure.
    pub fn model(&self) -> Result<Held, Problem> {
        let current = self.models.current();
        if current.is_some() {
            return Ok(Held(current));
        }
        let cure = "this shop has no model yet: train and publish one into its folder of the model store";
        Err(Problem::new(Code::NoModel, cure))
    }

    /// The live state, for calls that need it.
    ///
    /// # Errors
    /// `live_unavailable`, with the cure.
    pub fn live(&self) -> Result<&Live, Problem> {
        let cure = "this server keeps no live state: set `live.folder` in its configuration";
        self.live.as_deref().ok_or_else(|| Problem::new(Code::LiveUnavailable, cure))
    }

    /// The live state, if there is one.
    pub fn live_store(&self) -> Option<&Arc<Live>> {
        self.live.as_ref()
    }
}

impl std::ops::Deref for Held {
    type Target = Arc<Loaded>;

    fn deref(&self) -> &Arc<Loaded> {
        self.0.as_ref().expect("`Shop::model` holds only what is there")
    }
}

/// The wall clock, unix seconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
