//! TIFUKNN: a user's item frequencies, decayed within groups of baskets and over the groups, mixed with those of
//! the nearest users (Hu, He, Gao & Zhang, "Modeling personalized item frequency information for
//! next-basket recommendation", SIGIR 2020).

use qianmian_models::ids::UserIx;
use qianmian_models::kernels::topk::TopK;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::super::history::UserBaskets;

/// Groups that a history is cut into, `m`.
const GROUPS: usize = 7;
/// Decay per basket within a group, `r_b`.
const WITHIN_DECAY: f32 = 0.9;
/// Decay per group, `r_g`.
const GROUP_DECAY: f32 = 0.7;
/// Nearest users by Euclidean distance, `k`.
const NEIGHBORS: usize = 300;
/// Weight of the user's own vector, `alpha`.
const OWN: f32 = 0.7;

/// The method, learned from one past.
pub(super) struct TifuKnn {
    /// Sparse vector of every user.
    vectors: Vec<Vec<(u32, f32)>>,
    squares: Vec<f32>,
    /// By item, the users who have it, with the weight.
    by_item: Vec<Vec<(UserIx, f32)>>,
}

impl TifuKnn {
    pub(super) fn new(baskets: &UserBaskets, n_items: usize) -> Self {
        let vectors: Vec<Vec<(u32, f32)>> =
            (0..baskets.n_users()).into_par_iter().map(|user| vector(baskets, user as u32)).collect();
        let mut by_item: Vec<Vec<(UserIx, f32)>> = vec![Vec::new(); n_items];
        for (user, vector) in vectors.iter().enumerate() {
            vector.iter().for_each(|&(item, weight)| by_item[item as usize].push((user as u32, weight)));
        }
        let squares = vectors.iter().map(|v| v.iter().map(|(_, w)| w * w).sum()).collect();
        Self { vectors, squares, by_item }
    }

    /// Scored items, in any order.
    pub(super) fn scores(&self, user: UserIx) -> FxHashMap<u32, f32> {
        let own = &self.vectors[user as usize];
        let mut scores: FxHashMap<u32, f32> = own.iter().map(|&(item, w)| (item, OWN * w)).collect();
        let neighbors = self.neighbors(user);
        let share = (1.0 - OWN) / neighbors.len().max(1) as f32;
        for neighbor in neighbors {
            for &(item, weight) in &self.vectors[neighbor as usize] {
                *scores.entry(item).or_default() += share * weight;
            }
        }
        scores
    }

    /// The nearest other users that bought anything.
    fn neighbors(&self, user: UserIx) -> Vec<UserIx> {
        let mut products = vec![0.0f32; self.vectors.len()];
        for &(item, weight) in &self.vectors[user as usize] {
            self.by_item[item as usize].iter().for_each(|&(u, w)| products[u as usize] += weight * w);
        }
        let mut nearest = TopK::new(NEIGHBORS);
        for (other, (product, square)) in products.iter().zip(&self.squares).enumerate() {
            if other as u32 != user && *square > 0.0 {
                nearest.push(other as u32, 2.0 * product - square);
            }
        }
        nearest.into_sorted().iter().map(|near| near.ix).collect()
    }
}

/// Mean over the groups of the means over their baskets. The latest group, and the latest basket of each group, are
/// not decayed.
fn vector(baskets: &UserBaskets, user: UserIx) -> Vec<(u32, f32)> {
    let own: Vec<&[u32]> = baskets.of(user).collect();
    let groups = own.len().min(GROUPS);
    let mut sums: FxHashMap<u32, f32> = FxHashMap::default();
    for group in 0..groups {
        let members = &own[group * own.len() / groups..(group + 1) * own.len() / groups];
        let age = GROUP_DECAY.powi((groups - 1 - group) as i32) / groups as f32;
        for (n, basket) in members.iter().enumerate() {
            let weight = age * WITHIN_DECAY.powi((members.len() - 1 - n) as i32) / members.len() as f32;
            basket.iter().for_each(|&item| *sums.entry(item).or_default() += weight);
        }
    }
    let mut vector: Vec<(u32, f32)> = sums.into_iter().collect();
    vector.sort_unstable_by_key(|(item, _)| *item);
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_decays_over_groups_and_within_them() {
        // Eight baskets in seven groups: the last group holds two.
        let one: &[u32] = &[0];
        let baskets = UserBaskets::of_lists(&[&[one, &[], &[], &[], &[], &[], &[1], &[2]]]);
        let vector = vector(&baskets, 0);
        let expected = [GROUP_DECAY.powi(6) / 7.0, WITHIN_DECAY / 2.0 / 7.0, 1.0 / 2.0 / 7.0];
        for ((item, weight), (n, expected)) in vector.iter().zip(expected.iter().enumerate()) {
            assert_eq!(*item, n as u32);
            assert!((weight - expected).abs() < 1e-6, "{vector:?}");
        }
    }

    #[test]
    fn neighbors_add_items_that_the_user_never_bought() {
        let baskets = UserBaskets::of_lists(&[&[&[0]], &[&[0, 1]], &[&[2]]]);
        let scores = TifuKnn::new(&baskets, 3).scores(0);
        assert!((scores[&0] - (0.7 + 0.15)).abs() < 1e-6, "{scores:?}");
        assert!((scores[&1] - 0.15).abs() < 1e-6 && (scores[&2] - 0.15).abs() < 1e-6, "{scores:?}");
    }
}
