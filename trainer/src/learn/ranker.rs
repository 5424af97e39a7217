//! The ranker: trees that order the blend's shortlist, learned by LambdaMART (Burges, "From RankNet to
//! LambdaRank to LambdaMART", 2010) on the held-out purchases.
//!
//! A fifth of the users decides how many trees help; when none do, there is no ranker.

use qianmian_models::kernels::topk::TopK;
use qianmian_models::kernels::trees::Trees;
use qianmian_models::recommend;
use qianmian_models::recommend::features::{self, Features};
use qianmian_models::recommend::filter;
use qianmian_models::recommend::query::Query;
use qianmian_models::view::View;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::gbdt::{Binned, TreeOptions, grow};
use super::rehearsal::Scene;

const PLACES: usize = 10;
const MAX_TREES: usize = 120;
/// Trees without a better validation after which growing stops.
const PATIENCE: usize = 20;
/// One user in this many validates.
const VALIDATION: usize = 5;
/// Of what was not bought, each tree is grown on one row in so many.
const STEP: u32 = 3;
/// Rows that one thread takes at a time.
const PART: usize = 8_192;
/// Fewest users to learn from.
const MIN_USERS: usize = 200;
/// Scores further apart than this are as good as certain, and their exponentials would be zero.
const LEAST_POWER: f32 = 60.0;

/// A past with what is asked of it and what was bought.
type Cases<'a> = (View<'a>, Vec<(Query, Vec<u32>)>);

/// One user's shortlist.
struct Group {
    rows: std::ops::Range<usize>,
    /// Best possible DCG@10 over all that was bought, listed or not.
    ideal: f64,
}

/// Shortlists of many users, row after row.
struct Lists {
    features: Vec<Features>,
    bought: Vec<bool>,
    groups: Vec<Group>,
}

/// What was learned, and what it is worth on users that it was not learned from.
#[derive(Debug, Clone, Default)]
pub struct Ranked {
    /// The ranker; `None` where the blend alone ranks as well.
    pub trees: Option<Trees>,
    /// NDCG@10 of the blend on the validation users.
    pub blend_ndcg: f64,
    /// NDCG@10 of the trees on the validation users.
    pub ranker_ndcg: f64,
    /// NDCG@10 of what sold best in the last 30 days on the validation users.
    pub popularity_ndcg: f64,
}

/// Learns from users' held-out purchases, `new`: from those of goods that they did not buy before.
pub fn learn(scenes: &[Scene], new: bool, progress: &dyn Fn(u64)) -> Ranked {
    let cases: Vec<Cases<'_>> = scenes.iter().map(|s| (s.view(), s.cases(new, PLACES))).collect();
    if cases.iter().map(|(_, cases)| cases.len()).sum::<usize>() < MIN_USERS {
        return Ranked::default();
    }
    let train = Lists::new(&cases, |n| n % VALIDATION != 0);
    let validation = Lists::new(&cases, |n| n % VALIDATION == 0);
    let blend: Vec<f32> = validation.features.iter().map(|f| f[features::BLEND]).collect();
    let blend_ndcg = validation.ndcg(&blend);
    let (trees, ranker_ndcg) = boost(&train, &validation, progress);
    let trees = (ranker_ndcg > blend_ndcg).then_some(trees);
    Ranked { trees, blend_ndcg, ranker_ndcg, popularity_ndcg: popularity_ndcg(&cases) }
}

/// The same figure for a slate of best sellers (not bought before, where that is asked), to know that what was
/// learned is worth more.
fn popularity_ndcg(cases: &[Cases<'_>]) -> f64 {
    const LAST_30_DAYS: usize = 1;
    const BEST_SELLERS: usize = 500;
    let (mut sum, mut users) = (0.0, 0usize);
    for (view, cases) in cases {
        let snapshot = view.snapshot;
        let mut top = TopK::new(BEST_SELLERS);
        for item in (0..snapshot.items.len() as u32).filter(|&item| view.on_sale(item)) {
            top.push(item, snapshot.popularity.baskets_within(LAST_30_DAYS, item) as f32);
        }
        let ranked = top.into_sorted();
        for (query, basket) in cases.iter().step_by(VALIDATION) {
            let bought =
                if query.exclude_bought { filter::bought(*view, query) } else { FxHashSet::default() };
            let slate = ranked.iter().filter(|s| !bought.contains(&s.ix)).take(PLACES).enumerate();
            let hits = slate.filter(|(_, s)| basket.binary_search(&s.ix).is_ok());
            let ideal: f64 = (0..basket.len().min(PLACES)).map(discount).sum();
            sum += hits.map(|(place, _)| discount(place)).sum::<f64>() / ideal;
            users += 1;
        }
    }
    sum / users.max(1) as f64
}

/// Grows trees until `validation` likes no more of them; with its NDCG@10.
fn boost(train: &Lists, validation: &Lists, progress: &dyn Fn(u64)) -> (Trees, f64) {
    let data = Binned::new(&train.features);
    let (mut trees, mut best) = (Trees::default(), (0, f64::MIN));
    let mut scores = vec![0.0f32; train.features.len()];
    let mut held = vec![0.0f32; validation.features.len()];
    for n in 1..=MAX_TREES {
        let mut gradients = train.lambdas(&scores);
        let bag = train.bag(n, &mut gradients);
        let options = TreeOptions { min_rows: (bag.len() / 2_000).clamp(20, 200), ..TreeOptions::default() };
        let tree = grow(&data, bag, &gradients, &options);
        let mut one = Trees::default();
        one.push(&tree);
        for (lists, scores) in [(train, &mut scores), (validation, &mut held)] {
            let rows = lists.features.par_chunks(PART);
            scores.par_chunks_mut(PART).zip(rows).for_each(|(scores, rows)| one.add_scores(rows, scores));
        }
        trees.push(&tree);
        progress(1);
        let ndcg = validation.ndcg(&held);
        if ndcg > best.1 {
            best = (n, ndcg);
        } else if n >= best.0 + PATIENCE {
            break;
        }
    }
    trees.truncate(best.0);
    (trees, best.1)
}

fn discount(place: usize) -> f64 {
    1.0 / ((place + 2) as f64).log2()
}

impl Lists {
    /// The shortlists of the labels whose number `chosen` takes.
    fn new(cases: &[Cases<'_>], chosen: impl Fn(usize) -> bool + Sync) -> Self {
        let mut lists = Self { features: Vec::new(), bought: Vec::new(), groups: Vec::new() };
        for (view, cases) in cases {
            let list = |(_, (query, basket)): (usize, &(Query, Vec<u32>))| {
                let rows = recommend::shortlist_features(*view, query);
                let ideal: f64 = (0..basket.len().min(PLACES)).map(discount).sum();
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

    /// The rows that the `n`-th tree is grown on: all that were bought, and of the others one in [`STEP`], counting
    /// for those left out (after Ke et al., "LightGBM", 2017, which leaves out what is nearly learned).
    fn bag(&self, n: usize, gradients: &mut [(f32, f32)]) -> Vec<u32> {
        let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
        let mut bag = Vec::with_capacity(gradients.len() / 2);
        for (row, (gradient, hessian)) in gradients.iter_mut().enumerate() {
            if self.bought[row] {
                bag.push(row as u32);
            } else if rng.random_ratio(1, STEP) {
                *gradient *= STEP as f32;
                *hessian *= STEP as f32;
                bag.push(row as u32);
            }
        }
        bag
    }

    /// Mean NDCG@10 under `scores`; ties keep the blend's order.
    fn ndcg(&self, scores: &[f32]) -> f64 {
        let of = |group: &Group| {
            let order = order(&scores[group.rows.clone()]);
            let hits = order
                .iter()
                .take(PLACES)
                .enumerate()
                .filter(|(_, row)| self.bought[group.rows.start + **row]);
            hits.map(|(place, _)| discount(place)).sum::<f64>() / group.ideal
        };
        self.groups.iter().map(of).sum::<f64>() / self.groups.len().max(1) as f64
    }

    /// Gradient and second derivative of every row: pairs of a bought and another item, weighted by how
    /// much swapping them changes NDCG.
    fn lambdas(&self, scores: &[f32]) -> Vec<(f32, f32)> {
        // A logarithm a pair would be most of the work.
        let longest = self.groups.iter().map(|g| g.rows.len()).max().unwrap_or(0);
        let discounts: Vec<f32> = (0..longest).map(|place| discount(place) as f32).collect();
        let of = |group: &Group| {
            let (scores, bought) = (&scores[group.rows.clone()], &self.bought[group.rows.clone()]);
            let mut place_discounts = vec![0.0f32; scores.len()];
            order(scores).into_iter().zip(&discounts).for_each(|(row, &d)| place_discounts[row] = d);
            // 1 / (1 + exp(g - b)) is exp(b) / (exp(b) + exp(g)): one exponential a row, none a pair.
            let highest = scores.iter().copied().fold(f32::MIN, f32::max);
            let powers: Vec<f32> = scores.iter().map(|s| (s - highest).max(-LEAST_POWER).exp()).collect();
            let (mut gradients, mut hessians) = (vec![0.0f32; scores.len()], vec![0.0f32; scores.len()]);
            for good in (0..scores.len()).filter(|&row| bought[row]) {
                let (discount, power) = (place_discounts[good], powers[good]);
                let (mut gradient, mut hessian) = (0.0, 0.0);
                for bad in 0..scores.len() {
                    let change = if bought[bad] { 0.0 } else { (discount - place_discounts[bad]).abs() };
                    let rho = powers[bad] / (powers[bad] + power);
                    let (lambda, curvature) = (change * rho, change * rho * (1.0 - rho));
                    gradients[bad] += lambda;
                    hessians[bad] += curvature;
                    gradient -= lambda;
                    hessian += curvature;
                }
                gradients[good] += gradient;
                hessians[good] += hessian;
            }
            let ideal = group.ideal as f32;
            gradients.into_iter().zip(hessians).map(|(g, h)| (g / ideal, h / ideal)).collect::<Vec<_>>()
        };
        self.groups.par_iter().map(of).collect::<Vec<_>>().concat()
    }
}

/// Rows by score, best first; equal ones in their own order.
fn order(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}
