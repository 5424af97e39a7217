//! Small records that every server keeps in memory, all of them: item states and consents.
//!
//! A store keeps them durably and computes changes by [`Replicated::apply`], the same in every store; answers read memory.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A record under a key, and how a change makes the next one.
pub trait Replicated:
    Clone + Default + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static
{
    /// A change of a record.
    type Change: Clone + Send + Sync + 'static;
    /// Most records in a store.
    const MAX: usize;
    /// True if servers keep in memory what Redis forgot, because it came back older than it was.
    const OUTLIVES_REDIS: bool;

    /// The key of the record that a change is about.
    fn key(change: &Self::Change) -> &str;

    /// Applies a change; whether there was anything new in it.
    fn apply(&mut self, change: &Self::Change) -> bool;
}

/// The result of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// It holds, and is durable.
    Accepted,
    /// There is nothing new in it.
    Stale,
    /// As many other records are stored as may be.
    Full,
}
