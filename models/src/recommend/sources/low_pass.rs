//! Low-pass embedding (GF-CF, Shen et al. 2021): scores every candidate by its inner product with the smooth part of the
//! user's purchases. Needs seeds; proposes nothing.

use super::Input;
use crate::ids::ItemIx;
use crate::kernels::simd;
use crate::recommend::candidates::Candidates;
use crate::source::Source;

pub(super) fn score(input: &Input<'_>, found: &mut Candidates) {
    let snapshot = input.view.snapshot;
    let Some(vectors) = &snapshot.low_pass else { return };
    let degree = |item: ItemIx| (snapshot.buyers.ixs(item).len().max(1) as f32).sqrt();
    let mut smooth = vec![0.0f32; vectors.dim()];
    for seed in &input.seeds {
        // The square root tempers recency: the smooth part is about taste, which outlives one purchase.
        let weight = seed.recency.sqrt() / degree(seed.item);
        smooth.iter_mut().zip(vectors.row(seed.item)).for_each(|(s, v)| *s += weight * v);
    }
    simd::dispatch(
        #[inline(always)]
        || {
            for (item, candidate) in found.entries_mut() {
                let score = degree(*item) * simd::dot(&smooth, vectors.row(*item));
                candidate.add(Source::LowPass, score.max(0.0));
            }
        },
    );
}
