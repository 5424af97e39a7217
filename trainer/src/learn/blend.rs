//! The blend: the weight of every source, by coordinate ascent on a ranking metric over held-out purchases (Metzler &
//! Croft, "Linear feature-based models for information retrieval", 2007).

use std::collections::{BTreeMap, BTreeSet};

use qianmian_models::audience::{self, AudienceQuery};
use qianmian_models::kernels::topk::TopK;
use qianmian_models::recommend::candidates::Candidate;
use qianmian_models::recommend::evidence;
use qianmian_models::recommend::query::Query;
use qianmian_models::source::{Evidence, Source};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::folds::{NewUser, PastFold};
use crate::metrics::{Paired, mean, ndcg_of_hits};

/// Best candidates of each source in a case of slates, and slots of the slate (decision 12).
const DEPTH: usize = 50;
const SLOTS: usize = 10;
/// The same for audiences; fewest held-out buyers of an item that is a case, and most items (decision 12).
const AUDIENCE_DEPTH: usize = 200;
const AUDIENCE_SLOTS: usize = 100;
const MIN_BUYERS: usize = 5;
const MAX_ITEMS: usize = 300;
/// Most items of a visit, and fewest visits to learn from (decision 27).
const MAX_VISIT: usize = 8;
const MIN_VISITS: usize = 100;
/// Factors that the search tries on each weight.
const FACTORS: [f32; 9] = [0.0, 0.25, 0.5, 0.75, 0.9, 1.1, 1.35, 2.0, 4.0];
/// The value that the search tries for a weight of zero, as a share of the largest weight.
const SEED_WEIGHT: f32 = 0.05;
/// Most rounds over all sources, and the gain of a round below which the ascent ends.
const ROUNDS: usize = 6;
const MIN_GAIN: f64 = 1e-5;

/// One query with its held-out purchases.
struct Case {
    /// The scores of each candidate, one per source.
    evidence: Vec<Evidence>,
    /// By candidate: true if it was bought.
    bought: Vec<bool>,
    /// Number of items bought, candidates or not.
    n_bought: usize,
}

/// A ranking metric, from the ranks of the hits (ascending, from 0) and the number of purchases.
type Metric = fn(&[usize], usize) -> f64;

fn ndcg_10(hits: &[usize], n_bought: usize) -> f64 {
    ndcg_of_hits(hits.iter().copied(), n_bought, SLOTS)
}

/// Mean of recall and NDCG at 100.
fn audience_metric(hits: &[usize], n_bought: usize) -> f64 {
    let recall = hits.len() as f64 / n_bought as f64;
    (ndcg_of_hits(hits.iter().copied(), n_bought, AUDIENCE_SLOTS) + recall) / 2.0
}

/// The weights of people -> items and their NDCG@10; with `new`, for items that the user did not buy before.
pub fn recommend(folds: &[PastFold], start: &Evidence, new: bool) -> (Evidence, f64) {
    let of_fold = |fold: &PastFold| -> Vec<Case> {
        let case = |(query, bought): &(Query, Vec<u32>)| {
            let candidates = evidence(fold.view(), query);
            Case::new(&candidates, &bought.iter().copied().collect(), DEPTH)
        };
        fold.cases(new, SLOTS).par_iter().map(case).collect()
    };
    let cases: Vec<Case> = folds.iter().flat_map(of_fold).collect();
    ascend(&cases, start, SLOTS, ndcg_10)
}

/// The weights of people -> items for anonymous visitors, and their NDCG@10. A random part of a new user's basket,
/// drawn with `seed`, is the visit; the rest are the purchases. `None` with too few visits.
pub fn visitor(folds: &[PastFold], start: &Evidence, seed: u64) -> Option<(Evidence, f64)> {
    let of_fold = |fold: &PastFold| -> Vec<Case> {
        let case = |(n, user): (usize, &NewUser)| {
            let mut items = user.items.clone();
            items.sort_unstable();
            items.dedup();
            items.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ n as u64));
            // The cases cover all visit lengths up to `MAX_VISIT`.
            let seen = 1 + n % items.len().saturating_sub(1).clamp(1, MAX_VISIT);
            if items.len() <= seen {
                return None;
            }
            let rest = items.split_off(seen);
            let query = Query { recent: items, count: SLOTS, ..Query::default() };
            let candidates = evidence(fold.view(), &query);
            Some(Case::new(&candidates, &rest.into_iter().collect(), DEPTH))
        };
        fold.new_users.par_iter().enumerate().filter_map(case).collect()
    };
    let cases: Vec<Case> = folds.iter().flat_map(of_fold).collect();
    (cases.len() >= MIN_VISITS).then(|| ascend(&cases, start, SLOTS, ndcg_10))
}

/// The weights of items -> people, and their mean of recall and NDCG at 100 over items with held-out buyers.
pub fn audience(folds: &[PastFold], start: &Evidence) -> (Evidence, f64) {
    let cases: Vec<Case> = folds.iter().flat_map(audience_cases).collect();
    ascend(&cases, start, AUDIENCE_SLOTS, audience_metric)
}

fn audience_cases(fold: &PastFold) -> Vec<Case> {
    let mut buyers: BTreeMap<u32, FxHashSet<u32>> = BTreeMap::new();
    for (user, items) in &fold.labels {
        for &item in items {
            buyers.entry(item).or_default().insert(*user);
        }
    }
    let mut items: Vec<(u32, FxHashSet<u32>)> =
        buyers.into_iter().filter(|(_, buyers)| buyers.len() >= MIN_BUYERS).collect();
    items.sort_by_key(|(item, buyers)| (std::cmp::Reverse(buyers.len()), *item));
    items.truncate(MAX_ITEMS);
    let case = |(item, buyers): &(u32, FxHashSet<u32>)| {
        let query = AudienceQuery::for_item(*item, AUDIENCE_SLOTS);
        Case::new(&audience::evidence(fold.view(), &query), buyers, AUDIENCE_DEPTH)
    };
    items.par_iter().map(case).collect()
}

/// Coordinate ascent from `start`; a change is kept only if its gain is above its standard error (decision 92).
/// Returns the weights and their mean metric over the first `slots`; without cases, `start` itself.
fn ascend(cases: &[Case], start: &Evidence, slots: usize, metric: Metric) -> (Evidence, f64) {
    // The metric of every case for every tried weight of one source.
    let values = |weights: &Evidence, source: usize, tried: &[f32]| -> Vec<Vec<f64>> {
        let of_case = |case: &Case| case.metrics(weights, source, tried, slots, metric);
        let by_case: Vec<Vec<f64>> = cases.par_iter().map(of_case).collect();
        (0..tried.len()).map(|n| by_case.iter().map(|values| values[n]).collect()).collect()
    };
    let mut weights = *start;
    let mut best_values = values(start, 0, &start[..1]).remove(0);
    let mut best = mean(&best_values);
    for _ in 0..ROUNDS {
        let before = best;
        for source in 0..Source::COUNT {
            let largest = weights.iter().copied().fold(0.0, f32::max);
            let unit = if weights[source] == 0.0 { SEED_WEIGHT * largest } else { weights[source] };
            let tried = FACTORS.map(|factor| factor * unit);
            let before = best_values.clone();
            for (weight, values) in tried.into_iter().zip(values(&weights, source, &tried)) {
                let gain = Paired::new(&values, &before);
                if mean(&values) > best && gain.mean > gain.standard_error {
                    (best, weights[source]) = (mean(&values), weight);
                    best_values = values;
                }
            }
        }
        if best - before < MIN_GAIN {
            break;
        }
    }
    (weights, best)
}

impl Case {
    /// Keeps the `depth` best candidates of every source.
    fn new(candidates: &[(u32, Candidate)], bought: &FxHashSet<u32>, depth: usize) -> Self {
        let mut kept: BTreeSet<u32> = BTreeSet::new();
        for source in 0..Source::COUNT {
            let mut top = TopK::new(depth);
            for (n, (_, candidate)) in candidates.iter().enumerate() {
                if candidate.evidence[source] != 0.0 {
                    top.push(n as u32, candidate.evidence[source]);
                }
            }
            kept.extend(top.into_sorted().iter().map(|s| s.ix));
        }
        let kept = || kept.iter().map(|&n| &candidates[n as usize]);
        Self {
            evidence: kept().map(|(_, candidate)| candidate.evidence).collect(),
            bought: kept().map(|(ix, _)| bought.contains(ix)).collect(),
            n_bought: bought.len(),
        }
    }

    /// The metric for each weight in `tried` of `source`; the sum over the other sources is computed once.
    fn metrics(
        &self,
        weights: &Evidence,
        source: usize,
        tried: &[f32],
        slots: usize,
        metric: Metric,
    ) -> Vec<f64> {
        let mut others = *weights;
        others[source] = 0.0;
        let rest: Vec<f32> = self
            .evidence
            .iter()
            .map(|evidence| evidence.iter().zip(&others).map(|(e, w)| e * w).sum())
            .collect();
        let of_weight = |&weight: &f32| {
            let mut top = TopK::new(slots);
            for (n, (rest, evidence)) in rest.iter().zip(&self.evidence).enumerate() {
                top.push(n as u32, rest + weight * evidence[source]);
            }
            let ranked = top.into_sorted().into_iter().enumerate();
            let hits: Vec<usize> =
                ranked.filter(|(_, s)| self.bought[s.ix as usize]).map(|(rank, _)| rank).collect();
            metric(&hits, self.n_bought)
        };
        tried.iter().map(of_weight).collect()
    }
}
