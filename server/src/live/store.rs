//! The store chosen by the configuration, and the dispatch to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use qianmian_live::StoreError;
use qianmian_live::backends::{Embedded, Redis, RedisOptions};
use qianmian_live::consents::{Consent, ConsentChange, Consents};
use qianmian_live::counters::{
    Counter, Counters, DefineOutcome, Movement, ReservationState, Reserve, ReserveOutcome,
};
use qianmian_live::documents::{Document, DocumentError, DocumentWrite, Documents, Listed};
use qianmian_live::event::Event;
use qianmian_live::items::{ItemChange, ItemOutcome, ItemState, Items};
use qianmian_live::log::{EventLog, Logged, Outcome, Rewind, Sweep};
use qianmian_live::people::{
    Described, Known, LinkOutcome, LinkRequest, Name, People, Refusal, UndoOutcome, UndoRequest,
};
use qianmian_live::replicated::ChangeOutcome;

use tokio::sync::watch;

use super::spooled::Spooled;
use crate::config::LiveConfig;
use crate::telemetry::RedisMetrics;

/// The store of one shop.
pub enum LiveStore {
    /// In a folder of this server alone.
    Embedded(Embedded),
    /// In Redis, with a spool in that folder.
    Redis(Spooled),
}

/// Calls the same method of either store.
macro_rules! dispatch {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self {
            Self::Embedded(store) => store.$method($($argument),*),
            Self::Redis(store) => store.$method($($argument),*),
        }
    };
    ($self:ident.$method:ident($($argument:expr),*).await) => {
        match $self {
            Self::Embedded(store) => store.$method($($argument),*).await,
            Self::Redis(store) => store.$method($($argument),*).await,
        }
    };
}

impl LiveStore {
    /// Opens the store of `shop`, in its own `folder`; events are numbered from `first` on at least. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    /// The folder cannot be used, or another process uses it; or the URLs have another form.
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
            first,
            load_timeout: Duration::from_millis(redis.timeout_ms),
            write_timeout: Duration::from_millis(redis.append_timeout_ms),
        })?;
        Ok(Self::Redis(Spooled::new(redis, spool, metrics())?))
    }

    /// True if the first attempt to reach a shared store is over.
    pub fn tried(&self) -> bool {
        match self {
            Self::Embedded(_) => true,
            Self::Redis(spooled) => spooled.tried(),
        }
    }

    /// True if the folder of this server can be written: the store's, or the spool's.
    pub fn is_writable(&self) -> bool {
        match self {
            Self::Embedded(store) => store.is_writable(),
            Self::Redis(spooled) => spooled.is_writable(),
        }
    }

    /// Stray files that were moved out of the folder's tables.
    pub fn stray_files(&self) -> &[PathBuf] {
        match self {
            Self::Embedded(store) => store.stray_files(),
            Self::Redis(spooled) => spooled.stray_files(),
        }
    }

    /// Waits for changes of items by other servers: the items, or `None` if all may have changed.
    pub async fn items_changed(&self) -> Option<Vec<String>> {
        match self {
            Self::Embedded(_) => std::future::pending().await,
            Self::Redis(spooled) => spooled.items_changed().await,
        }
    }

    /// True if all consents are known: before that, no consent can be assumed.
    pub fn knows_consents(&self) -> bool {
        match self {
            Self::Embedded(_) => true,
            Self::Redis(spooled) => spooled.knows_consents(),
        }
    }

    /// Waits for changes of consents by other servers: the user ids, or `None` if all may have changed.
    pub async fn consents_changed(&self) -> Option<Vec<String>> {
        match self {
            Self::Embedded(_) => std::future::pending().await,
            Self::Redis(spooled) => spooled.consents_changed().await,
        }
    }

    /// Runs the store's background work for as long as it is polled.
    pub async fn run_background(&self) {
        match self {
            Self::Embedded(_) => std::future::pending().await,
            Self::Redis(spooled) => spooled.run_background().await,
        }
    }
}

impl EventLog for LiveStore {
    async fn append(&self, events: Vec<Event>, now: i64) -> Result<Vec<Outcome>, StoreError> {
        dispatch!(self.append(events, now).await)
    }

    async fn events(&self, from: u64, count: usize) -> Result<Vec<Logged>, StoreError> {
        dispatch!(self.events(from, count).await)
    }

    async fn next_number(&self) -> Result<u64, StoreError> {
        dispatch!(self.next_number().await)
    }

    async fn len_bound(&self) -> Result<u64, StoreError> {
        dispatch!(self.len_bound().await)
    }

    async fn last_rewind(&self) -> Result<Option<Rewind>, StoreError> {
        dispatch!(self.last_rewind().await)
    }

    async fn sweep(&self, sweep: Sweep) -> Result<usize, StoreError> {
        dispatch!(self.sweep(sweep).await)
    }
}

impl People for LiveStore {
    async fn load(&self, names: &[Name<'_>], now: i64) -> Result<Known, StoreError> {
        dispatch!(self.load(names, now).await)
    }

    async fn link(&self, request: LinkRequest) -> Result<Result<LinkOutcome, Refusal>, StoreError> {
        dispatch!(self.link(request).await)
    }

    async fn undo(&self, request: UndoRequest) -> Result<UndoOutcome, StoreError> {
        dispatch!(self.undo(request).await)
    }

    async fn person(&self, user_id: &str, now: i64) -> Result<Described, StoreError> {
        dispatch!(self.person(user_id, now).await)
    }
}

impl Consents for LiveStore {
    async fn change_consents(&self, changes: Vec<ConsentChange>) -> Result<Vec<ChangeOutcome>, StoreError> {
        dispatch!(self.change_consents(changes).await)
    }

    async fn read_consents(&self, user_ids: &[String]) -> Result<Vec<Consent>, StoreError> {
        dispatch!(self.read_consents(user_ids).await)
    }

    fn each_consent(&self, user_ids: Option<&[String]>, each: impl FnMut(&str, &Consent)) {
        dispatch!(self.each_consent(user_ids, each))
    }
}

impl Items for LiveStore {
    async fn change_items(&self, changes: Vec<ItemChange>) -> Result<Vec<ItemOutcome>, StoreError> {
        dispatch!(self.change_items(changes).await)
    }

    fn each_item(&self, ids: Option<&[String]>, each: impl FnMut(&str, &ItemState)) {
        dispatch!(self.each_item(ids, each))
    }
}

impl Documents for LiveStore {
    async fn write_document(&self, write: DocumentWrite) -> Result<u64, DocumentError> {
        dispatch!(self.write_document(write).await)
    }

    async fn document(&self, kind: &str, name: &str) -> Result<Option<Document>, DocumentError> {
        dispatch!(self.document(kind, name).await)
    }

    async fn documents(
        &self,
        kind: &str,
        after: Option<&str>,
        count: usize,
    ) -> Result<Vec<Listed>, DocumentError> {
        dispatch!(self.documents(kind, after, count).await)
    }

    async fn document_history(&self, kind: &str, name: &str) -> Result<Vec<Document>, DocumentError> {
        dispatch!(self.document_history(kind, name).await)
    }

    fn watch_documents(&self, kind: &str) -> watch::Receiver<u64> {
        dispatch!(self.watch_documents(kind))
    }
}

impl Counters for LiveStore {
    async fn define_counter(
        &self,
        counter: &str,
        stock: u64,
        per_holder: Option<u64>,
        now: i64,
    ) -> Result<DefineOutcome, StoreError> {
        dispatch!(self.define_counter(counter, stock, per_holder, now).await)
    }

    async fn reserve(&self, reserve: Reserve) -> Result<ReserveOutcome, StoreError> {
        dispatch!(self.reserve(reserve).await)
    }

    async fn confirm(&self, key: &str, now: i64) -> Result<Option<ReservationState>, StoreError> {
        dispatch!(self.confirm(key, now).await)
    }

    async fn release(&self, key: &str, now: i64) -> Result<Option<ReservationState>, StoreError> {
        dispatch!(self.release(key, now).await)
    }

    async fn reservation(&self, key: &str, now: i64) -> Result<Option<(ReservationState, i64)>, StoreError> {
        dispatch!(self.reservation(key, now).await)
    }

    async fn expire(&self, now: i64) -> Result<usize, StoreError> {
        dispatch!(self.expire(now).await)
    }

    async fn counter(&self, counter: &str) -> Result<Option<Counter>, StoreError> {
        dispatch!(self.counter(counter).await)
    }

    async fn movements(&self, counter: &str) -> Result<Vec<Movement>, StoreError> {
        dispatch!(self.movements(counter).await)
    }
}
