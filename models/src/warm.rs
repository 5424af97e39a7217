//! Warm-up: touches the data that the first queries of a new snapshot will touch, so that no request waits for the
//! disk.

use crate::audience::{AudienceQuery, audience};
use crate::ids::UserIx;
use crate::recommend::query::Query;
use crate::recommend::recommend;
use crate::similar::similar;
use crate::snapshot::Snapshot;
use crate::view::View;

/// Users, and best sellers, that are queried.
const SAMPLES: usize = 64;
/// Length of the answers, which are thrown away.
const COUNT: usize = 20;

/// Answers for users spread over the vocabulary, and for the best sellers.
pub fn warm(snapshot: &Snapshot) {
    let view = View::as_trained(snapshot);
    for user in (0..snapshot.users.len() as UserIx).step_by((snapshot.users.len() / SAMPLES).max(1)) {
        recommend(view, &Query::for_user(user, COUNT));
    }
    for &item in snapshot.popularity.ranked().iter().take(SAMPLES) {
        similar(view, &[item], COUNT);
        audience(view, &AudienceQuery::for_item(item, COUNT));
    }
}
