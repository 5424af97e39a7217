//! The log of the embedded store, and forgetting by age.
//!
//! Age is measured by running time: milliseconds for which the store was open, persisted at every sweep. An *age mark*
//! records that all events below a number were received before a running time. Wall clocks are not used: one that is
//! set forward and back would free ids early, and an event sent again would count twice.

use std::ops::Range;

use super::Embedded;
use super::people::user_key;
use super::tables::{Table, Tables};
use super::writer::Group;
use crate::error::StoreError;
use crate::event::Event;
use crate::log::{EventLog, Logged, Outcome, Rewind, Sweep};
use crate::people::Name;
use crate::people::state::Mark;

/// Most events forgotten by one commit.
const SWEEP_EVENTS: usize = 4_096;
/// First byte of the key of an age mark in [`Table::Meta`], and the key of the running time.
const AGE_MARK: u8 = b'a';
const RUNNING: &[u8] = b"t";

/// Counters of the log and of its sweep.
#[derive(Debug, Clone, Default)]
pub(super) struct LogState {
    /// Number of the next event.
    pub(super) next: u64,
    /// Running time at the last sweep, and the uptime of that sweep, milliseconds.
    running_ms: i64,
    uptime_ms: i64,
    /// The key up to which the sweep has looked at people.
    pub(super) people_cursor: Vec<u8>,
}

impl LogState {
    pub(super) fn read(tables: &Tables, first: u64) -> Result<Self, StoreError> {
        let running_ms = tables.get(Table::Meta, RUNNING)?.map(|bytes| i64_from(&bytes)).transpose()?;
        let next = tables.next_number()?.max(first);
        Ok(Self { next, running_ms: running_ms.unwrap_or(0), ..Self::default() })
    }

    /// The state after the folder was opened again; a failed commit may have reached the disk all the same.
    pub(super) fn reopened(self, tables: &Tables) -> Result<Self, StoreError> {
        Ok(Self { next: tables.next_number()?.max(self.next), ..self })
    }
}

impl Embedded {
    /// The range of numbers of the stored events.
    ///
    /// # Errors
    /// The disk fails.
    pub fn numbers(&self) -> Result<Range<u64>, StoreError> {
        let tables = self.shared.tables()?;
        let Some(first) = tables.table(Table::Events).first_key_value() else { return Ok(0..0) };
        Ok(number(&first.key()?)?..tables.next_number()?)
    }

    /// Removes events, with their ids and marks: another store keeps them from now on.
    ///
    /// # Errors
    /// Some or none of them are removed.
    pub async fn remove(&self, events: Vec<Logged>) -> Result<(), StoreError> {
        let rows = events.len();
        let remove =
            move |group: &mut Group<'_>| events.iter().try_for_each(|logged| group.remove_event(logged));
        self.writer.submit(rows, remove).await
    }
}

impl EventLog for Embedded {
    async fn append(&self, events: Vec<Event>, now: i64) -> Result<Vec<Outcome>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let rows = events.len();
        let append =
            move |group: &mut Group<'_>| events.iter().map(|event| group.append_event(event, now)).collect();
        self.writer.submit(rows, append).await
    }

    async fn events(&self, from: u64, count: usize) -> Result<Vec<Logged>, StoreError> {
        self.shared.tables()?.events(from, count)
    }

    async fn next_number(&self) -> Result<u64, StoreError> {
        Ok(self.shared.tables()?.next_number()?.max(self.shared.first))
    }

    async fn len_bound(&self) -> Result<u64, StoreError> {
        let numbers = self.numbers()?;
        Ok(numbers.end - numbers.start)
    }

    async fn last_rewind(&self) -> Result<Option<Rewind>, StoreError> {
        Ok(None)
    }

    async fn sweep(&self, sweep: Sweep) -> Result<usize, StoreError> {
        let mut total = 0;
        loop {
            let swept = self.writer.submit(SWEEP_EVENTS, move |group| group.sweep(sweep)).await?;
            total += swept;
            if swept < SWEEP_EVENTS {
                return Ok(total);
            }
        }
    }
}

impl Group<'_> {
    fn append_event(&mut self, event: &Event, now: i64) -> Result<Outcome, StoreError> {
        let encoded = event.encoded();
        let fingerprint = Event::fingerprint(&encoded).to_le_bytes();
        if let Some(known) = self.get(Table::Seen, event.event_id.as_bytes())? {
            return Ok(if known == fingerprint { Outcome::Duplicate } else { Outcome::Conflict });
        }
        if let (Some(mark), Some(name)) = (Mark::of(event, now), Name::of(event)) {
            self.user(user_key(&name))?.apply(mark);
        }
        let mut record = now.to_le_bytes().to_vec();
        record.extend_from_slice(&encoded);
        self.put(Table::Events, self.log.next.to_be_bytes(), record);
        self.put(Table::Seen, event.event_id.as_str(), fingerprint);
        self.log.next += 1;
        Ok(Outcome::Accepted)
    }

    fn remove_event(&mut self, logged: &Logged) -> Result<(), StoreError> {
        let Logged { number, received_at, event } = logged;
        self.remove(Table::Events, number.to_be_bytes());
        self.remove(Table::Seen, event.event_id.as_str());
        if let (Some(mark), Some(name)) = (Mark::of(event, *received_at), Name::of(event)) {
            self.user(user_key(&name))?.remove(&mark);
        }
        Ok(())
    }

    /// Removes events older than the `ttl`, with their ids, and old marks of their users.
    fn sweep(&mut self, sweep: Sweep) -> Result<usize, StoreError> {
        let moment = sweep.now.saturating_sub(self.shared.ttl);
        let old = self.count_age(sweep.uptime_ms)?.min(sweep.keep_from);
        let mut swept = 0;
        for logged in self.tables.events(0, SWEEP_EVENTS)? {
            // The last one stays, so that its number is not given again.
            if logged.number >= old || logged.number + 1 >= self.log.next {
                break;
            }
            self.remove(Table::Events, logged.number.to_be_bytes());
            self.remove(Table::Seen, logged.event.event_id.as_str());
            if let Some(name) = Name::of(&logged.event) {
                self.user(user_key(&name))?.forget(moment);
            }
            swept += 1;
        }
        self.sweep_people(moment)?;
        Ok(swept)
    }

    /// Advances the running time and sets an age mark; returns the number below which events are older than the `ttl`.
    fn count_age(&mut self, uptime_ms: i64) -> Result<u64, StoreError> {
        let log = &mut self.log;
        log.running_ms += uptime_ms.saturating_sub(log.uptime_ms).max(0);
        log.uptime_ms = uptime_ms;
        let (next, running_ms) = (log.next, log.running_ms);
        self.put(Table::Meta, RUNNING, running_ms.to_le_bytes());
        let mark = age_mark(next);
        // An existing mark is older, and no event arrived since.
        if self.get(Table::Meta, &mark)?.is_none() {
            self.put(Table::Meta, mark, running_ms.to_le_bytes());
        }
        let mut old = None;
        for entry in self.tables.table(Table::Meta).range(age_mark(0)..=age_mark(u64::MAX)) {
            let (key, at) = entry.into_inner()?;
            if i64_from(&at)? > running_ms.saturating_sub(self.shared.ttl) {
                break;
            }
            if let Some(older) = old.replace(number(key.get(1..).unwrap_or_default())?) {
                self.remove(Table::Meta, age_mark(older));
            }
        }
        Ok(old.unwrap_or(0))
    }
}

impl Tables {
    /// The number of the next event: above every stored one.
    fn next_number(&self) -> Result<u64, StoreError> {
        let Some(last) = self.table(Table::Events).last_key_value() else { return Ok(0) };
        Ok(number(&last.key()?)?.saturating_add(1))
    }

    fn events(&self, from: u64, count: usize) -> Result<Vec<Logged>, StoreError> {
        let logged = |entry: fjall::Guard| {
            let (key, value) = entry.into_inner()?;
            read_event(&key, &value)
        };
        self.table(Table::Events).range(from.to_be_bytes()..).take(count).map(logged).collect()
    }
}

fn age_mark(number: u64) -> Vec<u8> {
    let mut key = vec![AGE_MARK];
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn i64_from(bytes: &[u8]) -> Result<i64, StoreError> {
    bytes.try_into().map(i64::from_le_bytes).map_err(|_| Table::Meta.damaged())
}

fn number(key: &[u8]) -> Result<u64, StoreError> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| Table::Events.damaged())
}

fn read_event(key: &[u8], value: &[u8]) -> Result<Logged, StoreError> {
    let damaged = Table::Events.damaged();
    let Some((received_at, event)) = value.split_first_chunk() else { return Err(damaged) };
    let Ok(event) = serde_json::from_slice(event) else { return Err(damaged) };
    Ok(Logged { number: number(key)?, received_at: i64::from_le_bytes(*received_at), event })
}
