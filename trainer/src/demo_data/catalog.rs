//! The catalog of the demo shop: brands, items, and the items of each kind.
//!
//! Items are grouped by kind; within a kind the first is always on sale, and demand falls with the rank by a Zipf law.
//! The `sku` in the files is shuffled, so an id reveals nothing about popularity.

use super::assortment::{ShelfMaker, make_brands};
use super::dice::{Alias, Dice, Purpose, running_sums};
use super::kind_table::{COMPLEMENTS, DEPARTMENTS, KINDS};
use super::kinds::Kind;

/// An item that never fades.
pub(super) const NEVER: i32 = i32::MAX;
/// Days over which a fading item goes from full appeal to almost none.
const FADE_DAYS: f32 = 90.0;
/// Days for which a new item sells better.
const NEWS_DAYS: i32 = 45;

/// A made-up brand of one department.
pub struct Brand {
    /// Its name, unique in the shop.
    pub name: String,
    /// Its price band, 0 (cheap) to 3 (expensive).
    pub band: u8,
    /// The merchant that sells it, by number.
    pub merchant: u16,
}

/// A sellable item.
pub struct Item {
    /// Its title: brand, style, product, pack.
    pub title: String,
    /// The number in its id.
    pub sku: u32,
    /// Index into [`KINDS`].
    pub kind: u16,
    /// Index into [`Catalog::brands`].
    pub brand: u16,
    /// Latent style, below [`super::kinds::STYLES`].
    pub style: u8,
    /// Price band, 0 (cheap) to 3 (expensive).
    pub band: u8,
    /// Distribution over stores, 0 to 255; 255 means all stores carry it.
    pub reach: u8,
    /// List price in fen.
    pub price_fen: u32,
    /// Purchase cost in fen.
    pub cost_fen: u32,
    /// The day of its launch; negative before the window.
    pub launched: i32,
    /// The day from which it fades, or [`NEVER`].
    pub fades: i32,
}

impl Item {
    /// Appeal on a day, 0 (not yet launched) to 1 (new).
    pub fn appeal(&self, day: i32) -> f32 {
        if day < self.launched {
            return 0.0;
        }
        let news = if day - self.launched < NEWS_DAYS { 1.0 } else { 0.65 };
        if day <= self.fades {
            return news;
        }
        news * (1.0 - (day - self.fades) as f32 / FADE_DAYS).max(0.01)
    }

    /// Pieces in stock on a day: none of a discontinued item, else a number that depends on the id only.
    pub fn stock(&self, day: i32) -> u32 {
        if self.is_gone(day) { 0 } else { 3 + self.sku.wrapping_mul(2_654_435_761) % 600 }
    }

    /// True if it is discontinued by this day.
    pub fn is_gone(&self, day: i32) -> bool {
        self.fades != NEVER && (day - self.fades) as f32 >= FADE_DAYS
    }
}

/// The items of one kind.
pub struct Shelf {
    /// Index of its first item.
    pub first: u32,
    /// Number of items, at least one.
    pub len: u32,
    /// Draws the rank of an item by popularity.
    pub popular: Alias,
}

/// Everything that the shop sells.
pub struct Catalog {
    /// All brands, department by department.
    pub brands: Vec<Brand>,
    /// Start of each department's brands in `brands`; one more entry than departments.
    pub brand_starts: Vec<usize>,
    /// All items, kind by kind.
    pub items: Vec<Item>,
    /// The items of each kind.
    pub shelves: Vec<Shelf>,
    /// The complements of each kind: (kind, probability).
    pub complements: Vec<Vec<(usize, f32)>>,
}

impl Catalog {
    /// A catalog of `n_items` items (at least one a kind) for a window of `days` days.
    pub fn new(seed: u64, n_items: u32, days: u32) -> Self {
        let n_items = n_items.max(KINDS.len() as u32);
        let (brands, brand_starts) = make_brands(seed, n_items);
        let mut shelves = Vec::with_capacity(KINDS.len());
        let mut items = Vec::with_capacity(n_items as usize);
        for (number, len) in shelf_sizes(n_items).into_iter().enumerate() {
            let mut dice = Dice::new(seed, Purpose::Catalog, 1 + number as u64);
            let department = KINDS[number].department;
            let maker = ShelfMaker {
                kind: number,
                brands: &brands[brand_starts[department]..brand_starts[department + 1]],
                first_brand: brand_starts[department],
                days: days as i32,
            };
            let weights: Vec<f32> = (1..=len).map(|rank| 1.0 / (rank as f32 + 2.0).powf(1.1)).collect();
            shelves.push(Shelf { first: items.len() as u32, len, popular: Alias::new(&weights) });
            maker.fill(len, &mut dice, &mut items);
        }
        number_items(seed, &mut items);
        Self { brands, brand_starts, items, shelves, complements: complements_by_kind() }
    }
}

/// The number of items of each kind: by the square root of its sales, at least one, in total exactly `n_items`.
fn shelf_sizes(n_items: u32) -> Vec<u32> {
    let breadth = |k: &Kind| (k.weight * DEPARTMENTS[k.department].weight).sqrt();
    let sums = running_sums(KINDS.iter().map(breadth));
    let spare = f64::from(n_items) - KINDS.len() as f64;
    let upto = |kind: usize| (spare * f64::from(sums[kind] / sums[KINDS.len() - 1])).round() as u32;
    (0..KINDS.len()).map(|k| 1 + upto(k) - if k == 0 { 0 } else { upto(k - 1) }).collect()
}

/// Assigns the numbers 0..n to the items at random (Fisher-Yates).
fn number_items(seed: u64, items: &mut [Item]) {
    let mut dice = Dice::new(seed, Purpose::Catalog, u64::MAX);
    for i in 0..items.len() {
        items[i].sku = i as u32;
        let j = dice.below(i + 1);
        if i != j {
            let (left, right) = items.split_at_mut(i);
            std::mem::swap(&mut left[j].sku, &mut right[0].sku);
        }
    }
}

fn complements_by_kind() -> Vec<Vec<(usize, f32)>> {
    let find = |leaf| KINDS.iter().position(|k| k.leaf == leaf);
    let mut by_kind = vec![Vec::new(); KINDS.len()];
    for pair in COMPLEMENTS {
        if let (Some(of), Some(with)) = (find(pair.of), find(pair.with)) {
            by_kind[of].push((with, pair.probability));
        }
    }
    by_kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalog_has_the_given_number_of_items() {
        for n in [500, 948, 20_000] {
            let catalog = Catalog::new(7, n, 360);
            assert_eq!(catalog.items.len(), n as usize);
            assert!(catalog.shelves.iter().all(|s| s.len > 0));
        }
    }

    #[test]
    fn titles_brands_and_numbers_are_unique() {
        let catalog = Catalog::new(7, 20_000, 360);
        let mut titles: Vec<_> = catalog.items.iter().map(|i| (i.kind, &i.title)).collect();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), 20_000);
        let mut numbers: Vec<_> = catalog.items.iter().map(|i| i.sku).collect();
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..20_000));
        let mut names: Vec<_> = catalog.brands.iter().map(|b| &b.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), catalog.brands.len());
    }

    #[test]
    fn item_sells_from_launch_until_it_fades() {
        let mut catalog = Catalog::new(7, 500, 360);
        let item = &mut catalog.items[1];
        (item.launched, item.fades) = (100, 200);
        assert_eq!(item.appeal(99), 0.0);
        assert!(item.appeal(100) > item.appeal(160) && item.appeal(160) > item.appeal(250));
        assert!(item.appeal(400) < 0.02 && item.is_gone(400) && !item.is_gone(250));
    }

    #[test]
    fn prices_stay_in_the_range_of_their_kind() {
        for item in &Catalog::new(7, 5_000, 360).items {
            let (low, high) = KINDS[usize::from(item.kind)].price;
            let yuan = item.price_fen as f32 / 100.0;
            assert!(yuan >= low - 9.0 && yuan <= high + 9.0, "{} costs {yuan}", item.title);
            assert!(item.cost_fen < item.price_fen);
        }
    }
}
