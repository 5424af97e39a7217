//! Boosting on log loss, with early stopping on held-out users.

use qianmian_models::index::likelihood::Features;
use qianmian_models::kernels::trees::{Node, Trees};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::rows::{CHUNK, Rows};
use crate::learn::gbdt::{Binned, TreeOptions, grow};

/// Most trees of an ensemble (decision 19).
pub(super) const MAX_TREES: usize = 200;
/// Boosting stops after this many trees without a better validation (decision 19).
const PATIENCE: usize = 10;
/// Share of the rows that each tree is grown on (decision 19).
const SAMPLE_SHARE: f64 = 0.3;
/// Leaves of a tree, and the learning rate (decision 19).
const LEAVES: usize = 8;
const LEARNING_RATE: f64 = 0.05;

/// Boosts on the rows that `takes` accepts, of four fifths of the users, until the log loss of the other fifth no
/// longer falls; returns the trees and that loss.
pub(super) fn fit(
    lists: &[&Rows],
    takes: &dyn Fn(&Features) -> bool,
    progress: &dyn Fn(u64),
) -> (Trees, f64) {
    let part = |validation: bool| {
        let mut rows = Rows::default();
        lists.iter().for_each(|list| rows.extend(list, takes, validation));
        rows
    };
    let (rows, validation) = (part(false), part(true));
    let data = Binned::new(&rows.features);
    let min_rows = (rows.users.len() / 50).clamp(20, 1_000);
    let options =
        TreeOptions { leaves: LEAVES, min_rows, learning_rate: LEARNING_RATE, ..TreeOptions::default() };
    let (mut trees, mut best) = (Trees::default(), (0, f64::MAX));
    let mut scores = vec![0.0f32; rows.users.len()];
    let mut validation_scores = vec![0.0f32; validation.users.len()];
    for n in 1..=MAX_TREES {
        let tree = match n {
            1 => vec![Node { feature: 0, threshold: 0.0, left: 0, right: 0, value: rows.log_odds() }],
            _ => grow(&data, sample(&data, n), &rows.gradients(&scores), &options),
        };
        let mut one = Trees::default();
        one.push(&tree);
        for (rows, scores) in [(&rows, &mut scores), (&validation, &mut validation_scores)] {
            let rows = rows.features.par_chunks(CHUNK);
            scores.par_chunks_mut(CHUNK).zip(rows).for_each(|(scores, rows)| one.add_scores(rows, scores));
        }
        trees.push(&tree);
        progress(1);
        let loss = validation.loss(&validation_scores);
        if loss < best.1 {
            best = (n, loss);
        } else if n >= best.0 + PATIENCE {
            break;
        }
    }
    trees.truncate(best.0);
    (trees, best.1)
}

/// The rows that the `n`-th tree is grown on. A sample is faster and also more accurate than all rows, because the
/// trees then err on different users (Friedman, "Stochastic gradient boosting", 2002).
fn sample(data: &Binned, n: usize) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
    let mut rows = data.rows();
    rows.retain(|_| rng.random::<f64>() < SAMPLE_SHARE);
    rows
}

#[cfg(test)]
mod tests {
    use qianmian_models::index::feature_schema::LikelihoodColumn;

    use super::*;

    /// Users buy with a tenth of the probability that their first feature gives. For half of the users only one row in
    /// eight is kept, with a weight of eight.
    #[test]
    fn probabilities_hold_whatever_sample_was_learned_from() {
        let mut rows = Rows::default();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for user in 0..20_000 {
            let x: f32 = rng.random();
            let bought = rng.random::<f32>() < x / 10.0;
            let is_head = user % 2 == 0;
            if is_head || bought || rng.random::<f32>() < 0.125 {
                let mut features = [f32::NAN; LikelihoodColumn::COUNT];
                features[0] = x;
                // Every fifth user, as in a fold with many users.
                rows.push(5 * user, features, bought, if is_head || bought { 1.0 } else { 8.0 });
            }
        }
        let (trees, loss) = fit(&[&rows], &|_| true, &|_| ());
        let probability = |x: f32| {
            let mut features = [f32::NAN; LikelihoodColumn::COUNT];
            features[0] = x;
            1.0 / (1.0 + (-trees.score(&features)).exp())
        };
        for x in [0.15, 0.5, 0.85] {
            assert!((probability(x) - x / 10.0).abs() < 0.015, "{x}: {}", probability(x));
        }
        assert!(loss < 0.2, "{loss}");
    }
}
