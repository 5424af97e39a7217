//! What every request shares: the shops with their models, the keys, the bounds, the metrics.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use arc_swap::Guard;
use qianmian_models::storage::versions::ShopStore;
use tokio::sync::Semaphore;

use crate::auth::Keyring;
use crate::config::{Config, SceneConfig, duration};
use crate::live::Live;
use crate::problem::{Code, Problem};
use crate::request_id::RequestIds;
use crate::slots::Slots;
use crate::snapshots::{Loaded, Reaper, Snapshots};
use crate::telemetry::Telemetry;

/// A command that opens a model may take this long; it goes on when the caller leaves.
pub const ADMIN_PATIENCE: Duration = Duration::from_secs(120);

/// What every request shares.
pub struct App {
    /// Who is let in.
    pub keys: Keyring,
    /// The shops, numbered as the keys number them.
    pub shops: Vec<Arc<Shop>>,
    /// Every metric.
    pub telemetry: Telemetry,
    /// Ids of requests.
    pub request_ids: RequestIds,
    /// Requests in flight.
    pub slots: Slots,
    /// Places on the blocking pool for long computations: as many as there are processors.
    pub heavy: Arc<Semaphore>,
    /// Longest body, in bytes.
    pub body_bytes: usize,
    /// For the body to arrive, and for the answer to be worked out.
    pub patience: Duration,
    /// Whether everyone may read `/metrics`.
    pub open_metrics: bool,
}

/// One shop: nothing of it is reachable from another.
pub struct Shop {
    /// Its name in the configuration and in the store.
    pub name: String,
    /// Its models.
    pub models: Snapshots,
    /// Its live state, where it is kept.
    live: Option<Arc<Live>>,
    /// Its requests in flight.
    pub slots: Slots,
    /// What is particular to its scenes.
    scenes: BTreeMap<String, SceneConfig>,
}

impl App {
    /// From a checked configuration; no model is open yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// The configuration is not what [`Config::read`] would have let through.
    pub fn new(config: &Config, store: &Path) -> anyhow::Result<Arc<Self>> {
        let telemetry = Telemetry::new();
        let reaper = Reaper::start(telemetry.retired.clone());
        let shop = |name: &String| -> anyhow::Result<Arc<Shop>> {
            let folder = ShopStore::new(store, name)?;
            let (swaps, panics) = (telemetry.swaps(name), telemetry.panics.clone());
            let live = open_live(config, name, &telemetry)?;
            let choices = config.shops.get(name).cloned().unwrap_or_default();
            Ok(Arc::new(Shop {
                name: name.clone(),
                models: Snapshots::new(name, folder, live.clone(), reaper.clone(), swaps, panics),
                live,
                slots: Slots::new(choices.in_flight.unwrap_or(usize::MAX)),
                scenes: choices.scenes,
            }))
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Arc::new(Self {
            keys: config.keyring()?,
            shops: config.shop_names().iter().map(shop).collect::<Result<_, _>>()?,
            request_ids: RequestIds::new().context("the operating system gives no randomness")?,
            slots: Slots::new(config.limits.in_flight),
            heavy: Arc::new(Semaphore::new(processors)),
            body_bytes: config.limits.body_bytes,
            patience: duration(config.limits.request_seconds),
            open_metrics: config.open_metrics,
            telemetry,
        }))
    }

    /// Whether traffic may come: every shop's stores were looked at, and at least one shop has a model. One
    /// shop without a model does not keep the others offline.
    pub fn ready(&self) -> bool {
        let tried =
            |shop: &Arc<Shop>| shop.models.tried() && shop.live.as_ref().is_none_or(|live| live.tried());
        self.shops.iter().all(tried) && self.shops.iter().any(|shop| shop.models.current().is_some())
    }
}

/// The live state of a shop, where the configuration gives it a folder.
fn open_live(config: &Config, shop: &str, telemetry: &Telemetry) -> anyhow::Result<Option<Arc<Live>>> {
    let Some(folder) = config.live.folder.as_ref().map(|folder| folder.join(shop)) else { return Ok(None) };
    let live = Live::open(&config.live, &folder, shop, || telemetry.redis(shop))?;
    Ok(Some(Arc::new(live)))
}

/// A model held for one request.
pub struct Held(Guard<Option<Arc<Loaded>>>);

impl Shop {
    /// The model to answer one request from.
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

    /// What is particular to a scene.
    pub fn scene(&self, name: &str) -> SceneConfig {
        self.scenes.get(name).copied().unwrap_or_default()
    }

    /// The live state, to write to.
    ///
    /// # Errors
    /// `live_unavailable`, with the cure.
    pub fn live(&self) -> Result<&Live, Problem> {
        let cure = "no live state is kept here: set `live.folder` in the server's configuration";
        self.live.as_deref().ok_or_else(|| Problem::new(Code::LiveUnavailable, cure))
    }

    /// The live state, to read from where it is kept.
    pub fn kept(&self) -> Option<&Arc<Live>> {
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
