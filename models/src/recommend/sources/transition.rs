//! Transition: items that users buy after the items of the user's last baskets. Needs seeds, and orders with times.

use super::Input;
use crate::index::transitions::{DECAY, STEPS};
use crate::recommend::candidates::Candidates;
use crate::source::Source;

pub(super) fn retrieve(input: &Input<'_>, found: &mut Candidates) {
    let Some(transitions) = &input.view.snapshot.transitions else { return };
    for seed in input.seeds.iter().filter(|seed| seed.step < STEPS) {
        let decay = DECAY.powi(seed.step as i32);
        for (item, weight) in transitions.of(seed.item) {
            found.propose(item).add(Source::Transition, decay * weight);
        }
    }
}
