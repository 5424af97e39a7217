//! A scene: the place where a slate is shown (home, product page, cart, room), with its settings and its rules.

use crate::rules::rule::Rule;

/// The settings of a scene that the pipeline reads.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Candidates of the blend that the ranker reorders; at least the length of the slate are taken (decision 92).
    pub shortlist: usize,
    /// The same of slates without bought items, for which the blend is a worse guide.
    pub shortlist_new: usize,
    /// Items without sales that the ranker reorders beside them.
    pub cold_shortlist: usize,
    /// Exploration: one slot in this many is kept for an item without sales, so that it can gather sales. 0 reserves
    /// none.
    pub slots_per_cold_item: usize,
    /// The items that it is about.
    pub about: About,
    /// The rule that combines the factors of several boosts of one item.
    pub boosts: Combine,
    /// Its rules and those of the whole shop, highest priority first.
    pub rules: Vec<Rule>,
}

/// The items that a scene is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum About {
    /// All.
    #[default]
    Everything,
    /// Those that the person bought before.
    Bought,
    /// Those that the person bought before and whose usual time between two purchases has passed.
    Due,
    /// Those that trend now.
    Trending,
}

/// The rule that combines the factors of several boosts of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Combine {
    /// They are multiplied.
    #[default]
    Product,
    /// The largest counts.
    Max,
}

impl Scene {
    /// The settings of a scene that is not configured.
    pub const DEFAULT: Self = Self {
        shortlist: 100,
        shortlist_new: 200,
        cold_shortlist: 20,
        slots_per_cold_item: 20,
        about: About::Everything,
        boosts: Combine::Product,
        rules: Vec::new(),
    };
}

/// A scene that is not configured.
pub static DEFAULT: Scene = Scene::DEFAULT;

impl Default for Scene {
    fn default() -> Self {
        Self::DEFAULT
    }
}
