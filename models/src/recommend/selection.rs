//! Selection: the last stage, which alone decides how long a slate is and in which order its slots are filled.
//!
//! Order of its steps:
//!
//! 1. [`demote`] takes candidates out of ranking that may only fill slots where ranking runs out.
//! 2. [`select`] cuts the ranking to the slate's length and reserves exploration slots for items without sales.
//! 3. It fills the slots that are left with demoted candidates: first bought ones, then overexposed ones.
//!
//! Every slot says how it was filled ([`Slot`]).

use rustc_hash::FxHashSet;

use crate::ids::ItemIx;
use crate::recommend::candidates::Candidate;
use crate::recommend::filter;
use crate::recommend::query::Query;
use crate::recommend::rank;
use crate::recommend::score::{self, Ranked};
use crate::recommend::slate::{Demotion, Recommended, Slot};
use crate::source::Source;
use crate::view::View;

/// Candidates that were taken out of ranking.
#[derive(Debug, Default)]
pub struct Demoted {
    bought: Vec<(ItemIx, Candidate)>,
    overexposed: Vec<(ItemIx, Candidate)>,
}

impl Demoted {
    /// Number of overexposed candidates.
    pub fn n_overexposed(&self) -> usize {
        self.overexposed.len()
    }
}

/// Takes the candidates out that rank below all others.
pub fn demote(view: View<'_>, query: &Query, candidates: &mut Vec<(ItemIx, Candidate)>) -> Demoted {
    let mut take = |items: FxHashSet<ItemIx>| -> Vec<(ItemIx, Candidate)> {
        match items.is_empty() {
            true => Vec::new(),
            false => candidates.extract_if(.., |(item, _)| items.contains(item)).collect(),
        }
    };
    let overexposed = take(query.overexposed.iter().copied().collect());
    let ranks_bought_items = view.snapshot.blend.repeats || query.exclude_bought;
    let bought = if ranks_bought_items { Vec::new() } else { take(filter::bought(view, query)) };
    Demoted { bought, overexposed }
}

/// The slate: at most `query.count` of `ranked`, then of `demoted`. Scores never rise from slot to slot, but for
/// exploration slots.
pub fn select(view: View<'_>, query: &Query, ranked: Vec<Ranked>, demoted: &Demoted) -> Vec<Recommended> {
    let mut slate = explore(view, ranked, query.count);
    for (rest, demotion) in
        [(&demoted.bought, Demotion::Bought), (&demoted.overexposed, Demotion::Overexposed)]
    {
        if rest.is_empty() {
            continue;
        }
        let ceiling = slate.last().map_or(f32::INFINITY, |last| last.score);
        let free = query.count.saturating_sub(slate.len());
        let fill = score::top(rest, rank::weights(view, query), free);
        let filled =
            |r: Ranked| Ranked { score: r.score.min(ceiling), ..r }.into_slot(Slot::Backfill(demotion));
        slate.extend(fill.into_iter().map(filled));
    }
    slate
}

/// The first `count`, the last of which give way to items without sales where fewer of those are among them than the
/// scene reserves slots for.
fn explore(view: View<'_>, mut ranked: Vec<Ranked>, count: usize) -> Vec<Recommended> {
    let is_cold = |ranked: &Ranked| {
        ranked.evidence[Source::Content as usize] > 0.0 && view.snapshot.popularity.baskets(ranked.ix) == 0
    };
    let below = ranked.split_off(count.min(ranked.len()));
    let reserved = count.checked_div(view.scene.slots_per_cold_item).unwrap_or(0);
    let missing = reserved.saturating_sub(ranked.iter().filter(|r| is_cold(r)).count());
    let mut explored = Vec::new();
    for cold in below.into_iter().filter(is_cold).take(missing) {
        // Reserved slots are the last ones: an item without sales never displaces a better one than it must.
        if let Some(last) = ranked.iter().rposition(|r| !is_cold(r)) {
            ranked.remove(last);
            explored.push(cold);
        }
    }
    let by_rank = ranked.into_iter().map(|r| r.into_slot(Slot::Ranked));
    by_rank.chain(explored.into_iter().map(|r| r.into_slot(Slot::Exploration))).collect()
}

impl Ranked {
    fn into_slot(self, slot: Slot) -> Recommended {
        Recommended {
            item: self.ix,
            score: self.score,
            source: self.source,
            evidence: self.evidence,
            seed: self.candidate.seed.map(|(item, _)| item),
            slot,
        }
    }
}
