//! Co-purchase: items that complete the baskets of the latest seeds, by EASE over baskets. Needs seeds.

use super::Input;
use crate::recommend::scores::Scores;
use crate::source::Source;

/// Seeds that propose companions: a basket is about the present, so older seeds add noise.
pub(super) const MAX_SEEDS: usize = 30;

pub(super) fn retrieve(input: &Input<'_>, scores: &mut Scores) {
    for seed in input.seeds.iter().take(MAX_SEEDS) {
        scores.add_list(Source::CoPurchase, input.view.snapshot.basket_ease.list(seed.item), seed.recency);
    }
}
