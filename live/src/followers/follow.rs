//! Follows a store's log, so that all servers on one store see the same trends and the same recent buyers.

use super::told::Told;
use super::trending::{Heats, TrendingByLocality, WINDOW_MS};
use crate::error::StoreError;
use crate::event::Event;
use crate::log::EventLog;

/// Events of one read.
const CHUNK: usize = 2_000;
/// Most reads of one call; the next call continues.
const MAX_CHUNKS: usize = 50;
/// Age of the oldest event that the first call reads, in milliseconds: models are trained once a day. In a busy log it
/// reads at most this many events, because the first trends wait for them.
const BACK_MS: i64 = 24 * 60 * 60 * 1000;
const BACK_EVENTS: u64 = 2_000_000;

/// The heats, and the position in the log up to which they are counted.
#[derive(Debug, Default)]
pub struct Follower {
    heats: Heats,
    told: Told,
    /// The number of the next event; `None` before the first call.
    next: Option<u64>,
}

impl Follower {
    /// Reads to the end of the log, passes every event to `each`, and returns the trending items at `now` (unix
    /// milliseconds). The first call begins with the events of the last day.
    ///
    /// # Errors
    /// The store does not answer; the next call continues there.
    pub async fn catch_up(
        &mut self,
        store: &impl EventLog,
        now: i64,
        mut each: impl FnMut(&Event),
    ) -> Result<TrendingByLocality, StoreError> {
        let mut next = match self.next {
            Some(next) => next,
            None => {
                let first = first_since(store, now - BACK_MS).await?;
                // Numbers may have gaps, so a distance of numbers alone does not mean that there are many events.
                let is_busy = store.len_bound().await? > BACK_EVENTS;
                let latest = store.next_number().await?.saturating_sub(BACK_EVENTS);
                if is_busy { first.max(latest) } else { first }
            }
        };
        for _ in 0..MAX_CHUNKS {
            let events = store.events(next, CHUNK).await?;
            for logged in &events {
                if logged.event.occurred_at >= now - WINDOW_MS
                    && self.told.is_new(&logged.event, logged.received_at)
                {
                    self.heats.add(&logged.event);
                }
                each(&logged.event);
                next = logged.number + 1;
            }
            self.next = Some(next);
            if events.len() < CHUNK {
                break;
            }
        }
        Ok(self.heats.trending(now))
    }
}

/// The first number whose event was received at `moment` or later, by bisection: the log is in the order of
/// receipt.
async fn first_since(store: &impl EventLog, moment: i64) -> Result<u64, StoreError> {
    let (mut low, mut high) = match store.events(0, 1).await?.first() {
        Some(first) if first.received_at < moment => (first.number + 1, first.number + 2),
        Some(first) => return Ok(first.number),
        None => return Ok(0),
    };
    let is_before = async |number| -> Result<bool, StoreError> {
        Ok(store.events(number, 1).await?.first().is_some_and(|logged| logged.received_at < moment))
    };
    while is_before(high).await? {
        (low, high) = (high + 1, high.saturating_mul(2));
    }
    while low < high {
        let middle = low + (high - low) / 2;
        (low, high) = if is_before(middle).await? { (middle + 1, high) } else { (low, middle) };
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::backends::Embedded;
    use crate::event::RawEvent;

    const NOW: i64 = 1_800_000_000_000;

    fn event(id: usize, item: &str, at: i64) -> crate::event::Event {
        let occurred_at = chrono::DateTime::from_timestamp_millis(at).unwrap().to_rfc3339();
        let id = id.to_string();
        let raw = RawEvent {
            event_id: &id,
            kind: "purchase",
            occurred_at: &occurred_at,
            user_id: Some(&id),
            item_id: Some(item),
            ..RawEvent::default()
        };
        raw.check(at).unwrap()
    }

    #[tokio::test]
    async fn a_follower_starts_a_day_back_and_counts_each_event_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(folder.path(), 7 * 86_400_000).unwrap();
        // Three a minute, for three hours.
        for n in 0..540 {
            let at = NOW - (540 - n as i64) * 20_000;
            let item = if at < NOW - WINDOW_MS { "old" } else { "fresh" };
            store.append(vec![event(n, item, at)], at).await.unwrap();
        }
        assert_eq!(first_since(&store, NOW - WINDOW_MS).await.unwrap(), 360);
        assert_eq!(first_since(&store, 0).await.unwrap(), 0);
        assert_eq!(first_since(&store, NOW).await.unwrap(), 540);
        let mut follower = Follower::default();
        let (mut seen, mut own) = (0, Follower::default());
        own.catch_up(&store, NOW, |_| seen += 1).await.unwrap();
        own.catch_up(&store, NOW, |_| seen += 1).await.unwrap();
        assert_eq!(seen, 540, "all of the last day, once");
        let items = async |follower: &mut Follower| -> Vec<String> {
            let trending = follower.catch_up(&store, NOW, |_| ()).await.unwrap();
            trending.nearest(None, None).unwrap().iter().map(|(item, _)| item.to_string()).collect()
        };
        assert_eq!(items(&mut follower).await, ["fresh"]);
        for n in 0..100 {
            store.append(vec![event(1_000 + n, "new", NOW)], NOW).await.unwrap();
        }
        assert_eq!(items(&mut follower).await, ["new", "fresh"]);
        assert_eq!(items(&mut follower).await, ["new", "fresh"], "nothing is counted twice");
    }

    #[tokio::test]
    async fn one_source_cannot_make_a_trend() {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(folder.path(), 7 * 86_400_000).unwrap();
        let mut events: Vec<_> = (0..5).map(|n| event(n, "liked", NOW)).collect();
        let forged = (5..2_000).map(|n| Event { user_id: Some("eve".to_owned()), ..event(n, "forged", NOW) });
        events.extend(forged);
        store.append(events, NOW).await.unwrap();
        let trending = Follower::default().catch_up(&store, NOW, |_| ()).await.unwrap();
        let trending = trending.nearest(None, None).unwrap();
        let heat = |item: &str| trending.iter().find(|(id, _)| **id == *item).unwrap().1;
        assert!((heat("liked") / heat("forged") - 5.0).abs() < 0.01, "{trending:?}");
    }

    #[tokio::test]
    async fn an_empty_log_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(folder.path(), 1_000).unwrap();
        assert!(
            Follower::default().catch_up(&store, NOW, |_| ()).await.unwrap().nearest(None, None).is_none()
        );
    }
}
