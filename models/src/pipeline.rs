//! people -> goods: retrieval, filtering, ranking, in that order. Pure: the same snapshot and query give
//! the same slate.

use rustc_hash::FxHashMap;

use crate::candidates::Candidate;
use crate::features::{self, Features, UserFacts};
use crate::filtering;
use crate::index::purchases::Purchase;
use crate::query::{Query, Recommended, Slate, Source};
use crate::ranking::{self, Ranked};
use crate::retrieval;
use crate::snapshot::Snapshot;
use crate::trees::Trees;

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
    let last = put_last(snapshot, query, &mut candidates);
    let mut ranked = shortlist(snapshot, query, &candidates);
    let least = ranked.last().map_or(f32::INFINITY, |r| r.score);
    let rest = ranking::rank(&last, snapshot.blend.of(query), query.count - ranked.len());
    ranked.extend(rest.into_iter().map(|r| Ranked { score: r.score.min(least), ..r }));
    slate.items = ranked
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

/// Takes out what stands below all else: what the person bought, where nobody buys the same goods again.
fn put_last(
    snapshot: &Snapshot,
    query: &Query,
    candidates: &mut Vec<(u32, Candidate)>,
) -> Vec<(u32, Candidate)> {
    if snapshot.blend.repeats || query.exclude_bought {
        return Vec::new();
    }
    let bought = filtering::bought(snapshot, query);
    candidates.extract_if(.., |(item, _)| bought.contains(item)).collect()
}

/// The filtered candidates that ranking orders.
fn contenders(snapshot: &Snapshot, query: &Query) -> Vec<(u32, Candidate)> {
    let mut candidates = retrieval::candidates(snapshot, query).into_entries();
    filtering::filter(snapshot, query, &mut candidates);
    put_last(snapshot, query, &mut candidates);
    candidates
}

/// What ranking sees: the filtered candidates with each source's scores divided by its best. For learning
/// how to rank.
pub fn evidence(snapshot: &Snapshot, query: &Query) -> Vec<(u32, Candidate)> {
    ranking::normalised(contenders(snapshot, query))
}

/// How many of the blend's best the ranker orders.
const SHORTLIST: usize = 200;

/// The ranker, where there is one and it was taught such users: it learned from people with a history, so
/// the blend alone orders what is shown to others.
fn ranker<'s>(snapshot: &'s Snapshot, query: &Query) -> Option<&'s Trees> {
    let known = query.user.is_some_and(|user| !snapshot.history.ixs(user).is_empty());
    let ranker = if query.exclude_bought { &snapshot.new_ranker } else { &snapshot.ranker };
    ranker.as_ref().filter(|_| known)
}

/// Orders the blend's best by the ranker, where it applies, and cuts them to the slate's length.
fn shortlist(snapshot: &Snapshot, query: &Query, candidates: &[(u32, Candidate)]) -> Vec<Ranked> {
    let Some(ranker) = ranker(snapshot, query) else {
        return ranking::rank(candidates, snapshot.blend.of(query), query.count);
    };
    let mut ranked = ranking::rank(candidates, snapshot.blend.of(query), query.count.max(SHORTLIST));
    let rows = features(snapshot, query, &ranked);
    for (ranked, row) in ranked.iter_mut().zip(&rows) {
        ranked.score = ranker.score(row);
    }
    // Stable: equal leaves keep the blend's order.
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranked.truncate(query.count);
    ranked
}

/// The ranker's view of a shortlist.
fn features(snapshot: &Snapshot, query: &Query, shortlist: &[Ranked]) -> Vec<Features> {
    let user = UserFacts::new(snapshot, query);
    let bought: FxHashMap<u32, Purchase> = match query.user {
        Some(user) => snapshot.history.of(user).map(|p| (p.ix, p)).collect(),
        None => FxHashMap::default(),
    };
    let row = |r: &Ranked| {
        let normalised = Candidate { evidence: r.evidence, because: None };
        features::of(snapshot, &user, r.ix, &normalised, r.score, bought.get(&r.ix).copied())
    };
    shortlist.iter().map(row).collect()
}

/// The shortlist of the blend with the ranker's view of it, for learning the ranker.
pub fn shortlist_features(snapshot: &Snapshot, query: &Query) -> Vec<(u32, Features)> {
    let candidates = contenders(snapshot, query);
    let ranked = ranking::rank(&candidates, snapshot.blend.of(query), query.count.max(SHORTLIST));
    let rows = features(snapshot, query, &ranked);
    ranked.iter().map(|r| r.ix).zip(rows).collect()
}

fn is_personal(candidates: &[(u32, Candidate)]) -> bool {
    let popularity = Source::Popularity as usize;
    candidates
        .iter()
        .any(|(_, c)| c.evidence.iter().enumerate().any(|(n, &score)| n != popularity && score > 0.0))
}
