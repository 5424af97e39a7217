//! Counters in Redis: one script for everything that changes them, so that each call is atomic. All counters of a shop
//! share a slot, because a reservation may span several.
//!
//! | key after `{qm:<shop>:counters}` | type | holds |
//! |---|---|---|
//! | `:counter:<name>` | hash | `stock`, `held`, `confirmed`, `limit` of a holder |
//! | `:owners:<name>` | hash | by holder: their pieces, held and confirmed |
//! | `:reservation:<key>` | hash | `state`, `holder`, `lines`, `fingerprint`, `until` |
//! | `:due` | sorted set | keys of held reservations, scored by their deadline |
//! | `:movements:<name>` | stream | the latest movements |

use redis::{Script, Value, cmd};

use super::connection::{bytes, entries_of, list, number, text, within};
use super::{PATIENCE, Redis};
use crate::counters::{
    Counter, Counters, DefineOutcome, MAX_MOVEMENTS, MAX_STOCK, Movement, MovementKind, REMEMBER_MS,
    ReservationState, Reserve, ReserveOutcome,
};
use crate::error::StoreError;

/// Most reservations that one call of the script expires.
const EXPIRE: usize = 1_000;
const DAMAGED: StoreError = StoreError::Damaged { table: "counters" };

/// The script of the counters.
pub(super) fn script() -> Script {
    Script::new(include_str!("counters.lua"))
}

impl Redis {
    /// Runs one operation of the script.
    async fn count(&self, operation: &str, now: i64, arguments: &[String]) -> Result<Value, StoreError> {
        let links = self.links()?;
        let mut call = self.counters.prepare_invoke();
        call.key(&self.keys.counters)
            .arg(operation)
            .arg(now)
            .arg(MAX_MOVEMENTS)
            .arg(REMEMBER_MS)
            .arg(arguments);
        within(self.options.write_timeout, links.write.invoke(&call)).await
    }

    async fn finish(&self, key: &str, state: &str, now: i64) -> Result<Option<ReservationState>, StoreError> {
        let answer = words(self.count("finish", now, &[key.to_owned(), state.to_owned()]).await?)?;
        match answer.first().map(String::as_str) {
            Some("unknown") => Ok(None),
            Some(state) => read_state(state).map(Some),
            None => Err(DAMAGED),
        }
    }
}

impl Counters for Redis {
    async fn define_counter(
        &self,
        counter: &str,
        stock: u64,
        per_holder: Option<u64>,
        now: i64,
    ) -> Result<DefineOutcome, StoreError> {
        let limit = per_holder.map_or_else(String::new, |limit| limit.to_string());
        let stock = stock.min(MAX_STOCK).to_string();
        let answer = words(self.count("define", now, &[counter.to_owned(), stock, limit]).await?)?;
        let number = |n: usize| answer.get(n).and_then(|word| word.parse().ok()).ok_or(DAMAGED);
        match answer.first().map(String::as_str) {
            Some("below") => Ok(DefineOutcome::BelowUsed { used: number(1)? }),
            Some("defined") => Ok(DefineOutcome::Defined(Counter {
                stock: number(1)?,
                per_holder,
                held: number(3)?,
                confirmed: number(4)?,
            })),
            _ => Err(DAMAGED),
        }
    }

    async fn reserve(&self, reserve: Reserve) -> Result<ReserveOutcome, StoreError> {
        let until = reserve.now.saturating_add(reserve.ttl_ms);
        let lines = serde_json::to_string(&reserve.lines).map_err(|_| DAMAGED)?;
        let fingerprint = reserve.fingerprint().to_string();
        let arguments = [reserve.key, reserve.holder, fingerprint, until.to_string(), lines];
        let answer = words(self.count("reserve", reserve.now, &arguments).await?)?;
        let word = |n: usize| answer.get(n).map(String::as_str).ok_or(DAMAGED);
        let number = |n: usize| word(n)?.parse::<u64>().map_err(|_| DAMAGED);
        let counter = || word(1).map(str::to_owned);
        match word(0)? {
            "reserved" => Ok(ReserveOutcome::Reserved {
                state: read_state(word(1)?)?,
                until: word(2)?.parse().map_err(|_| DAMAGED)?,
                repeated: word(3)? == "1",
            }),
            "conflict" => Ok(ReserveOutcome::KeyConflict),
            "unknown" => Ok(ReserveOutcome::Unknown { counter: counter()? }),
            "sold_out" => Ok(ReserveOutcome::SoldOut { counter: counter()?, available: number(2)? }),
            "over_limit" => Ok(ReserveOutcome::OverLimit { counter: counter()?, left: number(2)? }),
            _ => Err(DAMAGED),
        }
    }

    async fn confirm(&self, key: &str, now: i64) -> Result<Option<ReservationState>, StoreError> {
        self.finish(key, "confirmed", now).await
    }

    async fn release(&self, key: &str, now: i64) -> Result<Option<ReservationState>, StoreError> {
        self.finish(key, "released", now).await
    }

    async fn reservation(&self, key: &str, now: i64) -> Result<Option<(ReservationState, i64)>, StoreError> {
        let links = self.links()?;
        let mut read = cmd("HMGET");
        read.arg(format!("{}:reservation:{key}", self.keys.counters)).arg("state").arg("until");
        let fields = list(within(PATIENCE, links.read.ask(&read)).await?).ok_or(DAMAGED)?;
        let fields: Vec<Option<String>> = fields.into_iter().map(text).collect();
        let [Some(state), Some(until)] = fields.as_slice() else { return Ok(None) };
        let until = until.parse().map_err(|_| DAMAGED)?;
        Ok(Some((read_state(state)?.at(now, until), until)))
    }

    async fn expire(&self, now: i64) -> Result<usize, StoreError> {
        let mut total = 0;
        loop {
            let expired = number(self.count("expire", now, &[EXPIRE.to_string()]).await?).ok_or(DAMAGED)?;
            let expired = usize::try_from(expired).unwrap_or(0);
            total += expired;
            if expired < EXPIRE {
                return Ok(total);
            }
        }
    }

    async fn counter(&self, counter: &str) -> Result<Option<Counter>, StoreError> {
        let links = self.links()?;
        let mut read = cmd("HMGET");
        read.arg(format!("{}:counter:{counter}", self.keys.counters));
        read.arg("stock").arg("held").arg("confirmed").arg("limit");
        let fields = list(within(PATIENCE, links.read.ask(&read)).await?).ok_or(DAMAGED)?;
        let fields: Vec<Option<u64>> = fields.into_iter().map(|field| text(field)?.parse().ok()).collect();
        match fields.as_slice() {
            [Some(stock), Some(held), Some(confirmed), per_holder] => {
                let (stock, held, confirmed, per_holder) = (*stock, *held, *confirmed, *per_holder);
                Ok(Some(Counter { stock, per_holder, held, confirmed }))
            }
            _ => Ok(None),
        }
    }

    async fn movements(&self, counter: &str) -> Result<Vec<Movement>, StoreError> {
        let links = self.links()?;
        let mut latest = cmd("XREVRANGE");
        latest.arg(format!("{}:movements:{counter}", self.keys.counters)).arg("+").arg("-");
        latest.arg("COUNT").arg(MAX_MOVEMENTS);
        let entries = entries_of(within(PATIENCE, links.read.ask(&latest)).await?).ok_or(DAMAGED)?;
        entries.into_iter().rev().map(|fields| read_movement(fields).ok_or(DAMAGED)).collect()
    }
}

fn read_movement(fields: Vec<Value>) -> Option<Movement> {
    let [at, kind, key, pieces] = <[Value; 4]>::try_from(fields).ok()?;
    let kind = match text(kind)?.as_str() {
        "defined" => MovementKind::Defined,
        "reserved" => MovementKind::Reserved,
        "confirmed" => MovementKind::Confirmed,
        "released" => MovementKind::Released,
        "expired" => MovementKind::Expired,
        _ => return None,
    };
    let pieces = u64::try_from(number(pieces)?).ok()?;
    Some(Movement { at: number(at)?, kind, key: text(key)?, pieces })
}

fn read_state(state: &str) -> Result<ReservationState, StoreError> {
    match state {
        "held" => Ok(ReservationState::Held),
        "confirmed" => Ok(ReservationState::Confirmed),
        "released" => Ok(ReservationState::Released),
        "expired" => Ok(ReservationState::Expired),
        _ => Err(DAMAGED),
    }
}

/// The strings of a flat answer.
fn words(answer: Value) -> Result<Vec<String>, StoreError> {
    let word = |value| String::from_utf8(bytes(value).ok_or(DAMAGED)?).map_err(|_| DAMAGED);
    list(answer).ok_or(DAMAGED)?.into_iter().map(word).collect()
}
