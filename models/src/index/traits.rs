//! Item traits from attributes: category, department and brand as small codes, and the price. Derived when a snapshot
//! is opened, in one pass over the catalog.

use qianmian_money::Money;
use rustc_hash::FxHashMap;

use crate::ids::ItemIx;
use crate::index::catalog::{Catalog, Text};

/// The kinds of traits: the whole category path, its first part, the brand.
pub const KINDS: usize = 3;
/// Separates the parts of a category path.
const SEPARATOR: char = '/';

/// The traits of every item. Equal codes mean the same kind and value.
#[derive(Debug, Clone, Default)]
pub struct Traits {
    codes: Vec<[Option<u32>; KINDS]>,
    /// Natural logarithm of the price; NaN if unknown or not above zero.
    log_prices: Vec<f32>,
    any: bool,
}

/// The distribution of a person's purchases over traits.
#[derive(Debug, Clone, Default)]
pub struct Taste {
    weights: FxHashMap<u32, f32>,
    total: f32,
    log_price: f32,
    price_weight: f32,
}

impl Traits {
    /// From the attributes of the first `n_items` items.
    pub fn new(catalog: &Catalog, n_items: usize) -> Self {
        let mut known: FxHashMap<(usize, &str), u32> = FxHashMap::default();
        let mut of = |item: usize| {
            let category = catalog.text(item as u32, Text::Category);
            let department = category.and_then(|path| path.split(SEPARATOR).next());
            let values = [category, department, catalog.text(item as u32, Text::Brand)];
            std::array::from_fn(|kind| {
                let next = known.len() as u32;
                values[kind].map(|value| *known.entry((kind, value)).or_insert(next))
            })
        };
        let codes: Vec<[Option<u32>; KINDS]> = (0..n_items).map(&mut of).collect();
        let log_price = |item: usize| {
            catalog
                .price(item as u32)
                .filter(|price| *price > Money::ZERO)
                .map_or(f32::NAN, |price| (catalog.currency().units(price) as f32).ln())
        };
        let log_prices: Vec<f32> = (0..n_items).map(log_price).collect();
        let any = !known.is_empty() || log_prices.iter().any(|price| price.is_finite());
        Self { codes, log_prices, any }
    }

    /// The taste behind purchases, `(item, weight)` each.
    pub fn taste(&self, purchases: impl Iterator<Item = (ItemIx, f32)>) -> Taste {
        let mut taste = Taste::default();
        if !self.any {
            return taste;
        }
        for (item, weight) in purchases {
            for code in self.codes[item as usize].into_iter().flatten() {
                *taste.weights.entry(code).or_default() += weight;
            }
            taste.total += weight;
            let log_price = self.log_prices[item as usize];
            if log_price.is_finite() {
                taste.log_price += weight * log_price;
                taste.price_weight += weight;
            }
        }
        taste
    }

    /// By kind of trait, the share of the purchases that have `item`'s; `0..=1`, NaN if either is unknown.
    pub fn shares(&self, taste: &Taste, item: ItemIx) -> [f32; KINDS] {
        let share = |code: u32| taste.weights.get(&code).copied().unwrap_or(0.0) / taste.total;
        self.codes[item as usize].map(|code| code.map_or(f32::NAN, share))
    }

    /// The logarithm of the ratio of `item`'s price to the person's mean price (geometric); NaN if either is unknown.
    pub fn dearness(&self, taste: &Taste, item: ItemIx) -> f32 {
        self.log_prices[item as usize] - taste.log_price / taste.price_weight
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::index::catalog::Attributes;
    use qianmian_money::Currency;

    fn item(category: &str, brand: &str, price: Option<Money>) -> Attributes {
        let mut item = Attributes { price, ..Attributes::default() };
        *item.text_mut(Text::Category) = category.to_owned();
        *item.text_mut(Text::Brand) = brand.to_owned();
        item
    }

    #[test]
    fn taste_is_the_share_of_purchases_by_trait() {
        let items = [
            item("食品/米", "a", Money::new(1_000)),
            item("食品/面", "", Money::new(2_000)),
            item("", "食品", None),
        ];
        let traits = Traits::new(&Catalog::new(&items, Currency::default()).unwrap(), 3);
        let taste = traits.taste([(0, 3.0), (1, 1.0)].into_iter());
        assert_eq!(traits.shares(&taste, 0), [0.75, 1.0, 0.75]);
        assert_eq!(traits.shares(&taste, 1)[..2], [0.25, 1.0]);
        let other = traits.shares(&taste, 2);
        assert!(other[0].is_nan() && other[2] == 0.0, "a brand is no department: {other:?}");
        let usual = 0.75 * 10f32.ln() + 0.25 * 20f32.ln();
        assert!((traits.dearness(&taste, 1) - (20f32.ln() - usual)).abs() < 1e-6);
        assert!(traits.dearness(&taste, 2).is_nan());
    }

    #[test]
    fn without_a_catalogue_or_purchases_nothing_is_known() {
        let blank = Traits::new(&Catalog::new(&[Attributes::default()], Currency::default()).unwrap(), 1);
        assert!(blank.shares(&blank.taste([(0, 1.0)].into_iter()), 0).iter().all(|s| s.is_nan()));
        let traits = Traits::new(&Catalog::new(&[item("a", "b", None)], Currency::default()).unwrap(), 1);
        assert!(traits.shares(&traits.taste(std::iter::empty()), 0).iter().all(|s| s.is_nan()));
    }
}
