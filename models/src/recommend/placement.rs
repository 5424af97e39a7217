//! Rules about slots in terms of a slate's candidates, and what became of them.

use crate::ids::ItemIx;
use crate::recommend::arrange::{self, Arrangement, Outcome, Values};
use crate::recommend::filter;
use crate::recommend::query::Query;
use crate::recommend::scores::Scores;
use crate::recommend::selection::best_of;
use crate::recommend::slate::Recommended;
use crate::recommend::steer::{Soft, Steer};
use crate::rules::rule::{Action, Because, Rule, Unmet};
use crate::view::View;

/// Most candidates that one mix adds to those of ranking.
const MAX_ADDED: usize = 50;

/// A rule about slots, or the reason why it cannot be one.
pub struct Placement<'a> {
    rule: &'a Rule,
    /// What it limits, as [`Unmet::wanted`].
    wanted: usize,
    /// The number of the pinned item among the candidates, if it is one.
    pinned: Option<usize>,
    arranged: Result<arrange::Rule, Because>,
}

impl Placement<'_> {
    /// The rule in numbers of candidates, where it can be met at all.
    pub fn rule(&self) -> Option<&arrange::Rule> {
        self.arranged.as_ref().ok()
    }

    /// True if this rule put `candidate` where it is in `order`.
    pub fn pins(&self, candidate: usize, order: &[usize]) -> bool {
        match self.rule() {
            Some(rule @ arrange::Rule::Pin { candidate: pinned, .. }) => {
                *pinned == candidate && rule.holds(order)
            }
            _ => false,
        }
    }
}

/// Items that rules ask for and that are not listed: pinned ones that may be shown, and the best for quotas that the
/// listed ones cannot fill.
pub fn wanted(
    view: View<'_>,
    query: &Query,
    scores: &Scores,
    steer: &Steer<'_>,
    listed: &[Recommended],
) -> Vec<ItemIx> {
    let mut wanted: Vec<ItemIx> = Vec::new();
    for Soft { rule, items } in &steer.soft {
        match (&rule.action, items) {
            (Action::Pin { item_id, .. }, _) => wanted.extend(available(view, query, steer, item_id).ok()),
            (Action::Mix { least: Some(least), first, .. }, Some(items)) => {
                let least = least.at_least(first.unwrap_or(query.count).min(query.count)).min(MAX_ADDED);
                let has = listed.iter().filter(|slot| items.holds(view.items(), slot.item)).count();
                if has < least {
                    wanted.extend(best_of(scores, least, |item| items.holds(view.items(), item)));
                }
            }
            _ => {}
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    wanted.retain(|item| !listed.iter().any(|slot| slot.item == *item));
    wanted
}

/// The row of a pinned item, if it may be shown in this slate.
fn available(view: View<'_>, query: &Query, steer: &Steer<'_>, item_id: &str) -> Result<ItemIx, Because> {
    let item = view.snapshot.items.ix(item_id).ok_or(Because::UnknownItem)?;
    if !view.on_sale(item) {
        Err(Because::OffSale)
    } else if query.exclude.contains(&item) || query.recent.contains(&item) {
        Err(Because::Excluded)
    } else if !steer.allows(item) {
        Err(Because::Filtered)
    } else if query.exclude_bought && filter::bought_items(view, query).any(|bought| bought == item) {
        Err(Because::Bought)
    } else {
        Ok(item)
    }
}

/// The rules about slots, for a slate of `len` of the candidates `listed`.
pub fn placements<'a>(
    view: View<'_>,
    query: &Query,
    steer: &Steer<'a>,
    listed: &[Recommended],
    len: usize,
) -> Vec<Placement<'a>> {
    let placement = |Soft { rule, items }: &Soft<'a>| match &rule.action {
        Action::Pin { item_id, slot } => {
            let item = available(view, query, steer, item_id);
            let pinned = item.ok().and_then(|item| listed.iter().position(|slot| slot.item == item));
            let candidate = item.and_then(|_| pinned.filter(|_| *slot < len).ok_or(Because::ShortSlate));
            let arranged = candidate.map(|candidate| arrange::Rule::Pin { slot: *slot, candidate });
            Some(Placement { rule, wanted: slot + 1, pinned, arranged })
        }
        Action::Mix { least, most, first, .. } => {
            let slots = first.unwrap_or(len).min(len);
            let is_member =
                |slot: &Recommended| items.as_ref().is_some_and(|items| items.holds(view.items(), slot.item));
            let least = least.map(|share| share.at_least(slots));
            let most = most.map(|share| share.at_most(slots));
            let arranged = Ok(arrange::Rule::Mix {
                members: listed.iter().map(is_member).collect(),
                least: least.unwrap_or(0),
                most: most.unwrap_or(usize::MAX),
                first: slots,
            });
            Some(Placement { rule, wanted: least.or(most).unwrap_or(0), pinned: None, arranged })
        }
        Action::Spacing { by, most, window } => {
            let values = Values::new(listed.iter().map(|slot| by.keys(&view.snapshot.catalog, slot.item)));
            let (most, window) = (*most, *window);
            Some(Placement {
                rule,
                wanted: most,
                pinned: None,
                arranged: Ok(arrange::Rule::Spacing { values, most, window }),
            })
        }
        // These rules are not about slots.
        Action::Only(_) | Action::Hide(_) | Action::Boost(..) | Action::Bury(_) => None,
    };
    steer.soft.iter().filter_map(placement).collect()
}

/// The rules that a slate of `len` does not satisfy. `arrangement` has the outcomes of those that could be arranged, in
/// their order.
pub fn unmet(placements: &[Placement<'_>], arrangement: &Arrangement, len: usize) -> Vec<Unmet> {
    let mut outcomes = arrangement.outcomes.iter();
    let unmet = |placement: &Placement<'_>| {
        let (because, got) = match &placement.arranged {
            Err(because) => {
                let slot =
                    arrangement.order.iter().position(|&candidate| placement.pinned == Some(candidate));
                (*because, slot.map_or(0, |slot| slot + 1))
            }
            Ok(rule) => {
                let because = match outcomes.next()? {
                    Outcome::Met => return None,
                    Outcome::Impossible if is_longer(placement, len) => Because::ShortSlate,
                    Outcome::Impossible => Because::TooFewItems,
                    Outcome::Displaced => Because::HigherPriority,
                    Outcome::Unknown => Because::SearchLimit,
                };
                (because, rule.measure(&arrangement.order))
            }
        };
        // A mix with two bounds names the one that does not hold.
        let wanted = match &placement.arranged {
            Ok(arrange::Rule::Mix { least, most, .. }) => {
                if got < *least {
                    *least
                } else {
                    *most
                }
            }
            _ => placement.wanted,
        };
        Some(Unmet { rule: placement.rule.id.clone(), wanted, got, because })
    };
    placements.iter().filter_map(unmet).collect()
}

/// True if a mix asks for more items than the slate has slots.
fn is_longer(placement: &Placement<'_>, len: usize) -> bool {
    matches!(&placement.arranged, Ok(arrange::Rule::Mix { least, .. }) if *least > len)
}
