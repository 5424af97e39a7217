//! EASE (Steck 2019): items regressed on all of the user's items, once plain and once weighted by recency. Needs seeds;
//! the strongest collaborative signal.

use super::Input;
use crate::recommend::candidates::Candidates;
use crate::source::Source;

pub(super) fn retrieve(input: &Input<'_>, found: &mut Candidates) {
    let Some(ease) = &input.view.snapshot.ease else { return };
    for seed in &input.seeds {
        for (item, weight) in ease.of(seed.item) {
            let candidate = found.propose(item);
            candidate.add(Source::Ease, weight);
            candidate.contribute(Source::EaseRecent, seed.item, seed.recency * weight);
        }
    }
}
