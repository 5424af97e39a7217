//! The audit trail: links, merges and undos, with time, request and source.

use serde::{Deserialize, Serialize};

use super::records::{Key, Records, Stop};
use crate::identity::IdentityType;

/// Most audit entries of a user id; the latest are kept.
pub const MAX_AUDITED: usize = 32;

/// An audit entry. It names types of identities, never their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Time of the change, unix milliseconds.
    pub at: i64,
    /// The request that caused it.
    pub request_id: String,
    /// The source that the caller named, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The change.
    #[serde(flatten)]
    pub action: AuditAction,
}

/// A change of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum AuditAction {
    /// Identities of these types were linked to the person.
    Linked {
        /// Their types.
        types: Vec<IdentityType>,
    },
    /// The person of one user id was merged into that of another.
    Merged {
        /// The id by which the merge can be undone.
        merge_id: String,
        /// The user id that was merged.
        user_id: String,
        /// The user id that it was merged into.
        into: String,
    },
    /// A merge was undone.
    Undone {
        /// The merge.
        merge_id: String,
        /// The user id that is separate again.
        user_id: String,
    },
    /// Identities of these types were seen with a second person, and identify nobody from then on.
    Shared {
        /// Their types.
        types: Vec<IdentityType>,
    },
}

/// Time, request and source of a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribution<'a> {
    pub at: i64,
    pub request_id: &'a str,
    pub source: Option<&'a str>,
}

/// Appends entries to the audit trail of a user id.
pub(super) fn note(
    records: &mut Records,
    user_id: &str,
    attribution: Attribution<'_>,
    actions: impl IntoIterator<Item = AuditAction>,
) -> Result<(), Stop> {
    let key = Key::Audit(user_id.to_owned());
    let mut trail: Vec<AuditEntry> = records.get(key.clone())?.unwrap_or_default();
    let entry = |action| AuditEntry {
        at: attribution.at,
        request_id: attribution.request_id.to_owned(),
        source: attribution.source.map(str::to_owned),
        action,
    };
    trail.extend(actions.into_iter().map(entry));
    trail.drain(..trail.len().saturating_sub(MAX_AUDITED));
    records.put(key, &trail)
}
