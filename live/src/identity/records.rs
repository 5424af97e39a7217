//! What is written down of people, and how rules read and write it.
//!
//! | key | value |
//! |---|---|
//! | `i`, number of the type, value | the user id that the identity belongs to; null: it is shared |
//! | `u`, user id | a [`Person`], under their first user id; or which person the user id is of |
//! | `m`, merge id | the user id that was merged |
//! | `a`, user id | its audit trail, oldest first |
//!
//! Values are JSON. An identity takes 100 to 200 bytes and twice its value, a user id 60 bytes and three times
//! its own, a line of the trail about 150; all of them are bounded a person.
//!
//! A rule asks [`Records`] for what it needs. Where something was not read yet it stops with [`Stop::Unread`];
//! whoever runs it reads what is [`wanted`](Records::wanted), all at once, and runs it again. So a rule neither
//! waits nor knows where records are, and what it read is known to the one who must check that it still holds.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::person::Person;
use super::{Identity, IdentityType};

/// Where a record is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// To whom an identity belongs.
    Identity(Identity),
    /// A person, or the way to one, by user id.
    User(String),
    /// Who was merged, by the merge's id.
    Merge(String),
    /// The audit trail of a user id.
    Audit(String),
}

impl Key {
    /// As bytes: a letter for the kind, then the rest.
    pub fn encoded(&self) -> Vec<u8> {
        let (letter, rest) = match self {
            Self::Identity(identity) => {
                let mut key = vec![b'i', identity.kind() as u8];
                key.extend_from_slice(identity.value().as_bytes());
                return key;
            }
            Self::User(id) => (b'u', id),
            Self::Merge(id) => (b'm', id),
            Self::Audit(id) => (b'a', id),
        };
        let mut key = Vec::with_capacity(1 + rest.len());
        key.push(letter);
        key.extend_from_slice(rest.as_bytes());
        key
    }
}

/// What stands under a user id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// The person whose first user id it is.
    Person(Person),
    /// One of the user ids of the person with this first one.
    Of(String),
}

/// Why names do not become one person. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// They are two people: both carry an identity of this strong type.
    #[error("they are two people: each carries a `{}` of their own", .0.name())]
    Carried(IdentityType),
    /// They are two people: both have a user id that a caller gave.
    #[error("they are two people: each has a user id of their own")]
    UserIds,
    /// The person would have too many identities of this type.
    #[error("one person has at most {} identities of the type `{}`", .0.cap(), .0.name())]
    TooManyOf(IdentityType),
    /// The person would have too many identities.
    #[error("one person has at most {} identities", super::MAX_IDENTITIES)]
    TooMany,
    /// The store holds as many identities as it may.
    #[error("the store holds as many identities as it may")]
    Full,
}

/// Why a rule did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It needs records that were not read yet.
    Unread,
    /// A record does not read back.
    Damaged,
    /// The rules do not allow it.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The records that a rule has seen, and those that it wants written.
#[derive(Debug, Default)]
pub struct Records {
    read: FxHashMap<Key, Option<Vec<u8>>>,
    wanted: Vec<Key>,
    written: BTreeMap<Key, Option<Vec<u8>>>,
}

impl Records {
    /// Runs a rule once; `None` where it needs what is now [`wanted`](Self::wanted).
    ///
    /// # Errors
    /// Why the rule stopped for good; it wants nothing written then.
    pub fn run<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T, Stop>) -> Result<Option<T>, Stop> {
        self.written.clear();
        match rule(self) {
            Ok(value) => Ok(Some(value)),
            Err(stop) => {
                self.written.clear();
                if stop == Stop::Unread { Ok(None) } else { Err(stop) }
            }
        }
    }

    /// Takes out which records are to be read.
    pub fn wanted(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.wanted)
    }

    /// Tells what a record is; `None` where there is none.
    pub fn tell(&mut self, key: Key, value: Option<Vec<u8>>) {
        self.read.insert(key, value);
    }

    /// What was read: it must still be so when [`written`](Self::written) is.
    pub fn seen(&self) -> impl Iterator<Item = (&Key, Option<&[u8]>)> {
        self.read.iter().map(|(key, value)| (key, value.as_deref()))
    }

    /// What is to be written, all of it or nothing; `None` takes a record away.
    pub fn written(&self) -> impl Iterator<Item = (&Key, Option<&[u8]>)> {
        self.written.iter().map(|(key, value)| (key, value.as_deref()))
    }

    /// How many identities there are more, or fewer, when that is written.
    pub fn growth(&self) -> i64 {
        let change = |(key, value): (&Key, Option<&[u8]>)| match key {
            // What was not read is known to be there: it stands in a person's record.
            Key::Identity(_) => i64::from(value.is_some()) - i64::from(self.read.get(key) != Some(&None)),
            _ => 0,
        };
        self.written().map(change).sum()
    }

    /// Asks for records that are needed together.
    pub(super) fn want(&mut self, keys: impl IntoIterator<Item = Key>) -> Result<(), Stop> {
        for key in keys {
            if !self.read.contains_key(&key) && !self.wanted.contains(&key) {
                self.wanted.push(key);
            }
        }
        if self.wanted.is_empty() { Ok(()) } else { Err(Stop::Unread) }
    }

    pub(super) fn get<T: DeserializeOwned>(&mut self, key: Key) -> Result<Option<T>, Stop> {
        let value = match self.written.get(&key) {
            Some(value) => value,
            None => match self.read.get(&key) {
                Some(value) => value,
                None => {
                    self.wanted.push(key);
                    return Err(Stop::Unread);
                }
            },
        };
        let Some(value) = value else { return Ok(None) };
        serde_json::from_slice(value).map(Some).map_err(|_| Stop::Damaged)
    }

    pub(super) fn put(&mut self, key: Key, value: &impl Serialize) -> Result<(), Stop> {
        let value = serde_json::to_vec(value).map_err(|_| Stop::Damaged)?;
        self.written.insert(key, Some(value));
        Ok(())
    }

    pub(super) fn take_away(&mut self, key: Key) {
        self.written.insert(key, None);
    }

    /// The user id that an identity belongs to: none where nobody has it, `Some(None)` where it is shared.
    pub(super) fn owner(&mut self, identity: &Identity) -> Result<Option<Option<String>>, Stop> {
        // The inner null would be taken for the outer one.
        let owner: Option<serde_json::Value> = self.get(Key::Identity(identity.clone()))?;
        match owner {
            None => Ok(None),
            Some(serde_json::Value::Null) => Ok(Some(None)),
            Some(serde_json::Value::String(user_id)) => Ok(Some(Some(user_id))),
            Some(_) => Err(Stop::Damaged),
        }
    }

    /// The person that a user id is of, where it is of one that is written down.
    pub(super) fn person(&mut self, user_id: &str) -> Result<Option<Person>, Stop> {
        let root = match self.get(Key::User(user_id.to_owned()))? {
            None => return Ok(None),
            Some(Entry::Person(person)) => return Ok(Some(person)),
            Some(Entry::Of(root)) => root,
        };
        match self.get(Key::User(root))? {
            // Two records that were read one after the other may disagree for a moment.
            Some(Entry::Person(person)) if person.member(user_id).is_some() => Ok(Some(person)),
            _ => Ok(None),
        }
    }

    /// Asks for all that leads to the people of `user_ids`.
    pub(super) fn want_people<'a>(
        &mut self,
        user_ids: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), Stop> {
        self.want(user_ids.clone().map(|id| Key::User(id.to_owned())))?;
        let mut roots = Vec::new();
        for id in user_ids {
            if let Some(Entry::Of(root)) = self.get(Key::User(id.to_owned()))? {
                roots.push(Key::User(root));
            }
        }
        self.want(roots)
    }
}
