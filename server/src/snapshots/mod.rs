//! The models of a shop: the one that answers, and its replacement while answers continue.
//!
//! Invariants: a request takes the current snapshot once; a version is opened, verified and warmed before it is swapped
//! in; the previous version is kept for an instant rollback; the one before that is freed off the request path. An
//! artifact that is damaged, unreadable or makes opening it panic is refused, counted and remembered, and the old one
//! continues to serve. A refused version is tried again: at once when a file of its folder changes or on SIGHUP, else
//! with growing pauses.
//!
//! `latest.json` decides. A version [activated](Snapshots::activate) or [rolled back](Snapshots::rollback)
//! to by hand is *pinned*: this process serves it until `latest.json` is next written.

mod load;
mod reaper;
mod retry;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};
use chrono::{DateTime, Utc};
use metrics::Counter;
use qianmian_models::consent::ConsentPolicy;
use qianmian_models::storage::versions::ShopStore;

pub use load::{Loaded, Refusal};
pub use reaper::Reaper;

use crate::live::Live;
use crate::telemetry::SwapMetrics;
use load::Pointer;
use retry::Retry;

/// Interval at which a lasting fault is logged.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// The models of one shop.
pub struct Snapshots {
    shop: String,
    store: ShopStore,
    /// The source of item changes.
    live: Option<Arc<Live>>,
    /// The rule for users whose consent is unknown.
    policy: ConsentPolicy,
    current: ArcSwapOption<Loaded>,
    ledger: Mutex<Ledger>,
    /// Held while a version is opened, so that they are opened one at a time. A rollback to the kept version does not
    /// wait for it.
    turn: tokio::sync::Mutex<()>,
    reaper: Reaper,
    metrics: SwapMetrics,
    panics: Counter,
}

/// State between two swaps.
#[derive(Default)]
struct Ledger {
    previous: Option<Arc<Loaded>>,
    /// The content of `latest.json` that was acted on last.
    seen: Option<Pointer>,
    /// The next attempt at the version in `seen`, if it was refused.
    retry: Option<Retry>,
    pinned: bool,
    last_error: Option<Failure>,
    /// The last fault that was logged, with its time.
    complaint: Option<(String, Instant)>,
}

/// The last refusal.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The refused version and the reason.
    pub refusal: Refusal,
    /// The time of the refusal.
    pub at: DateTime<Utc>,
}

/// The served models, for `GET /models`.
pub struct Status {
    /// The model that answers.
    pub current: Option<Arc<Loaded>>,
    /// The model that a rollback restores at once.
    pub previous: Option<Arc<Loaded>>,
    /// True if the current one was chosen by hand and stays until `latest.json` is next written.
    pub pinned: bool,
    /// The last refusal since the last success.
    pub last_error: Option<Failure>,
}

/// The reason for which a swap by hand did not happen.
#[derive(Debug)]
pub enum SwapError {
    /// No version before this one is known.
    NoPrevious,
    /// It could not be opened.
    Refused(Refusal),
}

/// The cause of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Published,
    Activated,
    RolledBack,
}

impl Snapshots {
    /// The models of `shop`, none of them open yet.
    pub fn new(
        shop: &str,
        store: ShopStore,
        live: Option<Arc<Live>>,
        policy: ConsentPolicy,
        reaper: Reaper,
        metrics: SwapMetrics,
        panics: Counter,
    ) -> Self {
        metrics.serving.set(0.0);
        Self {
            shop: shop.to_owned(),
            store,
            live,
            policy,
            current: ArcSwapOption::empty(),
            ledger: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            reaper,
            metrics,
            panics,
        }
    }

    /// The model that answers one request; cheap, without a lock.
    pub fn current(&self) -> Guard<Option<Arc<Loaded>>> {
        self.current.load()
    }

    /// Updates the overlay of the current model to the state of `ids`, or of all items. Call it after the state
    /// changed: it takes turns with swaps, so that a change is either in the overlay of the new model before it
    /// answers, or set here.
    pub fn item_news(&self, ids: Option<&[String]>) {
        let _turn = self.ledger();
        if let (Some(live), Some(current)) = (&self.live, &*self.current.load()) {
            live.overlay(ids, &current.snapshot.items, &current.overlay);
        }
    }

    /// Updates the consents of the current model's users to those of `user_ids`, or of all; otherwise like
    /// [`item_news`](Self::item_news).
    pub fn consent_news(&self, user_ids: Option<&[String]>) {
        let _turn = self.ledger();
        if let Some(current) = &*self.current.load() {
            current.consents(self.live.as_deref()).apply(user_ids);
        }
    }

    /// The served models.
    pub fn status(&self) -> Status {
        let ledger = self.ledger();
        Status {
            current: self.current.load_full(),
            previous: ledger.previous.clone(),
            pinned: ledger.pinned,
            last_error: ledger.last_error.clone(),
        }
    }

    /// True if the store was read at least once.
    pub fn tried(&self) -> bool {
        self.ledger().seen.is_some()
    }

    /// The shop's folder in the store.
    pub fn store(&self) -> &ShopStore {
        &self.store
    }

    /// Reads `latest.json`. If it was written since the last read, or names a refused version that is due, serves the
    /// version that it names.
    pub async fn poll(&self) {
        self.look(false).await;
    }

    /// Like [`poll`](Self::poll), but tries a refused version again even if it is not due.
    pub async fn poll_now(&self) {
        self.look(true).await;
    }

    async fn look(&self, at_once: bool) {
        let _turn = self.turn.lock().await;
        let pointer = load::pointer(self.store.clone()).await;
        let is_new = self.ledger().seen.as_ref() != Some(&pointer);
        if let Ok(None) = pointer.version {
            self.complain_of_empty_store().await;
        }
        if !is_new && self.ledger().retry.is_none() {
            return;
        }
        let content = load::fingerprint(self.store.clone(), &pointer).await;
        if !is_new && !self.is_due(content, at_once) {
            return;
        }
        let outcome = match &pointer.version {
            Ok(Some(version)) => self.bring(version, Cause::Published).await,
            Ok(None) => Ok(()),
            Err(refusal) => Err(self.refuse(refusal.clone())),
        };
        let mut ledger = self.ledger();
        if is_new {
            ledger.pinned = false;
        }
        ledger.retry = match outcome {
            Ok(()) => {
                ledger.last_error = None;
                // The empty store was just logged, and is not logged again at the next poll.
                if !matches!(pointer.version, Ok(None)) {
                    ledger.complaint = None;
                }
                None
            }
            Err(_) if is_new => Some(Retry::first(content)),
            Err(_) => ledger.retry.take().map(|retry| retry.next(content)),
        };
        ledger.seen = Some(pointer);
    }

    /// True if a refused version is to be tried again; one that was replaced by hand is not.
    fn is_due(&self, content: u64, at_once: bool) -> bool {
        let ledger = self.ledger();
        ledger.retry.as_ref().is_some_and(|retry| !ledger.pinned && (at_once || retry.is_due(content)))
    }

    async fn complain_of_empty_store(&self) {
        let folder = self.store.folder().display().to_string();
        let state = if load::exists(self.store.clone()).await {
            "nothing is published in it"
        } else {
            "it is missing"
        };
        if self.complains(state) {
            tracing::warn!(shop = %self.shop, folder, state, "the model store has no model for this shop");
        }
    }

    /// True if a fault is to be logged: when it is new, and then once a minute.
    fn complains(&self, fault: &str) -> bool {
        let mut ledger = self.ledger();
        let is_known = |(known, at): &(String, Instant)| known == fault && at.elapsed() < COMPLAIN_EVERY;
        let complains = !ledger.complaint.as_ref().is_some_and(is_known);
        if complains {
            ledger.complaint = Some((fault.to_owned(), Instant::now()));
        }
        complains
    }

    /// Serves `version` until `latest.json` is next written.
    ///
    /// # Errors
    /// The artifact is missing or was refused; the served model stays.
    pub async fn activate(&self, version: &str) -> Result<Arc<Loaded>, SwapError> {
        let _turn = self.turn.lock().await;
        self.bring(version, Cause::Activated).await.map_err(SwapError::Refused)?;
        self.pin()
    }

    /// Serves the version before the current one again, until `latest.json` is next written: at once if
    /// it is kept in memory, else the one that `latest.json` names as previous.
    ///
    /// # Errors
    /// There is no previous version, or it was refused; the served model stays.
    pub async fn rollback(&self) -> Result<Arc<Loaded>, SwapError> {
        if self.swap_back(Cause::RolledBack, |_| true) {
            return self.pin();
        }
        let _turn = self.turn.lock().await;
        let previous = load::previous(self.store.clone()).await.map_err(SwapError::Refused)?;
        let current = self.current.load_full().map(|loaded| loaded.snapshot.version.clone());
        let version = previous.filter(|previous| current.as_ref() != Some(previous));
        let version = version.ok_or(SwapError::NoPrevious)?;
        self.bring(&version, Cause::RolledBack).await.map_err(SwapError::Refused)?;
        self.pin()
    }

    /// Serves `version`, which is opened unless it is current or kept already.
    async fn bring(&self, version: &str, cause: Cause) -> Result<(), Refusal> {
        let is = |loaded: &Arc<Loaded>| loaded.snapshot.version == version;
        if self.current.load_full().as_ref().is_some_and(is) {
            return Ok(());
        }
        if self.swap_back(cause, is) {
            return Ok(());
        }
        let started = std::time::Instant::now();
        let opened = load::open(self.store.clone(), version.to_owned(), self.policy).await;
        // A command for an absent version is the caller's mistake, not a fault of the store.
        let is_mistake = |refusal: &Refusal| refusal.absent && cause != Cause::Published;
        let loaded =
            opened.map_err(|refusal| if is_mistake(&refusal) { refusal } else { self.refuse(refusal) })?;
        self.metrics.open_seconds.record(started.elapsed().as_secs_f64());
        self.swap_in(&mut self.ledger(), Arc::new(loaded), cause);
        Ok(())
    }

    /// Exchanges the current and the kept version, if there is a kept one for which `is` holds.
    fn swap_back(&self, cause: Cause, is: impl FnOnce(&Arc<Loaded>) -> bool) -> bool {
        let mut ledger = self.ledger();
        match ledger.previous.take_if(|kept| is(kept)) {
            Some(kept) => {
                self.swap_in(&mut ledger, kept, cause);
                true
            }
            None => false,
        }
    }

    /// Puts `new` in place of the current one, which becomes the kept one.
    fn swap_in(&self, ledger: &mut Ledger, new: Arc<Loaded>, cause: Cause) {
        self.metrics.trained_at.set(new.trained_at_seconds());
        self.metrics.serving.set(1.0);
        match cause {
            Cause::Published => self.metrics.loaded.increment(1),
            Cause::Activated => self.metrics.activated.increment(1),
            Cause::RolledBack => self.metrics.rolled_back.increment(1),
        }
        let version = new.snapshot.version.clone();
        if let Some(live) = &self.live {
            live.overlay(None, &new.snapshot.items, &new.overlay);
        }
        new.consents(self.live.as_deref()).apply(None);
        let before = self.current.swap(Some(Arc::clone(&new)));
        let before_version = before.as_ref().map(|loaded| loaded.snapshot.version.as_str());
        tracing::info!(shop = %self.shop, %version, before = before_version, ?cause, "model swapped");
        if let Some(retired) = std::mem::replace(&mut ledger.previous, before) {
            self.reaper.retire(retired);
        }
    }

    fn pin(&self) -> Result<Arc<Loaded>, SwapError> {
        self.ledger().pinned = true;
        self.current.load_full().ok_or(SwapError::NoPrevious)
    }

    fn refuse(&self, refusal: Refusal) -> Refusal {
        self.metrics.refused.increment(1);
        if refusal.panicked {
            self.panics.increment(1);
        }
        let Refusal { version, section, message, .. } = &refusal;
        if self.complains(message) {
            tracing::error!(
                shop = %self.shop, version, section, reason = message, "model refused; the old one goes on"
            );
        }
        self.ledger().last_error = Some(Failure { refusal: refusal.clone(), at: Utc::now() });
        refusal
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // No holder of the lock panics with the ledger half changed.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
