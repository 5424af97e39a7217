//! The items' states: one truth in Redis, and a mirror of all of it in the memory of every replica.
//!
//! Every state has a version, the number of the change that made it; of two states of an item the one of the
//! higher version holds, whichever arrives first. A change is worked out here ([`ItemState::merge`], as in every
//! store) and takes effect only if the item's version is still the one that it was worked out from; else it is
//! worked out again. Replicas follow the stream of changes with a blocking read; one that falls behind what the
//! stream keeps, or that loses its connection, reads everything again.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use redis::{Script, Value, cmd};
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, watch};

use super::connection::{Connection, Endpoint, bytes, entries, list, text, within};
use super::keys::Keys;
use crate::item::{ItemChange, ItemState};
use crate::store::{ItemOutcome, MAX_ITEMS, StoreError};

/// Changes that the stream keeps at least: as many as a replica may fall behind without reading everything.
const CHANGES_KEPT: usize = 10_000;
/// Items that one script changes at most, so that no other caller waits for it long.
const SCRIPT_ITEMS: usize = 200;
/// How often a change is worked out again because another one was faster.
const ROUNDS: usize = 16;
/// How long a read waits for changes before it asks again.
const BLOCK: Duration = Duration::from_secs(1);
/// For an answer of a connection that no request waits for.
const PATIENCE: Duration = Duration::from_secs(3);
/// Changed items that are named one by one; where there are more, all are said to have changed.
const NAMED: usize = 10_000;

/// A state, and the number of the change that made it.
#[derive(Debug, Clone, Copy)]
struct Versioned {
    version: u64,
    state: ItemState,
}

impl Versioned {
    /// Of nothing that anybody told.
    const NONE: Self = Self { version: 0, state: ItemState { price: None, stock: None, on_sale: None } };

    /// From what Redis keeps: the version, a space, the state as JSON.
    fn parse(bytes: &[u8]) -> Result<Self, StoreError> {
        let parse = || {
            let (version, state) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
            Some(Self { version: version.parse().ok()?, state: serde_json::from_str(state).ok()? })
        };
        parse().ok_or(DAMAGED)
    }
}

const DAMAGED: StoreError = StoreError::Damaged { table: "items" };

/// All states, in memory.
pub(super) struct Mirror {
    states: RwLock<FxHashMap<Box<str>, Versioned>>,
    /// Items that others changed and nobody has taken yet; `None` where that may be all.
    changed: Mutex<Option<Vec<String>>>,
    news: Notify,
    loaded: watch::Sender<bool>,
}

impl Mirror {
    pub(super) fn new() -> Self {
        let (loaded, _) = watch::channel(false);
        Self { states: RwLock::default(), changed: Mutex::new(Some(Vec::new())), news: Notify::new(), loaded }
    }

    /// Waits until everything was read once.
    pub(super) async fn loaded(&self) {
        // It cannot be closed: its sender is here.
        let _ = self.loaded.subscribe().wait_for(|loaded| *loaded).await;
    }

    /// Waits for changes, and takes them: the items, or `None` where all may have changed.
    pub(super) async fn changed(&self) -> Option<Vec<String>> {
        loop {
            // A permit is kept for who is not waiting yet, so that none is missed.
            self.news.notified().await;
            let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
            match changed.replace(Vec::new()) {
                Some(items) if items.is_empty() => {}
                taken => return taken,
            }
        }
    }

    pub(super) fn each(&self, ids: Option<&[String]>, mut each: impl FnMut(&str, &ItemState)) {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        match ids {
            None => states.iter().for_each(|(id, known)| each(id, &known.state)),
            Some(ids) => ids.iter().for_each(|id| {
                if let Some(known) = states.get(id.as_str()) {
                    each(id, &known.state);
                }
            }),
        }
    }

    fn known(&self, id: &str) -> Versioned {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        states.get(id).copied().unwrap_or(Versioned::NONE)
    }

    fn put(&self, id: &str, new: Versioned) {
        let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
        let known = states.entry(id.into()).or_insert(Versioned::NONE);
        if new.version > known.version {
            *known = new;
        }
    }

    fn say(&self, items: Option<Vec<String>>) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        *changed = match (changed.take(), items) {
            (Some(mut before), Some(items)) if before.len() + items.len() <= NAMED => {
                before.extend(items);
                Some(before)
            }
            _ => None,
        };
        drop(changed);
        self.news.notify_one();
    }

    /// Reads everything, then follows the changes, until something fails.
    pub(super) async fn follow(&self, endpoint: &Endpoint, keys: &Keys) -> Result<Infallible, StoreError> {
        let connection = endpoint.connect().await?;
        let mut last = self.read_all(&connection, keys).await?;
        self.loaded.send_replace(true);
        self.say(None);
        loop {
            let mut read = cmd("XREAD");
            read.arg("COUNT").arg(1_000).arg("BLOCK").arg(BLOCK.as_millis() as u64);
            read.arg("STREAMS").arg(&keys.changes).arg(format!("{last}-0"));
            let answer = within(PATIENCE, connection.ask(&read)).await?;
            let mut items = Vec::new();
            for (number, fields) in changes(answer).ok_or(DAMAGED)? {
                if number != last + 1 {
                    return Err(StoreError::Failed("changes of items were missed".to_owned()));
                }
                let [id, state] = <[Value; 2]>::try_from(fields).map_err(|_| DAMAGED)?;
                let (id, state) = (text(id).ok_or(DAMAGED)?, bytes(state).ok_or(DAMAGED)?);
                self.put(&id, Versioned::parse(&state)?);
                items.push(id);
                last = number;
            }
            if !items.is_empty() {
                self.say(Some(items));
            }
        }
    }

    /// Replaces all states by those that Redis has; the number of the last change that they are sure to hold.
    async fn read_all(&self, connection: &Connection, keys: &Keys) -> Result<u64, StoreError> {
        let highest = {
            let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
            states.values().map(|known| known.version).max().unwrap_or(0)
        };
        let last = last_change(connection, keys).await?;
        let mut read = FxHashMap::default();
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = cmd("HSCAN");
            scan.arg(&keys.states).arg(&cursor).arg("COUNT").arg(1_000);
            let answer = within(PATIENCE, connection.ask(&scan)).await?;
            let [next, fields] = list(answer).and_then(|parts| parts.try_into().ok()).ok_or(DAMAGED)?;
            let mut fields = list(fields).ok_or(DAMAGED)?.into_iter();
            while let (Some(id), Some(state)) = (fields.next(), fields.next()) {
                let (id, state) = (text(id).ok_or(DAMAGED)?, bytes(state).ok_or(DAMAGED)?);
                read.insert(id.into(), Versioned::parse(&state)?);
            }
            cursor = text(next).ok_or(DAMAGED)?;
            if cursor == "0" {
                break;
            }
        }
        let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
        // What was changed here meanwhile stays. But where Redis knows less than was known before, it was
        // emptied or put back, and what it says now counts.
        if last >= highest {
            for (id, known) in states.drain().filter(|(_, known)| known.version > last) {
                let read = read.entry(id).or_insert(Versioned::NONE);
                if known.version > read.version {
                    *read = known;
                }
            }
        }
        *states = read;
        Ok(last)
    }

    /// Takes news in; the outcomes are in their order.
    pub(super) async fn change(
        &self,
        connection: &Connection,
        script: &Script,
        keys: &Keys,
        changes: &[ItemChange],
    ) -> Result<Vec<ItemOutcome>, StoreError> {
        let mut outcomes = vec![ItemOutcome::Stale; changes.len()];
        let mut pending = by_item(changes);
        pending.iter_mut().for_each(|item| item.known = self.known(item.id));
        for _ in 0..ROUNDS {
            pending.retain_mut(|item| item.work_out(changes, &mut outcomes));
            if pending.is_empty() {
                return Ok(outcomes);
            }
            for part in pending.chunks_mut(SCRIPT_ITEMS) {
                let mut call = script.prepare_invoke();
                call.key(&keys.states).key(&keys.changes).arg(MAX_ITEMS).arg(CHANGES_KEPT);
                for item in part.iter() {
                    let state = serde_json::to_vec(&item.new).expect("finite numbers serialise");
                    call.arg(item.id).arg(item.known.version).arg(state);
                }
                let answers = list(connection.invoke(&call).await?).ok_or(DAMAGED)?;
                for (item, answer) in part.iter_mut().zip(answers) {
                    item.done = true;
                    match answer {
                        Value::Int(version) if version > 0 => {
                            let version = version.unsigned_abs();
                            self.put(item.id, Versioned { version, state: item.new });
                        }
                        Value::Int(_) => item.refuse(&mut outcomes),
                        other => {
                            let known = bytes(other).ok_or(DAMAGED)?;
                            let known =
                                if known.is_empty() { Versioned::NONE } else { Versioned::parse(&known)? };
                            (item.known, item.done) = (known, false);
                        }
                    }
                }
            }
            pending.retain(|item| !item.done);
        }
        Err(StoreError::Failed("others change the same items all the time".to_owned()))
    }
}

/// An item that is to be changed, by some rows of a call.
struct Pending<'c> {
    id: &'c str,
    rows: Vec<usize>,
    known: Versioned,
    new: ItemState,
    done: bool,
}

impl Pending<'_> {
    /// What comes of its rows on top of what is known; whether there is anything new.
    fn work_out(&mut self, changes: &[ItemChange], outcomes: &mut [ItemOutcome]) -> bool {
        self.new = self.known.state;
        let mut any = false;
        for &row in &self.rows {
            let new = self.new.merge(&changes[row].state);
            outcomes[row] = if new { ItemOutcome::Accepted } else { ItemOutcome::Stale };
            any |= new;
        }
        any
    }

    fn refuse(&self, outcomes: &mut [ItemOutcome]) {
        for &row in &self.rows {
            if outcomes[row] == ItemOutcome::Accepted {
                outcomes[row] = ItemOutcome::Full;
            }
        }
    }
}

fn by_item(changes: &[ItemChange]) -> Vec<Pending<'_>> {
    let mut places: FxHashMap<&str, usize> = FxHashMap::default();
    let mut pending: Vec<Pending<'_>> = Vec::new();
    for (row, change) in changes.iter().enumerate() {
        let id = change.item_id.as_str();
        let place = *places.entry(id).or_insert(pending.len());
        if place == pending.len() {
            let (known, new) = (Versioned::NONE, Versioned::NONE.state);
            pending.push(Pending { id, rows: Vec::new(), known, new, done: false });
        }
        pending[place].rows.push(row);
    }
    pending
}

/// The entries in what `XREAD` answers of one stream.
fn changes(answer: Value) -> Option<Vec<(u64, Vec<Value>)>> {
    let Some(stream) = list(answer)?.pop() else { return Some(Vec::new()) };
    entries(list(stream)?.pop()?)
}

/// The number of the last change that was ever made.
async fn last_change(connection: &Connection, keys: &Keys) -> Result<u64, StoreError> {
    let mut newest = cmd("XREVRANGE");
    newest.arg(&keys.changes).arg("+").arg("-").arg("COUNT").arg(1);
    let answer = within(PATIENCE, connection.ask(&newest)).await?;
    Ok(entries(answer).ok_or(DAMAGED)?.first().map_or(0, |(number, _)| *number))
}
