//! The weight of every source, learned: coordinate ascent on NDCG@10 over purchases that the
//! indexes were not shown (Metzler & Croft, "Linear feature-based models for information retrieval", 2007).

use std::collections::{BTreeMap, BTreeSet};

use qianmian_models::audience::{self, AudienceQuery};
use qianmian_models::kernels::topk::TopK;
use qianmian_models::recommend;
use qianmian_models::recommend::candidates::Candidate;
use qianmian_models::recommend::query::Query;
use qianmian_models::source::{Evidence, Source};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::rehearsal::{Newcomer, Scene};

/// Candidates of each source that take part.
const DEPTH: usize = 50;
const PLACES: usize = 10;
/// The same of audiences; items with fewer held-out buyers are no case, and more items than this are not
/// asked.
const AUDIENCE_DEPTH: usize = 200;
const AUDIENCE_PLACES: usize = 100;
const MIN_BUYERS: usize = 5;
const MAX_ITEMS: usize = 300;
/// Items of a visit at most, and fewest visits to learn from.
const MAX_VISIT: usize = 8;
const MIN_VISITS: usize = 100;
/// What a weight is multiplied by in search of a better one.
const FACTORS: [f32; 9] = [0.0, 0.25, 0.5, 0.75, 0.9, 1.1, 1.35, 2.0, 4.0];
/// What a weight of zero is tried at, of the largest.
const SEED_WEIGHT: f32 = 0.05;
const ROUNDS: usize = 6;

/// One held-out basket.
struct Case {
    evidence: Vec<Evidence>,
    bought: Vec<bool>,
    /// Items in the basket, found or not.
    n_bought: usize,
}

/// What an order of a case is worth: from the places, rising from 0, of what was bought, and how much was.
type Worth = fn(&[usize], usize) -> f64;

/// The weights of people -> goods (`new`: that they did not buy before), and their NDCG@10 over the held-out
/// baskets.
pub fn recommend(scenes: &[Scene], start: &Evidence, new: bool) -> (Evidence, f64) {
    let of = |scene: &Scene| -> Vec<Case> {
        let case = |(query, basket): &(Query, Vec<u32>)| {
            let candidates = recommend::evidence(scene.view(), query);
            Case::new(&candidates, &basket.iter().copied().collect(), DEPTH)
        };
        scene.cases(new, PLACES).par_iter().map(case).collect()
    };
    let cases: Vec<Case> = scenes.iter().flat_map(of).collect();
    ascend(&cases, start, PLACES, |hits, n_bought| ndcg(hits, n_bought, PLACES))
}

/// The weights of people -> goods for somebody of whom only the visit is known, and their NDCG@10: a part of a
/// newcomer's basket, drawn with `seed`, is the visit, and the rest is looked for. `None` where there are too few.
pub fn visitor(scenes: &[Scene], start: &Evidence, seed: u64) -> Option<(Evidence, f64)> {
    let of = |scene: &Scene| -> Vec<Case> {
        let case = |(n, newcomer): (usize, &Newcomer)| {
            let mut items = newcomer.items.clone();
            items.sort_unstable();
            items.dedup();
            items.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ n as u64));
            // Every short length takes part.
            let seen = 1 + n % items.len().saturating_sub(1).clamp(1, MAX_VISIT);
            if items.len() <= seen {
                return None;
            }
            let rest = items.split_off(seen);
            let query = Query { recent: items, count: PLACES, ..Query::default() };
            let candidates = recommend::evidence(scene.view(), &query);
            Some(Case::new(&candidates, &rest.into_iter().collect(), DEPTH))
        };
        scene.newcomers.par_iter().enumerate().filter_map(case).collect()
    };
    let cases: Vec<Case> = scenes.iter().flat_map(of).collect();
    (cases.len() >= MIN_VISITS)
        .then(|| ascend(&cases, start, PLACES, |hits, n_bought| ndcg(hits, n_bought, PLACES)))
}

/// The weights of goods -> people, and their mean of recall and NDCG at 100 over the items of the held-out
/// baskets.
pub fn audience(scenes: &[Scene], start: &Evidence) -> (Evidence, f64) {
    let cases: Vec<Case> = scenes.iter().flat_map(audience_cases).collect();
    ascend(&cases, start, AUDIENCE_PLACES, |hits, n_bought| {
        (ndcg(hits, n_bought, AUDIENCE_PLACES) + recall(hits, n_bought)) / 2.0
    })
}

fn audience_cases(scene: &Scene) -> Vec<Case> {
    let Scene { labels, .. } = scene;
    let mut buyers: BTreeMap<u32, FxHashSet<u32>> = BTreeMap::new();
    for (user, basket) in labels {
        basket.iter().for_each(|&item| {
            buyers.entry(item).or_default().insert(*user);
        });
    }
    let mut items: Vec<(u32, FxHashSet<u32>)> =
        buyers.into_iter().filter(|(_, b)| b.len() >= MIN_BUYERS).collect();
    items.sort_by_key(|(item, buyers)| (std::cmp::Reverse(buyers.len()), *item));
    items.truncate(MAX_ITEMS);
    let case = |(item, buyers): &(u32, FxHashSet<u32>)| {
        let query = AudienceQuery::for_item(*item, AUDIENCE_PLACES);
        let candidates = audience::evidence(scene.view(), &query);
        Case::new(&candidates, buyers, AUDIENCE_DEPTH)
    };
    items.par_iter().map(case).collect()
}

/// The best weights found from `start` on, with their mean worth over the first `places`; `start` itself where there
/// is no case.
fn ascend(cases: &[Case], start: &Evidence, places: usize, worth: Worth) -> (Evidence, f64) {
    // The mean worth of every weight that is tried for one source.
    let means = |weights: &Evidence, source: usize, tried: &[f32]| -> Vec<f64> {
        let of = |case: &Case| case.worths(weights, source, tried, places, worth);
        let worths: Vec<Vec<f64>> = cases.par_iter().map(of).collect();
        let mean = |n: usize| worths.iter().map(|w| w[n]).sum::<f64>() / cases.len().max(1) as f64;
        (0..tried.len()).map(mean).collect()
    };
    let (mut weights, mut best) = (*start, means(start, 0, &start[..1])[0]);
    for _ in 0..ROUNDS {
        let before = best;
        for source in 0..Source::COUNT {
            let largest = weights.iter().copied().fold(0.0, f32::max);
            let unit = if weights[source] == 0.0 { SEED_WEIGHT * largest } else { weights[source] };
            let tried = FACTORS.map(|factor| factor * unit);
            for (weight, mean) in tried.into_iter().zip(means(&weights, source, &tried)) {
                if mean > best {
                    (best, weights[source]) = (mean, weight);
                }
            }
        }
        if best - before < 1e-5 {
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
            for (place, (_, candidate)) in candidates.iter().enumerate() {
                if candidate.evidence[source] != 0.0 {
                    top.push(place as u32, candidate.evidence[source]);
                }
            }
            kept.extend(top.into_sorted().iter().map(|s| s.ix));
        }
        let entry = |place: &u32| -> &(u32, Candidate) { &candidates[*place as usize] };
        Self {
            evidence: kept.iter().map(|place| entry(place).1.evidence).collect(),
            bought: kept.iter().map(|place| bought.contains(&entry(place).0)).collect(),
            n_bought: bought.len(),
        }
    }

    /// What the case is worth under each of the weights `tried` for `source`: the others are summed up once.
    fn worths(
        &self,
        weights: &Evidence,
        source: usize,
        tried: &[f32],
        places: usize,
        worth: Worth,
    ) -> Vec<f64> {
        let mut others = *weights;
        others[source] = 0.0;
        let rest: Vec<f32> = self
            .evidence
            .iter()
            .map(|evidence| evidence.iter().zip(&others).map(|(e, w)| e * w).sum())
            .collect();
        let of = |&weight: &f32| {
            let mut top = TopK::new(places);
            for (place, (rest, evidence)) in rest.iter().zip(&self.evidence).enumerate() {
                top.push(place as u32, rest + weight * evidence[source]);
            }
            let ranked = top.into_sorted().into_iter().enumerate();
            let hits: Vec<usize> =
                ranked.filter(|(_, s)| self.bought[s.ix as usize]).map(|(place, _)| place).collect();
            worth(&hits, self.n_bought)
        };
        tried.iter().map(of).collect()
    }
}

fn recall(hits: &[usize], n_bought: usize) -> f64 {
    hits.len() as f64 / n_bought as f64
}

fn ndcg(hits: &[usize], n_bought: usize, places: usize) -> f64 {
    let discount = |place: usize| 1.0 / ((place + 2) as f64).log2();
    let ideal: f64 = (0..n_bought.min(places)).map(discount).sum();
    hits.iter().copied().map(discount).sum::<f64>() / ideal
}
