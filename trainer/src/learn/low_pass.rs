//! Low-pass embedding: the smoothest directions of the user-item graph (Shen et al., "How Powerful is Graph
//! Convolution for Recommendation?", 2021).
//!
//! `Z = Du^-1/2 X Di^-1/2`, where `X` is the matrix of purchases and `D` are the degrees. The `dim` strongest right
//! singular vectors `V` of `Z` come from a randomized subspace iteration (Halko, Martinsson & Tropp, 2011). Any basis
//! of their span is enough, since scores use only `V V'`. All numbers are finite for any shape and rank of `X`.
//! Products run by row in a fixed order, so the result does not depend on the number of threads.

use ndarray::{Array2, ArrayView2, Axis, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::matrix::Matrix;

/// Hyperparameters of the low-pass filter.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct LowPassOptions {
    /// Length of a vector; at most the smaller number of users and items, which bounds the rank of `X`, is learned.
    pub dim: usize,
    /// Rounds of subspace iteration.
    pub rounds: usize,
    /// Seed of the first basis.
    pub seed: u64,
}

/// One vector per item, `n_items x dim`, with orthonormal columns. Cost: `rounds dim (nnz + n_items dim)`.
pub fn learn(x: &Matrix, options: &LowPassOptions, progress: &(dyn Fn(u64) + Sync)) -> Array2<f32> {
    let by_item = x.transposed();
    let scale = |m: &Matrix| -> Vec<f32> {
        (0..m.n_rows()).map(|row| (m.row(row).len().max(1) as f32).sqrt().recip()).collect()
    };
    let (of_user, of_item) = (scale(x), scale(&by_item));
    let dim = options.dim.min(x.n_columns()).min(x.n_rows()).max(1);
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut basis =
        orthonormal(Array2::from_shape_simple_fn((x.n_columns(), dim), || rng.random_range(-1.0f32..1.0)));
    for _ in 0..options.rounds {
        let image = product(x, &of_user, &of_item, &basis);
        basis = orthonormal(product(&by_item, &of_item, &of_user, &image));
        progress(1);
    }
    basis
}

/// `diag(row_scale) P diag(column_scale) b`, where `P` is the pattern of `matrix`.
fn product(matrix: &Matrix, row_scale: &[f32], column_scale: &[f32], b: &Array2<f32>) -> Array2<f32> {
    let dim = b.ncols();
    let mut out = Array2::zeros((matrix.n_rows(), dim));
    let sums = out.as_slice_mut().expect("a new array is row-major");
    sums.par_chunks_mut(dim).enumerate().for_each(|(row, sum)| {
        for &(column, _) in matrix.row(row) {
            let weight = row_scale[row] * column_scale[column as usize];
            sum.iter_mut().zip(b.row(column as usize)).for_each(|(s, b)| *s += weight * b);
        }
    });
    out
}

/// Rows whose products are summed at a time, in double precision.
const CHUNK: usize = 4_096;

/// `A'A` in double precision. With few users, columns are nearly dependent: in single precision the matrix could
/// become indefinite, and its Cholesky factor would have no finite inverse.
fn gram(a: &Array2<f32>) -> Array2<f64> {
    let chunks: Vec<_> = a.axis_chunks_iter(Axis(0), CHUNK).collect();
    let product = |chunk: &ArrayView2<'_, f32>| {
        let chunk = chunk.mapv(f64::from);
        chunk.t().dot(&chunk)
    };
    let products: Vec<Array2<f64>> = chunks.par_iter().map(product).collect();
    products.iter().fold(Array2::zeros((a.ncols(), a.ncols())), |sum, product| sum + product)
}

/// The same span with orthonormal columns, by Cholesky: `A L^-T` where `A'A + floor I = L L'`. The floor bounds the
/// inverse, so directions that `A` nearly lacks become short vectors instead of very long ones.
fn orthonormal(a: Array2<f32>) -> Array2<f32> {
    let mut gram = gram(&a);
    let dim = gram.nrows();
    let floor = (1e-6 * gram.diag().sum() / dim as f64).max(1e-12);
    gram.diag_mut().iter_mut().for_each(|d| *d += floor);
    let mut inverse = Array2::<f64>::eye(dim);
    for r in 0..dim {
        for c in 0..=r {
            let sum = gram[[r, c]] - gram.slice(s![r, ..c]).dot(&gram.slice(s![c, ..c]));
            gram[[r, c]] = if c == r { sum.max(floor * 1e-3).sqrt() } else { sum / gram[[c, c]] };
        }
        // Forward substitution, one row of the inverse at a time.
        for k in 0..r {
            let (above, mut row) = inverse.multi_slice_mut((s![k, ..=k], s![r, ..=k]));
            row.scaled_add(-gram[[r, k]], &above);
        }
        let pivot = gram[[r, r]];
        inverse.row_mut(r).mapv_inplace(|v| v / pivot);
    }
    a.dot(&inverse.t().mapv(|v| v as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two groups of users, each buying its own half of the items, one item short.
    fn two_groups() -> Matrix {
        let bought = |user: u32| (0..10).filter(move |item| item % 2 == user % 2 && item / 2 != user / 2 % 5);
        let cells = (0..20u32).flat_map(move |user| bought(user).map(move |item| (user, item, 1.0)));
        Matrix::new(20, 10, cells)
    }

    #[test]
    fn two_groups_of_users_are_two_directions() {
        let options = LowPassOptions { dim: 2, rounds: 20, seed: 7 };
        let v = learn(&two_groups(), &options, &|_| ());
        let kernel = v.dot(&v.t());
        for (a, b) in (0..10).flat_map(|a| (0..10).map(move |b| (a, b))) {
            // Every item of a group of five is bought alike.
            let want = if a % 2 == b % 2 { 0.2 } else { 0.0 };
            assert!((kernel[[a, b]] - want).abs() < 1e-3, "{a} {b}: {} for {want}", kernel[[a, b]]);
        }
    }

    /// 3 users and 400 items give at most three directions; 64 are requested.
    #[test]
    fn few_users_of_many_items_stay_finite() {
        let cells =
            (0..3u32).flat_map(|user| (0..400).filter(move |i| i % (user + 2) == 0).map(move |i| (user, i)));
        let x = Matrix::new(3, 400, cells.map(|(user, item)| (user, item, 1.0)));
        let v = learn(&x, &LowPassOptions { dim: 64, rounds: 4, seed: 7 }, &|_| ());
        assert_eq!(v.dim(), (400, 3));
        assert!(v.iter().all(|v| v.is_finite() && v.abs() <= 1.001), "{v:?}");
        // The floor keeps an orthonormal basis of 64 dependent columns finite, too.
        let dependent = Array2::from_shape_fn((400, 64), |(r, c)| ((r * (c % 3 + 1)) % 7) as f32);
        assert!(orthonormal(orthonormal(dependent)).iter().all(|v| v.is_finite()));
    }

    #[test]
    fn more_dimensions_than_directions_stay_finite_and_repeat() {
        let options = LowPassOptions { dim: 10, rounds: 3, seed: 7 };
        let v = learn(&two_groups(), &options, &|_| ());
        assert!(v.iter().all(|v| v.is_finite() && v.abs() <= 1.001), "{v:?}");
        assert_eq!(v, learn(&two_groups(), &options, &|_| ()));
        assert!(
            learn(&Matrix::new(2, 3, std::iter::empty()), &options, &|_| ()).iter().all(|v| v.is_finite())
        );
    }
}
