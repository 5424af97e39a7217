//! The changes of a link: identities shared, people merged, identities linked.

use super::super::audit::{AuditAction, note};
use super::super::person::{Linked, MAX_IDENTITIES, Merged, Person};
use super::super::records::{Key, Records, Refusal, Stop};
use super::LinkRequest;
use super::claims::{Claim, Owner};
use crate::identity::{Identity, IdentityType};

/// Removes identities from people outside the link who turn out to share them; returns true if there were any.
pub(super) fn share(
    records: &mut Records,
    people: &mut [Person],
    claims: &[Claim<'_>],
    joined: &[usize],
    request: &LinkRequest,
) -> Result<bool, Stop> {
    let mut any = false;
    for (n, person) in people.iter_mut().enumerate().filter(|(n, _)| !joined.contains(n)) {
        let shared: Vec<&Identity> = claims
            .iter()
            .filter(|claim| matches!(claim.owner, Owner::Person(of, _) if of == n))
            .map(|claim| claim.identity)
            .collect();
        person.identities.retain(|linked| !shared.contains(&&linked.identity));
        person.write(records)?;
        for identity in &shared {
            records.put(Key::Identity((*identity).clone()), &serde_json::Value::Null)?;
        }
        let types = shared.iter().map(|identity| identity.kind()).collect();
        note(records, person.user_id(), request.attribution(), [AuditAction::Shared { types }])?;
        any = true;
    }
    Ok(any)
}

/// Merges the joined people, or creates a person if there are none.
pub(super) fn merge(
    records: &mut Records,
    people: &[Person],
    joined: &[usize],
    request: &LinkRequest,
) -> Result<(Person, Vec<Merged>), Stop> {
    let mut order: Vec<&Person> = joined.iter().map(|&n| &people[n]).collect();
    let age = |person: &Person| (!person.is_given(), !person.is_known(), person.since());
    order.sort_by(|a, b| age(a).cmp(&age(b)).then_with(|| a.user_id().cmp(b.user_id())));
    let Some((first, others)) = order.split_first() else {
        return Ok((Person::new(&format!("p_{}", request.request_id), false, request.at), Vec::new()));
    };
    let mut person = (*first).clone();
    let mut merges = Vec::with_capacity(others.len());
    for (n, other) in others.iter().enumerate() {
        let (merge_id, user_id) = (format!("m_{}_{n}", request.request_id), other.user_id().to_owned());
        let into = person.user_id().to_owned();
        records.put(Key::Merge(merge_id.clone()), &user_id)?;
        let action = AuditAction::Merged { merge_id: merge_id.clone(), user_id: user_id.clone(), into };
        note(records, person.user_id(), request.attribution(), [action.clone()])?;
        note(records, &user_id, request.attribution(), [action])?;
        person.absorb((*other).clone(), &merge_id, request.at);
        merges.push(Merged { merge_id, user_id });
    }
    if !merges.is_empty() {
        person.write_redirects(records)?;
    }
    Ok((person, merges))
}

/// Links the identities without an owner; returns true if there were any.
pub(super) fn attach(
    records: &mut Records,
    person: &mut Person,
    claims: &[Claim<'_>],
    anchor: Option<&str>,
    request: &LinkRequest,
) -> Result<bool, Stop> {
    let of = anchor.unwrap_or(person.user_id()).to_owned();
    let mut types = Vec::new();
    for Claim { identity, .. } in claims.iter().filter(|claim| matches!(claim.owner, Owner::Nobody)) {
        if person.identities.iter().any(|linked| linked.identity == **identity) {
            continue;
        }
        records.put(Key::Identity((*identity).clone()), &of)?;
        let identity = (*identity).clone();
        types.push(identity.kind());
        person.identities.push(Linked { identity, of: of.clone(), since: request.at });
    }
    bounded(records, person)?;
    if types.is_empty() {
        return Ok(false);
    }
    note(records, &of, request.attribution(), [AuditAction::Linked { types }])?;
    Ok(true)
}

/// Enforces the bounds of a person: of rolling types the oldest identity is dropped, others are refused.
fn bounded(records: &mut Records, person: &mut Person) -> Result<(), Stop> {
    for kind in IdentityType::all() {
        let mut count = person.identities.iter().filter(|linked| linked.identity.kind() == kind).count();
        while count > kind.cap() {
            let oldest = person.identities.iter().position(|linked| linked.identity.kind() == kind);
            let Some(oldest) = oldest.filter(|_| kind.rolls()) else {
                return Err(Refusal::TooManyOf(kind).into());
            };
            records.remove(Key::Identity(person.identities.remove(oldest).identity));
            count -= 1;
        }
    }
    if person.identities.len() > MAX_IDENTITIES { Err(Refusal::TooMany.into()) } else { Ok(()) }
}
