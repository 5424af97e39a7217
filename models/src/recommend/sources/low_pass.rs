//! Low-pass embedding (GF-CF, Shen et al. 2021): scores the shortlist by the inner product with the smooth part of the
//! user's purchases. Needs seeds.

use super::Input;
use crate::ids::ItemIx;
use crate::index::factors::Factors;
use crate::kernels::simd;
use crate::snapshot::Snapshot;

/// The smooth part of the user's purchases.
pub(super) struct UserVector<'a> {
    vector: Vec<f32>,
    items: &'a Factors,
    snapshot: &'a Snapshot,
}

impl UserVector<'_> {
    #[inline(always)]
    pub(super) fn score(&self, item: ItemIx) -> f32 {
        (degree(self.snapshot, item) * simd::dot(&self.vector, self.items.row(item))).max(0.0)
    }
}

/// Square root of the number of buyers.
#[inline(always)]
fn degree(snapshot: &Snapshot, item: ItemIx) -> f32 {
    (snapshot.buyers.ixs(item).len().max(1) as f32).sqrt()
}

pub(super) fn vector<'a>(input: &Input<'a>) -> Option<UserVector<'a>> {
    let snapshot = input.view.snapshot;
    let items = snapshot.low_pass.as_ref().filter(|_| !input.seeds.is_empty())?;
    let mut vector = vec![0.0f32; items.dim()];
    for seed in &input.seeds {
        // The square root tempers recency: the smooth part is about taste, which outlives one purchase.
        let weight = seed.recency.sqrt() / degree(snapshot, seed.item);
        vector.iter_mut().zip(items.row(seed.item)).for_each(|(s, v)| *s += weight * v);
    }
    Some(UserVector { vector, items, snapshot })
}
