//! Ranking metrics and the bootstrap: one definition for learners, evaluation and tuning.
//!
//! Ranks are counted from 0. Every metric is a pure function of a ranked list and the actual purchases.

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashSet;

/// Share of `truth` among the first `k` of `ranked`; `0..=1`.
pub fn recall(ranked: &[u32], truth: &FxHashSet<u32>, k: usize) -> f64 {
    hits(ranked, truth, k).count() as f64 / truth.len().max(1) as f64
}

/// Normalized discounted cumulative gain of the first `k`, binary relevance; `0..=1` (Järvelin &
/// Kekäläinen 2002). 0 if nothing is relevant.
pub fn ndcg(ranked: &[u32], truth: &FxHashSet<u32>, k: usize) -> f64 {
    ndcg_of_hits(hits(ranked, truth, k), truth.len(), k)
}

/// The same, from the ranks of the hits (each below `k`) and the number of relevant entries.
pub fn ndcg_of_hits(hits: impl IntoIterator<Item = usize>, n_relevant: usize, k: usize) -> f64 {
    let ideal = ideal_dcg(n_relevant, k);
    if ideal > 0.0 { dcg(hits) / ideal } else { 0.0 }
}

/// Discounted cumulative gain of hits at these ranks.
pub fn dcg(hits: impl IntoIterator<Item = usize>) -> f64 {
    // An empty sum is -0.
    0.0 + hits.into_iter().map(discount).sum::<f64>()
}

/// The largest gain that `n_relevant` relevant entries can have within the first `k`.
pub fn ideal_dcg(n_relevant: usize, k: usize) -> f64 {
    dcg(0..n_relevant.min(k))
}

/// The DCG gain of a hit at `rank`, counted from 0: `1 / log2(rank + 2)`.
pub fn discount(rank: usize) -> f64 {
    1.0 / ((rank + 2) as f64).log2()
}

/// 1 if any of the first `k` is in `truth`, else 0.
pub fn hit(ranked: &[u32], truth: &FxHashSet<u32>, k: usize) -> f64 {
    f64::from(u8::from(hits(ranked, truth, k).next().is_some()))
}

fn hits<'a>(ranked: &'a [u32], truth: &'a FxHashSet<u32>, k: usize) -> impl Iterator<Item = usize> + 'a {
    ranked.iter().take(k).enumerate().filter(|(_, ix)| truth.contains(ix)).map(|(rank, _)| rank)
}

/// Area under the ROC curve: the probability that a buyer ranks before a non-buyer, among `n_users` users.
/// Users that are not in `ranked` tie at the end, and a tie counts half (Hanley & McNeil 1982). NaN if
/// there is no buyer or no non-buyer.
pub fn auc(ranked: &[u32], truth: &FxHashSet<u32>, n_users: usize) -> f64 {
    let others = n_users.saturating_sub(truth.len()) as f64;
    let (mut found, mut passed, mut won) = (0usize, 0.0f64, 0.0f64);
    for ix in ranked {
        if truth.contains(ix) {
            found += 1;
            won += others - passed;
        } else {
            passed += 1.0;
        }
    }
    let missed = (truth.len() - found) as f64;
    (won + missed * (others - passed).max(0.0) / 2.0) / (truth.len() as f64 * others)
}

/// Gini coefficient of the number of times each item is shown: 0 if all are shown equally often, near 1 if few
/// items fill all slots (Fleder & Hosanagar 2009). 0 for no items.
pub fn gini(counts: &[u32]) -> f64 {
    let mut sorted: Vec<f64> = counts.iter().map(|&c| f64::from(c)).collect();
    sorted.sort_by(f64::total_cmp);
    let (n, total) = (sorted.len() as f64, sorted.iter().sum::<f64>());
    if total == 0.0 {
        return 0.0;
    }
    let weighted: f64 = sorted.iter().enumerate().map(|(rank, c)| (rank + 1) as f64 * c).sum();
    2.0 * weighted / (n * total) - (n + 1.0) / n
}

/// Mean; 0 for no values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Mean and standard error of the differences of two methods, case by case.
#[derive(Debug)]
pub struct Paired {
    /// Mean of the differences.
    pub mean: f64,
    /// Its standard error.
    pub standard_error: f64,
}

impl Paired {
    /// Computes both for `a` minus `b`, case by case.
    pub fn new(a: &[f64], b: &[f64]) -> Self {
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        let (n, mean) = (differences.len().max(1) as f64, mean(&differences));
        let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
        Self { mean, standard_error: (squares / (n - 1.0).max(1.0) / n).sqrt() }
    }

    /// True if the mean is above 0 by more than two standard errors, which happens by chance once in 40.
    pub fn is_certain(&self) -> bool {
        self.mean > 2.0 * self.standard_error
    }
}

/// 95 % percentile bootstrap interval (Efron 1979) of the mean of paired differences `a - b`, from 1,000
/// seeded resamples.
pub fn bootstrap_difference(a: &[f64], b: &[f64]) -> [f64; 2] {
    const RESAMPLES: usize = 1_000;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    if differences.is_empty() {
        return [0.0, 0.0];
    }
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let draw = || differences[rng.random_range(0..differences.len())];
            std::iter::repeat_with(draw).take(differences.len()).sum::<f64>() / differences.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    [means[RESAMPLES * 25 / 1_000], means[RESAMPLES * 975 / 1_000 - 1]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(items: &[u32]) -> FxHashSet<u32> {
        items.iter().copied().collect()
    }

    #[test]
    fn recall_ndcg_and_hit_match_a_hand_ranked_list() {
        let (ranked, truth) = ([5, 1, 7, 2], set(&[1, 2, 9]));
        assert!((recall(&ranked, &truth, 2) - 1.0 / 3.0).abs() < 1e-12);
        assert!((recall(&ranked, &truth, 4) - 2.0 / 3.0).abs() < 1e-12);
        let gain = 1.0 / 3f64.log2() + 1.0 / 5f64.log2();
        let ideal = 1.0 + 1.0 / 3f64.log2() + 0.5;
        assert!((ndcg(&ranked, &truth, 4) - gain / ideal).abs() < 1e-12);
        assert_eq!((hit(&ranked, &truth, 1), hit(&ranked, &truth, 2)), (0.0, 1.0));
    }

    #[test]
    fn auc_counts_won_pairs_and_half_of_the_ties() {
        // Six users; 1 and 2 buy. Only 5 ranks above 1; 2 is not ranked and ties with three others.
        let (ranked, truth) = ([5, 1], set(&[1, 2]));
        assert!((auc(&ranked, &truth, 6) - (3.0 + 1.5) / 8.0).abs() < 1e-12);
        assert!((auc(&[], &truth, 6) - 0.5).abs() < 1e-12);
        assert!((auc(&[2, 1], &truth, 6) - 1.0).abs() < 1e-12);
        assert!(auc(&[1, 2], &truth, 2).is_nan());
    }

    #[test]
    fn gini_is_zero_for_equal_shares_and_grows_with_concentration() {
        assert!(gini(&[3; 10]).abs() < 1e-12);
        assert!((gini(&[0, 0, 0, 8]) - 0.75).abs() < 1e-12);
        assert!(gini(&[0, 0, 0, 8]) > gini(&[1, 1, 2, 4]));
        assert_eq!((gini(&[]), gini(&[0, 0])), (0.0, 0.0));
    }

    #[test]
    fn interval_holds_the_mean_and_narrows_with_more_cases() {
        let ones = |n: usize| (0..n).map(|i| f64::from((i % 2) as u8)).collect::<Vec<_>>();
        let width = |n: usize| {
            let [low, high] = bootstrap_difference(&ones(n), &vec![0.0; n]);
            assert!(low <= 0.5 && 0.5 <= high);
            high - low
        };
        assert!(width(1_000) < width(50) / 2.0);
    }
}
