//! The store that the configuration chose.

use std::path::Path;
use std::time::Duration;

use qianmian_live::event::Event;
use qianmian_live::identity::{Described, LinkOutcome, LinkRequest, Refusal, UndoOutcome, UndoRequest};
use qianmian_live::item::{ItemChange, ItemState};
use qianmian_live::store::{
    Embedded, ItemOutcome, Known, Logged, Name, Outcome, Redis, RedisOptions, Store, StoreError,
};

use super::spooled::Spooled;
use crate::config::LiveConfig;
use crate::telemetry::RedisMetrics;

/// The store of one shop.
pub enum Kept {
    /// In a folder of this server alone.
    Embedded(Embedded),
    /// In Redis, with a spool in that folder.
    Redis(Spooled),
}

impl Kept {
    /// The store of `shop`, in its own `folder`; one that is empty numbers its events from `first` on. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    /// The folder cannot be used, or another process uses it; the URLs are not of their form.
    pub fn open(
        config: &LiveConfig,
        folder: &Path,
        shop: &str,
        first: u64,
        metrics: impl FnOnce() -> RedisMetrics,
    ) -> Result<Self, StoreError> {
        let ttl = i64::from(config.ttl_seconds) * 1_000;
        let Some(redis) = &config.redis else {
            return Ok(Self::Embedded(Embedded::open_from(folder, ttl, first)?));
        };
        let spool = Embedded::open(folder, ttl)?;
        let redis = Redis::open(RedisOptions {
            urls: redis.urls.clone(),
            cluster: redis.cluster,
            shop: shop.to_owned(),
            ttl,
            load_timeout: Duration::from_millis(redis.timeout_ms),
            write_timeout: Duration::from_millis(redis.append_timeout_ms),
        })?;
        Ok(Self::Redis(Spooled::new(redis, spool, metrics())?))
    }

    /// Whether the first attempt to reach what is kept elsewhere is over.
    pub fn tried(&self) -> bool {
        match self {
            Self::Embedded(_) => true,
            Self::Redis(spooled) => spooled.tried(),
        }
    }

    /// Waits for changes of items that other servers took in: which, or `None` where all may have changed.
    pub async fn items_changed(&self) -> Option<Vec<String>> {
        match self {
            Self::Embedded(_) => std::future::pending().await,
            Self::Redis(spooled) => spooled.items_changed().await,
        }
    }

    /// Does what has to be done beside requests, for as long as it is polled.
    pub async fn tend(&self) {
        match self {
            Self::Embedded(_) => std::future::pending().await,
            Self::Redis(spooled) => spooled.tend().await,
        }
    }
}

impl Store for Kept {
    async fn load(&self, names: &[Name<'_>], now: i64) -> Result<Known, StoreError> {
        match self {
            Self::Embedded(store) => store.load(names, now).await,
            Self::Redis(store) => store.load(names, now).await,
        }
    }

    async fn append(&self, events: Vec<Event>, now: i64) -> Result<Vec<Outcome>, StoreError> {
        match self {
            Self::Embedded(store) => store.append(events, now).await,
            Self::Redis(store) => store.append(events, now).await,
        }
    }

    async fn link(&self, request: LinkRequest) -> Result<Result<LinkOutcome, Refusal>, StoreError> {
        match self {
            Self::Embedded(store) => store.link(request).await,
            Self::Redis(store) => store.link(request).await,
        }
    }

    async fn undo(&self, request: UndoRequest) -> Result<UndoOutcome, StoreError> {
        match self {
            Self::Embedded(store) => store.undo(request).await,
            Self::Redis(store) => store.undo(request).await,
        }
    }

    async fn person(&self, user_id: &str, now: i64) -> Result<Described, StoreError> {
        match self {
            Self::Embedded(store) => store.person(user_id, now).await,
            Self::Redis(store) => store.person(user_id, now).await,
        }
    }

    async fn change_items(&self, changes: Vec<ItemChange>) -> Result<Vec<ItemOutcome>, StoreError> {
        match self {
            Self::Embedded(store) => store.change_items(changes).await,
            Self::Redis(store) => store.change_items(changes).await,
        }
    }

    fn each_item(&self, ids: Option<&[String]>, each: impl FnMut(&str, &ItemState)) {
        match self {
            Self::Embedded(store) => store.each_item(ids, each),
            Self::Redis(store) => store.each_item(ids, each),
        }
    }

    async fn log(&self, from: u64, count: usize) -> Result<Vec<Logged>, StoreError> {
        match self {
            Self::Embedded(store) => store.log(from, count).await,
            Self::Redis(store) => store.log(from, count).await,
        }
    }

    async fn next_number(&self) -> Result<u64, StoreError> {
        match self {
            Self::Embedded(store) => store.next_number().await,
            Self::Redis(store) => store.next_number().await,
        }
    }

    async fn sweep(&self, now: i64) -> Result<usize, StoreError> {
        match self {
            Self::Embedded(store) => store.sweep(now).await,
            Self::Redis(store) => store.sweep(now).await,
        }
    }
}
