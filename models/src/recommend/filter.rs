//! The filter: removes candidates that must not be shown, and counts them by reason.

use rustc_hash::FxHashSet;

use crate::ids::ItemIx;
use crate::recommend::candidates::Candidate;
use crate::recommend::query::Query;
use crate::recommend::slate::Filter;
use crate::view::View;

/// Removes candidates that must not be shown; returns how many, each under the first reason that applied.
pub fn filter(
    view: View<'_>,
    query: &Query,
    candidates: &mut Vec<(ItemIx, Candidate)>,
) -> [u32; Filter::COUNT] {
    let excluded: FxHashSet<ItemIx> = query.exclude.iter().chain(&query.recent).copied().collect();
    let bought = if query.exclude_bought { bought(view, query) } else { FxHashSet::default() };
    let mut counts = [0; Filter::COUNT];
    candidates.retain(|&(item, _)| {
        let reason = if excluded.contains(&item) {
            Some(Filter::Excluded)
        } else if bought.contains(&item) {
            Some(Filter::Bought)
        } else if !view.on_sale(item) {
            Some(Filter::OffSale)
        } else {
            None
        };
        if let Some(reason) = reason {
            counts[reason as usize] += 1;
        }
        reason.is_none()
    });
    counts
}

/// All items that the person bought, before training and since.
pub fn bought(view: View<'_>, query: &Query) -> FxHashSet<ItemIx> {
    let before = query.user.map_or(&[][..], |user| view.snapshot.history.ixs(user));
    let since = query.bought.iter().map(|(item, _)| item);
    before.iter().chain(since).copied().collect()
}
