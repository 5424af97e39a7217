//! User kNN: items that the most similar users buy, with a long and a short memory. The lists are computed in training.
//! Needs a user with a history; for a visitor's few items, the item-to-item lists hold as much information.

use super::Input;
use crate::recommend::scores::Scores;
use crate::source::Source;

pub(super) fn retrieve(input: &Input<'_>, scores: &mut Scores) {
    let Some((lists, user)) = input.view.snapshot.user_knn.as_ref().zip(input.query.user) else { return };
    for scored in lists.of(user) {
        scores.add(Source::UserKnn, scored.item, scored.score);
        scores.add(Source::UserKnnRecent, scored.item, scored.recent);
    }
}
