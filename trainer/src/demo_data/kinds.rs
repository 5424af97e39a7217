//! The kinds of items that the demo shop sells, and how users buy them.
//!
//! A *kind* is a leaf of the category tree (纸尿裤, 大米, 防晒霜). The tables are in
//! [`super::kind_table`]; this module has their types.

/// The repurchase pattern of a kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Consumable: bought again after about this many days.
    Cycle(f32),
    /// Bought at random times, again and again.
    Whim,
    /// Durable: bought once.
    Once,
}

/// The season of a kind's demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Season {
    /// The same all year.
    Always,
    /// Warm months: sunscreen, ice cream.
    Summer,
    /// Cold months: hotpot base, quilts.
    Winter,
    /// March to May and September to October: sports outdoors.
    Mild,
    /// The weeks before the Dragon Boat Festival (端午).
    DragonBoat,
    /// The weeks before the Mid-Autumn Festival (中秋).
    MidAutumn,
    /// The weeks before the Spring Festival (春节).
    SpringFestival,
}

/// The users who buy a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buyer {
    /// Everybody.
    Anyone,
    /// Households with a baby.
    Baby,
    /// Cat owners.
    Cat,
    /// Dog owners.
    Dog,
    /// Mostly women.
    Women,
    /// Mostly men.
    Men,
}

/// A leaf of the category tree.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Index into [`super::kind_table::DEPARTMENTS`].
    pub department: usize,
    /// The middle level of the category path.
    pub group: &'static str,
    /// The leaf, unique over the whole tree.
    pub leaf: &'static str,
    /// Product words for titles, separated by spaces.
    pub words: &'static str,
    /// Pack sizes and variants for titles, separated by spaces.
    pub specs: &'static str,
    /// Lowest and highest price in yuan.
    pub price: (f32, f32),
    /// Sales relative to other kinds of the department.
    pub weight: f32,
    /// Its repurchase pattern.
    pub pace: Pace,
    /// The season of its demand.
    pub season: Season,
    /// The users who buy it.
    pub buyer: Buyer,
}

/// A department, the top of the category path.
#[derive(Clone, Copy, Debug)]
pub struct Department {
    /// Its name.
    pub name: &'static str,
    /// Sales relative to other departments.
    pub weight: f32,
    /// Taste words for titles, one for each style of [`STYLES`].
    pub styles: [&'static str; STYLES],
}

/// Number of latent styles, the same in all departments. A user prefers a style everywhere, so purchases in one
/// department predict those in others.
pub const STYLES: usize = 6;

/// Complements: a user who buys `of` adds `with` with this probability.
#[derive(Clone, Copy, Debug)]
pub struct Complement {
    /// The leaf that is bought first.
    pub of: &'static str,
    /// The leaf that is added.
    pub with: &'static str,
    /// The probability.
    pub probability: f32,
}
