//! Counters: stocks that are never oversold, such as the pieces of a flash sale.
//!
//! A *reservation* takes pieces of one or several counters, all or none, for a holder and for a limited time. It is
//! confirmed when the order is placed, or released; otherwise it expires and its pieces are free again, so a crash
//! between reservation and order loses no stock. Its key makes it idempotent: a repeated call has the result of the
//! first. Every counter bounds what one holder can have.
//!
//! Invariants, at every moment and after any crash: `held + confirmed <= stock`; a key moves pieces at most once in
//! each direction; the [`Movement`]s of a counter add up to its state.
//!
//! Times are arguments, by the caller's clock. Servers whose clocks differ hold a reservation longer or shorter by that
//! difference; they never oversell.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::check::{self, Fault};
use crate::error::StoreError;

/// Most counters of one reservation.
pub const MAX_LINES: usize = 50;
/// Largest stock of a counter, and most pieces of a line.
pub const MAX_STOCK: u64 = 1 << 40;
/// Longest time to live of a reservation, in milliseconds.
pub const MAX_TTL_MS: i64 = 24 * 3_600_000;
/// A finished reservation's key is remembered for this long, in milliseconds.
pub const REMEMBER_MS: i64 = 7 * 86_400_000;
/// Movements that a counter keeps at least, the latest.
pub const MAX_MOVEMENTS: usize = 10_000;

/// The state of a counter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// All pieces ever offered.
    pub stock: u64,
    /// Most pieces of one holder, held and confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_holder: Option<u64>,
    /// Pieces in reservations that are held.
    pub held: u64,
    /// Pieces in confirmed reservations.
    pub confirmed: u64,
}

impl Counter {
    /// Pieces that can be reserved.
    pub fn available(&self) -> u64 {
        self.stock.saturating_sub(self.held + self.confirmed)
    }
}

/// A request to reserve, checked by [`Reserve::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    pub(crate) key: String,
    pub(crate) holder: String,
    /// Counters in ascending order, each once, with the pieces.
    pub(crate) lines: Vec<(String, u64)>,
    pub(crate) ttl_ms: i64,
    pub(crate) now: i64,
}

/// The state of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationState {
    /// Its pieces are held until it expires.
    Held,
    /// Its pieces are sold.
    Confirmed,
    /// It was given back.
    Released,
    /// It was not confirmed in time.
    Expired,
}

/// The result of a request to reserve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReserveOutcome {
    /// The key's reservation, made by this call or by an earlier one.
    Reserved {
        /// Its state now.
        state: ReservationState,
        /// Expiry of the reservation, unix milliseconds, even if it has ended before.
        until: i64,
        /// True if an earlier call made it.
        repeated: bool,
    },
    /// The key belongs to another reservation.
    KeyConflict,
    /// There is no counter of this name.
    Unknown {
        /// The counter.
        counter: String,
    },
    /// There are not enough pieces.
    SoldOut {
        /// The counter.
        counter: String,
        /// The pieces that can be reserved.
        available: u64,
    },
    /// The holder has reached the limit.
    OverLimit {
        /// The counter.
        counter: String,
        /// The pieces that the holder can still reserve.
        left: u64,
    },
}

/// The result of defining a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefineOutcome {
    /// The counter has this state.
    Defined(Counter),
    /// The stock is below the pieces that are held or confirmed already.
    BelowUsed {
        /// The held and confirmed pieces.
        used: u64,
    },
}

impl ReservationState {
    /// The state at `now` of a reservation that was stored in this one and expires at `until`.
    pub(crate) fn at(self, now: i64, until: i64) -> Self {
        if self == Self::Held && until <= now { Self::Expired } else { self }
    }
}

/// The cause of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// The stock was set to `pieces`.
    Defined,
    /// `pieces` were reserved.
    Reserved,
    /// `pieces` that were held are sold.
    Confirmed,
    /// `pieces` that were held are free again, on request.
    Released,
    /// `pieces` that were held are free again, because their time was over.
    Expired,
}

/// An entry of a counter's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// Time of the movement, unix milliseconds.
    pub at: i64,
    /// The cause.
    pub kind: MovementKind,
    /// The reservation; empty for a definition.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Number of pieces.
    pub pieces: u64,
}

impl Reserve {
    /// Checks a request made at `now` (unix milliseconds).
    ///
    /// # Errors
    /// The first field that is not allowed.
    pub fn check(
        key: &str,
        holder: &str,
        lines: &[(&str, u64)],
        ttl_ms: i64,
        now: i64,
    ) -> Result<Self, Fault> {
        let (key, holder) = (name("key", key)?, name("holder", holder)?);
        if !(1..=MAX_LINES).contains(&lines.len()) {
            return Err(Fault::new("lines", format!("1 to {MAX_LINES} counters")));
        }
        let mut checked: Vec<(String, u64)> = Vec::with_capacity(lines.len());
        for (counter, pieces) in lines {
            if !(1..=MAX_STOCK).contains(pieces) {
                return Err(Fault::new("lines", "at least one piece of each counter"));
            }
            checked.push((name("counter", counter)?, *pieces));
        }
        checked.sort_unstable();
        if checked.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Fault::new("lines", "each counter once"));
        }
        if !(1..=MAX_TTL_MS).contains(&ttl_ms) {
            return Err(Fault::new("ttl_ms", format!("1 to {MAX_TTL_MS} milliseconds")));
        }
        Ok(Self { key, holder, lines: checked, ttl_ms, now })
    }

    /// A hash of the parts that must be equal in two requests with one key.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut bytes = self.holder.as_bytes().to_vec();
        for (counter, pieces) in &self.lines {
            bytes.push(0);
            bytes.extend_from_slice(counter.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(&pieces.to_le_bytes());
        }
        // 48 bits, which every store keeps exactly.
        xxh3_64(&bytes) >> 16
    }
}

/// Checks a name of a counter, a holder or a key.
pub(crate) fn name(field: &'static str, name: &str) -> Result<String, Fault> {
    if name.contains('\0') {
        return Err(Fault::new(field, "no zero bytes"));
    }
    check::id(field, name)
}

/// The counters of a store.
pub trait Counters: Send + Sync {
    /// Sets the stock of a counter, which is created if it is missing, and the limit of a holder. `stock` counts all
    /// pieces ever offered, sold ones included.
    fn define_counter(
        &self,
        counter: &str,
        stock: u64,
        per_holder: Option<u64>,
        now: i64,
    ) -> impl Future<Output = Result<DefineOutcome, StoreError>> + Send;

    /// Reserves pieces of all counters of the request, or of none. When it returns, the reservation is durable. After
    /// an error it may have been made: call again with the same key.
    fn reserve(&self, reserve: Reserve) -> impl Future<Output = Result<ReserveOutcome, StoreError>> + Send;

    /// Confirms a reservation; returns its state afterwards: only [`ReservationState::Confirmed`] means that its pieces
    /// are sold. `None` for an unknown key.
    fn confirm(
        &self,
        key: &str,
        now: i64,
    ) -> impl Future<Output = Result<Option<ReservationState>, StoreError>> + Send;

    /// Gives the pieces of a held reservation back; returns its state afterwards. `None` for an unknown key.
    fn release(
        &self,
        key: &str,
        now: i64,
    ) -> impl Future<Output = Result<Option<ReservationState>, StoreError>> + Send;

    /// The reservation of this key as it is at `now`, with the time when it expires, or would have; `None` for an
    /// unknown key.
    fn reservation(
        &self,
        key: &str,
        now: i64,
    ) -> impl Future<Output = Result<Option<(ReservationState, i64)>, StoreError>> + Send;

    /// Expires reservations whose deadline has passed at `now`, and removes old keys; returns the number expired.
    /// Reserving and confirming do the same first, so this only keeps displayed figures current.
    fn expire(&self, now: i64) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// The state of a counter; `None` if there is none.
    fn counter(&self, counter: &str) -> impl Future<Output = Result<Option<Counter>, StoreError>> + Send;

    /// The latest movements of a counter, oldest first.
    fn movements(&self, counter: &str) -> impl Future<Output = Result<Vec<Movement>, StoreError>> + Send;
}
