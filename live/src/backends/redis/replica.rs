//! Replicated records (item states, consents): the originals in Redis, and a replica of all of them in the memory of
//! every server.
//!
//! Every record has a version, the number of the change that made it; of two records under a key the one with the
//! higher version wins, in whatever order they arrive. A change is computed here ([`Replicated::apply`], as in every
//! store) and takes effect only if the record still has the version that it was computed from; else it is computed
//! again. Servers follow the stream of changes with a blocking read; one that misses changes or loses its connection
//! reads everything again.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError, RwLock};

use redis::{Script, Value, cmd};
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, mpsc, watch};

use super::connection::{Connection, Endpoint, bytes, entries, list, text, within};
use super::epoch::{Epoch, Return, UNCONFIRMED, numbering_script};
use super::keys::ReplicaKeys;
use super::{BLOCK, FOLLOW_AGAIN, PATIENCE};
use crate::error::StoreError;
use crate::replicated::{ChangeOutcome, Replicated};

/// Least changes that the stream keeps: a server may fall behind by as many without reading everything.
const CHANGES_KEPT: usize = 10_000;
/// Most items of one script, so that no other caller waits for it long.
const SCRIPT_ITEMS: usize = 200;
/// Most attempts of a change that is overtaken by others.
const ROUNDS: usize = 16;
/// Most changed items that are listed; beyond that all count as changed.
const MAX_NAMED: usize = 10_000;

/// A record and its version; version 0 is that of a key without changes.
#[derive(Debug, Clone, Default)]
struct Versioned<R> {
    version: u64,
    record: R,
}

impl<R: Replicated> Versioned<R> {
    /// Parses what Redis holds: the version, a space, the record as JSON.
    fn parse(bytes: &[u8]) -> Result<Self, StoreError> {
        let parse = || {
            let (version, record) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
            Some(Self { version: version.parse().ok()?, record: serde_json::from_str(record).ok()? })
        };
        parse().ok_or(DAMAGED)
    }
}

const DAMAGED: StoreError = StoreError::Damaged { table: "replica" };

/// The replica of all records of one kind.
pub(super) struct Replica<R> {
    keys: ReplicaKeys,
    change: Script,
    records: RwLock<FxHashMap<Box<str>, Versioned<R>>>,
    /// Changed keys not taken yet; `None` if all may have changed.
    changed: Mutex<Option<Vec<String>>>,
    news: Notify,
    loaded: watch::Sender<bool>,
    epoch: Epoch,
}

impl<R: Replicated> Replica<R> {
    /// An empty replica of the records under `keys`.
    pub(super) fn new(keys: &ReplicaKeys, ttl: i64, returns: mpsc::UnboundedSender<Return>) -> Self {
        let (loaded, _) = watch::channel(false);
        Self {
            epoch: Epoch::new(&keys.changes, &keys.epoch, 0, ttl, returns),
            keys: keys.clone(),
            change: numbering_script!("change.lua"),
            records: RwLock::default(),
            changed: Mutex::new(Some(Vec::new())),
            news: Notify::new(),
            loaded,
        }
    }

    /// Follows the changes for as long as it is polled.
    pub(super) async fn run(&self, endpoint: &Endpoint) {
        loop {
            // Requests notice and report whether Redis answers.
            let _ = self.follow(endpoint).await;
            tokio::time::sleep(FOLLOW_AGAIN).await;
        }
    }

    /// True if everything was read once.
    pub(super) fn is_loaded(&self) -> bool {
        *self.loaded.borrow()
    }

    /// Waits until everything was read once.
    pub(super) async fn loaded(&self) {
        // The channel cannot be closed: the sender is in `self`.
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

    pub(super) fn each(&self, ids: Option<&[String]>, mut each: impl FnMut(&str, &R)) {
        let states = self.records.read().unwrap_or_else(PoisonError::into_inner);
        match ids {
            None => states.iter().for_each(|(id, known)| each(id, &known.record)),
            Some(ids) => ids.iter().for_each(|id| {
                if let Some(known) = states.get(id.as_str()) {
                    each(id, &known.record);
                }
            }),
        }
    }

    fn known(&self, id: &str) -> Versioned<R> {
        let states = self.records.read().unwrap_or_else(PoisonError::into_inner);
        states.get(id).cloned().unwrap_or_default()
    }

    fn put(&self, id: &str, new: Versioned<R>) {
        self.epoch.saw(new.version);
        let mut states = self.records.write().unwrap_or_else(PoisonError::into_inner);
        let known = states.entry(id.into()).or_default();
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
    async fn follow(&self, endpoint: &Endpoint) -> Result<Infallible, StoreError> {
        let connection = endpoint.connect().await?;
        let mut last = self.read_all(&connection).await?;
        self.loaded.send_replace(true);
        self.announce(None);
        loop {
            let mut read = cmd("XREAD");
            read.arg("COUNT").arg(1_000).arg("BLOCK").arg(BLOCK.as_millis() as u64);
            read.arg("STREAMS").arg(&self.keys.changes).arg(format!("{last}-0"));
            let answer = within(PATIENCE, connection.ask(&read)).await?;
            let mut items = Vec::new();
            for (number, fields) in changes(answer).ok_or(DAMAGED)? {
                if number != last + 1 {
                    return Err(StoreError::Failed("changes were missed".to_owned()));
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

    /// Replaces all states by those in Redis; returns the number of the last change that they include for certain.
    async fn read_all(&self, connection: &Connection) -> Result<u64, StoreError> {
        let highest = {
            let states = self.records.read().unwrap_or_else(PoisonError::into_inner);
            states.values().map(|known| known.version).max().unwrap_or(0)
        };
        let last = self.last_change(connection).await?;
        let mut read = FxHashMap::default();
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = cmd("HSCAN");
            scan.arg(&self.keys.states).arg(&cursor).arg("COUNT").arg(1_000);
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
        let mut states = self.records.write().unwrap_or_else(PoisonError::into_inner);
        // Changes made here meanwhile stay. But if Redis has fewer changes than before, it was emptied or came back
        // with older data, and its records win, unless the records outlive Redis.
        if last >= highest || R::OUTLIVES_REDIS {
            let is_kept = |version| version > last || R::OUTLIVES_REDIS;
            for (id, known) in states.drain().filter(|(_, known)| is_kept(known.version)) {
                let read = read.entry(id).or_default();
                if known.version > read.version {
                    *read = known;
                }
            }
        }
        *states = read;
        Ok(last)
    }

    /// The number of the last change.
    async fn last_change(&self, connection: &Connection) -> Result<u64, StoreError> {
        let mut newest = cmd("XREVRANGE");
        newest.arg(&self.keys.changes).arg("+").arg("-").arg("COUNT").arg(1);
        let answer = within(PATIENCE, connection.ask(&newest)).await?;
        Ok(entries(answer).ok_or(DAMAGED)?.first().map_or(0, |(number, _)| *number))
    }

    /// The records of these keys as Redis holds them now; empty records for keys without one.
    pub(super) async fn read(&self, connection: &Connection, ids: &[String]) -> Result<Vec<R>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = cmd("HMGET");
        read.arg(&self.keys.states).arg(ids);
        let stored =
            list(connection.ask(&read).await?).filter(|all| all.len() == ids.len()).ok_or(DAMAGED)?;
        let mut records = Vec::with_capacity(ids.len());
        for (id, stored) in ids.iter().zip(stored) {
            let Some(stored) = bytes(stored) else {
                records.push(R::default());
                continue;
            };
            let stored = Versioned::<R>::parse(&stored)?;
            records.push(stored.record.clone());
            self.put(id, stored);
        }
        Ok(records)
    }

    /// Applies changes; the outcomes are in their order.
    pub(super) async fn change(
        &self,
        connection: &Connection,
        changes: &[R::Change],
    ) -> Result<Vec<ChangeOutcome>, StoreError> {
        let mut outcomes = vec![ChangeOutcome::Stale; changes.len()];
        let mut pending = by_key::<R>(changes);
        pending.iter_mut().for_each(|item| item.known = self.known(item.id));
        for _ in 0..ROUNDS {
            pending.retain_mut(|item| item.compute(changes, &mut outcomes));
            if pending.is_empty() {
                return Ok(outcomes);
            }
            for part in pending.chunks_mut(SCRIPT_ITEMS) {
                let mut call = self.change.prepare_invoke();
                call.key(&self.keys.states).key(&self.keys.changes).key(self.epoch.key());
                call.arg(R::MAX).arg(CHANGES_KEPT).arg(self.epoch.floor());
                for item in part.iter() {
                    let state = serde_json::to_vec(&item.new).expect("finite numbers serialize");
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
                            self.put(item.id, Versioned { version, record: item.new.clone() });
                        }
                        Value::Int(_) => item.refuse(&mut outcomes),
                        other => {
                            let known = bytes(other).ok_or(DAMAGED)?;
                            let is_there = !known.is_empty();
                            item.known =
                                if is_there { Versioned::parse(&known)? } else { Versioned::default() };
                            item.done = false;
                        }
                    }
                }
            }
            pending.retain(|item| !item.done);
        }
        Err(StoreError::Failed("others change the same records all the time".to_owned()))
    }
}

/// A record that some rows of a call change.
struct Pending<'c, R> {
    id: &'c str,
    rows: Vec<usize>,
    known: Versioned<R>,
    new: R,
    done: bool,
}

impl<R: Replicated> Pending<'_, R> {
    /// Computes the new record from the known one and its rows; returns true if anything is new.
    fn compute(&mut self, changes: &[R::Change], outcomes: &mut [ChangeOutcome]) -> bool {
        self.new = self.known.record.clone();
        let mut any = false;
        for &row in &self.rows {
            let new = self.new.apply(&changes[row]);
            outcomes[row] = if new { ChangeOutcome::Accepted } else { ChangeOutcome::Stale };
            any |= new;
        }
        any
    }

    fn refuse(&self, outcomes: &mut [ChangeOutcome]) {
        for &row in &self.rows {
            if outcomes[row] == ChangeOutcome::Accepted {
                outcomes[row] = ChangeOutcome::Full;
            }
        }
    }
}

fn by_key<R: Replicated>(changes: &[R::Change]) -> Vec<Pending<'_, R>> {
    let mut indices: FxHashMap<&str, usize> = FxHashMap::default();
    let mut pending: Vec<Pending<'_, R>> = Vec::new();
    for (row, change) in changes.iter().enumerate() {
        let id = R::key(change);
        let n = *indices.entry(id).or_insert(pending.len());
        if n == pending.len() {
            let (known, new) = (Versioned::default(), R::default());
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
