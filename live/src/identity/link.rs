//! The rules by which names become one person, or do not.
//!
//! 1. A user id that a caller gives and strong identities say who it is. Those whom they name are merged, unless
//!    two of them carry an identity of the same strong type, or two have a user id that a caller gave: then
//!    nothing is changed.
//! 2. Weak identities bring in the anonymous person whom they belong to: whoever logs in has been there before.
//! 3. A weak identity of another known person does not: two people have it, so it is shared, and speaks for nobody
//!    from then on. Only where nothing says more does it name its person.
//! 4. Identities that nobody has become theirs.
//!
//! The person goes by the user id that a caller gave, else by that of a known person, else by the oldest.

use serde::Serialize;

use super::audit::{Deed, Word, note};
use super::person::{Linked, MAX_IDENTITIES, Merged, Person};
use super::records::{Key, Records, Refusal, Stop};
use super::{Identity, IdentityType, Strength};

/// Identities of one link at most.
pub const MAX_LINKED: usize = MAX_IDENTITIES;

/// Names that are one person's.
#[derive(Debug, Clone, Default)]
pub struct LinkRequest {
    /// Their user id, where the caller has one.
    pub user_id: Option<String>,
    /// Their identities.
    pub identities: Vec<Identity>,
    /// When it was said, unix milliseconds.
    pub at: i64,
    /// The request that says so, unlike any other: ids that have to be made up are made of it.
    pub request_id: String,
    /// Who says so, where the caller tells.
    pub source: Option<String>,
}

/// What a link changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkStatus {
    /// A person was made of names that nobody had.
    Created,
    /// Identities became a person's, or became shared.
    Linked,
    /// People became one.
    Merged,
    /// Nothing; all of it was known.
    Unchanged,
}

/// What an identity of a link is from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityStatus {
    /// The person's, since now.
    Linked,
    /// The person's, as before, or by a merge of this link.
    Known,
    /// Nobody's: several people have it.
    Shared,
}

/// What became of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkOutcome {
    /// The user id that the person goes by; none where all that was named is shared.
    pub user_id: Option<String>,
    /// What was changed.
    pub status: LinkStatus,
    /// People who became part of the person.
    pub merges: Vec<Merged>,
    /// One for each identity of the request, in order.
    pub identities: Vec<IdentityStatus>,
}

/// An identity of the request, and who has it.
struct Said<'r> {
    identity: &'r Identity,
    holder: Holder,
}

enum Holder {
    Nobody,
    /// Several people.
    Several,
    /// The person at this place of the people found; the identity is of this user id of theirs.
    Person(usize, String),
}

/// Makes the names of `request` one person.
///
/// # Errors
/// [`Stop::Refused`]: they are two people, or the person would have too many identities; nothing is changed.
pub fn link(records: &mut Records, request: &LinkRequest) -> Result<LinkOutcome, Stop> {
    let mut people = Vec::new();
    let single = |identity: &&Identity| identity.kind().strength() != Strength::Shared;
    let names = request.identities.iter().filter(single).map(|identity| Key::Identity(identity.clone()));
    records.want(names.chain(request.user_id.clone().map(Key::User)))?;
    let named =
        request.user_id.as_deref().map(|id| found(records, &mut people, id, request.at)).transpose()?;
    let said = who_has(records, &mut people, request)?;
    let joined = who_joins(&people, named, &said);
    compatible(&people, &joined)?;
    let statuses = said.iter().map(|said| status(said, &joined)).collect();
    if joined.is_empty() && !said.iter().any(|said| matches!(said.holder, Holder::Nobody)) {
        return Ok(LinkOutcome {
            user_id: None,
            status: LinkStatus::Unchanged,
            merges: vec![],
            identities: statuses,
        });
    }
    let anchor = anchor(request, &said, &joined);
    let trails = people.iter().map(Person::user_id).chain(anchor);
    records.want(trails.map(|user_id| Key::Audit(user_id.to_owned())))?;
    let shared = share(records, &mut people, &said, &joined, request)?;
    let (mut person, merges) = merge(records, &people, &joined, request)?;
    let linked = attach(records, &mut person, &said, anchor, request)?;
    let created = joined.iter().all(|&n| people[n].identities.is_empty()) && merges.is_empty();
    let status = match (merges.is_empty(), linked) {
        (false, _) => LinkStatus::Merged,
        (true, true) if created => LinkStatus::Created,
        (true, true) => LinkStatus::Linked,
        (true, false) if shared => LinkStatus::Linked,
        (true, false) => LinkStatus::Unchanged,
    };
    if linked || !merges.is_empty() {
        person.let_members_go(records)?;
        person.write(records)?;
    }
    Ok(LinkOutcome { user_id: Some(person.user_id().to_owned()), status, merges, identities: statuses })
}

/// The place of a user id's person among `people`; one who is not written down yet is added as new.
fn found(records: &mut Records, people: &mut Vec<Person>, user_id: &str, at: i64) -> Result<usize, Stop> {
    if let Some(place) = people.iter().position(|person| person.member(user_id).is_some()) {
        return Ok(place);
    }
    let person = records.person(user_id)?;
    people.push(person.unwrap_or_else(|| Person::new(user_id, true, at)));
    Ok(people.len() - 1)
}

/// Who has each identity of the request; each once.
fn who_has<'r>(
    records: &mut Records,
    people: &mut Vec<Person>,
    request: &'r LinkRequest,
) -> Result<Vec<Said<'r>>, Stop> {
    let mut owners = Vec::with_capacity(request.identities.len());
    for identity in &request.identities {
        let is_shared = identity.kind().strength() == Strength::Shared;
        owners.push(if is_shared { Some(None) } else { records.owner(identity)? });
    }
    records.want_people(owners.iter().flatten().flatten().map(String::as_str))?;
    let mut said = Vec::with_capacity(owners.len());
    for (identity, owner) in request.identities.iter().zip(owners) {
        let holder = match owner {
            None => Holder::Nobody,
            Some(None) => Holder::Several,
            Some(Some(user_id)) => Holder::Person(found(records, people, &user_id, request.at)?, user_id),
        };
        said.push(Said { identity, holder });
    }
    Ok(said)
}

/// The places of all people who become one.
fn who_joins(people: &[Person], named: Option<usize>, said: &[Said<'_>]) -> Vec<usize> {
    let mut joined: Vec<usize> = named.into_iter().collect();
    let is_strong = |said: &&Said<'_>| said.identity.kind().strength() == Strength::Strong;
    let holder =
        |said: &Said<'_>| if let Holder::Person(place, _) = said.holder { Some(place) } else { None };
    let add = |joined: &mut Vec<usize>, place| {
        if !joined.contains(&place) {
            joined.push(place);
        }
    };
    said.iter().filter(is_strong).filter_map(holder).for_each(|place| add(&mut joined, place));
    let mut is_known =
        said.iter().any(|said| is_strong(&said)) || joined.iter().any(|&place| people[place].is_known());
    for place in said.iter().filter(|said| !is_strong(said)).filter_map(holder) {
        let known = people[place].is_known();
        if !known || !is_known {
            add(&mut joined, place);
        }
        is_known |= known;
    }
    joined
}

/// Whether all who are joined can be one person.
fn compatible(people: &[Person], joined: &[usize]) -> Result<(), Refusal> {
    let count =
        |carries: &dyn Fn(&Person) -> bool| joined.iter().filter(|&&place| carries(&people[place])).count();
    if count(&Person::is_given) > 1 {
        return Err(Refusal::UserIds);
    }
    let strong = IdentityType::all().filter(|kind| kind.strength() == Strength::Strong);
    match strong.into_iter().find(|&kind| count(&|person| person.carries(kind)) > 1) {
        Some(kind) => Err(Refusal::Carried(kind)),
        None => Ok(()),
    }
}

fn status(said: &Said<'_>, joined: &[usize]) -> IdentityStatus {
    match &said.holder {
        Holder::Nobody => IdentityStatus::Linked,
        Holder::Person(place, _) if joined.contains(place) => IdentityStatus::Known,
        Holder::Person(..) | Holder::Several => IdentityStatus::Shared,
    }
}

/// Takes from others what they turn out to share; whether there was anything.
fn share(
    records: &mut Records,
    people: &mut [Person],
    said: &[Said<'_>],
    joined: &[usize],
    request: &LinkRequest,
) -> Result<bool, Stop> {
    let mut any = false;
    for (place, person) in people.iter_mut().enumerate().filter(|(place, _)| !joined.contains(place)) {
        let shared: Vec<&Identity> = said
            .iter()
            .filter(|said| matches!(said.holder, Holder::Person(of, _) if of == place))
            .map(|said| said.identity)
            .collect();
        person.identities.retain(|linked| !shared.contains(&&linked.identity));
        person.write(records)?;
        for identity in &shared {
            records.put(Key::Identity((*identity).clone()), &serde_json::Value::Null)?;
        }
        let types = shared.iter().map(|identity| identity.kind()).collect();
        note(records, person.user_id(), request.word(), [Deed::Shared { types }])?;
        any = true;
    }
    Ok(any)
}

/// The user id that new identities are linked to: the one that was given, else the one that the first identity of
/// the person's is of. Where there is neither, the person is new.
fn anchor<'r>(request: &'r LinkRequest, said: &'r [Said<'_>], joined: &[usize]) -> Option<&'r str> {
    let of = |said: &'r Said<'_>| match &said.holder {
        Holder::Person(place, user_id) if joined.contains(place) => Some(user_id.as_str()),
        _ => None,
    };
    request.user_id.as_deref().or_else(|| said.iter().find_map(of))
}

/// Makes one person of all who are joined, or a new one of nobody.
fn merge(
    records: &mut Records,
    people: &[Person],
    joined: &[usize],
    request: &LinkRequest,
) -> Result<(Person, Vec<Merged>), Stop> {
    let mut order: Vec<&Person> = joined.iter().map(|&place| &people[place]).collect();
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
        let deed = Deed::Merged { merge_id: merge_id.clone(), user_id: user_id.clone(), into };
        note(records, person.user_id(), request.word(), [deed.clone()])?;
        note(records, &user_id, request.word(), [deed])?;
        person.absorb((*other).clone(), &merge_id, request.at);
        merges.push(Merged { merge_id, user_id });
    }
    if !merges.is_empty() {
        person.write_ways(records)?;
    }
    Ok((person, merges))
}

/// Adds the identities that nobody has; whether there were any.
fn attach(
    records: &mut Records,
    person: &mut Person,
    said: &[Said<'_>],
    anchor: Option<&str>,
    request: &LinkRequest,
) -> Result<bool, Stop> {
    let of = anchor.unwrap_or(person.user_id()).to_owned();
    let mut types = Vec::new();
    for Said { identity, .. } in said.iter().filter(|said| matches!(said.holder, Holder::Nobody)) {
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
    note(records, &of, request.word(), [Deed::Linked { types }])?;
    Ok(true)
}

/// Keeps a person within bounds: of types that come anew again and again the oldest goes, of others there must
/// not be too many.
fn bounded(records: &mut Records, person: &mut Person) -> Result<(), Stop> {
    for kind in IdentityType::all() {
        let mut many = person.identities.iter().filter(|linked| linked.identity.kind() == kind).count();
        while many > kind.cap() {
            let oldest = person.identities.iter().position(|linked| linked.identity.kind() == kind);
            let Some(oldest) = oldest.filter(|_| kind.rolls()) else {
                return Err(Refusal::TooManyOf(kind).into());
            };
            records.take_away(Key::Identity(person.identities.remove(oldest).identity));
            many -= 1;
        }
    }
    if person.identities.len() > MAX_IDENTITIES { Err(Refusal::TooMany.into()) } else { Ok(()) }
}

impl LinkRequest {
    fn word(&self) -> Word<'_> {
        Word { at: self.at, request_id: &self.request_id, source: self.source.as_deref() }
    }
}
