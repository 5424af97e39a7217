//! A user of the demo shop: circumstances and tastes.
//!
//! A [`Shopper`] is drawn from the user's own dice and never stored: the same number gives the same user again. A
//! recommender should find the latent tastes.

use super::catalog::Item;
use super::dice::Dice;
use super::kind_table::{DEPARTMENTS, KINDS};
use super::kinds::Buyer;
use super::places::{CHANNELS, CITIES};
use super::shop::Shop;

/// The identities of a user in other systems.
#[derive(Clone, Copy, Debug)]
pub struct KnownBy {
    /// A WeChat id.
    pub wechat: bool,
    /// A phone number.
    pub phone: bool,
    /// A member card.
    pub card: bool,
}

/// A user, with circumstances and tastes.
pub struct Shopper {
    /// Number of the user, from 0.
    pub number: u32,
    /// True if they are a woman.
    pub female: bool,
    /// Days from birth to the first day of the window.
    pub age_days: i32,
    /// Index into [`CITIES`].
    pub city: usize,
    /// Degrees north.
    pub lat: f32,
    /// Degrees east.
    pub lon: f32,
    /// The store that is nearest.
    pub store: u16,
    /// There is a baby in the household.
    pub baby: bool,
    /// They keep a cat.
    pub cat: bool,
    /// They keep a dog.
    pub dog: bool,
    /// Day of registration; may lie before the window.
    pub registered: i32,
    /// The first day on which the user no longer buys.
    pub leaves: i32,
    /// Activity; 1 is the median.
    pub activity: f32,
    /// Probability of buying the item bought last again.
    pub loyalty: f32,
    /// The identities in other systems.
    pub known_by: KnownBy,
    /// They agreed to personalization.
    pub allows_personalization: bool,
    /// They agreed to be contacted.
    pub allows_contact: bool,
    departments: [f32; DEPARTMENTS.len()],
    channels: [f32; CHANNELS.len()],
    favourite_brands: [u16; DEPARTMENTS.len()],
    rooms: [u16; 2],
    styles: [u8; 2],
    band: u8,
    salt: u64,
}

impl Shopper {
    /// Draws user `number`; the dice must be new and of that number.
    pub fn draw(shop: &Shop, number: u32, dice: &mut Dice) -> Self {
        let female = dice.chance(0.58);
        let age_years = (19.0 + 14.0 * dice.log_normal(1.0, 0.5)).min(78.0);
        let (baby, cat, dog) = (age_years < 45.0 && dice.chance(0.18), dice.chance(0.13), dice.chance(0.08));
        let city = shop.places.some_city(dice);
        let lat = CITIES[city].lat + 0.06 * dice.normal();
        let lon = CITIES[city].lon + 0.07 * dice.normal();
        let days = shop.calendar.days() as i32;
        let registered =
            if dice.chance(0.65) { -1 - dice.below(1_200) as i32 } else { dice.below(days as usize) as i32 };
        let leaves = if dice.chance(0.25) {
            registered.max(0) + 1 + dice.waiting(180.0).min(36_500.0) as i32
        } else {
            i32::MAX
        };
        let departments = tastes(baby, cat || dog, dice);
        Self {
            number,
            female,
            age_days: (age_years * 365.25) as i32,
            city,
            lat,
            lon,
            store: shop.places.nearest_store(city, lat, lon),
            baby,
            cat,
            dog,
            registered,
            leaves,
            activity: dice.log_normal(1.0, 0.8).min(12.0) * if baby { 1.7 } else { 1.0 },
            loyalty: dice.between(0.2, 0.65),
            known_by: KnownBy {
                wechat: dice.chance(0.72),
                phone: dice.chance(0.86),
                card: dice.chance(0.38),
            },
            allows_personalization: dice.chance(0.96),
            allows_contact: dice.chance(0.7),
            departments,
            channels: channels(age_years, dice),
            favourite_brands: std::array::from_fn(|department| favourite_brand(shop, department, dice)),
            rooms: std::array::from_fn(|_| favourite_room(shop, draw_department(&departments, dice), dice)),
            styles: std::array::from_fn(|_| dice.cumulative(&[0.22, 0.40, 0.56, 0.71, 0.86, 1.0]) as u8),
            band: dice.cumulative(&[0.28, 0.66, 0.9, 1.0]) as u8,
            salt: dice.bits(),
        }
    }

    /// A department, by taste.
    pub fn some_department(&self, dice: &mut Dice) -> usize {
        draw_department(&self.departments, dice)
    }

    /// An index into [`CHANNELS`], by habit.
    pub fn some_channel(&self, dice: &mut Dice) -> usize {
        dice.cumulative(&self.channels)
    }

    /// One of the two livestream rooms that they follow.
    pub fn some_room(&self, dice: &mut Dice) -> u16 {
        self.rooms[usize::from(dice.chance(0.3))]
    }

    /// Interest in a kind, 0 (none) to 1: by the users it is for, and by a personal preference among kinds.
    pub fn cares_for(&self, kind: usize) -> f32 {
        let mostly = |yes: bool| if yes { 1.0 } else { 0.12 };
        let only = |yes: bool| if yes { 1.0 } else { 0.0 };
        let fits = match KINDS[kind].buyer {
            Buyer::Anyone => 1.0,
            Buyer::Baby => only(self.baby),
            Buyer::Cat => only(self.cat),
            Buyer::Dog => only(self.dog),
            Buyer::Women => mostly(self.female),
            Buyer::Men => mostly(!self.female),
        };
        let whim = (self.salt ^ (kind as u64 + 1)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 61;
        fits * [1.0, 1.0, 0.7, 0.5, 0.3, 0.15, 0.1, 0.05][whim as usize]
    }

    /// The item's match with the user's taste in brand, style and price band, in `(0, 1]`.
    pub fn taste_for(&self, item: &Item) -> f32 {
        let department = KINDS[usize::from(item.kind)].department;
        let brand = if item.brand == self.favourite_brands[department] { 1.0 } else { 0.15 };
        let style = match item.style {
            s if s == self.styles[0] => 1.0,
            s if s == self.styles[1] => 0.5,
            _ => 0.1,
        };
        brand * style * [1.0, 0.35, 0.1, 0.03][usize::from(item.band.abs_diff(self.band)).min(3)]
    }
}

/// Weights of the departments as running sums: a user has a few that matter.
fn tastes(baby: bool, pet: bool, dice: &mut Dice) -> [f32; DEPARTMENTS.len()] {
    let mut sum = 0.0;
    std::array::from_fn(|department| {
        let stage = match (department, baby, pet) {
            (0, true, _) => 5.0,
            (8, _, true) => 3.0,
            (0 | 8, ..) => 0.0,
            _ => 1.0,
        };
        sum += stage * DEPARTMENTS[department].weight * dice.log_normal(1.0, 1.4);
        sum
    })
}

fn draw_department(sums: &[f32; DEPARTMENTS.len()], dice: &mut Dice) -> usize {
    let drawn = dice.cumulative(sums);
    // Rounding cannot pick a department of weight 0: partition_point passes over equal sums.
    drawn.min(DEPARTMENTS.len() - 1)
}

/// Weights of the channels as running sums: a user mostly uses one or two.
fn channels(age_years: f32, dice: &mut Dice) -> [f32; CHANNELS.len()] {
    let young = ((45.0 - age_years) / 25.0).clamp(0.1, 1.0);
    let base = [0.32, 0.3 * young, 0.10 + 0.12 * (1.0 - young), 0.18, 0.22];
    let mut sum = 0.0;
    base.map(|weight| {
        sum += weight * dice.log_normal(1.0, 1.2);
        sum
    })
}

fn favourite_brand(shop: &Shop, department: usize, dice: &mut Dice) -> u16 {
    let starts = &shop.catalog.brand_starts;
    let n = starts[department + 1] - starts[department];
    // The smaller of two draws, so that the leading brands have more fans.
    (starts[department] + dice.below(n).min(dice.below(n))) as u16
}

fn favourite_room(shop: &Shop, department: usize, dice: &mut Dice) -> u16 {
    // Rooms are assigned to departments in turn, so every department has this many or one more.
    let rounds = shop.places.rooms.len() / DEPARTMENTS.len();
    (dice.below(rounds) * DEPARTMENTS.len() + department) as u16
}
