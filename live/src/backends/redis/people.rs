//! One-ID in Redis: the records of a shop's people are fields of one hash, so that one script can check that the
//! records a rule read are unchanged and write its changes.
//!
//! Loading a person reads their records and the states under all of their names. Both are requested at once: the
//! records of the given names, and the names that they led to the last time ([`Hints`]). If the hint was complete, one
//! round trip is enough; else the next one requests the rest. A hint only saves time: the records decide.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redis::{Cmd, Script, cmd};
use rustc_hash::FxHashMap;

use super::connection::{Connection, bytes, list, number, text};
use super::keys::Keys;
use super::state::{read_state, state_commands};
use crate::error::StoreError;
use crate::identity::Identity;
use crate::people::forget::forget;
use crate::people::resolve::{Resolved, resolve};
use crate::people::{Key, Known, MAX_STORED_IDENTITIES, Name, Records, Refusal, Stop, UserState};

/// Most runs of a rule whose records others change meanwhile.
const TRIES: usize = 20;
/// Most round trips of one load: names, identities, user ids, and a change or two between them.
const ROUNDS: usize = 8;
/// User ids that one sweep looks at, approximately.
const SWEEP_PEOPLE: usize = 1_024;
/// Most hints, about 1 KB each.
const MAX_HINTS: usize = 16_384;

/// The people of a shop.
pub(super) struct PeopleRecords {
    commit: Script,
    hints: Hints,
    /// Cursor of the sweep.
    cursor: AtomicU64,
}

/// The keys and names that a load needed, by its first name.
#[derive(Default)]
struct Hints(Mutex<FxHashMap<Vec<u8>, Arc<Hint>>>);

struct Hint {
    keys: Vec<Key>,
    resolved: Resolved,
}

/// The records and states read so far by a load.
#[derive(Default)]
struct Loading {
    records: Records,
    /// States by the common part of their keys.
    states: FxHashMap<String, UserState>,
}

impl PeopleRecords {
    pub(super) fn new() -> Self {
        Self {
            commit: Script::new(include_str!("people.lua")),
            hints: Hints::default(),
            cursor: AtomicU64::new(0),
        }
    }

    /// See [`People::load`](crate::people::People::load); marks older than the `ttl` are still included.
    pub(super) async fn load(
        &self,
        connection: &Connection,
        keys: &Keys,
        names: &[Name<'_>],
    ) -> Result<Known, StoreError> {
        let Some(first) = names.first() else { return Ok(Known::default()) };
        let first = key_of(first).encoded();
        let mut loading = Loading::default();
        let hint = self.hints.get(&first);
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
        Err(StoreError::Failed("the records of these people keep changing".to_owned()))
    }

    /// Runs a rule on the current records and writes its changes, all or none.
    pub(super) async fn settle<T>(
        &self,
        connection: &Connection,
        keys: &Keys,
        mut rule: impl FnMut(&mut Records) -> Result<T, Stop>,
    ) -> Result<Result<T, Refusal>, StoreError> {
        for _ in 0..TRIES {
            let (outcome, records) = self.run(connection, keys, &mut rule).await?;
            // A refusal, too, is valid only for records that existed together.
            match self.write(connection, keys, &records).await? {
                0 => return Ok(outcome),
                1 => {}
                _ => return Ok(Err(Refusal::Full)),
            }
        }
        Err(StoreError::Failed("others keep changing the same people".to_owned()))
    }

    /// Forgets anonymous people without events since `moment` (unix milliseconds), among the next user ids in turn.
    pub(super) async fn sweep(
        &self,
        connection: &Connection,
        keys: &Keys,
        moment: i64,
    ) -> Result<(), StoreError> {
        let mut scan = cmd("HSCAN");
        scan.arg(&keys.people).arg(self.cursor.load(Ordering::Relaxed));
        scan.arg("MATCH").arg("u*").arg("COUNT").arg(SWEEP_PEOPLE);
        let answer = list(connection.ask(&scan).await?).unwrap_or_default();
        let [cursor, found] = <[redis::Value; 2]>::try_from(answer).map_err(|_| damaged())?;
        self.cursor.store(number(cursor).and_then(|n| u64::try_from(n).ok()).unwrap_or(0), Ordering::Relaxed);
        for field in list(found).ok_or_else(damaged)?.into_iter().step_by(2) {
            let Some(user_id) = text(field).and_then(|field| field.strip_prefix('u').map(str::to_owned))
            else {
                continue;
            };
            let rule = &mut |records: &mut Records| forget(records, &user_id, moment);
            let (outcome, records) = self.run(connection, keys, rule).await?;
            let Ok(Some(names)) = outcome else { continue };
            if is_silent(connection, keys, &names, moment).await? {
                // People who were linked meanwhile stay.
                self.write(connection, keys, &records).await?;
            }
        }
        Ok(())
    }

    /// Runs a rule on the current records; its changes are in them.
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
                    let wanted = records.missing();
                    let answers = connection.ask_all(vec![vec![read(keys, &wanted)]]).await?;
                    supply(&mut records, wanted, answers.into_iter().flatten().next())?;
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
        call.key(&keys.people)
            .arg(MAX_STORED_IDENTITIES)
            .arg(records.growth())
            .arg(records.read_set().count());
        for (key, value) in records.read_set().chain(records.written()) {
            call.arg(key.encoded()).arg(i32::from(value.is_some())).arg(value.unwrap_or_default());
        }
        number(connection.invoke(&call).await?).ok_or(damaged())
    }
}

impl Hints {
    fn get(&self, first: &[u8]) -> Option<Arc<Hint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(first).cloned()
    }

    fn remember(&self, first: Vec<u8>, records: &Records, resolved: &Resolved) {
        let keys = records.read_set().map(|(key, _)| key.clone()).collect();
        let mut hints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hints.len() >= MAX_HINTS {
            hints.clear();
        }
        hints.insert(first, Arc::new(Hint { keys, resolved: resolved.clone() }));
    }
}

impl Loading {
    /// The person of these names; or the keys of the records missing to resolve them.
    fn resolve(&mut self, names: &[Name<'_>]) -> Result<(Vec<Key>, Option<Resolved>), StoreError> {
        let resolved = self.records.run(|records| resolve(records, names)).map_err(|_| damaged())?;
        Ok((self.records.missing(), resolved))
    }

    fn knows(&self, keys: &Keys, name: &Name<'_>) -> bool {
        self.states.contains_key(&keys.name(name))
    }

    /// Reads records and states in one round trip.
    async fn ask(
        &mut self,
        connection: &Connection,
        keys: &Keys,
        wanted: Vec<Key>,
        names: Vec<Name<'_>>,
    ) -> Result<(), StoreError> {
        let ranges = |name: &Name<'_>| state_commands(keys, name);
        let mut groups: Vec<Vec<Cmd>> = names.iter().map(ranges).collect();
        if !wanted.is_empty() {
            groups.push(vec![read(keys, &wanted)]);
        }
        let mut answers = connection.ask_all(groups).await?;
        if !wanted.is_empty() {
            let records = answers.pop().and_then(|group| group.into_iter().next());
            supply(&mut self.records, wanted, records)?;
        }
        for (name, answers) in names.iter().zip(answers) {
            self.states.insert(keys.name(name), read_state(answers)?);
        }
        Ok(())
    }

    fn into_known(mut self, keys: &Keys, resolved: Resolved) -> Known {
        let mut state = UserState::default();
        for name in resolved.names() {
            let known = self.states.remove(&keys.name(&name)).unwrap_or_default();
            // Usually there is one name, and nothing to merge.
            if state.is_empty() { state = known } else { state.merge(known) }
        }
        Known { user_ids: resolved.user_ids, state, partial: false }
    }
}

/// True if no mark after `moment` is stored under any of these names.
async fn is_silent(
    connection: &Connection,
    keys: &Keys,
    names: &Resolved,
    moment: i64,
) -> Result<bool, StoreError> {
    let groups = names.names().map(|name| state_commands(keys, &name)).collect();
    for answers in connection.ask_all(groups).await? {
        let mut state = read_state(answers)?;
        state.forget(moment);
        if !state.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The record by which a name is resolved.
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

fn supply(records: &mut Records, wanted: Vec<Key>, answer: Option<redis::Value>) -> Result<(), StoreError> {
    let values = answer.and_then(list).filter(|values| values.len() == wanted.len()).ok_or_else(damaged)?;
    wanted.into_iter().zip(values).for_each(|(key, value)| records.supply(key, bytes(value)));
    Ok(())
}

fn damaged() -> StoreError {
    StoreError::Damaged { table: "people" }
}
