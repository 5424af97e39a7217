//! Item states: the truth in Redis, and a replica of all of them in the memory of every server.
//!
//! Every state has a version, the number of the change that made it; of two states of an item the one with the higher
//! version holds, in whatever order they arrive. A change is computed here ([`ItemState::apply`], as in every store)
//! and takes effect only if the item still has the version that it was computed from; else it is computed again.
//! Servers follow the stream of changes with a blocking read; one that misses changes or loses its connection reads
//! everything again.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError, RwLock};

use redis::{Script, Value, cmd};
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, watch};

use super::connection::{Connection, Endpoint, bytes, entries, list, text, within};
use super::epoch::{Epoch, UNCONFIRMED};
use super::keys::Keys;
use super::{BLOCK, PATIENCE};
use crate::error::StoreError;
use crate::items::{ItemChange, ItemOutcome, ItemState, MAX_ITEMS};

/// Least changes that the stream keeps: a server may fall behind by as many without reading everything.
const CHANGES_KEPT: usize = 10_000;
/// Most items of one script, so that no other caller waits for it long.
const SCRIPT_ITEMS: usize = 200;
/// Most times that a change is computed, repeated because another one was faster.
const ROUNDS: usize = 16;
/// Most changed items that are named; beyond that all count as changed.
const MAX_NAMED: usize = 10_000;

/// A state and its version.
#[derive(Debug, Clone, Copy)]
struct Versioned {
    version: u64,
    state: ItemState,
}

impl Versioned {
    /// The state of an item without reports.
    const NONE: Self = Self { version: 0, state: ItemState { price: None, stock: None, on_sale: None } };

    /// Parses what Redis holds: the version, a space, the state as JSON.
    fn parse(bytes: &[u8]) -> Result<Self, StoreError> {
        let parse = || {
            let (version, state) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
            Some(Self { version: version.parse().ok()?, state: serde_json::from_str(state).ok()? })
        };
        parse().ok_or(DAMAGED)
    }
}

const DAMAGED: StoreError = StoreError::Damaged { table: "items" };

/// The replica of all states.
pub(super) struct ItemReplica {
    states: RwLock<FxHashMap<Box<str>, Versioned>>,
    /// Changed items that were not taken yet; `None` if all may have changed.
    changed: Mutex<Option<Vec<String>>>,
    news: Notify,
    loaded: watch::Sender<bool>,
    epoch: Epoch,
}

impl ItemReplica {
    pub(super) fn new(epoch: Epoch) -> Self {
        let (loaded, _) = watch::channel(false);
        Self {
            states: RwLock::default(),
            changed: Mutex::new(Some(Vec::new())),
            news: Notify::new(),
            loaded,
            epoch,
        }
    }

    /// Waits until everything was read once.
    pub(super) async fn loaded(&self) {
        // It cannot be closed: the sender is in `self`.
        let _ = self.loaded.subscribe().wait_for(|loaded| *loaded).await;
    }

    /// Waits for changes and takes them: the items, or `None` if all may have changed.
    pub(super) async fn changed(&self) -> Option<Vec<String>> {
        loop {
            // A permit is kept while nobody waits, so no change is missed.
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
        self.epoch.saw(new.version);
        let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
        let known = states.entry(id.into()).or_insert(Versioned::NONE);
        if new.version > known.version {
            *known = new;
        }
    }

    fn announce(&self, items: Option<Vec<String>>) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        *changed = match (changed.take(), items) {
            (Some(mut before), Some(items)) if before.len() + items.len() <= MAX_NAMED => {
                before.extend(items);
                Some(before)
            }
            _ => None,
        };
        drop(changed);
        self.news.notify_one();
    }

    /// Reads everything, then follows the changes until an error.
    pub(super) async fn follow(&self, endpoint: &Endpoint, keys: &Keys) -> Result<Infallible, StoreError> {
        let connection = endpoint.connect().await?;
        let mut last = self.read_all(&connection, keys).await?;
        self.loaded.send_replace(true);
        self.announce(None);
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
                self.announce(Some(items));
            }
        }
    }

    /// Replaces all states by those in Redis; returns the number of the last change that they surely include.
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
        // Changes made here meanwhile stay. But if Redis knows less than before, it was emptied or came back
        // older, and its states count.
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

    /// Applies changes; the outcomes are in their order.
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
            pending.retain_mut(|item| item.compute(changes, &mut outcomes));
            if pending.is_empty() {
                return Ok(outcomes);
            }
            for part in pending.chunks_mut(SCRIPT_ITEMS) {
                let mut call = script.prepare_invoke();
                call.key(&keys.states).key(&keys.changes).key(self.epoch.key());
                call.arg(MAX_ITEMS).arg(CHANGES_KEPT).arg(self.epoch.floor());
                for item in part.iter() {
                    let state = serde_json::to_vec(&item.new).expect("finite numbers serialise");
                    call.arg(item.id).arg(item.known.version).arg(state);
                }
                let answer = connection.invoke(&call).await?;
                if answer == UNCONFIRMED {
                    // The items stay pending for the next round.
                    self.epoch.confirm(connection).await?;
                    continue;
                }
                let answers = list(answer).ok_or(DAMAGED)?;
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

/// An item that some rows of a call change.
struct Pending<'c> {
    id: &'c str,
    rows: Vec<usize>,
    known: Versioned,
    new: ItemState,
    done: bool,
}

impl Pending<'_> {
    /// Computes the new state from the known one and its rows; whether anything is new.
    fn compute(&mut self, changes: &[ItemChange], outcomes: &mut [ItemOutcome]) -> bool {
        self.new = self.known.state;
        let mut any = false;
        for &row in &self.rows {
            let new = self.new.apply(&changes[row]);
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
    let mut indices: FxHashMap<&str, usize> = FxHashMap::default();
    let mut pending: Vec<Pending<'_>> = Vec::new();
    for (row, change) in changes.iter().enumerate() {
        let id = change.item_id.as_str();
        let n = *indices.entry(id).or_insert(pending.len());
        if n == pending.len() {
            let (known, new) = (Versioned::NONE, Versioned::NONE.state);
            pending.push(Pending { id, rows: Vec::new(), known, new, done: false });
        }
        pending[n].rows.push(row);
    }
    pending
}

/// The entries in the answer of `XREAD` for one stream.
fn changes(answer: Value) -> Option<Vec<(u64, Vec<Value>)>> {
    let Some(stream) = list(answer)?.pop() else { return Some(Vec::new()) };
    entries(list(stream)?.pop()?)
}

/// The number of the last change.
async fn last_change(connection: &Connection, keys: &Keys) -> Result<u64, StoreError> {
    let mut newest = cmd("XREVRANGE");
    newest.arg(&keys.changes).arg("+").arg("-").arg("COUNT").arg(1);
    let answer = within(PATIENCE, connection.ask(&newest)).await?;
    Ok(entries(answer).ok_or(DAMAGED)?.first().map_or(0, |(number, _)| *number))
}
