//! people -> items, in five stages. Pure: equal views and queries give equal slates.
//!
//! | stage | file | what it does |
//! |---|---|---|
//! | retrieve | [`sources`] | each source proposes candidates and scores them |
//! | filter | [`filter`] | removes what must not be shown |
//! | demote | [`selection`] | takes out what may only fill free slots |
//! | rank | [`score`], [`features`], [`rank`] | orders the rest |
//! | select | [`selection`] | cuts, explores, backfills |

pub mod candidates;
pub mod features;
pub mod filter;
pub mod query;
pub mod rank;
pub mod score;
pub mod selection;
pub mod slate;
pub mod sources;

use crate::recommend::candidates::Candidate;
use crate::recommend::features::Features;
use crate::recommend::query::Query;
use crate::recommend::slate::{Filter, Slate};
use crate::source::Source;
use crate::view::View;

/// The slate of a query: at most `query.count` items, without duplicates, none filtered.
pub fn recommend(view: View<'_>, query: &Query) -> Slate {
    let mut candidates = sources::candidates(view, query).into_entries();
    let mut slate = Slate {
        personalized: is_personal(&candidates),
        weights: *rank::weights(view, query),
        proposed: proposed(&candidates),
        ..Slate::default()
    };
    slate.filtered = filter::filter(view, query, &mut candidates);
    let demoted = selection::demote(view, query, &mut candidates);
    slate.filtered[Filter::Overexposed as usize] = demoted.n_overexposed() as u32;
    let ranked = rank::rank(view, query, &candidates);
    slate.items = selection::select(view, query, ranked, &demoted);
    slate
}

/// The candidates that ranking sees, each source's scores divided by its best: for learning the blend.
pub fn evidence(view: View<'_>, query: &Query) -> Vec<(u32, Candidate)> {
    score::normalized(contenders(view, query))
}

/// The shortlist with its rows of features: for learning the ranker.
pub fn shortlist_features(view: View<'_>, query: &Query) -> Vec<(u32, Features)> {
    rank::shortlist_features(view, query, &contenders(view, query))
}

/// The candidates that are left to rank.
fn contenders(view: View<'_>, query: &Query) -> Vec<(u32, Candidate)> {
    let mut candidates = sources::candidates(view, query).into_entries();
    filter::filter(view, query, &mut candidates);
    selection::demote(view, query, &mut candidates);
    candidates
}

/// Candidates with a score of each source.
fn proposed(candidates: &[(u32, Candidate)]) -> [u32; Source::COUNT] {
    let mut counts = [0; Source::COUNT];
    for (_, candidate) in candidates {
        for (count, score) in counts.iter_mut().zip(candidate.evidence) {
            *count += u32::from(score != 0.0);
        }
    }
    counts
}

/// Whether any source but popularity scored a candidate.
fn is_personal(candidates: &[(u32, Candidate)]) -> bool {
    let popularity = Source::Popularity as usize;
    candidates
        .iter()
        .any(|(_, c)| c.evidence.iter().enumerate().any(|(n, &score)| n != popularity && score > 0.0))
}
