//! Selection: the last stage, which alone decides how long a slate is and in which order its slots are filled.
//!
//! Order of its steps:
//!
//! 1. [`demote`] takes items out of ranking that may only fill slots where ranking runs out.
//! 2. [`select`] cuts the ranking to the slate's length and reserves exploration slots for items without sales.
//! 3. It fills the slots that are left with demoted items: first bought ones, then overexposed ones.
//!
//! Every slot says how it was filled ([`Slot`]).

use crate::ids::ItemIx;
use crate::recommend::candidates::Candidate;
use crate::recommend::filter;
use crate::recommend::query::Query;
use crate::recommend::rank::{self, Contender};
use crate::recommend::score;
use crate::recommend::scores::Scores;
use crate::recommend::slate::{Demotion, Recommended, Slot};
use crate::recommend::sources::Input;
use crate::source::{Evidence, Source};
use crate::view::View;

/// Items that were taken out of ranking.
#[derive(Debug, Default)]
pub struct Demoted {
    bought: Vec<ItemIx>,
    overexposed: Vec<ItemIx>,
}

impl Demoted {
    /// Number of overexposed items.
    pub fn n_overexposed(&self) -> usize {
        self.overexposed.len()
    }
}

/// Takes the items out that rank below all others.
pub fn demote(view: View<'_>, query: &Query, scores: &mut Scores) -> Demoted {
    let mut take = |items: &mut dyn Iterator<Item = ItemIx>| -> Vec<ItemIx> {
        items.filter(|&item| scores.forbid(item)).collect()
    };
    let overexposed = take(&mut query.overexposed.iter().copied());
    let ranks_bought_items = view.snapshot.blend.repeats || query.exclude_bought;
    let bought = if ranks_bought_items { Vec::new() } else { take(&mut filter::bought_items(view, query)) };
    Demoted { bought, overexposed }
}

/// The slate: at most `query.count` of `ranked`, then of `demoted`. Scores never rise from slot to slot, but for
/// exploration slots.
pub fn select(
    view: View<'_>,
    query: &Query,
    (input, scores): (&Input<'_>, &Scores),
    ranked: Vec<Contender>,
    demoted: &Demoted,
) -> Vec<Recommended> {
    let weights = rank::weights(view, query);
    let mut slate = explore(view, weights, ranked, query.count);
    for (rest, demotion) in
        [(&demoted.bought, Demotion::Bought), (&demoted.overexposed, Demotion::Overexposed)]
    {
        let free = query.count.saturating_sub(slate.len());
        if rest.is_empty() || free == 0 {
            continue;
        }
        let ceiling = slate.last().map_or(f32::INFINITY, |last| last.score);
        let candidate = |(&item, evidence)| (item, Candidate { evidence, seed: None });
        let rest: Vec<_> = rest.iter().zip(input.evidence(scores, rest)).map(candidate).collect();
        let fill = score::top(&rest, weights, free);
        slate.extend(fill.into_iter().map(|filled| Recommended {
            item: filled.ix,
            score: filled.score.min(ceiling),
            source: score::strongest(&filled.evidence, weights),
            evidence: filled.evidence,
            seed: None,
            slot: Slot::Backfill(demotion),
        }));
    }
    slate
}

/// The first `count`, the last of which give way to items without sales where fewer of those are among them than the
/// scene reserves slots for.
fn explore(view: View<'_>, weights: &Evidence, mut ranked: Vec<Contender>, count: usize) -> Vec<Recommended> {
    let is_cold = |ranked: &Contender| {
        ranked.evidence[Source::Content as usize] > 0.0 && view.snapshot.popularity.baskets(ranked.item) == 0
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
    let by_rank = ranked.into_iter().map(|r| r.into_slot(weights, Slot::Ranked));
    by_rank.chain(explored.into_iter().map(|r| r.into_slot(weights, Slot::Exploration))).collect()
}

impl Contender {
    fn into_slot(self, weights: &Evidence, slot: Slot) -> Recommended {
        let Self { item, score, evidence, .. } = self;
        let source = score::strongest(&evidence, weights);
        Recommended { item, score, source, evidence, seed: None, slot }
    }
}
