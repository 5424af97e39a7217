//! Candidate sources, people -> goods: each proposes items with a score of its own.

use rustc_hash::FxHashMap;

use crate::ids::{ItemIx, UserIx};
use crate::index::external::{self, Knowledge};
use crate::index::factors::Factors;
use crate::kernels::simd;
use crate::kernels::topk::TopK;
use crate::recommend::candidates::{Candidate, Candidates};
use crate::recommend::query::{Query, Source};
use crate::snapshot::Snapshot;

/// How many of the user's latest items stand for them.
const MAX_SEEDS: usize = 200;
/// How many of those speak for what goes into the same basket.
const BASKET_SEEDS: usize = 30;
/// A session item counts less for every one touched after it.
const SESSION_DECAY: f32 = 0.8;
/// How many of the user's last baskets have successors, and how much less each earlier one counts.
const TRANSITION_STEPS: usize = 5;
const TRANSITION_DECAY: f32 = 0.7;
/// Fewest candidates asked of the vectors and of the best sellers.
const MIN_CANDIDATES: usize = 200;
/// Neighbours of a user, and the latest buyers of an item that may be one.
const NEIGHBOURS: usize = 100;
const MAX_BUYERS: usize = 500;
/// The user's latest items that neighbours are found by.
const NEIGHBOUR_SEEDS: usize = 50;
/// The user's latest items whose likes are looked for.
const CONTENT_SEEDS: usize = 50;

/// An item that stands for the user.
#[derive(Debug, Clone, Copy)]
struct Seed {
    item: ItemIx,
    /// How lately and how often it was touched.
    recency: f32,
    /// Baskets between it and the latest one.
    step: usize,
}

/// Collects the candidates of every source.
pub fn candidates(snapshot: &Snapshot, query: &Query) -> Candidates {
    let mut found = Candidates::new(snapshot.items.len());
    let wanted = (2 * (query.count + query.exclude.len())).max(MIN_CANDIDATES);
    let seeds = seeds(snapshot, query);
    personal(snapshot, query, &mut found);
    companions(snapshot, &seeds, &mut found);
    user_knn(snapshot, query, &seeds, &mut found);
    content(snapshot, &seeds, &mut found);
    let vectors = external(snapshot, query, &seeds, wanted, &mut found);
    popularity(snapshot, query, wanted, &mut found);
    factors(snapshot, query, &seeds, wanted, &mut found);
    low_pass(snapshot, &seeds, &mut found);
    for (source, vector, items) in &vectors {
        similarity(*source, vector, items, &mut found);
    }
    found
}

/// The items that stand for the user: the session's, those touched lately, then those bought, latest first.
fn seeds(snapshot: &Snapshot, query: &Query) -> Vec<Seed> {
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
    for purchase in snapshot.history.of(user).take(MAX_SEEDS) {
        step += usize::from(last_at.is_some_and(|at| at != purchase.last_at));
        last_at = Some(purchase.last_at);
        seeds.push(Seed { item: purchase.ix, recency: purchase.decayed.max(1e-6), step });
    }
    seeds
}

fn personal(snapshot: &Snapshot, query: &Query, found: &mut Candidates) {
    let Some(user) = query.user else { return };
    for purchase in snapshot.history.of(user) {
        found.of(purchase.ix).add(Source::Personal, purchase.decayed.max(1e-6));
    }
}

/// Everything that goes from item to item.
fn companions(snapshot: &Snapshot, seeds: &[Seed], found: &mut Candidates) {
    for seed in seeds.iter().take(BASKET_SEEDS) {
        for (item, weight) in snapshot.basket_ease.of(seed.item) {
            let argument = seed.recency * weight;
            let candidate = found.of(item);
            candidate.add(Source::CoPurchase, argument);
            candidate.argue(seed.item, argument);
        }
    }
    for seed in seeds {
        if let Some(ease) = &snapshot.ease {
            for (item, weight) in ease.of(seed.item) {
                let argument = seed.recency * weight;
                let candidate = found.of(item);
                candidate.add(Source::Ease, weight);
                candidate.add(Source::EaseRecent, argument);
                candidate.argue(seed.item, argument);
            }
        }
        if let (Some(transitions), true) = (&snapshot.transitions, seed.step < TRANSITION_STEPS) {
            let decay = TRANSITION_DECAY.powi(seed.step as i32);
            for (item, weight) in transitions.of(seed.item) {
                found.of(item).add(Source::Transition, decay * weight);
            }
        }
    }
}

/// What the people buy whose baskets are most like this user's (cosine over inverse user frequency,
/// squared).
fn user_knn(snapshot: &Snapshot, query: &Query, seeds: &[Seed], found: &mut Candidates) {
    let neighbourhood = &snapshot.neighbourhood;
    let buyers = |seed: &Seed| snapshot.buyers.ixs(seed.item).iter().take(MAX_BUYERS);
    let near = || seeds.iter().take(NEIGHBOUR_SEEDS);
    let most = near().map(|seed| buyers(seed).len()).sum::<usize>().min(snapshot.users.len());
    let mut shared: FxHashMap<UserIx, f32> = FxHashMap::with_capacity_and_hasher(most, Default::default());
    for seed in near() {
        let weight = neighbourhood.item_weight(seed.item).powi(2);
        for &buyer in buyers(seed) {
            *shared.entry(buyer).or_default() += weight;
        }
    }
    let mut top = TopK::new(NEIGHBOURS);
    for (&user, &overlap) in shared.iter().filter(|(user, _)| query.user != Some(**user)) {
        top.push(user, overlap / neighbourhood.user_norm(user));
    }
    for neighbour in top.into_sorted() {
        let similarity = neighbour.score * neighbour.score;
        for purchase in snapshot.history.of(neighbour.ix) {
            found.of(purchase.ix).add(Source::UserKnn, similarity * neighbourhood.item_weight(purchase.ix));
        }
    }
}

/// What resembles the user's items, where nobody bought the one or the other: all that can be said of launches.
fn content(snapshot: &Snapshot, seeds: &[Seed], found: &mut Candidates) {
    let Some(resembling) = &snapshot.resembling else { return };
    for seed in seeds.iter().take(CONTENT_SEEDS) {
        for (item, likeness) in resembling.of(seed.item) {
            let argument = seed.recency * likeness;
            let candidate = found.of(item);
            candidate.add(Source::Content, argument);
            candidate.argue(seed.item, argument);
        }
    }
}

/// What sells in the shop; for a person without a history, in the place where they are.
fn popularity(snapshot: &Snapshot, query: &Query, wanted: usize, found: &mut Candidates) {
    let stranger = query.user.is_none_or(|user| snapshot.history.ixs(user).is_empty());
    let place = snapshot.places.as_ref().zip(query.place).filter(|_| stranger);
    if let Some((places, place)) = place {
        places.of(place).for_each(|(item, weight)| found.of(item).add(Source::Popularity, weight));
    }
    let rest = place.map_or(1.0, |(places, place)| places.rest(place));
    // Passed over here rather than filtered later: a shelf goes on below best sellers that are sold out.
    let best_sellers = snapshot.popularity.ranked().iter().filter(|&&item| snapshot.catalog.on_sale(item));
    best_sellers.take(wanted).for_each(|&item| {
        found.of(item);
    });
    for (item, candidate) in found.entries_mut() {
        if candidate.evidence[Source::Popularity as usize] == 0.0 {
            candidate.add(Source::Popularity, (rest * snapshot.popularity.score(*item)).max(1e-6));
        }
    }
    trending(query, found);
}

/// What trends counts as if it sold more: the hottest as much more as the best seller does.
fn trending(query: &Query, found: &mut Candidates) {
    let popularity = |c: &(ItemIx, Candidate)| c.1.evidence[Source::Popularity as usize];
    let best = found.entries_mut().iter().map(popularity).fold(1e-6, f32::max);
    for &(item, heat) in &query.trending {
        found.of(item).add(Source::Popularity, best * heat);
    }
}

/// The nearest items by the user's vector, and the score of every other candidate by it.
fn factors(snapshot: &Snapshot, query: &Query, seeds: &[Seed], wanted: usize, found: &mut Candidates) {
    let Some(embedding) = &snapshot.embedding else { return };
    let folded;
    let vector = match query.user {
        Some(user) if query.recent.is_empty() && query.touched.is_empty() => embedding.users.row(user),
        _ => {
            let weights: Vec<(ItemIx, f32)> = seeds.iter().map(|s| (s.item, s.recency)).collect();
            match embedding.fold_in.vector(&embedding.items, &weights) {
                Some(vector) => {
                    folded = vector;
                    &folded
                }
                None => return,
            }
        }
    };
    for near in embedding.items.nearest(vector, wanted, embedding.item_graph.as_ref()) {
        let candidate = found.of(near.ix);
        if candidate.evidence[Source::Popularity as usize] == 0.0 {
            candidate.add(Source::Popularity, snapshot.popularity.score(near.ix).max(1e-6));
        }
    }
    similarity(Source::Factors, vector, &embedding.items, found);
}

/// The score of every candidate by a vector.
fn similarity(source: Source, vector: &[f32], items: &Factors, found: &mut Candidates) {
    simd::dispatch(
        #[inline(always)]
        || {
            for (item, candidate) in found.entries_mut() {
                candidate.add(source, simd::dot(vector, items.row(*item)));
            }
        },
    );
}

/// What was learned elsewhere: the items that its scores argue for, or the nearest by its vectors. Returns
/// the vectors, to score all candidates by when they are complete.
fn external<'s>(
    snapshot: &'s Snapshot,
    query: &Query,
    seeds: &[Seed],
    wanted: usize,
    found: &mut Candidates,
) -> Vec<(Source, Vec<f32>, &'s Factors)> {
    let mut vectors = Vec::new();
    for (external, source) in snapshot.external.iter().zip(external::SOURCES) {
        if let Knowledge::Scores(scores) = &external.knowledge {
            for seed in seeds {
                for (item, weight) in scores.of(seed.item) {
                    let candidate = found.of(item);
                    candidate.add(source, seed.recency * weight);
                    candidate.argue(seed.item, seed.recency * weight);
                }
            }
        }
        let weights = seeds.iter().map(|seed| (seed.item, seed.recency));
        if let Some((vector, items)) = external.vector(query.user, weights) {
            items.nearest(&vector, wanted, None).iter().for_each(|near| {
                found.of(near.ix);
            });
            vectors.push((source, vector, items));
        }
    }
    vectors
}

/// The score of every candidate by the smooth part of what the user bought: the square root tempers recency.
fn low_pass(snapshot: &Snapshot, seeds: &[Seed], found: &mut Candidates) {
    let Some(vectors) = &snapshot.low_pass else { return };
    let degree = |item: ItemIx| (snapshot.buyers.ixs(item).len().max(1) as f32).sqrt();
    let mut smooth = vec![0.0f32; vectors.dim()];
    for seed in seeds {
        let weight = seed.recency.sqrt() / degree(seed.item);
        smooth.iter_mut().zip(vectors.row(seed.item)).for_each(|(s, v)| *s += weight * v);
    }
    simd::dispatch(
        #[inline(always)]
        || {
            for (item, candidate) in found.entries_mut() {
                let score = degree(*item) * simd::dot(&smooth, vectors.row(*item));
                candidate.add(Source::LowPass, score.max(0.0));
            }
        },
    );
}
