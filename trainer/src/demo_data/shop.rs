//! The demo shop as a whole: calendar, catalogue and places, and what is wanted when.

use chrono::NaiveDate;

use super::calendar::Calendar;
use super::catalogue::Catalogue;
use super::dice::{Dice, running_sums};
use super::kind_table::{DEPARTMENTS, KINDS};
use super::places::Places;
use super::shopper::Shopper;

/// How many items of a kind somebody looks at before taking one.
const MET: usize = 7;

/// Everything that all users share. Its size depends on items and days, not on users.
pub struct Shop {
    /// The seed that made it.
    pub seed: u64,
    /// How many users it has.
    pub users: u32,
    /// The days of the window.
    pub calendar: Calendar,
    /// The goods.
    pub catalogue: Catalogue,
    /// Stores and rooms.
    pub places: Places,
    /// Where each department's kinds begin in [`KINDS`].
    kind_starts: [usize; DEPARTMENTS.len() + 1],
    /// For each day, for each kind, running sums of demand within its department.
    demand: Vec<f32>,
}

impl Shop {
    /// Builds the shop that these numbers name.
    pub fn new(seed: u64, users: u32, items: u32, days: u32, until: NaiveDate) -> Self {
        let calendar = Calendar::new(until, days);
        let kind_starts = std::array::from_fn(|d| KINDS.partition_point(|k| k.department < d));
        let mut demand = Vec::with_capacity(calendar.days() * KINDS.len());
        for day in 0..calendar.days() {
            for department in 0..DEPARTMENTS.len() {
                let kinds = &KINDS[kind_starts[department]..kind_starts[department + 1]];
                demand.extend(running_sums(kinds.iter().map(|k| k.weight * calendar.wanted(k.season, day))));
            }
        }
        Self {
            seed,
            users,
            calendar,
            catalogue: Catalogue::new(seed, items, days),
            places: Places::new(seed, users),
            kind_starts,
            demand,
        }
    }

    /// A kind of a department that this person may want on a day; none when the person cares for
    /// nothing that was offered.
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

    /// An item of a kind that this person would take on a day: a few are met by popularity, and
    /// one of them is taken by liking. Items that no store of this `least_reach` carries are
    /// passed over; none when nothing fits.
    pub fn some_item(
        &self,
        who: &Shopper,
        kind: usize,
        day: usize,
        least_reach: u8,
        dice: &mut Dice,
    ) -> Option<u32> {
        let shelf = &self.catalogue.shelves[kind];
        let mut met = [0u32; MET];
        let mut sums = [0.0f32; MET];
        let (mut n, mut sum) = (0, 0.0);
        for _ in 0..4 * MET {
            let number = shelf.first + shelf.popular.draw(dice) as u32;
            let item = &self.catalogue.items[number as usize];
            if item.reach < least_reach || !dice.chance(item.appeal(day as i32)) {
                continue;
            }
            sum += who.likes(item);
            (met[n], sums[n]) = (number, sum);
            n += 1;
            if n == MET {
                break;
            }
        }
        (n > 0).then(|| met[dice.cumulative(&sums[..n])])
    }

    /// The item of kind `with` that is made to go with an item: the one of the same rank among
    /// its kind, so that single pairs of items are sold together and not just pairs of kinds.
    pub fn partner(&self, item: u32, with: usize) -> u32 {
        let of = &self.catalogue.shelves[usize::from(self.catalogue.items[item as usize].kind)];
        let to = &self.catalogue.shelves[with];
        let place = u64::from(item - of.first) * u64::from(to.len) / u64::from(of.len);
        to.first + place as u32
    }

    /// Whether an item is sold on a day in stores of this `least_reach` (0 online).
    pub fn sells(&self, item: u32, day: usize, least_reach: u8) -> bool {
        let item = &self.catalogue.items[item as usize];
        item.reach >= least_reach && item.appeal(day as i32) > 0.1
    }
}
