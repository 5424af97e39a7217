//! EASE (Steck 2019): items regressed on all of the user's items, once plain and once weighted by recency. Needs seeds;
//! the strongest collaborative signal.

use super::Input;
use crate::recommend::scores::Scores;
use crate::source::Source;

pub(super) fn retrieve(input: &Input<'_>, scores: &mut Scores) {
    let Some(ease) = &input.view.snapshot.ease else { return };
    for seed in &input.seeds {
        scores.add_list_twice([Source::Ease, Source::EaseRecent], ease.list(seed.item), [1.0, seed.recency]);
    }
}
