//! Personal: the items that the user bought before, by decayed frequency. Needs a user with a history; most of the
//! accuracy where users buy the same items again.

use super::Input;
use crate::recommend::scores::Scores;
use crate::source::Source;

/// Least score of a bought item: 0 would mean that it was not bought.
const MIN_SCORE: f32 = 1e-6;

pub(super) fn retrieve(input: &Input<'_>, scores: &mut Scores) {
    let Some(user) = input.query.user else { return };
    for purchase in input.view.snapshot.history.of(user) {
        scores.add(Source::Personal, purchase.ix, purchase.decayed.max(MIN_SCORE));
    }
}
