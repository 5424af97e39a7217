//! The inner loops: dot products, the best of many, tree ensembles.
//!
//!     cargo bench -p qianmian-models --bench kernels

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use qianmian_models::kernels::simd;
use qianmian_models::kernels::topk::TopK;
use qianmian_models::kernels::trees::{Node, Trees};

/// Rows that one call of the dot product is repeated over: more than the first cache holds.
const ROWS: usize = 10_000;
/// Trees of the ranker and of the purchase probabilities.
const TREES: usize = 200;
/// Columns of a row that trees read.
const COLUMNS: usize = 32;
/// Steps from the root of a tree to its leaves.
const DEPTH: u32 = 5;

fn main() {
    divan::main();
}

/// A linear congruential generator: equal numbers on every machine, without a dependency.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// In `0.0..1.0`.
    fn unit(&mut self) -> f32 {
        self.next() as f32 / (1u64 << 31) as f32
    }

    fn units(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.unit()).collect()
    }
}

/// One query against 10,000 rows, row-major; the argument is the dimension.
#[divan::bench(args = [32, 64, 128])]
fn dot(bencher: Bencher<'_, '_>, dimension: usize) {
    let mut numbers = Numbers(1);
    let (query, rows) = (numbers.units(dimension), numbers.units(ROWS * dimension));
    bencher.counter(ItemsCount::new(ROWS)).bench(|| {
        simd::dispatch(|| {
            let rows = black_box(&rows).chunks_exact(dimension);
            rows.map(|row| simd::dot(row, black_box(&query))).sum::<f32>()
        })
    });
}

/// The best 20 or 200 of many scores; the arguments are the two numbers.
#[divan::bench(args = [(20, 2_000), (20, 30_000), (200, 2_000), (200, 30_000)])]
fn best(bencher: Bencher<'_, '_>, (k, n): (usize, usize)) {
    let scores = Numbers(2).units(n);
    bencher.counter(ItemsCount::new(n)).bench(|| {
        let mut best = TopK::new(k);
        for (ix, &score) in black_box(&scores).iter().enumerate() {
            best.push(ix as u32, score);
        }
        best.into_sorted()
    });
}

/// 200 complete trees of 32 leaves; the argument is the number of rows.
#[divan::bench(args = [100, 200, 1_000])]
fn trees(bencher: Bencher<'_, '_>, n_rows: usize) {
    let mut numbers = Numbers(3);
    let mut trees = Trees::default();
    for _ in 0..TREES {
        trees.push(&complete_tree(&mut numbers));
    }
    let rows: Vec<[f32; COLUMNS]> = (0..n_rows).map(|_| std::array::from_fn(|_| numbers.unit())).collect();
    bencher.counter(ItemsCount::new(n_rows)).bench(|| {
        let mut scores = vec![0.0; n_rows];
        trees.add_scores(black_box(&rows), &mut scores);
        scores
    });
}

/// A tree whose node `n` has the children `2n + 1` and `2n + 2`.
fn complete_tree(numbers: &mut Numbers) -> Vec<Node> {
    let n_inner = (1u32 << DEPTH) - 1;
    let inner = |n: u32, numbers: &mut Numbers| Node {
        feature: (numbers.next() % COLUMNS as u64) as u32,
        threshold: numbers.unit(),
        left: 2 * n + 1,
        right: 2 * n + 2,
        value: 0.0,
    };
    let leaf = |n: u32, numbers: &mut Numbers| Node {
        feature: 0,
        threshold: 0.0,
        left: n,
        right: n,
        value: numbers.unit(),
    };
    (0..2 * n_inner + 1).map(|n| if n < n_inner { inner(n, numbers) } else { leaf(n, numbers) }).collect()
}
