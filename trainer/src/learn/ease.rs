//! Local EASE: a small ridge regression of every item on its nearest items.
//!
//! EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", 2019) inverts an items x items matrix. Here each
//! target `j` is regressed on its `neighbors` strongest items `N` only: `(G_NN + lambda I) w = G_Nj` by Cholesky. The
//! cost, `items * neighbors^3 / 6`, grows linearly with the items. `G = X' diag(weight) X` keeps its `KEPT` strongest
//! entries per row; the others count as zero.

use qianmian_models::error::Result;
use qianmian_models::index::factors::cholesky_solve;
use qianmian_models::index::item_lists::ItemLists;
use qianmian_models::kernels::topk::TopK;
use rayon::prelude::*;

use super::matrix::Matrix;

/// Hyperparameters of EASE.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct EaseOptions {
    /// Items that each item is regressed on; 1..=512.
    pub neighbors: usize,
    /// Ridge penalty.
    pub lambda: f32,
}

/// Entries of `G` kept per row (decision 14).
const KEPT: usize = 1_024;

/// Learns the weights of `x` (rows x items; `row_weight[r]` is the weight of row `r`) and returns them by
/// source item: `item -> (target, weight)`, so that a user's score of a target is a sum over the user's items.
pub fn learn(
    section: &'static str,
    x: &Matrix,
    row_weight: &[f32],
    options: EaseOptions,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<ItemLists> {
    let gram = Gram::new(x, row_weight);
    let n_items = x.n_columns();
    let solved: Vec<Vec<(u32, f32)>> = (0..n_items as u32)
        .into_par_iter()
        .map_init(
            || Workspace::new(n_items, options.neighbors),
            |workspace, target| {
                progress(1);
                workspace.solve(&gram, target, options)
            },
        )
        .collect();
    let by_target = solved
        .iter()
        .enumerate()
        .flat_map(|(target, row)| row.iter().map(move |&(source, weight)| (source, target as u32, weight)));
    let by_source = Matrix::new(n_items, n_items, by_target);
    let mut lists: Vec<Vec<(u32, f32)>> = (0..n_items).map(|item| by_source.row(item).to_vec()).collect();
    lists.par_iter_mut().for_each(|list| list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))));
    ItemLists::new(section, &lists)
}

/// The strongest entries of `G`, row by row, each row sorted by column; and its diagonal.
struct Gram {
    rows: Vec<Vec<(u32, f32)>>,
    diagonal: Vec<f32>,
}

impl Gram {
    fn new(x: &Matrix, row_weight: &[f32]) -> Self {
        let by_item = x.transposed();
        let n_items = x.n_columns();
        let diagonal: Vec<f32> = (0..n_items)
            .map(|item| by_item.row(item).iter().map(|&(row, v)| v * v * row_weight[row as usize]).sum())
            .collect();
        let rows = (0..n_items)
            .into_par_iter()
            .map_init(
                || (vec![0.0f32; n_items], Vec::<u32>::new()),
                |(sums, touched), item| {
                    for &(row, value) in by_item.row(item) {
                        let scale = value * row_weight[row as usize];
                        for &(other, v) in x.row(row as usize) {
                            if sums[other as usize] == 0.0 {
                                touched.push(other);
                            }
                            sums[other as usize] += scale * v;
                        }
                    }
                    let mut top = TopK::new(KEPT);
                    for &other in touched.iter().filter(|&&o| o as usize != item) {
                        top.push(other, sums[other as usize] / diagonal[other as usize].sqrt());
                    }
                    let mut row: Vec<(u32, f32)> =
                        top.into_sorted().iter().map(|s| (s.ix, sums[s.ix as usize])).collect();
                    row.sort_unstable_by_key(|(other, _)| *other);
                    touched.drain(..).for_each(|other| sums[other as usize] = 0.0);
                    row
                },
            )
            .collect();
        Self { rows, diagonal }
    }
}

struct Workspace {
    /// Position of each item in the neighborhood; `outside` for all others.
    position: Vec<u32>,
    /// The position after the last.
    outside: u32,
    system: Vec<f32>,
}

impl Workspace {
    fn new(n_items: usize, neighbors: usize) -> Self {
        let outside = neighbors as u32;
        let system = Vec::with_capacity(neighbors * neighbors + neighbors + 1);
        Self { position: vec![outside; n_items], outside, system }
    }

    /// `(source, weight)` of one target, non-zero weights only.
    fn solve(&mut self, gram: &Gram, target: u32, options: EaseOptions) -> Vec<(u32, f32)> {
        let mut top = TopK::new(options.neighbors);
        for &(other, value) in &gram.rows[target as usize] {
            top.push(other, value / gram.diagonal[other as usize].sqrt());
        }
        let near: Vec<u32> = top.into_sorted().iter().map(|s| s.ix).collect();
        let m = near.len();
        near.iter().enumerate().for_each(|(n, &item)| self.position[item as usize] = n as u32);
        self.system.clear();
        near.iter().for_each(|&item| self.push_row(&gram.rows[item as usize], m));
        for (r, &item) in near.iter().enumerate() {
            for c in r + 1..m {
                // One of the two rows may have dropped the pair; the row that kept it counts for both.
                self.system[r * m + c] = self.system[r * m + c].max(self.system[c * m + r]);
            }
            self.system[r * m + r] = gram.diagonal[item as usize] + options.lambda;
        }
        self.push_row(&gram.rows[target as usize], m);
        let mut weights = self.system.split_off(m * m);
        near.iter().for_each(|&item| self.position[item as usize] = self.outside);
        if !cholesky_solve(&mut self.system, &mut weights, m) {
            return Vec::new();
        }
        near.into_iter().zip(weights).filter(|(_, w)| w.is_finite() && w.abs() > 1e-6).collect()
    }

    /// Appends the entries of a row of `G` at the `m` positions of the neighborhood to the system. Entries outside are
    /// written to a position after the last, which is dropped again: this avoids a branch.
    fn push_row(&mut self, row: &[(u32, f32)], m: usize) {
        let start = self.system.len();
        self.system.resize(start + self.outside as usize + 1, 0.0);
        let added = &mut self.system[start..];
        row.iter().for_each(|&(other, value)| added[self.position[other as usize] as usize] = value);
        self.system.truncate(start + m);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn local_ease_on_all_items_is_ease() {
        // Six rows over four items; the closed form is B = I - P / diag(P), P = (X'X + lambda I)^-1.
        let rows: [&[u32]; 6] = [&[0, 1], &[0, 1, 2], &[1, 2], &[2, 3], &[0, 3], &[0, 1, 3]];
        let cells =
            rows.iter().enumerate().flat_map(|(r, row)| row.iter().map(move |&c| (r as u32, c, 1.0f32)));
        let x = Matrix::new(6, 4, cells);
        let lists = learn("ease", &x, &[1.0; 6], EaseOptions { neighbors: 4, lambda: 0.5 }, &|_| ()).unwrap();
        let mut g = [[0.0f64; 4]; 4];
        for row in rows {
            for &a in row {
                for &b in row {
                    g[a as usize][b as usize] += 1.0;
                }
            }
        }
        (0..4).for_each(|d| g[d][d] += 0.5);
        let p = inverse(g);
        for source in 0..4u32 {
            for (target, weight) in lists.of(source) {
                let want = -p[source as usize][target as usize] / p[target as usize][target as usize];
                assert!((f64::from(weight) - want).abs() < 1e-4, "{source} -> {target}: {weight} {want}");
            }
            assert_eq!(lists.of(source).count(), 3);
        }
    }

    fn inverse(mut a: [[f64; 4]; 4]) -> [[f64; 4]; 4] {
        let mut inverse = [[0.0; 4]; 4];
        (0..4).for_each(|d| inverse[d][d] = 1.0);
        for pivot in 0..4 {
            let scale = a[pivot][pivot];
            for c in 0..4 {
                a[pivot][c] /= scale;
                inverse[pivot][c] /= scale;
            }
            for r in (0..4).filter(|&r| r != pivot) {
                let factor = a[r][pivot];
                for c in 0..4 {
                    a[r][c] -= factor * a[pivot][c];
                    inverse[r][c] -= factor * inverse[pivot][c];
                }
            }
        }
        inverse
    }
}
