//! What items have in common by their attributes: category, department and brand as small codes, and the
//! price; and what sells best of each. Derived when a snapshot is opened, in one pass over the catalogue.

use rustc_hash::FxHashMap;

use crate::ids::ItemIx;
use crate::index::catalog::{Catalog, Text};
use crate::index::popularity::Popularity;
use crate::topk::TopK;

/// The kinds of traits: the whole category path, its first part, the brand.
pub const KINDS: usize = 3;
/// Separates the parts of a category path.
const SEPARATOR: char = '/';

/// How many of the best sellers of a category or brand are known.
const BEST: usize = 50;
/// How many categories and brands of a person speak for them.
const TASTES: usize = 10;

/// The traits of every item. A code means the same kind and value wherever it stands.
#[derive(Debug, Clone, Default)]
pub struct Traits {
    codes: Vec<[Option<u32>; KINDS]>,
    /// Natural logarithm of the price; NaN where unknown or not above zero.
    log_prices: Vec<f32>,
    any: bool,
    /// Of each code: the items that sell best, best first.
    best: Vec<Vec<ItemIx>>,
}

/// How a person's purchases spread over traits.
#[derive(Debug, Clone, Default)]
pub struct Taste {
    weights: FxHashMap<u32, f32>,
    total: f32,
    log_price: f32,
    price_weight: f32,
}

impl Traits {
    /// From the attributes of the first `n_items` items, and from how they sell.
    pub fn new(catalog: &Catalog, n_items: usize, popularity: &Popularity) -> Self {
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
        let log_price =
            |item: usize| catalog.price(item as u32).filter(|price| *price > 0.0).map_or(f32::NAN, f32::ln);
        let log_prices: Vec<f32> = (0..n_items).map(log_price).collect();
        let any = !known.is_empty() || log_prices.iter().any(|price| price.is_finite());
        let mut best = vec![Vec::new(); known.len()];
        for &item in popularity.ranked().iter().filter(|&&item| popularity.baskets(item) > 0) {
            for code in codes[item as usize].into_iter().flatten() {
                let best: &mut Vec<ItemIx> = &mut best[code as usize];
                if best.len() < BEST {
                    best.push(item);
                }
            }
        }
        Self { codes, log_prices, any, best }
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

    /// By kind of trait, the share of the purchases that have `item`'s; `0..=1`, NaN where either is unknown.
    pub fn shares(&self, taste: &Taste, item: ItemIx) -> [f32; KINDS] {
        let share = |code: u32| taste.weights.get(&code).copied().unwrap_or(0.0) / taste.total;
        self.codes[item as usize].map(|code| code.map_or(f32::NAN, share))
    }

    /// Whether categories or brands are known.
    pub fn is_sorted(&self) -> bool {
        !self.best.is_empty()
    }

    /// What sells best of the categories and brands that are bought most.
    pub fn best(&self, taste: &Taste) -> impl Iterator<Item = ItemIx> {
        let mut top = TopK::new(TASTES);
        taste.weights.iter().for_each(|(&code, &weight)| top.push(code, weight));
        top.into_sorted().into_iter().flat_map(|code| self.best[code.ix as usize].iter().copied())
    }

    /// The mean of the [shares](Self::shares); one that is unknown counts as 0.
    pub fn affinity(&self, taste: &Taste, item: ItemIx) -> f32 {
        self.shares(taste, item).into_iter().filter(|share| share.is_finite()).sum::<f32>() / KINDS as f32
    }

    /// How much dearer `item` is than what is usually bought: the logarithm of the ratio of prices, NaN where
    /// one is unknown.
    pub fn dearness(&self, taste: &Taste, item: ItemIx) -> f32 {
        self.log_prices[item as usize] - taste.log_price / taste.price_weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::catalog::Attributes;

    fn item(category: &str, brand: &str, price: Option<f32>) -> Attributes {
        let mut item = Attributes { price, ..Attributes::default() };
        *item.text_mut(Text::Category) = category.to_owned();
        *item.text_mut(Text::Brand) = brand.to_owned();
        item
    }

    fn sold(baskets: &[u32]) -> Popularity {
        let none = || vec![0; baskets.len()];
        let score = baskets.iter().map(|&n| n as f32).collect();
        Popularity::new(score, [none(), none(), none()], baskets.to_vec())
    }

    #[test]
    fn what_sells_best_of_a_taste_is_there_by_how_much_it_is_bought() {
        let items = [
            item("食品/米", "a", None),
            item("食品/面", "b", None),
            item("食品/面", "c", None),
            item("家电", "d", None),
            item("食品/面", "c", None),
        ];
        let traits = Traits::new(&Catalog::new(&items), 5, &sold(&[2, 5, 9, 7, 0]));
        let taste = traits.taste([(0, 1.0), (1, 2.0)].into_iter());
        let best: Vec<ItemIx> = traits.best(&taste).collect();
        assert_eq!(best[..3], [2, 1, 0], "the department first, by sales; what never sold is not there");
        assert!(!best.contains(&3) && !best.contains(&4), "{best:?}");
        let affinity = |item| traits.affinity(&taste, item);
        assert!(affinity(2) > 0.5 && affinity(1) > affinity(2) && affinity(3) == 0.0);
    }

    #[test]
    fn taste_is_the_share_of_purchases_by_trait() {
        let items =
            [item("食品/米", "a", Some(10.0)), item("食品/面", "", Some(20.0)), item("", "食品", None)];
        let traits = Traits::new(&Catalog::new(&items), 3, &sold(&[2, 5, 1]));
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
        let blank = Traits::new(&Catalog::new(&[Attributes::default()]), 1, &sold(&[1]));
        assert!(blank.shares(&blank.taste([(0, 1.0)].into_iter()), 0).iter().all(|s| s.is_nan()));
        assert!(!blank.is_sorted());
        let traits = Traits::new(&Catalog::new(&[item("a", "b", None)]), 1, &sold(&[1]));
        assert!(traits.shares(&traits.taste(std::iter::empty()), 0).iter().all(|s| s.is_nan()));
    }
}
