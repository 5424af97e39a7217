//! Implicit-feedback ALS (Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", 2008). Each
//! row is solved by a few warm-started conjugate-gradient steps (Takács, Pilászy & Tikk, "Applications of the Conjugate
//! Gradient Method for Implicit Feedback Collaborative Filtering", 2011).
//!
//! With confidence `c = 1 + alpha r` it minimizes `sum c (p - x y)^2 + reg (|X|^2 + |Y|^2)` over all user-item pairs,
//! where `p` is 1 if `r > 0`, else 0. Rows are independent given the other side, so the result does not depend on the
//! number of threads.

use ndarray::Array2;
use qianmian_models::kernels::simd;
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::matrix::Matrix;

/// Hyperparameters of ALS.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AlsOptions {
    /// Length of a vector.
    pub dim: usize,
    /// L2 penalty.
    pub regularization: f32,
    /// Confidence added for one (decayed) basket.
    pub alpha: f32,
    /// Passes over both sides.
    pub iterations: usize,
    /// Conjugate-gradient steps per row and pass.
    pub cg_steps: usize,
    /// Seed of the first vectors.
    pub seed: u64,
}

/// User vectors (`n_rows x dim`), item vectors (`n_columns x dim`).
pub struct Learned {
    /// One vector per row.
    pub rows: Array2<f32>,
    /// One vector per column.
    pub columns: Array2<f32>,
}

/// Learns both sides. `progress` is called after every half pass.
pub fn learn(matrix: &Matrix, options: &AlsOptions, progress: &(dyn Fn(u64) + Sync)) -> Learned {
    let by_column = matrix.transposed();
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let scale = 1.0 / (options.dim as f32).sqrt();
    let mut random =
        |n: usize| Array2::from_shape_simple_fn((n, options.dim), || rng.random_range(-scale..scale));
    let mut columns = random(matrix.n_columns());
    let mut rows = random(matrix.n_rows());
    for _ in 0..options.iterations {
        half_pass(matrix, &columns, &mut rows, options);
        progress(1);
        half_pass(&by_column, &rows, &mut columns, options);
        progress(1);
    }
    half_pass(matrix, &columns, &mut rows, options);
    Learned { rows, columns }
}

/// `Y'Y + reg I`, `dim x dim`, row-major.
pub fn gram(factors: &Array2<f32>, regularization: f32) -> Vec<f32> {
    let mut gram = factors.t().dot(factors);
    gram.diag_mut().iter_mut().for_each(|d| *d += regularization);
    gram.iter().copied().collect()
}

/// Solves every row of `solved` with `fixed` held.
fn half_pass(matrix: &Matrix, fixed: &Array2<f32>, solved: &mut Array2<f32>, options: &AlsOptions) {
    let dim = options.dim;
    let gram = gram(fixed, options.regularization);
    let fixed = fixed.as_slice().expect("factors are row-major");
    let solved = solved.as_slice_mut().expect("factors are row-major");
    solved.par_chunks_mut(dim).enumerate().for_each_init(
        || Workspace::new(dim),
        |workspace, (row, x)| {
            let entries = matrix.row(row);
            if entries.is_empty() {
                x.fill(0.0);
            } else {
                simd::dispatch(
                    #[inline(always)]
                    || workspace.solve(&gram, fixed, entries, options, x),
                );
            }
        },
    );
}

struct Workspace {
    residual: Vec<f32>,
    direction: Vec<f32>,
    image: Vec<f32>,
}

impl Workspace {
    fn new(dim: usize) -> Self {
        Self { residual: vec![0.0; dim], direction: vec![0.0; dim], image: vec![0.0; dim] }
    }

    /// Conjugate gradient on `(gram + sum alpha r y y') x = sum (1 + alpha r) y`, starting from `x`.
    #[inline(always)]
    fn solve(
        &mut self,
        gram: &[f32],
        fixed: &[f32],
        entries: &[(u32, f32)],
        options: &AlsOptions,
        x: &mut [f32],
    ) {
        let (dim, alpha) = (options.dim, options.alpha);
        let vector = |column: u32| &fixed[column as usize * dim..][..dim];
        product(gram, x, &mut self.image);
        self.residual.iter_mut().zip(&self.image).for_each(|(r, a)| *r = -a);
        for &(column, weight) in entries {
            let y = vector(column);
            let confidence = alpha * weight;
            add(&mut self.residual, 1.0 + confidence - confidence * simd::dot(y, x), y);
        }
        self.direction.copy_from_slice(&self.residual);
        let mut norm = simd::dot(&self.residual, &self.residual);
        for _ in 0..options.cg_steps {
            if norm < 1e-12 {
                return;
            }
            product(gram, &self.direction, &mut self.image);
            for &(column, weight) in entries {
                let y = vector(column);
                add(&mut self.image, alpha * weight * simd::dot(y, &self.direction), y);
            }
            let step = norm / simd::dot(&self.direction, &self.image);
            add(x, step, &self.direction);
            add(&mut self.residual, -step, &self.image);
            let next = simd::dot(&self.residual, &self.residual);
            let turn = next / norm;
            self.direction.iter_mut().zip(&self.residual).for_each(|(d, r)| *d = r + turn * *d);
            norm = next;
        }
    }
}

/// `out = matrix x` for a symmetric row-major matrix.
#[inline(always)]
fn product(matrix: &[f32], x: &[f32], out: &mut [f32]) {
    for (row, out) in matrix.chunks_exact(x.len()).zip(out) {
        *out = simd::dot(row, x);
    }
}

/// `a += scale b`.
#[inline(always)]
fn add(a: &mut [f32], scale: f32, b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a = b.mul_add(scale, *a);
    }
}

/// The objective that is minimized, in double precision. Cost `O(nnz dim + (n + m) dim^2)`.
pub fn loss(matrix: &Matrix, learned: &Learned, options: &AlsOptions) -> f64 {
    let (x, y) = (learned.rows.mapv(f64::from), learned.columns.mapv(f64::from));
    let everywhere = (&x.t().dot(&x) * &y.t().dot(&y)).sum();
    let mut observed = 0.0;
    for row in 0..matrix.n_rows() {
        for &(column, weight) in matrix.row(row) {
            let score = x.row(row).dot(&y.row(column as usize));
            let confidence = 1.0 + f64::from(options.alpha * weight);
            observed += confidence * (1.0 - score).powi(2) - score.powi(2);
        }
    }
    let penalty = (&x * &x).sum() + (&y * &y).sum();
    everywhere + observed + f64::from(options.regularization) * penalty
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: AlsOptions =
        AlsOptions { dim: 64, regularization: 8.0, alpha: 6.0, iterations: 12, cg_steps: 3, seed: 7 };

    fn checkerboard(n: u32) -> Matrix {
        let cells = (0..n)
            .flat_map(move |r| (0..n).filter(move |c| (r + c) % 2 == 0 && *c != r).map(move |c| (r, c, 1.0)));
        Matrix::new(n as usize, n as usize, cells)
    }

    #[test]
    fn checkerboard_is_completed() {
        // Every row misses its own column; it must score that one above all columns of the other color.
        // Two dimensions are enough; with a penalty near zero, the other two would learn the missing cells.
        let matrix = checkerboard(40);
        let options = AlsOptions { dim: 4, regularization: 1.0, iterations: 40, ..OPTIONS };
        let learned = learn(&matrix, &options, &|_| ());
        for row in 0..40usize {
            let score = |c: usize| learned.rows.row(row).dot(&learned.columns.row(c));
            let other = (0..40).filter(|c| (row + c) % 2 == 1).map(score).fold(f32::MIN, f32::max);
            assert!(score(row) > other + 0.7, "row {row}: {} against {other}", score(row));
        }
    }

    #[test]
    fn more_passes_lower_the_loss_and_a_seed_repeats() {
        let matrix = checkerboard(30);
        let options = |iterations| AlsOptions { dim: 3, regularization: 0.5, iterations, ..OPTIONS };
        let losses: Vec<f64> =
            [1, 3, 9].map(|n| loss(&matrix, &learn(&matrix, &options(n), &|_| ()), &options(n))).to_vec();
        assert!(losses[0] > losses[1] && losses[1] >= losses[2] - 1e-6, "{losses:?}");
        let again = learn(&matrix, &options(3), &|_| ());
        assert_eq!(again.rows, learn(&matrix, &options(3), &|_| ()).rows);
    }
}
