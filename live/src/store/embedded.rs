//! The embedded store: fjall, a log-structured key-value store in a folder of its own.
//!
//! | table | key | value |
//! |---|---|---|
//! | `events` | number, 8 bytes big-endian | when received (8 bytes, little-endian milliseconds), the event as JSON |
//! | `seen` | event id | fingerprint of the event, 16 bytes |
//! | `users` | `u` + user id, `s` + session id, or `i` + number of the type + value of an identity | the encoded [`UserState`] |
//! | `people` | as [`identity::records`](crate::identity::records) says; `n` | records of One-ID; how many identities there are |
//! | `items` | item id | the [`ItemState`] as JSON |
//!
//! One thread writes. What arrives while it waits for the disk is committed together, by one more wait: the
//! rate of events is bounded by their number in a group, not by the disk's patience. Reads go past it.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot};

use super::people;
use super::writer::{self, Work};
use super::{ItemOutcome, Known, Logged, Name, Outcome, Store, StoreError};
use crate::event::Event;
use crate::identity::resolve::{describe, resolve};
use crate::identity::{Described, Key, LinkOutcome, LinkRequest, Refusal, UndoOutcome, UndoRequest};
use crate::item::{ItemChange, ItemState};
use crate::user::UserState;

/// Appends that wait for the writer; more wait for a place.
const QUEUE: usize = 1_024;
/// Memory for blocks of the tables, in bytes.
const CACHE_BYTES: u64 = 64 << 20;
/// A table is written out when it has this many bytes in memory: what is not written out yet is read back
/// from the journal at the start.
const MEMTABLE_BYTES: u64 = 8 << 20;
/// Journal that is kept at most, in bytes.
const JOURNAL_BYTES: u64 = 64 << 20;

/// The items' states in memory.
pub(super) type Items = Arc<RwLock<FxHashMap<Box<str>, ItemState>>>;

/// A store in a folder. Dropping it waits until what was sent is written.
pub struct Embedded {
    tables: Tables,
    items: Items,
    ttl: i64,
    /// The least number of the next event.
    first: u64,
    /// Taken when the store is dropped.
    queue: Option<mpsc::Sender<Work>>,
    writer: Option<JoinHandle<()>>,
}

/// The tables, as the writer and the readers share them.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) db: Database,
    pub(super) events: Keyspace,
    pub(super) seen: Keyspace,
    pub(super) users: Keyspace,
    pub(super) items: Keyspace,
    pub(super) people: Keyspace,
}

impl Embedded {
    /// Opens the store in `folder`, which is made if it is not there. What is older than `ttl` milliseconds is
    /// forgotten.
    ///
    /// # Errors
    /// The folder cannot be used, is in use by another process, or holds what is no store.
    pub fn open(folder: &Path, ttl: i64) -> Result<Self, StoreError> {
        Self::open_from(folder, ttl, 0)
    }

    /// The same, with events numbered from `first` on at least: where the folder was removed, what comes now
    /// is not taken for what was drained before.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_from(folder: &Path, ttl: i64, first: u64) -> Result<Self, StoreError> {
        let tables = Tables::open(folder)?;
        let items: Items = Arc::new(RwLock::new(tables.all_items()?));
        let next = tables.next_number()?.max(first);
        let (queue, work) = mpsc::channel(QUEUE);
        let (own, shared) = (tables.clone(), Arc::clone(&items));
        let writer = std::thread::Builder::new()
            .name("live-writer".to_owned())
            .spawn(move || writer::run(work, own, shared, next, ttl))
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Self { tables, items, ttl, first, queue: Some(queue), writer: Some(writer) })
    }

    /// The numbers of the events that it holds.
    ///
    /// # Errors
    /// The disk fails.
    pub fn numbers(&self) -> Result<Range<u64>, StoreError> {
        let Some(first) = self.tables.events.first_key_value() else { return Ok(0..0) };
        Ok(number(&first.key()?)?..self.tables.next_number()?)
    }

    /// Takes events out, with their ids and what they say of their users: they are kept elsewhere from now on.
    ///
    /// # Errors
    /// Some or none of them are out.
    pub async fn remove(&self, events: Vec<Logged>) -> Result<(), StoreError> {
        self.ask(|reply| Work::Remove { events, reply }).await
    }

    /// Sends the writer something to do, and waits for its answer.
    async fn ask<T>(
        &self,
        work: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Work,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(work(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // A panic in it was reported by the panic hook.
            let _ = writer.join();
        }
    }
}

impl Store for Embedded {
    async fn load(&self, names: &[Name<'_>], now: i64) -> Result<Known, StoreError> {
        let resolved = people::run(|records| resolve(records, names), |key| self.tables.record(key))?.0;
        let mut state = UserState::default();
        for name in resolved.names() {
            let known = self.tables.user(&user_key(&name))?;
            // The usual case is one name: nothing to merge.
            if state.is_empty() { state = known } else { state.merge(known) }
        }
        state.forget(now.saturating_sub(self.ttl));
        Ok(Known { user_ids: resolved.user_ids, state, partial: false })
    }

    async fn append(&self, events: Vec<Event>, now: i64) -> Result<Vec<Outcome>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(|reply| Work::Append { events, now, reply }).await
    }

    async fn link(&self, request: LinkRequest) -> Result<Result<LinkOutcome, Refusal>, StoreError> {
        self.ask(|reply| Work::Link { request, reply }).await
    }

    async fn undo(&self, request: UndoRequest) -> Result<UndoOutcome, StoreError> {
        self.ask(|reply| Work::Undo { request, reply }).await
    }

    async fn person(&self, user_id: &str, now: i64) -> Result<Described, StoreError> {
        let ran = people::run(|records| describe(records, user_id, now), |key| self.tables.record(key));
        ran.map(|(described, _)| described)
    }

    async fn change_items(&self, changes: Vec<ItemChange>) -> Result<Vec<ItemOutcome>, StoreError> {
        self.ask(|reply| Work::ChangeItems { changes, reply }).await
    }

    fn each_item(&self, ids: Option<&[String]>, mut each: impl FnMut(&str, &ItemState)) {
        let items = self.items.read().unwrap_or_else(PoisonError::into_inner);
        match ids {
            None => items.iter().for_each(|(id, state)| each(id, state)),
            Some(ids) => ids.iter().for_each(|id| {
                if let Some(state) = items.get(id.as_str()) {
                    each(id, state);
                }
            }),
        }
    }

    async fn log(&self, from: u64, count: usize) -> Result<Vec<Logged>, StoreError> {
        self.tables.log(from, count)
    }

    async fn next_number(&self) -> Result<u64, StoreError> {
        Ok(self.tables.next_number()?.max(self.first))
    }

    async fn sweep(&self, now: i64) -> Result<usize, StoreError> {
        let mut total = 0;
        loop {
            let swept = self.ask(|reply| Work::Sweep { now, reply }).await?;
            total += swept;
            if swept < writer::SWEEP_EVENTS {
                return Ok(total);
            }
        }
    }
}

impl Tables {
    fn open(folder: &Path) -> Result<Self, StoreError> {
        let db = Database::builder(folder)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            .open()?;
        let table = |name: &str| {
            db.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES))
        };
        let (events, seen, users) = (table("events")?, table("seen")?, table("users")?);
        let (items, people) = (table("items")?, table("people")?);
        Ok(Self { db, events, seen, users, items, people })
    }

    /// A record of One-ID.
    pub(super) fn record(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.people.get(key)?.map(|value| value.to_vec()))
    }

    /// The state under a key; empty where there is none.
    pub(super) fn user(&self, key: &[u8]) -> Result<UserState, StoreError> {
        match self.users.get(key)? {
            Some(bytes) => UserState::decode(&bytes).map_err(|_| StoreError::Damaged { table: "users" }),
            None => Ok(UserState::default()),
        }
    }

    fn all_items(&self) -> Result<FxHashMap<Box<str>, ItemState>, StoreError> {
        let damaged = || StoreError::Damaged { table: "items" };
        let mut items = FxHashMap::default();
        for entry in self.items.iter() {
            let (id, state) = entry.into_inner()?;
            let id = std::str::from_utf8(&id).map_err(|_| damaged())?;
            items.insert(id.into(), serde_json::from_slice(&state).map_err(|_| damaged())?);
        }
        Ok(items)
    }

    /// The number that the next event gets: above every one that was given.
    fn next_number(&self) -> Result<u64, StoreError> {
        let Some(last) = self.events.last_key_value() else { return Ok(0) };
        Ok(number(&last.key()?)?.saturating_add(1))
    }

    pub(super) fn log(&self, from: u64, count: usize) -> Result<Vec<Logged>, StoreError> {
        let logged = |entry: fjall::Guard| {
            let (key, value) = entry.into_inner()?;
            read_event(&key, &value)
        };
        self.events.range(from.to_be_bytes()..).take(count).map(logged).collect()
    }
}

fn number(key: &[u8]) -> Result<u64, StoreError> {
    let bytes = key.try_into().map_err(|_| StoreError::Damaged { table: "events" })?;
    Ok(u64::from_be_bytes(bytes))
}

fn read_event(key: &[u8], value: &[u8]) -> Result<Logged, StoreError> {
    let damaged = StoreError::Damaged { table: "events" };
    let Some((received_at, event)) = value.split_first_chunk() else { return Err(damaged) };
    let Ok(event) = serde_json::from_slice(event) else { return Err(damaged) };
    Ok(Logged { number: number(key)?, received_at: i64::from_le_bytes(*received_at), event })
}

/// The key of a name in `users`.
pub(super) fn user_key(name: &Name<'_>) -> Vec<u8> {
    let (kind, id) = match name {
        Name::User(id) => (b'u', id),
        Name::Session(id) => (b's', id),
        Name::Identity(identity) => return Key::Identity((*identity).clone()).encoded(),
    };
    let mut key = Vec::with_capacity(1 + id.len());
    key.push(kind);
    key.extend_from_slice(id.as_bytes());
    key
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
