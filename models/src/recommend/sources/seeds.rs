//! Seeds: the items that represent a user. First those of the session, then those touched lately, then purchases,
//! latest first.

use crate::ids::ItemIx;
use crate::recommend::query::Query;
use crate::view::View;

/// Most items of the session, and most purchases, that become seeds.
const MAX_SEEDS: usize = 200;
/// Weight of a session item relative to the one touched after it.
const SESSION_DECAY: f32 = 0.8;
/// Least weight of a purchase: old ones still show the user's taste.
const MIN_RECENCY: f32 = 1e-6;

/// An item that represents the user.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed {
    pub(super) item: ItemIx,
    /// Weight by recency and frequency, above 0: decayed baskets, or 1 for one touch now.
    pub(super) recency: f32,
    /// Baskets (or session items) between it and the latest one.
    pub(super) step: usize,
}

/// The seeds of a query's user.
pub(super) fn seeds(view: View<'_>, query: &Query) -> Vec<Seed> {
    let mut seeds = Vec::with_capacity(MAX_SEEDS.min(64) + query.recent.len() + query.touched.len());
    let mut recency = 1.0;
    for (step, &item) in query.recent.iter().take(MAX_SEEDS).enumerate() {
        seeds.push(Seed { item, recency, step });
        recency *= SESSION_DECAY;
    }
    for &(item, recency) in query.touched.iter().filter(|(item, _)| !query.recent.contains(item)) {
        seeds.push(Seed { item, recency, step: seeds.len() });
    }
    let Some(user) = query.user else { return seeds };
    let (mut step, mut last_at) = (seeds.len(), None);
    for purchase in view.snapshot.history.of(user).take(MAX_SEEDS) {
        step += usize::from(last_at.is_some_and(|at| at != purchase.last_at));
        last_at = Some(purchase.last_at);
        seeds.push(Seed { item: purchase.ix, recency: purchase.decayed.max(MIN_RECENCY), step });
    }
    seeds
}
