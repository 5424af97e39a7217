//! Factors (implicit ALS, Hu, Koren & Volinsky 2008): proposes the items nearest to the user's vector and scores every
//! candidate by inner product. Needs a user vector: the trained one, or one folded in from the seeds where the session
//! adds to it.

use super::popularity::MIN_SCORE;
use super::{Input, add_inner_products};
use crate::ids::ItemIx;
use crate::recommend::candidates::Candidates;
use crate::source::Source;

pub(super) fn retrieve(input: &Input<'_>, found: &mut Candidates) {
    let (snapshot, query) = (input.view.snapshot, input.query);
    let Some(embedding) = &snapshot.embedding else { return };
    let folded;
    let vector = match query.user {
        Some(user) if query.recent.is_empty() && query.touched.is_empty() => embedding.users.row(user),
        _ => {
            let weights: Vec<(ItemIx, f32)> = input.seeds.iter().map(|s| (s.item, s.recency)).collect();
            match embedding.fold_in.vector(&embedding.items, &weights) {
                Some(vector) => {
                    folded = vector;
                    &folded
                }
                None => return,
            }
        }
    };
    for near in embedding.items.nearest(vector, input.proposals, embedding.item_graph.as_ref()) {
        let candidate = found.propose(near.ix);
        if candidate.evidence[Source::Popularity as usize] == 0.0 {
            candidate.add(Source::Popularity, snapshot.popularity.score(near.ix).max(MIN_SCORE));
        }
    }
    add_inner_products(Source::Factors, vector, &embedding.items, found);
}
