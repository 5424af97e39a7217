//! Candidate sources, people -> items: one file per source. Each proposes items, scores them, or both.
//!
//! Sources run in the order of [`candidates`], which is part of the answer: of equal scores the item that was proposed
//! first wins, and sources that score what others proposed come after them.

mod co_purchase;
mod content;
mod ease;
mod external;
mod factors;
mod low_pass;
mod personal;
mod popularity;
mod seeds;
mod transition;
mod user_knn;

use crate::index::factors::Factors;
use crate::kernels::simd;
use crate::recommend::candidates::Candidates;
use crate::recommend::query::Query;
use crate::source::Source;
use crate::view::View;
use seeds::Seed;

/// Fewest candidates asked of vectors and of best sellers: short slates need a choice, too.
const MIN_PROPOSALS: usize = 200;

/// What every source reads.
struct Input<'a> {
    view: View<'a>,
    query: &'a Query,
    /// The items that stand for the user.
    seeds: Vec<Seed>,
    /// Candidates asked of sources that could propose every item.
    proposals: usize,
}

/// The candidates of all sources.
pub fn candidates(view: View<'_>, query: &Query) -> Candidates {
    let input = Input {
        view,
        query,
        seeds: seeds::seeds(view, query),
        proposals: (2 * (query.count + query.exclude.len())).max(MIN_PROPOSALS),
    };
    let mut found = Candidates::new(view.snapshot.items.len());
    personal::retrieve(&input, &mut found);
    co_purchase::retrieve(&input, &mut found);
    ease::retrieve(&input, &mut found);
    transition::retrieve(&input, &mut found);
    user_knn::retrieve(&input, &mut found);
    content::retrieve(&input, &mut found);
    let external_vectors = external::retrieve(&input, &mut found);
    popularity::retrieve(&input, &mut found);
    factors::retrieve(&input, &mut found);
    low_pass::score(&input, &mut found);
    external::score(&external_vectors, &mut found);
    found
}

/// Adds to every candidate the inner product of its row with `vector`.
fn add_inner_products(source: Source, vector: &[f32], items: &Factors, found: &mut Candidates) {
    simd::dispatch(
        #[inline(always)]
        || {
            for (item, candidate) in found.entries_mut() {
                candidate.add(source, simd::dot(vector, items.row(*item)));
            }
        },
    );
}
