//! The shortlist: the best of the blend over the whole catalog, then scored by vectors, too.
//!
//! The blend divides each source's score by its best among the items that may be ranked, weights it and sums it up
//! (`kernels::blocks`). Vectors are read for the shortlist alone, and their best is that of the shortlist.

use crate::ids::ItemIx;
use crate::kernels::blocks::{self, WIDTH};
use crate::kernels::topk::{self, TopK};
use crate::recommend::score;
use crate::recommend::scores::Scores;
use crate::recommend::sources::Input;
use crate::source::{Evidence, Source};

/// Least weight of popularity: it orders items that nothing else distinguishes, best sellers first, even if the trained
/// weight is 0.
const TIE_BREAK: f32 = 1e-6;

/// An item of the shortlist.
#[derive(Debug, Clone, Copy)]
pub struct Contender {
    /// The item.
    pub item: ItemIx,
    /// The blended score; after ranking, the ranker's.
    pub score: f32,
    /// Normalized evidence, `0..=1` each.
    pub evidence: Evidence,
    /// The raw score of the content source.
    pub content: f32,
}

/// The best `count` items by the blend, and up to `cold` more that are best by content alone, sorted together, best
/// first: the blend, which is dominated by sales, rarely admits items without any.
pub fn shortlist(
    input: &Input<'_>,
    weights: &Evidence,
    scores: &mut Scores,
    count: usize,
    cold: usize,
) -> Vec<Contender> {
    let mut best = best_over_catalog(input, scores);
    scores.best = best;
    blend(input, weights, &best, scores);
    let mut items = top(scores, count);
    for cold in top_by_content(scores, cold) {
        if !items.contains(&cold) {
            items.push(cold);
        }
    }
    let raw = input.evidence(scores, &items);
    for evidence in &raw {
        best.iter_mut().zip(evidence).for_each(|(best, &score)| *best = best.max(score));
    }
    let scale = best.map(inverse);
    let contender = |(&item, raw): (&ItemIx, &Evidence)| {
        let evidence: Evidence = std::array::from_fn(|source| raw[source] * scale[source]);
        Contender {
            item,
            score: score::dot(&evidence, weights),
            evidence,
            content: raw[Source::Content as usize],
        }
    };
    let shortlist: Vec<Contender> = items.iter().zip(&raw).map(contender).collect();
    // Two cold items without sales have equal popularity; the one that resembles the user's items more comes first.
    let ties = |a: &Contender, b: &Contender| {
        let popularity = |c: &Contender| c.evidence[Source::Popularity as usize];
        let by_content = b.content.total_cmp(&a.content);
        by_content.then(popularity(b).total_cmp(&popularity(a))).then(a.item.cmp(&b.item))
    };
    let mut shortlist = best_first(&shortlist);
    let equal = |a: &Contender, b: &Contender| a.score.total_cmp(&b.score).is_eq();
    shortlist.chunk_by_mut(equal).filter(|run| run.len() > 1).for_each(|run| run.sort_unstable_by(ties));
    shortlist
}

/// Contenders by score, best first; ties in their order. Positions are sorted rather than contenders, which are larger
/// than a cache line.
pub fn best_first(contenders: &[Contender]) -> Vec<Contender> {
    let order = topk::order(contenders.iter().map(|contender| contender.score));
    order.into_iter().map(|place| contenders[place as usize]).collect()
}

/// The largest score of every source except vectors, over the items that may be ranked.
fn best_over_catalog(input: &Input<'_>, scores: &Scores) -> Evidence {
    let mut best = blocks::maxima(&scores.blocks, &scores.sources(), &scores.allowed, &scores.touched);
    best[Source::Popularity as usize] = input.best_popularity(scores);
    best
}

/// Blends the scores of all items.
fn blend(input: &Input<'_>, weights: &Evidence, best: &Evidence, scores: &mut Scores) {
    let factor = |source: usize| weights[source] * inverse(best[source]);
    let popularity = Source::Popularity as usize;
    let of_popularity = weights[popularity].max(TIE_BREAK) * inverse(best[popularity]);
    let blended = scores.blended.as_flattened_mut();
    blended.iter_mut().zip(input.popularity()).for_each(|(blended, sales)| *blended = of_popularity * sales);
    let sources = scores.sources();
    let factor_of = |source| if source == popularity { of_popularity } else { factor(source) };
    let weighted: Vec<(usize, f32)> =
        sources.into_iter().map(|s| (s, factor_of(s))).filter(|(_, factor)| *factor != 0.0).collect();
    let Scores { blocks, allowed, touched, blended, peaks, .. } = scores;
    blocks::add_weighted(blocks, &weighted, allowed, touched, blended, peaks);
}

/// The best `count` by blended score, in no order.
fn top(scores: &Scores, count: usize) -> Vec<ItemIx> {
    // At least `count` blocks have an item that scores as high. Items that may not be ranked score negative
    // infinity.
    let bound = topk::reached_by(&scores.peaks, count).max(f32::MIN);
    let mut top = TopK::new(count);
    for (block, mut bits) in blocks::at_least(&scores.blended, bound).into_iter().enumerate() {
        while bits != 0 {
            let lane = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            top.push((block * WIDTH + lane) as ItemIx, scores.blended[block][lane]);
        }
    }
    top.into_unsorted().iter().map(|scored| scored.ix).collect()
}

/// The best `count` by content, best first.
fn top_by_content(scores: &Scores, count: usize) -> Vec<ItemIx> {
    let content = Source::Content as usize;
    let mut top = TopK::new(count);
    if count > 0 && scores.proposed()[content] > 0 {
        for (block, (rows, bits)) in scores.blocks.iter().zip(scores.contender_bits()).enumerate() {
            let row = &rows[content];
            if bits == 0 || row.iter().all(|score| *score <= 0.0) {
                continue;
            }
            for (lane, &score) in row.iter().enumerate().filter(|(_, score)| **score > 0.0) {
                if bits >> lane & 1 == 1 {
                    top.push((block * WIDTH + lane) as ItemIx, score);
                }
            }
        }
    }
    top.into_sorted().iter().map(|scored| scored.ix).collect()
}

fn inverse(best: f32) -> f32 {
    if best > 0.0 { best.recip() } else { 0.0 }
}
