//! Popularity: best sellers of the shop; for users without a history, of their store, city or channel. Scores every
//! candidate, and lifts what trends now. Always available: the fallback of every slate.

use super::Input;
use crate::ids::ItemIx;
use crate::recommend::candidates::{Candidate, Candidates};
use crate::source::Source;

/// Least popularity of a candidate: 0 would mean that it was not scored.
pub(super) const MIN_SCORE: f32 = 1e-6;

pub(super) fn retrieve(input: &Input<'_>, found: &mut Candidates) {
    let snapshot = input.view.snapshot;
    let is_new_user = input.query.user.is_none_or(|user| snapshot.history.ixs(user).is_empty());
    let locality = snapshot.places.as_ref().zip(input.query.locality).filter(|_| is_new_user);
    if let Some((localities, at)) = locality {
        localities.of(at).for_each(|(item, weight)| found.propose(item).add(Source::Popularity, weight));
    }
    let rest = locality.map_or(1.0, |(localities, at)| localities.rest(at));
    // Items off sale are skipped here, not only filtered later: a slate goes on below best sellers that are sold out.
    let best_sellers = snapshot.popularity.ranked().iter().filter(|&&item| input.view.on_sale(item));
    best_sellers.take(input.proposals).for_each(|&item| {
        found.propose(item);
    });
    for (item, candidate) in found.entries_mut() {
        if candidate.evidence[Source::Popularity as usize] == 0.0 {
            candidate.add(Source::Popularity, (rest * snapshot.popularity.score(*item)).max(MIN_SCORE));
        }
    }
    lift_trending(input, found);
}

/// Adds to trending items a share of the best seller's popularity, by their heat.
fn lift_trending(input: &Input<'_>, found: &mut Candidates) {
    let popularity = |c: &(ItemIx, Candidate)| c.1.evidence[Source::Popularity as usize];
    let best = found.entries_mut().iter().map(popularity).fold(MIN_SCORE, f32::max);
    for &(item, heat) in &input.query.trending {
        found.propose(item).add(Source::Popularity, best * heat);
    }
}
