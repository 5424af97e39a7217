//! Redis with a spool for outages.
//!
//! Loads wait for Redis a few milliseconds, appends a few more; repeated failures open a [breaker](Breaker), and until
//! a probe closes it no request asks Redis. Meanwhile events go to the *spool*, an embedded store in this server's own
//! folder, durable before it answers; its marks are part of this server's answers. When Redis is back, the spool is
//! replayed in order and emptied ([`background`](super::background)). An event that reached Redis but was also spooled,
//! because the answer came too late, counts once: Redis knows its id.
//!
//! While the spool holds events, new ones go to its end, so that the events of one caller reach Redis in order.
//!
//! Item states and consents are not spooled: another server would sell items that only this one knows to be sold out,
//! and contact people whose refusal only this one knows.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use qianmian_live::StoreError;
use qianmian_live::backends::{Embedded, Redis};
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
use tokio::sync::{Notify, watch};

use super::breaker::Breaker;
use crate::telemetry::RedisMetrics;

/// Most events in the spool; more are refused.
const SPOOL_EVENTS: u64 = 10_000_000;
/// A store in Redis with this server's spool.
pub struct Spooled(Arc<Shared>);

pub(super) struct Shared {
    pub(super) redis: Redis,
    pub(super) spool: Embedded,
    pub(super) breaker: Breaker,
    /// At least the number of events in the spool, including those being written.
    pub(super) spooled: AtomicU64,
    pub(super) work: Notify,
    /// True if the first attempt to reach Redis is over.
    pub(super) tried: AtomicBool,
    pub(super) metrics: RedisMetrics,
}

impl Spooled {
    /// Combines Redis, not yet connected, and a spool, which may still hold events.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn new(redis: Redis, spool: Embedded, metrics: RedisMetrics) -> Result<Self, StoreError> {
        let numbers = spool.numbers()?;
        let breaker = Breaker::new(metrics.breaker_open.clone());
        let spooled = AtomicU64::new(numbers.end - numbers.start);
        let (work, tried) = (Notify::new(), AtomicBool::new(false));
        let shared = Shared { redis, spool, breaker, spooled, work, tried, metrics };
        shared.gauge();
        Ok(Self(Arc::new(shared)))
    }

    /// True if the first attempt to reach Redis is over, so that item states are known if they can be.
    pub fn tried(&self) -> bool {
        self.0.tried.load(Ordering::Acquire)
    }

    /// True if the spool can write.
    pub fn is_writable(&self) -> bool {
        self.0.spool.is_writable()
    }

    /// Stray files that were moved out of the spool's folder.
    pub fn stray_files(&self) -> &[PathBuf] {
        self.0.spool.stray_files()
    }

    /// Waits for changes of items by other servers.
    pub async fn items_changed(&self) -> Option<Vec<String>> {
        self.0.redis.items_changed().await
    }

    /// True if all consents were read from Redis once.
    pub fn knows_consents(&self) -> bool {
        self.0.redis.consents_loaded()
    }

    /// Waits for changes of consents by other servers.
    pub async fn consents_changed(&self) -> Option<Vec<String>> {
        self.0.redis.consents_changed().await
    }

    /// Probes, replays and reports returns of Redis, for as long as it is polled.
    pub async fn run_background(&self) {
        tokio::join!(self.0.probe(), self.0.replay(), self.0.report_returns());
    }
}

impl Shared {
    pub(super) fn asks(&self) -> bool {
        self.breaker.is_closed()
    }

    /// Fails unless Redis answers.
    fn require_redis(&self) -> Result<(), StoreError> {
        if self.asks() { Ok(()) } else { Err(StoreError::Failed("Redis does not answer".to_owned())) }
    }

    fn failed(&self, error: &StoreError) {
        if self.breaker.failed() {
            tracing::warn!(%error, "Redis does not answer; live state goes on with what this server knows");
        }
    }

    pub(super) fn noted<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        match &outcome {
            Ok(_) => self.breaker.succeeded(),
            // A bad record does not mean that Redis is down.
            Err(StoreError::Damaged { .. }) => {}
            Err(error) => self.failed(error),
        }
        outcome
    }

    fn gauge(&self) {
        self.metrics.spooled.set(self.spooled.load(Ordering::Relaxed) as f64);
    }

    pub(super) fn unspooled(&self, events: u64) {
        let less = |spooled: u64| Some(spooled.saturating_sub(events));
        // The closure always returns a value.
        let _ = self.spooled.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        self.gauge();
    }

    async fn spool(&self, events: Vec<Event>, now: i64) -> Result<Vec<Outcome>, StoreError> {
        let sent = events.len() as u64;
        let appended = self.spool.append(events, now).await;
        let accepted = appended.as_ref().map_or(0, |outcomes| {
            outcomes.iter().filter(|outcome| **outcome == Outcome::Accepted).count() as u64
        });
        self.unspooled(sent - accepted);
        self.work.notify_one();
        appended
    }
}

impl People for Spooled {
    async fn load(&self, names: &[Name<'_>], now: i64) -> Result<Known, StoreError> {
        let Shared { redis, spool, spooled, metrics, .. } = &*self.0;
        if names.is_empty() {
            // Redis is not asked, so this says nothing about Redis.
            return Ok(Known::default());
        }
        // Before asking Redis: events replayed in between would be missed in both.
        let own = match spooled.load(Ordering::Acquire) {
            0 => None,
            _ => Some(spool.load(names, now).await?),
        };
        if self.0.asks() {
            let started = Instant::now();
            let loaded = self.0.noted(redis.load(names, now).await);
            metrics.load_seconds.record(started.elapsed().as_secs_f64());
            if let Ok(mut known) = loaded {
                known.state.merge(own.unwrap_or_default().state);
                return Ok(known);
            }
        }
        let own = match own {
            Some(own) => own,
            None => spool.load(names, now).await?,
        };
        Ok(Known { partial: true, ..own })
    }

    /// Links are decided for all servers at once, so they are not spooled.
    async fn link(&self, request: LinkRequest) -> Result<Result<LinkOutcome, Refusal>, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.link(request).await)
    }

    async fn undo(&self, request: UndoRequest) -> Result<UndoOutcome, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.undo(request).await)
    }

    async fn person(&self, user_id: &str, now: i64) -> Result<Described, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.person(user_id, now).await)
    }
}

impl EventLog for Spooled {
    async fn append(&self, events: Vec<Event>, now: i64) -> Result<Vec<Outcome>, StoreError> {
        let shared = &self.0;
        if events.is_empty() {
            return Ok(Vec::new());
        }
        if shared.asks() && shared.spooled.load(Ordering::Acquire) == 0 {
            let appended = shared.noted(shared.redis.append(events.clone(), now).await);
            if appended.is_ok() {
                return appended;
            }
        }
        let sent = events.len() as u64;
        if shared.spooled.fetch_add(sent, Ordering::AcqRel) + sent > SPOOL_EVENTS {
            shared.unspooled(sent);
            return Err(StoreError::Failed("the spool is full".to_owned()));
        }
        // A task of its own, so that the count is settled even if the caller leaves.
        let shared = Arc::clone(shared);
        let spooling = tokio::spawn(async move { shared.spool(events, now).await });
        spooling.await.map_err(|_| StoreError::Closed)?
    }

    async fn events(&self, from: u64, count: usize) -> Result<Vec<Logged>, StoreError> {
        self.0.redis.events(from, count).await
    }

    async fn next_number(&self) -> Result<u64, StoreError> {
        self.0.redis.next_number().await
    }

    async fn len_bound(&self) -> Result<u64, StoreError> {
        self.0.redis.len_bound().await
    }

    async fn last_rewind(&self) -> Result<Option<Rewind>, StoreError> {
        self.0.redis.last_rewind().await
    }

    async fn sweep(&self, sweep: Sweep) -> Result<usize, StoreError> {
        // It can wait for Redis.
        if self.0.asks() { self.0.redis.sweep(sweep).await } else { Ok(0) }
    }
}

impl Consents for Spooled {
    async fn change_consents(&self, changes: Vec<ConsentChange>) -> Result<Vec<ChangeOutcome>, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.change_consents(changes).await)
    }

    async fn read_consents(&self, user_ids: &[String]) -> Result<Vec<Consent>, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.read_consents(user_ids).await)
    }

    fn each_consent(&self, user_ids: Option<&[String]>, each: impl FnMut(&str, &Consent)) {
        self.0.redis.each_consent(user_ids, each);
    }
}

impl Items for Spooled {
    async fn change_items(&self, changes: Vec<ItemChange>) -> Result<Vec<ItemOutcome>, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.change_items(changes).await)
    }

    fn each_item(&self, ids: Option<&[String]>, each: impl FnMut(&str, &ItemState)) {
        self.0.redis.each_item(ids, each);
    }
}

/// Documents are decided for all servers at once, so they are not spooled.
impl Documents for Spooled {
    async fn write_document(&self, write: DocumentWrite) -> Result<u64, DocumentError> {
        self.0.redis.write_document(write).await
    }

    async fn document(&self, kind: &str, name: &str) -> Result<Option<Document>, DocumentError> {
        self.0.redis.document(kind, name).await
    }

    async fn documents(
        &self,
        kind: &str,
        after: Option<&str>,
        count: usize,
    ) -> Result<Vec<Listed>, DocumentError> {
        self.0.redis.documents(kind, after, count).await
    }

    async fn document_history(&self, kind: &str, name: &str) -> Result<Vec<Document>, DocumentError> {
        self.0.redis.document_history(kind, name).await
    }

    fn watch_documents(&self, kind: &str) -> watch::Receiver<u64> {
        self.0.redis.watch_documents(kind)
    }
}

/// Counters are shared by all servers, so they are not spooled: this server alone would oversell.
impl Counters for Spooled {
    async fn define_counter(
        &self,
        counter: &str,
        stock: u64,
        per_holder: Option<u64>,
        now: i64,
    ) -> Result<DefineOutcome, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.define_counter(counter, stock, per_holder, now).await)
    }

    async fn reserve(&self, reserve: Reserve) -> Result<ReserveOutcome, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.reserve(reserve).await)
    }

    async fn confirm(&self, key: &str, now: i64) -> Result<Option<ReservationState>, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.confirm(key, now).await)
    }

    async fn release(&self, key: &str, now: i64) -> Result<Option<ReservationState>, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.release(key, now).await)
    }

    async fn reservation(&self, key: &str, now: i64) -> Result<Option<(ReservationState, i64)>, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.reservation(key, now).await)
    }

    async fn expire(&self, now: i64) -> Result<usize, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.expire(now).await)
    }

    async fn counter(&self, counter: &str) -> Result<Option<Counter>, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.counter(counter).await)
    }

    async fn movements(&self, counter: &str) -> Result<Vec<Movement>, StoreError> {
        self.0.require_redis()?;
        self.0.noted(self.0.redis.movements(counter).await)
    }
}
