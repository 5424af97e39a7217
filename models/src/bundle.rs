//! Bundles (搭配购): what completes a cart, and sets that are bought together, with their evidence.

use rustc_hash::FxHashMap;

use crate::ids::ItemIx;
use crate::index::co_purchase::Association;
use crate::snapshot::Snapshot;
use crate::topk::TopK;

/// An item that completes a cart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Complement {
    /// The item.
    pub item: ItemIx,
    /// Sum of the cart items' weights for it; comparable within one answer.
    pub score: f32,
    /// The cart item it is counted with most strongly; the first one where it is counted with none.
    pub with: ItemIx,
    /// Baskets that hold both; 0 where the prediction has no counted pair behind it.
    pub baskets: u32,
    /// Their association, from `with` to `item`.
    pub association: Association,
}

/// A set that real baskets hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// The items; the one asked about is first.
    pub items: Vec<ItemIx>,
    /// Baskets that hold all of them.
    pub baskets: u32,
    /// Association of the first item with the second.
    pub association: Association,
    /// Sum of the prices, where all are known.
    pub price: Option<f32>,
}

/// At most `count` complements of `cart`, best first, none of the cart and none off sale. A complement's
/// score is the sum over the cart of the basket regressions' weights; its evidence is counted.
pub fn complements(snapshot: &Snapshot, cart: &[ItemIx], count: usize) -> Vec<Complement> {
    let mut found: FxHashMap<ItemIx, f32> = FxHashMap::default();
    for &seed in cart {
        for (item, weight) in snapshot.basket_ease.of(seed) {
            *found.entry(item).or_default() += weight;
        }
    }
    let mut top = TopK::new(count);
    for (&item, &score) in &found {
        if score > 0.0 && !cart.contains(&item) && snapshot.catalog.on_sale(item) {
            top.push(item, score);
        }
    }
    top.into_sorted().into_iter().map(|s| complement(snapshot, cart, s.ix, s.score)).collect()
}

/// The evidence for `item`: the cart item that it is counted with most strongly.
fn complement(snapshot: &Snapshot, cart: &[ItemIx], item: ItemIx, score: f32) -> Complement {
    let counted = |&seed: &ItemIx| {
        snapshot.co_purchase.pairs(seed).find(|p| p.item == item).map(|p| (p.score, seed, p.baskets))
    };
    let best = cart.iter().filter_map(counted).max_by(|a, b| a.0.total_cmp(&b.0));
    let (with, baskets) = best.map_or((cart[0], 0), |(_, seed, baskets)| (seed, baskets));
    Complement {
        item,
        score,
        with,
        baskets,
        association: snapshot.co_purchase.association(with, item, baskets),
    }
}

/// At most `count` pairs of a cart item and a companion that at least `min_baskets` baskets hold, by
/// co-purchase score, best first.
pub fn bundles(snapshot: &Snapshot, cart: &[ItemIx], min_baskets: u32, count: usize) -> Vec<Bundle> {
    let mut pairs: Vec<(f32, ItemIx, ItemIx, u32)> = Vec::new();
    for &seed in cart.iter().filter(|&&seed| snapshot.catalog.on_sale(seed)) {
        let strong = snapshot.co_purchase.pairs(seed).filter(|p| p.baskets >= min_baskets);
        let fresh = strong.filter(|p| !cart.contains(&p.item) && snapshot.catalog.on_sale(p.item));
        pairs.extend(fresh.take(count).map(|p| (p.score, seed, p.item, p.baskets)));
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    pairs.dedup_by_key(|p| (p.1, p.2));
    pairs.truncate(count);
    let price = |item| snapshot.catalog.price(item);
    let bundle = |(_, a, b, baskets)| Bundle {
        items: vec![a, b],
        baskets,
        association: snapshot.co_purchase.association(a, b, baskets),
        price: price(a).zip(price(b)).map(|(a, b)| a + b),
    };
    pairs.into_iter().map(bundle).collect()
}
