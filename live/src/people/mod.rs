//! People: One-ID (the names that belong to one person) and the live state of each name.
//!
//! A *person* is all user ids and identities that were linked. State is never moved between names: a person's
//! state is read under all of their names together, so that a merge, or its undo, writes a few small records and
//! no history.
//!
//! | file | content |
//! |---|---|
//! | [`name`] | the names under which state is kept |
//! | [`state`] | the live state of one name: marks, and the context that answers use |
//! | [`person`] | a person: user ids, identities, and how they were merged |
//! | [`records`] | the stored records, and the [`Records`] that rules read and write |
//! | [`mod@link`] | the rules by which names become one person |
//! | [`mod@undo`] | undoing a merge |
//! | [`resolve`] | from the names of a call to all names of a person |
//! | [`forget`] | removal of anonymous people without recent events |
//! | [`audit`] | the audit trail: links, merges and undos |
//!
//! The rules are functions over [`Records`] that never wait: the same rules run inside the writer thread of an
//! embedded store, and over records that were read from Redis and are written back only if they are unchanged.

pub mod audit;
pub mod forget;
pub mod link;
pub mod name;
pub mod person;
pub mod records;
pub mod resolve;
pub mod state;
pub mod undo;

pub use audit::{AuditAction, AuditEntry};
pub use link::{IdentityStatus, LinkOutcome, LinkRequest, LinkStatus, MAX_LINKED, link};
pub use name::Name;
pub use person::{Linked, MAX_IDENTITIES, MAX_MEMBERS, Member, Merge, Merged, Person};
pub use records::{Key, Records, Refusal, Stop};
pub use resolve::{Described, Resolved};
pub use state::UserState;
pub use undo::{UndoOutcome, UndoRequest, undo};

use crate::error::StoreError;

/// Most identities in a store.
pub const MAX_STORED_IDENTITIES: u64 = 50_000_000;

/// The identified person and their live state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The person's user ids, the leading one first; empty for a visit whose user is not known.
    pub user_ids: Vec<String>,
    /// Live state under all of the person's names.
    pub state: UserState,
    /// True if only this server's own data was used, because the shared store did not answer.
    pub partial: bool,
}

/// The people of a store.
pub trait People: Send + Sync {
    /// The person whom these names identify ([`resolve`](resolve::resolve)) and their state under all of their
    /// names, as of `now` (unix milliseconds): one call, one round trip.
    fn load(&self, names: &[Name<'_>], now: i64) -> impl Future<Output = Result<Known, StoreError>> + Send;

    /// Links names to one person. When it returns, the link is durable and the next [`load`](Self::load) sees it. The
    /// inner error is a refusal by the rules: nothing was changed.
    fn link(
        &self,
        request: LinkRequest,
    ) -> impl Future<Output = Result<Result<LinkOutcome, Refusal>, StoreError>> + Send;

    /// Undoes a merge, with the same durability.
    fn undo(&self, request: UndoRequest) -> impl Future<Output = Result<UndoOutcome, StoreError>> + Send;

    /// The records of the person with this user id.
    fn person(&self, user_id: &str, now: i64) -> impl Future<Output = Result<Described, StoreError>> + Send;
}
