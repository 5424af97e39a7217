//! One-ID in Redis: the records of a shop's people are fields of one hash, so that a rule's view of them can be
//! checked and its changes written by one script.
//!
//! To load what is known of a person takes the records that say who they are and the states under all of their
//! names. Both are asked for at once: the records that a call's names need, and the names that they led to the
//! last time ([`Hints`]). Where that was all, one round trip is enough; where it was not, the next one asks for what
//! is missing. A hint is never believed: what it guessed counts only if the records say the same.

use std::sync::{Arc, Mutex, PoisonError};

use redis::{Cmd, Script, cmd};
use rustc_hash::FxHashMap;

use super::connection::{Connection, bytes, list, number};
use super::keys::Keys;
use crate::identity::resolve::{Resolved, resolve};
use crate::identity::{Identity, Key, Records, Refusal, Stop};
use crate::store::{Known, MAX_IDENTITIES, Name, StoreError};
use crate::user::UserState;

/// A rule is run again so often at most, because others changed what it had seen.
const TRIES: usize = 20;
/// Round trips of one load at most: names, identities, user ids, and a change or two between them.
const ROUNDS: usize = 8;
/// People whose names are remembered; about 1 KB each.
const MAX_HINTS: usize = 16_384;

/// The people of a shop.
pub(super) struct People {
    commit: Script,
    hints: Hints,
}

/// What names led to, by the first name of a call.
#[derive(Default)]
struct Hints(Mutex<FxHashMap<Vec<u8>, Arc<Hint>>>);

struct Hint {
    keys: Vec<Key>,
    resolved: Resolved,
}

/// What is known so far while somebody is loaded.
#[derive(Default)]
struct Loading {
    records: Records,
    /// States by the name's part of their keys.
    states: FxHashMap<String, UserState>,
}

impl People {
    pub(super) fn new() -> Self {
        Self { commit: Script::new(include_str!("people.lua")), hints: Hints::default() }
    }

    /// See [`Store::load`](crate::store::Store::load); what is older than the `ttl` is still in it.
    pub(super) async fn load(
        &self,
        connection: &Connection,
        keys: &Keys,
        names: &[Name<'_>],
    ) -> Result<Known, StoreError> {
        let Some(first) = names.first() else { return Ok(Known::default()) };
        let first = key_of(first).encoded();
        let mut loading = Loading::default();
        let hint = self.hints.of(&first);
        let (mut wanted, mut guessed) = (names.iter().map(key_of).collect::<Vec<_>>(), names.to_vec());
        if let Some(hint) = &hint {
            wanted.extend(hint.keys.iter().filter(|key| !wanted.contains(key)).cloned().collect::<Vec<_>>());
            guessed.extend(hint.resolved.names().filter(|name| !names.contains(name)));
        }
        loading.ask(connection, keys, wanted, guessed).await?;
        for round in 1..ROUNDS {
            let (wanted, resolved) = loading.resolve(names)?;
            let missing: Vec<Name<'_>> = match &resolved {
                Some(resolved) => resolved.names().filter(|name| !loading.knows(keys, name)).collect(),
                None => Vec::new(),
            };
            match resolved {
                Some(resolved) if missing.is_empty() => {
                    if round > 1 {
                        self.hints.remember(first, &loading.records, &resolved);
                    }
                    return Ok(loading.into_known(keys, resolved));
                }
                _ => loading.ask(connection, keys, wanted, missing.clone()).await?,
            }
        }
        Err(StoreError::Failed("who is who keeps changing".to_owned()))
    }

    /// Runs a rule on the records as they are, and writes what it wants written, all of it or nothing.
    pub(super) async fn settle<T>(
        &self,
        connection: &Connection,
        keys: &Keys,
        mut rule: impl FnMut(&mut Records) -> Result<T, Stop>,
    ) -> Result<Result<T, Refusal>, StoreError> {
        for _ in 0..TRIES {
            let mut records = Records::default();
            let outcome = loop {
                match records.run(&mut rule) {
                    Ok(Some(result)) => break Ok(result),
                    Err(Stop::Refused(refusal)) => break Err(refusal),
                    Err(Stop::Damaged | Stop::Unread) => return Err(damaged()),
                    Ok(None) => {
                        let wanted = records.wanted();
                        let command = vec![vec![read(keys, &wanted)]];
                        let answers = connection.ask_all(command).await?;
                        tell(&mut records, wanted, answers.into_iter().flatten().next())?;
                    }
                }
            };
            // A refusal, too, counts only if it was of records that were there together.
            match self.write(connection, keys, &records).await? {
                0 => return Ok(outcome),
                1 => {}
                _ => return Ok(Err(Refusal::Full)),
            }
        }
        Err(StoreError::Failed("others keep changing the same people".to_owned()))
    }

    async fn write(
        &self,
        connection: &Connection,
        keys: &Keys,
        records: &Records,
    ) -> Result<i64, StoreError> {
        let mut call = self.commit.prepare_invoke();
        call.key(&keys.people).arg(MAX_IDENTITIES).arg(records.growth()).arg(records.seen().count());
        for (key, value) in records.seen().chain(records.written()) {
            call.arg(key.encoded()).arg(i32::from(value.is_some())).arg(value.unwrap_or_default());
        }
        number(connection.invoke(&call).await?).ok_or(damaged())
    }
}

impl Hints {
    fn of(&self, first: &[u8]) -> Option<Arc<Hint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(first).cloned()
    }

    fn remember(&self, first: Vec<u8>, records: &Records, resolved: &Resolved) {
        let keys = records.seen().map(|(key, _)| key.clone()).collect();
        let mut hints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hints.len() >= MAX_HINTS {
            hints.clear();
        }
        hints.insert(first, Arc::new(Hint { keys, resolved: resolved.clone() }));
    }
}

impl Loading {
    /// Whose names these are, or which records are needed to tell.
    fn resolve(&mut self, names: &[Name<'_>]) -> Result<(Vec<Key>, Option<Resolved>), StoreError> {
        let resolved = self.records.run(|records| resolve(records, names)).map_err(|_| damaged())?;
        Ok((self.records.wanted(), resolved))
    }

    fn knows(&self, keys: &Keys, name: &Name<'_>) -> bool {
        self.states.contains_key(&keys.name(name))
    }

    /// Reads records and states, in one round trip.
    async fn ask(
        &mut self,
        connection: &Connection,
        keys: &Keys,
        wanted: Vec<Key>,
        names: Vec<Name<'_>>,
    ) -> Result<(), StoreError> {
        let ranges = |name: &Name<'_>| super::ranges(keys, name);
        let mut groups: Vec<Vec<Cmd>> = names.iter().map(ranges).collect();
        if !wanted.is_empty() {
            groups.push(vec![read(keys, &wanted)]);
        }
        let mut answers = connection.ask_all(groups).await?;
        if !wanted.is_empty() {
            let told = answers.pop().and_then(|group| group.into_iter().next());
            tell(&mut self.records, wanted, told)?;
        }
        for (name, answers) in names.iter().zip(answers) {
            self.states.insert(keys.name(name), super::state(answers)?);
        }
        Ok(())
    }

    fn into_known(mut self, keys: &Keys, resolved: Resolved) -> Known {
        let mut state = UserState::default();
        for name in resolved.names() {
            let known = self.states.remove(&keys.name(&name)).unwrap_or_default();
            // The usual case is one name: nothing to merge.
            if state.is_empty() { state = known } else { state.merge(known) }
        }
        Known { user_ids: resolved.user_ids, state, partial: false }
    }
}

/// The record that a name of a call is looked up by.
fn key_of(name: &Name<'_>) -> Key {
    match name {
        Name::User(id) => Key::User((*id).to_owned()),
        Name::Session(id) => Key::Identity(Identity::session(id)),
        Name::Identity(identity) => Key::Identity((*identity).clone()),
    }
}

fn read(keys: &Keys, wanted: &[Key]) -> Cmd {
    let mut read = cmd("HMGET");
    read.arg(&keys.people);
    for key in wanted {
        read.arg(key.encoded());
    }
    read
}

fn tell(records: &mut Records, wanted: Vec<Key>, answer: Option<redis::Value>) -> Result<(), StoreError> {
    let values = answer.and_then(list).filter(|values| values.len() == wanted.len()).ok_or_else(damaged)?;
    wanted.into_iter().zip(values).for_each(|(key, value)| records.tell(key, bytes(value)));
    Ok(())
}

fn damaged() -> StoreError {
    StoreError::Damaged { table: "people" }
}
