//! Sets that real baskets hold.

use super::{Bundle, BundleQuery, Evidence, Offer};
use crate::ids::ItemIx;
use crate::view::View;

/// At most `query.count` sets with an item of the cart and one other item, by their evidence.
pub(super) fn observed(view: View<'_>, query: &BundleQuery<'_>) -> Vec<Bundle> {
    let sets = &view.snapshot.bundles;
    let fits = |row: &u32| {
        let items = sets.items(*row);
        query.sizes.contains(&items.len())
            && sets.baskets(*row) >= query.min_baskets
            && items.iter().any(|item| !query.cart.contains(item))
            && items.iter().all(|&item| query.may_hold(view, item))
    };
    let mut rows: Vec<u32> = Vec::new();
    for &item in query.cart {
        rows.extend(sets.rows_of(item).iter().filter(|row| fits(row)).take(query.count));
    }
    rows.sort_unstable_by(|&a, &b| sets.score(b).total_cmp(&sets.score(a)).then(a.cmp(&b)));
    rows.dedup();
    rows.truncate(query.count);
    rows.into_iter().filter_map(|row| bundle(view, query.cart, row)).collect()
}

/// A set with its figures; `None` if counts of its parts are missing, which no trainer writes.
fn bundle(view: View<'_>, cart: &[ItemIx], row: u32) -> Option<Bundle> {
    let set = view.snapshot.bundles.items(row);
    let (given, rest): (Vec<ItemIx>, Vec<ItemIx>) = set.iter().partition(|item| cart.contains(item));
    let baskets = view.snapshot.bundles.baskets(row);
    let (if_held, then_held) = (held(view, &given)?, held(view, &rest)?);
    let association = view.snapshot.co_purchase.association_of(if_held, then_held, baskets);
    let in_cart = given.len();
    let items = [given, rest].concat();
    let offer = Offer::of(view, &items);
    Some(Bundle { items, in_cart, evidence: Evidence::Observed, baskets, association, offer })
}

/// Baskets that hold all of `items` (rising).
fn held(view: View<'_>, items: &[ItemIx]) -> Option<u32> {
    match items {
        [item] => Some(view.snapshot.co_purchase.baskets(*item)),
        _ => view.snapshot.bundles.row(items).map(|row| view.snapshot.bundles.baskets(row)),
    }
}
