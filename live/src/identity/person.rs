//! A person: their user ids, their identities, and how they came together.

use serde::{Deserialize, Serialize};

use super::records::{Entry, Key, Records, Stop};
use super::{Identity, IdentityType, Strength};

/// User ids of one person at most. Only one of them was given by a caller; of the others the oldest makes room.
pub const MAX_MEMBERS: usize = 16;
/// Identities of one person at most, of all types together.
pub const MAX_IDENTITIES: usize = 64;

/// Names that were said to be one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their user ids. The first is the one that the person goes by and is written down under; a merge is under
    /// every other.
    pub members: Vec<Member>,
    /// Their identities, in the order in which they were linked.
    pub identities: Vec<Linked>,
}

/// A user id of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The id.
    pub user_id: String,
    /// Whether a caller gave it; else it was made up for somebody who had none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given: bool,
    /// Since when it is known here, unix milliseconds.
    pub since: i64,
    /// How it came to the person; none of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
}

/// A person became part of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// To take it back by.
    pub id: String,
    /// The user id that it became part of.
    pub into: String,
    /// When, unix milliseconds.
    pub at: i64,
}

/// An identity of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// The identity.
    #[serde(flatten)]
    pub identity: Identity,
    /// The user id that it was linked to: it stays with it when a merge is taken back.
    pub of: String,
    /// When, unix milliseconds.
    pub since: i64,
}

/// A merge, as it is told to the caller whose link caused it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// To take it back by.
    pub merge_id: String,
    /// The user id that the merged person went by.
    pub user_id: String,
}

impl Person {
    /// Somebody with one user id.
    pub(super) fn new(user_id: &str, given: bool, at: i64) -> Self {
        let member = Member { user_id: user_id.to_owned(), given, since: at, merge: None };
        Self { members: vec![member], identities: Vec::new() }
    }

    /// The user id that they go by.
    pub fn user_id(&self) -> &str {
        self.members.first().map_or("", |member| &member.user_id)
    }

    /// The member with this user id.
    pub fn member(&self, user_id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.user_id == user_id)
    }

    /// Whether a caller gave one of their user ids.
    pub(super) fn is_given(&self) -> bool {
        self.members.iter().any(|member| member.given)
    }

    /// Whether it is known who they are: by a user id that a caller gave, or by a strong identity.
    pub fn is_known(&self) -> bool {
        let strong = |linked: &Linked| linked.identity.kind().strength() == Strength::Strong;
        self.is_given() || self.identities.iter().any(strong)
    }

    /// Whether they carry an identity of this type.
    pub(super) fn carries(&self, kind: IdentityType) -> bool {
        self.identities.iter().any(|linked| linked.identity.kind() == kind)
    }

    /// Since when they are known here, unix milliseconds.
    pub(super) fn since(&self) -> i64 {
        self.members.first().map_or(0, |member| member.since)
    }

    /// Takes another person in.
    pub(super) fn absorb(&mut self, other: Self, merge_id: &str, at: i64) {
        let into = self.user_id().to_owned();
        let first = self.members.len();
        self.members.extend(other.members);
        self.members[first].merge = Some(Merge { id: merge_id.to_owned(), into, at });
        self.identities.extend(other.identities);
        // By age, so that what is oldest makes room.
        self.identities.sort_by_key(|linked| linked.since);
    }

    /// Gives back the person that was merged as `user_id`, with all that had become part of it.
    pub(super) fn part(&mut self, user_id: &str) -> Self {
        let mut ids = vec![user_id.to_owned()];
        // A merge comes after the merge that it is under, or before it: so look until nothing is added.
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

    /// Lets the oldest made-up user ids go until there are few enough: what was theirs goes to the ids that they
    /// were merged into, and those merges cannot be taken back any more.
    pub(super) fn let_members_go(&mut self, records: &mut Records) -> Result<(), Stop> {
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
            records.take_away(Key::Merge(merge.id));
            records.take_away(Key::User(gone.user_id.clone()));
            records.take_away(Key::Audit(gone.user_id));
        }
        Ok(())
    }

    /// Writes down who they are, under their first user id.
    pub(super) fn write(&self, records: &mut Records) -> Result<(), Stop> {
        records.put(Key::User(self.user_id().to_owned()), &Entry::Person(self.clone()))
    }

    /// Writes down the way to the person, under each of their other user ids.
    pub(super) fn write_ways(&self, records: &mut Records) -> Result<(), Stop> {
        for member in &self.members[1..] {
            records.put(Key::User(member.user_id.clone()), &Entry::Of(self.user_id().to_owned()))?;
        }
        Ok(())
    }
}
