//! Exact scans for the largest inner products, over 8-bit codes of the rows.
//!
//! A code and its scale give an inner product within a known bound for every row. Rows whose upper bound is below the
//! k-th best lower bound cannot be among the best; the others, a few times k, are scored exactly. A scan reads a
//! quarter of the bytes of the rows; its cost is memory bandwidth.
//!
//! Layout: 16 rows per block, in lines of 4 numbers per row, so that sums run down a register and never across one.
//! Cost: `dim + 12` bytes a row.

use crate::kernels::simd;
use crate::kernels::topk::{Scored, TopK};

/// Rows of a block.
const ROWS: usize = 16;
/// Adjacent numbers of a row.
const GROUP: usize = 4;
/// The same four numbers of 16 rows.
type Line = [i8; ROWS * GROUP];
/// One sum per row.
type Sums = [i32; ROWS];

/// Largest code of a row.
const ROW_MAX: f32 = 127.0;
/// Largest code of a query: two products of a row's and a shifted query's code fit 16 bits.
const QUERY_MAX: f32 = 63.0;
/// Added to a query's codes, because the instructions take them as unsigned.
const SHIFT: i32 = 64;
/// Bounds are widened by this factor to cover rounding errors.
const SLACK: f32 = 1.0 + 1e-4;

/// Codes of `rows x dim` numbers.
#[derive(Debug, Clone, Default)]
pub struct Codes {
    n_rows: usize,
    lines_per_block: usize,
    lines: Vec<Line>,
    blocks: Vec<Facts>,
}

/// The data of a block's rows that the bounds need.
#[derive(Debug, Clone, Copy)]
struct Facts {
    /// The value of a code of 1.
    scales: [f32; ROWS],
    /// Lengths.
    norms: [f32; ROWS],
    /// Sums of codes, times [`SHIFT`].
    shifts: Sums,
}

/// The codes of a query.
struct Query {
    groups: Vec<[u8; GROUP]>,
    scale: f32,
    /// Length of the encoded vector.
    norm: f32,
    /// Length of the difference to the query.
    error: f32,
}

impl Codes {
    /// Encodes rows of `dim` numbers, row-major.
    pub fn new(values: &[f32], dim: usize) -> Self {
        let (n_rows, lines_per_block) = (values.len() / dim, dim.div_ceil(GROUP));
        let blocks = n_rows.div_ceil(ROWS);
        let mut codes = Self {
            n_rows,
            lines_per_block,
            lines: vec![[0; ROWS * GROUP]; blocks * lines_per_block],
            blocks: Vec::with_capacity(blocks),
        };
        simd::dispatch(
            #[inline(always)]
            || {
                let lines = codes.lines.chunks_exact_mut(lines_per_block);
                codes.blocks.extend(
                    values.chunks(ROWS * dim).zip(lines).map(|(rows, lines)| encode(rows, dim, lines)),
                );
            },
        );
        codes
    }

    /// The `k` rows with the largest inner product with `query`, exactly, best first; `exact` scores a row.
    #[inline(always)]
    pub fn scan(&self, query: &[f32], k: usize, exact: impl Fn(u32) -> f32) -> Vec<Scored> {
        let candidates = self.candidates(&Query::new(query), query.len(), k);
        let mut top = TopK::new(k);
        candidates.into_iter().for_each(|ix| top.push(ix, exact(ix)));
        top.into_sorted()
    }

    /// Rows that may be among the best `k`, lowest first.
    fn candidates(&self, query: &Query, dim: usize, k: usize) -> Vec<u32> {
        let mut lower = TopK::new(k);
        let mut candidates: Vec<(u32, f32)> = Vec::with_capacity(4 * k);
        // A code is off by at most half of its scale, in each of `dim` numbers.
        let of_row = 0.5 * (dim as f32).sqrt() * query.norm;
        self.sums(&query.groups, |block, sums| {
            let facts = &self.blocks[block];
            let (mut scores, mut bounds) = ([0.0f32; ROWS], [0.0f32; ROWS]);
            for n in 0..ROWS {
                scores[n] = (sums[n] - facts.shifts[n]) as f32 * facts.scales[n] * query.scale;
                bounds[n] = (query.error * facts.norms[n] + of_row * facts.scales[n]) * SLACK;
            }
            let threshold = lower.threshold();
            if !(0..ROWS).any(|n| scores[n] + bounds[n] >= threshold) {
                return;
            }
            let first = block * ROWS;
            for n in 0..ROWS.min(self.n_rows - first) {
                if scores[n] + bounds[n] >= threshold {
                    lower.push((first + n) as u32, scores[n] - bounds[n]);
                    candidates.push(((first + n) as u32, scores[n] + bounds[n]));
                }
            }
        });
        let threshold = lower.into_sorted().get(k.wrapping_sub(1)).map_or(f32::NEG_INFINITY, |kth| kth.score);
        candidates.into_iter().filter(|(_, upper)| *upper >= threshold).map(|(ix, _)| ix).collect()
    }

    /// Calls `each` with the sums of products of every block.
    fn sums(&self, groups: &[[u8; GROUP]], mut each: impl FnMut(usize, Sums)) {
        let blocks = self.lines.chunks_exact(self.lines_per_block.max(1)).enumerate();
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = pulp::x86::V4::try_new() {
                return simd.vectorize(
                    #[inline(always)]
                    || blocks.for_each(|(n, lines)| each(n, avx512(simd, lines, groups))),
                );
            }
            if let Some(simd) = pulp::x86::V3::try_new() {
                return simd.vectorize(
                    #[inline(always)]
                    || blocks.for_each(|(n, lines)| each(n, avx2(simd, lines, groups))),
                );
            }
        }
        blocks.for_each(|(n, lines)| each(n, plain(lines, groups)));
    }
}

impl Query {
    fn new(query: &[f32]) -> Self {
        let scale = scale(query, QUERY_MAX);
        let per_unit = inverse(scale);
        let codes: Vec<i8> = query.iter().map(|&value| code(value, per_unit)).collect();
        let (mut norm, mut error) = (0.0f32, 0.0f32);
        for (&value, &code) in query.iter().zip(&codes) {
            let meant = f32::from(code) * scale;
            norm += meant * meant;
            error += (value - meant) * (value - meant);
        }
        let group = |codes: &[i8]| -> [u8; GROUP] {
            std::array::from_fn(|n| (i32::from(codes.get(n).copied().unwrap_or(0)) + SHIFT) as u8)
        };
        Self {
            groups: codes.chunks(GROUP).map(group).collect(),
            scale,
            norm: norm.sqrt(),
            error: error.sqrt(),
        }
    }
}

/// Encodes up to [`ROWS`] rows into the lines of a block.
#[inline(always)]
fn encode(rows: &[f32], dim: usize, lines: &mut [Line]) -> Facts {
    let mut facts = Facts { scales: [0.0; ROWS], norms: [0.0; ROWS], shifts: [0; ROWS] };
    for (n, row) in rows.chunks_exact(dim).enumerate() {
        let scale = scale(row, ROW_MAX);
        let per_unit = inverse(scale);
        (facts.scales[n], facts.norms[n]) = (scale, simd::dot(row, row).sqrt());
        for (line, group) in lines.iter_mut().zip(row.chunks(GROUP)) {
            for (code_of, &value) in line[n * GROUP..].iter_mut().zip(group) {
                let code = code(value, per_unit);
                *code_of = code;
                facts.shifts[n] += SHIFT * i32::from(code);
            }
        }
    }
    facts
}

#[inline(always)]
fn scale(values: &[f32], most: f32) -> f32 {
    values.iter().fold(0.0f32, |largest, value| if value.abs() > largest { value.abs() } else { largest })
        / most
}

#[inline(always)]
fn inverse(scale: f32) -> f32 {
    if scale > 0.0 { scale.recip() } else { 0.0 }
}

/// The nearest whole number; NaN becomes an arbitrary code.
#[inline(always)]
fn code(value: f32, per_unit: f32) -> i8 {
    // Beside so large a number the last bit of a sum counts ones: quicker than a cast, which has to look for overflow.
    const ONES: f32 = 1.5 * (1 << 23) as f32;
    (value * per_unit + ONES).to_bits().wrapping_sub(ONES.to_bits()) as i8
}

/// The reference for the instructions below.
fn plain(lines: &[Line], groups: &[[u8; GROUP]]) -> Sums {
    let mut sums = [0; ROWS];
    for (line, group) in lines.iter().zip(groups) {
        for (sum, row) in sums.iter_mut().zip(line.as_chunks::<GROUP>().0) {
            *sum +=
                row.iter().zip(group).map(|(&row, &query)| i32::from(row) * i32::from(query)).sum::<i32>();
        }
    }
    sums
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn avx512(simd: pulp::x86::V4, lines: &[Line], groups: &[[u8; GROUP]]) -> Sums {
    let (base, words) = (simd.avx512f, simd.avx512bw);
    let ones = base._mm512_set1_epi16(1);
    let mut sums = base._mm512_setzero_si512();
    for (line, &group) in lines.iter().zip(groups) {
        let group = base._mm512_set1_epi32(i32::from_ne_bytes(group));
        let pairs = words._mm512_maddubs_epi16(group, pulp::cast(*line));
        sums = base._mm512_add_epi32(sums, words._mm512_madd_epi16(pairs, ones));
    }
    pulp::cast(sums)
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn avx2(simd: pulp::x86::V3, lines: &[Line], groups: &[[u8; GROUP]]) -> Sums {
    let (base, words) = (simd.avx, simd.avx2);
    let ones = base._mm256_set1_epi16(1);
    let mut sums = [base._mm256_setzero_si256(); 2];
    for (line, &group) in lines.iter().zip(groups) {
        let group = base._mm256_set1_epi32(i32::from_ne_bytes(group));
        let halves: [[i8; 32]; 2] = pulp::bytemuck::cast(*line);
        for (sum, half) in sums.iter_mut().zip(halves) {
            let pairs = words._mm256_maddubs_epi16(group, pulp::cast(half));
            *sum = words._mm256_add_epi32(*sum, words._mm256_madd_epi16(pairs, ones));
        }
    }
    pulp::cast(sums)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_scan_finds_what_a_sort_of_all_rows_finds(
            values in prop::collection::vec(-100i16..100, 0..900), query in prop::collection::vec(-9i8..9, 7), k in 0usize..20,
        ) {
            let values: Vec<f32> = values.iter().map(|&v| f32::from(v) / 7.0).collect();
            let query: Vec<f32> = query.into_iter().map(f32::from).collect();
            let exact = |ix: u32| simd::dot(&query, &values[ix as usize * 7..][..7]);
            let rows = (values.len() / 7) as u32;
            let mut want: Vec<Scored> = (0..rows).map(|ix| Scored { score: exact(ix), ix }).collect();
            want.sort_by(Scored::best_first);
            want.truncate(k);
            prop_assert_eq!(Codes::new(&values, 7).scan(&query, k, exact), want);
        }

        #[test]
        fn every_instruction_set_sums_alike(
            lines in prop::collection::vec(prop::collection::vec(-127i8..=127, ROWS * GROUP), 1..20),
            groups in prop::collection::vec(prop::array::uniform4(0u8..=127), 20),
        ) {
            let lines: Vec<Line> = lines.iter().map(|line| std::array::from_fn(|n| line[n])).collect();
            let want = plain(&lines, &groups);
            #[cfg(target_arch = "x86_64")]
            {
                if let Some(simd) = pulp::x86::V4::try_new() {
                    prop_assert_eq!(avx512(simd, &lines, &groups), want);
                }
                if let Some(simd) = pulp::x86::V3::try_new() {
                    prop_assert_eq!(avx2(simd, &lines, &groups), want);
                }
            }
            prop_assert_eq!(plain(&lines, &groups), want);
        }
    }
}
