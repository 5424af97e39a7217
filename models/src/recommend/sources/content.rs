//! Content: items whose attributes resemble those of the user's items, where one of the two has no sales. Needs seeds
//! and a catalog; the only signal for cold items.

use super::Input;
use crate::recommend::candidates::Candidates;
use crate::source::Source;

/// Seeds whose content neighbors are proposed.
const MAX_SEEDS: usize = 50;

pub(super) fn retrieve(input: &Input<'_>, found: &mut Candidates) {
    let Some(neighbors) = &input.view.snapshot.resembling else { return };
    for seed in input.seeds.iter().take(MAX_SEEDS) {
        for (item, similarity) in neighbors.of(seed.item) {
            found.propose(item).contribute(Source::Content, seed.item, seed.recency * similarity);
        }
    }
}
