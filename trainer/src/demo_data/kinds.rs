//! What kinds of goods the demo shop sells, and how people buy them.
//!
//! A *kind* is a leaf of the category tree (纸尿裤, 大米, 防晒霜). The tables are in
//! [`super::kind_table`]; this module gives them their types.

/// How often one person buys a kind again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// It runs out: bought again after about this many days.
    Cycle(f32),
    /// Bought on a whim, again and again.
    Whim,
    /// It lasts: bought once.
    Once,
}

/// When in the year a kind is wanted.
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

/// Who buys a kind at all.
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
    /// Product words for titles, parted by spaces.
    pub words: &'static str,
    /// Pack sizes and variants for titles, parted by spaces.
    pub specs: &'static str,
    /// Cheapest and dearest price in yuan.
    pub price: (f32, f32),
    /// How much is sold, relative to other kinds of the department.
    pub weight: f32,
    /// How often one person buys it again.
    pub pace: Pace,
    /// When in the year it is wanted.
    pub season: Season,
    /// Who buys it.
    pub buyer: Buyer,
}

/// A department, the top of the category path.
#[derive(Clone, Copy, Debug)]
pub struct Department {
    /// Its name.
    pub name: &'static str,
    /// How much is sold, relative to other departments.
    pub weight: f32,
    /// Taste words for titles, one for each style of [`STYLES`].
    pub styles: [&'static str; STYLES],
}

/// How many latent styles run through all departments. A user who likes style 2 likes it
/// everywhere, so that what somebody bought in one department says something about the others.
pub const STYLES: usize = 6;

/// Goods that are put into one basket: whoever buys `of` adds `with` with this probability.
#[derive(Clone, Copy, Debug)]
pub struct Complement {
    /// The leaf that is bought first.
    pub of: &'static str,
    /// The leaf that goes with it.
    pub with: &'static str,
    /// How likely it is added.
    pub probability: f32,
}
