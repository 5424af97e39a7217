//! goods -> people, the mirror of [`pipeline`](crate::pipeline): which people for these goods?

use rustc_hash::FxHashMap;

use crate::candidates::Candidate;
use crate::ids::{ItemIx, UserIx};
use crate::query::{Evidence, Source};
use crate::ranking;
use crate::simd;
use crate::snapshot::Snapshot;

/// How many companions of an item lend it their buyers.
const MAX_COMPANIONS: usize = 100;
/// How many of a companion's latest buyers are considered.
const MAX_COMPANION_BUYERS: usize = 2_000;

/// Which people for these goods?
#[derive(Debug, Clone, Default)]
pub struct AudienceQuery {
    /// The goods.
    pub items: Vec<ItemIx>,
    /// Leave out who bought any of them before.
    pub exclude_buyers: bool,
    /// Length of the answer.
    pub count: usize,
    /// The moment to answer as of, unix seconds.
    pub at: i64,
}

impl AudienceQuery {
    /// A plain query for one item.
    pub fn for_item(item: ItemIx, count: usize, at: i64) -> Self {
        Self { items: vec![item], exclude_buyers: false, count, at }
    }
}

/// One person of an audience.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prospect {
    /// The user.
    pub user: UserIx,
    /// Comparable within one answer; higher is likelier to buy.
    pub score: f32,
    /// The source that contributed most.
    pub source: Source,
    /// What each source said, `0..=1`.
    pub evidence: Evidence,
    /// Baskets in which the user already bought one of the items; 0 for a new buyer.
    pub bought: u32,
    /// The item of theirs that argued most for these goods, where there is one.
    pub because: Option<ItemIx>,
}

/// At most `query.count` people, likeliest first, without duplicates.
pub fn audience(snapshot: &Snapshot, query: &AudienceQuery) -> Vec<Prospect> {
    let (found, bought) = candidates(snapshot, query);
    ranking::rank(&found, &snapshot.blend.audience, query.count)
        .into_iter()
        .map(|ranked| Prospect {
            user: ranked.ix,
            score: ranked.score,
            source: ranked.source,
            evidence: ranked.evidence,
            bought: bought.get(&ranked.ix).copied().unwrap_or(0),
            because: ranked.candidate.because.map(|(item, _)| item),
        })
        .collect()
}

/// What ranking sees: all candidates with each source's scores divided by its best. For learning how to
/// rank.
pub fn evidence(snapshot: &Snapshot, query: &AudienceQuery) -> Vec<(UserIx, Candidate)> {
    ranking::normalised(candidates(snapshot, query).0)
}

/// All candidates by user, and how many baskets of the goods each buyer bought.
fn candidates(
    snapshot: &Snapshot,
    query: &AudienceQuery,
) -> (Vec<(UserIx, Candidate)>, FxHashMap<UserIx, u32>) {
    let mut found: FxHashMap<UserIx, Candidate> = FxHashMap::default();
    let bought = buyers(snapshot, query, &mut found);
    companions(snapshot, query, &mut found);
    factors(snapshot, query, bought.len(), &mut found);
    if query.exclude_buyers {
        found.retain(|user, _| !bought.contains_key(user));
    }
    activity(snapshot, query, &mut found);
    let mut found: Vec<(UserIx, Candidate)> = found.into_iter().collect();
    found.sort_unstable_by_key(|(user, _)| *user);
    (found, bought)
}

fn buyers(
    snapshot: &Snapshot,
    query: &AudienceQuery,
    found: &mut FxHashMap<UserIx, Candidate>,
) -> FxHashMap<UserIx, u32> {
    let mut bought: FxHashMap<UserIx, u32> = FxHashMap::default();
    for &item in &query.items {
        for purchase in snapshot.buyers.of(item) {
            *bought.entry(purchase.ix).or_default() += purchase.baskets;
            found.entry(purchase.ix).or_default().evidence[Source::Personal as usize] +=
                purchase.decayed.max(1e-6);
        }
    }
    bought
}

/// Buyers of the items whose buyers tend to buy these goods, latest buyers first.
fn companions(snapshot: &Snapshot, query: &AudienceQuery, found: &mut FxHashMap<UserIx, Candidate>) {
    let Some(ease) = &snapshot.ease_by_target else { return };
    for &item in &query.items {
        for (companion, weight) in ease.of(item).take(MAX_COMPANIONS) {
            for purchase in snapshot.buyers.of(companion).take(MAX_COMPANION_BUYERS) {
                let argument = weight * purchase.decayed.clamp(1e-6, 1.0);
                let candidate = found.entry(purchase.ix).or_default();
                candidate.add(Source::Ease, weight);
                candidate.add(Source::EaseRecent, argument);
                candidate.argue(companion, argument);
            }
        }
    }
}

/// The nearest users by the goods' vector, and the score of every other candidate by it.
fn factors(
    snapshot: &Snapshot,
    query: &AudienceQuery,
    n_bought: usize,
    found: &mut FxHashMap<UserIx, Candidate>,
) {
    let Some(embedding) = &snapshot.embedding else { return };
    let mut vector = vec![0.0f32; embedding.items.dim()];
    for &item in &query.items {
        vector.iter_mut().zip(embedding.items.row(item)).for_each(|(v, y)| *v += y);
    }
    let wanted = 2 * query.count + n_bought;
    for near in embedding.users.nearest(&vector, wanted.max(500), embedding.user_graph.as_ref()) {
        found.entry(near.ix).or_default();
    }
    simd::dispatch(
        #[inline(always)]
        || {
            for (user, candidate) in found.iter_mut() {
                candidate.add(Source::Factors, simd::dot(&vector, embedding.users.row(*user)).max(0.0));
            }
        },
    );
}

/// How often each candidate buys at all, damped; with too few candidates, nobody is added: an audience
/// without evidence is no audience.
fn activity(snapshot: &Snapshot, query: &AudienceQuery, found: &mut FxHashMap<UserIx, Candidate>) {
    for (&user, candidate) in found.iter_mut() {
        let (baskets, last_at) = snapshot.profiles.activity(user);
        let silent_days = (query.at - i64::from(last_at)).max(0) as f32 / 86_400.0;
        let score = (1.0 + baskets as f32).ln() * (-silent_days / 90.0).exp2();
        candidate.evidence[Source::Popularity as usize] = score.max(1e-6);
    }
}
