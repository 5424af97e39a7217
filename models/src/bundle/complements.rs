//! What completes a cart, as predicted by regressions over all baskets.

use std::collections::BTreeSet;

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::ids::ItemIx;
use crate::index::co_purchase::Association;
use crate::kernels::topk::TopK;
use crate::recommend::query::Query;
use crate::snapshot::Snapshot;

/// What the person's own share counts beside the regressions' weights. Both foretell the chance that a basket
/// holds the item, so that one weight serves shops of all sizes.
const PERSONAL_WEIGHT: f32 = 0.5;
/// Added to a person's baskets: one basket is no habit yet.
const SHRINKAGE: f32 = 5.0;

/// An item that completes a cart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Complement {
    /// The item.
    pub item: ItemIx,
    /// Sum of the cart items' weights for it, and what a person adds; comparable within one answer.
    pub score: f32,
    /// The cart item it is counted with most strongly; the first one where it is counted with none.
    pub with: ItemIx,
    /// Baskets that hold both; 0 where the prediction has no counted pair behind it.
    pub baskets: u32,
    /// Their association, from `with` to `item`.
    pub association: Association,
}

/// At most `count` complements of `cart`, best first, none of the cart and none off sale. A complement's
/// score is the sum over the cart of the basket regressions' weights; its evidence is counted.
pub fn complements(snapshot: &Snapshot, cart: &[ItemIx], count: usize) -> Vec<Complement> {
    best(snapshot, cart, argued(snapshot, cart), count)
}

/// The same for a person, whom what they buy again and again is for: an item gains by the share of their
/// baskets that held it, those since the model was trained among them. This finds more of what they will add, and
/// fewer things that are new to them. Of the `person`, `user`, `bought` and `exclude` are looked at.
pub fn personal_complements(
    snapshot: &Snapshot,
    cart: &[ItemIx],
    person: &Query,
    count: usize,
) -> Vec<Complement> {
    let mut found = argued(snapshot, cart);
    // What was bought at one time was one basket.
    let since: BTreeSet<i64> = person.bought.iter().map(|&(_, at)| at).collect();
    let before = person.user.map_or(0, |user| snapshot.profiles.activity(user).0);
    let baskets = before as f32 + since.len() as f32 + SHRINKAGE;
    let mut add =
        |item: ItemIx, held: f32| *found.entry(item).or_default() += PERSONAL_WEIGHT * held / baskets;
    let history = person.user.into_iter().flat_map(|user| snapshot.history.of(user));
    history.for_each(|purchase| add(purchase.ix, purchase.baskets as f32));
    person.bought.iter().for_each(|&(item, _)| add(item, 1.0));
    found.retain(|item, _| !person.exclude.contains(item));
    best(snapshot, cart, found, count)
}

/// How much the items of the cart argue for others, together.
fn argued(snapshot: &Snapshot, cart: &[ItemIx]) -> FxHashMap<ItemIx, f32> {
    let lists = cart.iter().map(|&seed| snapshot.basket_ease.of(seed).len()).sum();
    let mut found: FxHashMap<ItemIx, f32> = FxHashMap::with_capacity_and_hasher(lists, FxBuildHasher);
    for &seed in cart {
        for (item, weight) in snapshot.basket_ease.of(seed) {
            *found.entry(item).or_default() += weight;
        }
    }
    found
}

fn best(
    snapshot: &Snapshot,
    cart: &[ItemIx],
    found: FxHashMap<ItemIx, f32>,
    count: usize,
) -> Vec<Complement> {
    // Without a cart there is nothing to complete, whatever a person buys.
    let Some(&first) = cart.first() else { return Vec::new() };
    let mut top = TopK::new(count);
    for (&item, &score) in &found {
        if score > 0.0 && !cart.contains(&item) && snapshot.catalog.on_sale(item) {
            top.push(item, score);
        }
    }
    top.into_sorted().into_iter().map(|s| complement(snapshot, cart, first, s.ix, s.score)).collect()
}

/// The evidence for `item`: the cart item that it is counted with most strongly, else the `first` one.
fn complement(snapshot: &Snapshot, cart: &[ItemIx], first: ItemIx, item: ItemIx, score: f32) -> Complement {
    let counted = |&seed: &ItemIx| {
        snapshot.co_purchase.pairs(seed).find(|p| p.item == item).map(|p| (p.score, seed, p.baskets))
    };
    let best = cart.iter().filter_map(counted).max_by(|a, b| a.0.total_cmp(&b.0));
    let (with, baskets) = best.map_or((first, 0), |(_, seed, baskets)| (seed, baskets));
    Complement {
        item,
        score,
        with,
        baskets,
        association: snapshot.co_purchase.association(with, item, baskets),
    }
}
