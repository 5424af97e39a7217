//! Candidate sources, items -> people: each proposes users with a score of its own.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{AudienceQuery, Since};
use crate::ids::{ItemIx, UserIx};
use crate::index::ann;
use crate::index::content::Description;
use crate::index::external::{self, External, Knowledge, SLOTS};
use crate::index::factors::Factors;
use crate::index::purchases::Purchase;
use crate::kernels::simd;
use crate::recommend::candidates::{Candidate, Candidates};
use crate::source::Source;
use crate::view::View;

/// Most companions of an item whose buyers become candidates.
const MAX_COMPANIONS: usize = 100;
/// Most buyers considered per companion, latest first.
const MAX_COMPANION_BUYERS: usize = 2_000;
/// Fewest users requested from a vector search.
const MIN_NEAREST: usize = 500;

/// The evidence for people when one item is offered.
#[derive(Debug, Clone)]
pub struct Goods {
    /// The item if it has sales: its buyers are the first candidates.
    pub item: Option<ItemIx>,
    /// Items whose buyers tend to buy it, each with its weight.
    companions: Vec<(ItemIx, f32)>,
    /// Its vector in the space of the user vectors; `None` without an embedding.
    vector: Option<Vec<f32>>,
    /// The evidence of each external source, by slot.
    brought: [Brought; SLOTS],
}

/// The evidence of one external source for an item.
#[derive(Debug, Clone, Default)]
struct Brought {
    /// Items whose owners may want it, each with its score.
    companions: Vec<(ItemIx, f32)>,
    /// Its vector in the space of the source's user vectors.
    vector: Option<Vec<f32>>,
}

impl Brought {
    /// For an item: from scores, the items that recommend it; from vectors, its own vector or, if the source has no
    /// user vectors, the items nearest to it.
    fn of(external: &External, item: ItemIx) -> Self {
        match &external.knowledge {
            Knowledge::Scores(scores) => {
                Self { companions: scores.for_target(item).take(MAX_COMPANIONS).collect(), vector: None }
            }
            Knowledge::Vectors { items, users: Some(_) } => {
                let known = items.length(item) > 0.0;
                Self { companions: Vec::new(), vector: known.then(|| items.row(item).to_vec()) }
            }
            Knowledge::Vectors { items, users: None } => {
                Self { companions: nearest(items, item), vector: None }
            }
        }
    }
}

/// The items nearest to `item`, without itself, each with its cosine.
fn nearest(items: &Factors, item: ItemIx) -> Vec<(ItemIx, f32)> {
    let Some(direction) = items.direction([(item, 1.0)].into_iter()) else { return Vec::new() };
    let near = items.scan(&direction, MAX_COMPANIONS + 1);
    let cosines = near.iter().map(|near| (near.ix, near.score / items.length(near.ix)));
    cosines.filter(|(other, cosine)| *other != item && *cosine > 0.0).take(MAX_COMPANIONS).collect()
}

impl Goods {
    /// An item of the catalog; one without sales is represented by the items whose attributes it resembles.
    pub fn of_item(view: View<'_>, item: ItemIx) -> Self {
        let goods = match view.snapshot.buyers.ixs(item).is_empty() {
            true => Self::described(view, &describe(view, item)),
            false => Self::sold(view, item),
        };
        goods.with_brought(view, item)
    }

    /// An item without sales, by its attributes.
    pub fn described(view: View<'_>, description: &Description<'_>) -> Self {
        let bought = |item| !view.snapshot.buyers.ixs(item).is_empty();
        Self::like(view, &view.snapshot.content.similar(description, MAX_COMPANIONS, bought))
    }

    /// A sold item treated as unsold: used to train the model of items without sales.
    pub fn as_if_unsold(view: View<'_>, item: ItemIx) -> Self {
        let bought = |other| other != item && !view.snapshot.buyers.ixs(other).is_empty();
        let description = describe(view, item);
        let similar = view.snapshot.content.similar(&description, MAX_COMPANIONS, bought);
        Self::like(view, &similar).with_brought(view, item)
    }

    /// Adds the evidence of the external sources for an item.
    fn with_brought(mut self, view: View<'_>, item: ItemIx) -> Self {
        for (brought, external) in self.brought.iter_mut().zip(&view.snapshot.external) {
            *brought = Brought::of(external, item);
        }
        self
    }

    /// An item with sales.
    fn sold(view: View<'_>, item: ItemIx) -> Self {
        let lists = view.snapshot.ease_by_target.as_ref();
        let companions = lists.map_or_else(Vec::new, |lists| lists.of(item).take(MAX_COMPANIONS).collect());
        let vector = view.snapshot.embedding.as_ref().map(|e| e.items.row(item).to_vec());
        Self { item: Some(item), companions, vector, brought: Default::default() }
    }

    /// An item known only by the `items` that resemble it, each with its similarity (`0..=1`).
    fn like(view: View<'_>, items: &[(ItemIx, f32)]) -> Self {
        let total: f32 = items.iter().map(|(_, weight)| weight).sum();
        let companions: Vec<(ItemIx, f32)> =
            items.iter().take(MAX_COMPANIONS).map(|&(item, weight)| (item, weight / total)).collect();
        let embedding = view.snapshot.embedding.as_ref().filter(|_| !companions.is_empty());
        let vector = embedding.map(|embedding| {
            let mut mean = vec![0.0; embedding.items.dim()];
            for &(item, weight) in &companions {
                mean.iter_mut().zip(embedding.items.row(item)).for_each(|(m, y)| *m += weight * y);
            }
            mean
        });
        Self { item: None, companions, vector, brought: Default::default() }
    }

    /// Number of users to request from a vector search.
    fn wanted(&self, view: View<'_>, query: &AudienceQuery) -> usize {
        let n_buyers = self.item.map_or(0, |item| view.snapshot.buyers.ixs(item).len());
        view.widened((2 * query.count + n_buyers).max(MIN_NEAREST))
    }
}

/// The attributes of an item of the catalog, at its price now.
fn describe(view: View<'_>, item: ItemIx) -> Description<'_> {
    let catalog = &view.snapshot.catalog;
    let price = view.price(item).map(|price| catalog.currency().units(price));
    Description { price, ..Description::of(catalog, item) }
}

/// Buyers of an item with their baskets: those of the buyers' index, then those who first bought it `since`.
pub fn purchases(view: View<'_>, item: ItemIx, since: &[Since]) -> Vec<Purchase> {
    let mut purchases: Vec<Purchase> = view.snapshot.buyers.of(item).collect();
    let later = since.iter().filter_map(|since| Some((since.user, since.bought_at?)));
    let places: FxHashMap<UserIx, usize> = match since.is_empty() {
        true => FxHashMap::default(),
        false => purchases.iter().enumerate().map(|(place, purchase)| (purchase.ix, place)).collect(),
    };
    for (user, at) in later {
        match places.get(&user) {
            Some(&place) => purchases[place] = purchases[place].again(at),
            None => purchases.push(Purchase::first(user, at)),
        }
    }
    purchases
}

/// Runs `work` on all candidates for `goods`: first those who `bought` them, in that order, then the others. The others
/// may include people whom the query excludes.
pub fn with<R>(
    view: View<'_>,
    query: &AudienceQuery,
    goods: &Goods,
    bought: &[Purchase],
    work: impl FnOnce(&mut Vec<(UserIx, Candidate)>) -> R,
) -> R {
    let propose = |found: &mut Candidates| {
        for purchase in bought {
            found.propose(purchase.ix).add(Source::Personal, purchase.decayed.max(1e-6));
        }
        companions(view, goods, found);
        factors(view, query, goods, found);
        brought(view, query, goods, found);
        activity(view, found);
    };
    Candidates::with(view.snapshot.users.len(), propose, work)
}

/// Users who bought any of the items before the end of the data.
pub fn buyers(view: View<'_>, items: &[ItemIx]) -> FxHashSet<UserIx> {
    items.iter().flat_map(|&item| view.snapshot.buyers.ixs(item).iter().copied()).collect()
}

/// Buyers of the items whose buyers tend to buy this one, latest buyers first.
fn companions(view: View<'_>, goods: &Goods, found: &mut Candidates) {
    let buyers = view.widened(MAX_COMPANION_BUYERS);
    for &(companion, weight) in &goods.companions {
        for purchase in view.snapshot.buyers.of(companion).take(buyers) {
            let share = weight * purchase.decayed.clamp(1e-6, 1.0);
            let candidate = found.propose(purchase.ix);
            candidate.add(Source::Ease, weight);
            candidate.contribute(Source::EaseRecent, companion, share);
        }
    }
}

/// The nearest users to the item's vector, and the score of every other candidate by it.
fn factors(view: View<'_>, query: &AudienceQuery, goods: &Goods, found: &mut Candidates) {
    let (Some(embedding), Some(vector)) = (&view.snapshot.embedding, &goods.vector) else { return };
    for near in
        ann::nearest(&embedding.users, vector, goods.wanted(view, query), embedding.user_graph.as_ref())
    {
        found.propose(near.ix);
    }
    similarity(Source::Factors, vector, &embedding.users, found);
}

/// The score of every candidate by the item's vector.
fn similarity(source: Source, vector: &[f32], users: &Factors, found: &mut Candidates) {
    simd::dispatch(
        #[inline(always)]
        || {
            for (user, candidate) in found.entries_mut() {
                candidate.add(source, simd::dot(vector, users.row(*user)).max(0.0));
            }
        },
    );
}

/// External sources: buyers of the items that recommend this one, or the users nearest to its vector.
fn brought(view: View<'_>, query: &AudienceQuery, goods: &Goods, found: &mut Candidates) {
    let buyers = view.widened(MAX_COMPANION_BUYERS);
    let slots = view.snapshot.external.iter().zip(external::SOURCES).zip(&goods.brought);
    for ((_, source), brought) in slots.clone() {
        for &(companion, weight) in &brought.companions {
            for purchase in view.snapshot.buyers.of(companion).take(buyers) {
                let share = weight * purchase.decayed.clamp(1e-6, 1.0);
                found.propose(purchase.ix).contribute(source, companion, share);
            }
        }
    }
    for ((external, source), brought) in slots {
        let Knowledge::Vectors { users: Some(users), .. } = &external.knowledge else { continue };
        if let Some(vector) = &brought.vector {
            users.scan(vector, goods.wanted(view, query)).iter().for_each(|near| {
                found.propose(near.ix);
            });
            similarity(source, vector, users, found);
        }
    }
}

/// Sets each candidate's purchase frequency, decayed. It adds no candidates: an audience needs evidence.
fn activity(view: View<'_>, found: &mut Candidates) {
    let activity = view.snapshot.profiles.activity_at(view.now);
    for (user, candidate) in found.entries_mut() {
        candidate.evidence[Source::Popularity as usize] = activity(*user).max(1e-6);
    }
}
