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
    /// Sum of the cart items' co-purchase scores; comparable within one answer.
    pub score: f32,
    /// The cart item it goes with best.
    pub with: ItemIx,
    /// Baskets that hold both.
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

/// At most `count` complements of `cart`, best first, none of the cart and none off sale.
pub fn complements(snapshot: &Snapshot, cart: &[ItemIx], count: usize) -> Vec<Complement> {
    let mut found: FxHashMap<ItemIx, (f32, f32, ItemIx, u32)> = FxHashMap::default();
    for &seed in cart {
        for pair in snapshot.co_purchase.pairs(seed) {
            let (sum, strongest, with, baskets) = found.entry(pair.item).or_default();
            *sum += pair.score;
            if pair.score > *strongest {
                (*strongest, *with, *baskets) = (pair.score, seed, pair.baskets);
            }
        }
    }
    let mut top = TopK::new(count);
    for (&item, &(sum, ..)) in &found {
        if !cart.contains(&item) && snapshot.catalog.on_sale(item) {
            top.push(item, sum);
        }
    }
    let complement = |item: ItemIx, score: f32| {
        let (_, _, with, baskets) = found[&item];
        Complement {
            item,
            score,
            with,
            baskets,
            association: snapshot.co_purchase.association(with, item, baskets),
        }
    };
    top.into_sorted().into_iter().map(|s| complement(s.ix, s.score)).collect()
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
