//! Counters of the live store, with its errors as problems.

use qianmian_live::StoreError;
use qianmian_live::counters::{Counter, Counters, DefineOutcome, ReservationState, Reserve, ReserveOutcome};

use super::{Live, now_ms};
use crate::problem::{Code, Problem};

impl Live {
    /// Sets the stock of a counter and the limit of a holder.
    ///
    /// # Errors
    /// `live_unavailable`.
    pub async fn define_counter(
        &self,
        counter: &str,
        stock: u64,
        per_holder: Option<u64>,
    ) -> Result<DefineOutcome, Problem> {
        self.store.define_counter(counter, stock, per_holder, now_ms()).await.map_err(unavailable)
    }

    /// Reserves pieces of all counters of the request, or of none.
    ///
    /// # Errors
    /// `live_unavailable`: it may have been made; call again with the same key.
    pub async fn reserve(&self, reserve: Reserve) -> Result<ReserveOutcome, Problem> {
        self.store.reserve(reserve).await.map_err(unavailable)
    }

    /// Confirms a reservation; returns its state afterwards.
    ///
    /// # Errors
    /// `live_unavailable`.
    pub async fn confirm(&self, key: &str) -> Result<Option<ReservationState>, Problem> {
        self.store.confirm(key, now_ms()).await.map_err(unavailable)
    }

    /// Gives the pieces of a held reservation back; returns its state afterwards.
    ///
    /// # Errors
    /// `live_unavailable`.
    pub async fn release(&self, key: &str) -> Result<Option<ReservationState>, Problem> {
        self.store.release(key, now_ms()).await.map_err(unavailable)
    }

    /// The state of a reservation, and when it expires.
    ///
    /// # Errors
    /// `live_unavailable`.
    pub async fn reservation(&self, key: &str) -> Result<Option<(ReservationState, i64)>, Problem> {
        self.store.reservation(key, now_ms()).await.map_err(unavailable)
    }

    /// The state of a counter; `None` if there is none or the store does not answer.
    pub async fn counter(&self, counter: &str) -> Option<Counter> {
        let read = self.store.counter(counter).await;
        read.inspect_err(|error| tracing::warn!(%error, "a counter cannot be read")).ok().flatten()
    }

    /// Expires reservations whose time is over.
    pub async fn expire_reservations(&self) {
        if let Err(error) = self.store.expire(now_ms()).await {
            tracing::warn!(%error, "reservations are not expired");
        }
    }
}

fn unavailable(error: StoreError) -> Problem {
    tracing::error!(%error, "counters cannot be changed");
    Problem::new(
        Code::LiveUnavailable,
        "stock cannot be read or changed now; send it again later, with the same key",
    )
}
