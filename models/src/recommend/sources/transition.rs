//! Transition: items that users buy after the items of the user's last baskets. Needs seeds, and orders with times.

use super::Input;
use crate::index::transitions::{DECAY, STEPS};
use crate::recommend::scores::Scores;
use crate::source::Source;

pub(super) fn retrieve(input: &Input<'_>, scores: &mut Scores) {
    let Some(transitions) = &input.view.snapshot.transitions else { return };
    for seed in input.seeds.iter().filter(|seed| seed.step < STEPS) {
        scores.add_list(Source::Transition, transitions.list(seed.item), DECAY.powi(seed.step as i32));
    }
}
