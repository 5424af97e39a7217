//! A person of the demo shop: who they are and what they like.
//!
//! A [`Shopper`] is drawn from the user's own dice and never stored: the same number gives the
//! same person again. The latent tastes here are what a recommender should find.

use super::catalogue::Item;
use super::dice::Dice;
use super::kind_table::{DEPARTMENTS, KINDS};
use super::kinds::Buyer;
use super::places::{CHANNELS, CITIES};
use super::shop::Shop;

/// Which ids of a person other systems know.
#[derive(Clone, Copy, Debug)]
pub struct KnownBy {
    /// The WeChat mini program knows them.
    pub wechat: bool,
    /// They left a phone number.
    pub phone: bool,
    /// They hold a member card.
    pub card: bool,
}

/// A person, their circumstances and their tastes.
pub struct Shopper {
    /// Number of the user, from 0.
    pub number: u32,
    /// Whether they are a woman.
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
    /// The first day on which they no longer come.
    pub leaves: i32,
    /// How active they are; 1 is the median person.
    pub activity: f32,
    /// How likely they buy again what they bought last.
    pub loyalty: f32,
    /// Which ids other systems have.
    pub known_by: KnownBy,
    /// They agreed to personalisation.
    pub allows_personalisation: bool,
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
    /// Draws person `number`; the dice must be fresh from that number.
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
            allows_personalisation: dice.chance(0.96),
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

    /// How readily they buy a kind at all, 0 (never) to 1. Beside who the kind is for, everybody
    /// cares for some kinds and hardly for others.
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

    /// How much better an item suits them than one that suits nobody, in `(0, 1]`: brand, style
    /// and price band.
    pub fn likes(&self, item: &Item) -> f32 {
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

/// Weights of the departments as running sums: everybody has a few that matter.
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

/// Habits of channel as running sums: one or two of them make up most.
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
    let starts = &shop.catalogue.brand_starts;
    let n = starts[department + 1] - starts[department];
    // The smaller of two draws: strong brands have more friends.
    (starts[department] + dice.below(n).min(dice.below(n))) as u16
}

fn favourite_room(shop: &Shop, department: usize, dice: &mut Dice) -> u16 {
    // Rooms are dealt to departments in turn, so every department has this many or one more.
    let rounds = shop.places.rooms.len() / DEPARTMENTS.len();
    (dice.below(rounds) * DEPARTMENTS.len() + department) as u16
}
