//! The live state of one shop, as answers use it: what a person did lately, and what changed about items.
//!
//! Whatever waits for the store is here; the model is asked afterwards, with what was found.

mod breaker;
mod kept;
mod spooled;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use qianmian_live::event::Event;
use qianmian_live::item::{ItemChange, ItemState};
use qianmian_live::store::{ItemOutcome, Known, Name, Outcome, Store, StoreError};
use qianmian_models::index::offers::Offer;
use qianmian_models::snapshot::Snapshot;

use crate::config::LiveConfig;
use crate::problem::{Code, Problem};
use crate::telemetry::RedisMetrics;
use kept::Kept;

/// The part of an answer that is named as degraded when the store fails.
pub const USER_STATE: &str = "user_state";

/// The live state of one shop.
pub struct Live {
    store: Kept,
}

impl Live {
    /// Opens the store of `shop`, which has `folder` for itself. Needs a tokio runtime.
    ///
    /// # Errors
    /// The folder cannot be used, or another process uses it; Redis is not named as it must be.
    pub fn open(
        config: &LiveConfig,
        folder: &Path,
        shop: &str,
        metrics: impl FnOnce() -> RedisMetrics,
    ) -> Result<Self, StoreError> {
        Ok(Self { store: Kept::open(config, folder, shop, metrics)? })
    }

    /// Whether the states of items are known, as far as they can be: before, answers would show what is gone.
    pub fn tried(&self) -> bool {
        self.store.tried()
    }

    /// Does what has to be done beside requests, for as long as it is polled; changes of items that other
    /// servers took in are laid over the one that answers, which `snapshot` hands out.
    pub async fn tend(&self, snapshot: impl Fn(&dyn Fn(&Snapshot))) {
        let follow = async {
            loop {
                let ids = self.store.items_changed().await;
                snapshot(&|snapshot| self.lay(ids.as_deref(), snapshot));
            }
        };
        tokio::join!(self.store.tend(), follow);
    }

    /// Takes events in; when it returns, those accepted are durable and the next answer knows them.
    ///
    /// # Errors
    /// `live_unavailable`: some or none of them were taken in; they may be sent again.
    pub async fn append(&self, events: Vec<Event>) -> Result<Vec<Outcome>, Problem> {
        self.store.append(events, now_ms()).await.map_err(unavailable)
    }

    /// Takes news of items in, and lays it over `snapshot`, the one that answers.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub async fn change_items(
        &self,
        changes: Vec<ItemChange>,
        snapshot: impl FnOnce(&dyn Fn(&Snapshot)),
    ) -> Result<Vec<ItemOutcome>, Problem> {
        let ids: Vec<String> = changes.iter().map(|change| change.item_id.clone()).collect();
        let outcomes = self.store.change_items(changes).await.map_err(unavailable)?;
        snapshot(&|snapshot| self.lay(Some(&ids), snapshot));
        Ok(outcomes)
    }

    /// Lays all that is known of items over a snapshot.
    pub fn lay_over(&self, snapshot: &Snapshot) {
        self.lay(None, snapshot);
    }

    /// Lays the state of `ids`, or of all items, over a snapshot. The state stands still meanwhile, so that
    /// two who do this at once leave the newest state behind, whoever is last.
    fn lay(&self, ids: Option<&[String]>, snapshot: &Snapshot) {
        self.store.each_item(ids, |id, state| {
            if let Some(item) = snapshot.items.ix(id) {
                snapshot.catalog.offer(item, offer(state));
            }
        });
    }

    /// What is known of a person under all these names; `None` where the store fails.
    pub async fn user(&self, names: &[Name<'_>], now: i64) -> Option<Known> {
        let loaded = self.store.load(names, now).await;
        loaded.inspect_err(|error| tracing::warn!(%error, "answering without live state")).ok()
    }

    /// Forgets what is older than the store's `ttl`.
    pub async fn sweep(&self) {
        match self.store.sweep(now_ms()).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "old events were forgotten"),
            Err(error) => tracing::error!(%error, "old events could not be forgotten"),
        }
    }
}

fn offer(state: &ItemState) -> Offer {
    Offer {
        price: state.price.map(|told| told.0),
        stock: state.stock.map(|told| told.0),
        on_sale: state.on_sale.map(|told| told.0),
    }
}

fn unavailable(error: StoreError) -> Problem {
    tracing::error!(%error, "live state cannot be written");
    Problem::new(Code::LiveUnavailable, "live state cannot be written now; send the same rows again later")
}

/// The wall clock, unix milliseconds.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
