//! External sources, trained elsewhere: item-item scores contribute by seed; vectors propose the nearest items and score
//! all candidates. Needs seeds or a user vector.

use super::{Input, add_inner_products};
use crate::index::external::{Knowledge, SOURCES};
use crate::index::factors::Factors;
use crate::recommend::candidates::Candidates;
use crate::source::Source;

/// The user's vector in the space of one external source.
pub(super) struct UserVector<'s> {
    source: Source,
    vector: Vec<f32>,
    items: &'s Factors,
}

/// Proposes candidates; returns the vectors to [`score`] all candidates by, when they are complete.
pub(super) fn retrieve<'s>(input: &Input<'s>, found: &mut Candidates) -> Vec<UserVector<'s>> {
    let mut vectors = Vec::new();
    for (external, source) in input.view.snapshot.external.iter().zip(SOURCES) {
        if let Knowledge::Scores(scores) = &external.knowledge {
            for seed in &input.seeds {
                for (item, weight) in scores.of(seed.item) {
                    found.propose(item).contribute(source, seed.item, seed.recency * weight);
                }
            }
        }
        let weights = input.seeds.iter().map(|seed| (seed.item, seed.recency));
        if let Some((vector, items)) = external.vector(input.query.user, weights) {
            for near in items.nearest(&vector, input.proposals, None) {
                found.propose(near.ix);
            }
            vectors.push(UserVector { source, vector, items });
        }
    }
    vectors
}

/// Scores every candidate by inner product.
pub(super) fn score(vectors: &[UserVector<'_>], found: &mut Candidates) {
    for UserVector { source, vector, items } in vectors {
        add_inner_products(*source, vector, items, found);
    }
}
