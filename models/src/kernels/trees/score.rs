//! Scores of many rows: every split is evaluated for 32 rows at once, in the registers of the machine.
//!
//! Loops over arrays are left to no optimizer here: whether LLVM turns them into vector instructions changes with the
//! code around them, by a factor of 20. The explicit vectors of `pulp` are compiled for AVX-512, AVX2, NEON and none.

use pulp::{Scalar, Simd, WithSimd, bytemuck};

use super::{MAX_LEAVES, Split, Trees};

/// Rows that are scored together.
const ROWS: usize = 32;
/// The value of one feature in the rows of a block.
type Column = [f32; ROWS];

impl Trees {
    /// The sum of the leaves that `features` fall into.
    pub fn score(&self, features: &[f32]) -> f32 {
        let leaf = |(splits, leaves): (&[Split], &[f32; MAX_LEAVES])| {
            let fails = |split: &&Split| {
                let holds = features[split.feature as usize] <= split.threshold;
                !holds
            };
            leaves[lowest(splits.iter().filter(fails).fold(u32::MAX, |left, split| left & split.keep))]
        };
        self.iter().map(leaf).sum()
    }

    /// Adds to every score the sum of the leaves that its row falls into: [`score`](Self::score) for many rows.
    pub fn add_scores<const N: usize>(&self, rows: &[[f32; N]], scores: &mut [f32]) {
        let mut block = [[0.0; ROWS]; N];
        for (rows, scores) in rows.chunks(ROWS).zip(scores.chunks_mut(ROWS)) {
            for (n, row) in rows.iter().enumerate() {
                block.iter_mut().zip(row).for_each(|(column, &value)| column[n] = value);
            }
            let mut sums = [0.0; ROWS];
            sums[..rows.len()].copy_from_slice(&scores[..rows.len()]);
            self.add_to_block(&block, &mut sums);
            scores[..rows.len()].copy_from_slice(&sums[..rows.len()]);
        }
    }

    fn add_to_block(&self, block: &[Column], sums: &mut [f32; ROWS]) {
        let work = Block { trees: self, block, sums };
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V4::try_new() {
            return simd.vectorize(
                #[inline(always)]
                || work.add::<_, 2>(simd, pick_avx512(simd)),
            );
        }
        pulp::Arch::new().dispatch(work);
    }
}

/// The place of the lowest bit that is set; a row always keeps the bit of its leaf.
#[inline(always)]
fn lowest(left: u32) -> usize {
    left.trailing_zeros() as usize % MAX_LEAVES
}

struct Block<'b> {
    trees: &'b Trees,
    block: &'b [Column],
    sums: &'b mut Column,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.add::<S, 2>(simd, pick(simd)),
            8 => self.add::<S, 4>(simd, pick(simd)),
            4 => self.add::<S, 8>(simd, pick(simd)),
            // Without vectors four rows at a time, as many as there are registers for.
            _ => self.add::<Scalar, 4>(Scalar::new(), pick(Scalar::new())),
        }
    }
}

impl Block<'_> {
    /// Adds the leaves of all trees, `V` vectors of rows at a time; `pick` turns what is left of the leaves into the
    /// values of the lowest.
    #[inline(always)]
    fn add<S: Simd, const V: usize>(self, simd: S, pick: impl Fn(S::u32s, &[f32; MAX_LEAVES]) -> S::f32s) {
        let columns = S::as_simd_f32s(self.block.as_flattened()).0;
        let width = ROWS / S::F32_LANES;
        for (part, sums) in S::as_mut_simd_f32s(self.sums).0.as_chunks_mut::<V>().0.iter_mut().enumerate() {
            for (splits, leaves) in self.trees.iter() {
                let mut left = [simd.splat_u32s(u32::MAX); V];
                for split in splits {
                    let values = &columns[split.feature as usize * width + part * V..][..V];
                    let (threshold, keep) = (simd.splat_f32s(split.threshold), simd.splat_u32s(split.keep));
                    for (left, &values) in left.iter_mut().zip(values) {
                        let holds = simd.less_than_or_equal_f32s(values, threshold);
                        *left = simd.select_u32s(holds, *left, simd.and_u32s(*left, keep));
                    }
                }
                for (sum, left) in sums.iter_mut().zip(left) {
                    *sum = simd.add_f32s(*sum, pick(left, leaves));
                }
            }
        }
    }
}

/// The leaf of the lowest bit of every lane, one lane after another.
#[inline(always)]
fn pick<S: Simd>(simd: S) -> impl Fn(S::u32s, &[f32; MAX_LEAVES]) -> S::f32s {
    #[inline(always)]
    move |left, leaves| {
        let mut values = simd.splat_f32s(0.0);
        let lanes: &mut [f32] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut values));
        let lefts: &[u32] = bytemuck::cast_slice(std::slice::from_ref(&left));
        lanes.iter_mut().zip(lefts).for_each(|(value, &left)| *value = leaves[lowest(left)]);
        values
    }
}

/// The same for all lanes at once: 32 leaves are two registers, from which one instruction picks.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn pick_avx512(
    simd: pulp::x86::V4,
) -> impl Fn(<pulp::x86::V4 as Simd>::u32s, &[f32; MAX_LEAVES]) -> <pulp::x86::V4 as Simd>::f32s {
    let (base, counts) = (simd.avx512f, simd.avx512cd);
    #[inline(always)]
    move |left, leaves| {
        let left = pulp::cast(left);
        let lowest = base._mm512_and_si512(left, base._mm512_sub_epi32(base._mm512_setzero_si512(), left));
        let place = base._mm512_sub_epi32(base._mm512_set1_epi32(31), counts._mm512_lzcnt_epi32(lowest));
        let [low, high]: [[f32; 16]; 2] = bytemuck::cast(*leaves);
        pulp::cast(base._mm512_permutex2var_ps(pulp::cast(low), place, pulp::cast(high)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::trees::Node;

    const N: usize = 5;

    /// A tree of random shape with up to `MAX_LEAVES` leaves; every choice splits one of the leaves so far.
    fn tree(choices: &[(usize, u32, i8)]) -> Vec<Node> {
        let mut nodes = vec![Node::leaf(0, 0.5)];
        let mut leaves = vec![0u32];
        for &(chosen, feature, threshold) in choices {
            let at = leaves.swap_remove(chosen % leaves.len());
            let (left, right) = (nodes.len() as u32, nodes.len() as u32 + 1);
            nodes.extend([Node::leaf(left, left as f32), Node::leaf(right, -(right as f32) / 8.0)]);
            nodes[at as usize] = Node { feature, threshold: f32::from(threshold), left, right, value: 0.0 };
            leaves.extend([left, right]);
        }
        nodes
    }

    /// The reference: a walk from the root down.
    fn walk(nodes: &[Node], features: &[f32; N]) -> f32 {
        let mut at = 0;
        while nodes[at].left as usize != at {
            let node = nodes[at];
            at = (if features[node.feature as usize] <= node.threshold { node.left } else { node.right })
                as usize;
        }
        nodes[at].value
    }

    struct InRegisters<'b>(Block<'b>);

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_instruction_set_scores_as_a_walk_does(
            grown in prop::collection::vec(
                prop::collection::vec((0usize..64, 0u32..N as u32, -4i8..4), 0..MAX_LEAVES), 0..6),
            values in prop::collection::vec(prop::array::uniform5(-5i8..6), 0..70),
        ) {
            let number = |v: i8| if v == 5 { f32::NAN } else { f32::from(v) };
            let rows: Vec<[f32; N]> = values.iter().map(|row| row.map(number)).collect();
            let nodes: Vec<Vec<Node>> = grown.iter().map(|choices| tree(choices)).collect();
            let mut trees = Trees::default();
            nodes.iter().for_each(|nodes| trees.push(nodes));
            let want: Vec<f32> =
                rows.iter().map(|row| nodes.iter().fold(0.25, |sum, tree| sum + walk(tree, row))).collect();
            let mut best = vec![0.25; rows.len()];
            trees.add_scores(&rows, &mut best);
            prop_assert_eq!(&best, &want);
            for (row, want) in rows.iter().zip(&want) {
                prop_assert!((0.25 + trees.score(row) - want).abs() < 1e-4);
            }
            for (rows, want) in rows.as_chunks::<ROWS>().0.iter().zip(want.as_chunks::<ROWS>().0) {
                let block: [Column; N] = std::array::from_fn(|f| std::array::from_fn(|n| rows[n][f]));
                for level in 0..3 {
                    let mut sums = [0.25; ROWS];
                    let work = Block { trees: &trees, block: &block, sums: &mut sums };
                    InRegisters(work).run(level);
                    prop_assert_eq!(&sums, want, "level {}", level);
                }
            }
        }
    }

    /// `cargo test --release -p qianmian-models blocks_are_faster -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement, of optimized code only"]
    fn blocks_are_faster_than_walks() {
        let mut state = 1u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        let mut grown = || {
            let choices: Vec<_> =
                (0..30).map(|_| (random(64) as usize, random(N as u32), random(200) as i8)).collect();
            tree(&choices)
        };
        let nodes: Vec<Vec<Node>> = (0..120).map(|_| grown()).collect();
        let rows: Vec<[f32; N]> =
            (0..192).map(|_| std::array::from_fn(|_| random(200) as i8 as f32)).collect();
        let mut trees = Trees::default();
        nodes.iter().for_each(|nodes| trees.push(nodes));
        let fastest = |work: &mut dyn FnMut() -> f32| {
            let run = |_| {
                let start = std::time::Instant::now();
                std::hint::black_box(work());
                start.elapsed()
            };
            (0..200).map(run).min().unwrap_or_default().as_secs_f64() * 1e6
        };
        let walks =
            fastest(&mut || rows.iter().flat_map(|row| nodes.iter().map(|tree| walk(tree, row))).sum());
        let blocks = fastest(&mut || {
            let mut scores = vec![0.0; rows.len()];
            trees.add_scores(&rows, &mut scores);
            scores.iter().sum()
        });
        eprintln!("192 rows, 120 trees of 31 leaves: walks {walks:.1} us, blocks {blocks:.1} us");
        assert!(blocks < walks);
    }

    impl InRegisters<'_> {
        /// Without vectors, and with all vectors of this machine through the plain way to pick leaves.
        fn run(self, level: usize) {
            match level {
                0 => Simd::vectorize(Scalar::new(), self.0),
                #[cfg(target_arch = "x86_64")]
                1 => match pulp::x86::V3::try_new() {
                    Some(simd) => Simd::vectorize(simd, self.0),
                    None => Simd::vectorize(Scalar::new(), self.0),
                },
                _ => pulp::Arch::new().dispatch(self.0),
            }
        }
    }
}
