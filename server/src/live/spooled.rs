//! Redis, and what happens while it does not answer.
//!
//! Loads wait for it a few milliseconds, appends a few more; what fails often enough opens a [breaker](Breaker),
//! and until a probe closes it again no request asks Redis at all. Events go to the *spool* meanwhile, an
//! embedded store in this server's own folder, which is as durable before it answers; what the spool says of a
//! user is part of this server's answers. When Redis is back, the spool is replayed in its order and emptied.
//! An event that reached Redis and was spooled all the same (its answer came too late) counts once, because
//! Redis knows its id.
//!
//! Order: while the spool holds anything, new events go to its end. So what one caller sends one after the other
//! reaches Redis in that order.
//!
//! Item states are not spooled: another server would sell what this one knows is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use qianmian_live::event::Event;
use qianmian_live::identity::{Described, LinkOutcome, LinkRequest, Refusal, UndoOutcome, UndoRequest};
use qianmian_live::item::{ItemChange, ItemState};
use qianmian_live::store::{Embedded, ItemOutcome, Known, Logged, Name, Outcome, Redis, Store, StoreError};
use tokio::sync::Notify;

use super::breaker::Breaker;
use crate::telemetry::RedisMetrics;

/// Events that the spool holds at most; more are refused.
const SPOOL_EVENTS: u64 = 10_000_000;
/// Events that are replayed at once: a few scripts of Redis, so that a replay is more than waiting for disks.
const REPLAY_EVENTS: usize = 1_000;
/// Between two probes, the first ones; each waits longer than the one before, up to the longest, and a random
/// part less, so that servers do not come back all at once.
const PROBE_FIRST: Duration = Duration::from_millis(50);
const PROBE_LONGEST: Duration = Duration::from_secs(1);
/// Between two looks at what there is to replay, where nobody says that there is something.
const REPLAY_EVERY: Duration = Duration::from_secs(1);
/// Between two tries to replay what failed, and the longest rest between two replays.
const REPLAY_AGAIN: Duration = Duration::from_millis(100);
/// How long the start waits for the states of items.
const ITEMS: Duration = Duration::from_secs(10);

/// A store in Redis with a spool of this server.
pub struct Spooled(Arc<Shared>);

struct Shared {
    redis: Redis,
    spool: Embedded,
    breaker: Breaker,
    /// At least as many events as the spool holds, or will hold once those that are on their way are in it.
    spooled: AtomicU64,
    work: Notify,
    /// Whether the first attempt to reach Redis is over.
    tried: AtomicBool,
    metrics: RedisMetrics,
}

impl Spooled {
    /// From Redis, not yet connected, and a spool, which may hold events of before.
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

    /// Whether the first attempt to reach Redis is over: item states are known, or have to be done without.
    pub fn tried(&self) -> bool {
        self.0.tried.load(Ordering::Acquire)
    }

    /// Waits for changes of items that other servers took in.
    pub async fn items_changed(&self) -> Option<Vec<String>> {
        self.0.redis.items_changed().await
    }

    /// Probes and replays, for as long as it is polled.
    pub async fn tend(&self) {
        tokio::join!(self.0.probe(), self.0.replay());
    }
}

impl Shared {
    fn asks(&self) -> bool {
        self.breaker.is_closed()
    }

    /// Lets pass only while Redis answers.
    fn only_redis(&self) -> Result<(), StoreError> {
        if self.asks() { Ok(()) } else { Err(StoreError::Failed("Redis does not answer".to_owned())) }
    }

    fn failed(&self, error: &StoreError) {
        if self.breaker.failed() {
            tracing::warn!(%error, "Redis does not answer; live state goes on with what this server knows");
        }
    }

    fn noted<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        match &outcome {
            Ok(_) => self.breaker.succeeded(),
            // One bad record is no sign that Redis is away.
            Err(StoreError::Damaged { .. }) => {}
            Err(error) => self.failed(error),
        }
        outcome
    }

    fn gauge(&self) {
        self.metrics.spooled.set(self.spooled.load(Ordering::Relaxed) as f64);
    }

    fn unspooled(&self, events: u64) {
        let less = |spooled: u64| Some(spooled.saturating_sub(events));
        // The closure never declines.
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

    /// Whenever the breaker is open, connects anew until Redis answers, and closes it.
    async fn probe(&self) {
        loop {
            self.breaker.opened().await;
            let mut pause = PROBE_FIRST;
            while let Err(error) = self.redis.connect().await {
                if !self.tried.swap(true, Ordering::AcqRel) {
                    tracing::warn!(%error, "Redis cannot be reached; live state begins without it");
                }
                tokio::time::sleep(jittered(pause)).await;
                pause = (2 * pause).min(PROBE_LONGEST);
            }
            if !self.tried.load(Ordering::Acquire) {
                self.begin().await;
            }
            self.breaker.close();
            self.work.notify_one();
            tracing::info!(spooled = self.spooled.load(Ordering::Relaxed), "Redis answers");
        }
    }

    /// What is done once, when Redis answers right at the start.
    async fn begin(&self) {
        match self.redis.concerns().await {
            Some(concerns) => concerns
                .into_iter()
                .for_each(|concern| tracing::warn!(concern, "what Redis holds may be lost")),
            None => tracing::info!(
                "Redis does not tell its settings; see docs/operations.md for what they must be"
            ),
        }
        if tokio::time::timeout(ITEMS, self.redis.items_loaded()).await.is_err() {
            tracing::error!("the states of items take long to read; answers begin without them");
        }
        self.tried.store(true, Ordering::Release);
    }

    /// Hands what is spooled over to Redis, in order, whenever Redis answers.
    async fn replay(&self) {
        let mut from = 0;
        loop {
            // Whoever spools says so; an outage's end does, too. The time is for what neither does.
            let _ = tokio::time::timeout(REPLAY_EVERY, self.work.notified()).await;
            while self.asks() && self.spooled.load(Ordering::Acquire) > 0 {
                let started = Instant::now();
                match self.hand_over(from).await {
                    Ok(Some(next)) => {
                        from = next;
                        // At most half of the time of Redis is for this: answers wait for it only so long.
                        tokio::time::sleep(started.elapsed().min(REPLAY_AGAIN)).await;
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "spooled events could not be replayed");
                        tokio::time::sleep(REPLAY_AGAIN).await;
                    }
                }
            }
        }
    }

    /// Replays the first events from number `from` on; the number after them, or nothing where there are none.
    async fn hand_over(&self, from: u64) -> Result<Option<u64>, StoreError> {
        let events: Vec<Logged> = self.spool.log(from, REPLAY_EVENTS).await?;
        let Some(last) = events.last().map(|logged| logged.number) else { return Ok(None) };
        let outcomes = self.noted(self.redis.append_received(&events).await)?;
        let count = |outcome| outcomes.iter().filter(|known| **known == outcome).count();
        let conflicts = count(Outcome::Conflict);
        self.metrics.replayed([count(Outcome::Accepted), count(Outcome::Duplicate), conflicts]);
        if conflicts > 0 {
            tracing::warn!(
                conflicts,
                "other events had the ids of spooled ones; the spooled ones do not count"
            );
        }
        let replayed = events.len() as u64;
        // Should this be interrupted, they are replayed again, as duplicates.
        self.spool.remove(events).await?;
        self.unspooled(replayed);
        Ok(Some(last + 1))
    }
}

impl Store for Spooled {
    async fn load(&self, names: &[Name<'_>], now: i64) -> Result<Known, StoreError> {
        let Shared { redis, spool, spooled, metrics, .. } = &*self.0;
        if names.is_empty() {
            // There is nothing to ask, so that it says nothing of Redis either.
            return Ok(Known::default());
        }
        // Before Redis is asked: what is handed over meanwhile would be missed in both.
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
        // A task of its own: what was counted is settled, even when the caller leaves.
        let shared = Arc::clone(shared);
        let spooling = tokio::spawn(async move { shared.spool(events, now).await });
        spooling.await.map_err(|_| StoreError::Closed)?
    }

    /// Who is who is decided for all servers at once, so that nothing of it is spooled.
    async fn link(&self, request: LinkRequest) -> Result<Result<LinkOutcome, Refusal>, StoreError> {
        self.0.only_redis()?;
        self.0.noted(self.0.redis.link(request).await)
    }

    async fn undo(&self, request: UndoRequest) -> Result<UndoOutcome, StoreError> {
        self.0.only_redis()?;
        self.0.noted(self.0.redis.undo(request).await)
    }

    async fn person(&self, user_id: &str, now: i64) -> Result<Described, StoreError> {
        self.0.only_redis()?;
        self.0.noted(self.0.redis.person(user_id, now).await)
    }

    async fn change_items(&self, changes: Vec<ItemChange>) -> Result<Vec<ItemOutcome>, StoreError> {
        self.0.only_redis()?;
        self.0.noted(self.0.redis.change_items(changes).await)
    }

    fn each_item(&self, ids: Option<&[String]>, each: impl FnMut(&str, &ItemState)) {
        self.0.redis.each_item(ids, each);
    }

    async fn log(&self, from: u64, count: usize) -> Result<Vec<Logged>, StoreError> {
        self.0.redis.log(from, count).await
    }

    async fn next_number(&self) -> Result<u64, StoreError> {
        self.0.redis.next_number().await
    }

    async fn sweep(&self, now: i64) -> Result<usize, StoreError> {
        // What is old is old in a minute, too.
        if self.0.asks() { self.0.redis.sweep(now).await } else { Ok(0) }
    }
}

/// Half of `pause`, and a random part of the other half.
fn jittered(pause: Duration) -> Duration {
    // Without randomness all servers wait equally long, which is no worse than not waiting.
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}
