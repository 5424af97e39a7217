//! UP-CF@r: user-wise popularity over the last `r` baskets, shared by similar users (Faggioli, Polato &
//! Aiolli, "Recency aware collaborative filtering for next basket recommendation", UMAP 2020).

use qianmian_models::ids::UserIx;
use qianmian_models::index::purchases::Purchases;
use qianmian_models::kernels::topk::TopK;
use qianmian_models::snapshot::Snapshot;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::super::history::UserBaskets;

/// Baskets that the popularity within a user is counted over, `r`.
const RECENCY: usize = 25;
/// Asymmetry of the cosine, `alpha`.
const ASYMMETRY: f32 = 0.25;
/// Exponent of the similarity, `q`: how local the neighborhood is.
const LOCALITY: i32 = 5;
/// Nearest users whose baskets count; beyond, the similarity to the power of `q` is negligible.
const NEIGHBORS: usize = 1_000;

/// The method, learned from one past.
pub(super) struct UpCf<'a> {
    history: &'a Purchases,
    buyers: &'a Purchases,
    /// By user, the share of the last baskets with each item.
    popularity: Vec<Vec<(u32, f32)>>,
}

impl<'a> UpCf<'a> {
    pub(super) fn new(reference: &'a Snapshot, baskets: &UserBaskets) -> Self {
        let of = |user: usize| {
            let mut counts: FxHashMap<u32, f32> = FxHashMap::default();
            let last = baskets.of(user as u32).rev().take(RECENCY);
            let n = last.len().max(1) as f32;
            last.flatten().for_each(|&item| *counts.entry(item).or_default() += 1.0 / n);
            let mut counts: Vec<(u32, f32)> = counts.into_iter().collect();
            counts.sort_unstable_by_key(|(item, _)| *item);
            counts
        };
        let popularity = (0..baskets.n_users()).into_par_iter().map(of).collect();
        Self { history: &reference.history, buyers: &reference.buyers, popularity }
    }

    /// Scored items, in any order.
    pub(super) fn scores(&self, user: UserIx) -> FxHashMap<u32, f32> {
        let mut scores: FxHashMap<u32, f32> = FxHashMap::default();
        for (neighbor, similarity) in self.neighbors(user) {
            let weight = similarity.powi(LOCALITY);
            for (item, share) in &self.popularity[neighbor as usize] {
                *scores.entry(*item).or_default() += weight * share;
            }
        }
        scores
    }

    /// The nearest users by the asymmetric cosine of the sets of items they bought, the user included.
    fn neighbors(&self, user: UserIx) -> Vec<(UserIx, f32)> {
        let own = self.history.ixs(user);
        let mut shared = vec![0u32; self.history.rows()];
        let mut touched = Vec::new();
        for &other in own.iter().flat_map(|&item| self.buyers.ixs(item)) {
            if shared[other as usize] == 0 {
                touched.push(other);
            }
            shared[other as usize] += 1;
        }
        let mut nearest = TopK::new(NEIGHBORS);
        for other in touched {
            let theirs = self.history.ixs(other).len() as f32;
            let length = (own.len() as f32).powf(ASYMMETRY) * theirs.powf(1.0 - ASYMMETRY);
            nearest.push(other, shared[other as usize] as f32 / length);
        }
        nearest.into_sorted().iter().map(|near| (near.ix, near.score)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use qianmian_models::index::purchases::{Direction, Purchase};

    use super::*;

    #[test]
    fn similar_users_add_items_by_the_asymmetric_cosine() {
        let purchase = |ix| Purchase { ix, baskets: 1, first_at: 0, last_at: 0, decayed: 1.0 };
        // The first user bought 0 in one of two baskets, the second 0 and 1, the third 2.
        let entries = [0, 0, 1, 2].map(purchase);
        let history = Purchases::new(Direction::History, [1, 2, 1], &entries).unwrap();
        let buyers = history.transposed(3).unwrap();
        let popularity = vec![vec![(0, 0.5)], vec![(0, 1.0), (1, 1.0)], vec![(2, 1.0)]];
        let scores = UpCf { history: &history, buyers: &buyers, popularity }.scores(0);
        let similarity = 1.0 / 2f32.powf(1.0 - ASYMMETRY);
        assert!((scores[&1] - similarity.powi(LOCALITY)).abs() < 1e-6, "{scores:?}");
        assert!((scores[&0] - (0.5 + similarity.powi(LOCALITY))).abs() < 1e-6, "{scores:?}");
        assert!(!scores.contains_key(&2), "{scores:?}");
    }
}
