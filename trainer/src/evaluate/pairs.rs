//! Pair counts: the number of baskets that two items share, for the baselines that score pairs.

use qianmian_models::ids::ItemIx;
use rayon::prelude::*;

use crate::dataset::Dataset;

/// Partners kept per item, the most frequent first: a bound on memory, far above the length of a list.
const MAX_PARTNERS: usize = 5_000;

/// Baskets by item, and counts of pairs.
pub(super) struct Pairs {
    n_baskets: f64,
    baskets: Vec<u32>,
    partners: Vec<Vec<(ItemIx, u32)>>,
}

/// The score of a pair of items, from its basket counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Association {
    /// Shared baskets over the geometric mean of both items' baskets.
    Cosine,
    /// Shared baskets over those expected by chance; 0 for pairs with fewer than three shared baskets, as too noisy.
    Lift,
    /// Log-likelihood ratio of pairs that are more frequent than by chance (Dunning 1993).
    Llr,
}

impl Pairs {
    /// Counts over all baskets of `past`.
    pub(super) fn new(past: &Dataset) -> Self {
        let mut of_item: Vec<Vec<u32>> = vec![Vec::new(); past.n_items()];
        let mut of_basket: Vec<Vec<ItemIx>> = Vec::new();
        for basket in past.baskets() {
            basket.iter().for_each(|l| of_item[l.item as usize].push(of_basket.len() as u32));
            of_basket.push(basket.iter().map(|l| l.item).collect());
        }
        let partners = (0..past.n_items())
            .into_par_iter()
            .map_init(
                || vec![0u32; past.n_items()],
                |counts, item| partners(&of_basket, &of_item, counts, item),
            )
            .collect();
        Self {
            n_baskets: of_basket.len() as f64,
            baskets: of_item.iter().map(|b| b.len() as u32).collect(),
            partners,
        }
    }

    /// The items that share baskets with `item`, scored.
    pub(super) fn scored(&self, item: ItemIx, by: Association) -> impl Iterator<Item = (ItemIx, f32)> + '_ {
        let own = f64::from(self.baskets[item as usize]);
        self.partners[item as usize].iter().filter_map(move |&(other, together)| {
            let score = self.score(own, f64::from(self.baskets[other as usize]), f64::from(together), by);
            (score > 0.0).then_some((other, score as f32))
        })
    }

    fn score(&self, a: f64, b: f64, together: f64, by: Association) -> f64 {
        match by {
            Association::Cosine => together / (a * b).sqrt(),
            Association::Lift if together < 3.0 => 0.0,
            Association::Lift => together * self.n_baskets / (a * b),
            Association::Llr if together * self.n_baskets <= a * b => 0.0,
            Association::Llr => {
                llr([together, a - together, b - together, self.n_baskets - a - b + together])
            }
        }
    }
}

fn partners(
    of_basket: &[Vec<ItemIx>],
    of_item: &[Vec<u32>],
    counts: &mut [u32],
    item: usize,
) -> Vec<(ItemIx, u32)> {
    let mut touched = Vec::new();
    for &other in of_item[item].iter().flat_map(|&basket| &of_basket[basket as usize]) {
        if counts[other as usize] == 0 {
            touched.push(other);
        }
        counts[other as usize] += 1;
    }
    let mut found: Vec<(ItemIx, u32)> = touched
        .into_iter()
        .map(|other| (other, std::mem::take(&mut counts[other as usize])))
        .filter(|(other, _)| *other as usize != item)
        .collect();
    found.sort_unstable_by_key(|&(other, together)| (std::cmp::Reverse(together), other));
    found.truncate(MAX_PARTNERS);
    found
}

/// Twice the log-likelihood ratio of a two-by-two table against independence.
fn llr(cells: [f64; 4]) -> f64 {
    let entropy = |counts: &[f64]| -> f64 {
        let total: f64 = counts.iter().sum();
        counts.iter().filter(|&&c| c > 0.0).map(|c| c * (c / total).ln()).sum()
    };
    let [k11, k12, k21, k22] = cells;
    2.0 * (entropy(&cells) - entropy(&[k11 + k12, k21 + k22]) - entropy(&[k11 + k21, k12 + k22]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> Pairs {
        // Ten baskets: item 0 in four, item 1 in five, both in three.
        let partners = vec![vec![(1, 3)], vec![(0, 3)]];
        Pairs { n_baskets: 10.0, baskets: vec![4, 5], partners }
    }

    #[test]
    fn pair_scores_match_hand_counts() {
        let score = |by| pairs().scored(0, by).next().map(|(_, score)| score);
        assert!((score(Association::Cosine).unwrap_or(0.0) - 3.0 / 20f32.sqrt()).abs() < 1e-6);
        assert!((score(Association::Lift).unwrap_or(0.0) - 1.5).abs() < 1e-6);
        // Cells 3, 1, 2, 4 against the expected 2, 2, 3, 3.
        let by_hand =
            2.0 * (3.0 * (3f32 / 2.0).ln() + 0.5f32.ln() + 2.0 * (2f32 / 3.0).ln() + 4.0 * (4f32 / 3.0).ln());
        assert!((score(Association::Llr).unwrap_or(0.0) - by_hand).abs() < 1e-5);
    }

    #[test]
    fn independent_items_have_no_likelihood_ratio() {
        assert!(llr([2.0, 2.0, 3.0, 3.0]).abs() < 1e-12);
    }
}
