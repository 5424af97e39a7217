//! Generates brands and items from word lists.

use rustc_hash::FxHashSet;

use super::catalog::{Brand, Item, NEVER};
use super::dice::{Dice, Purpose, running_sums};
use super::kind_table::{DEPARTMENTS, KINDS};
use super::kinds::{Kind, STYLES};

/// First and second characters of the made-up brand names.
const BRAND_FIRST: &str = "沐青安云初小暖竹山禾悦朴蓝雅知松星木白田晴柚简南";
const BRAND_SECOND: &str = "朵里禾柚野物本研语舍谷源町集屿然作诗家林果道季川";

/// All brands, and the start of each department's brands; one more start than departments.
pub fn make_brands(seed: u64, n_items: u32) -> (Vec<Brand>, Vec<usize>) {
    let mut dice = Dice::new(seed, Purpose::Catalog, 0);
    let firsts: Vec<char> = BRAND_FIRST.chars().collect();
    let seconds: Vec<char> = BRAND_SECOND.chars().collect();
    let per_department = (n_items as usize / 120).clamp(8, firsts.len() * seconds.len() / DEPARTMENTS.len());
    let mut brands = Vec::new();
    let mut starts = vec![0];
    for _ in 0..DEPARTMENTS.len() {
        for _ in 0..per_department {
            let n = brands.len();
            // A diagonal visits every pair of characters once.
            let (a, b) = (n % firsts.len(), (n + n / firsts.len()) % seconds.len());
            brands.push(Brand {
                name: [firsts[a], seconds[b]].iter().collect(),
                band: dice.cumulative(&[0.3, 0.65, 0.88, 1.0]) as u8,
                merchant: (n * 3 / 5) as u16,
            });
        }
        starts.push(brands.len());
    }
    (brands, starts)
}

/// Gives the items of one kind their attributes.
pub struct ShelfMaker<'a> {
    /// Index into [`KINDS`].
    pub kind: usize,
    /// The brands of the kind's department.
    pub brands: &'a [Brand],
    /// Index of the first of them.
    pub first_brand: usize,
    /// Days of the window.
    pub days: i32,
}

impl ShelfMaker<'_> {
    /// Appends the shelf's `len` items; the first is always on sale, everywhere.
    pub fn fill(&self, len: u32, dice: &mut Dice, items: &mut Vec<Item>) {
        let mut titles = FxHashSet::default();
        // A brand's weight falls with its rank in the department.
        let brand_sums = running_sums((0..self.brands.len()).map(|b| 1.0 / (b as f32 + 2.0)));
        for place in 0..len {
            let mut item = self.item(dice, &brand_sums);
            for _ in 0..12 {
                if !titles.contains(&item.title) {
                    break;
                }
                item = self.item(dice, &brand_sums);
            }
            // A large catalog exhausts the words; later editions carry a number.
            let plain = item.title.clone();
            let mut edition = 2;
            while !titles.insert(item.title.clone()) {
                item.title = format!("{plain} 第{edition}代");
                edition += 1;
            }
            if place == 0 {
                (item.launched, item.fades, item.reach) = (-400, NEVER, u8::MAX);
            }
            items.push(item);
        }
    }

    fn item(&self, dice: &mut Dice, brand_sums: &[f32]) -> Item {
        let kind = &KINDS[self.kind];
        let brand = dice.cumulative(brand_sums);
        let maker = &self.brands[brand];
        let style = dice.cumulative(&[0.22, 0.40, 0.56, 0.71, 0.86, 1.0]).min(STYLES - 1);
        let band = if dice.chance(0.8) { maker.band } else { dice.below(4) as u8 };
        let price_fen = price(kind, band, dice);
        let (launched, fades) = self.lifetime(dice);
        let word = one_of(kind.words, dice);
        let spec = one_of(kind.specs, dice);
        Item {
            title: format!("{} {}{word} {spec}", maker.name, DEPARTMENTS[kind.department].styles[style]),
            sku: 0,
            kind: self.kind as u16,
            brand: (self.first_brand + brand) as u16,
            style: style as u8,
            band,
            reach: (dice.unit() * 256.0) as u8,
            price_fen,
            cost_fen: (price_fen as f32 * dice.between(0.45, 0.75)) as u32,
            launched,
            fades,
        }
    }

    /// The first day and the day from which the item fades: 3 in 10 are launched inside the window, and 3 in 10 fade
    /// some time after their first months.
    fn lifetime(&self, dice: &mut Dice) -> (i32, i32) {
        let launched = if dice.chance(0.3) {
            dice.below(self.days as usize) as i32
        } else {
            -1 - dice.below(900) as i32
        };
        let fades = if dice.chance(0.3) {
            launched.max(-60) + 60 + dice.below(self.days as usize) as i32
        } else {
            NEVER
        };
        (launched, fades)
    }
}

fn one_of<'a>(words: &'a str, dice: &mut Dice) -> &'a str {
    let n = words.split(' ').count();
    words.split(' ').nth(dice.below(n)).unwrap_or(words)
}

/// A price in fen within the kind's range, a quarter of it (in logarithms) for each band, with the usual endings:
/// 12.90, 128.00, 1299.00.
fn price(kind: &Kind, band: u8, dice: &mut Dice) -> u32 {
    let (low, high) = kind.price;
    let yuan = low * (high / low).powf((f32::from(band) + dice.unit()) / 4.0);
    match yuan {
        y if y < 100.0 => y as u32 * 100 + 90,
        y if y < 500.0 => y as u32 * 100,
        y => (y as u32 / 10 * 10 + 9) * 100,
    }
}
