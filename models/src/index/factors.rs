//! Factors: one vector per row, searched by inner product.
//!
//! Sections `item_factors`, `user_factors`: column `vector`, a fixed-size list of f32, row-major
//! `n_rows x dim`. Section `fold_in`: the regularised Gram matrix of the items, `dim x dim`, with which a
//! vector is computed for a user that training never saw (Hu, Koren & Volinsky 2008, equation 4).

use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Field};

use crate::error::{Error, Result};
use crate::ids::ItemIx;
use crate::kernels::scan::Codes;
use crate::kernels::simd;
use crate::kernels::topk::{Scored, TopK};
use crate::storage::section::{self, Section};

/// `rows x dim` vectors, row-major.
#[derive(Debug, Clone)]
pub struct Factors {
    dim: usize,
    values: ScalarBuffer<f32>,
    /// Built by the first scan that is large enough.
    codes: Arc<OnceLock<Codes>>,
}

/// Below this many numbers a scan of the rows themselves is quicker than one of their codes.
const MIN_CODED: usize = 1 << 18;
/// If more than one row in this many is wanted, the bounds exclude too few rows for codes to pay.
const ROWS_PER_WANTED: usize = 64;

impl Factors {
    /// From row-major values, `rows x dim`. Panics when their number is no multiple of `dim`.
    pub fn new(dim: usize, values: Vec<f32>) -> Self {
        assert!(dim > 0 && values.len().is_multiple_of(dim), "values must be rows x dim");
        Self { dim, values: values.into(), codes: Arc::default() }
    }

    /// Length of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of vectors.
    pub fn rows(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Multiplications of a scan.
    pub(crate) fn scan_cost(&self) -> usize {
        self.values.len()
    }

    /// The vector of a row.
    pub fn row(&self, ix: u32) -> &[f32] {
        &self.values[ix as usize * self.dim..][..self.dim]
    }

    /// Length of the vector of a row.
    pub fn length(&self, ix: u32) -> f32 {
        self.row(ix).iter().map(|v| v * v).sum::<f32>().sqrt()
    }

    /// The weighted sum of the rows' unit vectors; `None` if it is zero.
    pub fn direction(&self, rows: impl Iterator<Item = (u32, f32)>) -> Option<Vec<f32>> {
        let mut sum = vec![0.0f32; self.dim];
        for (ix, weight) in rows {
            let scale = weight / self.length(ix);
            if scale.is_finite() {
                sum.iter_mut().zip(self.row(ix)).for_each(|(s, v)| *s += scale * v);
            }
        }
        sum.iter().any(|v| *v != 0.0).then_some(sum)
    }

    /// The `k` rows with the largest inner product with `query`, exactly, best first.
    pub fn scan(&self, query: &[f32], k: usize) -> Vec<Scored> {
        if self.values.len() >= MIN_CODED && k * ROWS_PER_WANTED <= self.rows() && query.len() == self.dim {
            let codes = self.codes.get_or_init(|| Codes::new(&self.values, self.dim));
            return simd::dispatch(
                #[inline(always)]
                || codes.scan(query, k, |ix| simd::dot(query, self.row(ix))),
            );
        }
        let mut top = TopK::new(k);
        simd::dispatch(
            #[inline(always)]
            || {
                for (ix, row) in self.values.chunks_exact(self.dim).enumerate() {
                    top.push(ix as u32, simd::dot(query, row));
                }
            },
        );
        top.into_sorted()
    }

    pub(crate) fn batch(&self, name: &str) -> Result<RecordBatch> {
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        let values = Arc::new(Float32Array::new(self.values.clone(), None));
        let dim =
            i32::try_from(self.dim).map_err(|_| Error::malformed(name, "a dim of 31 bits", self.dim))?;
        let list = FixedSizeListArray::try_new(item, dim, values, None)
            .map_err(|e| Error::malformed(name, "rows x dim values", e))?;
        section::batch(name, vec![("vector", Arc::new(list) as ArrayRef)])
    }

    pub(crate) fn open(section: &Section, rows: usize) -> Result<Self> {
        section.expect_rows(rows)?;
        let (values, dim) = section.matrix("vector")?;
        if dim == 0 {
            return Err(Error::malformed(section.name(), "vectors of at least one number", "none"));
        }
        Ok(Self { dim, values, codes: Arc::default() })
    }
}

/// Computes the vector of a user from the items they touched, with the item side held fixed.
#[derive(Debug, Clone)]
pub struct FoldIn {
    /// `Y'Y + regularisation I`, `dim x dim`.
    gram: Factors,
    /// The inverse of `gram`, derived; empty if it has none.
    inverse: Vec<f32>,
    /// Confidence added for one basket.
    alpha: f32,
}

/// Most items that are folded in by a system of their own number rather than of the dimension. Both cost the same if
/// the items are a quarter of 64 dimensions.
const FEW: usize = 16;

impl FoldIn {
    /// From `Y'Y + regularisation I` (`dim x dim`, row-major) and the confidence `alpha` of one basket.
    pub fn new(gram: Factors, alpha: f32) -> Self {
        Self { inverse: inverse(&gram), gram, alpha }
    }

    /// The matrix, to be a section.
    pub(crate) fn gram(&self) -> &Factors {
        &self.gram
    }

    pub(crate) fn open(section: &Section, dim: usize, alpha: f32) -> Result<Self> {
        let gram = Factors::open(section, dim)?;
        if gram.dim != dim || !alpha.is_finite() {
            return Err(Error::malformed(
                section.name(),
                format!("{dim} x {dim}"),
                format!("dim {}", gram.dim),
            ));
        }
        Ok(Self::new(gram, alpha))
    }

    /// Solves `(Y'Y + reg I + sum alpha w y y') x = sum (1 + alpha w) y` over `(item, w)`; `None` when no item counts
    /// or the system is singular. Cost: `n dim^2 / 2 + dim^3 / 6` multiplications, of few items `n dim^2`.
    pub fn vector(&self, items: &Factors, weights: &[(ItemIx, f32)]) -> Option<Vec<f32>> {
        let bought: Vec<(&[f32], f32)> = weights
            .iter()
            .filter(|(_, weight)| *weight > 0.0 && weight.is_finite())
            .map(|&(item, weight)| (items.row(item), self.alpha * weight))
            .collect();
        if bought.is_empty() {
            return None;
        }
        simd::dispatch(
            #[inline(always)]
            || match bought.len() <= FEW && self.alpha > 0.0 && !self.inverse.is_empty() {
                true => self.of_few(&bought),
                false => self.of_many(&bought),
            },
        )
    }

    /// By the system of the items, which Woodbury's identity makes of that of the dimensions:
    /// `x = G^-1 Y s z`, `(I + s Y' G^-1 Y s) z = (1 + c) / s`, with `s` the square root of the confidence `c`.
    #[inline(always)]
    fn of_few(&self, bought: &[(&[f32], f32)]) -> Option<Vec<f32>> {
        let (dim, n) = (self.gram.dim, bought.len());
        // Plain loops: a closure that is not inlined is compiled without vectors.
        let mut through = vec![0.0f32; n * dim];
        for ((y, _), through) in bought.iter().zip(through.chunks_exact_mut(dim)) {
            for (through, row) in through.iter_mut().zip(self.inverse.chunks_exact(dim)) {
                *through = simd::dot(row, y);
            }
        }
        let scale: Vec<f32> = bought.iter().map(|(_, confidence)| confidence.sqrt()).collect();
        let mut a = vec![0.0f32; n * n];
        for r in 0..n {
            for c in r..n {
                let inner = scale[r] * scale[c] * simd::dot(&through[r * dim..(r + 1) * dim], bought[c].0);
                a[r * n + c] = if r == c { 1.0 + inner } else { inner };
            }
        }
        let mut z: Vec<f32> = bought.iter().zip(&scale).map(|((_, c), s)| (1.0 + c) / s).collect();
        if !cholesky_solve(&mut a, &mut z, n) {
            return None;
        }
        let mut x = vec![0.0f32; dim];
        for ((z, scale), through) in z.iter().zip(&scale).zip(through.chunks_exact(dim)) {
            for (x, through) in x.iter_mut().zip(through) {
                *x += z * scale * through;
            }
        }
        Some(x)
    }

    /// By the system of the dimensions; four items a pass, because reading and writing the matrix is most of the work.
    #[inline(always)]
    fn of_many(&self, bought: &[(&[f32], f32)]) -> Option<Vec<f32>> {
        let dim = self.gram.dim;
        let mut a = self.gram.values.to_vec();
        let mut b = vec![0.0f32; dim];
        let (fours, rest) = bought.as_chunks::<4>();
        for [(w, by_w), (x, by_x), (y, by_y), (z, by_z)] in fours {
            for r in 0..dim {
                let (from_w, from_x, from_y, from_z) = (by_w * w[r], by_x * x[r], by_y * y[r], by_z * z[r]);
                let row = &mut a[r * dim + r..(r + 1) * dim];
                for ((((a, w), x), y), z) in
                    row.iter_mut().zip(&w[r..]).zip(&x[r..]).zip(&y[r..]).zip(&z[r..])
                {
                    let first = x.mul_add(from_x, w * from_w);
                    *a += z.mul_add(from_z, y.mul_add(from_y, first));
                }
            }
        }
        for (y, confidence) in rest {
            for r in 0..dim {
                let scale = confidence * y[r];
                let row = &mut a[r * dim + r..(r + 1) * dim];
                row.iter_mut().zip(&y[r..]).for_each(|(a, y)| *a += scale * y);
            }
        }
        for (y, confidence) in bought {
            b.iter_mut().zip(*y).for_each(|(b, y)| *b += (1.0 + confidence) * y);
        }
        cholesky_solve(&mut a, &mut b, dim).then_some(b)
    }
}

/// The inverse of a symmetric positive definite matrix, or nothing.
fn inverse(gram: &Factors) -> Vec<f32> {
    let dim = gram.dim;
    let mut upper = gram.values.to_vec();
    if !simd::dispatch(
        #[inline(always)]
        || factorize(&mut upper, dim),
    ) {
        return Vec::new();
    }
    let mut rows = vec![0.0; dim * dim];
    for (n, row) in rows.chunks_exact_mut(dim).enumerate() {
        row[n] = 1.0;
        substitute(&upper, row);
    }
    rows
}

/// Solves `A x = b` in place for a symmetric positive definite `A` (`dim x dim`, row-major; only its
/// upper half is read, and overwritten with the factor `U` of `U'U = A`). False when `A` is not positive definite.
/// Rows are combined whole, so that no sum runs across a vector register. Cost: `dim^3 / 6` multiplications.
pub fn cholesky_solve(a: &mut [f32], b: &mut [f32], dim: usize) -> bool {
    simd::dispatch(
        #[inline(always)]
        || {
            let is_definite = factorize(a, dim);
            if is_definite {
                substitute(a, b);
            }
            is_definite
        },
    )
}

/// Overwrites the upper half of `A` with the factor `U` of `U'U = A`; false when `A` is not positive definite.
#[inline(always)]
fn factorize(a: &mut [f32], dim: usize) -> bool {
    for r in 0..dim {
        let (above, row) = a.split_at_mut(r * dim);
        let row = &mut row[r..dim];
        let mut rows = above.chunks_exact(4 * dim);
        for four in &mut rows {
            let of = |n: usize| &four[n * dim + r..(n + 1) * dim];
            let (w, x, y, z) = (of(0), of(1), of(2), of(3));
            let (by_w, by_x, by_y, by_z) = (w[0], x[0], y[0], z[0]);
            for ((((a, w), x), y), z) in row.iter_mut().zip(w).zip(x).zip(y).zip(z) {
                let first = x.mul_add(by_x, w * by_w);
                *a -= z.mul_add(by_z, y.mul_add(by_y, first));
            }
        }
        for one in rows.remainder().chunks_exact(dim) {
            let by = one[r];
            row.iter_mut().zip(&one[r..]).for_each(|(a, one)| *a -= by * one);
        }
        let pivot = row[0];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        let scale = pivot.sqrt().recip();
        row.iter_mut().for_each(|a| *a *= scale);
    }
    true
}

/// Solves `U'U x = b` in place: `U'y = b`, then `U x = y`.
#[inline(always)]
fn substitute(u: &[f32], b: &mut [f32]) {
    let dim = b.len();
    for r in 0..dim {
        let row = &u[r * dim + r..(r + 1) * dim];
        b[r] /= row[0];
        let y = b[r];
        b[r + 1..].iter_mut().zip(&row[1..]).for_each(|(b, u)| *b -= u * y);
    }
    for r in (0..dim).rev() {
        let row = &u[r * dim + r..(r + 1) * dim];
        b[r] = (b[r] - simd::dot(&row[1..], &b[r + 1..])) / row[0];
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn cholesky_solves_a_known_system_and_refuses_an_indefinite_one() {
        let mut a = vec![4.0, 2.0, 2.0, 0.0, 5.0, 3.0, 0.0, 0.0, 6.0];
        let mut b = vec![2.0 * 4.0 + 3.0 * 2.0 - 2.0, 2.0 * 2.0 + 15.0 - 3.0, 2.0 * 2.0 + 9.0 - 6.0];
        assert!(cholesky_solve(&mut a, &mut b, 3));
        for (got, want) in b.iter().zip([2.0, 3.0, -1.0]) {
            assert!((got - want).abs() < 1e-5, "{b:?}");
        }
        assert!(!cholesky_solve(&mut [1.0, 2.0, 0.0, 1.0], &mut [1.0, 1.0], 2));
    }

    #[test]
    fn a_scan_finds_the_largest_inner_products() {
        let factors = Factors::new(2, vec![1.0, 0.0, 0.0, 3.0, 2.0, 2.0]);
        let best: Vec<u32> = factors.scan(&[1.0, 1.0], 2).iter().map(|s| s.ix).collect();
        assert_eq!(best, [2, 1]);
    }

    #[test]
    fn fold_in_points_at_the_items_that_were_bought() {
        let items = Factors::new(2, vec![1.0, 0.0, 0.0, 1.0]);
        let fold_in = FoldIn::new(Factors::new(2, vec![1.1, 0.0, 0.0, 1.1]), 10.0);
        let x = fold_in.vector(&items, &[(1, 1.0)]).unwrap();
        assert!(x[1] > 0.9 && x[0].abs() < 1e-6, "{x:?}");
        assert!(fold_in.vector(&items, &[]).is_none());
        assert!(fold_in.vector(&items, &[(0, f32::NAN)]).is_none());
    }

    #[test]
    fn few_items_are_folded_in_as_many_are() {
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let (dim, n) = (24, 10);
        let items = Factors::new(dim, (0..n * dim).map(|_| random()).collect());
        let mut gram = vec![0.0; dim * dim];
        for r in 0..dim {
            for c in 0..dim {
                let inner: f32 = (0..n as u32).map(|item| items.row(item)[r] * items.row(item)[c]).sum();
                gram[r * dim + c] = inner + if r == c { 0.5 } else { 0.0 };
            }
        }
        let fold_in = FoldIn::new(Factors::new(dim, gram), 4.0);
        for count in 1..=n {
            let weights: Vec<(&[f32], f32)> =
                (0..count as u32).map(|item| (items.row(item), 0.05 + item as f32)).collect();
            let (few, many) = (fold_in.of_few(&weights).unwrap(), fold_in.of_many(&weights).unwrap());
            for (few, many) in few.iter().zip(&many) {
                assert!((few - many).abs() < 1e-3 * many.abs().max(0.1), "{count}: {few} {many}");
            }
        }
    }
}
