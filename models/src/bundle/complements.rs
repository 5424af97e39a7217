//! Complements: items that complete a cart, predicted by regressions over all baskets.

use std::collections::BTreeSet;

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::ids::ItemIx;
use crate::index::co_purchase::Association;
use crate::kernels::topk::TopK;
use crate::recommend::query::Query;
use crate::view::View;

/// Weight of the person's own share beside the regressions' weights. Both predict the probability that a basket holds
/// the item, so one weight serves shops of all sizes.
const PERSONAL_WEIGHT: f32 = 0.5;
/// Baskets added to a person's: one basket is not a habit.
const SHRINKAGE: f32 = 5.0;

/// An item that completes a cart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Complement {
    /// The item.
    pub item: ItemIx,
    /// Sum of the cart items' weights for it, and the personal term; comparable within one answer.
    pub score: f32,
    /// The cart item that shares most baskets with it; the first cart item if none does.
    pub with: ItemIx,
    /// Baskets that hold both; 0 if the pair is not counted.
    pub baskets: u32,
    /// Their association, from `with` to `item`.
    pub association: Association,
}

/// At most `count` complements of `cart`, best first; none of the cart, none off sale. A complement's score is the sum
/// of the basket regressions' weights over the cart; its evidence is counted.
pub fn complements(view: View<'_>, cart: &[ItemIx], count: usize) -> Vec<Complement> {
    best(view, cart, predicted(view, cart), count)
}

/// Complements with a personal term: adds to each item the share of the person's baskets that held it, including those
/// since training. Finds more of the items they will add, and fewer items that are new to them. Reads `user`, `bought`
/// and `exclude` of `person`.
pub fn personal_complements(
    view: View<'_>,
    cart: &[ItemIx],
    person: &Query,
    count: usize,
) -> Vec<Complement> {
    let snapshot = view.snapshot;
    let mut found = predicted(view, cart);
    // Purchases at one time are one basket.
    let since: BTreeSet<i64> = person.bought.iter().map(|&(_, at)| at).collect();
    let before = person.user.map_or(0, |user| snapshot.profiles.activity(user).0);
    let baskets = before as f32 + since.len() as f32 + SHRINKAGE;
    let mut add =
        |item: ItemIx, held: f32| *found.entry(item).or_default() += PERSONAL_WEIGHT * held / baskets;
    let history = person.user.into_iter().flat_map(|user| snapshot.history.of(user));
    history.for_each(|purchase| add(purchase.ix, purchase.baskets as f32));
    person.bought.iter().for_each(|&(item, _)| add(item, 1.0));
    found.retain(|item, _| !person.exclude.contains(item));
    best(view, cart, found, count)
}

/// Sum of the basket regressions' weights over the cart, by item.
fn predicted(view: View<'_>, cart: &[ItemIx]) -> FxHashMap<ItemIx, f32> {
    let lists = &view.snapshot.basket_ease;
    let most = cart.iter().map(|&seed| lists.of(seed).len()).sum();
    let mut found: FxHashMap<ItemIx, f32> = FxHashMap::with_capacity_and_hasher(most, FxBuildHasher);
    for &seed in cart {
        for (item, weight) in lists.of(seed) {
            *found.entry(item).or_default() += weight;
        }
    }
    found
}

fn best(view: View<'_>, cart: &[ItemIx], found: FxHashMap<ItemIx, f32>, count: usize) -> Vec<Complement> {
    // Without a cart there is nothing to complete.
    let Some(&first) = cart.first() else { return Vec::new() };
    let mut top = TopK::new(count);
    for (&item, &score) in &found {
        if score > 0.0 && !cart.contains(&item) && view.on_sale(item) {
            top.push(item, score);
        }
    }
    top.into_sorted().into_iter().map(|s| complement(view, cart, first, s.ix, s.score)).collect()
}

/// The evidence for `item`: its pair with the cart item that shares most baskets with it, else with the `first` one.
fn complement(view: View<'_>, cart: &[ItemIx], first: ItemIx, item: ItemIx, score: f32) -> Complement {
    let co_purchase = &view.snapshot.co_purchase;
    let counted =
        |&seed: &ItemIx| co_purchase.pairs(seed).find(|p| p.item == item).map(|p| (p.score, seed, p.baskets));
    let best = cart.iter().filter_map(counted).max_by(|a, b| a.0.total_cmp(&b.0));
    let (with, baskets) = best.map_or((first, 0), |(_, seed, baskets)| (seed, baskets));
    Complement { item, score, with, baskets, association: co_purchase.association(with, item, baskets) }
}
