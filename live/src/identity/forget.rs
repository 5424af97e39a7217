//! People whom nobody will ask for again: anonymous ones, of whom nothing was heard for long.

use super::records::{Key, Records, Stop};
use super::resolve::Resolved;

/// All names of the person who goes by `user_id`, where they are anonymous and nothing was linked to them after
/// `moment` (unix milliseconds). Their records are taken away; that is to be done only if nothing is known under
/// these names either.
///
/// # Errors
/// Records that were not read, or do not read back.
pub fn forget(records: &mut Records, user_id: &str, moment: i64) -> Result<Option<Resolved>, Stop> {
    let Some(person) = records.person(user_id)? else { return Ok(None) };
    let linked = person.identities.iter().map(|linked| linked.since);
    let latest = linked.chain(person.members.iter().map(|member| member.since)).max();
    if person.user_id() != user_id || person.is_known() || latest.is_some_and(|latest| latest > moment) {
        return Ok(None);
    }
    for linked in &person.identities {
        records.take_away(Key::Identity(linked.identity.clone()));
    }
    for member in &person.members {
        records.take_away(Key::User(member.user_id.clone()));
        records.take_away(Key::Audit(member.user_id.clone()));
        if let Some(merge) = &member.merge {
            records.take_away(Key::Merge(merge.id.clone()));
        }
    }
    Ok(Some(Resolved::of(person)))
}
