//! people -> goods: retrieval, filtering, ranking, in that order. Pure: the same snapshot and query give
//! the same slate.

use crate::filtering;
use crate::candidates::Candidate;
use crate::query::{Query, Recommended, Slate, Source};
use crate::ranking;
use crate::retrieval;
use crate::snapshot::Snapshot;

/// Which goods for this person, here, now? At most `query.count`, without duplicates, none filtered.
pub fn recommend(snapshot: &Snapshot, query: &Query) -> Slate {
    let mut candidates = retrieval::candidates(snapshot, query).into_entries();
    let mut slate = Slate { personalized: is_personal(&candidates), ..Slate::default() };
    for (_, candidate) in &candidates {
        for source in Source::ALL {
            slate.proposed[source as usize] += u32::from(candidate.evidence[source as usize] != 0.0);
        }
    }
    slate.filtered = filtering::filter(snapshot, query, &mut candidates);
    slate.items = ranking::rank(&candidates, &snapshot.blend.recommend, query.count)
        .into_iter()
        .map(|ranked| Recommended {
            item: ranked.ix,
            score: ranked.score,
            source: ranked.source,
            evidence: ranked.evidence,
            because: ranked.candidate.because.map(|(item, _)| item),
        })
        .collect();
    slate
}

/// What ranking sees: the filtered candidates with each source's scores divided by its best. For learning
/// how to rank.
pub fn evidence(snapshot: &Snapshot, query: &Query) -> Vec<(u32, Candidate)> {
    let mut candidates = retrieval::candidates(snapshot, query).into_entries();
    filtering::filter(snapshot, query, &mut candidates);
    ranking::normalised(candidates)
}

fn is_personal(candidates: &[(u32, Candidate)]) -> bool {
    let popularity = Source::Popularity as usize;
    candidates.iter().any(|(_, c)| c.evidence.iter().enumerate().any(|(n, &score)| n != popularity && score > 0.0))
}
