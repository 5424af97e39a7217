//! Predicted sets: grown one item at a time. Each step adds the item with the largest basket-regression weight from the
//! items so far, among items that share real baskets with every one of them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Bundle, BundleQuery, Evidence, Offer};
use crate::ids::ItemIx;
use crate::view::View;

/// Beginnings tried per set, because two may grow into the same set, or into a counted one.
const BEGINNINGS: usize = 4;

/// A pair of items and the baskets that hold both.
type Counted = (ItemIx, ItemIx, u32);

/// At most `wanted` sets, each of a cart item and items outside the cart, as large as they grow within `query.sizes`;
/// sets that are counted as a whole are left out. Sorted by the first companion's weight.
pub(super) fn predicted(view: View<'_>, query: &BundleQuery<'_>, wanted: usize) -> Vec<Bundle> {
    let mut seen: FxHashSet<Vec<ItemIx>> = FxHashSet::default();
    let mut bundles = Vec::new();
    for (anchor, first) in beginnings(view, query, BEGINNINGS * wanted) {
        let Some((items, pair)) = grown(view, query, anchor, first) else { continue };
        let mut sorted = items.clone();
        sorted.sort_unstable();
        // Counted sets need no prediction, and some of them were found too rare.
        if view.snapshot.bundles.row(&sorted).is_none() && seen.insert(sorted) {
            bundles.push(bundle(view, items, pair));
        }
        if bundles.len() == wanted {
            break;
        }
    }
    bundles
}

/// The strongest pairs of a cart item and a companion.
fn beginnings(view: View<'_>, query: &BundleQuery<'_>, wanted: usize) -> Vec<(ItemIx, ItemIx)> {
    let mut found: Vec<(f32, ItemIx, ItemIx)> = Vec::new();
    for &anchor in query.cart.iter().filter(|&&anchor| query.may_hold(view, anchor)) {
        let partners = partners(view, query, anchor);
        let argued = view.snapshot.basket_ease.of(anchor).filter(|(_, weight)| *weight > 0.0);
        let fits = argued.filter(|(item, _)| partners.contains(item));
        found.extend(fits.take(wanted).map(|(item, weight)| (weight, anchor, item)));
    }
    found.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    found.truncate(wanted);
    found.into_iter().map(|(_, anchor, item)| (anchor, item)).collect()
}

/// The set grown from `anchor` and `first`, with its pair that the fewest baskets hold.
fn grown(
    view: View<'_>,
    query: &BundleQuery<'_>,
    anchor: ItemIx,
    first: ItemIx,
) -> Option<(Vec<ItemIx>, Counted)> {
    let mut items = vec![anchor];
    let mut weakest = (anchor, first, u32::MAX);
    let partners = partners(view, query, anchor);
    let mut argued: FxHashMap<ItemIx, f32> = FxHashMap::default();
    let mut next = may_join(view, query, &items, first).map(|pair| (first, pair));
    while let Some((item, pair)) = next {
        items.push(item);
        if pair.2 < weakest.2 {
            weakest = pair;
        }
        if items.len() >= *query.sizes.end() {
            break;
        }
        let newcomers = if items.len() == 2 { &items[..] } else { &items[items.len() - 1..] };
        for (target, weight) in newcomers.iter().flat_map(|&item| view.snapshot.basket_ease.of(item)) {
            *argued.entry(target).or_default() += weight;
        }
        next = strongest(view, query, &items, &partners, &argued);
    }
    (items.len() >= *query.sizes.start() && items.len() > 1).then_some((items, weakest))
}

/// Items that may join `anchor`: they share `query.min_baskets` baskets with it, can be sold, and are not in the cart.
fn partners(view: View<'_>, query: &BundleQuery<'_>, anchor: ItemIx) -> Vec<ItemIx> {
    let counted =
        view.snapshot.co_purchase.pairs(anchor).filter(|pair| pair.baskets >= query.min_baskets.max(1));
    let items = counted.map(|pair| pair.item);
    items.filter(|item| !query.cart.contains(item) && query.may_hold(view, *item)).collect()
}

/// The one of `partners` with the largest weight that may join `items`.
fn strongest(
    view: View<'_>,
    query: &BundleQuery<'_>,
    items: &[ItemIx],
    partners: &[ItemIx],
    argued: &FxHashMap<ItemIx, f32>,
) -> Option<(ItemIx, Counted)> {
    let weight = |item: &ItemIx| argued.get(item).copied().unwrap_or(0.0);
    let fresh = partners.iter().filter(|item| !items.contains(item));
    let mut best: Vec<(f32, ItemIx)> =
        fresh.map(|item| (weight(item), *item)).filter(|(weight, _)| *weight > 0.0).collect();
    best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    best.into_iter().find_map(|(_, item)| Some((item, may_join(view, query, items, item)?)))
}

/// The pair of `item` and one of `items` that the fewest baskets hold; `None` unless `item` shares `query.min_baskets`
/// baskets with every one of them.
fn may_join(view: View<'_>, query: &BundleQuery<'_>, items: &[ItemIx], item: ItemIx) -> Option<Counted> {
    let mut weakest: Option<Counted> = None;
    for &other in items {
        let together = view.snapshot.co_purchase.together(other, item)?;
        if together < query.min_baskets.max(1) {
            return None;
        }
        if weakest.is_none_or(|pair| together < pair.2) {
            weakest = Some((other, item, together));
        }
    }
    weakest
}

fn bundle(view: View<'_>, items: Vec<ItemIx>, (a, b, baskets): Counted) -> Bundle {
    Bundle {
        in_cart: 1,
        evidence: Evidence::Predicted { pair: (a, b) },
        baskets,
        association: view.snapshot.co_purchase.association(a, b, baskets),
        offer: Offer::of(view, &items),
        items,
    }
}
