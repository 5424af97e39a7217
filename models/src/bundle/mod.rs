//! Bundles (搭配购): complements of a cart, and whole sets that are bought together, with their evidence.
//!
//! | file | its answer |
//! |---|---|
//! | `complements` | items that go with the whole cart, predicted, each with its counted pair |
//! | `observed` | sets of two to five items that real baskets hold |
//! | `predicted` | sets that need not occur in any basket, grown from items of which every two share baskets |
//!
//! There is no fallback to best sellers: without evidence from baskets, the answer is empty.

mod complements;
mod observed;
mod predicted;

use std::ops::RangeInclusive;

pub use complements::{Complement, complements, personal_complements};
use qianmian_money::Money;

use crate::ids::ItemIx;
use crate::index::co_purchase::Association;
use crate::view::View;

/// A query for the sets that go with a cart.
#[derive(Debug, Clone)]
pub struct BundleQuery<'a> {
    /// Items in the cart, each once; every set holds at least one of them and at least one other item.
    pub cart: &'a [ItemIx],
    /// Allowed numbers of items in a set; counted sets have two to five.
    pub sizes: RangeInclusive<usize>,
    /// Fewest baskets that must hold a set (for a predicted set: every two of its items).
    pub min_baskets: u32,
    /// Add predicted sets if there are fewer than `count` observed ones.
    pub predict: bool,
    /// Items that no set may hold.
    pub exclude: &'a [ItemIx],
    /// Length of the answer.
    pub count: usize,
}

/// A set of items to sell together.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// The items; those of the cart are first.
    pub items: Vec<ItemIx>,
    /// Number of leading `items` that are in the cart; at least 1 and never all.
    pub in_cart: usize,
    /// The evidence for the set.
    pub evidence: Evidence,
    /// Baskets that hold the set, or the pair of a predicted set.
    pub baskets: u32,
    /// Association of the cart's part with the rest; for a predicted set, of its counted pair.
    pub association: Association,
    /// Its price, and the number that can be sold.
    pub offer: Offer,
}

/// The evidence for a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Baskets that hold the whole set were counted.
    Observed,
    /// The whole set is predicted; every two of its items share baskets, and the pair with the fewest is counted.
    Predicted {
        /// That pair.
        pair: (ItemIx, ItemIx),
    },
}

/// A set as an item to sell; each figure is `None` unless it is known for all items.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Offer {
    /// Sum of the prices.
    pub price: Option<Money>,
    /// Price minus the sum of the costs; below 0 if the set sells at a loss.
    pub margin: Option<Money>,
    /// Number of sets that the scarcest item's stock allows.
    pub stock: Option<u32>,
}

/// At most `query.count` sets, each once, observed ones before predicted ones, best first within each kind. None holds
/// an item that is off sale.
pub fn bundles(view: View<'_>, query: &BundleQuery<'_>) -> Vec<Bundle> {
    let mut bundles = observed::observed(view, query);
    if query.predict && bundles.len() < query.count {
        bundles.extend(predicted::predicted(view, query, query.count - bundles.len()));
    }
    bundles
}

impl Bundle {
    /// The items that are not of the cart.
    pub fn added(&self) -> &[ItemIx] {
        &self.items[self.in_cart..]
    }
}

impl BundleQuery<'_> {
    /// True if `item` can be part of a set.
    fn may_hold(&self, view: View<'_>, item: ItemIx) -> bool {
        view.on_sale(item) && !self.exclude.contains(&item)
    }
}

impl Offer {
    fn of(view: View<'_>, items: &[ItemIx]) -> Self {
        let price = Money::total(items.iter().map(|&item| view.price(item)));
        let cost = Money::total(items.iter().map(|&item| view.snapshot.catalog.cost(item)));
        let stock: Option<Vec<u32>> = items.iter().map(|&item| view.stock(item)).collect();
        Self {
            price,
            margin: price.zip(cost).and_then(|(price, cost)| price.checked_sub(cost)),
            stock: stock.and_then(|pieces| pieces.into_iter().min()),
        }
    }
}
