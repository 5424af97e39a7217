//! The claims of a link: the owners of its identities, and the people who are merged.

use super::super::person::Person;
use super::super::records::{Records, Refusal, Stop};
use super::{IdentityStatus, LinkRequest};
use crate::identity::{Identity, IdentityType, Strength};

/// An identity of the request, with its owner.
pub(super) struct Claim<'r> {
    pub(super) identity: &'r Identity,
    pub(super) owner: Owner,
}

/// The owner of an identity before the link.
pub(super) enum Owner {
    Nobody,
    /// Several people: the identity is shared.
    Several,
    /// The person at this index of the people found; the identity is linked to this user id of theirs.
    Person(usize, String),
}

/// The index of a user id's person among `people`; a person who is not stored yet is added as new.
pub(super) fn find_person(
    records: &mut Records,
    people: &mut Vec<Person>,
    user_id: &str,
    at: i64,
) -> Result<usize, Stop> {
    if let Some(n) = people.iter().position(|person| person.member(user_id).is_some()) {
        return Ok(n);
    }
    let person = records.person(user_id)?;
    people.push(person.unwrap_or_else(|| Person::new(user_id, true, at)));
    Ok(people.len() - 1)
}

/// The identities of the request, each with its owner; the owners are added to `people`.
pub(super) fn claims<'r>(
    records: &mut Records,
    people: &mut Vec<Person>,
    request: &'r LinkRequest,
) -> Result<Vec<Claim<'r>>, Stop> {
    let mut owners = Vec::with_capacity(request.identities.len());
    for identity in &request.identities {
        let is_shared = identity.kind().strength() == Strength::Shared;
        owners.push(if is_shared { Some(None) } else { records.owner(identity)? });
    }
    records.require_people(owners.iter().flatten().flatten().map(String::as_str))?;
    let mut claims = Vec::with_capacity(owners.len());
    for (identity, owner) in request.identities.iter().zip(owners) {
        let owner = match owner {
            None => Owner::Nobody,
            Some(None) => Owner::Several,
            Some(Some(user_id)) => {
                Owner::Person(find_person(records, people, &user_id, request.at)?, user_id)
            }
        };
        claims.push(Claim { identity, owner });
    }
    Ok(claims)
}

/// The indices of all people who are merged.
pub(super) fn joined_people(people: &[Person], named: Option<usize>, claims: &[Claim<'_>]) -> Vec<usize> {
    let mut joined: Vec<usize> = named.into_iter().collect();
    let is_strong = |claim: &&Claim<'_>| claim.identity.kind().strength() == Strength::Strong;
    let owner = |claim: &Claim<'_>| if let Owner::Person(n, _) = claim.owner { Some(n) } else { None };
    let add = |joined: &mut Vec<usize>, n| {
        if !joined.contains(&n) {
            joined.push(n);
        }
    };
    claims.iter().filter(is_strong).filter_map(owner).for_each(|n| add(&mut joined, n));
    let mut is_known =
        claims.iter().any(|claim| is_strong(&claim)) || joined.iter().any(|&n| people[n].is_known());
    for n in claims.iter().filter(|claim| !is_strong(claim)).filter_map(owner) {
        let known = people[n].is_known();
        if !known || !is_known {
            add(&mut joined, n);
        }
        is_known |= known;
    }
    joined
}

/// Checks that the joined people can be one person.
pub(super) fn compatible(people: &[Person], joined: &[usize]) -> Result<(), Refusal> {
    let count = |holds: &dyn Fn(&Person) -> bool| joined.iter().filter(|&&n| holds(&people[n])).count();
    if count(&Person::is_given) > 1 {
        return Err(Refusal::UserIds);
    }
    let strong = IdentityType::all().filter(|kind| kind.strength() == Strength::Strong);
    match strong.into_iter().find(|&kind| count(&|person| person.carries(kind)) > 1) {
        Some(kind) => Err(Refusal::Carried(kind)),
        None => Ok(()),
    }
}

/// The state of an identity after the link.
pub(super) fn status(claim: &Claim<'_>, joined: &[usize]) -> IdentityStatus {
    match &claim.owner {
        Owner::Nobody => IdentityStatus::Linked,
        Owner::Person(n, _) if joined.contains(n) => IdentityStatus::Known,
        Owner::Person(..) | Owner::Several => IdentityStatus::Shared,
    }
}

/// The user id that new identities are linked to: the given one, else that of the person's first known identity;
/// `None` if the person is new.
pub(super) fn anchor<'r>(
    request: &'r LinkRequest,
    claims: &'r [Claim<'_>],
    joined: &[usize],
) -> Option<&'r str> {
    let of = |claim: &'r Claim<'_>| match &claim.owner {
        Owner::Person(n, user_id) if joined.contains(n) => Some(user_id.as_str()),
        _ => None,
    };
    request.user_id.as_deref().or_else(|| claims.iter().find_map(of))
}
