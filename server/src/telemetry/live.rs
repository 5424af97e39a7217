//! Metrics of live state: events, links of identities, Redis, the drain.

use metrics::{Counter, Gauge, Histogram};
use qianmian_live::people::LinkStatus;

/// Label values of [`EventMetrics::record`], in its order.
pub(super) const EVENT_OUTCOMES: [&str; 4] = ["accepted", "duplicate", "conflict", "rejected"];

/// Label values of [`Linked`], in its order.
pub(super) const LINK_OUTCOMES: [&str; 6] = ["created", "linked", "merged", "unchanged", "refused", "undone"];

/// Events received, by outcome.
pub struct EventMetrics(pub(super) [Counter; EVENT_OUTCOMES.len()]);

/// Links of identities and undone merges, by outcome.
pub struct LinkMetrics(pub(super) [Counter; LINK_OUTCOMES.len()]);

/// Outcome of a link; the order is that of the label values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    /// A person was created.
    Created,
    /// Identities were added to a person, or became shared.
    Linked,
    /// People became one.
    Merged,
    /// Everything was known before.
    Unchanged,
    /// The identities are of two people, or would be too many.
    Refused,
    /// A merge was undone.
    Undone,
}

/// Live state of one shop that is kept in Redis.
pub struct RedisMetrics {
    /// 1 while Redis is not asked.
    pub breaker_open: Gauge,
    /// Events on this server's disk that wait for Redis.
    pub spooled: Gauge,
    /// Seconds to load the state of a person, failures included.
    pub load_seconds: Histogram,
    /// Redis was another process, or another server, than before.
    pub returns: Counter,
    /// Redis came back older than it was.
    pub rewinds: Counter,
    pub(super) replayed: [Counter; 3],
}

/// The drain of one shop's events.
pub struct DrainMetrics {
    /// Events that this process drained.
    pub events: Counter,
    /// Failed attempts.
    pub failures: Counter,
    /// Events not drained yet.
    pub lag_events: Gauge,
    /// Seconds since the oldest of them was received.
    pub lag_seconds: Gauge,
}

impl EventMetrics {
    /// Counts the events of one call, in the order of the label values: accepted, duplicate, conflict, rejected.
    pub fn record(&self, events: [usize; EVENT_OUTCOMES.len()]) {
        self.0.iter().zip(events).for_each(|(counter, events)| counter.increment(events as u64));
    }
}

impl Linked {
    /// The outcome of a link that was not refused.
    pub fn of(status: LinkStatus) -> Self {
        match status {
            LinkStatus::Created => Self::Created,
            LinkStatus::Linked => Self::Linked,
            LinkStatus::Merged => Self::Merged,
            LinkStatus::Unchanged => Self::Unchanged,
        }
    }
}

impl LinkMetrics {
    /// Counts one outcome.
    pub fn record(&self, outcome: Linked) {
        self.0[outcome as usize].increment(1);
    }
}

impl RedisMetrics {
    /// Counts replayed events: accepted, duplicate, conflict.
    pub fn replayed(&self, events: [usize; 3]) {
        self.replayed.iter().zip(events).for_each(|(counter, events)| counter.increment(events as u64));
    }
}
