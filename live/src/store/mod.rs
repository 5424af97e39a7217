//! Where live state is kept: the interface, and a file for each store behind it.
//!
//! What a store promises is held by one suite of behaviours over this interface (`live/tests/behaviours`):
//! - what [`append`](Store::append) answered is durable, and the next [`load`](Store::load) knows it;
//! - an event counts once, however often it is sent within the store's `ttl`, across restarts too;
//! - what happened longer ago than the `ttl` is forgotten, so that the store does not grow without end.

mod embedded;
mod redis;
mod writer;

use std::future::Future;

pub use embedded::Embedded;
pub use redis::{Redis, RedisOptions, check_url};

use crate::event::Event;
use crate::item::{ItemChange, ItemState};
use crate::user::UserState;

/// Different items whose state a store keeps at most.
pub const MAX_ITEMS: usize = 5_000_000;

/// One name under which a user is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name<'a> {
    /// The user's id.
    User(&'a str),
    /// The id of a visit whose user is not known.
    Session(&'a str),
}

impl<'a> Name<'a> {
    /// Under which name an event counts: its user's, where it has one. `None` where it has neither.
    pub fn of(event: &'a Event) -> Option<Self> {
        let user = event.user_id.as_deref().map(Self::User);
        user.or(event.session_id.as_deref().map(Self::Session))
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It counts, and is durable.
    Accepted,
    /// It was sent before, and counted then.
    Duplicate,
    /// Another event was sent under its id before; this one does not count.
    Conflict,
}

/// What became of an item's change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemOutcome {
    /// It holds, and is durable.
    Accepted,
    /// Newer news is known.
    Stale,
    /// [`MAX_ITEMS`] other items have a state already.
    Full,
}

/// An event as it was written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// Its place in the order of acceptance.
    pub number: u64,
    /// When it was received, unix milliseconds.
    pub received_at: i64,
    /// The event.
    pub event: Event,
}

/// What is known of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The user ids that they go by, the one that counts first; none of a visit whose user is not known.
    pub user_ids: Vec<String>,
    /// What they did lately, under whichever name.
    pub state: UserState,
    /// Whether this is only what the server itself knows, because the rest did not answer.
    pub partial: bool,
}

/// Why a store does not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk, the network, or the store behind it, fails.
    #[error("the live store fails: {0}")]
    Failed(String),
    /// It did not answer in time; what was asked may have happened.
    #[error("the live store did not answer in time")]
    TimedOut,
    /// It has been closed.
    #[error("the live store is closed")]
    Closed,
    /// A record does not read back.
    #[error("the live store holds a damaged record in `{table}`")]
    Damaged {
        /// The table that it is in.
        table: &'static str,
    },
}

/// What every store can do.
pub trait Store: Send + Sync {
    /// What is known of a person under all of these names together, as of `now` (unix milliseconds): one call,
    /// one round trip.
    fn load(&self, names: &[Name<'_>], now: i64) -> impl Future<Output = Result<Known, StoreError>> + Send;

    /// Writes down events that were received at `now`; the outcomes are in their order. When it returns, what
    /// was accepted is on disk. After an error, some or none of them are: send them again.
    fn append(
        &self,
        events: Vec<Event>,
        now: i64,
    ) -> impl Future<Output = Result<Vec<Outcome>, StoreError>> + Send;

    /// Writes down news of items; the outcomes are in their order.
    fn change_items(
        &self,
        changes: Vec<ItemChange>,
    ) -> impl Future<Output = Result<Vec<ItemOutcome>, StoreError>> + Send;

    /// Calls `each` with every item that has a state, or with those of `ids` that do. It reads memory only;
    /// the state does not change while `each` runs.
    fn each_item(&self, ids: Option<&[String]>, each: impl FnMut(&str, &ItemState));

    /// The events accepted from number `from` on, in order, at most `count`.
    fn log(&self, from: u64, count: usize) -> impl Future<Output = Result<Vec<Logged>, StoreError>> + Send;

    /// Forgets what was received longer than the store's `ttl` before `now`; how many events that were.
    fn sweep(&self, now: i64) -> impl Future<Output = Result<usize, StoreError>> + Send;
}
