//! A scene: the place where a slate is shown (home, product page, cart, room), with its settings.

/// The settings of a scene that the pipeline reads.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

impl Scene {
    /// The settings of a scene that is not configured.
    pub const DEFAULT: Self =
        Self { shortlist: 100, shortlist_new: 200, cold_shortlist: 20, slots_per_cold_item: 20 };
}

impl Default for Scene {
    fn default() -> Self {
        Self::DEFAULT
    }
}
