//! A person: user ids, identities, and the merges between them.

use serde::{Deserialize, Serialize};

use super::records::{Entry, Key, Records, Stop};
use crate::identity::{Identity, IdentityType, Strength};

/// Most user ids of one person. At most one of them was given by a caller; the oldest of the others is dropped.
pub const MAX_MEMBERS: usize = 16;
/// Most identities of one person, all types together.
pub const MAX_IDENTITIES: usize = 64;

/// Names that were linked to one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// User ids. The first one leads: the person is stored under it. Every other one has a merge.
    pub members: Vec<Member>,
    /// Identities, in the order in which they were linked.
    pub identities: Vec<Linked>,
}

/// A user id of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The id.
    pub user_id: String,
    /// True if a caller gave it; else it was generated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given: bool,
    /// Time of its first link, unix milliseconds.
    pub since: i64,
    /// The merge that added it; `None` for the leading one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
}

/// A merge of one person into another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// The id by which it can be undone.
    pub id: String,
    /// The user id that it was merged into.
    pub into: String,
    /// Time of the merge, unix milliseconds.
    pub at: i64,
}

/// An identity of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// The identity.
    #[serde(flatten)]
    pub identity: Identity,
    /// The user id that it was linked to; it stays with that id when a merge is undone.
    pub of: String,
    /// Time of the link, unix milliseconds.
    pub since: i64,
}

/// A merge, as reported to the caller whose link caused it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// The id by which it can be undone.
    pub merge_id: String,
    /// The leading user id of the merged person.
    pub user_id: String,
}

impl Person {
    /// A person with one user id.
    pub(super) fn new(user_id: &str, given: bool, at: i64) -> Self {
        let member = Member { user_id: user_id.to_owned(), given, since: at, merge: None };
        Self { members: vec![member], identities: Vec::new() }
    }

    /// The leading user id.
    pub fn user_id(&self) -> &str {
        self.members.first().map_or("", |member| &member.user_id)
    }

    /// The member with this user id.
    pub fn member(&self, user_id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.user_id == user_id)
    }

    /// True if a caller gave one of the user ids.
    pub(super) fn is_given(&self) -> bool {
        self.members.iter().any(|member| member.given)
    }

    /// True if the person is identified: by a user id that a caller gave, or by a strong identity.
    pub fn is_known(&self) -> bool {
        let strong = |linked: &Linked| linked.identity.kind().strength() == Strength::Strong;
        self.is_given() || self.identities.iter().any(strong)
    }

    /// True if the person has an identity of this type.
    pub(super) fn carries(&self, kind: IdentityType) -> bool {
        self.identities.iter().any(|linked| linked.identity.kind() == kind)
    }

    /// Time of the leading user id's first link, unix milliseconds.
    pub(super) fn since(&self) -> i64 {
        self.members.first().map_or(0, |member| member.since)
    }

    /// Merges another person into this one.
    pub(super) fn absorb(&mut self, other: Self, merge_id: &str, at: i64) {
        let into = self.user_id().to_owned();
        let first = self.members.len();
        self.members.extend(other.members);
        self.members[first].merge = Some(Merge { id: merge_id.to_owned(), into, at });
        self.identities.extend(other.identities);
        // By age, because the oldest is dropped when there are too many.
        self.identities.sort_by_key(|linked| linked.since);
    }

    /// Splits off the person that was merged as `user_id`, with everybody merged into that one.
    pub(super) fn split_off(&mut self, user_id: &str) -> Self {
        let mut ids = vec![user_id.to_owned()];
        // A nested merge may stand before or after the one it belongs to: repeat until nothing is added.
        loop {
            let under = |m: &&Member| m.merge.as_ref().is_some_and(|merge| ids.contains(&merge.into));
            let more = self.members.iter().filter(under).find(|m| !ids.contains(&m.user_id));
            let Some(more) = more.map(|m| m.user_id.clone()) else { break };
            ids.push(more);
        }
        let (mut members, rest) = std::mem::take(&mut self.members)
            .into_iter()
            .partition::<Vec<_>, _>(|m| ids.contains(&m.user_id));
        self.members = rest;
        let (identities, rest) =
            std::mem::take(&mut self.identities).into_iter().partition(|linked| ids.contains(&linked.of));
        self.identities = rest;
        let first = members.iter().position(|member| member.user_id == user_id).unwrap_or(0);
        members[..=first].rotate_right(1);
        members[0].merge = None;
        Self { members, identities }
    }

    /// Drops the oldest generated user ids down to the bound: their identities move to the user ids that they were
    /// merged into, and those merges can no longer be undone.
    pub(super) fn drop_oldest_members(&mut self, records: &mut Records) -> Result<(), Stop> {
        while self.members.len() > MAX_MEMBERS {
            let merged_at = |n: &usize| self.members[*n].merge.as_ref().map_or(i64::MAX, |merge| merge.at);
            let Some(oldest) =
                (1..self.members.len()).filter(|n| !self.members[*n].given).min_by_key(merged_at)
            else {
                break;
            };
            let gone = self.members.remove(oldest);
            let Some(merge) = gone.merge else { break };
            for linked in self.identities.iter_mut().filter(|linked| linked.of == gone.user_id) {
                linked.of.clone_from(&merge.into);
                records.put(Key::Identity(linked.identity.clone()), &linked.of)?;
            }
            for under in self.members.iter_mut().filter_map(|member| member.merge.as_mut()) {
                if under.into == gone.user_id {
                    under.into.clone_from(&merge.into);
                }
            }
            records.remove(Key::Merge(merge.id));
            records.remove(Key::User(gone.user_id.clone()));
            records.remove(Key::Audit(gone.user_id));
        }
        Ok(())
    }

    /// Writes the person under the leading user id.
    pub(super) fn write(&self, records: &mut Records) -> Result<(), Stop> {
        records.put(Key::User(self.user_id().to_owned()), &Entry::Person(self.clone()))
    }

    /// Writes the leading user id under each of the others.
    pub(super) fn write_redirects(&self, records: &mut Records) -> Result<(), Stop> {
        for member in &self.members[1..] {
            records.put(Key::User(member.user_id.clone()), &Entry::LedBy(self.user_id().to_owned()))?;
        }
        Ok(())
    }
}
