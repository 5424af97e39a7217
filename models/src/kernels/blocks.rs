//! Passes over blocks of scores: 16 items wide, one row per source, the rows of a block side by side.
//!
//! A pass reads only blocks that were touched and rows that are in use. Vectors are `pulp`'s own: loops over arrays
//! were 15 times slower where the compiler did not vectorize them.

use pulp::{Simd, WithSimd};

/// Items of a block.
pub const WIDTH: usize = 16;
/// One number per item of a block: a cache line.
pub type Row = [f32; WIDTH];

/// Runs `work` with the number of vectors that a row takes.
macro_rules! by_width {
    ($work:ty $(, $rows:ident)?) => {
        impl$(<const $rows: usize>)? WithSimd for $work {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                match S::F32_LANES {
                    16 => self.run::<S, 1>(simd),
                    8 => self.run::<S, 2>(simd),
                    4 => self.run::<S, 4>(simd),
                    _ => self.run::<S, 16>(simd),
                }
            }
        }
    };
}

/// The largest score of every row in `rows`, at least 0, over the items whose bit is set in `allowed`.
pub fn maxima<const K: usize>(
    blocks: &[[Row; K]],
    rows: &[usize],
    allowed: &[u16],
    touched: &[u16],
) -> [f32; K] {
    let mut best = [[0.0; WIDTH]; K];
    pulp::Arch::new().dispatch(Maxima { blocks, rows, allowed, touched, best: &mut best });
    best.map(|row| row.into_iter().fold(0.0, f32::max))
}

struct Maxima<'a, const K: usize> {
    blocks: &'a [[Row; K]],
    rows: &'a [usize],
    allowed: &'a [u16],
    touched: &'a [u16],
    best: &'a mut [Row; K],
}

by_width!(Maxima<'_, K>, K);

impl<const K: usize> Maxima<'_, K> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let none = simd.splat_f32s(0.0);
        let best = S::as_mut_simd_f32s(self.best.as_flattened_mut()).0;
        for ((block, &allowed), &touched) in self.blocks.iter().zip(self.allowed).zip(self.touched) {
            if allowed & touched == 0 {
                continue;
            }
            let block = S::as_simd_f32s(block.as_flattened()).0;
            let lanes = lanes::<S, V>(simd, allowed);
            for &row in self.rows {
                let scores = &block[row * V..][..V];
                for ((best, &score), &lane) in best[row * V..][..V].iter_mut().zip(scores).zip(&lanes) {
                    *best = simd.max_f32s(*best, simd.select_f32s(lane, score, none));
                }
            }
        }
    }
}

/// Adds to every sum of `sums` the scores of `rows`, each times its weight; items without their bit in `allowed` become
/// negative infinity. `peaks` receives the largest sum of every block.
pub fn add_weighted<const K: usize>(
    blocks: &[[Row; K]],
    weights: &[(usize, f32)],
    allowed: &[u16],
    touched: &[u16],
    sums: &mut [Row],
    peaks: &mut [f32],
) {
    pulp::Arch::new().dispatch(AddWeighted { blocks, weights, allowed, touched, sums, peaks });
}

struct AddWeighted<'a, const K: usize> {
    blocks: &'a [[Row; K]],
    weights: &'a [(usize, f32)],
    allowed: &'a [u16],
    touched: &'a [u16],
    sums: &'a mut [Row],
    peaks: &'a mut [f32],
}

by_width!(AddWeighted<'_, K>, K);

impl<const K: usize> AddWeighted<'_, K> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let never = simd.splat_f32s(f32::NEG_INFINITY);
        let bits = self.allowed.iter().zip(self.touched);
        let sums = self.sums.iter_mut().zip(self.peaks);
        for ((block, (&allowed, &touched)), (sums, peak)) in self.blocks.iter().zip(bits).zip(sums) {
            let sums = S::as_mut_simd_f32s(sums).0;
            let mut total: [S::f32s; V] = std::array::from_fn(|v| sums[v]);
            if touched != 0 {
                let block = S::as_simd_f32s(block.as_flattened()).0;
                for &(row, weight) in self.weights {
                    let weight = simd.splat_f32s(weight);
                    for (total, &score) in total.iter_mut().zip(&block[row * V..][..V]) {
                        *total = simd.mul_add_e_f32s(score, weight, *total);
                    }
                }
            }
            if allowed != u16::MAX {
                for (total, lane) in total.iter_mut().zip(lanes::<S, V>(simd, allowed)) {
                    *total = simd.select_f32s(lane, *total, never);
                }
            }
            sums.copy_from_slice(&total);
            let best = total[1..].iter().fold(total[0], |best, &next| simd.max_f32s(best, next));
            *peak = simd.reduce_max_f32s(best);
        }
    }
}

/// One bit for every sum that is at least `bound`, by block.
pub fn at_least(sums: &[Row], bound: f32) -> Vec<u16> {
    let mut bits = vec![0; sums.len()];
    pulp::Arch::new().dispatch(AtLeast { sums, bound, bits: &mut bits });
    bits
}

struct AtLeast<'a> {
    sums: &'a [Row],
    bound: f32,
    bits: &'a mut [u16],
}

by_width!(AtLeast<'_>);

impl AtLeast<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        /// The bit of every lane, as a number that is exact in sums of all.
        const BITS: Row = {
            let mut bits = [0.0; WIDTH];
            let mut n = 0;
            while n < WIDTH {
                bits[n] = (1 << n) as f32;
                n += 1;
            }
            bits
        };
        let (bound, none) = (simd.splat_f32s(self.bound), simd.splat_f32s(0.0));
        let places = S::as_simd_f32s(&BITS).0;
        for (sums, bits) in self.sums.iter().zip(self.bits) {
            let mut reached = none;
            for (&sum, &place) in S::as_simd_f32s(sums).0.iter().zip(places) {
                let reaches = simd.greater_than_or_equal_f32s(sum, bound);
                reached = simd.add_f32s(reached, simd.select_f32s(reaches, place, none));
            }
            *bits = simd.reduce_sum_f32s(reached) as u16;
        }
    }
}

/// The lanes whose bit is set.
#[inline(always)]
fn lanes<S: Simd, const V: usize>(simd: S, bits: u16) -> [S::m32s; V] {
    const PLACES: [u32; WIDTH] = {
        let mut places = [0; WIDTH];
        let mut n = 0;
        while n < WIDTH {
            places[n] = 1 << n;
            n += 1;
        }
        places
    };
    let (places, bits) = (S::as_simd_u32s(&PLACES).0, simd.splat_u32s(u32::from(bits)));
    std::array::from_fn(|v| simd.equal_u32s(simd.and_u32s(bits, places[v]), places[v]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn passes_are_what_plain_loops_give(
            cells in prop::collection::vec((0usize..64, 0usize..3, -8i8..20), 0..60),
            allowed in prop::array::uniform4(any::<u16>()),
        ) {
            let (mut blocks, mut touched) = (vec![[[0.0f32; WIDTH]; 3]; 4], [0u16; 4]);
            for &(item, row, score) in &cells {
                blocks[item / WIDTH][row][item % WIDTH] += f32::from(score);
                touched[item / WIDTH] |= 1 << (item % WIDTH);
            }
            let may = |item: usize| allowed[item / WIDTH] >> (item % WIDTH) & 1 == 1;
            let score = |item: usize, row: usize| blocks[item / WIDTH][row][item % WIDTH];
            let best = |row| (0..64).filter(|&item| may(item)).map(|item| score(item, row)).fold(0.0, f32::max);
            let got = maxima(&blocks, &[0, 2], &allowed, &touched);
            prop_assert_eq!(got, [best(0), 0.0, best(2)]);
            let (mut sums, mut peaks) = (vec![[1.0; WIDTH]; 4], vec![0.0; 4]);
            add_weighted(&blocks, &[(0, 0.5), (1, 2.0)], &allowed, &touched, &mut sums, &mut peaks);
            for item in 0..64 {
                let want = if may(item) { 1.0 + 0.5 * score(item, 0) + 2.0 * score(item, 1) } else { f32::NEG_INFINITY };
                prop_assert_eq!(sums[item / WIDTH][item % WIDTH], want);
            }
            for (block, bits) in at_least(&sums, 3.0).into_iter().enumerate() {
                let want = (0..WIDTH).filter(|&lane| sums[block][lane] >= 3.0).map(|lane| 1 << lane).sum::<u16>();
                prop_assert_eq!(bits, want);
            }
            for (sums, peak) in sums.iter().zip(peaks) {
                prop_assert_eq!(sums.iter().copied().fold(f32::NEG_INFINITY, f32::max), peak);
            }
        }
    }
}
