//! Small records that every server keeps in memory as a whole: item states and consents.
//!
//! A store keeps them durably and computes changes by [`Replicated::apply`], the same in every store; answers read
//! memory.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A record under a key, and the change that makes the next one.
pub trait Replicated:
    Clone + Default + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static
{
    /// A change of a record.
    type Change: Clone + Send + Sync + 'static;
    /// Most records in a store.
    const MAX: usize;
    /// True if servers keep in memory the records that Redis lost when it came back with older data.
    const OUTLIVES_REDIS: bool;

    /// The key of the record that a change is about.
    fn key(change: &Self::Change) -> &str;

    /// Applies a change; returns true if anything was new in it.
    fn apply(&mut self, change: &Self::Change) -> bool;
}

/// The result of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// It is valid, and durable.
    Accepted,
    /// Nothing in it is new.
    Stale,
    /// The store has reached the maximum number of records.
    Full,
}
