//! Co-purchase: the number of baskets that two items share, for the best partners of every item.
//!
//! Partners are counted in a dense array over the baskets of an item; the cost is the sum of squared basket sizes.
//! Every list depends on its own item only, so the result does not depend on the number of threads.

use qianmian_models::error::Result;
use qianmian_models::index::co_purchase::{CoPurchase, Pair};
use qianmian_models::kernels::topk::TopK;
use rayon::prelude::*;

use crate::dataset::Dataset;

/// Partners kept per item (decision 12).
pub const TOP_N: usize = 100;
/// Added to the denominator of the cosine, because one shared basket of two rare items is no evidence (decision 12).
pub const SHRINKAGE: f32 = 5.0;

/// The index, and the number of baskets counted. `progress` is called with finished items.
pub fn learn(dataset: &Dataset, progress: &(dyn Fn(u64) + Sync)) -> Result<(CoPurchase, u64)> {
    let baskets = Baskets::new(dataset);
    let n_baskets = baskets.of_basket.rows() as u64;
    let counts: Vec<u32> =
        (0..dataset.n_items()).map(|item| baskets.of_item.row(item).len() as u32).collect();
    let lists: Vec<Vec<Pair>> = (0..dataset.n_items())
        .into_par_iter()
        .map_init(
            || Counter::new(dataset.n_items()),
            |counter, item| {
                progress(1);
                counter.partners(&baskets, &counts, item)
            },
        )
        .collect();
    Ok((CoPurchase::new(n_baskets, counts, &lists)?, n_baskets))
}

/// Rows of dense indices, flat.
pub(super) struct Rows {
    offsets: Vec<usize>,
    values: Vec<u32>,
}

impl Rows {
    pub(super) fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(super) fn row(&self, row: usize) -> &[u32] {
        &self.values[self.offsets[row]..self.offsets[row + 1]]
    }
}

/// The items of every basket and the baskets of every item.
pub(super) struct Baskets {
    pub(super) of_basket: Rows,
    pub(super) of_item: Rows,
}

impl Baskets {
    pub(super) fn new(dataset: &Dataset) -> Self {
        Self::of(dataset.n_items(), dataset.baskets().map(|basket| basket.iter().map(|line| &line.item)))
    }

    /// Builds both directions from the items of each basket, without repeats.
    pub(super) fn of<'a, B: IntoIterator<Item = &'a u32>>(
        n_items: usize,
        rows: impl IntoIterator<Item = B>,
    ) -> Self {
        let mut of_basket = Rows { offsets: vec![0], values: Vec::new() };
        for basket in rows {
            of_basket.values.extend(basket);
            of_basket.offsets.push(of_basket.values.len());
        }
        let mut offsets = vec![0usize; n_items + 1];
        of_basket.values.iter().for_each(|&item| offsets[item as usize + 1] += 1);
        for item in 0..n_items {
            offsets[item + 1] += offsets[item];
        }
        let (mut next, mut values) = (offsets.clone(), vec![0u32; of_basket.values.len()]);
        for basket in 0..of_basket.rows() {
            for &item in of_basket.row(basket) {
                values[next[item as usize]] = basket as u32;
                next[item as usize] += 1;
            }
        }
        Self { of_basket, of_item: Rows { offsets, values } }
    }

    /// An upper bound of the number of pairs of items that share a basket.
    pub(super) fn n_pairs(&self) -> f64 {
        let pairs = |n: usize| n as f64 * n.saturating_sub(1) as f64 / 2.0;
        let in_baskets: f64 = (0..self.of_basket.rows()).map(|b| pairs(self.of_basket.row(b).len())).sum();
        in_baskets.min(pairs(self.of_item.rows()))
    }
}

/// A dense counter and the list of its non-zero entries; one per thread.
struct Counter {
    counts: Vec<u32>,
    touched: Vec<u32>,
}

impl Counter {
    fn new(n_items: usize) -> Self {
        Self { counts: vec![0; n_items], touched: Vec::new() }
    }

    fn partners(&mut self, baskets: &Baskets, totals: &[u32], item: usize) -> Vec<Pair> {
        for &basket in baskets.of_item.row(item) {
            for &partner in baskets.of_basket.row(basket as usize) {
                let count = &mut self.counts[partner as usize];
                if *count == 0 {
                    self.touched.push(partner);
                }
                *count += 1;
            }
        }
        let mut top = TopK::new(TOP_N);
        for &partner in &self.touched {
            if partner as usize != item {
                top.push(
                    partner,
                    score(self.counts[partner as usize], totals[item], totals[partner as usize]),
                );
            }
        }
        let together = |ix: u32| self.counts[ix as usize];
        let pairs = top.into_sorted().into_iter();
        let pairs = pairs.map(|s| Pair { item: s.ix, baskets: together(s.ix), score: s.score }).collect();
        self.touched.drain(..).for_each(|partner| self.counts[partner as usize] = 0);
        pairs
    }
}

/// Shrunk cosine of two items' baskets; `0..1`.
fn score(together: u32, a: u32, b: u32) -> f32 {
    together as f32 / ((a as f32 * b as f32).sqrt() + SHRINKAGE)
}
