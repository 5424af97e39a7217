//! Background work of a store in Redis: probing, replaying the spool, reporting returns of Redis.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use qianmian_live::StoreError;
use qianmian_live::log::{EventLog, Logged, Outcome};

use super::spooled::Shared;

/// Events of one replay: enough for a few scripts of Redis, so that waiting for disks does not dominate.
const REPLAY_EVENTS: usize = 1_000;
/// Pause after the first probe, and the longest one: each doubles, minus a random part, so that servers do not
/// reconnect all at once.
const PROBE_FIRST: Duration = Duration::from_millis(50);
const PROBE_LONGEST: Duration = Duration::from_secs(1);
/// Longest pause between two checks of the spool.
const REPLAY_EVERY: Duration = Duration::from_secs(1);
/// Pause after a failed replay, and the longest pause between two replays.
const REPLAY_AGAIN: Duration = Duration::from_millis(100);
/// Time for which the start waits for item states.
const ITEMS: Duration = Duration::from_secs(10);

impl Shared {
    /// Logs and counts every return of Redis as another incarnation, which may have lost events.
    pub(super) async fn report_returns(&self) {
        loop {
            let lost = self.redis.returned().await.lost;
            self.metrics.returns.increment(1);
            if lost > 0 {
                self.metrics.rewinds.increment(1);
                tracing::error!(
                    lost,
                    "Redis came back older than it was: at least so many events or changes are lost; numbers go on \
                     above all that were given"
                );
            } else {
                tracing::info!(
                    "Redis is another process than before; numbers go on above all that were given"
                );
            }
        }
    }

    /// Whenever the breaker is open, reconnects until Redis answers, and closes it.
    pub(super) async fn probe(&self) {
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

    /// Runs once, if Redis answers right at the start.
    async fn begin(&self) {
        match self.redis.concerns().await {
            Some(concerns) => concerns
                .into_iter()
                .for_each(|concern| tracing::warn!(concern, "Redis may lose acknowledged events")),
            None => tracing::info!(
                "Redis does not report its settings; docs/operations.md says what they must be"
            ),
        }
        if tokio::time::timeout(ITEMS, self.redis.replicas_loaded()).await.is_err() {
            tracing::error!(
                "item states and consents take long to read; the server starts to answer without them"
            );
        }
        self.tried.store(true, Ordering::Release);
    }

    /// Replays spooled events to Redis, in order, whenever Redis answers.
    pub(super) async fn replay(&self) {
        let mut from = 0;
        loop {
            // Spooling and the end of an outage notify; the timeout covers everything else.
            let _ = tokio::time::timeout(REPLAY_EVERY, self.work.notified()).await;
            while self.asks() && self.spooled.load(Ordering::Acquire) > 0 {
                let started = Instant::now();
                match self.replay_some(from).await {
                    Ok(Some(next)) => {
                        from = next;
                        // At most half of the time of Redis, because answers need it, too.
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

    /// Replays the first events from number `from` on; returns the number after them, or `None` if there are none.
    async fn replay_some(&self, from: u64) -> Result<Option<u64>, StoreError> {
        let events: Vec<Logged> = self.spool.events(from, REPLAY_EVENTS).await?;
        let Some(last) = events.last().map(|logged| logged.number) else { return Ok(None) };
        let outcomes = self.noted(self.redis.append_received(&events).await)?;
        let count = |outcome| outcomes.iter().filter(|known| **known == outcome).count();
        let conflicts = count(Outcome::Conflict);
        let replayed = &self.metrics.replayed;
        replayed.accepted.increment(count(Outcome::Accepted) as u64);
        replayed.duplicate.increment(count(Outcome::Duplicate) as u64);
        replayed.conflict.increment(conflicts as u64);
        if conflicts > 0 {
            tracing::warn!(conflicts, "spooled events had the ids of other events, and do not count");
        }
        let replayed = events.len() as u64;
        // If this is interrupted, they are replayed again, as duplicates.
        self.spool.remove(events).await?;
        self.unspooled(replayed);
        Ok(Some(last + 1))
    }
}

/// Half of `pause` plus a random part of the other half.
fn jittered(pause: Duration) -> Duration {
    // Without randomness all servers wait equally long, which is harmless.
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}
