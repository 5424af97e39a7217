//! Bundles: sets of two to five items that share baskets more often than any split of the set explains.
//!
//! Sets are grown level by level: a set of `k + 1` items is a candidate if all its parts of `k` were kept, and its
//! baskets are counted exactly. It is kept if it is *productive* (Webb, "Self-sufficient
//! itemsets", 2010): for every split into two parts, more baskets hold it than expected if the parts were
//! independent, so that a set is never kept for an association that one of its parts already has. The margin is
//! corrected for the number of candidates tested, so the least support follows from the data: about 8
//! baskets in a small shop, 15 among millions of pairs.
//!
//! Every item keeps its [`TOP_N`] best sets of each size, so there are at most `4 TOP_N` sets per item.

mod count;

use qianmian_models::error::Result;
use qianmian_models::index::bundles::{Bundles, Itemset, SIZES};
use qianmian_models::index::co_purchase::CoPurchase;
use qianmian_models::kernels::topk::TopK;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::co_purchase::Baskets;
use crate::dataset::Dataset;

/// Sets of one size kept for an item (decision 16).
pub const TOP_N: usize = 20;
/// Probability that any set of a size is kept although its parts are independent (decision 16).
const FAMILY_ERROR: f64 = 0.05;
const MAX_SIZE: usize = *SIZES.end();
/// Pads sets of fewer items.
const NO_ITEM: u32 = u32::MAX;

/// Two to five items, ascending, padded with [`NO_ITEM`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Items([u32; MAX_SIZE]);

impl Items {
    fn new(items: impl IntoIterator<Item = u32>) -> Self {
        let mut set = [NO_ITEM; MAX_SIZE];
        set.iter_mut().zip(items).for_each(|(slot, item)| *slot = item);
        set.sort_unstable();
        Self(set)
    }

    fn as_slice(&self) -> &[u32] {
        let len = self.0.iter().position(|&item| item == NO_ITEM).unwrap_or(MAX_SIZE);
        &self.0[..len]
    }

    /// The items at the positions whose bit is set in `mask`.
    fn part(&self, mask: u32) -> Self {
        Self::new((0..MAX_SIZE).filter(|n| mask >> n & 1 == 1).map(|n| self.0[n]))
    }
}

/// The sets kept so far, with the counts to judge larger ones.
struct Kept {
    n_baskets: f64,
    baskets_of: Vec<u32>,
    counts: FxHashMap<Items, u32>,
    sets: Vec<Itemset>,
}

/// Mines all productive sets, starting from the pairs of `co_purchase`. `progress` is called for every size.
pub fn learn(
    dataset: &Dataset,
    co_purchase: &CoPurchase,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Bundles> {
    mine(&Baskets::new(dataset), pairs(co_purchase, dataset.n_items()), progress)
}

fn mine(baskets: &Baskets, pairs: Vec<(Items, u32)>, progress: &(dyn Fn(u64) + Sync)) -> Result<Bundles> {
    let n_items = baskets.of_item.rows();
    let mut kept = Kept {
        n_baskets: baskets.of_basket.rows() as f64,
        baskets_of: (0..n_items).map(|item| baskets.of_item.row(item).len() as u32).collect(),
        counts: FxHashMap::default(),
        sets: Vec::new(),
    };
    let mut level = kept.keep(pairs, baskets.n_pairs());
    progress(1);
    for _ in 3..=MAX_SIZE {
        let candidates = kept.larger(&level);
        let counts = count::count(baskets, &kept.baskets_of, &candidates);
        let n_tests = candidates.len() as f64;
        level = kept.keep(candidates.into_iter().zip(counts).collect(), n_tests);
        progress(1);
    }
    Bundles::new(&kept.baskets_of, kept.sets)
}

/// The strongest pairs of every item, each once.
fn pairs(co_purchase: &CoPurchase, n_items: usize) -> Vec<(Items, u32)> {
    let of = |a: u32| co_purchase.pairs(a).map(move |pair| (Items::new([a, pair.item]), pair.baskets));
    let mut pairs: Vec<(Items, u32)> = (0..n_items as u32).flat_map(of).collect();
    pairs.par_sort_unstable_by_key(|(items, _)| items.0);
    pairs.dedup_by_key(|(items, _)| *items);
    pairs
}

impl Kept {
    /// Keeps the best productive sets of one size and returns them in ascending order.
    fn keep(&mut self, counted: Vec<(Items, u32)>, n_tests: f64) -> Vec<Items> {
        // A normal quantile: the probability above it is below FAMILY_ERROR / n_tests.
        let z = (2.0 * (n_tests.max(1.0) / FAMILY_ERROR).ln()).sqrt();
        let scored: Vec<Option<f32>> =
            counted.par_iter().map(|(items, baskets)| self.score(items, *baskets, z)).collect();
        let mut of_item: Vec<(u32, u32)> = Vec::new();
        for (n, (items, _)) in counted.iter().enumerate().filter(|(n, _)| scored[*n].is_some()) {
            of_item.extend(items.as_slice().iter().map(|&item| (item, n as u32)));
        }
        of_item.par_sort_unstable();
        let mut best = vec![false; counted.len()];
        for group in of_item.chunk_by(|a, b| a.0 == b.0) {
            let mut top = TopK::new(TOP_N);
            group.iter().for_each(|&(_, n)| top.push(n, scored[n as usize].unwrap_or(f32::MIN)));
            top.into_sorted().iter().for_each(|s| best[s.ix as usize] = true);
        }
        let mut level = Vec::new();
        for (n, (items, baskets)) in counted.into_iter().enumerate() {
            if let (true, Some(score)) = (best[n], scored[n]) {
                self.counts.insert(items, baskets);
                self.sets.push(Itemset { items: items.as_slice().to_vec(), baskets, score });
                level.push(items);
            }
        }
        level
    }

    /// The score of a productive set, else `None`: the log-likelihood ratio between the lower bound of the set's
    /// Poisson mean, `(sqrt(n) - z / 2)^2`, and the baskets expected by the best split.
    fn score(&self, items: &Items, baskets: u32, z: f64) -> Option<f32> {
        let low = (f64::from(baskets).sqrt() - z / 2.0).max(0.0).powi(2);
        let expected = self.expected(items)?;
        (low > expected).then(|| (low * (low / expected).ln() - (low - expected)) as f32)
    }

    /// Expected baskets with the set if the parts of its best split were independent.
    fn expected(&self, items: &Items) -> Option<f64> {
        let all = (1u32 << items.as_slice().len()) - 1;
        let mut most = 0.0f64;
        // `mask` and its complement are the same split, so half of the masks are enough.
        for mask in 1..=all / 2 {
            let product = self.baskets(&items.part(mask))? * self.baskets(&items.part(all ^ mask))?;
            most = most.max(product / self.n_baskets);
        }
        Some(most)
    }

    fn baskets(&self, items: &Items) -> Option<f64> {
        match items.as_slice() {
            [item] => Some(f64::from(self.baskets_of[*item as usize])),
            _ => self.counts.get(items).map(|&baskets| f64::from(baskets)),
        }
    }

    /// The sets with one more item whose parts of the size of `level` are all in `level`.
    fn larger(&self, level: &[Items]) -> Vec<Items> {
        // Sets that differ only in their last item are adjacent; any two of them form a candidate.
        let groups: Vec<&[Items]> = level.chunk_by(|a, b| beginning(a) == beginning(b)).collect();
        let joined = |group: &&[Items]| -> Vec<Items> {
            let pairs =
                group.iter().enumerate().flat_map(|(n, a)| group[n + 1..].iter().map(move |b| (a, b)));
            let larger =
                pairs.map(|(a, b)| Items::new(a.as_slice().iter().chain(b.as_slice().last()).copied()));
            larger.filter(|items| self.has_all_parts(items)).collect()
        };
        groups.par_iter().flat_map_iter(joined).collect()
    }

    fn has_all_parts(&self, items: &Items) -> bool {
        let all = (1u32 << items.as_slice().len()) - 1;
        (0..items.as_slice().len()).all(|n| self.counts.contains_key(&items.part(all ^ (1 << n))))
    }
}

/// All items but the last.
fn beginning(items: &Items) -> &[u32] {
    let items = items.as_slice();
    &items[..items.len() - 1]
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const N_ITEMS: u32 = 40;

    /// Baskets of independent items, some of which also hold `planted`.
    fn rows(planted: &[u32]) -> Vec<Vec<u32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut row = |n: usize| {
            let mut row: Vec<u32> = (0..N_ITEMS).filter(|_| rng.random_range(0..8) == 0).collect();
            if n.is_multiple_of(25) {
                row.extend_from_slice(planted);
            }
            row.sort_unstable();
            row.dedup();
            row
        };
        (0..2_000).map(&mut row).collect()
    }

    fn counted(rows: &[Vec<u32>], items: &[u32]) -> u32 {
        rows.iter().filter(|row| items.iter().all(|item| row.contains(item))).count() as u32
    }

    fn mined(rows: &[Vec<u32>]) -> Bundles {
        let pair = |a, b| (Items::new([a, b]), counted(rows, &[a, b]));
        let pairs = (0..N_ITEMS).flat_map(|a| (a + 1..N_ITEMS).map(move |b| (a, b)));
        let pairs = pairs.map(|(a, b)| pair(a, b)).collect();
        mine(&Baskets::of(N_ITEMS as usize, rows.iter().map(Vec::as_slice)), pairs, &|_| {}).unwrap()
    }

    #[test]
    fn planted_set_is_found_with_its_parts_and_exact_counts() {
        let planted = [3, 8, 17, 31];
        let rows = rows(&planted);
        let bundles = mined(&rows);
        assert!(bundles.row(&planted).is_some());
        for row in 0..bundles.len() as u32 {
            let items = bundles.items(row);
            assert!(items.iter().all(|item| planted.contains(item)), "{items:?} is chance");
            assert_eq!(bundles.baskets(row), counted(&rows, items), "{items:?}");
        }
        assert_eq!(bundles.len(), 6 + 4 + 1);
    }

    #[test]
    fn independent_items_make_no_set() {
        assert!(mined(&rows(&[])).is_empty());
    }

    #[test]
    fn set_explained_by_its_parts_is_not_kept() {
        // Two pairs, each held by every tenth basket, and independent of one another.
        let row = |n: u32| {
            let pair = |holds: bool, items: [u32; 2]| holds.then_some(items).into_iter().flatten();
            pair(n.is_multiple_of(10), [0, 1]).chain(pair((n / 10).is_multiple_of(10), [2, 3])).collect()
        };
        let bundles = mined(&(0..2_000).map(row).collect::<Vec<_>>());
        let sets: Vec<&[u32]> = (0..bundles.len() as u32).map(|row| bundles.items(row)).collect();
        assert_eq!(sets, [&[0, 1][..], &[2, 3]]);
    }
}
