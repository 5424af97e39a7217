//! The log: accepted events in the order of their numbers, each once.

pub mod drain;

use crate::error::StoreError;
use crate::event::Event;

/// The result of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It counts, and is durable.
    Accepted,
    /// It was sent before, and counted then.
    Duplicate,
    /// Another event was sent under its id before; this one does not count.
    Conflict,
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// Its number. Numbers rise in the order of acceptance and may have gaps.
    pub number: u64,
    /// Time of receipt, unix milliseconds.
    pub received_at: i64,
    /// The event.
    pub event: Event,
}

/// The bounds of a sweep.
#[derive(Debug, Clone, Copy)]
pub struct Sweep {
    /// The wall clock, unix milliseconds: decides which marks and anonymous people are old.
    pub now: i64,
    /// Milliseconds since the store was opened, by a monotonic clock: decides which events and ids are old, so that
    /// setting the wall clock forward and back never makes one count twice.
    pub uptime_ms: i64,
    /// Events from this number on are kept: they are not drained yet.
    pub keep_from: u64,
}

/// A return of a shared store that had lost events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewind {
    /// The stream position of the last event that it still knew: events with this number or a higher one were lost.
    pub before: u64,
    /// All events accepted since have this number or a higher one.
    pub base: u64,
}

/// The log of a store.
pub trait EventLog: Send + Sync {
    /// Accepts events received at `now` (unix milliseconds); the outcomes are in their order. When it returns, the
    /// accepted events are durable and part of their users' state. After an error, some or none of them are: send
    /// them again.
    fn append(
        &self,
        events: Vec<Event>,
        now: i64,
    ) -> impl Future<Output = Result<Vec<Outcome>, StoreError>> + Send;

    /// Events from number `from` on, in order, at most `count`. Once an event was returned, no event with a lower
    /// number appears any more.
    fn events(&self, from: u64, count: usize)
    -> impl Future<Output = Result<Vec<Logged>, StoreError>> + Send;

    /// A number above those of all accepted events, and at most that of the next one.
    fn next_number(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Most events that the log can hold: an upper bound for counts taken from numbers, which may have gaps.
    fn len_bound(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// The last return of the store with a loss, if one is recorded: ids of lost events are no longer known as
    /// duplicates.
    fn last_rewind(&self) -> impl Future<Output = Result<Option<Rewind>, StoreError>> + Send;

    /// Removes data older than the store's `ttl`; returns the number of events.
    fn sweep(&self, sweep: Sweep) -> impl Future<Output = Result<usize, StoreError>> + Send;
}
