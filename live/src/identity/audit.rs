//! Who was linked, merged and parted, when, and at whose word.

use serde::{Deserialize, Serialize};

use super::IdentityType;
use super::records::{Key, Records, Stop};

/// Lines of the trail that are kept of a user id, the latest.
pub const MAX_AUDITED: usize = 32;

/// A line of the trail. It names types of identities, never their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// When, unix milliseconds.
    pub at: i64,
    /// The request that did it.
    pub request_id: String,
    /// Who said so, where the caller told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What was done.
    #[serde(flatten)]
    pub deed: Deed,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Deed {
    /// Identities of these types became the person's.
    Linked {
        /// Their types.
        types: Vec<IdentityType>,
    },
    /// The person of one user id became part of that of another.
    Merged {
        /// To take it back by.
        merge_id: String,
        /// The user id that became part.
        user_id: String,
        /// Of this one.
        into: String,
    },
    /// A merge was taken back.
    Undone {
        /// The merge.
        merge_id: String,
        /// The user id that is on its own again.
        user_id: String,
    },
    /// Identities of these types were seen with somebody else, and speak for nobody any more.
    Shared {
        /// Their types.
        types: Vec<IdentityType>,
    },
}

/// At whose word, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    pub at: i64,
    pub request_id: &'a str,
    pub source: Option<&'a str>,
}

/// Adds lines to the trail of a user id.
pub(super) fn note(
    records: &mut Records,
    user_id: &str,
    word: Word<'_>,
    deeds: impl IntoIterator<Item = Deed>,
) -> Result<(), Stop> {
    let key = Key::Audit(user_id.to_owned());
    let mut trail: Vec<Audited> = records.get(key.clone())?.unwrap_or_default();
    let line = |deed| Audited {
        at: word.at,
        request_id: word.request_id.to_owned(),
        source: word.source.map(str::to_owned),
        deed,
    };
    trail.extend(deeds.into_iter().map(line));
    trail.drain(..trail.len().saturating_sub(MAX_AUDITED));
    records.put(key, &trail)
}
