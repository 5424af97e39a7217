//! The filter: removes items that must not be shown, and counts them by reason.

use rustc_hash::FxHashSet;

use crate::ids::ItemIx;
use crate::recommend::query::Query;
use crate::recommend::scores::Scores;
use crate::recommend::slate::Filter;
use crate::view::View;

/// Removes items that must not be shown; returns their number by the first reason that applied. Items off sale are
/// counted only if a source scored them: the catalog may be full of them.
pub fn filter(view: View<'_>, query: &Query, scores: &mut Scores) -> [u32; Filter::COUNT] {
    let mut counts = [0; Filter::COUNT];
    let mut forbid = |items: &mut dyn Iterator<Item = ItemIx>, reason: Filter| {
        counts[reason as usize] += items.filter(|&item| scores.forbid(item)).count() as u32;
    };
    forbid(&mut query.exclude.iter().chain(&query.recent).chain(&query.shown).copied(), Filter::Excluded);
    if query.exclude_bought {
        forbid(&mut bought_items(view, query), Filter::Bought);
    }
    counts[Filter::OffSale as usize] = scores.keep_only(&view.items().on_sale_words());
    counts
}

/// All items that the person bought, before training and since.
pub fn bought(view: View<'_>, query: &Query) -> FxHashSet<ItemIx> {
    bought_items(view, query).collect()
}

pub(super) fn bought_items<'a>(view: View<'a>, query: &'a Query) -> impl Iterator<Item = ItemIx> + 'a {
    let before = query.user.map_or(&[][..], |user| view.snapshot.history.ixs(user));
    before.iter().copied().chain(query.bought.iter().map(|(item, _)| *item))
}
