//! Detects that Redis came back with older data, and assigns numbers above all that were given before.
//!
//! See `epoch.lua`: an unconfirmed incarnation of Redis assigns no numbers. A script that finds one answers
//! [`UNCONFIRMED`]; its caller confirms it ([`Epoch::confirm`]) and calls again.

use std::sync::atomic::{AtomicU64, Ordering};

use redis::{Script, Value, cmd};
use tokio::sync::mpsc;

use super::PATIENCE;
use super::connection::{Connection, list, number, text, within};
use crate::error::StoreError;
use crate::log::Rewind;

/// The answer of a script on an unconfirmed incarnation.
pub(super) const UNCONFIRMED: Value = Value::Int(-1);
/// Attempts of a caller to confirm and call again, because Redis may fail again in between.
pub(super) const TRIES: usize = 3;

/// A return of Redis, as noticed by this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Return {
    /// Numbers that this server has seen and Redis no longer has: a lower bound of the loss. 0 after an ordinary
    /// restart.
    pub lost: u64,
}

/// The epoch of one numbered stream.
pub(super) struct Epoch {
    stream: String,
    key: String,
    /// The highest number that this server ever saw: given to it, read, or drained.
    floor: AtomicU64,
    confirm: Script,
    /// Seconds for which a loss is recorded.
    memory: i64,
    returns: mpsc::UnboundedSender<Return>,
}

/// A script of a numbered stream, with the helpers of `epoch.lua` before it.
macro_rules! numbering_script {
    ($file:literal) => {
        redis::Script::new(concat!(include_str!("epoch.lua"), include_str!($file)))
    };
}
pub(super) use numbering_script;

impl Epoch {
    pub(super) fn new(
        stream: &str,
        key: &str,
        floor: u64,
        ttl_ms: i64,
        returns: mpsc::UnboundedSender<Return>,
    ) -> Self {
        let (stream, key) = (stream.to_owned(), key.to_owned());
        let (floor, confirm) = (AtomicU64::new(floor), numbering_script!("confirm.lua"));
        Self { stream, key, floor, confirm, memory: ttl_ms / 1_000 + 1, returns }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor.load(Ordering::Acquire)
    }

    /// Records that a number of the stream was seen.
    pub(super) fn saw(&self, number: u64) {
        self.floor.fetch_max(number, Ordering::AcqRel);
    }

    /// Confirms the current incarnation, unless another server has.
    pub(super) async fn confirm(&self, connection: &Connection) -> Result<(), StoreError> {
        let floor = self.floor();
        let mut call = self.confirm.prepare_invoke();
        call.key(&self.stream).key(&self.key).arg(floor).arg(self.memory);
        let answer = list(connection.invoke(&call).await?).unwrap_or_default();
        let numbers: Option<Vec<i64>> = answer.into_iter().map(number).collect();
        let Some([confirmed, last, _]) = numbers.and_then(|numbers| <[i64; 3]>::try_from(numbers).ok())
        else {
            return Err(StoreError::Damaged { table: "epoch" });
        };
        if confirmed == 1 {
            let lost = floor.saturating_sub(last.unsigned_abs());
            // Nobody listens while the store is being closed.
            let _ = self.returns.send(Return { lost });
        }
        Ok(())
    }

    /// The last return of Redis that skipped numbers, if one is recorded.
    pub(super) async fn last_rewind(&self, connection: &Connection) -> Result<Option<Rewind>, StoreError> {
        let mut read = cmd("HMGET");
        read.arg(&self.key).arg("before").arg("base");
        let answer = list(within(PATIENCE, connection.ask(&read)).await?).unwrap_or_default();
        let mut numbers = answer.into_iter().map(|value| text(value)?.parse().ok());
        let (Some(Some(before)), Some(Some(base))) = (numbers.next(), numbers.next()) else {
            return Ok(None);
        };
        Ok(Some(Rewind { before, base }))
    }
}
