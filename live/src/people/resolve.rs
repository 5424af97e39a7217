//! From the names of a call to all names of a person.

use super::audit::AuditEntry;
use super::name::Name;
use super::person::Person;
use super::records::{Key, Records, Stop};
use crate::identity::{Identity, Strength};

/// All names of the person that a call identifies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The person's user ids, the leading one first; empty if nobody is known.
    pub user_ids: Vec<String>,
    /// The person's identities.
    pub identities: Vec<Identity>,
}

impl Resolved {
    /// The names under which state may be stored.
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

/// Resolves `names`, in order of trust, to a person: the owner of the first name that has one; a user id always has
/// one. If no name has an owner, the first name is used alone. Visits without an owner are added to the person. Shared
/// identities are ignored.
///
/// # Errors
/// Records that were not read yet, or cannot be decoded.
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
            // Two records that were read one after the other may disagree for a moment: then there is no owner.
            Some(Some(user_id)) if person.is_none() => person = records.person(&user_id)?.map(Resolved::of),
            Some(_) => {}
        }
    }
    let mut resolved =
        person.unwrap_or_else(|| Resolved { user_ids: Vec::new(), identities: own.into_iter().collect() });
    resolved.identities.extend(visits);
    Ok(resolved)
}

/// The stored records of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The person; for a user id without links only that id.
    pub person: Person,
    /// The audit trails of all their user ids, oldest first.
    pub audit: Vec<AuditEntry>,
}

/// The stored records of the person with this user id.
///
/// # Errors
/// Records that were not read yet, or cannot be decoded.
pub fn describe(records: &mut Records, user_id: &str, now: i64) -> Result<Described, Stop> {
    let person = records.person(user_id)?.unwrap_or_else(|| Person::new(user_id, true, now));
    let trail_of = |user_id: &String| Key::Audit(user_id.clone());
    let user_ids: Vec<String> = person.members.iter().map(|member| member.user_id.clone()).collect();
    records.require(user_ids.iter().map(trail_of))?;
    let mut audit: Vec<AuditEntry> = Vec::new();
    for user_id in &user_ids {
        audit.extend(records.get::<Vec<AuditEntry>>(trail_of(user_id))?.unwrap_or_default());
    }
    // An entry about two user ids is in both trails.
    audit.sort_by(|a, b| (a.at, &a.request_id).cmp(&(b.at, &b.request_id)));
    let mut distinct: Vec<AuditEntry> = Vec::with_capacity(audit.len());
    for entry in audit {
        if !distinct.iter().rev().take_while(|e| e.at == entry.at).any(|e| *e == entry) {
            distinct.push(entry);
        }
    }
    Ok(Described { person, audit: distinct })
}
