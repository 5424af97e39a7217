//! Items similar to given items: near in the vectors, bought in the same baskets, with similar attributes where one of
//! the two has no sales, or similar by an external source.

use rustc_hash::FxHashMap;

use crate::ids::ItemIx;
use crate::index::ann::{self, Graph};
use crate::index::external::{self, Knowledge};
use crate::index::factors::Factors;
use crate::recommend::candidates::Candidate;
use crate::recommend::score::{self, Ranked};
use crate::source::{Evidence, Source};
use crate::view::View;

/// Weight of each source. Content counts half as much as behavior: the most similar cold items belong in the middle of
/// an answer, not at its head.
const WEIGHTS: Evidence = {
    let mut weights = [0.0; Source::COUNT];
    weights[Source::CoPurchase as usize] = 0.5;
    weights[Source::Factors as usize] = 0.5;
    weights[Source::External1 as usize] = 0.5;
    weights[Source::External2 as usize] = 0.5;
    weights[Source::Content as usize] = 0.25;
    weights
};

/// Fewest items asked of the vectors.
const MIN_PROPOSALS: usize = 200;

type Found = FxHashMap<ItemIx, Candidate>;

/// At most `count` items similar to `items`, best first; none of `items`, none off sale.
pub fn similar(view: View<'_>, items: &[ItemIx], count: usize) -> Vec<Ranked> {
    let snapshot = view.snapshot;
    let mut found = Found::default();
    for &seed in items {
        for pair in snapshot.co_purchase.pairs(seed) {
            contribute(&mut found, Source::CoPurchase, seed, (pair.item, pair.score));
        }
        for neighbor in snapshot.resembling.iter().flat_map(|lists| lists.of(seed)) {
            contribute(&mut found, Source::Content, seed, neighbor);
        }
    }
    let wanted = (4 * (count + items.len())).max(MIN_PROPOSALS);
    if let Some(embedding) = &snapshot.embedding {
        let vectors = (&embedding.items, embedding.item_graph.as_ref());
        near(&mut found, Source::Factors, vectors, items, wanted);
    }
    for (external, source) in snapshot.external.iter().zip(external::SOURCES) {
        match &external.knowledge {
            Knowledge::Vectors { items: vectors, .. } => {
                near(&mut found, source, (vectors, None), items, wanted);
            }
            Knowledge::Scores(scores) => {
                for &seed in items {
                    scores.of(seed).for_each(|scored| contribute(&mut found, source, seed, scored));
                }
            }
        }
    }
    found.retain(|item, _| !items.contains(item) && view.on_sale(*item));
    let mut found: Vec<(u32, Candidate)> = found.into_iter().collect();
    found.sort_unstable_by_key(|(item, _)| *item);
    score::top(&found, &WEIGHTS, count)
}

fn contribute(found: &mut Found, source: Source, seed: ItemIx, (item, score): (ItemIx, f32)) {
    found.entry(item).or_default().contribute(source, seed, score);
}

/// Proposes the items nearest to the mean direction of `items`, by cosine.
fn near(
    found: &mut Found,
    source: Source,
    (vectors, graph): (&Factors, Option<&Graph>),
    items: &[ItemIx],
    wanted: usize,
) {
    let Some(query) = vectors.direction(items.iter().map(|&item| (item, 1.0))) else { return };
    for near in ann::nearest(vectors, &query, wanted, graph) {
        let cosine = near.score / vectors.length(near.ix);
        if cosine > 0.0 {
            found.entry(near.ix).or_default().add(source, cosine);
        }
    }
}
