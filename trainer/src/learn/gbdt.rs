//! Gradient-boosted regression trees on histograms (Ke et al., "LightGBM", 2017), grown best leaf first.
//!
//! Every feature is cut into at most 255 bins at its quantiles; bin 255 holds NaN. The caller gives gradients and
//! second derivatives, and a leaf's value is `-G / (H + lambda)`. Sums are exact and features are spread over threads,
//! so the trees do not depend on the number of threads.

use qianmian_models::kernels::trees::{MAX_LEAVES, Node};
use rayon::prelude::*;

/// Hyperparameters of tree growth.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct TreeOptions {
    /// Most leaves of a tree; at most [`MAX_LEAVES`] are grown.
    pub leaves: usize,
    /// Fewest rows of a leaf.
    pub min_rows: usize,
    /// L2 penalty of a leaf's value.
    pub lambda: f64,
    /// Factor of a leaf's value.
    pub learning_rate: f64,
}

impl Default for TreeOptions {
    fn default() -> Self {
        Self { leaves: 31, min_rows: 200, lambda: 1.0, learning_rate: 0.1 }
    }
}

/// The bin of values that are not a number.
const NAN_BIN: usize = 255;
const BINS: usize = 256;
/// Most rows that quantiles are computed from.
const SAMPLE: usize = 50_000;

/// Rows of features, binned, column by column.
pub struct Binned {
    n_rows: usize,
    /// Upper edges of the bins of each feature, ascending.
    edges: Vec<Vec<f32>>,
    columns: Vec<Vec<u8>>,
}

impl Binned {
    /// All row numbers, ascending.
    pub fn rows(&self) -> Vec<u32> {
        (0..self.n_rows as u32).collect()
    }

    /// Bins `rows`, each of `N` features.
    pub fn new<const N: usize>(rows: &[[f32; N]]) -> Self {
        let step = rows.len().div_ceil(SAMPLE).max(1);
        let edges: Vec<Vec<f32>> =
            (0..N).into_par_iter().map(|f| edges(rows.iter().step_by(step).map(|row| row[f]))).collect();
        let columns = edges
            .par_iter()
            .enumerate()
            .map(|(f, edges)| rows.iter().map(|row| bin(edges, row[f])).collect())
            .collect();
        Self { n_rows: rows.len(), edges, columns }
    }
}

fn edges(values: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut values: Vec<f32> = values.filter(|v| !v.is_nan()).collect();
    values.sort_unstable_by(f32::total_cmp);
    let n = values.len();
    let mut edges: Vec<f32> = (1..NAN_BIN).filter_map(|b| values.get(b * n / NAN_BIN).copied()).collect();
    edges.dedup();
    edges
}

fn bin(edges: &[f32], value: f32) -> u8 {
    if value.is_nan() { NAN_BIN as u8 } else { edges.partition_point(|&edge| edge < value) as u8 }
}

/// A sum of gradients, and a sum of second derivatives packed with a row count in one integer. Integer sums are fast
/// and exact, so the order of summation does not matter.
#[derive(Clone, Copy, Default)]
#[repr(align(16))]
struct Sums([i64; 2]);

/// Bits of the row count, below those of the second derivatives.
const ROW_BITS: u32 = 24;
/// A tree is grown on fewer rows than this.
const MAX_ROWS: usize = 1 << ROW_BITS;
/// Bits of the sum of all gradients, and of all second derivatives.
const GRADIENT_BITS: i32 = 62;
const HESSIAN_BITS: i32 = 62 - ROW_BITS as i32;

impl Sums {
    #[inline(always)]
    fn add(&mut self, other: &Self) {
        self.0[0] += other.0[0];
        self.0[1] += other.0[1];
    }

    fn minus(&self, other: &Self) -> Self {
        Self([self.0[0] - other.0[0], self.0[1] - other.0[1]])
    }

    fn rows(&self) -> usize {
        (self.0[1] & ((1 << ROW_BITS) - 1)) as usize
    }
}

/// Gradients and second derivatives of every row, as integer multiples of a unit.
struct Gradients {
    rows: Vec<Sums>,
    /// The unit of the gradients and that of the second derivatives.
    units: [f64; 2],
    lambda: f64,
}

impl Gradients {
    fn new(gradients: &[(f32, f32)], lambda: f64) -> Self {
        debug_assert!(gradients.len() < MAX_ROWS);
        let most = |of: fn(&(f32, f32)) -> f32| gradients.iter().map(of).fold(f32::MIN_POSITIVE, f32::max);
        // Sums cannot overflow even if every row has the largest value.
        let unit =
            |largest: f32, bits: i32| f64::from(largest) * gradients.len().max(1) as f64 * 2f64.powi(-bits);
        let units = [unit(most(|g| g.0.abs()), GRADIENT_BITS), unit(most(|g| g.1), HESSIAN_BITS)];
        let per_unit = units.map(f64::recip);
        let whole = |&(gradient, hessian): &(f32, f32)| {
            let [g, h] = [f64::from(gradient) * per_unit[0], f64::from(hessian) * per_unit[1]];
            Sums([g as i64, (((h + 0.5) as i64) << ROW_BITS) + 1])
        };
        Self { rows: gradients.iter().map(whole).collect(), units, lambda }
    }

    fn gradient(&self, sums: &Sums) -> f64 {
        sums.0[0] as f64 * self.units[0]
    }

    fn hessian(&self, sums: &Sums) -> f64 {
        (sums.0[1] >> ROW_BITS) as f64 * self.units[1]
    }

    fn gain(&self, sums: &Sums) -> f64 {
        self.gradient(sums).powi(2) / (self.hessian(sums) + self.lambda)
    }
}

type Histogram = Vec<[Sums; BINS]>;

#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    feature: usize,
    /// The last bin that goes left.
    bin: usize,
}

struct Leaf {
    node: usize,
    rows: Vec<u32>,
    sums: Sums,
    histogram: Histogram,
    split: Option<Split>,
}

/// Grows one tree on `rows`, given the gradients and second derivatives of all rows; nodes are numbered from its root.
pub fn grow(data: &Binned, rows: Vec<u32>, gradients: &[(f32, f32)], options: &TreeOptions) -> Vec<Node> {
    let gradients = &Gradients::new(gradients, options.lambda);
    let root = leaf(data, gradients, 0, rows, None, options);
    let mut nodes = vec![empty(0)];
    let mut leaves = vec![root];
    while leaves.len() < options.leaves.min(MAX_LEAVES) {
        let best = leaves
            .iter()
            .enumerate()
            .filter_map(|(n, leaf)| leaf.split.map(|s| (s.gain, n)))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let Some((_, chosen)) = best else { break };
        let parent = leaves.swap_remove(chosen);
        let (left, right) = divide(data, gradients, parent, &mut nodes, options);
        leaves.extend([left, right]);
    }
    for leaf in &leaves {
        let value = -gradients.gradient(&leaf.sums) / (gradients.hessian(&leaf.sums) + options.lambda)
            * options.learning_rate;
        nodes[leaf.node].value = value as f32;
    }
    nodes
}

fn empty(at: usize) -> Node {
    Node { feature: 0, threshold: 0.0, left: at as u32, right: at as u32, value: 0.0 }
}

/// Splits a leaf in two. The smaller child is counted; the larger one is the parent's histogram minus it.
fn divide(
    data: &Binned,
    gradients: &Gradients,
    parent: Leaf,
    nodes: &mut Vec<Node>,
    options: &TreeOptions,
) -> (Leaf, Leaf) {
    let Some(split) = parent.split else { unreachable!("only leaves with a split are divided") };
    let column = &data.columns[split.feature];
    let (left, right): (Vec<u32>, Vec<u32>) =
        parent.rows.iter().partition(|&&row| column[row as usize] as usize <= split.bin);
    let (l, r) = (nodes.len(), nodes.len() + 1);
    nodes.extend([empty(l), empty(r)]);
    let threshold = data.edges[split.feature].get(split.bin).copied().unwrap_or(f32::INFINITY);
    nodes[parent.node] =
        Node { feature: split.feature as u32, threshold, left: l as u32, right: r as u32, value: 0.0 };
    let rest = |small: &Leaf, node, rows| {
        let mut histogram = parent.histogram;
        for (mine, theirs) in histogram.iter_mut().zip(&small.histogram) {
            mine.iter_mut().zip(theirs).for_each(|(m, t)| *m = m.minus(t));
        }
        leaf(data, gradients, node, rows, Some(histogram), options)
    };
    if left.len() <= right.len() {
        let small = leaf(data, gradients, l, left, None, options);
        let large = rest(&small, r, right);
        (small, large)
    } else {
        let small = leaf(data, gradients, r, right, None, options);
        let large = rest(&small, l, left);
        (large, small)
    }
}

fn leaf(
    data: &Binned,
    gradients: &Gradients,
    node: usize,
    rows: Vec<u32>,
    histogram: Option<Histogram>,
    options: &TreeOptions,
) -> Leaf {
    let histogram = histogram.unwrap_or_else(|| count(data, gradients, &rows));
    let mut sums = Sums::default();
    if let Some(first) = histogram.first() {
        first.iter().for_each(|bin| sums.add(bin));
    }
    let split = best_split(&histogram, &sums, gradients, options);
    Leaf { node, rows, sums, histogram, split }
}

fn count(data: &Binned, gradients: &Gradients, rows: &[u32]) -> Histogram {
    // Gathered once, because every column reads them in the same order.
    let gathered: Vec<Sums> = rows.iter().map(|&row| gradients.rows[row as usize]).collect();
    let tally = |columns: &[Vec<u8>]| match columns {
        [a, b, c, d] => tally([a, b, c, d], rows, &gathered).to_vec(),
        rest => rest.iter().flat_map(|column| tally([column], rows, &gathered)).collect(),
    };
    data.columns.par_chunks(4).flat_map_iter(tally).collect()
}

/// The histograms of `N` columns at once. Consecutive rows in the same bin depend on each other; the processor
/// overlaps this latency with the other columns.
fn tally<const N: usize>(columns: [&Vec<u8>; N], rows: &[u32], gathered: &[Sums]) -> [[Sums; BINS]; N] {
    let mut histograms = [[Sums::default(); BINS]; N];
    for (&row, one) in rows.iter().zip(gathered) {
        for (bins, column) in histograms.iter_mut().zip(columns) {
            bins[column[row as usize] as usize].add(one);
        }
    }
    histograms
}

fn best_split(
    histogram: &Histogram,
    all: &Sums,
    gradients: &Gradients,
    options: &TreeOptions,
) -> Option<Split> {
    let whole = gradients.gain(all);
    let enough = |sums: &Sums| sums.rows() >= options.min_rows && gradients.hessian(sums) > 1e-9;
    let of_feature = |(feature, bins): (usize, &[Sums; BINS])| {
        let (mut left, mut best) = (Sums::default(), None::<Split>);
        for (bin, sums) in bins.iter().enumerate().take(NAN_BIN) {
            left.add(sums);
            let right = all.minus(&left);
            if sums.rows() == 0 || !enough(&left) || !enough(&right) {
                continue;
            }
            let gain = gradients.gain(&left) + gradients.gain(&right) - whole;
            if gain > 1e-9 && best.is_none_or(|b| gain > b.gain) {
                best = Some(Split { gain, feature, bin });
            }
        }
        best
    };
    let found = histogram.iter().enumerate().filter_map(of_feature);
    found.max_by(|a, b| a.gain.total_cmp(&b.gain).then(b.feature.cmp(&a.feature)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use qianmian_models::kernels::trees::Trees;

    #[test]
    fn boosting_learns_steps_interactions_and_missing_values() {
        // y = 1 when x0 > 0.5 and x1 > 0.3, 2 when x0 is missing, else 0.
        let rows: Vec<[f32; 3]> = (0..4_000u32)
            .map(|n| {
                let x0 = if n % 10 == 0 { f32::NAN } else { (n * 37 % 100) as f32 / 100.0 };
                [x0, (n * 91 % 99) as f32 / 99.0, (n * 13 % 1_000) as f32]
            })
            .collect();
        let want = |row: &[f32; 3]| match row[0] {
            x if x.is_nan() => 2.0,
            x if x > 0.5 && row[1] > 0.3 => 1.0,
            _ => 0.0,
        };
        let data = Binned::new(&rows);
        let (mut trees, mut scores) = (Trees::default(), vec![0.0f32; rows.len()]);
        let options = TreeOptions { leaves: 8, min_rows: 20, ..TreeOptions::default() };
        for _ in 0..60 {
            let gradients: Vec<(f32, f32)> =
                rows.iter().zip(&scores).map(|(r, s)| (s - want(r), 1.0)).collect();
            trees.push(&grow(&data, data.rows(), &gradients, &options));
            scores = rows.iter().map(|row| trees.score(row)).collect();
        }
        let error = rows.iter().zip(&scores).map(|(r, s)| (s - want(r)).abs()).fold(0.0, f32::max);
        assert!(error < 0.05, "largest error {error}");
    }
}
