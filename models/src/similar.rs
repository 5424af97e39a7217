//! Items like these items: near in the vectors, or bought in the same baskets.

use rustc_hash::FxHashMap;

use crate::candidates::Candidate;
use crate::ids::ItemIx;
use crate::query::{Evidence, Source};
use crate::ranking::{self, Ranked};
use crate::snapshot::Snapshot;

/// How much the vectors and the baskets count; indexed by [`Source`].
const WEIGHTS: Evidence = {
    let mut weights = [0.0; Source::COUNT];
    weights[Source::CoPurchase as usize] = 0.5;
    weights[Source::Factors as usize] = 0.5;
    weights
};

/// At most `count` items like `items`, best first, none of `items` and none off sale.
pub fn similar(snapshot: &Snapshot, items: &[ItemIx], count: usize) -> Vec<Ranked> {
    let mut found: FxHashMap<u32, Candidate> = FxHashMap::default();
    for &seed in items {
        for pair in snapshot.co_purchase.pairs(seed) {
            let candidate = found.entry(pair.item).or_default();
            candidate.evidence[Source::CoPurchase as usize] += pair.score;
            if candidate.because.is_none_or(|(_, strongest)| pair.score > strongest) {
                candidate.because = Some((seed, pair.score));
            }
        }
    }
    if let Some(embedding) = &snapshot.embedding {
        let mut query = vec![0.0f32; embedding.items.dim()];
        for &seed in items {
            let vector = embedding.items.row(seed);
            let scale = norm(vector).recip();
            if scale.is_finite() {
                query.iter_mut().zip(vector).for_each(|(q, v)| *q += v * scale);
            }
        }
        let wanted = (4 * (count + items.len())).max(200);
        for near in embedding.items.nearest(&query, wanted, embedding.item_graph.as_ref()) {
            let cosine = near.score / norm(embedding.items.row(near.ix));
            if cosine > 0.0 {
                found.entry(near.ix).or_default().evidence[Source::Factors as usize] = cosine;
            }
        }
    }
    found.retain(|item, _| !items.contains(item) && snapshot.catalog.on_sale(*item));
    let mut found: Vec<(u32, Candidate)> = found.into_iter().collect();
    found.sort_unstable_by_key(|(item, _)| *item);
    ranking::rank(&found, &WEIGHTS, count)
}

fn norm(vector: &[f32]) -> f32 {
    vector.iter().map(|v| v * v).sum::<f32>().sqrt()
}
