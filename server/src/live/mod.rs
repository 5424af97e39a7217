//! The live state of one shop, as answers use it: people's live context, item states, trends, recent buyers.
//!
//! All waiting for the store happens here; the model is queried afterwards, with the results.

mod background;
mod breaker;
mod consents;
mod counters;
mod documents;
mod figures;
mod spooled;
mod store;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use arc_swap::ArcSwap;
use qianmian_live::StoreError;
use qianmian_live::event::Event;
use qianmian_live::followers::{Follower, Reaction, RecentBuyers, RoomFigures, Trending, TrendingByLocality};
use qianmian_live::items::{ItemChange, ItemOutcome, ItemState, Items};
use qianmian_live::log::drain::{Drain, DrainError, Lag};
use qianmian_live::log::{EventLog, Outcome, Sweep};
use qianmian_live::people::{
    Described, Known, LinkOutcome, LinkRequest, Name, People, Refusal, UndoOutcome, UndoRequest,
};
use qianmian_models::ids::Vocabulary;
use qianmian_models::overlay::{ItemNews, Overlay};
use qianmian_money::Currency;

use crate::config::LiveConfig;
use crate::problem::{Code, Problem};
use crate::telemetry::RedisMetrics;
pub use consents::Decision;
pub use documents::problem as document_problem;
use store::LiveStore;

/// The name of this part in the `degraded` list of an answer when the store fails.
pub const USER_STATE: &str = "user_state";

/// The live state of one shop.
pub struct Live {
    store: LiveStore,
    /// The time when the store was opened, by a monotonic clock.
    opened: Instant,
    /// The folder that events are drained into, if any.
    drain: Option<Drain>,
    /// Trending items; renewed by [`follow`](Self::follow).
    trending: ArcSwap<TrendingByLocality>,
    /// Recent buyers; renewed with them.
    buyers: RwLock<RecentBuyers>,
    /// Figures of livestream rooms; renewed with them.
    figures: RwLock<RoomFigures>,
}

impl Live {
    /// Opens the store of `shop` in its own `folder`, and the folder that it is drained into. Needs a tokio runtime.
    ///
    /// # Errors
    /// A folder cannot be used, or another process uses the store's; or the address of Redis is invalid.
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
        let first = drain.as_ref().map_or(0, Drain::next);
        let store = LiveStore::open(config, folder, shop, first, metrics)
            .with_context(|| format!("cannot keep live state in {}", folder.display()))?;
        for path in store.stray_files() {
            tracing::warn!(path = %path.display(), "a file that is not part of live state was moved aside");
        }
        let (opened, trending) = (Instant::now(), ArcSwap::default());
        let (buyers, figures) = (RwLock::default(), RwLock::default());
        Ok(Self { store, opened, drain, trending, buyers, figures })
    }

    /// True if item states are known as far as possible: before that, answers would show sold-out items.
    pub fn tried(&self) -> bool {
        self.store.tried()
    }

    /// True if this server's folder of live state can be written. After a failed write, such as on a full disk, it
    /// cannot until the store has reopened it, which it does by itself.
    pub fn is_writable(&self) -> bool {
        self.store.is_writable()
    }

    /// Runs background work for as long as it is polled. `item_news` receives the items that other servers changed
    /// (`None`: any may have changed), `consent_news` the user ids whose consents changed.
    pub async fn tend(
        &self,
        item_news: impl Fn(Option<&[String]>),
        consent_news: impl Fn(Option<&[String]>),
    ) {
        let follow = async {
            loop {
                let ids = self.store.items_changed().await;
                item_news(ids.as_deref());
            }
        };
        let follow_consents = async {
            loop {
                let ids = self.store.consents_changed().await;
                consent_news(ids.as_deref());
            }
        };
        tokio::join!(self.store.run_background(), follow, follow_consents);
    }

    /// Appends events; when it returns, accepted ones are durable and the next answer knows them.
    ///
    /// # Errors
    /// `live_unavailable`: some or none of them were accepted; they may be sent again.
    pub async fn append(&self, events: Vec<Event>) -> Result<Vec<Outcome>, Problem> {
        self.store.append(events, now_ms()).await.map_err(unavailable)
    }

    /// Links names to one person; when it returns, the link is durable and the next answer knows it. `in_model` is true
    /// for user ids that the model knows; `consent_news` receives the user ids whose consents changed.
    ///
    /// # Errors
    /// `identity_conflict` or `too_many_identities`: nothing was changed; `live_unavailable`.
    pub async fn link(
        &self,
        request: LinkRequest,
        in_model: impl Fn(&str) -> bool,
        consent_news: impl Fn(Option<&[String]>),
    ) -> Result<LinkOutcome, Problem> {
        let outcome = self.store.link(request).await.map_err(unavailable)?;
        let outcome = outcome.map_err(|refusal| {
            let code = match refusal {
                Refusal::Carried(_) | Refusal::UserIds => Code::IdentityConflict,
                Refusal::TooManyOf(_) | Refusal::TooMany | Refusal::Full => Code::TooManyIdentities,
            };
            Problem::new(code, refusal.to_string())
        })?;
        self.linked(&outcome, in_model, consent_news).await.map_err(unavailable)?;
        Ok(outcome)
    }

    /// Undoes a merge, with the same durability.
    ///
    /// # Errors
    /// `live_unavailable`.
    pub async fn undo(
        &self,
        request: UndoRequest,
        consent_news: impl Fn(Option<&[String]>),
    ) -> Result<UndoOutcome, Problem> {
        let outcome = self.store.undo(request).await.map_err(unavailable)?;
        self.undone(&outcome, consent_news).await.map_err(unavailable)?;
        Ok(outcome)
    }

    /// The stored records of the person with this user id.
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

    /// Stores changes of items; `item_news` receives the changed ones, once they are durable.
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

    /// Sets the states of `ids`, or of all items, in the overlay of the model that knows `items`. The states do not
    /// change meanwhile; callers take turns with others who set the same overlay.
    pub fn overlay(&self, ids: Option<&[String]>, items: &Vocabulary, overlay: &Overlay) {
        self.store.each_item(ids, |id, state| {
            if let Some(item) = items.ix(id) {
                overlay.set(item, news(state, overlay.currency()));
            }
        });
    }

    /// The person whom these names identify and their state; `None` if the store fails.
    pub async fn user(&self, names: &[Name<'_>], now: i64) -> Option<Known> {
        let loaded = self.store.load(names, now).await;
        loaded.inspect_err(|error| tracing::warn!(%error, "answering without live state")).ok()
    }

    /// The trending items of the narrowest locality with any events.
    pub fn trending(&self, channel: Option<&str>, region: Option<&str>) -> Option<Trending> {
        self.trending.load().nearest(channel, region).cloned()
    }

    /// The reactions of recent buyers to each of `items`.
    pub fn reactions(&self, items: &[&str], mut each: impl FnMut(usize, &str, Reaction)) {
        let buyers = self.buyers.read().unwrap_or_else(PoisonError::into_inner);
        for (n, item) in items.iter().enumerate() {
            buyers.of(item).for_each(|(user, reaction)| each(n, user, reaction));
        }
    }

    /// Reads the new events in the log, and renews trending items and recent buyers.
    pub async fn follow(&self, follower: &mut Follower) {
        let add = |event: &Event| {
            self.buyers.write().unwrap_or_else(PoisonError::into_inner).add(event);
            if event.room_id.is_some() {
                self.figures.write().unwrap_or_else(PoisonError::into_inner).add(event);
            }
        };
        match follower.catch_up(&self.store, now_ms(), add).await {
            Ok(trending) => self.trending.store(Arc::new(trending)),
            Err(error) => tracing::warn!(%error, "trending items are not renewed"),
        }
        self.resolve_watchers().await;
    }

    /// Drains every event that was accepted before the call; returns the number written.
    ///
    /// # Errors
    /// The store or the folder fails.
    pub async fn drain(&self) -> Result<u64, DrainError> {
        match &self.drain {
            Some(drain) => drain.pass(&self.store).await,
            None => Ok(0),
        }
    }

    /// The events that are not drained yet at `now`; none if there is no drain.
    ///
    /// # Errors
    /// The store fails.
    pub async fn lag(&self, now: i64) -> Result<Lag, DrainError> {
        match &self.drain {
            Some(drain) => drain.lag(&self.store, now).await,
            None => Ok(Lag::default()),
        }
    }

    /// Removes data older than the store's `ttl`; events that are not drained yet are kept.
    pub async fn sweep(&self) {
        let uptime_ms = i64::try_from(self.opened.elapsed().as_millis()).unwrap_or(i64::MAX);
        let keep_from = self.drain.as_ref().map_or(u64::MAX, Drain::next);
        match self.store.sweep(Sweep { now: now_ms(), uptime_ms, keep_from }).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "old events were forgotten"),
            Err(error) => tracing::error!(%error, "old events could not be forgotten"),
        }
    }
}

fn news(state: &ItemState, currency: Currency) -> ItemNews {
    ItemNews {
        // A price stored before the currency was known is rounded to the currency's decimals.
        price: state.price.and_then(|price| currency.nearest(price.0)),
        stock: state.stock.map(|stock| stock.0),
        listed: state.on_sale.map(|on_sale| on_sale.0),
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
