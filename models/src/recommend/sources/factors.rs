//! Factors (implicit ALS, Hu, Koren & Volinsky 2008): scores the shortlist by inner product. Needs a user vector: the
//! trained one, or one folded in from the seeds where the session adds to it.

use std::borrow::Cow;

use super::Input;
use crate::ids::ItemIx;
use crate::index::factors::Factors;
use crate::kernels::simd;

/// The user's vector among the items' vectors.
pub(super) struct UserVector<'a> {
    vector: Cow<'a, [f32]>,
    items: &'a Factors,
}

impl UserVector<'_> {
    /// True if it is not zero; the vector of a user without purchases is.
    pub(super) fn is_known(&self) -> bool {
        self.vector.iter().any(|v| *v != 0.0)
    }

    #[inline(always)]
    pub(super) fn score(&self, item: ItemIx) -> f32 {
        simd::dot(&self.vector, self.items.row(item))
    }
}

pub(super) fn vector<'a>(input: &Input<'a>) -> Option<UserVector<'a>> {
    let (snapshot, query) = (input.view.snapshot, input.query);
    let embedding = snapshot.embedding.as_ref()?;
    let vector = match query.user {
        Some(user) if query.recent.is_empty() && query.touched.is_empty() => {
            Cow::Borrowed(embedding.users.row(user))
        }
        _ => {
            let weights: Vec<(ItemIx, f32)> = input.seeds.iter().map(|s| (s.item, s.recency)).collect();
            Cow::Owned(embedding.fold_in.vector(&embedding.items, &weights)?)
        }
    };
    Some(UserVector { vector, items: &embedding.items })
}
