//! Bundles (搭配购): what completes a cart, and whole sets that are bought together, with their evidence.
//!
//! | file | what it answers |
//! |---|---|
//! | `complements` | items that go with the whole cart, predicted, each with the pair that is counted for it |
//! | `observed` | sets of two to five items that real baskets hold |
//! | `predicted` | sets that no basket need hold, grown where every two items share baskets |
//!
//! Nothing falls back to what sells well: where baskets say nothing, the answer is empty.

mod complements;
mod observed;
mod predicted;

use std::ops::RangeInclusive;

pub use complements::{Complement, complements, personal_complements};
use qianmian_money::Money;

use crate::ids::ItemIx;
use crate::index::co_purchase::Association;
use crate::view::View;

/// Which sets go with this cart?
#[derive(Debug, Clone)]
pub struct BundleQuery<'a> {
    /// Items in the cart, each once; every set holds one of them, and one that is none of them.
    pub cart: &'a [ItemIx],
    /// Items of a set; what is beyond two to five there is not.
    pub sizes: RangeInclusive<usize>,
    /// Fewest baskets that must hold a set (of a predicted one: every two of its items).
    pub min_baskets: u32,
    /// Fill up with predicted sets where there are fewer observed ones than `count`.
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
    /// How many of `items` are of the cart, from the first on; at least 1 and never all.
    pub in_cart: usize,
    /// What stands behind the set.
    pub evidence: Evidence,
    /// Baskets that hold what `evidence` counts.
    pub baskets: u32,
    /// Association of the cart's part with the rest; of a predicted set, of its counted pair.
    pub association: Association,
    /// What it costs and whether it can be sold.
    pub offer: Offer,
}

/// What stands behind a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Baskets that hold the whole set; they are counted.
    Observed,
    /// A prediction for the whole, and baskets for every two of its items; counted is the pair that fewest hold.
    Predicted {
        /// That pair.
        pair: (ItemIx, ItemIx),
    },
}

/// A set as items; each figure is there where it is known of all items.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Offer {
    /// Sum of the prices.
    pub price: Option<Money>,
    /// Price less the sum of the costs; below 0 where the set sells at a loss.
    pub margin: Option<Money>,
    /// How many such sets the stock of the scarcest item makes.
    pub stock: Option<u32>,
}

/// At most `query.count` sets, best first and observed ones before predicted ones, each once. None holds an
/// item that is off sale.
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
