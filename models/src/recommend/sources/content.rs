//! Content: items whose attributes resemble those of the user's items, if one of the two has no sales. Needs seeds
//! and a catalog; the only signal for cold items.

use super::Input;
use crate::recommend::scores::Scores;
use crate::source::Source;

/// Seeds whose content neighbors are proposed.
pub(super) const MAX_SEEDS: usize = 50;

pub(super) fn retrieve(input: &Input<'_>, scores: &mut Scores) {
    let Some(neighbors) = &input.view.snapshot.content_neighbors else { return };
    for seed in input.seeds.iter().take(MAX_SEEDS) {
        scores.add_list(Source::Content, neighbors.list(seed.item), seed.recency);
    }
}
