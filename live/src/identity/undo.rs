//! A merge taken back.
//!
//! Every name goes back to whom it belonged before, with what was said under it, then and since: what a person did
//! is kept under the name that it was said under. What was merged into the one that leaves, leaves with it.

use super::audit::{Deed, Word, note};
use super::records::{Key, Records, Stop};

/// Which merge, and at whose word.
#[derive(Debug, Clone, Default)]
pub struct UndoRequest {
    /// The merge.
    pub merge_id: String,
    /// When it was said, unix milliseconds.
    pub at: i64,
    /// The request that says so.
    pub request_id: String,
    /// Who says so, where the caller tells.
    pub source: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoOutcome {
    /// They are two people again.
    Undone {
        /// The user id of the person who stays.
        user_id: String,
        /// The user id of the person who is on their own again.
        parted: String,
    },
    /// No such merge holds: it never did, or it was taken back before.
    Unchanged,
}

/// Takes a merge back.
///
/// # Errors
/// Records that were not read, or do not read back.
pub fn undo(records: &mut Records, request: &UndoRequest) -> Result<UndoOutcome, Stop> {
    let Some(parted): Option<String> = records.get(Key::Merge(request.merge_id.clone()))? else {
        return Ok(UndoOutcome::Unchanged);
    };
    let Some(mut person) = records.person(&parted)? else { return Err(Stop::Damaged) };
    let merge = person.member(&parted).and_then(|member| member.merge.as_ref());
    if merge.is_none_or(|merge| merge.id != request.merge_id) {
        return Err(Stop::Damaged);
    }
    records.want([person.user_id(), &parted].map(|user_id| Key::Audit(user_id.to_owned())))?;
    let leaving = person.part(&parted);
    leaving.write(records)?;
    leaving.write_ways(records)?;
    person.write(records)?;
    records.take_away(Key::Merge(request.merge_id.clone()));
    let word = Word { at: request.at, request_id: &request.request_id, source: request.source.as_deref() };
    for user_id in [person.user_id(), &parted] {
        note(
            records,
            user_id,
            word,
            [Deed::Undone { merge_id: request.merge_id.clone(), user_id: parted.clone() }],
        )?;
    }
    Ok(UndoOutcome::Undone { user_id: person.user_id().to_owned(), parted })
}
