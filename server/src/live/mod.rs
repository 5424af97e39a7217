//! The live state of one shop, as answers use it: what a person did lately, and what changed about items.
//!
//! Whatever waits for the store is here; the model is asked afterwards, with what was found.

mod breaker;
mod kept;
mod spooled;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use arc_swap::ArcSwap;
use qianmian_live::drain::{Drain, DrainError, Lag};
use qianmian_live::event::Event;
use qianmian_live::identity::{Described, LinkOutcome, LinkRequest, Refusal, UndoOutcome, UndoRequest};
use qianmian_live::item::{ItemChange, ItemState};
use qianmian_live::store::{ItemOutcome, Known, Name, Outcome, Store, StoreError};
use qianmian_live::trends::{Did, Follower, Hot, HotPlaces, RecentBuyers};
use qianmian_models::overlay::ItemNews;

use crate::config::LiveConfig;
use crate::problem::{Code, Problem};
use crate::snapshots::Loaded;
use crate::telemetry::RedisMetrics;
use kept::Kept;

/// The part of an answer that is named as degraded when the store fails.
pub const USER_STATE: &str = "user_state";

/// The live state of one shop.
pub struct Live {
    store: Kept,
    /// Milliseconds after which the store forgets.
    ttl: i64,
    /// Where events go to stay, if anywhere.
    drain: Option<Drain>,
    /// What trends; renewed by [`follow`](Self::follow).
    hot: ArcSwap<HotPlaces>,
    /// Who bought what, and who turned it down; renewed with it.
    buyers: RwLock<RecentBuyers>,
}

impl Live {
    /// Opens the store of `shop`, which has `folder` for itself, and the folder that it is drained into. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// A folder cannot be used, or another process uses that of the store; Redis is not named as it must be.
    pub fn open(
        config: &LiveConfig,
        folder: &Path,
        shop: &str,
        metrics: impl FnOnce() -> RedisMetrics,
    ) -> anyhow::Result<Self> {
        let open = |drained: &Path| {
            Drain::open(drained).with_context(|| format!("cannot drain events into {}", drained.display()))
        };
        let drained = config.drain.as_ref().map(|drain| drain.folder.join(shop));
        let drain = drained.as_deref().map(open).transpose()?;
        let (ttl, first) = (i64::from(config.ttl_seconds) * 1_000, drain.as_ref().map_or(0, Drain::next));
        let store = Kept::open(config, folder, shop, first, metrics)
            .with_context(|| format!("cannot keep live state in {}", folder.display()))?;
        Ok(Self { store, ttl, drain, hot: ArcSwap::default(), buyers: RwLock::default() })
    }

    /// Whether the states of items are known, as far as they can be: before, answers would show what is gone.
    pub fn tried(&self) -> bool {
        self.store.tried()
    }

    /// Does what has to be done beside requests, for as long as it is polled. `item_news` hears which items other servers
    /// changed (`None`: any may have).
    pub async fn tend(&self, item_news: impl Fn(Option<&[String]>)) {
        let follow = async {
            loop {
                let ids = self.store.items_changed().await;
                item_news(ids.as_deref());
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

    /// Makes names one person; when it returns, that is on disk and the next answer knows it.
    ///
    /// # Errors
    /// `identity_conflict` or `too_many_identities`: nothing was changed; `live_unavailable`.
    pub async fn link(&self, request: LinkRequest) -> Result<LinkOutcome, Problem> {
        let outcome = self.store.link(request).await.map_err(unavailable)?;
        outcome.map_err(|refusal| {
            let code = match refusal {
                Refusal::Carried(_) | Refusal::UserIds => Code::IdentityConflict,
                Refusal::TooManyOf(_) | Refusal::TooMany | Refusal::Full => Code::TooManyIdentities,
            };
            Problem::new(code, refusal.to_string())
        })
    }

    /// Takes a merge back, as durably.
    ///
    /// # Errors
    /// `live_unavailable`.
    pub async fn undo(&self, request: UndoRequest) -> Result<UndoOutcome, Problem> {
        self.store.undo(request).await.map_err(unavailable)
    }

    /// What is written down of the person with this user id.
    ///
    /// # Errors
    /// `live_unavailable`.
    pub async fn person(&self, user_id: &str) -> Result<Described, Problem> {
        let described = self.store.person(user_id, now_ms()).await;
        described.map_err(|error| {
            tracing::error!(%error, "live state cannot be read");
            Problem::new(Code::LiveUnavailable, "live state cannot be read now; ask again later")
        })
    }

    /// Takes changes of items in; `item_news` hears which, when they are durable.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub async fn change_items(
        &self,
        changes: Vec<ItemChange>,
        item_news: impl FnOnce(Option<&[String]>),
    ) -> Result<Vec<ItemOutcome>, Problem> {
        let ids: Vec<String> = changes.iter().map(|change| change.item_id.clone()).collect();
        let outcomes = self.store.change_items(changes).await.map_err(unavailable)?;
        item_news(Some(&ids));
        Ok(outcomes)
    }

    /// Sets the state of `ids`, or of all items, in the overlay of a model. The state cannot change meanwhile; the caller
    /// takes turns with others who set the same overlay.
    pub fn overlay(&self, ids: Option<&[String]>, model: &Loaded) {
        self.store.each_item(ids, |id, state| {
            if let Some(item) = model.snapshot.items.ix(id) {
                model.overlay.set(item, news(state));
            }
        });
    }

    /// What is known of the person that these names speak of; `None` where the store fails.
    pub async fn user(&self, names: &[Name<'_>], now: i64) -> Option<Known> {
        let loaded = self.store.load(names, now).await;
        loaded.inspect_err(|error| tracing::warn!(%error, "answering without live state")).ok()
    }

    /// What trends in the nearest place of which anything was heard.
    pub fn hot(&self, channel: Option<&str>, region: Option<&str>) -> Option<Hot> {
        self.hot.load().nearest(channel, region).cloned()
    }

    /// What people did about each of `items`, of late.
    pub fn did(&self, items: &[&str], mut each: impl FnMut(usize, &str, Did)) {
        let buyers = self.buyers.read().unwrap_or_else(PoisonError::into_inner);
        for (n, item) in items.iter().enumerate() {
            buyers.of(item).for_each(|(user, did)| each(n, user, did));
        }
    }

    /// Reads on in the log of events, and renews what trends and who bought what.
    pub async fn follow(&self, follower: &mut Follower) {
        let heard = |event: &Event| self.buyers.write().unwrap_or_else(PoisonError::into_inner).add(event);
        match follower.catch_up(&self.store, now_ms(), heard).await {
            Ok(hot) => self.hot.store(Arc::new(hot)),
            Err(error) => tracing::warn!(%error, "what trends is not renewed"),
        }
    }

    /// Drains every event that was accepted before the call; how many were written.
    ///
    /// # Errors
    /// The store or the folder fails.
    pub async fn drain(&self) -> Result<u64, DrainError> {
        match &self.drain {
            Some(drain) => drain.pass(&self.store).await,
            None => Ok(0),
        }
    }

    /// What is not drained yet at `now`, of a store that is.
    ///
    /// # Errors
    /// The store fails.
    pub async fn lag(&self, now: i64) -> Result<Lag, DrainError> {
        match &self.drain {
            Some(drain) => drain.lag(&self.store, now).await,
            None => Ok(Lag::default()),
        }
    }

    /// Forgets what is older than the store's `ttl`, and drained where that is wanted.
    pub async fn sweep(&self) {
        match self.forget(now_ms()).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "old events were forgotten"),
            Err(error) => tracing::error!(%error, "old events could not be forgotten"),
        }
    }

    async fn forget(&self, now: i64) -> Result<usize, StoreError> {
        let Some(drain) = &self.drain else { return self.store.sweep(now).await };
        let as_of = drain.sweep_as_of(&self.store, now, self.ttl).await?;
        if as_of < now {
            tracing::warn!("old events are kept beyond the `ttl`, for they are not drained yet");
        }
        self.store.sweep(as_of).await
    }
}

fn news(state: &ItemState) -> ItemNews {
    ItemNews {
        price: state.price.map(|told| told.0),
        stock: state.stock.map(|told| told.0),
        listed: state.on_sale.map(|told| told.0),
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
