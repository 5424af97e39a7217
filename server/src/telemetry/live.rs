//! Metrics of live state: events, links of identities, Redis, the drain.

use metrics::{Counter, Gauge, Histogram};
use qianmian_live::people::LinkStatus;

/// Events received, by outcome.
pub struct EventMetrics {
    /// They count.
    pub accepted: Counter,
    /// They counted before.
    pub duplicate: Counter,
    /// Others were sent under their ids before.
    pub conflict: Counter,
    /// They are invalid.
    pub rejected: Counter,
}

/// Events that were replayed into Redis, by outcome.
pub struct ReplayMetrics {
    /// They count.
    pub accepted: Counter,
    /// Redis knew them.
    pub duplicate: Counter,
    /// Redis knew others under their ids.
    pub conflict: Counter,
}

/// Links of identities and undone merges, by outcome.
pub struct LinkMetrics(pub(super) [Counter; Linked::ALL.len()]);

/// Outcome of a link.
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
    /// Redis came back with older data.
    pub rewinds: Counter,
    /// Spooled events that were replayed.
    pub replayed: ReplayMetrics,
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

impl Linked {
    /// All outcomes, in index order.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Linked, Self::Merged, Self::Unchanged, Self::Refused, Self::Undone];

    /// The label value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Linked => "linked",
            Self::Merged => "merged",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Undone => "undone",
        }
    }

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

/// Counters are found by the index of the outcome.
const _: () = {
    let mut n = 0;
    while n < Linked::ALL.len() {
        assert!(Linked::ALL[n] as usize == n);
        n += 1;
    }
};
