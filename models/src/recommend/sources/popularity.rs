//! Popularity: sales of the shop; for users without a history, of their store, city or channel. Scores every item, and
//! lifts trending items. Always available: the fallback of every slate.

use super::Input;
use crate::ids::ItemIx;
use crate::index::localities::LocalityIx;
use crate::recommend::query::Query;
use crate::recommend::scores::Scores;
use crate::source::Source;
use crate::view::View;

/// Least popularity of an item: 0 would mean that it has no score.
const MIN_SCORE: f32 = 1e-6;

/// Popularity before localities and trends add to it.
pub(super) struct Popularity<'a> {
    sales: &'a [f32],
    /// The share of the shop's sales that counts for items not listed in the locality.
    rest: f32,
    locality: Option<LocalityIx>,
}

impl<'a> Popularity<'a> {
    pub(super) fn new(view: View<'a>, query: &Query) -> Self {
        let snapshot = view.snapshot;
        let is_new_user = query.user.is_none_or(|user| snapshot.history.ixs(user).is_empty());
        let known = snapshot.localities.as_ref().zip(query.locality).filter(|_| is_new_user);
        let (sales, rest) =
            (snapshot.popularity.scores(), known.map_or(1.0, |(localities, at)| localities.rest(at)));
        Self { sales, rest, locality: known.map(|(_, at)| at) }
    }

    pub(super) fn of(&self, item: ItemIx) -> f32 {
        (self.rest * self.sales[item as usize]).max(MIN_SCORE)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = f32> + '_ {
        self.sales.iter().map(|sales| (self.rest * sales).max(MIN_SCORE))
    }
}

/// Sales of the locality, by item.
fn local<'a>(input: &'a Input<'_>) -> impl Iterator<Item = (ItemIx, f32)> + 'a {
    let localities = input.view.snapshot.localities.as_ref().zip(input.popularity.locality);
    localities.into_iter().flat_map(|(localities, at)| localities.of(at))
}

/// Adds the changes by locality and trends.
pub(super) fn retrieve(input: &Input<'_>, scores: &mut Scores) {
    let best_seller = input.view.snapshot.popularity.ranked().first();
    let mut best = best_seller.map_or(MIN_SCORE, |&item| input.popularity.of(item));
    for (item, sales) in local(input) {
        scores.add(Source::Popularity, item, sales - input.popularity.of(item));
        best = best.max(sales);
    }
    for &(item, heat) in &input.query.trending {
        scores.add(Source::Popularity, item, best * heat);
    }
}

/// The largest popularity of an item that may be ranked.
pub(super) fn best(input: &Input<'_>, scores: &Scores) -> f32 {
    let best_seller = input.best_sellers(scores).next();
    let changed =
        local(input).map(|(item, _)| item).chain(input.query.trending.iter().map(|&(item, _)| item));
    let of = |item: ItemIx| input.popularity.of(item) + scores.of(item)[Source::Popularity as usize];
    best_seller.into_iter().chain(changed.filter(|&item| scores.is_allowed(item))).map(of).fold(0.0, f32::max)
}
