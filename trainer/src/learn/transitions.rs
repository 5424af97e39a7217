//! Transitions: items bought after an item, in one of the user's next baskets.
//!
//! The count of a pair decays by [`DECAY`] per basket in between. The sum is divided by the geometric mean of both
//! items' baskets, so that best sellers do not follow every item.

use qianmian_models::error::Result;
use qianmian_models::index::item_lists::ItemLists;
use qianmian_models::index::transitions::{DECAY, STEPS};
use qianmian_models::kernels::topk::TopK;
use rayon::prelude::*;

use crate::dataset::{Dataset, is_known};

/// Successors kept per item (decision 17).
const TOP_N: usize = 100;
/// Added to both items' baskets, because one pair of two rare items is no evidence (decision 17).
const SHRINKAGE: f32 = 5.0;
/// Items of a basket that count; pairs from giant baskets are little evidence.
const MAX_ITEMS: usize = 30;

/// The successors of every item, best first; `None` if no user bought twice.
pub fn learn(section: &'static str, dataset: &Dataset) -> Result<Option<ItemLists>> {
    let sequences = Sequences::new(dataset);
    let mut totals = vec![0.0f32; dataset.n_items()];
    sequences.items.iter().for_each(|&item| totals[item as usize] += 1.0);
    let occurrences = sequences.occurrences(dataset.n_items());
    let lists: Vec<Vec<(u32, f32)>> = occurrences
        .par_iter()
        .enumerate()
        .map_init(
            || (vec![0.0f32; dataset.n_items()], Vec::<u32>::new()),
            |(sums, touched), (item, baskets)| {
                baskets.iter().for_each(|&basket| sequences.successors(basket, sums, touched));
                let mut top = TopK::new(TOP_N);
                for &next in touched.iter().filter(|&&next| next as usize != item) {
                    let scale = (totals[item] + SHRINKAGE) * (totals[next as usize] + SHRINKAGE);
                    top.push(next, sums[next as usize] / scale.sqrt());
                }
                touched.drain(..).for_each(|next| sums[next as usize] = 0.0);
                top.into_sorted().iter().map(|s| (s.ix, s.score)).collect()
            },
        )
        .collect();
    if lists.iter().all(Vec::is_empty) {
        return Ok(None);
    }
    ItemLists::new(section, &lists).map(Some)
}

/// The baskets of known users, grouped by user, in order of time.
struct Sequences {
    /// User of every basket.
    users: Vec<u32>,
    /// Start of every basket in `items`; one more entry for the end.
    offsets: Vec<usize>,
    items: Vec<u32>,
}

impl Sequences {
    fn new(dataset: &Dataset) -> Self {
        let mut lines: Vec<_> = dataset.lines().iter().filter(|l| is_known(l)).collect();
        lines.par_sort_by_key(|l| (l.user, l.at, l.basket, l.item));
        let mut sequences = Self { users: Vec::new(), offsets: vec![0], items: Vec::new() };
        for basket in lines.chunk_by(|a, b| (a.user, a.basket) == (b.user, b.basket)) {
            sequences.users.push(basket[0].user);
            sequences.items.extend(basket.iter().take(MAX_ITEMS).map(|l| l.item));
            sequences.offsets.push(sequences.items.len());
        }
        sequences
    }

    /// The baskets that hold each item.
    fn occurrences(&self, n_items: usize) -> Vec<Vec<u32>> {
        let mut baskets = vec![Vec::new(); n_items];
        for basket in 0..self.users.len() {
            for &item in &self.items[self.offsets[basket]..self.offsets[basket + 1]] {
                baskets[item as usize].push(basket as u32);
            }
        }
        baskets
    }

    /// Adds the items of the baskets after `basket` to `sums`, and items whose sum was 0 to `touched`.
    fn successors(&self, basket: u32, sums: &mut [f32], touched: &mut Vec<u32>) {
        let basket = basket as usize;
        let mut weight = 1.0;
        for next in (basket + 1..self.users.len()).take(STEPS) {
            if self.users[next] != self.users[basket] {
                break;
            }
            for &item in &self.items[self.offsets[next]..self.offsets[next + 1]] {
                if sums[item as usize] == 0.0 {
                    touched.push(item);
                }
                sums[item as usize] += weight;
            }
            weight *= DECAY;
        }
    }
}
