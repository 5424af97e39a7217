//! The stored records of people, and the access of rules to them.
//!
//! | key | value |
//! |---|---|
//! | `i`, number of the type, value | the user id that owns the identity; null if it is shared |
//! | `u`, user id | a [`Person`], under their leading user id; else that leading user id |
//! | `m`, merge id | the user id that was merged |
//! | `a`, user id | its audit trail, oldest first |
//!
//! Values are JSON. An identity takes 100 to 200 bytes plus twice its value, a user id 60 bytes plus three times its
//! length, an audit entry about 150; each person has bounds on all of them.
//!
//! A rule requests records from [`Records`]. If a record was not read yet, the rule stops with [`Stop::Unread`]; its
//! runner reads all [`missing`](Records::missing) records at once and runs the rule again. So a rule neither waits nor
//! knows the store, and the runner knows which records must be unchanged when it commits.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::person::Person;
use crate::identity::{Identity, IdentityType};

/// The key of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// The owner of an identity.
    Identity(Identity),
    /// A person, or the leading user id of one, by user id.
    User(String),
    /// The merged user id, by the merge's id.
    Merge(String),
    /// The audit trail of a user id.
    Audit(String),
}

impl Key {
    /// The key as bytes: a letter for the kind, then the rest.
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

/// The record under a user id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// The person led by this user id.
    Person(Person),
    /// The leading user id of the person that has this user id.
    #[serde(rename = "of")]
    LedBy(String),
}

/// The reason why names are not linked. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// They are two people: each has an identity of this strong type.
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
    /// The store has reached the maximum number of identities.
    #[error("the store holds as many identities as it may")]
    Full,
}

/// The reason why a rule did not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Records are missing.
    Unread,
    /// A record cannot be decoded.
    Damaged,
    /// The rules forbid it.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The records that a rule read, and those that it writes.
#[derive(Debug, Default)]
pub struct Records {
    read: FxHashMap<Key, Option<Vec<u8>>>,
    missing: Vec<Key>,
    written: BTreeMap<Key, Option<Vec<u8>>>,
}

impl Records {
    /// Runs a rule once; `None` if it needs the records that are now [`missing`](Self::missing).
    ///
    /// # Errors
    /// The reason for which the rule stopped; it writes nothing then.
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

    /// Takes the keys of the records to read.
    pub fn missing(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.missing)
    }

    /// Supplies a record; `None` if there is none.
    pub fn supply(&mut self, key: Key, value: Option<Vec<u8>>) {
        self.read.insert(key, value);
    }

    /// The records that were read: they must be unchanged when [`written`](Self::written) is committed.
    pub fn read_set(&self) -> impl Iterator<Item = (&Key, Option<&[u8]>)> {
        self.read.iter().map(|(key, value)| (key, value.as_deref()))
    }

    /// The records to write, all or none; `None` removes a record.
    pub fn written(&self) -> impl Iterator<Item = (&Key, Option<&[u8]>)> {
        self.written.iter().map(|(key, value)| (key, value.as_deref()))
    }

    /// The change of the number of identities when [`written`](Self::written) is committed.
    pub fn growth(&self) -> i64 {
        let change = |(key, value): (&Key, Option<&[u8]>)| match key {
            // An identity that was not read exists: it is in a person's record.
            Key::Identity(_) => i64::from(value.is_some()) - i64::from(self.read.get(key) != Some(&None)),
            _ => 0,
        };
        self.written().map(change).sum()
    }

    /// Requires records that are needed together, so that they are read in one round.
    pub(super) fn require(&mut self, keys: impl IntoIterator<Item = Key>) -> Result<(), Stop> {
        for key in keys {
            if !self.read.contains_key(&key) && !self.missing.contains(&key) {
                self.missing.push(key);
            }
        }
        if self.missing.is_empty() { Ok(()) } else { Err(Stop::Unread) }
    }

    pub(super) fn get<T: DeserializeOwned>(&mut self, key: Key) -> Result<Option<T>, Stop> {
        let value = match self.written.get(&key) {
            Some(value) => value,
            None => match self.read.get(&key) {
                Some(value) => value,
                None => {
                    self.missing.push(key);
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

    pub(super) fn remove(&mut self, key: Key) {
        self.written.insert(key, None);
    }

    /// The owner of an identity: `None` if it has none, `Some(None)` if it is shared.
    pub(super) fn owner(&mut self, identity: &Identity) -> Result<Option<Option<String>>, Stop> {
        // Through `Option<Option<String>>` null would be decoded as the outer `None`.
        let owner: Option<serde_json::Value> = self.get(Key::Identity(identity.clone()))?;
        match owner {
            None => Ok(None),
            Some(serde_json::Value::Null) => Ok(Some(None)),
            Some(serde_json::Value::String(user_id)) => Ok(Some(Some(user_id))),
            Some(_) => Err(Stop::Damaged),
        }
    }

    /// The person with this user id, if one is stored.
    pub(super) fn person(&mut self, user_id: &str) -> Result<Option<Person>, Stop> {
        let root = match self.get(Key::User(user_id.to_owned()))? {
            None => return Ok(None),
            Some(Entry::Person(person)) => return Ok(Some(person)),
            Some(Entry::LedBy(root)) => root,
        };
        match self.get(Key::User(root))? {
            // Two records that were read one after the other may disagree for a moment.
            Some(Entry::Person(person)) if person.member(user_id).is_some() => Ok(Some(person)),
            _ => Ok(None),
        }
    }

    /// Requires the records that lead to the people of `user_ids`.
    pub(super) fn require_people<'a>(
        &mut self,
        user_ids: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), Stop> {
        self.require(user_ids.clone().map(|id| Key::User(id.to_owned())))?;
        let mut roots = Vec::new();
        for id in user_ids {
            if let Some(Entry::LedBy(root)) = self.get(Key::User(id.to_owned()))? {
                roots.push(Key::User(root));
            }
        }
        self.require(roots)
    }
}
