//! Training rows: users of audiences of sampled items, with their later purchases.
//!
//! Users far down an item's list are many and similar, so only one in [`SAMPLE_ONE_IN`] of them is kept, with a weight
//! for those left out: the learned probabilities hold for all users. Items that sell more are sampled more often,
//! which does not change the probability given the features.

use qianmian_models::audience::{self, AudienceQuery, Goods};
use qianmian_models::index::feature_schema::LikelihoodColumn;
use qianmian_models::index::likelihood::Features;
use qianmian_models::index::popularity::SalesWindow;
use qianmian_models::view::View;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::learn::folds::PastFold;

/// Users of each item's list: half of the shortlist (decision 19).
const DEPTH: usize = 2_000;
/// The first users of a list, which are all kept; of the others one in [`SAMPLE_ONE_IN`] is kept (decision 19).
const HEAD: usize = 256;
const SAMPLE_ONE_IN: usize = 8;
/// One user in this many is held out for validation. Holding out items would leak: the same users' purchases are
/// known from other items.
const VALIDATION_ONE_IN: u32 = 5;
/// Rows per unit of parallel work; fixed, so that sums do not depend on the number of threads.
pub(super) const CHUNK: usize = 8_192;

/// Rows of users and items with their later purchases, column by column.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) features: Vec<Features>,
    pub(super) bought: Vec<bool>,
    /// Sampling weight: the number of users that each row stands for.
    pub(super) weights: Vec<f32>,
    pub(super) users: Vec<u32>,
}

/// The lists of a fold's sampled items, one entry per item.
pub(super) fn lists(
    fold: &PastFold,
    goods: fn(View<'_>, u32) -> Goods,
    n_items: usize,
    seed: u64,
) -> Vec<Rows> {
    let (view, future) = (fold.view(), &fold.future);
    let list = |item: u32| -> Rows {
        let query = AudienceQuery::for_item(item, DEPTH);
        let mut rows = Rows::default();
        let people = audience::rows(view, &query, &goods(view, item));
        let observed = people.into_iter().filter(|(user, _)| future.observed[*user as usize]);
        for (n, (user, features)) in observed.enumerate() {
            let bought = future.buyers[item as usize].binary_search(&user).is_ok();
            let is_repeat = !features[LikelihoodColumn::PairBaskets as usize].is_nan();
            let always = n < HEAD || is_repeat || bought;
            if always || n.is_multiple_of(SAMPLE_ONE_IN) {
                rows.push(user, features, bought, if always { 1.0 } else { SAMPLE_ONE_IN as f32 });
            }
        }
        rows
    };
    sample(fold, n_items, seed).into_par_iter().map(list).collect()
}

/// About `n_items` items with sales, ascending, drawn in proportion to the square root of their recent sales.
fn sample(fold: &PastFold, n_items: usize, seed: u64) -> Vec<u32> {
    let snapshot = &fold.snapshot;
    let sold: Vec<u32> =
        (0..snapshot.items.len() as u32).filter(|&i| !snapshot.buyers.ixs(i).is_empty()).collect();
    let share =
        |item: u32| (1.0 + f64::from(snapshot.popularity.baskets_within(SalesWindow::Days90, item))).sqrt();
    let total: f64 = sold.iter().map(|&item| share(item)).sum();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    sold.into_iter().filter(|&item| rng.random::<f64>() < n_items as f64 * share(item) / total).collect()
}

/// True if a user is held out for validation; by hash, because the observed users may be every n-th user.
fn validates(user: u32) -> bool {
    (user.wrapping_mul(0x9E37_79B9) >> 16).is_multiple_of(VALIDATION_ONE_IN)
}

impl Rows {
    pub(super) fn push(&mut self, user: u32, features: Features, bought: bool, weight: f32) {
        self.users.push(user);
        self.features.push(features);
        self.bought.push(bought);
        self.weights.push(weight);
    }

    /// Adds the rows of `other` that `takes` accepts, of the validation users or of the others.
    pub(super) fn extend(&mut self, other: &Self, takes: &dyn Fn(&Features) -> bool, validation: bool) {
        for n in 0..other.features.len() {
            let user = other.users[n];
            if takes(&other.features[n]) && validates(user) == validation {
                self.push(user, other.features[n], other.bought[n], other.weights[n]);
            }
        }
    }

    pub(super) fn n_bought(&self) -> usize {
        self.bought.iter().filter(|bought| **bought).count()
    }

    /// Log-odds of the weighted share that was bought; finite, since half a row is added to both sides.
    pub(super) fn log_odds(&self) -> f32 {
        let total: f32 = self.weights.iter().sum();
        let bought: f32 = self.weights.iter().zip(&self.bought).filter(|(_, b)| **b).map(|(w, _)| w).sum();
        ((bought + 0.5) / (total - bought + 0.5)).ln()
    }

    /// Weighted mean log loss of log-odds.
    pub(super) fn loss(&self, scores: &[f32]) -> f64 {
        let chunk = |(scores, (bought, weights)): (&[f32], (&[bool], &[f32]))| {
            let (mut sum, mut total) = (0.0, 0.0);
            for ((&score, &bought), &weight) in scores.iter().zip(bought).zip(weights) {
                let sign = if bought { -1.0 } else { 1.0 };
                sum += f64::from(weight) * (sign * f64::from(score)).exp().ln_1p();
                total += f64::from(weight);
            }
            (sum, total)
        };
        let rows = self.bought.par_chunks(CHUNK).zip(self.weights.par_chunks(CHUNK));
        let chunks: Vec<(f64, f64)> = scores.par_chunks(CHUNK).zip(rows).map(chunk).collect();
        let (sum, total) = chunks.iter().fold((0.0, 0.0), |(a, b), (sum, total)| (a + sum, b + total));
        sum / total.max(1.0)
    }

    /// First and second derivative of the log loss of every row.
    pub(super) fn gradients(&self, scores: &[f32]) -> Vec<(f32, f32)> {
        let of_row = |((&score, &bought), &weight): ((&f32, &bool), &f32)| {
            let p = 1.0 / (1.0 + (-score).exp());
            (weight * (p - f32::from(u8::from(bought))), weight * p * (1.0 - p))
        };
        scores.par_iter().zip(&self.bought).zip(&self.weights).map(of_row).collect()
    }
}
