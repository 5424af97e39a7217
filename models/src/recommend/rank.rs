//! Ranking: the blend shortlists, the ranker (boosted trees) reorders the shortlist.

use rustc_hash::FxHashMap;

use crate::index::purchases::Purchase;
use crate::kernels::trees::Trees;
use crate::recommend::features::{self, Features, UserFacts};
use crate::recommend::query::Query;
use crate::recommend::scores::Scores;
pub use crate::recommend::shortlist::Contender;
use crate::recommend::shortlist::{best_first, shortlist};
use crate::recommend::sources::Input;
use crate::source::Evidence;
use crate::view::View;

/// The shortlist, best first; longer than the slate, so that selection has a choice.
pub fn rank(view: View<'_>, query: &Query, input: &Input<'_>, scores: &mut Scores) -> Vec<Contender> {
    let mut ranked = blended(view, query, input, scores);
    if let Some(ranker) = ranker(view, query) {
        let rows = rows(view, query, &ranked);
        let mut scores = vec![0.0; rows.len()];
        ranker.add_scores(&rows, &mut scores);
        ranked.iter_mut().zip(scores).for_each(|(ranked, score)| ranked.score = score);
        // Ties keep the blend's order.
        ranked = best_first(&ranked);
    }
    ranked
}

/// The blend's weights for a query: visitors, items that are new to the user, or all items.
pub fn weights<'v>(view: View<'v>, query: &Query) -> &'v Evidence {
    let blend = &view.snapshot.blend;
    match (query.user, query.exclude_bought) {
        (None, _) => &blend.recommend_visitor,
        (Some(_), true) => &blend.recommend_new,
        (Some(_), false) => &blend.recommend,
    }
}

/// The shortlist with its rows of features, for learning the ranker.
pub fn shortlist_features(
    view: View<'_>,
    query: &Query,
    input: &Input<'_>,
    scores: &mut Scores,
) -> Vec<(u32, Features)> {
    let ranked = blended(view, query, input, scores);
    let rows = rows(view, query, &ranked);
    ranked.iter().map(|r| r.item).zip(rows).collect()
}

/// The ranker for a query. It is trained on users with a history, so the blend alone orders slates of all others.
fn ranker<'v>(view: View<'v>, query: &Query) -> Option<&'v Trees> {
    let snapshot = view.snapshot;
    let has_history = query.user.is_some_and(|user| !snapshot.history.ixs(user).is_empty());
    let ranker = if query.exclude_bought { &snapshot.new_ranker } else { &snapshot.ranker };
    ranker.as_ref().filter(|_| has_history)
}

/// The best of the blend, and among them the best items without sales.
fn blended(view: View<'_>, query: &Query, input: &Input<'_>, scores: &mut Scores) -> Vec<Contender> {
    let cold = if view.snapshot.content_neighbors.is_some() { view.scene.cold_shortlist } else { 0 };
    let wanted = if query.exclude_bought { view.scene.shortlist_new } else { view.scene.shortlist };
    shortlist(input, weights(view, query), scores, query.count.max(wanted), cold)
}

/// One row of features per item of a shortlist.
fn rows(view: View<'_>, query: &Query, shortlist: &[Contender]) -> Vec<Features> {
    let history = &view.snapshot.history;
    let user = UserFacts::new(view, query);
    let mut bought: FxHashMap<u32, Purchase> = match query.user {
        Some(user) => history.of(user).map(|p| (p.ix, p)).collect(),
        None => FxHashMap::default(),
    };
    for &(item, at) in &query.bought {
        bought.entry(item).and_modify(|p| *p = p.again(at)).or_insert(Purchase::first(item, at));
    }
    let row = |ranked: &Contender| features::row(view, &user, ranked, bought.get(&ranked.item).copied());
    shortlist.iter().map(row).collect()
}
