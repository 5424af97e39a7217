//! Undoing a merge.
//!
//! Every name returns to its earlier person, with its state from before and since, because state is kept by name.
//! People who had been merged into the separated person before leave with that person.

use super::audit::{Attribution, AuditAction, note};
use super::records::{Key, Records, Stop};

/// A request to undo a merge.
#[derive(Debug, Clone, Default)]
pub struct UndoRequest {
    /// The merge to undo.
    pub merge_id: String,
    /// Time of the request, unix milliseconds.
    pub at: i64,
    /// Id of the request.
    pub request_id: String,
    /// The source that the caller names, if any.
    pub source: Option<String>,
}

/// The result of an undo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoOutcome {
    /// There are two people again.
    Undone {
        /// The user id of the person who stays.
        user_id: String,
        /// The user id of the person who is separate again.
        parted: String,
    },
    /// There is no such merge, or it was undone before.
    Unchanged,
}

/// Undoes a merge.
///
/// # Errors
/// Records that were not read yet, or cannot be decoded.
pub fn undo(records: &mut Records, request: &UndoRequest) -> Result<UndoOutcome, Stop> {
    let Some(parted): Option<String> = records.get(Key::Merge(request.merge_id.clone()))? else {
        return Ok(UndoOutcome::Unchanged);
    };
    let Some(mut person) = records.person(&parted)? else { return Err(Stop::Damaged) };
    let merge = person.member(&parted).and_then(|member| member.merge.as_ref());
    if merge.is_none_or(|merge| merge.id != request.merge_id) {
        return Err(Stop::Damaged);
    }
    records.require([person.user_id(), &parted].map(|user_id| Key::Audit(user_id.to_owned())))?;
    let leaving = person.split_off(&parted);
    leaving.write(records)?;
    leaving.write_redirects(records)?;
    person.write(records)?;
    records.remove(Key::Merge(request.merge_id.clone()));
    let attribution =
        Attribution { at: request.at, request_id: &request.request_id, source: request.source.as_deref() };
    for user_id in [person.user_id(), &parted] {
        note(
            records,
            user_id,
            attribution,
            [AuditAction::Undone { merge_id: request.merge_id.clone(), user_id: parted.clone() }],
        )?;
    }
    Ok(UndoOutcome::Undone { user_id: person.user_id().to_owned(), parted })
}
