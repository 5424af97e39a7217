//! From the names of a call to all names of a person.

use super::audit::Audited;
use super::person::Person;
use super::records::{Key, Records, Stop};
use super::{Identity, Strength};
use crate::store::Name;

/// All names that a call speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The user ids of the person, the one that they go by first; none where nobody is known.
    pub user_ids: Vec<String>,
    /// Their identities.
    pub identities: Vec<Identity>,
}

impl Resolved {
    /// The names under which something may have been said.
    pub fn names(&self) -> impl Iterator<Item = Name<'_>> {
        let users = self.user_ids.iter().map(|id| Name::User(id));
        users.chain(self.identities.iter().filter_map(Name::of_identity))
    }

    pub(super) fn of(person: Person) -> Self {
        Self {
            user_ids: person.members.into_iter().map(|member| member.user_id).collect(),
            identities: person.identities.into_iter().map(|linked| linked.identity).collect(),
        }
    }
}

/// Who is meant by `names`, which are in the order of trust: the person of the first name by which somebody is
/// known; a user id always is somebody's. Where no name is anybody's, the first is a name of its own. A visit that
/// is nobody's counts beside whoever is meant. What is shared speaks for nobody.
///
/// # Errors
/// Records that were not read, or do not read back.
pub fn resolve(records: &mut Records, names: &[Name<'_>]) -> Result<Resolved, Stop> {
    let (mut person, mut own, mut visits) = (None, None, Vec::new());
    for name in names {
        let identity = match name {
            Name::User(id) => {
                if person.is_none() {
                    let alone = || Resolved { user_ids: vec![(*id).to_owned()], identities: Vec::new() };
                    person = Some(records.person(id)?.map_or_else(alone, Resolved::of));
                }
                continue;
            }
            Name::Identity(identity)
                if person.is_some() || identity.kind().strength() == Strength::Shared =>
            {
                continue;
            }
            Name::Identity(identity) => (*identity).clone(),
            Name::Session(id) => Identity::session(id),
        };
        match records.owner(&identity)? {
            None if matches!(name, Name::Session(_)) => visits.push(identity),
            None => own = own.or(Some(identity)),
            // Two records that were read one after the other may disagree for a moment: then it is nobody's.
            Some(Some(user_id)) if person.is_none() => person = records.person(&user_id)?.map(Resolved::of),
            Some(_) => {}
        }
    }
    let mut resolved =
        person.unwrap_or_else(|| Resolved { user_ids: Vec::new(), identities: own.into_iter().collect() });
    resolved.identities.extend(visits);
    Ok(resolved)
}

/// All that is written down of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The person; of a user id that nothing was linked to, nothing but that id.
    pub person: Person,
    /// The trails of all their user ids, oldest first.
    pub audit: Vec<Audited>,
}

/// What is written down of the person with this user id.
///
/// # Errors
/// Records that were not read, or do not read back.
pub fn describe(records: &mut Records, user_id: &str, now: i64) -> Result<Described, Stop> {
    let person = records.person(user_id)?.unwrap_or_else(|| Person::new(user_id, true, now));
    let trail_of = |user_id: &String| Key::Audit(user_id.clone());
    let user_ids: Vec<String> = person.members.iter().map(|member| member.user_id.clone()).collect();
    records.want(user_ids.iter().map(trail_of))?;
    let mut audit: Vec<Audited> = Vec::new();
    for user_id in &user_ids {
        audit.extend(records.get::<Vec<Audited>>(trail_of(user_id))?.unwrap_or_default());
    }
    // What two user ids have in common stands in both trails.
    audit.sort_by(|a, b| (a.at, &a.request_id).cmp(&(b.at, &b.request_id)));
    let mut once: Vec<Audited> = Vec::with_capacity(audit.len());
    for line in audit {
        if !once.iter().rev().take_while(|l| l.at == line.at).any(|l| *l == line) {
            once.push(line);
        }
    }
    Ok(Described { person, audit: once })
}
