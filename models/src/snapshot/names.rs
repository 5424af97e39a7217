//! Names of the sections that have no module of their own.

pub(super) const RANKER: &str = "ranker";
pub(super) const NEW_RANKER: &str = "new_ranker";
pub(super) const LIKELY_REPEAT: &str = "likely_repeat";
pub(super) const LIKELY_NEW: &str = "likely_new";
pub(super) const LIKELY_COLD: &str = "likely_cold";
pub(super) const EASE: &str = "ease";
pub(super) const EASE_BY_TARGET: &str = "ease_by_target";
pub(super) const BASKET_EASE: &str = "basket_ease";
pub(super) const TRANSITIONS: &str = "transitions";
pub(super) const LOW_PASS: &str = "low_pass";
pub(super) const CONTENT_NEIGHBORS: &str = "content_neighbors";
pub(super) const ITEM_LOOKUP: &str = "item_lookup";
pub(super) const USER_LOOKUP: &str = "user_lookup";
pub(super) const ITEM_FACTORS: &str = "item_factors";
pub(super) const USER_FACTORS: &str = "user_factors";
pub(super) const FOLD_IN: &str = "fold_in";
pub(super) const ITEM_GRAPH: &str = "item_graph";
pub(super) const USER_GRAPH: &str = "user_graph";
