//! One-ID in Redis: the records of a shop's people are fields of one hash, so that a rule's view of them can be
//! checked and its changes written by one script.
//!
//! To load what is known of a person takes the records that say who they are and the states under all of their
//! names. Both are asked for at once: the records that a call's names need, and the names that they led to the
//! last time ([`Hints`]). Where that was all, one round trip is enough; where it was not, the next one asks for what
//! is missing. A hint is never believed: what it guessed counts only if the records say the same.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redis::{Cmd, Script, cmd};
use rustc_hash::FxHashMap;

use super::connection::{Connection, bytes, list, number, text};
use super::keys::Keys;
use crate::identity::forget::forget;
use crate::identity::resolve::{Resolved, resolve};
use crate::identity::{Identity, Key, Records, Refusal, Stop};
use crate::store::{Known, MAX_IDENTITIES, Name, StoreError};
use crate::user::UserState;

/// A rule is run again so often at most, because others changed what it had seen.
const TRIES: usize = 20;
/// Round trips of one load at most: names, identities, user ids, and a change or two between them.
const ROUNDS: usize = 8;
/// User ids that one sweep looks at, about.
const SWEEP_PEOPLE: usize = 1_024;
/// People whose names are remembered; about 1 KB each.
const MAX_HINTS: usize = 16_384;

/// The people of a shop.
pub(super) struct People {
    commit: Script,
    hints: Hints,
    /// Up to where the sweep has looked.
    looked_at: AtomicU64,
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
        Self {
            commit: Script::new(include_str!("people.lua")),
            hints: Hints::default(),
            looked_at: AtomicU64::new(0),
        }
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
            let (outcome, records) = self.run(connection, keys, &mut rule).await?;
            // A refusal, too, counts only if it was of records that were there together.
            match self.write(connection, keys, &records).await? {
                0 => return Ok(outcome),
                1 => {}
                _ => return Ok(Err(Refusal::Full)),
            }
        }
        Err(StoreError::Failed("others keep changing the same people".to_owned()))
    }

    /// Forgets anonymous people of whom nothing was heard since `moment` (unix milliseconds), among the next of all
    /// people in turn.
    pub(super) async fn sweep(
        &self,
        connection: &Connection,
        keys: &Keys,
        moment: i64,
    ) -> Result<(), StoreError> {
        let mut scan = cmd("HSCAN");
        scan.arg(&keys.people).arg(self.looked_at.load(Ordering::Relaxed));
        scan.arg("MATCH").arg("u*").arg("COUNT").arg(SWEEP_PEOPLE);
        let answer = list(connection.ask(&scan).await?).unwrap_or_default();
        let [cursor, found] = <[redis::Value; 2]>::try_from(answer).map_err(|_| damaged())?;
        self.looked_at
            .store(number(cursor).and_then(|n| u64::try_from(n).ok()).unwrap_or(0), Ordering::Relaxed);
        for field in list(found).ok_or_else(damaged)?.into_iter().step_by(2) {
            let Some(user_id) = text(field).and_then(|field| field.strip_prefix('u').map(str::to_owned))
            else {
                continue;
            };
            let rule = &mut |records: &mut Records| forget(records, &user_id, moment);
            let (outcome, records) = self.run(connection, keys, rule).await?;
            let Ok(Some(names)) = outcome else { continue };
            if is_silent(connection, keys, &names, moment).await? {
                // Who was linked meanwhile stays.
                self.write(connection, keys, &records).await?;
            }
        }
        Ok(())
    }

    /// Runs a rule on the records as they are; what it wants written is in them.
    async fn run<T>(
        &self,
        connection: &Connection,
        keys: &Keys,
        rule: &mut impl FnMut(&mut Records) -> Result<T, Stop>,
    ) -> Result<(Result<T, Refusal>, Records), StoreError> {
        let mut records = Records::default();
        loop {
            match records.run(&mut *rule) {
                Ok(Some(result)) => return Ok((Ok(result), records)),
                Err(Stop::Refused(refusal)) => return Ok((Err(refusal), records)),
                Err(Stop::Damaged | Stop::Unread) => return Err(damaged()),
                Ok(None) => {
                    let wanted = records.wanted();
                    let answers = connection.ask_all(vec![vec![read(keys, &wanted)]]).await?;
                    tell(&mut records, wanted, answers.into_iter().flatten().next())?;
                }
            }
        }
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

/// Whether nothing is known under any of these names since `moment`.
async fn is_silent(
    connection: &Connection,
    keys: &Keys,
    names: &Resolved,
    moment: i64,
) -> Result<bool, StoreError> {
    let groups = names.names().map(|name| super::ranges(keys, &name)).collect();
    for answers in connection.ask_all(groups).await? {
        let mut state = super::state(answers)?;
        state.forget(moment);
        if !state.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
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
