//! Selection: the last stage, which alone decides how long a slate is and in which order its slots are filled.
//!
//! Order of its steps:
//!
//! 1. [`demote`] takes items out of ranking that may only fill slots where ranking runs out.
//! 2. [`select`] lists the candidates: the ranking, the best items that rules ask for and ranking lacks, and demoted items
//!    (first bought ones, then overexposed ones) where ranking is too short or rules may need them.
//! 3. [`arrange()`] fills the slots by the rules of the scene, and with the lowest priority reserves slots
//!    for items without sales.
//!
//! Every slot says how it was filled ([`Slot`]).

use crate::ids::ItemIx;
use crate::kernels::topk::TopK;
use crate::recommend::arrange::{self, arrange};
use crate::recommend::candidates::Candidate;
use crate::recommend::filter;
use crate::recommend::placement::{self, Page, Placement};
use crate::recommend::query::Query;
use crate::recommend::rank::{self, Contender};
use crate::recommend::score;
use crate::recommend::scores::Scores;
use crate::recommend::slate::{Demotion, Recommended, Slot};
use crate::recommend::sources::Input;
use crate::recommend::steer::Steer;
use crate::rules::rule::Unmet;
use crate::source::{Evidence, Source};
use crate::view::View;

/// Most demoted items of a kind that rules about slots may use: they do where nothing else satisfies them.
const DEMOTED_FOR_RULES: usize = 100;

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

/// The slate: `query.count` candidates, or all where there are fewer; and the rules about slots that it does not
/// satisfy. Scores never rise from slot to slot, but for slots that a rule or exploration filled.
pub fn select(
    view: View<'_>,
    query: &Query,
    (input, scores): (&Input<'_>, &Scores),
    ranked: Vec<Contender>,
    demoted: &Demoted,
    steer: &Steer<'_>,
) -> (Vec<Recommended>, Vec<Unmet>) {
    let weights = rank::weights(view, query);
    let n_ranked = ranked.len();
    let mut listed = List { view, weights, input, scores, slots: Vec::with_capacity(n_ranked) };
    listed.slots.extend(ranked.into_iter().map(Contender::into_slot));
    if !steer.soft.is_empty() {
        let wanted = placement::wanted(view, query, scores, steer, &listed.slots);
        listed.add(&wanted, wanted.len(), Slot::Ruled);
    }
    for (rest, demotion) in
        [(&demoted.bought, Demotion::Bought), (&demoted.overexposed, Demotion::Overexposed)]
    {
        let free = query.count.saturating_sub(listed.slots.len());
        let for_rules = if steer.soft.is_empty() { 0 } else { DEMOTED_FOR_RULES };
        listed.add(rest, free.max(for_rules), Slot::Backfill(demotion));
    }
    let len = query.count.min(listed.slots.len());
    let page = Page::new(view, query, steer, &listed.slots, len);
    let placements = page.placements(steer);
    let mut rules: Vec<arrange::Rule> = placements.iter().filter_map(Placement::rule).cloned().collect();
    rules.extend(exploration(view, &page, n_ranked, query.count));
    let arrangement = arrange(page.n_candidates(), page.slots(), &rules);
    let unmet = page.unmet(&placements, &arrangement);
    let is_pinned =
        |candidate: usize| placements.iter().any(|placement| placement.pins(candidate, &arrangement.order));
    let slot = |&candidate: &usize| {
        let listed_at = candidate - page.slots().start;
        let mut slot = listed.slots[listed_at];
        slot.source = score::strongest(&slot.evidence, weights);
        if is_pinned(candidate) {
            slot.slot = Slot::Pinned;
        } else if slot.slot == Slot::Ranked && listed_at >= query.count && is_cold(view, &slot) {
            slot.slot = Slot::Exploration;
        }
        slot
    };
    (arrangement.order[page.slots().start..].iter().map(slot).collect(), unmet)
}

/// The candidates of a slate, in the order in which they fill it.
struct List<'a> {
    view: View<'a>,
    weights: &'a Evidence,
    input: &'a Input<'a>,
    scores: &'a Scores,
    slots: Vec<Recommended>,
}

impl List<'_> {
    /// Adds the best `count` of `items`, best first, below what is listed.
    fn add(&mut self, items: &[ItemIx], count: usize, slot: Slot) {
        if items.is_empty() || count == 0 {
            return;
        }
        let ceiling = self.slots.iter().map(|listed| listed.score).reduce(f32::min).unwrap_or(f32::INFINITY);
        let candidate = |(&item, evidence)| (item, Candidate { evidence, seed: None });
        let raw: Vec<_> = items.iter().zip(self.input.evidence(self.scores, items)).map(candidate).collect();
        let best = score::top(&raw, self.weights, count);
        let is_listed = |item: ItemIx| self.slots.iter().any(|listed| listed.item == item);
        let new: Vec<_> = best.into_iter().filter(|best| !is_listed(best.ix)).collect();
        self.slots.extend(new.into_iter().map(|best| Recommended {
            item: best.ix,
            score: best.score.min(ceiling),
            source: Source::Popularity,
            evidence: best.evidence,
            seed: None,
            slot,
        }));
        debug_assert!(self.slots.iter().all(|listed| self.view.on_sale(listed.item)));
    }
}

/// The rule of exploration: of a slate of `count` items, one in so many is without sales, where ranking has as many.
fn exploration(view: View<'_>, page: &Page<'_>, n_ranked: usize, count: usize) -> Option<arrange::Rule> {
    let reserved = count.checked_div(view.scene.slots_per_cold_item).unwrap_or(0);
    if reserved == 0 {
        return None;
    }
    let mut n = 0;
    let members = page.members(|slot| {
        n += 1;
        n <= n_ranked && is_cold(view, slot)
    });
    let least = reserved.min(members.iter().filter(|member| **member).count());
    Some(arrange::Rule::Mix { members, least, most: usize::MAX, first: page.slots().start + count })
}

fn is_cold(view: View<'_>, slot: &Recommended) -> bool {
    slot.evidence[Source::Content as usize] > 0.0 && view.snapshot.popularity.baskets(slot.item) == 0
}

/// The best `count` items for which `holds`, by the blend, of those that may be ranked.
pub(super) fn best_of(scores: &Scores, count: usize, holds: impl Fn(ItemIx) -> bool) -> Vec<ItemIx> {
    let mut top = TopK::new(count);
    for (item, &score) in scores.blended.as_flattened().iter().enumerate() {
        let item = item as ItemIx;
        if score > f32::NEG_INFINITY && score > top.threshold() && scores.is_allowed(item) && holds(item) {
            top.push(item, score);
        }
    }
    top.into_sorted().into_iter().map(|scored| scored.ix).collect()
}

impl Contender {
    /// A candidate of the slate; its source is found for those that fill a slot.
    fn into_slot(self) -> Recommended {
        let Self { item, score, evidence, .. } = self;
        Recommended { item, score, source: Source::Popularity, evidence, seed: None, slot: Slot::Ranked }
    }
}
