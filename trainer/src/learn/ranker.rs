//! The ranker: trees that order the blend's shortlist, learned on held-out purchases.
//!
//! It is the sum of two ensembles: LambdaMART (Burges, "From RankNet to LambdaRank to LambdaMART", 2010), which learns
//! the order, and one on log loss, which learns the probability and makes different errors (decision 92).
//!
//! A fifth of the users is held out for validation. It decides the number of trees and the weight of the second
//! ensemble. The ranker is kept only if its gain over the blend is above two standard errors.

use qianmian_models::index::feature_schema::RankColumn;
use qianmian_models::index::popularity::SalesWindow;
use qianmian_models::kernels::topk::TopK;
use qianmian_models::kernels::trees::Trees;
use qianmian_models::recommend;
use qianmian_models::recommend::features::Features;
use qianmian_models::recommend::filter;
use qianmian_models::recommend::query::Query;
use qianmian_models::view::View;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::folds::PastFold;
use super::gbdt::{Binned, TreeOptions, grow};
use crate::metrics::{Paired, dcg, discount, ideal_dcg, mean};

/// Cutoff of the metric, in slots.
const SLOTS: usize = 10;
/// Most trees of one ensemble.
const MAX_TREES: usize = 80;
/// Most trees of both ensembles (decision 92).
pub const MAX_TREES_OF_BOTH: usize = 2 * MAX_TREES;
/// Boosting stops after this many trees without an improvement on the validation users (decision 12).
const PATIENCE: usize = 20;
/// One user in this many is held out for validation.
const VALIDATION_ONE_IN: usize = 5;
/// Each tree is grown on all bought rows and on one in this many of the others (decision 31).
const SAMPLE_ONE_IN: u32 = 3;
/// Rows per unit of parallel scoring.
const CHUNK: usize = 8_192;
/// Weights tried for the binary ensemble, relative to LambdaMART.
const SHARES: [f32; 4] = [0.0, 0.5, 1.0, 2.0];
/// Fewest users to learn from (decision 12).
const MIN_USERS: usize = 200;
/// Clamp of score differences: beyond it, the exponentials would underflow to zero.
const MAX_SCORE_GAP: f32 = 60.0;
/// Best sellers from which the popularity baseline fills slates.
const BEST_SELLERS: usize = 500;

/// A view of a past with queries and the purchases.
type Cases<'a> = (View<'a>, Vec<(Query, Vec<u32>)>);

/// One user's shortlist.
struct Group {
    rows: std::ops::Range<usize>,
    /// Best possible DCG@10 over all purchases, shortlisted or not.
    ideal: f64,
}

/// Shortlists of many users, row after row.
struct Shortlists {
    features: Vec<Features>,
    bought: Vec<bool>,
    groups: Vec<Group>,
}

/// The learned trees, with their metrics on held-out users.
#[derive(Debug, Clone, Default)]
pub struct Ranker {
    /// The trees; `None` if they are not clearly better than the blend alone.
    pub trees: Option<Trees>,
    /// NDCG@10 of the blend on the validation users.
    pub blend_ndcg: f64,
    /// NDCG@10 of the trees on the validation users.
    pub ranker_ndcg: f64,
    /// NDCG@10 of the best sellers of the last 30 days on the validation users.
    pub popularity_ndcg: f64,
}

/// Learns from held-out purchases: from all of them, or from those of items that are `new` to the user. `progress` is
/// called for every tree, at most [`MAX_TREES_OF_BOTH`] times.
pub fn learn(folds: &[PastFold], new: bool, progress: &dyn Fn(u64)) -> Ranker {
    let cases: Vec<Cases<'_>> = folds.iter().map(|fold| (fold.view(), fold.cases(new, SLOTS))).collect();
    if cases.iter().map(|(_, cases)| cases.len()).sum::<usize>() < MIN_USERS {
        return Ranker::default();
    }
    let train = Shortlists::new(&cases, |n| n % VALIDATION_ONE_IN != 0);
    let validation = Shortlists::new(&cases, |n| n % VALIDATION_ONE_IN == 0);
    let blend: Vec<f32> = validation.features.iter().map(|f| f[RankColumn::Blend as usize]).collect();
    let blend_ndcg = mean(&validation.ndcg(&blend));
    let data = Binned::new(&train.features);
    let lambda = boost(&train, &data, &validation, Shortlists::lambdas, progress);
    let binary = boost(&train, &data, &validation, Shortlists::residuals, progress);
    let ranked = mix(&validation, &lambda, &binary);
    let ranker_ndcg = mean(&validation.ndcg(&ranked.scores));
    let gain = Paired::new(&validation.ndcg(&ranked.scores), &validation.ndcg(&blend));
    let trees = gain.is_certain().then_some(ranked.trees);
    Ranker { trees, blend_ndcg, ranker_ndcg, popularity_ndcg: popularity_ndcg(&cases) }
}

/// NDCG@10 of slates of best sellers on the validation users, without bought items if the query excludes them.
fn popularity_ndcg(cases: &[Cases<'_>]) -> f64 {
    let (mut sum, mut users) = (0.0, 0usize);
    for (view, cases) in cases {
        let snapshot = view.snapshot;
        let mut top = TopK::new(BEST_SELLERS);
        for item in (0..snapshot.items.len() as u32).filter(|&item| view.on_sale(item)) {
            top.push(item, snapshot.popularity.baskets_within(SalesWindow::Days30, item) as f32);
        }
        let ranked = top.into_sorted();
        for (query, basket) in cases.iter().step_by(VALIDATION_ONE_IN) {
            let bought =
                if query.exclude_bought { filter::bought(*view, query) } else { FxHashSet::default() };
            let slate = ranked.iter().filter(|s| !bought.contains(&s.ix)).take(SLOTS).enumerate();
            let hits = slate.filter(|(_, s)| basket.binary_search(&s.ix).is_ok());
            sum += dcg(hits.map(|(rank, _)| rank)) / ideal_dcg(basket.len(), SLOTS);
            users += 1;
        }
    }
    sum / users.max(1) as f64
}

/// Gradient and second derivative of every row, given the scores.
type Loss = fn(&Shortlists, &[f32]) -> Vec<(f32, f32)>;

/// An ensemble and its scores of the validation rows.
struct Ensemble {
    trees: Trees,
    scores: Vec<f32>,
}

/// The sum of two ensembles, the second with the weight that ranks best.
fn mix(validation: &Shortlists, lambda: &Ensemble, binary: &Ensemble) -> Ensemble {
    let scale = validation.spread(&lambda.scores) / validation.spread(&binary.scores).max(1e-9);
    let summed = |share: f32| -> Vec<f32> {
        lambda.scores.iter().zip(&binary.scores).map(|(l, b)| l + share * scale * b).collect()
    };
    let mut best = (f64::MIN, 0.0, Vec::new());
    for share in SHARES {
        let scores = summed(share);
        let ndcg = mean(&validation.ndcg(&scores));
        if ndcg > best.0 {
            best = (ndcg, share, scores);
        }
    }
    let mut trees = lambda.trees.clone();
    if best.1 > 0.0 {
        trees.extend(&binary.trees, best.1 * scale);
    }
    Ensemble { trees, scores: best.2 }
}

/// Boosts with early stopping on `validation`.
fn boost(
    train: &Shortlists,
    data: &Binned,
    validation: &Shortlists,
    loss: Loss,
    progress: &dyn Fn(u64),
) -> Ensemble {
    let (mut trees, mut best) = (Trees::default(), (0, f64::MIN));
    let mut best_scores = Vec::new();
    let mut scores = vec![0.0f32; train.features.len()];
    let mut validation_scores = vec![0.0f32; validation.features.len()];
    for n in 1..=MAX_TREES {
        let mut gradients = loss(train, &scores);
        let sample = train.sample(n, &mut gradients);
        let options =
            TreeOptions { min_rows: (sample.len() / 2_000).clamp(20, 200), ..TreeOptions::default() };
        let tree = grow(data, sample, &gradients, &options);
        let mut one = Trees::default();
        one.push(&tree);
        for (lists, scores) in [(train, &mut scores), (validation, &mut validation_scores)] {
            let rows = lists.features.par_chunks(CHUNK);
            scores.par_chunks_mut(CHUNK).zip(rows).for_each(|(scores, rows)| one.add_scores(rows, scores));
        }
        trees.push(&tree);
        progress(1);
        let ndcg = mean(&validation.ndcg(&validation_scores));
        if ndcg > best.1 {
            best = (n, ndcg);
            best_scores.clone_from(&validation_scores);
        } else if n >= best.0 + PATIENCE {
            break;
        }
    }
    trees.truncate(best.0);
    Ensemble { trees, scores: best_scores }
}

impl Shortlists {
    /// The shortlists of the cases whose index `chosen` accepts.
    fn new(cases: &[Cases<'_>], chosen: impl Fn(usize) -> bool + Sync) -> Self {
        let mut lists = Self { features: Vec::new(), bought: Vec::new(), groups: Vec::new() };
        for (view, cases) in cases {
            let list = |(_, (query, basket)): (usize, &(Query, Vec<u32>))| {
                let rows = recommend::shortlist_features(*view, query);
                let ideal = ideal_dcg(basket.len(), SLOTS);
                let row = |(item, features): (u32, Features)| (features, basket.binary_search(&item).is_ok());
                (rows.into_iter().map(row).collect::<Vec<_>>(), ideal)
            };
            let found: Vec<_> = cases.par_iter().enumerate().filter(|(n, _)| chosen(*n)).map(list).collect();
            for (rows, ideal) in found {
                let start = lists.features.len();
                lists.features.extend(rows.iter().map(|(f, _)| *f));
                lists.bought.extend(rows.iter().map(|(_, bought)| *bought));
                lists.groups.push(Group { rows: start..lists.features.len(), ideal });
            }
        }
        lists
    }

    /// The rows that the `n`-th tree is grown on: all bought rows, and one in [`SAMPLE_ONE_IN`] of the others, whose
    /// gradients are scaled up for the rows left out (after Ke et al., "LightGBM", 2017, which leaves out rows with
    /// small gradients).
    fn sample(&self, n: usize, gradients: &mut [(f32, f32)]) -> Vec<u32> {
        let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
        let mut sample = Vec::with_capacity(gradients.len() / 2);
        for (row, (gradient, hessian)) in gradients.iter_mut().enumerate() {
            if self.bought[row] {
                sample.push(row as u32);
            } else if rng.random_ratio(1, SAMPLE_ONE_IN) {
                *gradient *= SAMPLE_ONE_IN as f32;
                *hessian *= SAMPLE_ONE_IN as f32;
                sample.push(row as u32);
            }
        }
        sample
    }

    /// NDCG@10 of every list ordered by `scores`; ties keep the blend's order.
    fn ndcg(&self, scores: &[f32]) -> Vec<f64> {
        let of = |group: &Group| {
            let order = order(&scores[group.rows.clone()]);
            let top = order.iter().take(SLOTS).enumerate();
            let hits = top.filter(|(_, row)| self.bought[group.rows.start + **row]);
            dcg(hits.map(|(rank, _)| rank)) / group.ideal
        };
        self.groups.par_iter().map(of).collect()
    }

    /// Square root of the mean variance of `scores` within lists.
    fn spread(&self, scores: &[f32]) -> f32 {
        let variance = |group: &Group| {
            let scores = &scores[group.rows.clone()];
            let n = scores.len().max(1) as f32;
            let mean = scores.iter().sum::<f32>() / n;
            scores.iter().map(|s| (s - mean).powi(2)).sum::<f32>() / n
        };
        let total: f32 = self.groups.iter().map(variance).sum();
        (total / self.groups.len().max(1) as f32).sqrt()
    }

    /// Gradient and second derivative of every row: a logistic loss over the rows themselves.
    fn residuals(&self, scores: &[f32]) -> Vec<(f32, f32)> {
        let n_bought = self.bought.iter().filter(|bought| **bought).count().max(1) as f32;
        let prior = (n_bought / (self.bought.len() as f32 - n_bought).max(1.0)).ln();
        let of = |(&score, &bought): (&f32, &bool)| {
            let p = 1.0 / (1.0 + (-score - prior).exp());
            (p - f32::from(u8::from(bought)), p * (1.0 - p))
        };
        scores.par_iter().zip(&self.bought).map(of).collect()
    }

    /// Gradient and second derivative of every row: a logistic loss over all pairs of a bought and another item, each
    /// weighted by the change of NDCG when the two are swapped.
    fn lambdas(&self, scores: &[f32]) -> Vec<(f32, f32)> {
        // Precomputed: one logarithm per pair would dominate the cost.
        let longest = self.groups.iter().map(|g| g.rows.len()).max().unwrap_or(0);
        let discounts: Vec<f32> = (0..longest).map(|rank| discount(rank) as f32).collect();
        let of = |group: &Group| {
            let (scores, bought) = (&scores[group.rows.clone()], &self.bought[group.rows.clone()]);
            let mut discount_of = vec![0.0f32; scores.len()];
            order(scores).into_iter().zip(&discounts).for_each(|(row, &d)| discount_of[row] = d);
            // 1 / (1 + exp(g - b)) is exp(b) / (exp(b) + exp(g)): one exponential per row, none per pair.
            let highest = scores.iter().copied().fold(f32::MIN, f32::max);
            let powers: Vec<f32> = scores.iter().map(|s| (s - highest).max(-MAX_SCORE_GAP).exp()).collect();
            let (mut gradients, mut hessians) = (vec![0.0f32; scores.len()], vec![0.0f32; scores.len()]);
            for buy in (0..scores.len()).filter(|&row| bought[row]) {
                let (discount, power) = (discount_of[buy], powers[buy]);
                let (mut gradient, mut hessian) = (0.0, 0.0);
                for other in 0..scores.len() {
                    let change = if bought[other] { 0.0 } else { (discount - discount_of[other]).abs() };
                    let rho = powers[other] / (powers[other] + power);
                    let (lambda, curvature) = (change * rho, change * rho * (1.0 - rho));
                    gradients[other] += lambda;
                    hessians[other] += curvature;
                    gradient -= lambda;
                    hessian += curvature;
                }
                gradients[buy] += gradient;
                hessians[buy] += hessian;
            }
            let ideal = group.ideal as f32;
            gradients.into_iter().zip(hessians).map(|(g, h)| (g / ideal, h / ideal)).collect::<Vec<_>>()
        };
        self.groups.par_iter().map(of).collect::<Vec<_>>().concat()
    }
}

/// Rows by score, best first; ties keep their order.
fn order(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}
