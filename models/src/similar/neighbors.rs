//! The neighbors of one item: near by vectors, bought in the same baskets, with similar attributes if one of the two
//! has no sales, or similar by an external source. For training: this costs a scan of all items.

use rustc_hash::FxHashMap;

use crate::ids::ItemIx;
use crate::index::ann::{self, Graph};
use crate::index::external::{self, Knowledge};
use crate::index::factors::Factors;
use crate::index::similar_items::{self, SimilarItems};
use crate::kernels::topk::TopK;
use crate::snapshot::Snapshot;
use crate::source::{Evidence, Source};

/// Neighbors that are kept of an item: twice the longest answer, since some are off sale.
const KEPT: usize = 200;

type Found = FxHashMap<ItemIx, Evidence>;

/// The lists of all items, in item order.
///
/// # Errors
/// As for [`SimilarItems::new`].
pub fn all(snapshot: &Snapshot) -> crate::error::Result<SimilarItems> {
    let lists: Vec<_> = (0..snapshot.items.len() as ItemIx).map(|item| of(snapshot, item)).collect();
    SimilarItems::new(&lists)
}

/// The neighbors of `item`, most similar first, each source's score as a share of its best.
pub fn of(snapshot: &Snapshot, item: ItemIx) -> Vec<(ItemIx, Evidence)> {
    let mut found = Found::default();
    let mut add = |source: Source, (other, score): (ItemIx, f32)| {
        found.entry(other).or_default()[source as usize] += score;
    };
    for pair in snapshot.co_purchase.pairs(item) {
        add(Source::CoPurchase, (pair.item, pair.score));
    }
    for neighbor in snapshot.content_neighbors.iter().flat_map(|lists| lists.of(item)) {
        add(Source::Content, neighbor);
    }
    if let Some(embedding) = &snapshot.embedding {
        let graph = embedding.item_graph.as_ref();
        near(&embedding.items, graph, item, &mut |near| add(Source::Factors, near));
    }
    for (external, source) in snapshot.external.iter().zip(external::SOURCES) {
        match &external.knowledge {
            Knowledge::Vectors { items, .. } => near(items, None, item, &mut |near| add(source, near)),
            Knowledge::Scores(scores) => scores.of(item).for_each(|scored| add(source, scored)),
        }
    }
    found.remove(&item);
    best(&found)
}

/// Calls `add` with the items nearest to `item`, and their cosines above 0.
fn near(vectors: &Factors, graph: Option<&Graph>, item: ItemIx, add: &mut dyn FnMut((ItemIx, f32))) {
    let Some(query) = vectors.direction(std::iter::once((item, 1.0))) else { return };
    for near in ann::nearest(vectors, &query, KEPT, graph) {
        let cosine = near.score / vectors.length(near.ix);
        if cosine > 0.0 {
            add((near.ix, cosine));
        }
    }
}

fn best(found: &Found) -> Vec<(ItemIx, Evidence)> {
    let mut best = Evidence::default();
    for evidence in found.values() {
        best.iter_mut().zip(evidence).for_each(|(best, &score)| *best = best.max(score));
    }
    let scale = best.map(|best| if best > 0.0 { best.recip() } else { 0.0 });
    let share = |item: ItemIx| -> Evidence {
        let evidence = found[&item];
        std::array::from_fn(|source| (evidence[source] * scale[source]).min(1.0))
    };
    let mut top = TopK::new(KEPT);
    found.keys().for_each(|&item| top.push(item, similar_items::score(&share(item))));
    top.into_sorted().iter().map(|scored| (scored.ix, share(scored.ix))).collect()
}
