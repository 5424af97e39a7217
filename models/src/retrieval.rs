//! Candidate sources, people -> goods: each proposes items with a score of its own.

use rustc_hash::FxHashMap;

use crate::ids::ItemIx;
use crate::query::{Evidence, Query, Source};
use crate::snapshot::Snapshot;

/// How many of the user's latest items speak for their companions.
const MAX_SEEDS: usize = 50;
/// How much a session item counts beside one just bought.
const RECENT_WEIGHT: f32 = 1.0;
/// A session item counts less for every one touched after it.
const RECENT_DECAY: f32 = 0.8;
/// Fewest candidates asked of the vectors and of the best sellers.
const MIN_CANDIDATES: usize = 200;

/// An item that some source proposed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Candidate {
    /// Raw source scores.
    pub evidence: Evidence,
    /// The seed that argued most for it, and how much.
    pub because: Option<(ItemIx, f32)>,
}

/// All candidates of one query, by item.
pub type Candidates = FxHashMap<ItemIx, Candidate>;

/// Collects the candidates of every source.
pub fn candidates(snapshot: &Snapshot, query: &Query) -> Candidates {
    let mut found = Candidates::default();
    found.reserve(4 * MIN_CANDIDATES);
    let wanted = (2 * (query.count + query.exclude.len())).max(MIN_CANDIDATES);
    let seeds = seeds(snapshot, query);
    personal(snapshot, query, &mut found);
    co_purchase(snapshot, &seeds, &mut found);
    factors(snapshot, query, &seeds, wanted, &mut found);
    popularity(snapshot, wanted, &mut found);
    found
}

/// The items that stand for the user, with weights: the session's, then those bought lately.
fn seeds(snapshot: &Snapshot, query: &Query) -> Vec<(ItemIx, f32)> {
    let mut weight = RECENT_WEIGHT;
    let mut seeds = Vec::with_capacity(MAX_SEEDS + query.recent.len());
    for &item in query.recent.iter().take(MAX_SEEDS) {
        seeds.push((item, weight));
        weight *= RECENT_DECAY;
    }
    if let Some(user) = query.user {
        seeds.extend(snapshot.history.of(user).take(MAX_SEEDS).map(|p| (p.ix, p.decayed.max(1e-6))));
    }
    seeds
}

fn personal(snapshot: &Snapshot, query: &Query, found: &mut Candidates) {
    let Some(user) = query.user else { return };
    for purchase in snapshot.history.of(user) {
        found.entry(purchase.ix).or_default().evidence[Source::Personal as usize] =
            purchase.decayed.max(1e-6);
    }
}

fn co_purchase(snapshot: &Snapshot, seeds: &[(ItemIx, f32)], found: &mut Candidates) {
    for &(seed, weight) in seeds {
        for pair in snapshot.co_purchase.pairs(seed) {
            let argument = weight * pair.score;
            let candidate = found.entry(pair.item).or_default();
            candidate.evidence[Source::CoPurchase as usize] += argument;
            if candidate.because.is_none_or(|(_, strongest)| argument > strongest) {
                candidate.because = Some((seed, argument));
            }
        }
    }
}

fn factors(
    snapshot: &Snapshot,
    query: &Query,
    seeds: &[(ItemIx, f32)],
    wanted: usize,
    found: &mut Candidates,
) {
    let Some(embedding) = &snapshot.embedding else { return };
    let folded;
    let vector = match query.user {
        Some(user) if query.recent.is_empty() => embedding.users.row(user),
        _ => match embedding.fold_in.vector(&embedding.items, seeds) {
            Some(vector) => {
                folded = vector;
                &folded
            }
            None => return,
        },
    };
    for scored in embedding.items.nearest(vector, wanted, embedding.item_graph.as_ref()) {
        if scored.score > 0.0 {
            found.entry(scored.ix).or_default().evidence[Source::Factors as usize] = scored.score;
        }
    }
}

fn popularity(snapshot: &Snapshot, wanted: usize, found: &mut Candidates) {
    for &item in snapshot.popularity.ranked().iter().take(wanted) {
        let score = snapshot.popularity.score(item).max(1e-6);
        found.entry(item).or_default().evidence[Source::Popularity as usize] = score;
    }
}
