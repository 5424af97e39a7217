//! External sources: item-item scores add up by seed; vectors propose the nearest items and score the shortlist. Needs
//! seeds or a user vector.

use super::{Input, MIN_PROPOSALS};
use crate::ids::ItemIx;
use crate::index::external::{Knowledge, SOURCES, Scores as Lists};
use crate::index::factors::Factors;
use crate::kernels::simd;
use crate::recommend::scores::Scores;
use crate::source::Source;

/// The user's vector in the space of one external source.
pub(super) struct UserVector<'a> {
    source: Source,
    vector: Vec<f32>,
    items: &'a Factors,
}

impl UserVector<'_> {
    pub(super) fn source(&self) -> Source {
        self.source
    }

    #[inline(always)]
    pub(super) fn score(&self, item: ItemIx) -> f32 {
        simd::dot(&self.vector, self.items.row(item))
    }
}

/// The user's vectors in the external sources that have vectors.
pub(super) fn vectors<'a>(input: &Input<'a>) -> Vec<UserVector<'a>> {
    let vector = |(external, source): (&'a crate::index::external::External, Source)| {
        let weights = input.seeds.iter().map(|seed| (seed.item, seed.recency));
        let (vector, items) = external.vector(input.query.user, weights)?;
        Some(UserVector { source, vector, items })
    };
    input.view.snapshot.external.iter().zip(SOURCES).filter_map(vector).collect()
}

/// Item-item scores of external sources.
pub(super) fn lists<'a>(input: &Input<'a>) -> impl Iterator<Item = (Source, &'a Lists)> + use<'a> {
    input.view.snapshot.external.iter().zip(SOURCES).filter_map(|(external, source)| {
        match &external.knowledge {
            Knowledge::Scores(lists) => Some((source, lists)),
            Knowledge::Vectors { .. } => None,
        }
    })
}

pub(super) fn retrieve(input: &Input<'_>, scores: &mut Scores) {
    for (source, lists) in lists(input) {
        for seed in &input.seeds {
            scores.add_list(source, lists.by_item().list(seed.item), seed.recency);
        }
    }
    let wanted = (2 * (input.query.count + input.query.exclude.len())).max(MIN_PROPOSALS);
    for UserVector { source, vector, items } in &input.vectors.external {
        for near in items.scan(vector, wanted) {
            scores.add(*source, near.ix, near.score);
        }
    }
}
