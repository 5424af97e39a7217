//! people -> goods: retrieval, filtering, ranking, in that order. Pure: the same snapshot and query give
//! the same slate.

pub mod candidates;
pub mod features;
pub mod filter;
pub mod query;
pub mod rank;
pub mod sources;

use rustc_hash::FxHashMap;

use self::candidates::Candidate;
use self::features::{Features, UserFacts};
use self::query::{Filter, Query, Recommended, Slate, Source};
use self::rank::Ranked;
use crate::index::purchases::Purchase;
use crate::kernels::trees::Trees;
use crate::snapshot::Snapshot;

/// Which goods for this person, here, now? At most `query.count`, without duplicates, none filtered; what was
/// shown often comes last, and only where the slate would end early without it.
pub fn recommend(snapshot: &Snapshot, query: &Query) -> Slate {
    let mut candidates = sources::candidates(snapshot, query).into_entries();
    let mut slate = Slate { personalized: is_personal(&candidates), ..Slate::default() };
    for (_, candidate) in &candidates {
        for source in Source::ALL {
            slate.proposed[source as usize] += u32::from(candidate.evidence[source as usize] != 0.0);
        }
    }
    slate.filtered = filter::filter(snapshot, query, &mut candidates);
    let tired = filter::set_aside(query, &mut candidates);
    slate.filtered[Filter::Tired as usize] = tired.len() as u32;
    let last = put_last(snapshot, query, &mut candidates);
    let mut ranked = shortlist(snapshot, query, &candidates);
    for rest in [last, tired] {
        let least = ranked.last().map_or(f32::INFINITY, |r| r.score);
        let rest = rank::rank(&rest, snapshot.blend.of(query), query.count.saturating_sub(ranked.len()));
        ranked.extend(rest.into_iter().map(|r| Ranked { score: r.score.min(least), ..r }));
    }
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
    let bought = filter::bought(snapshot, query);
    candidates.extract_if(.., |(item, _)| bought.contains(item)).collect()
}

/// The filtered candidates that ranking orders.
fn contenders(snapshot: &Snapshot, query: &Query) -> Vec<(u32, Candidate)> {
    let mut candidates = sources::candidates(snapshot, query).into_entries();
    filter::filter(snapshot, query, &mut candidates);
    put_last(snapshot, query, &mut candidates);
    candidates
}

/// What ranking sees: the filtered candidates with each source's scores divided by its best. For learning
/// how to rank.
pub fn evidence(snapshot: &Snapshot, query: &Query) -> Vec<(u32, Candidate)> {
    rank::normalised(contenders(snapshot, query))
}

/// How many of the blend's best the ranker orders.
const SHORTLIST: usize = 200;
/// How many goods without sales it orders beside them.
const UNSOLD: usize = 20;
/// One place of so many is a launch's: who is never shown is never bought.
const PLACES_A_LAUNCH: usize = 20;

/// The ranker, where there is one and it was taught such users: it learned from people with a history, so
/// the blend alone orders what is shown to others.
fn ranker<'s>(snapshot: &'s Snapshot, query: &Query) -> Option<&'s Trees> {
    let known = query.user.is_some_and(|user| !snapshot.history.ixs(user).is_empty());
    let ranker = if query.exclude_bought { &snapshot.new_ranker } else { &snapshot.ranker };
    ranker.as_ref().filter(|_| known)
}

/// Orders the blend's best by the ranker, where it applies, and cuts them to the slate's length.
fn shortlist(snapshot: &Snapshot, query: &Query, candidates: &[(u32, Candidate)]) -> Vec<Ranked> {
    let ranker = ranker(snapshot, query);
    let wanted = if ranker.is_some() { query.count.max(SHORTLIST) } else { query.count };
    let mut ranked = admitted(snapshot, query, wanted, candidates);
    if let Some(ranker) = ranker {
        let rows = features(snapshot, query, &ranked);
        let mut scores = vec![0.0; rows.len()];
        ranker.add_scores(&rows, &mut scores);
        ranked.iter_mut().zip(scores).for_each(|(ranked, score)| ranked.score = score);
    }
    // Stable: equal leaves keep the blend's order.
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    cut(snapshot, ranked, query.count)
}

/// The first `count`, the last of which make room for launches where fewer than one in [`PLACES_A_LAUNCH`] are.
fn cut(snapshot: &Snapshot, mut ranked: Vec<Ranked>, count: usize) -> Vec<Ranked> {
    let is_launch = |ranked: &Ranked| {
        ranked.evidence[Source::Content as usize] > 0.0 && snapshot.popularity.baskets(ranked.ix) == 0
    };
    let below = ranked.split_off(count.min(ranked.len()));
    let missing = (count / PLACES_A_LAUNCH).saturating_sub(ranked.iter().filter(|r| is_launch(r)).count());
    for launch in below.into_iter().filter(is_launch).take(missing) {
        // Every launch that was let in is behind all that it could displace.
        if let Some(place) = ranked.iter().rposition(|r| !is_launch(r)) {
            ranked.remove(place);
            ranked.push(launch);
        }
    }
    ranked
}

/// The best of the blend, and beside them the best of what was never sold.
fn admitted(
    snapshot: &Snapshot,
    query: &Query,
    count: usize,
    candidates: &[(u32, Candidate)],
) -> Vec<Ranked> {
    let unsold = if snapshot.resembling.is_some() { UNSOLD } else { 0 };
    rank::shortlist(candidates, snapshot.blend.of(query), count, unsold)
}

/// The ranker's view of a shortlist.
fn features(snapshot: &Snapshot, query: &Query, shortlist: &[Ranked]) -> Vec<Features> {
    let user = UserFacts::new(snapshot, query);
    let mut bought: FxHashMap<u32, Purchase> = match query.user {
        Some(user) => snapshot.history.of(user).map(|p| (p.ix, p)).collect(),
        None => FxHashMap::default(),
    };
    for &(item, at) in &query.bought {
        bought.entry(item).and_modify(|p| *p = p.again(at)).or_insert(Purchase::first(item, at));
    }
    let row = |ranked: &Ranked| features::of(snapshot, &user, ranked, bought.get(&ranked.ix).copied());
    shortlist.iter().map(row).collect()
}

/// The shortlist of the blend with the ranker's view of it, for learning the ranker.
pub fn shortlist_features(snapshot: &Snapshot, query: &Query) -> Vec<(u32, Features)> {
    let candidates = contenders(snapshot, query);
    let ranked = admitted(snapshot, query, query.count.max(SHORTLIST), &candidates);
    let rows = features(snapshot, query, &ranked);
    ranked.iter().map(|r| r.ix).zip(rows).collect()
}

fn is_personal(candidates: &[(u32, Candidate)]) -> bool {
    let popularity = Source::Popularity as usize;
    candidates
        .iter()
        .any(|(_, c)| c.evidence.iter().enumerate().any(|(n, &score)| n != popularity && score > 0.0))
}
