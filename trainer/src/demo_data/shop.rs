//! The demo shop: calendar, catalog, places and daily demand.

use chrono::NaiveDate;

use super::calendar::Calendar;
use super::catalog::Catalog;
use super::dice::{Dice, running_sums};
use super::kind_table::{DEPARTMENTS, KINDS};
use super::places::Places;
use super::shopper::Shopper;

/// Items of a kind that are drawn for a user to choose from.
const MET: usize = 7;

/// Everything that all users share. Its size depends on items and days, not on users.
pub struct Shop {
    /// The seed of all random choices.
    pub seed: u64,
    /// Number of users.
    pub users: u32,
    /// The days of the window.
    pub calendar: Calendar,
    /// Brands and items.
    pub catalog: Catalog,
    /// Stores and rooms.
    pub places: Places,
    /// Start of each department's kinds in [`KINDS`].
    kind_starts: [usize; DEPARTMENTS.len() + 1],
    /// Running sums of demand within each department, by day and kind.
    demand: Vec<f32>,
}

impl Shop {
    /// Builds the shop of these sizes and seed.
    pub fn new(seed: u64, users: u32, items: u32, days: u32, until: NaiveDate) -> Self {
        let calendar = Calendar::new(until, days);
        let kind_starts = std::array::from_fn(|d| KINDS.partition_point(|k| k.department < d));
        let mut demand = Vec::with_capacity(calendar.days() * KINDS.len());
        for day in 0..calendar.days() {
            for department in 0..DEPARTMENTS.len() {
                let kinds = &KINDS[kind_starts[department]..kind_starts[department + 1]];
                demand.extend(running_sums(kinds.iter().map(|k| k.weight * calendar.demand(k.season, day))));
            }
        }
        Self {
            seed,
            users,
            calendar,
            catalog: Catalog::new(seed, items, days),
            places: Places::new(seed, users),
            kind_starts,
            demand,
        }
    }

    /// A kind of a department that this user may buy on a day; `None` if they buy none of those drawn.
    pub fn some_kind(&self, who: &Shopper, department: usize, day: usize, dice: &mut Dice) -> Option<usize> {
        let (first, end) = (self.kind_starts[department], self.kind_starts[department + 1]);
        let sums = &self.demand[day * KINDS.len() + first..day * KINDS.len() + end];
        for _ in 0..8 {
            let kind = first + dice.cumulative(sums);
            if dice.chance(who.cares_for(kind)) {
                return Some(kind);
            }
        }
        None
    }

    /// An item of a kind that this user would buy on a day: a few are drawn by popularity, one of them is chosen by
    /// taste. Items that no store of this `least_reach` carries are skipped; `None` if none is left.
    pub fn some_item(
        &self,
        who: &Shopper,
        kind: usize,
        day: usize,
        least_reach: u8,
        dice: &mut Dice,
    ) -> Option<u32> {
        let shelf = &self.catalog.shelves[kind];
        let mut met = [0u32; MET];
        let mut sums = [0.0f32; MET];
        let (mut n, mut sum) = (0, 0.0);
        for _ in 0..4 * MET {
            let number = shelf.first + shelf.popular.draw(dice) as u32;
            let item = &self.catalog.items[number as usize];
            if item.reach < least_reach || !dice.chance(item.appeal(day as i32)) {
                continue;
            }
            sum += who.taste_for(item);
            (met[n], sums[n]) = (number, sum);
            n += 1;
            if n == MET {
                break;
            }
        }
        (n > 0).then(|| met[dice.cumulative(&sums[..n])])
    }

    /// The item of kind `with` that complements an item: the one of the same rank in its kind, so that specific pairs
    /// of items are sold together, not only pairs of kinds.
    pub fn partner(&self, item: u32, with: usize) -> u32 {
        let of = &self.catalog.shelves[usize::from(self.catalog.items[item as usize].kind)];
        let to = &self.catalog.shelves[with];
        let place = u64::from(item - of.first) * u64::from(to.len) / u64::from(of.len);
        to.first + place as u32
    }

    /// True if an item is sold on a day in stores of this `least_reach` (0 online).
    pub fn sells(&self, item: u32, day: usize, least_reach: u8) -> bool {
        let item = &self.catalog.items[item as usize];
        item.reach >= least_reach && item.appeal(day as i32) > 0.1
    }
}
