//! Where live state is kept: the interface, and a file for each store behind it.
//!
//! What a store promises is held by one suite of behaviours over this interface (`live/tests/behaviours`):
//! - what [`append`](Store::append) answered is durable, and the next [`load`](Store::load) knows it;
//! - an event counts once, however often it is sent within the store's `ttl`, across restarts too;
//! - what happened longer ago than the `ttl` is forgotten, so that the store does not grow without end.

mod embedded;
mod people;
mod redis;
mod writer;

use std::future::Future;

pub use embedded::Embedded;
pub use redis::{Redis, RedisOptions, check_url};

use crate::event::Event;
use crate::identity::{
    Described, Identity, IdentityType, LinkOutcome, LinkRequest, Refusal, Strength, UndoOutcome, UndoRequest,
};
use crate::item::{ItemChange, ItemState};
use crate::user::UserState;

/// Different items whose state a store keeps at most.
pub const MAX_ITEMS: usize = 5_000_000;

/// Identities that a store keeps at most.
pub const MAX_IDENTITIES: u64 = 50_000_000;

/// One name under which a user is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name<'a> {
    /// The user's id.
    User(&'a str),
    /// The id of a visit whose user is not known.
    Session(&'a str),
    /// A name that a channel gives them; a visit is a [`Session`](Self::Session), and what is shared is no name.
    Identity(&'a Identity),
}

impl<'a> Name<'a> {
    /// Under which name an event counts: its user's where it has one, else its identity's, else its visit's.
    /// `None` where it has none of them. To whom the name belongs does not matter here: that is asked on reading.
    pub fn of(event: &'a Event) -> Option<Self> {
        let user = event.user_id.as_deref().map(Self::User);
        let identity = || event.identity.as_ref().and_then(Self::of_identity);
        user.or_else(identity).or(event.session_id.as_deref().map(Self::Session))
    }

    /// The name that an identity is; `None` of one that speaks for nobody.
    pub fn of_identity(identity: &'a Identity) -> Option<Self> {
        match identity.kind() {
            IdentityType::Session => Some(Self::Session(identity.value())),
            kind if kind.strength() == Strength::Shared => None,
            _ => Some(Self::Identity(identity)),
        }
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
    /// What is known of the person that these names speak of ([`resolve`](crate::identity::resolve::resolve)),
    /// under all names that are theirs, as of `now` (unix milliseconds): one call, one round trip.
    fn load(&self, names: &[Name<'_>], now: i64) -> impl Future<Output = Result<Known, StoreError>> + Send;

    /// Writes down events that were received at `now`; the outcomes are in their order. When it returns, what
    /// was accepted is on disk. After an error, some or none of them are: send them again.
    fn append(
        &self,
        events: Vec<Event>,
        now: i64,
    ) -> impl Future<Output = Result<Vec<Outcome>, StoreError>> + Send;

    /// Makes names one person. When it returns, it is on disk, and the next [`load`](Self::load) knows it. The inner
    /// error is that of the rules: nothing was changed.
    fn link(
        &self,
        request: LinkRequest,
    ) -> impl Future<Output = Result<Result<LinkOutcome, Refusal>, StoreError>> + Send;

    /// Takes a merge back, as durably.
    fn undo(&self, request: UndoRequest) -> impl Future<Output = Result<UndoOutcome, StoreError>> + Send;

    /// What is written down of the person with this user id.
    fn person(&self, user_id: &str, now: i64) -> impl Future<Output = Result<Described, StoreError>> + Send;

    /// Writes down news of items; the outcomes are in their order.
    fn change_items(
        &self,
        changes: Vec<ItemChange>,
    ) -> impl Future<Output = Result<Vec<ItemOutcome>, StoreError>> + Send;

    /// Calls `each` with every item that has a state, or with those of `ids` that do. It reads memory only;
    /// the state does not change while `each` runs.
    fn each_item(&self, ids: Option<&[String]>, each: impl FnMut(&str, &ItemState));

    /// The events accepted from number `from` on, in order, at most `count`. Once an event is seen, none with
    /// a lower number appears any more.
    fn log(&self, from: u64, count: usize) -> impl Future<Output = Result<Vec<Logged>, StoreError>> + Send;

    /// Above the numbers of all events accepted so far, and not above that of the next one.
    fn next_number(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Forgets what was received longer than the store's `ttl` before `now`; how many events that were.
    fn sweep(&self, now: i64) -> impl Future<Output = Result<usize, StoreError>> + Send;
}
