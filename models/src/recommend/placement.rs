//! Rules about slots in terms of a slate's candidates, and what became of them.
//!
//! A slate may be a page of a list: slots of rules count from the beginning of the list, and spacing reaches back into
//! earlier pages. A mix without `first` is about each page by itself.

use std::ops::Range;

use crate::ids::ItemIx;
use crate::recommend::arrange::{self, Arrangement, Outcome, Values};
use crate::recommend::filter;
use crate::recommend::query::Query;
use crate::recommend::scores::Scores;
use crate::recommend::selection::best_of;
use crate::recommend::slate::Recommended;
use crate::recommend::steer::{Soft, Steer};
use crate::rules::masks::Known;
use crate::rules::rule::{Action, Because, Rule, Share, Unmet};
use crate::view::View;

/// Most candidates that one mix adds to those of ranking.
const MAX_ADDED: usize = 50;

/// A rule about slots, or the reason why it cannot be one.
pub struct Placement<'a> {
    rule: &'a Rule,
    /// The least and the most of what it limits ([`Unmet::wanted`]), from the beginning of the list.
    limits: (usize, usize),
    /// The number of its items on earlier pages.
    before: usize,
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
                let quota = Quota::new(view, query, items, (Some(*least), None), *first, query.count);
                let least = quota.least.saturating_sub(quota.before).min(MAX_ADDED);
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
    } else if query.shown.contains(&item) {
        Err(Because::EarlierPage)
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

/// The bounds of a mix, from the beginning of the list to the end of a page.
struct Quota {
    least: usize,
    most: usize,
    /// Members that earlier pages show.
    before: usize,
    /// Slots of the page that it is about.
    slots: usize,
}

impl Quota {
    fn new(
        view: View<'_>,
        query: &Query,
        items: &Known,
        (least, most): (Option<Share>, Option<Share>),
        first: Option<usize>,
        len: usize,
    ) -> Self {
        let (slots, before) = match first {
            None => (len, 0),
            Some(first) => {
                let shown = &query.shown[..query.shown.len().min(first)];
                let members = shown.iter().filter(|&&item| items.holds(view.items(), item)).count();
                (len.min(first - shown.len()), members)
            }
        };
        let all = slots + if first.is_some() { query.shown.len() } else { 0 };
        Self {
            least: least.map_or(0, |share| share.at_least(all)),
            most: most.map_or(usize::MAX, |share| share.at_most(all)),
            before,
            slots,
        }
    }
}

/// The candidates of a slate, and the end of the page before it.
pub struct Page<'a> {
    view: View<'a>,
    query: &'a Query,
    /// The last items of earlier pages, as many as spacing reaches back.
    before: &'a [ItemIx],
    listed: &'a [Recommended],
    len: usize,
}

impl<'a> Page<'a> {
    /// A slate of `len` of the candidates `listed`.
    pub fn new(
        view: View<'a>,
        query: &'a Query,
        steer: &Steer<'_>,
        listed: &'a [Recommended],
        len: usize,
    ) -> Self {
        let reach = steer.soft.iter().map(|soft| match soft.rule.action {
            Action::Spacing { window, .. } => window.saturating_sub(1),
            _ => 0,
        });
        let shown = &query.shown;
        let before = &shown[shown.len().saturating_sub(reach.max().unwrap_or(0))..];
        Self { view, query, before, listed, len }
    }

    /// Number of candidates, those before the page included.
    pub fn n_candidates(&self) -> usize {
        self.before.len() + self.listed.len()
    }

    /// The slots of the page.
    pub fn slots(&self) -> Range<usize> {
        self.before.len()..self.before.len() + self.len
    }

    /// By candidate: true if it is of this page and `is_member`.
    pub fn members(&self, is_member: impl FnMut(&Recommended) -> bool) -> Vec<bool> {
        self.before.iter().map(|_| false).chain(self.listed.iter().map(is_member)).collect()
    }

    /// Slots of the list before those of the arrangement.
    fn offset(&self) -> usize {
        self.query.shown.len() - self.before.len()
    }

    /// The rules about slots.
    pub fn placements<'r>(&self, steer: &Steer<'r>) -> Vec<Placement<'r>> {
        steer.soft.iter().filter_map(|soft| self.placement(steer, soft)).collect()
    }

    fn placement<'r>(&self, steer: &Steer<'_>, Soft { rule, items }: &Soft<'r>) -> Option<Placement<'r>> {
        match &rule.action {
            Action::Pin { item_id, slot } => {
                let arranged = available(self.view, self.query, steer, item_id).and_then(|item| {
                    let candidate = self.listed.iter().position(|listed| listed.item == item);
                    let slot = slot - self.offset();
                    let pin = candidate.filter(|_| self.slots().contains(&slot)).map(|candidate| {
                        arrange::Rule::Pin { slot, candidate: self.before.len() + candidate }
                    });
                    pin.ok_or(Because::ShortSlate)
                });
                let limits = (slot + 1, slot + 1);
                Some(Placement { rule, limits, before: self.offset(), arranged })
            }
            Action::Mix { least, most, first, .. } => {
                let items = items.as_ref()?;
                let quota = Quota::new(self.view, self.query, items, (*least, *most), *first, self.len);
                let arranged = Ok(arrange::Rule::Mix {
                    members: self.members(|slot| items.holds(self.view.items(), slot.item)),
                    least: quota.least.saturating_sub(quota.before),
                    most: quota.most.saturating_sub(quota.before),
                    first: self.before.len() + quota.slots,
                });
                Some(Placement { rule, limits: (quota.least, quota.most), before: quota.before, arranged })
            }
            Action::Spacing { by, most, window } => {
                let shown = self.before.iter().copied().chain(self.listed.iter().map(|slot| slot.item));
                let values = Values::new(shown.map(|item| by.keys(&self.view.snapshot.catalog, item)));
                let (most, window, from) = (*most, *window, self.before.len());
                let arranged = Ok(arrange::Rule::Spacing { values, most, window, from });
                Some(Placement { rule, limits: (0, most), before: 0, arranged })
            }
            // These rules are not about slots.
            Action::Only(_) | Action::Hide(_) | Action::Boost(..) | Action::Bury(_) => None,
        }
    }

    /// The rules that an arrangement does not satisfy. It has the outcomes of those that could be arranged, in their
    /// order.
    pub fn unmet(&self, placements: &[Placement<'_>], arrangement: &Arrangement) -> Vec<Unmet> {
        let mut outcomes = arrangement.outcomes.iter();
        let unmet = |placement: &Placement<'_>| {
            let (because, got) = match &placement.arranged {
                Err(because) => (*because, self.slot_of(placement.rule, arrangement)),
                Ok(rule) => {
                    let because = match outcomes.next()? {
                        Outcome::Met => return None,
                        Outcome::Impossible if is_longer(placement, self.len) => Because::ShortSlate,
                        Outcome::Impossible => Because::TooFewItems,
                        Outcome::Displaced => Because::HigherPriority,
                        Outcome::Unknown => Because::SearchLimit,
                    };
                    let here = rule.measure(&arrangement.order);
                    let is_absent = here == 0 && matches!(rule, arrange::Rule::Pin { .. });
                    (because, if is_absent { 0 } else { here + placement.before })
                }
            };
            // A rule with two bounds names the one that does not hold.
            let (least, most) = placement.limits;
            let wanted = if got < least { least } else { most };
            Some(Unmet { rule: placement.rule.id.clone(), wanted, got, because })
        };
        placements.iter().filter_map(unmet).collect()
    }

    /// The slot of a pinned item in the list, from 1 on; 0 where the list does not show it.
    fn slot_of(&self, rule: &Rule, arrangement: &Arrangement) -> usize {
        let Action::Pin { item_id, .. } = &rule.action else { return 0 };
        let Some(item) = self.view.snapshot.items.ix(item_id) else { return 0 };
        let of_page = arrangement.order[self.before.len()..].iter();
        let here = of_page.map(|&candidate| self.listed[candidate - self.before.len()].item);
        let list = self.query.shown.iter().copied().chain(here);
        list.zip(1..).find(|(shown, _)| *shown == item).map_or(0, |(_, slot)| slot)
    }
}

/// True if a mix asks for more items than the slate has slots.
fn is_longer(placement: &Placement<'_>, len: usize) -> bool {
    matches!(&placement.arranged, Ok(arrange::Rule::Mix { least, .. }) if *least > len)
}
