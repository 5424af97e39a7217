//! Candidate sources, goods -> people: each proposes users with a score of its own.

use rustc_hash::FxHashSet;

use super::AudienceQuery;
use crate::candidates::{Candidate, Candidates};
use crate::ids::{ItemIx, UserIx};
use crate::index::content::Description;
use crate::query::Source;
use crate::simd;
use crate::snapshot::Snapshot;

/// How many companions of the goods lend them their buyers.
const MAX_COMPANIONS: usize = 100;
/// How many of a companion's latest buyers are considered.
const MAX_COMPANION_BUYERS: usize = 2_000;
/// Fewest users asked of the vectors.
const MIN_NEAREST: usize = 500;

/// What argues for people when one kind of goods is offered.
#[derive(Debug, Clone)]
pub struct Goods {
    /// The item, where it was sold before; its buyers are the first candidates.
    pub item: Option<ItemIx>,
    /// Items whose buyers tend to buy it, with how strongly they do.
    companions: Vec<(ItemIx, f32)>,
    /// Where it lies among the vectors.
    vector: Option<Vec<f32>>,
}

impl Goods {
    /// An item of the catalogue; one that nobody bought yet stands for what its attributes resemble.
    pub fn of_item(snapshot: &Snapshot, item: ItemIx) -> Self {
        if snapshot.buyers.ixs(item).is_empty() {
            return Self::described(snapshot, &Description::of(&snapshot.catalog, item));
        }
        Self::sold(snapshot, item)
    }

    /// Goods that nobody bought yet, by their attributes.
    pub fn described(snapshot: &Snapshot, description: &Description<'_>) -> Self {
        let bought = |item| !snapshot.buyers.ixs(item).is_empty();
        Self::resembling(snapshot, &snapshot.content.similar(description, MAX_COMPANIONS, bought))
    }

    /// An item that was sold before, as if nobody had bought it yet. For learning what is said of those.
    pub fn as_if_unsold(snapshot: &Snapshot, item: ItemIx) -> Self {
        let bought = |other| other != item && !snapshot.buyers.ixs(other).is_empty();
        let description = Description::of(&snapshot.catalog, item);
        Self::resembling(snapshot, &snapshot.content.similar(&description, MAX_COMPANIONS, bought))
    }

    /// An item that was sold before.
    fn sold(snapshot: &Snapshot, item: ItemIx) -> Self {
        let lists = snapshot.ease_by_target.as_ref();
        let companions = lists.map_or_else(Vec::new, |lists| lists.of(item).take(MAX_COMPANIONS).collect());
        let vector = snapshot.embedding.as_ref().map(|e| e.items.row(item).to_vec());
        Self { item: Some(item), companions, vector }
    }

    /// Goods of which only is known which `items` resemble them, and how much (`0..=1`).
    fn resembling(snapshot: &Snapshot, items: &[(ItemIx, f32)]) -> Self {
        let total: f32 = items.iter().map(|(_, weight)| weight).sum();
        let companions: Vec<(ItemIx, f32)> =
            items.iter().take(MAX_COMPANIONS).map(|&(item, weight)| (item, weight / total)).collect();
        let embedding = snapshot.embedding.as_ref().filter(|_| !companions.is_empty());
        let vector = embedding.map(|embedding| {
            let mut mean = vec![0.0; embedding.items.dim()];
            for &(item, weight) in &companions {
                mean.iter_mut().zip(embedding.items.row(item)).for_each(|(m, y)| *m += weight * y);
            }
            mean
        });
        Self { item: None, companions, vector }
    }

    /// Buyers of the goods.
    pub fn n_buyers(&self, snapshot: &Snapshot) -> usize {
        self.item.map_or(0, |item| snapshot.buyers.ixs(item).len())
    }
}

/// All candidates for `goods`: the buyers first, in the order of the buyers' index, then the others.
/// Those whom the query leaves out are there too.
pub fn candidates(snapshot: &Snapshot, query: &AudienceQuery, goods: &Goods) -> Vec<(UserIx, Candidate)> {
    let mut found = Candidates::new(snapshot.users.len());
    if let Some(item) = goods.item {
        for purchase in snapshot.buyers.of(item) {
            found.of(purchase.ix).add(Source::Personal, purchase.decayed.max(1e-6));
        }
    }
    companions(snapshot, goods, &mut found);
    factors(snapshot, query, goods, &mut found);
    activity(snapshot, query, &mut found);
    found.into_entries()
}

/// Everyone who bought any of the items before.
pub fn buyers(snapshot: &Snapshot, items: &[ItemIx]) -> FxHashSet<UserIx> {
    items.iter().flat_map(|&item| snapshot.buyers.ixs(item).iter().copied()).collect()
}

/// Buyers of the items whose buyers tend to buy these goods, latest buyers first.
fn companions(snapshot: &Snapshot, goods: &Goods, found: &mut Candidates) {
    for &(companion, weight) in &goods.companions {
        for purchase in snapshot.buyers.of(companion).take(MAX_COMPANION_BUYERS) {
            let argument = weight * purchase.decayed.clamp(1e-6, 1.0);
            let candidate = found.of(purchase.ix);
            candidate.add(Source::Ease, weight);
            candidate.add(Source::EaseRecent, argument);
            candidate.argue(companion, argument);
        }
    }
}

/// The nearest users by the goods' vector, and the score of every other candidate by it.
fn factors(snapshot: &Snapshot, query: &AudienceQuery, goods: &Goods, found: &mut Candidates) {
    let (Some(embedding), Some(vector)) = (&snapshot.embedding, &goods.vector) else { return };
    let wanted = (2 * query.count + goods.n_buyers(snapshot)).max(MIN_NEAREST);
    for near in embedding.users.nearest(vector, wanted, embedding.user_graph.as_ref()) {
        found.of(near.ix);
    }
    simd::dispatch(
        #[inline(always)]
        || {
            for (user, candidate) in found.entries_mut() {
                candidate.add(Source::Factors, simd::dot(vector, embedding.users.row(*user)).max(0.0));
            }
        },
    );
}

/// How often each candidate buys at all, damped; with too few candidates, nobody is added: an audience
/// without evidence is no audience.
fn activity(snapshot: &Snapshot, query: &AudienceQuery, found: &mut Candidates) {
    for (user, candidate) in found.entries_mut() {
        let (baskets, last_at) = snapshot.profiles.activity(*user);
        let silent_days = (query.at - i64::from(last_at)).max(0) as f32 / 86_400.0;
        let score = (1.0 + baskets as f32).ln() * (-silent_days / 90.0).exp2();
        candidate.evidence[Source::Popularity as usize] = score.max(1e-6);
    }
}
