//! Counters of the embedded store. Each call is one unit of work of the writer, so that it is atomic.
//!
//! | key in `counters` | value |
//! |---|---|
//! | `c`, counter | the [`Counter`] as JSON |
//! | `o`, counter, 0, holder | pieces of the holder, held and confirmed (8 bytes little-endian) |
//! | `r`, key of a reservation | the [`Record`] as JSON |
//! | `d`, deadline (8 bytes big-endian), key | empty: a held reservation by its deadline |
//! | `f`, time (8 bytes big-endian), key | empty: a finished reservation by the time when it is forgotten |
//! | `m`, counter, 0, number (8 bytes big-endian) | a [`Movement`] as JSON |
//! | `n`, counter | number of the next movement (8 bytes little-endian) |

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Embedded;
use super::tables::Table;
use super::writer::Group;
use crate::counters::{
    Counter, Counters, DefineOutcome, MAX_MOVEMENTS, MAX_STOCK, Movement, MovementKind, REMEMBER_MS,
    ReservationState, Reserve, ReserveOutcome,
};
use crate::error::StoreError;

/// Most reservations that one call of [`Counters::expire`] handles in one commit.
const EXPIRE: usize = 1_000;

/// A stored reservation.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    fingerprint: u64,
    holder: String,
    lines: Vec<(String, u64)>,
    until: i64,
    state: ReservationState,
}

impl Counters for Embedded {
    async fn define_counter(
        &self,
        counter: &str,
        stock: u64,
        per_holder: Option<u64>,
        now: i64,
    ) -> Result<DefineOutcome, StoreError> {
        let counter = counter.to_owned();
        self.writer.submit(1, move |group| group.define(&counter, stock, per_holder, now)).await
    }

    async fn reserve(&self, reserve: Reserve) -> Result<ReserveOutcome, StoreError> {
        self.writer.submit(reserve.lines.len(), move |group| group.reserve(&reserve)).await
    }

    async fn confirm(&self, key: &str, now: i64) -> Result<Option<ReservationState>, StoreError> {
        let key = key.to_owned();
        self.writer.submit(1, move |group| group.finish(&key, ReservationState::Confirmed, now)).await
    }

    async fn release(&self, key: &str, now: i64) -> Result<Option<ReservationState>, StoreError> {
        let key = key.to_owned();
        self.writer.submit(1, move |group| group.finish(&key, ReservationState::Released, now)).await
    }

    async fn reservation(
        &self,
        reservation: &str,
        now: i64,
    ) -> Result<Option<(ReservationState, i64)>, StoreError> {
        let tables = self.shared.tables()?;
        let record = tables.get(Table::Counters, &key(b'r', reservation))?;
        let record: Option<Record> = record.map(|bytes| decode(&bytes)).transpose()?;
        Ok(record.map(|record| (record.state.at(now, record.until), record.until)))
    }

    async fn expire(&self, now: i64) -> Result<usize, StoreError> {
        let mut total = 0;
        loop {
            let expired = self.writer.submit(EXPIRE, move |group| group.expire(now, EXPIRE)).await?;
            total += expired;
            if expired < EXPIRE {
                return Ok(total);
            }
        }
    }

    async fn counter(&self, counter: &str) -> Result<Option<Counter>, StoreError> {
        let tables = self.shared.tables()?;
        tables.get(Table::Counters, &key(b'c', counter))?.map(|bytes| decode(&bytes)).transpose()
    }

    async fn movements(&self, counter: &str) -> Result<Vec<Movement>, StoreError> {
        let tables = self.shared.tables()?;
        let range = movement_key(counter, 0)..=movement_key(counter, u64::MAX);
        tables.table(Table::Counters).range(range).map(|entry| decode(&entry.value()?)).collect()
    }
}

impl Group<'_> {
    fn define(
        &mut self,
        counter: &str,
        stock: u64,
        per_holder: Option<u64>,
        now: i64,
    ) -> Result<DefineOutcome, StoreError> {
        self.expire(now, usize::MAX)?;
        let mut state = self.read_counter(counter)?.unwrap_or_default();
        let used = state.held + state.confirmed;
        if stock < used || stock > MAX_STOCK {
            return Ok(DefineOutcome::BelowUsed { used });
        }
        (state.stock, state.per_holder) = (stock, per_holder);
        self.write_counter(counter, &state)?;
        self.note(
            counter,
            Movement { at: now, kind: MovementKind::Defined, key: String::new(), pieces: stock },
        )?;
        Ok(DefineOutcome::Defined(state))
    }

    fn reserve(&mut self, reserve: &Reserve) -> Result<ReserveOutcome, StoreError> {
        self.expire(reserve.now, usize::MAX)?;
        let fingerprint = reserve.fingerprint();
        if let Some(known) = self.reservation(&reserve.key)? {
            if known.fingerprint != fingerprint {
                return Ok(ReserveOutcome::KeyConflict);
            }
            return Ok(ReserveOutcome::Reserved { state: known.state, until: known.until, repeated: true });
        }
        // All lines are checked before any is written.
        let mut states = Vec::with_capacity(reserve.lines.len());
        for (counter, pieces) in &reserve.lines {
            let Some(state) = self.read_counter(counter)? else {
                return Ok(ReserveOutcome::Unknown { counter: counter.clone() });
            };
            if *pieces > state.available() {
                let available = state.available();
                return Ok(ReserveOutcome::SoldOut { counter: counter.clone(), available });
            }
            let owned = self.owned(counter, &reserve.holder)?;
            if let Some(limit) = state.per_holder
                && owned + pieces > limit
            {
                let left = limit.saturating_sub(owned);
                return Ok(ReserveOutcome::OverLimit { counter: counter.clone(), left });
            }
            states.push((state, owned));
        }
        for ((counter, pieces), (mut state, owned)) in reserve.lines.iter().zip(states) {
            state.held += pieces;
            self.write_counter(counter, &state)?;
            self.put(Table::Counters, owned_key(counter, &reserve.holder), (owned + pieces).to_le_bytes());
            let (at, key) = (reserve.now, reserve.key.clone());
            self.note(counter, Movement { at, kind: MovementKind::Reserved, key, pieces: *pieces })?;
        }
        let until = reserve.now.saturating_add(reserve.ttl_ms);
        let (holder, lines) = (reserve.holder.clone(), reserve.lines.clone());
        let record = Record { fingerprint, holder, lines, until, state: ReservationState::Held };
        self.put(Table::Counters, key(b'r', &reserve.key), encode(&record)?);
        self.put(Table::Counters, time_key(b'd', until, &reserve.key), Vec::new());
        Ok(ReserveOutcome::Reserved { state: ReservationState::Held, until, repeated: false })
    }

    /// Ends a held reservation in `state`; returns its state afterwards.
    fn finish(
        &mut self,
        reservation: &str,
        state: ReservationState,
        now: i64,
    ) -> Result<Option<ReservationState>, StoreError> {
        self.expire(now, usize::MAX)?;
        self.end(reservation, state, now)
    }

    fn end(
        &mut self,
        reservation: &str,
        state: ReservationState,
        now: i64,
    ) -> Result<Option<ReservationState>, StoreError> {
        let Some(mut record) = self.reservation(reservation)? else { return Ok(None) };
        if record.state != ReservationState::Held {
            return Ok(Some(record.state));
        }
        let kind = match state {
            ReservationState::Confirmed => MovementKind::Confirmed,
            ReservationState::Released => MovementKind::Released,
            _ => MovementKind::Expired,
        };
        for (counter, pieces) in &record.lines {
            let mut known = self.read_counter(counter)?.ok_or(Table::Counters.damaged())?;
            known.held = known.held.checked_sub(*pieces).ok_or(Table::Counters.damaged())?;
            if state == ReservationState::Confirmed {
                known.confirmed += pieces;
            } else {
                let owned = self.owned(counter, &record.holder)?.saturating_sub(*pieces);
                match owned {
                    0 => self.remove(Table::Counters, owned_key(counter, &record.holder)),
                    owned => {
                        self.put(Table::Counters, owned_key(counter, &record.holder), owned.to_le_bytes())
                    }
                }
            }
            self.write_counter(counter, &known)?;
            self.note(counter, Movement { at: now, kind, key: reservation.to_owned(), pieces: *pieces })?;
        }
        self.remove(Table::Counters, time_key(b'd', record.until, reservation));
        let forgotten = now.max(record.until).saturating_add(REMEMBER_MS);
        self.put(Table::Counters, time_key(b'f', forgotten, reservation), Vec::new());
        record.state = state;
        self.put(Table::Counters, key(b'r', reservation), encode(&record)?);
        Ok(Some(state))
    }

    /// Expires at most `count` reservations whose deadline has passed, and forgets as many old keys.
    fn expire(&mut self, now: i64, count: usize) -> Result<usize, StoreError> {
        let due = self.due(b'd', now, count)?;
        for (_, reservation) in &due {
            self.end(reservation, ReservationState::Expired, now)?;
        }
        for (entry, reservation) in self.due(b'f', now, count)? {
            self.remove(Table::Counters, key(b'r', &reservation));
            self.remove(Table::Counters, entry);
        }
        Ok(due.len())
    }

    /// Entries of a time index up to `now`: the key of the entry, and that of the reservation.
    fn due(&self, index: u8, now: i64, count: usize) -> Result<Vec<(Vec<u8>, String)>, StoreError> {
        let (from, to) = (time_key(index, 0, ""), time_key(index, now.saturating_add(1), ""));
        let staged = self.staged(Table::Counters);
        let mut entries: Vec<Vec<u8>> = staged
            .iter()
            .filter(|(key, value)| value.is_some() && **key >= from && **key < to)
            .map(|(key, _)| key.clone())
            .collect();
        for entry in
            self.tables.table(Table::Counters).range(from..to).take(count.saturating_add(staged.len()))
        {
            let key = entry.key()?.to_vec();
            if !staged.contains_key(&key) {
                entries.push(key);
            }
        }
        entries.sort_unstable();
        entries.truncate(count);
        let reservation = |key: Vec<u8>| {
            let name = String::from_utf8(key.get(9..).unwrap_or_default().to_vec());
            Ok((key, name.map_err(|_| Table::Counters.damaged())?))
        };
        entries.into_iter().map(reservation).collect()
    }

    fn read_counter(&self, counter: &str) -> Result<Option<Counter>, StoreError> {
        self.get(Table::Counters, &key(b'c', counter))?.map(|bytes| decode(&bytes)).transpose()
    }

    fn write_counter(&mut self, counter: &str, state: &Counter) -> Result<(), StoreError> {
        self.put(Table::Counters, key(b'c', counter), encode(state)?);
        Ok(())
    }

    fn reservation(&self, reservation: &str) -> Result<Option<Record>, StoreError> {
        self.get(Table::Counters, &key(b'r', reservation))?.map(|bytes| decode(&bytes)).transpose()
    }

    fn owned(&self, counter: &str, holder: &str) -> Result<u64, StoreError> {
        self.number(&owned_key(counter, holder))
    }

    fn number(&self, key: &[u8]) -> Result<u64, StoreError> {
        let Some(bytes) = self.get(Table::Counters, key)? else { return Ok(0) };
        bytes.try_into().map(u64::from_le_bytes).map_err(|_| Table::Counters.damaged())
    }

    /// Appends to a counter's history.
    fn note(&mut self, counter: &str, movement: Movement) -> Result<(), StoreError> {
        let next_key = key(b'n', counter);
        let next = self.number(&next_key)?;
        self.put(Table::Counters, movement_key(counter, next), encode(&movement)?);
        self.put(Table::Counters, next_key, (next + 1).to_le_bytes());
        if let Some(old) = next.checked_sub(MAX_MOVEMENTS as u64) {
            self.remove(Table::Counters, movement_key(counter, old));
        }
        Ok(())
    }
}

fn key(letter: u8, name: &str) -> Vec<u8> {
    [&[letter], name.as_bytes()].concat()
}

fn owned_key(counter: &str, holder: &str) -> Vec<u8> {
    [b"o", counter.as_bytes(), &[0], holder.as_bytes()].concat()
}

fn movement_key(counter: &str, number: u64) -> Vec<u8> {
    [b"m", counter.as_bytes(), &[0], &number.to_be_bytes()].concat()
}

fn time_key(letter: u8, at: i64, reservation: &str) -> Vec<u8> {
    [&[letter], &at.max(0).to_be_bytes()[..], reservation.as_bytes()].concat()
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|_| Table::Counters.damaged())
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|_| Table::Counters.damaged())
}
