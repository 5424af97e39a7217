//! Candidate sources, people -> items: one file per source. Each scores items from the user's seeds.
//!
//! Item-to-item sources add to the [`Scores`] of the whole catalog. Vectors score the shortlist alone (`Vectors`): over
//! the catalog they would cost more than all other sources together, and add nothing measurable to the shortlist.

mod co_purchase;
mod content;
mod ease;
mod external;
mod factors;
mod low_pass;
mod personal;
mod popularity;
mod seed;
mod seeds;
mod transition;
mod user_knn;

use crate::ids::ItemIx;
use crate::kernels::simd;
use crate::recommend::query::Query;
use crate::recommend::scores::Scores;
use crate::source::{Evidence, Source};
use crate::view::View;
use popularity::Popularity;
pub use seed::strongest as strongest_seeds;
use seeds::Seed;

/// Fewest items requested from external vectors, so that short slates have a choice, too.
const MIN_PROPOSALS: usize = 200;

/// The input of every source.
pub struct Input<'a> {
    view: View<'a>,
    query: &'a Query,
    /// The items that represent the user.
    seeds: Vec<Seed>,
    popularity: Popularity<'a>,
    vectors: Vectors<'a>,
}

/// Vectors of the user, each in the space of one source.
#[derive(Default)]
struct Vectors<'a> {
    factors: Option<factors::UserVector<'a>>,
    low_pass: Option<low_pass::UserVector<'a>>,
    external: Vec<external::UserVector<'a>>,
}

/// Scores the items of a query.
pub fn retrieve<'a>(view: View<'a>, query: &'a Query, scores: &mut Scores) -> Input<'a> {
    let mut input = Input {
        view,
        query,
        seeds: seeds::seeds(view, query),
        popularity: Popularity::new(view, query),
        vectors: Vectors::default(),
    };
    input.vectors = Vectors {
        factors: factors::vector(&input),
        low_pass: low_pass::vector(&input),
        external: external::vectors(&input),
    };
    personal::retrieve(&input, scores);
    co_purchase::retrieve(&input, scores);
    ease::retrieve(&input, scores);
    transition::retrieve(&input, scores);
    user_knn::retrieve(&input, scores);
    content::retrieve(&input, scores);
    external::retrieve(&input, scores);
    popularity::retrieve(&input, scores);
    input
}

impl Input<'_> {
    /// Popularity of every item without the changes by locality and trends, in item order.
    pub fn popularity(&self) -> impl Iterator<Item = f32> + '_ {
        self.popularity.all()
    }

    /// The largest popularity of an item that may be ranked.
    pub fn best_popularity(&self, scores: &Scores) -> f32 {
        popularity::best(self, scores)
    }

    /// Best sellers that may be ranked, most sold first.
    pub fn best_sellers<'s>(&'s self, scores: &'s Scores) -> impl Iterator<Item = ItemIx> + 's {
        let ranked = self.view.snapshot.popularity.ranked().iter().copied();
        ranked.filter(|&item| scores.is_allowed(item))
    }

    /// True if a source other than popularity scored an item, or the user has a vector.
    pub fn is_personal(&self, scores: &Scores) -> bool {
        let popularity = Source::Popularity as usize;
        scores.sources().iter().any(|&source| source != popularity)
            || self.vectors.factors.as_ref().is_some_and(factors::UserVector::is_known)
            || !self.vectors.external.is_empty()
    }

    /// Items that each source proposed, once for each seed that led to them. Items of the shortlist that no other
    /// source proposed are best sellers; vectors only score what others proposed.
    pub fn proposed(&self, scores: &Scores, shortlist: impl Iterator<Item = ItemIx>) -> [u32; Source::COUNT] {
        let mut counts = scores.proposed();
        counts[Source::Popularity as usize] +=
            shortlist.filter(|&item| !scores.is_scored(item)).count() as u32;
        counts
    }

    /// Raw scores of all sources for some items, vectors included.
    pub fn evidence(&self, scores: &Scores, items: &[ItemIx]) -> Vec<Evidence> {
        let of = |&item: &ItemIx| {
            let mut evidence = scores.of(item);
            evidence[Source::Popularity as usize] += self.popularity.of(item);
            evidence
        };
        let mut evidence: Vec<Evidence> = items.iter().map(of).collect();
        simd::dispatch(
            #[inline(always)]
            || {
                for (&item, evidence) in items.iter().zip(&mut evidence) {
                    if let Some(vector) = &self.vectors.factors {
                        evidence[Source::Factors as usize] = vector.score(item);
                    }
                    if let Some(vector) = &self.vectors.low_pass {
                        evidence[Source::LowPass as usize] = vector.score(item);
                    }
                    for vector in &self.vectors.external {
                        evidence[vector.source() as usize] = vector.score(item);
                    }
                }
            },
        );
        evidence
    }
}
