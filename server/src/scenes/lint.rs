//! Warnings about a scene: what can be written but is probably not meant, by the items as they are now.

use std::sync::Arc;

use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::steer;
use qianmian_models::rules::expression::Expression;
use qianmian_models::rules::masks::Mask;
use qianmian_models::rules::rule::{Action, Rule};
use qianmian_models::view::View;
use serde::Serialize;
use utoipa::ToSchema;

use super::compile::ActiveScene;
use crate::app;
use crate::snapshots::Loaded;

/// A warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// What kind.
    pub code: WarningCode,
    /// The rule at fault, or `fallback`.
    pub field: String,
    /// What is the matter, and with what.
    pub detail: String,
}

/// The kind of a warning; clients may switch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// Its predicate holds for no item.
    MatchesNothing,
    /// Filters and hide rules leave no item.
    LeavesNothing,
    /// Every item that it is about is taken out by a filter or a hide rule.
    Shadowed,
    /// Two pins want one slot, or one item is pinned twice.
    PinConflict,
    /// The pinned item is not in the model.
    PinUnknown,
    /// The pinned item is sold out or off sale.
    PinOffSale,
    /// The pinned slot, the quota or the window is longer than the usual slate.
    BeyondSlate,
    /// The quota asks for more items than its slots hold, or more at least than at most.
    QuotaImpossible,
    /// Quotas of equal slots ask for more than all of them.
    QuotasContradict,
    /// A fallback names a scene that is not set up.
    UnknownScene,
    /// Its last moment is over.
    Expired,
}

/// The warnings of a scene, in the order of its rules. `is_scene` knows which scenes are set up.
pub fn lint(
    scene: &ActiveScene,
    model: &Option<Arc<Loaded>>,
    is_scene: impl Fn(&str) -> bool,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for name in scene.fallback.iter().filter(|name| !is_scene(name)) {
        let detail = format!("no scene `{name}` is set up: it would answer as the model alone");
        warnings.push(Warning { code: WarningCode::UnknownScene, field: "fallback".to_owned(), detail });
    }
    let now = app::now();
    let rules = &scene.scene.rules;
    for (n, rule) in rules.iter().enumerate() {
        let mut warn = |code, detail: String| {
            warnings.push(Warning { code, field: rule.id.to_string(), detail });
        };
        if is_over(rule, now) {
            warn(WarningCode::Expired, "its last moment is over: it does nothing".to_owned());
            continue;
        }
        slots(rule, scene.count, &mut warn);
        pins(rule, &rules[..n], &mut warn);
        quotas(rule, &rules[..n], scene.count, &mut warn);
    }
    if let Some(model) = model {
        warnings.extend(by_items(scene, model.view(now), now));
    }
    warnings
}

fn is_over(rule: &Rule, now: i64) -> bool {
    rule.validity.until.is_some_and(|until| until <= now)
}

/// Slots beyond the slate.
fn slots(rule: &Rule, count: usize, warn: &mut impl FnMut(WarningCode, String)) {
    let slots = match &rule.action {
        Action::Pin { slot, .. } => slot + 1,
        Action::Mix { first, .. } => first.unwrap_or(0),
        Action::Spacing { window, .. } => *window,
        _ => 0,
    };
    if slots > count {
        let detail = format!("it is about {slots} slots, the usual slate of the scene has {count}");
        warn(WarningCode::BeyondSlate, detail);
    }
}

/// Pins that contradict an earlier one.
fn pins(rule: &Rule, earlier: &[Rule], warn: &mut impl FnMut(WarningCode, String)) {
    let Action::Pin { item_id, slot } = &rule.action else { return };
    for other in earlier {
        match &other.action {
            Action::Pin { slot: taken, .. } if taken == slot && may_meet(rule, other) => {
                warn(
                    WarningCode::PinConflict,
                    format!("slot {} is pinned by `{}` already", slot + 1, other.id),
                );
            }
            Action::Pin { item_id: pinned, .. } if pinned == item_id && may_meet(rule, other) => {
                warn(WarningCode::PinConflict, format!("`{}` pins the same item to another slot", other.id));
            }
            _ => {}
        }
    }
}

/// True if two rules can hold for one request: neither has a condition of its own.
fn may_meet(a: &Rule, b: &Rule) -> bool {
    let (a_ends, b_ends) = (a.validity.until.unwrap_or(i64::MAX), b.validity.until.unwrap_or(i64::MAX));
    let (a_begins, b_begins) = (a.validity.from.unwrap_or(i64::MIN), b.validity.from.unwrap_or(i64::MIN));
    a.when.is_none() && b.when.is_none() && a_begins < b_ends && b_begins < a_ends
}

/// A quota that cannot be met, by itself or with an earlier one.
fn quotas(rule: &Rule, earlier: &[Rule], count: usize, warn: &mut impl FnMut(WarningCode, String)) {
    let Some((items, slots, least, most)) = quota(rule, count) else { return };
    if least > slots || least > most {
        let detail = format!("at least {least} and at most {most} of {slots} slots");
        warn(WarningCode::QuotaImpossible, detail);
        return;
    }
    let of_slots = earlier.iter().filter(|other| may_meet(rule, other));
    for other in of_slots {
        let Some((other_items, other_slots, other_least, other_most)) = quota(other, count) else { continue };
        if other_slots != slots {
            continue;
        }
        let same = items.source() == other_items.source();
        if same && (least > other_most || other_least > most) {
            let detail = format!("`{}` has other bounds for the same items and slots", other.id);
            warn(WarningCode::QuotasContradict, detail);
        }
    }
    let asked: usize = earlier
        .iter()
        .filter(|other| may_meet(rule, other))
        .filter_map(|other| quota(other, count))
        .filter(|(other, other_slots, ..)| *other_slots == slots && other.source() != items.source())
        .map(|(_, _, least, _)| least)
        .sum();
    if least > 0 && asked + least > slots {
        let detail = format!(
            "the quotas of these {slots} slots ask for {} items, which only items of several quotas can meet",
            asked + least
        );
        warn(WarningCode::QuotasContradict, detail);
    }
}

/// Items, slots, and bounds of a quota in a slate of `count`.
fn quota(rule: &Rule, count: usize) -> Option<(&Arc<Expression>, usize, usize, usize)> {
    let Action::Mix { items, least, most, first } = &rule.action else { return None };
    let slots = first.unwrap_or(count);
    let least = least.map_or(0, |share| share.at_least(slots));
    Some((items, slots, least, most.map_or(usize::MAX, |share| share.at_most(slots))))
}

/// Warnings that depend on the items as they are now. Predicates that read the request are left out.
fn by_items(scene: &ActiveScene, view: View<'_>, now: i64) -> Vec<Warning> {
    let query = Query::default();
    let inputs = steer::inputs(view, &query);
    let mask = |items: &Arc<Expression>| -> Option<Arc<Mask>> {
        (!items.reads().request).then(|| steer::over_catalog(view, items, &inputs))
    };
    let n_items = view.snapshot.items.len();
    let mut left = Mask::of(n_items, |item| view.on_sale(item));
    let mut warnings = Vec::new();
    let mut warn = |code, rule: &Rule, detail: String| {
        warnings.push(Warning { code, field: rule.id.to_string(), detail });
    };
    let rules = || scene.scene.rules.iter().filter(|rule| !is_over(rule, now));
    // What a rule leaves at all times it leaves now.
    for rule in rules().filter(|rule| rule.when.is_none() && rule.validity.holds(now)) {
        let (items, is_hide) = match &rule.action {
            Action::Only(items) => (items, false),
            Action::Hide(items) => (items, true),
            _ => continue,
        };
        let Some(mask) = mask(items) else { continue };
        let before = left.count();
        left = Mask::of(n_items, |item| left.holds(item) && mask.holds(item) != is_hide);
        if before > 0 && left.count() == 0 {
            warn(
                WarningCode::LeavesNothing,
                rule,
                "with it, filters and hide rules leave no item".to_owned(),
            );
        }
    }
    for rule in rules() {
        match &rule.action {
            Action::Pin { item_id, .. } => match view.snapshot.items.ix(item_id) {
                None => warn(WarningCode::PinUnknown, rule, format!("the model has no item `{item_id}`")),
                Some(item) if !view.on_sale(item) => {
                    warn(WarningCode::PinOffSale, rule, format!("`{item_id}` is sold out or off sale"));
                }
                Some(item) if !left.holds(item) => {
                    warn(
                        WarningCode::Shadowed,
                        rule,
                        format!("a filter or a hide rule takes `{item_id}` out"),
                    );
                }
                Some(_) => {}
            },
            Action::Only(items) | Action::Hide(items) => {
                if mask(items).is_some_and(|mask| mask.count() == 0) {
                    warn(
                        WarningCode::MatchesNothing,
                        rule,
                        format!("`{}` holds for no item", items.source()),
                    );
                }
            }
            Action::Boost(items, _) | Action::Bury(items) | Action::Mix { items, .. } => {
                let Some(mask) = mask(items) else { continue };
                if mask.count() == 0 {
                    warn(
                        WarningCode::MatchesNothing,
                        rule,
                        format!("`{}` holds for no item", items.source()),
                    );
                } else if !(0..n_items as u32).any(|item| mask.holds(item) && left.holds(item)) {
                    let detail = "filters, hide rules and stock leave none of its items".to_owned();
                    warn(WarningCode::Shadowed, rule, detail);
                }
            }
            Action::Spacing { .. } => {}
        }
    }
    warnings
}
