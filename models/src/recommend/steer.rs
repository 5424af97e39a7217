//! Steering: the constraints and boosts that a query and its scene put on a slate, with predicates ready to evaluate.
//!
//! Hard requirements (filters, hide rules, the caller's pool, the scene's subject) are applied before ranking, so that
//! no slate is short while the catalog has items that satisfy them. Boosts and burials change the order of the
//! shortlist. Rules about slots are left to [`selection`](super::selection).

use std::sync::Arc;

use crate::ids::ItemIx;
use crate::items::Items;
use crate::recommend::filter;
use crate::recommend::query::Query;
use crate::recommend::rank::Contender;
use crate::recommend::scores::Scores;
use crate::rules::expression::Expression;
use crate::rules::expression::inputs::Inputs;
use crate::rules::masks::{Known, Mask, Masks};
use crate::rules::rule::{Action, Rule};
use crate::scene::{About, Combine};
use crate::view::View;

/// Score of the lowest item of a shortlist before boosts, if the highest is 1. Above 0, so that a boost can lift any
/// item.
const FLOOR: f32 = 0.1;
/// Bounds of the product of an item's boosts.
const MAX_BOOST: f32 = 100.0;

/// The constraints and boosts of one slate.
pub struct Steer<'a> {
    items: Items<'a>,
    combine: Combine,
    /// Masks that every item of the slate is in.
    required: Vec<Arc<Mask>>,
    /// Masks that no item of the slate is in.
    hidden: Vec<Arc<Mask>>,
    boosts: Vec<(Known, f32)>,
    buried: Vec<Known>,
    /// Rules about slots, highest priority first.
    pub soft: Vec<Soft<'a>>,
}

/// A rule about slots.
pub struct Soft<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The items that a mix counts.
    pub items: Option<Known>,
}

impl<'a> Steer<'a> {
    /// Evaluates the rules of the scene and the expressions of the query for this request.
    pub fn of(view: View<'a>, query: &Query) -> Self {
        let (items, scene) = (view.items(), view.scene);
        let mut steer = Self {
            items,
            combine: scene.boosts,
            required: Vec::new(),
            hidden: Vec::new(),
            boosts: Vec::new(),
            buried: Vec::new(),
            soft: Vec::new(),
        };
        let asks = !query.filters.is_empty() || !query.boosts.is_empty();
        if asks || !scene.rules.is_empty() {
            let inputs = inputs(view, query);
            let rules = scene.rules.iter().filter(|rule| rule.applies(&inputs));
            let rules = rules.filter(|rule| reaches(&rule.action, query.shown.len()));
            rules.for_each(|rule| steer.add(view, rule, &inputs));
            steer.required.extend(query.filters.iter().map(|filter| over_catalog(view, filter, &inputs)));
            let boosts = query.boosts.iter();
            steer.boosts.extend(boosts.map(|(when, factor)| (known(view, when, &inputs), *factor)));
        }
        let pools = query.pool.clone().into_iter().chain(about(view, query));
        steer.required.extend(pools.map(|pool| Arc::new(mask_of(view, &pool))));
        steer
    }

    fn add(&mut self, view: View<'a>, rule: &'a Rule, inputs: &Inputs<'_>) {
        match &rule.action {
            Action::Only(items) => self.required.push(over_catalog(view, items, inputs)),
            Action::Hide(items) => self.hidden.push(over_catalog(view, items, inputs)),
            Action::Boost(items, factor) => self.boosts.push((known(view, items, inputs), *factor)),
            Action::Bury(items) => self.buried.push(known(view, items, inputs)),
            Action::Mix { items, .. } => {
                self.soft.push(Soft { rule, items: Some(known(view, items, inputs)) });
            }
            Action::Pin { .. } | Action::Spacing { .. } => self.soft.push(Soft { rule, items: None }),
        }
    }

    /// Removes all items that do not satisfy the hard requirements; returns the number of those that a source had
    /// scored.
    pub fn keep_required(&self, scores: &mut Scores) -> u32 {
        if self.required.is_empty() && self.hidden.is_empty() {
            return 0;
        }
        let mut words = vec![u64::MAX; self.items.snapshot.items.len().div_ceil(64)];
        for mask in &self.required {
            words.iter_mut().zip(mask.words()).for_each(|(word, other)| *word &= other);
        }
        for mask in &self.hidden {
            words.iter_mut().zip(mask.words()).for_each(|(word, other)| *word &= !other);
        }
        scores.keep_only(&words)
    }

    /// True if an item satisfies the hard requirements.
    pub fn allows(&self, item: ItemIx) -> bool {
        self.required.iter().all(|mask| mask.holds(item)) && !self.hidden.iter().any(|mask| mask.holds(item))
    }

    /// Multiplies the scores of a shortlist by the factors of the boosts that match, puts buried items below all
    /// others, and sorts it again. Scores are first rescaled so that the lowest is `FLOOR` and the highest 1, because
    /// scores of the ranker may be negative.
    pub fn reorder(&self, ranked: &mut [Contender]) {
        if !self.boosts.is_empty() {
            let (low, high) =
                ranked.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), contender| {
                    (low.min(contender.score), high.max(contender.score))
                });
            let span = if high > low { high - low } else { 1.0 };
            for contender in ranked.iter_mut() {
                let factor = self.factor(contender.item);
                if factor != 1.0 {
                    let place = FLOOR + (1.0 - FLOOR) * (contender.score - low) / span;
                    contender.score = low + span * (place * factor - FLOOR) / (1.0 - FLOOR);
                }
            }
            ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
        }
        if !self.buried.is_empty() {
            let lowest = ranked.last().map_or(0.0, |last| last.score);
            let is_buried = |contender: &Contender| self.is_buried(contender.item);
            ranked.iter_mut().filter(|c| is_buried(c)).for_each(|c| c.score = c.score.min(lowest));
            ranked.sort_by_key(is_buried);
        }
    }

    fn is_buried(&self, item: ItemIx) -> bool {
        self.buried.iter().any(|known| known.holds(self.items, item))
    }

    fn factor(&self, item: ItemIx) -> f32 {
        let factors =
            self.boosts.iter().filter(|(known, _)| known.holds(self.items, item)).map(|(_, factor)| *factor);
        let combined = match self.combine {
            Combine::Product => factors.product(),
            Combine::Max => factors.reduce(f32::max).unwrap_or(1.0),
        };
        f32::clamp(combined, MAX_BOOST.recip(), MAX_BOOST)
    }
}

/// True if a rule concerns slots after the first `shown` of a list.
fn reaches(action: &Action, shown: usize) -> bool {
    match action {
        Action::Pin { slot, .. } => *slot >= shown,
        Action::Mix { first: Some(first), .. } => shown == 0 || *first > shown,
        _ => true,
    }
}

/// The inputs of a query's expressions.
pub fn inputs<'a>(view: View<'a>, query: &'a Query) -> Inputs<'a> {
    let mut times: Vec<i64> = query.bought.iter().map(|&(_, at)| at).collect();
    times.sort_unstable();
    // Purchases at one time are one basket.
    times.dedup();
    Inputs::new(view.snapshot, query.user, (times.len(), times.last().copied()), &query.asked)
}

/// The mask of a predicate over the whole catalog.
pub fn over_catalog(view: View<'_>, predicate: &Arc<Expression>, inputs: &Inputs<'_>) -> Arc<Mask> {
    Masks::over_catalog(view.masks, view.items(), &predicate.bind(inputs))
}

fn known(view: View<'_>, predicate: &Arc<Expression>, inputs: &Inputs<'_>) -> Known {
    Masks::known(view.masks, view.items(), predicate.bind(inputs))
}

/// The items of the scene's subject; `None` for all items.
fn about(view: View<'_>, query: &Query) -> Option<Vec<ItemIx>> {
    match view.scene.about {
        About::Everything => None,
        About::Bought => Some(filter::bought_items(view, query).collect()),
        About::Due => {
            let since = |item: ItemIx| query.bought.iter().any(|&(bought, _)| bought == item);
            let history = query.user.into_iter().flat_map(|user| view.snapshot.history.of(user));
            let due = history.filter(|purchase| purchase.is_due(view.now) && !since(purchase.ix));
            Some(due.map(|purchase| purchase.ix).collect())
        }
        About::Trending => Some(query.trending.iter().map(|&(item, _)| item).collect()),
    }
}

fn mask_of(view: View<'_>, pool: &[ItemIx]) -> Mask {
    let mut bits = vec![false; view.snapshot.items.len()];
    pool.iter().for_each(|&item| bits[item as usize] = true);
    Mask::of(bits.len(), |item| bits[item as usize])
}
