//! What must not be shown, taken out and counted.

use rustc_hash::FxHashSet;

use crate::ids::ItemIx;
use crate::recommend::candidates::Candidate;
use crate::recommend::query::{Filter, Query};
use crate::snapshot::Snapshot;

/// Removes what a filter forbids and counts it under the first filter that did.
pub fn filter(
    snapshot: &Snapshot,
    query: &Query,
    candidates: &mut Vec<(ItemIx, Candidate)>,
) -> [u32; Filter::COUNT] {
    let excluded: FxHashSet<ItemIx> = query.exclude.iter().chain(&query.recent).copied().collect();
    let bought = if query.exclude_bought { bought(snapshot, query) } else { FxHashSet::default() };
    let mut counts = [0; Filter::COUNT];
    candidates.retain(|&(item, _)| {
        let verdict = if excluded.contains(&item) {
            Some(Filter::Excluded)
        } else if bought.contains(&item) {
            Some(Filter::Bought)
        } else if !snapshot.catalog.on_sale(item) {
            Some(Filter::OffSale)
        } else {
            None
        };
        if let Some(filter) = verdict {
            counts[filter as usize] += 1;
        }
        verdict.is_none()
    });
    counts
}

/// All that the person bought, before the model was trained and since.
pub fn bought(snapshot: &Snapshot, query: &Query) -> FxHashSet<ItemIx> {
    let before = query.user.map_or(&[][..], |user| snapshot.history.ixs(user));
    let since = query.bought.iter().map(|(item, _)| item);
    before.iter().chain(since).copied().collect()
}

/// Takes out what was shown to the person often enough, to be shown only where nothing else is left.
pub fn set_aside(query: &Query, candidates: &mut Vec<(ItemIx, Candidate)>) -> Vec<(ItemIx, Candidate)> {
    if query.tired.is_empty() {
        return Vec::new();
    }
    let tired: FxHashSet<ItemIx> = query.tired.iter().copied().collect();
    candidates.extract_if(.., |(item, _)| tired.contains(item)).collect()
}
