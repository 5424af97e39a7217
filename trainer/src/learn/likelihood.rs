//! How likely a user is to buy an item: ensembles of trees on log loss, one for users who bought it before,
//! one for those who did not and one for goods that nobody bought yet, learned from what was bought after
//! the rehearsed pasts.
//!
//! Users far down an item's list are many and much alike, so only a part of them is learned from, each
//! counting for those left out; what is learned then still speaks of all. Items are drawn more often the
//! more they sell, which leaves the probability given the features as it is.
//!
//! What was learned of one month is asked about a later one, and is then too sure more often than not: counts
//! and ages grow with the data, and the first of a list are picked by the very estimate. So each rehearsed month
//! is also foretold from the ones before it alone, and by how much that was wrong at the heads of lists is taken
//! off (see `drift`).

use qianmian_models::audience::features::{BOUGHT, Features};
use qianmian_models::audience::likelihood::Likelihood;
use qianmian_models::audience::{self, AudienceQuery, Goods};
use qianmian_models::kernels::topk::TopK;
use qianmian_models::kernels::trees::{Node, Trees};
use qianmian_models::view::View;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::gbdt::{Binned, TreeOptions, grow};
use super::rehearsal::Scene;

/// Items that are learned from, over all scenes.
const MAX_ITEMS: usize = 900;
/// The same of goods as if nobody had bought them yet.
const MAX_LAUNCHES: usize = 300;
/// Users of each item's list: half of what is shortlisted.
const DEPTH: usize = 2_000;
/// The first users of a list are all learned from; of the others one in `STEP`.
const HEAD: usize = 256;
const STEP: usize = 8;
const MAX_TREES: usize = 200;
/// Share of the rows that each tree is grown on.
const BAG: f64 = 0.3;
const PATIENCE: usize = 10;
/// One user in this many validates. Were it items, their users' facts would be known from other items:
/// who bought much after the past buys anything, which no future user tells.
const VALIDATION: u32 = 5;
/// Rows that one thread takes at a time.
const PART: usize = 8_192;
/// Fewest purchases to learn from.
const MIN_PURCHASES: usize = 200;
/// The first of each list by probability, where promises are read and drift is measured.
const PROMISED: usize = 100;
/// Months without drift that are counted beside those that were seen: few months say little of the next.
const PRIOR_MONTHS: f32 = 1.0;
/// More than this is no drift but another world.
const MAX_DRIFT: f64 = 1.0;

/// What was learned, and its worth on items that it was not learned from.
#[derive(Default)]
pub struct Learned {
    /// The models; `None` where there is too little to learn from.
    pub likelihood: Option<Likelihood>,
    /// For the manifest.
    pub metrics: serde_json::Value,
}

/// Rows of users and items with what followed.
#[derive(Default)]
struct Rows {
    features: Vec<Features>,
    bought: Vec<bool>,
    weights: Vec<f32>,
    users: Vec<u32>,
}

/// Learns from what followed the pasts.
pub fn learn(scenes: &[Scene], seed: u64, progress: &dyn Fn(u64)) -> Learned {
    let Some(scene) = scenes.first() else { return Learned::default() };
    let of = |goods: fn(View<'_>, u32) -> Goods, items: usize| -> Vec<Vec<Rows>> {
        scenes.iter().map(|scene| lists(scene, goods, items / scenes.len(), seed)).collect()
    };
    let sold = of(Goods::of_item, MAX_ITEMS);
    if sold.iter().flatten().map(Rows::n_bought).sum::<usize>() < MIN_PURCHASES {
        return Learned::default();
    }
    let (repeat, repeat_metrics) = foretell(&sold, &|row| !row[BOUGHT].is_nan(), progress);
    let (new, new_metrics) = foretell(&sold, &|row| row[BOUGHT].is_nan(), progress);
    drop(sold);
    let (launch, launch_metrics) = foretell(&of(Goods::as_if_unsold, MAX_LAUNCHES), &|_| true, progress);
    let metrics = serde_json::json!({"repeat": repeat_metrics, "new": new_metrics, "launch": launch_metrics});
    Learned { likelihood: Some(Likelihood { repeat, new, launch, horizon: scene.outcome.horizon }), metrics }
}

/// Trees learned from all months, latest first, less the drift that the months themselves show.
fn foretell(
    months: &[Vec<Rows>],
    of: &dyn Fn(&Features) -> bool,
    progress: &dyn Fn(u64),
) -> (Trees, serde_json::Value) {
    let (mut trees, loss) = fit(&months.iter().flatten().collect::<Vec<_>>(), of, progress);
    let drift = |(n, month): (usize, &Vec<Rows>)| {
        let earlier = fit(&months[n + 1..].iter().flatten().collect::<Vec<_>>(), of, progress).0;
        drift(month, &earlier, of)
    };
    let foretold = months.len().saturating_sub(1);
    let drifts: Vec<f32> = months.iter().enumerate().take(foretold).map(drift).collect();
    let value = drifts.iter().sum::<f32>() / (foretold as f32 + PRIOR_MONTHS);
    trees.push(&[Node { feature: 0, threshold: 0.0, left: 0, right: 0, value }]);
    (trees, serde_json::json!({"log_loss": loss, "drift": drifts}))
}

/// What has to be added to log-odds that were learned from earlier months, so that as many of the first of this
/// month's lists buy as was foretold; 0 where none did.
fn drift(month: &[Rows], earlier: &Trees, of: &dyn Fn(&Features) -> bool) -> f32 {
    let (mut head, mut bought) = (Vec::new(), 0.0);
    for list in month {
        let mut top = TopK::new(PROMISED);
        for (n, features) in list.features.iter().enumerate().filter(|(_, features)| of(features)) {
            top.push(n as u32, earlier.score(features));
        }
        for scored in top.into_sorted() {
            let weight = f64::from(list.weights[scored.ix as usize]);
            bought += if list.bought[scored.ix as usize] { weight } else { 0.0 };
            head.push((f64::from(scored.score), weight));
        }
    }
    if bought == 0.0 {
        return 0.0;
    }
    let foretold = |shift: f64| -> f64 { head.iter().map(|(s, w)| w / (1.0 + (-s - shift).exp())).sum() };
    let (mut low, mut high) = (-MAX_DRIFT, MAX_DRIFT);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if foretold(middle) < bought { low = middle } else { high = middle }
    }
    ((low + high) / 2.0) as f32
}

/// The lists of a scene's sampled items.
fn lists(scene: &Scene, goods: fn(View<'_>, u32) -> Goods, n_items: usize, seed: u64) -> Vec<Rows> {
    let (view, outcome) = (scene.view(), &scene.outcome);
    let list = |item: u32| -> Rows {
        let query = AudienceQuery::for_item(item, DEPTH);
        let mut rows = Rows::default();
        let people = audience::rows(view, &query, &goods(view, item));
        let watched = people.into_iter().filter(|(user, _)| outcome.watched[*user as usize]);
        for (n, (user, features)) in watched.enumerate() {
            let bought = outcome.buyers[item as usize].binary_search(&user).is_ok();
            let is_repeat = !features[BOUGHT].is_nan();
            let taken = n < HEAD || is_repeat || bought;
            if taken || n.is_multiple_of(STEP) {
                rows.push(user, features, bought, if taken { 1.0 } else { STEP as f32 });
            }
        }
        rows
    };
    sample(scene, n_items, seed).into_par_iter().map(list).collect()
}

/// Items that were sold before, more likely the more they sell; in dense order.
fn sample(scene: &Scene, n_items: usize, seed: u64) -> Vec<u32> {
    let snapshot = &scene.snapshot;
    let sold: Vec<u32> =
        (0..snapshot.items.len() as u32).filter(|&i| !snapshot.buyers.ixs(i).is_empty()).collect();
    let share = |item: u32| (1.0 + f64::from(snapshot.popularity.baskets_within(2, item))).sqrt();
    let total: f64 = sold.iter().map(|&item| share(item)).sum();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    sold.into_iter().filter(|&item| rng.random::<f64>() < n_items as f64 * share(item) / total).collect()
}

impl Rows {
    fn push(&mut self, user: u32, features: Features, bought: bool, weight: f32) {
        self.users.push(user);
        self.features.push(features);
        self.bought.push(bought);
        self.weights.push(weight);
    }

    fn extend(&mut self, other: &Self, of: &dyn Fn(&Features) -> bool, validates: bool) {
        for n in 0..other.features.len() {
            let user = other.users[n];
            if of(&other.features[n]) && validator(user) == validates {
                self.push(user, other.features[n], other.bought[n], other.weights[n]);
            }
        }
    }

    fn n_bought(&self) -> usize {
        self.bought.iter().filter(|b| **b).count()
    }

    /// Of the share that was bought, within what can be told from so many rows.
    fn log_odds(&self) -> f32 {
        let total: f32 = self.weights.iter().sum();
        let bought: f32 = self.weights.iter().zip(&self.bought).filter(|(_, b)| **b).map(|(w, _)| w).sum();
        ((bought + 0.5) / (total - bought + 0.5)).ln()
    }

    /// Mean log loss under log-odds.
    fn loss(&self, scores: &[f32]) -> f64 {
        // Parts of one length, whatever the number of threads, so that the sum is always the same.
        let part = |(scores, (bought, weights)): (&[f32], (&[bool], &[f32]))| {
            let (mut sum, mut total) = (0.0, 0.0);
            for ((&score, &bought), &weight) in scores.iter().zip(bought).zip(weights) {
                let sign = if bought { -1.0 } else { 1.0 };
                sum += f64::from(weight) * (sign * f64::from(score)).exp().ln_1p();
                total += f64::from(weight);
            }
            (sum, total)
        };
        let rows = self.bought.par_chunks(PART).zip(self.weights.par_chunks(PART));
        let parts: Vec<(f64, f64)> = scores.par_chunks(PART).zip(rows).map(part).collect();
        let (sum, total) = parts.iter().fold((0.0, 0.0), |(a, b), (sum, total)| (a + sum, b + total));
        sum / total.max(1.0)
    }

    fn gradients(&self, scores: &[f32]) -> Vec<(f32, f32)> {
        let of = |((&score, &bought), &weight): ((&f32, &bool), &f32)| {
            let p = 1.0 / (1.0 + (-score).exp());
            (weight * (p - f32::from(u8::from(bought))), weight * p * (1.0 - p))
        };
        scores.par_iter().zip(&self.bought).zip(&self.weights).map(of).collect()
    }
}

/// Grows trees on four fifths of the users until the other fifth likes no more of them; with its log loss.
fn fit(lists: &[&Rows], of: &dyn Fn(&Features) -> bool, progress: &dyn Fn(u64)) -> (Trees, f64) {
    let part = |validates: bool| {
        let mut rows = Rows::default();
        lists.iter().for_each(|list| rows.extend(list, of, validates));
        rows
    };
    let (rows, held) = (part(false), part(true));
    let data = Binned::new(&rows.features);
    let min_rows = (rows.users.len() / 50).clamp(20, 1_000);
    let options = TreeOptions { leaves: 8, min_rows, learning_rate: 0.05, ..TreeOptions::default() };
    let (mut trees, mut best) = (Trees::default(), (0, f64::MAX));
    let (mut scores, mut held_scores) = (vec![0.0f32; rows.users.len()], vec![0.0f32; held.users.len()]);
    for n in 1..=MAX_TREES {
        let tree = match n {
            1 => vec![Node { feature: 0, threshold: 0.0, left: 0, right: 0, value: rows.log_odds() }],
            _ => grow(&data, bag(&data, n), &rows.gradients(&scores), &options),
        };
        let mut one = Trees::default();
        one.push(&tree);
        for (rows, scores) in [(&rows, &mut scores), (&held, &mut held_scores)] {
            let rows = rows.features.par_chunks(PART);
            scores.par_chunks_mut(PART).zip(rows).for_each(|(scores, rows)| one.add_scores(rows, scores));
        }
        trees.push(&tree);
        progress(1);
        let loss = held.loss(&held_scores);
        if loss < best.1 {
            best = (n, loss);
        } else if n >= best.0 + PATIENCE {
            break;
        }
    }
    trees.truncate(best.0);
    (trees, best.1)
}

/// Whether a user validates; scattered, because the users that are watched may be every n-th.
fn validator(user: u32) -> bool {
    (user.wrapping_mul(0x9E37_79B9) >> 16).is_multiple_of(VALIDATION)
}

/// The rows that the `n`-th tree is grown on: fewer than all is not only faster but better, because trees
/// then err on different users (Friedman, "Stochastic gradient boosting", 2002).
fn bag(data: &Binned, n: usize) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
    let mut rows = data.rows();
    rows.retain(|_| rng.random::<f64>() < BAG);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Users buy with a tenth of the probability that their first feature says; it says more on one in
    /// nine rows that count for eight each.
    #[test]
    fn probabilities_are_right_on_average_whatever_part_was_learned_from() {
        let mut rows = Rows::default();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for user in 0..20_000 {
            let x: f32 = rng.random();
            let bought = rng.random::<f32>() < x / 10.0;
            let is_head = user % 2 == 0;
            if is_head || bought || rng.random::<f32>() < 0.125 {
                let mut features = [f32::NAN; qianmian_models::audience::features::COUNT];
                features[0] = x;
                // Every fifth user, as a rehearsal of many users watches.
                rows.push(5 * user, features, bought, if is_head || bought { 1.0 } else { 8.0 });
            }
        }
        let (trees, loss) = fit(&[&rows], &|_| true, &|_| ());
        let probability = |x: f32| {
            let mut features = [f32::NAN; qianmian_models::audience::features::COUNT];
            features[0] = x;
            1.0 / (1.0 + (-trees.score(&features)).exp())
        };
        for x in [0.15, 0.5, 0.85] {
            assert!((probability(x) - x / 10.0).abs() < 0.015, "{x}: {}", probability(x));
        }
        assert!(loss < 0.2, "{loss}");
    }

    /// Lists in which the first feature gives the log-odds; a third of what it foretells comes true.
    #[test]
    fn drift_is_what_makes_the_heads_of_lists_come_true() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let list = |share: f32, rng: &mut ChaCha8Rng| {
            let mut rows = Rows::default();
            for user in 0..400 {
                let mut features = [f32::NAN; qianmian_models::audience::features::COUNT];
                features[0] = if user < 100 { 1.0 } else { 0.0 };
                let foretold = if user < 100 { 0.3 } else { 0.01 };
                rows.push(user, features, rng.random::<f32>() < share * foretold, 1.0);
            }
            rows
        };
        let leaf = |at: u32, p: f32| Node {
            feature: 0,
            threshold: 0.0,
            left: at,
            right: at,
            value: (p / (1.0 - p)).ln(),
        };
        let mut earlier = Trees::default();
        earlier.push(&[
            Node { feature: 0, threshold: 0.5, left: 1, right: 2, value: 0.0 },
            leaf(1, 0.01),
            leaf(2, 0.3),
        ]);
        let mut of = |share: f32| {
            let month: Vec<Rows> = (0..60).map(|_| list(share, &mut rng)).collect();
            drift(&month, &earlier, &|_| true)
        };
        assert!(of(1.0).abs() < 0.06);
        let (odds, too_sure) = (|p: f32| (p / (1.0 - p)).ln(), of(0.7));
        assert!((too_sure - (odds(0.21) - odds(0.3))).abs() < 0.06, "{too_sure}");
        assert_eq!(of(0.0), 0.0);
    }
}
