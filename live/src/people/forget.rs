//! Removal of anonymous people without recent events.

use super::records::{Key, Records, Stop};
use super::resolve::Resolved;

/// Removes the records of the person led by `user_id` if they are anonymous and nothing was linked to them after
/// `moment` (unix milliseconds), and returns their names. The caller commits the removal only if there is no state
/// under these names either.
///
/// # Errors
/// Records that were not read yet, or cannot be decoded.
pub fn forget(records: &mut Records, user_id: &str, moment: i64) -> Result<Option<Resolved>, Stop> {
    let Some(person) = records.person(user_id)? else { return Ok(None) };
    let linked = person.identities.iter().map(|linked| linked.since);
    let latest = linked.chain(person.members.iter().map(|member| member.since)).max();
    if person.user_id() != user_id || person.is_known() || latest.is_some_and(|latest| latest > moment) {
        return Ok(None);
    }
    for linked in &person.identities {
        records.remove(Key::Identity(linked.identity.clone()));
    }
    for member in &person.members {
        records.remove(Key::User(member.user_id.clone()));
        records.remove(Key::Audit(member.user_id.clone()));
        if let Some(merge) = &member.merge {
            records.remove(Key::Merge(merge.id.clone()));
        }
    }
    Ok(Some(Resolved::of(person)))
}
