//! Candidate sources, goods -> people: each proposes users with a score of its own.

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
    /// What was learned elsewhere has to say, slot by slot.
    brought: [Brought; SLOTS],
}

/// What a thing learned elsewhere says of goods.
#[derive(Debug, Clone, Default)]
struct Brought {
    /// Items whose buyers may want them, with how much.
    companions: Vec<(ItemIx, f32)>,
    /// Where they lie among its users' vectors.
    vector: Option<Vec<f32>>,
}

impl Brought {
    /// Of an item: by scores who has what argues for it, by vectors who lies near or, where users have none,
    /// who has what lies near.
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

/// The items nearest to an item, itself left out, with the cosine.
fn nearest(items: &Factors, item: ItemIx) -> Vec<(ItemIx, f32)> {
    let Some(direction) = items.direction([(item, 1.0)].into_iter()) else { return Vec::new() };
    let near = items.scan(&direction, MAX_COMPANIONS + 1);
    let cosines = near.iter().map(|near| (near.ix, near.score / items.length(near.ix)));
    cosines.filter(|(other, cosine)| *other != item && *cosine > 0.0).take(MAX_COMPANIONS).collect()
}

impl Goods {
    /// An item of the catalogue; one that nobody bought yet stands for what its attributes resemble.
    pub fn of_item(view: View<'_>, item: ItemIx) -> Self {
        let goods = match view.snapshot.buyers.ixs(item).is_empty() {
            true => Self::described(view, &describe(view, item)),
            false => Self::sold(view, item),
        };
        goods.with_brought(view, item)
    }

    /// Goods that nobody bought yet, by their attributes.
    pub fn described(view: View<'_>, description: &Description<'_>) -> Self {
        let bought = |item| !view.snapshot.buyers.ixs(item).is_empty();
        Self::like(view, &view.snapshot.content.similar(description, MAX_COMPANIONS, bought))
    }

    /// An item that was sold before, as if nobody had bought it yet. For learning what is said of those.
    pub fn as_if_unsold(view: View<'_>, item: ItemIx) -> Self {
        let bought = |other| other != item && !view.snapshot.buyers.ixs(other).is_empty();
        let description = describe(view, item);
        let similar = view.snapshot.content.similar(&description, MAX_COMPANIONS, bought);
        Self::like(view, &similar).with_brought(view, item)
    }

    /// With what was learned elsewhere of an item.
    fn with_brought(mut self, view: View<'_>, item: ItemIx) -> Self {
        for (brought, external) in self.brought.iter_mut().zip(&view.snapshot.external) {
            *brought = Brought::of(external, item);
        }
        self
    }

    /// An item that was sold before.
    fn sold(view: View<'_>, item: ItemIx) -> Self {
        let lists = view.snapshot.ease_by_target.as_ref();
        let companions = lists.map_or_else(Vec::new, |lists| lists.of(item).take(MAX_COMPANIONS).collect());
        let vector = view.snapshot.embedding.as_ref().map(|e| e.items.row(item).to_vec());
        Self { item: Some(item), companions, vector, brought: Default::default() }
    }

    /// Goods of which only is known which `items` resemble them, and how much (`0..=1`).
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

    /// How many users are asked of vectors.
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

/// Who bought an item, and how often: its buyers' index, then those who did so `since` for the first time.
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

/// Runs `work` on all candidates for `goods`: those who `bought` them first, in that order, then the others. Those whom
/// the query leaves out may be among the others.
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

/// Everyone who bought any of the items before.
pub fn buyers(view: View<'_>, items: &[ItemIx]) -> FxHashSet<UserIx> {
    items.iter().flat_map(|&item| view.snapshot.buyers.ixs(item).iter().copied()).collect()
}

/// Buyers of the items whose buyers tend to buy these goods, latest buyers first.
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

/// The nearest users by the goods' vector, and the score of every other candidate by it.
fn factors(view: View<'_>, query: &AudienceQuery, goods: &Goods, found: &mut Candidates) {
    let (Some(embedding), Some(vector)) = (&view.snapshot.embedding, &goods.vector) else { return };
    for near in
        ann::nearest(&embedding.users, vector, goods.wanted(view, query), embedding.user_graph.as_ref())
    {
        found.propose(near.ix);
    }
    similarity(Source::Factors, vector, &embedding.users, found);
}

/// The score of every candidate by the goods' vector.
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

/// What was learned elsewhere: buyers of what argues for the goods, or the nearest users by its vectors.
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

/// How often each candidate buys at all, damped; with too few candidates, nobody is added: an audience
/// without evidence is no audience.
fn activity(view: View<'_>, found: &mut Candidates) {
    let activity = view.snapshot.profiles.activity_at(view.now);
    for (user, candidate) in found.entries_mut() {
        candidate.evidence[Source::Popularity as usize] = activity(*user).max(1e-6);
    }
}
