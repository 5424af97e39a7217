//! The rules by which names become one person.
//!
//! 1. A user id given by a caller and strong identities identify people. These are merged, unless two of them have
//!    an identity of the same strong type, or two have a user id given by a caller: then nothing changes.
//! 2. A weak identity adds the anonymous person who owns it: a visitor who logs in keeps their history.
//! 3. A weak identity of another identified person does not: it becomes shared and identifies nobody from then on.
//!    It names its owner only if no stronger name is present.
//! 4. Identities without an owner become the person's.
//!
//! The leading user id is the one given by a caller, else that of an identified person, else the oldest.

mod changes;
mod claims;

use serde::Serialize;

use self::changes::{attach, merge, share};
use self::claims::{Owner, anchor, claims, compatible, find_person, joined_people, status};
use super::audit::Attribution;
use super::person::{MAX_IDENTITIES, Merged, Person};
use super::records::{Key, Records, Stop};
use crate::identity::{Identity, Strength};

/// Most identities of one link.
pub const MAX_LINKED: usize = MAX_IDENTITIES;

/// A request to link names to one person.
#[derive(Debug, Clone, Default)]
pub struct LinkRequest {
    /// The user id, if the caller has one.
    pub user_id: Option<String>,
    /// The identities.
    pub identities: Vec<Identity>,
    /// Time of the request, unix milliseconds.
    pub at: i64,
    /// Unique id of the request; generated user ids and merge ids are derived from it.
    pub request_id: String,
    /// The source that the caller names, if any.
    pub source: Option<String>,
}

/// The change that a link made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkStatus {
    /// A person was created from names without an owner.
    Created,
    /// Identities were linked to a person, or became shared.
    Linked,
    /// People were merged.
    Merged,
    /// No change: everything was known.
    Unchanged,
}

/// The state of an identity after a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityStatus {
    /// Newly linked to the person.
    Linked,
    /// Linked to the person before, or by a merge of this link.
    Known,
    /// Shared by several people, so it has no owner.
    Shared,
}

/// The result of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkOutcome {
    /// The leading user id of the person; none if all given identities are shared.
    pub user_id: Option<String>,
    /// The change.
    pub status: LinkStatus,
    /// People who were merged into the person.
    pub merges: Vec<Merged>,
    /// One for each identity of the request, in order.
    pub identities: Vec<IdentityStatus>,
}

/// Links the names of `request` to one person.
///
/// # Errors
/// [`Stop::Refused`]: they are two people, or the person would have too many identities; nothing is changed.
pub fn link(records: &mut Records, request: &LinkRequest) -> Result<LinkOutcome, Stop> {
    let mut people = Vec::new();
    let single = |identity: &&Identity| identity.kind().strength() != Strength::Shared;
    let names = request.identities.iter().filter(single).map(|identity| Key::Identity(identity.clone()));
    records.require(names.chain(request.user_id.clone().map(Key::User)))?;
    let named = request.user_id.as_deref();
    let named = named.map(|id| find_person(records, &mut people, id, request.at)).transpose()?;
    let claims = claims(records, &mut people, request)?;
    let joined = joined_people(&people, named, &claims);
    compatible(&people, &joined)?;
    let statuses = claims.iter().map(|claim| status(claim, &joined)).collect();
    if joined.is_empty() && !claims.iter().any(|claim| matches!(claim.owner, Owner::Nobody)) {
        return Ok(LinkOutcome {
            user_id: None,
            status: LinkStatus::Unchanged,
            merges: vec![],
            identities: statuses,
        });
    }
    let anchor = anchor(request, &claims, &joined);
    let audited = people.iter().map(Person::user_id).chain(anchor);
    records.require(audited.map(|user_id| Key::Audit(user_id.to_owned())))?;
    let shared = share(records, &mut people, &claims, &joined, request)?;
    let (mut person, merges) = merge(records, &people, &joined, request)?;
    let linked = attach(records, &mut person, &claims, anchor, request)?;
    let created = joined.iter().all(|&n| people[n].identities.is_empty()) && merges.is_empty();
    let status = match (merges.is_empty(), linked) {
        (false, _) => LinkStatus::Merged,
        (true, true) if created => LinkStatus::Created,
        (true, true) => LinkStatus::Linked,
        (true, false) if shared => LinkStatus::Linked,
        (true, false) => LinkStatus::Unchanged,
    };
    if linked || !merges.is_empty() {
        person.drop_oldest_members(records)?;
        person.write(records)?;
    }
    Ok(LinkOutcome { user_id: Some(person.user_id().to_owned()), status, merges, identities: statuses })
}

impl LinkRequest {
    fn attribution(&self) -> Attribution<'_> {
        Attribution { at: self.at, request_id: &self.request_id, source: self.source.as_deref() }
    }
}
