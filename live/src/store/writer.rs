//! The one thread that writes to an embedded store: it gathers what waits, commits it by one wait for the
//! disk, and only then answers.

use std::sync::PoisonError;

use fjall::{OwnedWriteBatch, PersistMode};
use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot};

use super::embedded::{Items, Tables, user_key};
use super::{ItemOutcome, Logged, MAX_IDENTITIES, MAX_ITEMS, Name, Outcome, StoreError, people};
use crate::event::Event;
use crate::identity::forget::forget;
use crate::identity::{
    LinkOutcome, LinkRequest, Records, Refusal, Resolved, Stop, UndoOutcome, UndoRequest, link, undo,
};
use crate::item::{ItemChange, ItemState};
use crate::user::{Mark, UserState};

/// Rows that are committed together at most; the group is closed by the first work that reaches it.
const GROUP_ROWS: usize = 8_192;
/// Events forgotten by one commit at most.
pub(super) const SWEEP_EVENTS: usize = 4_096;
/// User ids that are looked at by one sweep.
const SWEEP_PEOPLE: usize = 4_096;

/// Under which key the number of identities is.
const IDENTITIES: &[u8] = b"n";

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;
/// Answers one caller when it is known how the commit ended.
type Answer = Box<dyn FnOnce(Result<(), StoreError>)>;

/// Something to write.
pub(super) enum Work {
    /// Events received at `now`.
    Append { events: Vec<Event>, now: i64, reply: Reply<Vec<Outcome>> },
    /// Names that are one person's.
    Link { request: LinkRequest, reply: Reply<Result<LinkOutcome, Refusal>> },
    /// A merge to be taken back.
    Undo { request: UndoRequest, reply: Reply<UndoOutcome> },
    /// News of items.
    ChangeItems { changes: Vec<ItemChange>, reply: Reply<Vec<ItemOutcome>> },
    /// Forget what is older than the `ttl` at `now`.
    Sweep { now: i64, reply: Reply<usize> },
    /// Take these events out.
    Remove { events: Vec<Logged>, reply: Reply<()> },
}

/// Writes until everyone who could send work is gone.
pub(super) fn run(mut work: mpsc::Receiver<Work>, tables: Tables, items: Items, next: u64, ttl: i64) {
    let (mut next, mut looked_at) = (next, Vec::new());
    while let Some(first) = work.blocking_recv() {
        let mut group = Group::new(&tables, &items, next, ttl);
        group.looked_at = std::mem::take(&mut looked_at);
        group.add(first);
        while group.rows < GROUP_ROWS
            && let Ok(more) = work.try_recv()
        {
            group.add(more);
        }
        next = group.next;
        looked_at = std::mem::take(&mut group.looked_at);
        group.commit();
    }
}

/// What is committed together. Later work of a group sees what earlier work of it does.
struct Group<'t> {
    tables: &'t Tables,
    items: &'t Items,
    ttl: i64,
    next: u64,
    rows: usize,
    batch: OwnedWriteBatch,
    /// Fingerprints of this group's events, by id.
    seen: FxHashMap<Box<str>, u128>,
    users: FxHashMap<Vec<u8>, UserState>,
    changed: FxHashMap<Box<str>, ItemState>,
    /// Records of One-ID that this group wrote; `None` took one away.
    people: FxHashMap<Vec<u8>, Option<Vec<u8>>>,
    /// Up to which key the sweep has looked at people.
    looked_at: Vec<u8>,
    /// Sends each its answer, or the error that the commit ended in.
    replies: Vec<Answer>,
}

impl<'t> Group<'t> {
    fn new(tables: &'t Tables, items: &'t Items, next: u64, ttl: i64) -> Self {
        Self {
            tables,
            items,
            ttl,
            next,
            rows: 0,
            batch: tables.db.batch().durability(Some(PersistMode::SyncData)),
            seen: FxHashMap::default(),
            users: FxHashMap::default(),
            changed: FxHashMap::default(),
            people: FxHashMap::default(),
            looked_at: Vec::new(),
            replies: Vec::new(),
        }
    }

    fn add(&mut self, work: Work) {
        match work {
            Work::Append { events, now, reply } => {
                self.rows += events.len();
                let outcomes = events.iter().map(|event| self.append(event, now)).collect();
                self.answer(reply, outcomes);
            }
            Work::Link { request, reply } => {
                self.rows += 1;
                let outcome = self.settle(|records| link(records, &request));
                self.answer(reply, outcome);
            }
            Work::Undo { request, reply } => {
                self.rows += 1;
                // It refuses nothing.
                let outcome = self.settle(|records| undo(records, &request));
                self.answer(reply, outcome.map(|outcome| outcome.unwrap_or(UndoOutcome::Unchanged)));
            }
            Work::ChangeItems { changes, reply } => {
                self.rows += changes.len();
                let outcomes = Ok(changes.iter().map(|change| self.change_item(change)).collect());
                self.answer(reply, outcomes);
            }
            Work::Sweep { now, reply } => {
                self.rows += SWEEP_EVENTS;
                let swept = self.sweep(now);
                self.answer(reply, swept);
            }
            Work::Remove { events, reply } => {
                self.rows += events.len();
                let removed = events.iter().try_for_each(|logged| self.remove(logged));
                self.answer(reply, removed);
            }
        }
    }

    /// Keeps the answer back until the group is on disk.
    fn answer<T: 'static>(&mut self, reply: Reply<T>, answer: Result<T, StoreError>) {
        // Who asked may be gone by then; what they asked for is done all the same.
        self.replies.push(Box::new(move |committed| drop(reply.send(committed.and(answer)))));
    }

    fn append(&mut self, event: &Event, now: i64) -> Result<Outcome, StoreError> {
        let encoded = event.encoded();
        let fingerprint = Event::fingerprint(&encoded);
        if let Some(known) = self.known(&event.event_id)? {
            return Ok(if known == fingerprint { Outcome::Duplicate } else { Outcome::Conflict });
        }
        if let (Some(mark), Some(name)) = (Mark::of(event, now), Name::of(event)) {
            self.user(user_key(&name))?.apply(mark);
        }
        let mut record = now.to_le_bytes().to_vec();
        record.extend_from_slice(&encoded);
        self.batch.insert(&self.tables.events, self.next.to_be_bytes(), record);
        self.batch.insert(&self.tables.seen, event.event_id.as_str(), fingerprint.to_le_bytes());
        self.seen.insert(event.event_id.as_str().into(), fingerprint);
        self.next += 1;
        Ok(Outcome::Accepted)
    }

    /// The fingerprint of the event that has this id, if one does.
    fn known(&self, event_id: &str) -> Result<Option<u128>, StoreError> {
        if let Some(&fingerprint) = self.seen.get(event_id) {
            return Ok(Some(fingerprint));
        }
        let Some(bytes) = self.tables.seen.get(event_id)? else { return Ok(None) };
        let bytes = bytes.as_ref().try_into().map_err(|_| StoreError::Damaged { table: "seen" })?;
        Ok(Some(u128::from_le_bytes(bytes)))
    }

    /// The state under a key, to be changed.
    fn user(&mut self, key: Vec<u8>) -> Result<&mut UserState, StoreError> {
        use std::collections::hash_map::Entry;
        match self.users.entry(key) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let state = self.tables.user(entry.key())?;
                Ok(entry.insert(state))
            }
        }
    }

    /// Follows a rule of One-ID, and keeps what it wants written.
    fn settle<T>(
        &mut self,
        rule: impl FnMut(&mut Records) -> Result<T, Stop>,
    ) -> Result<Result<T, Refusal>, StoreError> {
        let (outcome, records) = people::try_run(rule, |key| self.record(key))?;
        match self.keep(&records)? {
            true => Ok(outcome),
            false => Ok(Err(Refusal::Full)),
        }
    }

    /// A record of One-ID, as this group leaves it.
    fn record(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.people.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.tables.record(key),
        }
    }

    /// Takes over what a rule wants written; false, and nothing of it, where there would be too many identities.
    fn keep(&mut self, records: &Records) -> Result<bool, StoreError> {
        let growth = records.growth();
        if growth != 0 {
            let damaged = |_| StoreError::Damaged { table: "people" };
            let count = self
                .record(IDENTITIES)?
                .map(|bytes| bytes.try_into().map(u64::from_le_bytes).map_err(damaged));
            let count = count.transpose()?.unwrap_or(0).saturating_add_signed(growth);
            if growth > 0 && count > MAX_IDENTITIES {
                return Ok(false);
            }
            self.people.insert(IDENTITIES.to_vec(), Some(count.to_le_bytes().to_vec()));
        }
        let written = records.written().map(|(key, value)| (key.encoded(), value.map(<[u8]>::to_vec)));
        self.people.extend(written);
        Ok(true)
    }

    fn change_item(&mut self, change: &ItemChange) -> ItemOutcome {
        let id = change.item_id.as_str();
        let mut state = match self.changed.get(id) {
            Some(state) => *state,
            None => {
                let items = self.items.read().unwrap_or_else(PoisonError::into_inner);
                let known = items.get(id).copied();
                if known.is_none() && items.len() + self.changed.len() >= MAX_ITEMS {
                    return ItemOutcome::Full;
                }
                known.unwrap_or_default()
            }
        };
        if !state.merge(&change.state) {
            return ItemOutcome::Stale;
        }
        self.changed.insert(id.into(), state);
        ItemOutcome::Accepted
    }

    /// Forgets the oldest events, as far as they are older than the `ttl`, their ids, and what they left in
    /// their users' states.
    fn sweep(&mut self, now: i64) -> Result<usize, StoreError> {
        let moment = now.saturating_sub(self.ttl);
        let mut swept = 0;
        for logged in self.tables.log(0, SWEEP_EVENTS)? {
            // The last one stays, so that its number is not given again.
            if logged.received_at > moment || logged.number + 1 >= self.next {
                break;
            }
            self.batch.remove(&self.tables.events, logged.number.to_be_bytes());
            self.batch.remove(&self.tables.seen, logged.event.event_id.as_str());
            if let Some(name) = Name::of(&logged.event) {
                self.user(user_key(&name))?.forget(moment);
            }
            swept += 1;
        }
        self.sweep_people(moment)?;
        Ok(swept)
    }

    /// Takes an event out, with its id and its mark.
    fn remove(&mut self, logged: &Logged) -> Result<(), StoreError> {
        let Logged { number, received_at, event } = logged;
        self.batch.remove(&self.tables.events, number.to_be_bytes());
        self.batch.remove(&self.tables.seen, event.event_id.as_str());
        if let (Some(mark), Some(name)) = (Mark::of(event, *received_at), Name::of(event)) {
            self.user(user_key(&name))?.remove(&mark);
        }
        Ok(())
    }

    /// Forgets anonymous people of whom nothing was heard since `moment`, among the next of all people in turn.
    fn sweep_people(&mut self, moment: i64) -> Result<(), StoreError> {
        let from =
            if self.looked_at.is_empty() { b"u".to_vec() } else { std::mem::take(&mut self.looked_at) };
        let mut user_ids = Vec::new();
        for entry in self.tables.people.range(from..b"v".to_vec()).take(SWEEP_PEOPLE) {
            let key = entry.key()?;
            user_ids.push(
                String::from_utf8(key[1..].to_vec()).map_err(|_| StoreError::Damaged { table: "people" })?,
            );
        }
        // Where there are fewer, the next sweep begins anew.
        if let (SWEEP_PEOPLE, Some(last)) = (user_ids.len(), user_ids.last()) {
            self.looked_at = format!("u{last}\0").into_bytes();
        }
        for user_id in user_ids {
            let silent = |names: &Option<Resolved>| match names {
                Some(names) => self.is_silent(names),
                None => Ok(false),
            };
            let (names, records) = people::run(|r| forget(r, &user_id, moment), |key| self.record(key))?;
            if silent(&names)? {
                self.keep(&records)?;
            }
        }
        Ok(())
    }

    /// Whether nothing is known under any of these names.
    fn is_silent(&self, names: &Resolved) -> Result<bool, StoreError> {
        for name in names.names() {
            let key = user_key(&name);
            let known = match self.users.get(&key) {
                Some(state) => !state.is_empty(),
                None => self.tables.users.contains_key(&key)?,
            };
            if known {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes it all, waits for the disk, and answers.
    fn commit(mut self) {
        for (key, state) in self.users.drain() {
            match state.is_empty() {
                true => self.batch.remove(&self.tables.users, key),
                false => self.batch.insert(&self.tables.users, key, state.encoded()),
            }
        }
        for (key, record) in self.people.drain() {
            match record {
                None => self.batch.remove(&self.tables.people, key),
                Some(record) => self.batch.insert(&self.tables.people, key, record),
            }
        }
        for (id, state) in &self.changed {
            let encoded = serde_json::to_vec(state).expect("finite numbers serialise");
            self.batch.insert(&self.tables.items, id.as_bytes(), encoded);
        }
        let committed = self.batch.commit().map_err(StoreError::from);
        if committed.is_ok() && !self.changed.is_empty() {
            self.items.write().unwrap_or_else(PoisonError::into_inner).extend(self.changed);
        }
        for reply in self.replies {
            reply(committed.clone());
        }
    }
}
