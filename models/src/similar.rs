//! Items like these items: near in the vectors, bought in the same baskets, or alike by what is written of
//! them where one of the two was never sold; and what was learned elsewhere says.

use rustc_hash::FxHashMap;

use crate::ids::ItemIx;
use crate::index::ann::Graph;
use crate::index::external::{self, Knowledge};
use crate::index::factors::Factors;
use crate::recommend::candidates::Candidate;
use crate::recommend::query::{Evidence, Source};
use crate::recommend::rank::{self, Ranked};
use crate::snapshot::Snapshot;

/// How much each source counts; indexed by [`Source`]. What is written of goods that nobody bought says less
/// than what people did: the most alike of them stand in the middle of an answer, not at its head.
const WEIGHTS: Evidence = {
    let mut weights = [0.0; Source::COUNT];
    weights[Source::CoPurchase as usize] = 0.5;
    weights[Source::Factors as usize] = 0.5;
    weights[Source::External1 as usize] = 0.5;
    weights[Source::External2 as usize] = 0.5;
    weights[Source::Content as usize] = 0.25;
    weights
};

type Found = FxHashMap<ItemIx, Candidate>;

/// At most `count` items like `items`, best first, none of `items` and none off sale.
pub fn similar(snapshot: &Snapshot, items: &[ItemIx], count: usize) -> Vec<Ranked> {
    let mut found = Found::default();
    for &seed in items {
        for pair in snapshot.co_purchase.pairs(seed) {
            argue(&mut found, Source::CoPurchase, seed, (pair.item, pair.score));
        }
        for argument in snapshot.resembling.iter().flat_map(|lists| lists.of(seed)) {
            argue(&mut found, Source::Content, seed, argument);
        }
    }
    let wanted = (4 * (count + items.len())).max(200);
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
                    scores.of(seed).for_each(|argument| argue(&mut found, source, seed, argument));
                }
            }
        }
    }
    found.retain(|item, _| !items.contains(item) && snapshot.catalog.on_sale(*item));
    let mut found: Vec<(u32, Candidate)> = found.into_iter().collect();
    found.sort_unstable_by_key(|(item, _)| *item);
    rank::rank(&found, &WEIGHTS, count)
}

fn argue(found: &mut Found, source: Source, seed: ItemIx, (item, argument): (ItemIx, f32)) {
    let candidate = found.entry(item).or_default();
    candidate.add(source, argument);
    candidate.argue(seed, argument);
}

/// What points the way of the items together, by cosine.
fn near(
    found: &mut Found,
    source: Source,
    (vectors, graph): (&Factors, Option<&Graph>),
    items: &[ItemIx],
    wanted: usize,
) {
    let Some(query) = vectors.direction(items.iter().map(|&item| (item, 1.0))) else { return };
    for near in vectors.nearest(&query, wanted, graph) {
        let cosine = near.score / vectors.length(near.ix);
        if cosine > 0.0 {
            found.entry(near.ix).or_default().add(source, cosine);
        }
    }
}
