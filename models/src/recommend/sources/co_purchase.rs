//! Co-purchase: items that complete the baskets of the latest seeds, by EASE over baskets. Needs seeds.

use super::Input;
use crate::recommend::candidates::Candidates;
use crate::source::Source;

/// Seeds that propose companions: baskets are about now, so older ones add noise.
const MAX_SEEDS: usize = 30;

pub(super) fn retrieve(input: &Input<'_>, found: &mut Candidates) {
    for seed in input.seeds.iter().take(MAX_SEEDS) {
        for (item, weight) in input.view.snapshot.basket_ease.of(seed.item) {
            found.propose(item).contribute(Source::CoPurchase, seed.item, seed.recency * weight);
        }
    }
}
