//! Rules over random shops and people: hard ones always hold, soft ones hold if and only if they can, and unmet rules
//! are reported exactly.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::rules::attribute::Attribute;
use qianmian_models::rules::expression::Expression;
use qianmian_models::rules::expression::inputs::{Asked, Inputs};
use qianmian_models::rules::masks::Masks;
use qianmian_models::rules::rule::{Action, Rule, Share};
use qianmian_models::rules::validity::Validity;
use qianmian_models::scene::Scene;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::view::View;

use crate::support::random::{SMALL, shop};

pub const ITEMS: u32 = SMALL.items;
const PREDICATES: [&str; 7] = [
    "item.price < 30.0",
    "item.is_new",
    "item.brand == 'brand1' || item.brand == 'brand2'",
    "item.category.startsWith('dept0')",
    "has(item.stock) && item.stock > 10",
    "user.known && item.sales > 30",
    "item.id in ['item 000003', 'item 000007', 'item 000011']",
];
const ATTRIBUTES: [Attribute; 3] = [Attribute::Brand, Attribute::Category, Attribute::TopCategory];

/// Shops where people buy again, and where they do not, each with its masks.
pub fn shops() -> &'static [(Snapshot, Masks); 2] {
    static SHOPS: OnceLock<[(Snapshot, Masks); 2]> = OnceLock::new();
    SHOPS.get_or_init(|| [true, false].map(|repeats| (shop(SMALL, 7, repeats), Masks::default())))
}

fn predicate() -> impl Strategy<Value = Arc<Expression>> {
    prop::sample::select(PREDICATES.to_vec())
        .prop_map(|source| Arc::new(Expression::compile(source).unwrap()))
}

fn soft() -> impl Strategy<Value = Action> {
    let pin = (0..ITEMS + 2, 0usize..8)
        .prop_map(|(item, slot)| Action::Pin { item_id: format!("item {item:06}"), slot });
    let bound = || prop::option::of(0usize..5);
    let mix = (predicate(), bound(), bound(), prop::option::of(1usize..8)).prop_map(
        |(items, least, most, first)| {
            let (least, most) = (least.map(Share::Count), most.map(|most| Share::Count(most + 1)));
            Action::Mix { items, least: least.or(Some(Share::Percent(20))), most, first }
        },
    );
    let spacing = (prop::sample::select(ATTRIBUTES.to_vec()), 1usize..3, 1usize..5)
        .prop_map(|(by, most, window)| Action::Spacing { by, most, window });
    prop_oneof![pin, mix, spacing]
}

pub fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => soft(),
        1 => predicate().prop_map(Action::Only),
        1 => predicate().prop_map(Action::Hide),
        1 => (predicate(), 0.1f32..5.0).prop_map(|(items, factor)| Action::Boost(items, factor)),
        1 => predicate().prop_map(Action::Bury),
    ]
}

/// The figure that a rule about slots limits, and true if the slate satisfies the rule. Computed from the rule, not
/// from the pipeline. `None` for rules of other kinds.
pub fn truth(
    action: &Action,
    snapshot: &Snapshot,
    inputs: &Inputs<'_>,
    slate: &[u32],
) -> Option<(usize, bool)> {
    let items = View::as_trained(snapshot).items();
    match action {
        Action::Pin { item_id, slot } => {
            let at = slate.iter().position(|&item| snapshot.items.id(item) == item_id);
            Some((at.map_or(0, |at| at + 1), at == Some(*slot)))
        }
        Action::Mix { items: members, least, most, first } => {
            let slots = first.unwrap_or(slate.len()).min(slate.len());
            let bound = members.bind(inputs);
            let n = slate[..slots].iter().filter(|&&item| bound.holds(items, item)).count();
            let holds = least.is_none_or(|least| n >= least.at_least(slots))
                && most.is_none_or(|most| n <= most.at_most(slots));
            Some((n, holds))
        }
        Action::Spacing { by, most, window } => {
            let keys: Vec<Vec<u64>> = slate.iter().map(|&item| by.keys(&snapshot.catalog, item)).collect();
            let in_window = |window: &[Vec<u64>]| {
                let all: Vec<u64> = window.iter().flatten().copied().collect();
                all.iter().map(|key| all.iter().filter(|other| *other == key).count()).max().unwrap_or(0)
            };
            let windows = keys.windows((*window).min(keys.len()).max(1));
            let largest = windows.map(in_window).max().unwrap_or(0);
            Some((largest, largest <= *most))
        }
        _ => None,
    }
}

/// All slates of `len` of `items`.
fn slates(items: &[u32], len: usize) -> Vec<Vec<u32>> {
    (0..len).fold(vec![Vec::new()], |slates, _| {
        let longer = |slate: Vec<u32>| {
            let free: Vec<u32> = items.iter().copied().filter(|item| !slate.contains(item)).collect();
            free.into_iter().map(move |item| [slate.as_slice(), &[item]].concat())
        };
        slates.into_iter().flat_map(longer).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 600 } else { 10_000 }))]

    #[test]
    fn rules_hold_if_they_can_and_unmet_ones_are_told(
        which in 0usize..2,
        user in prop::option::of(0..SMALL.users),
        actions in prop::collection::vec(action(), 0..7),
        exclude in prop::collection::vec(0..ITEMS, 0..4),
        pool in prop::option::of(prop::collection::btree_set(0..ITEMS, 1..7)),
        exclude_bought in any::<bool>(),
        count in 0usize..13,
    ) {
        let (snapshot, masks) = &shops()[which];
        let rule = |(n, action): (usize, Action)| {
            Rule { id: n.to_string().into(), when: None, validity: Validity::default(), action }
        };
        let rules: Vec<Rule> = actions.into_iter().enumerate().map(rule).collect();
        let scene = Scene { rules, ..Scene::DEFAULT };
        let count = if pool.is_some() { count.min(4) } else { count };
        let query = Query {
            user, exclude, exclude_bought, count,
            pool: pool.map(|pool| pool.into_iter().collect()),
            ..Query::default()
        };
        let view = View::as_trained(snapshot).with_masks(masks).in_scene(&scene);
        let slate = recommend(view, &query);
        let items: Vec<u32> = slate.items.iter().map(|slot| slot.item).collect();

        let asked = Asked::default();
        let inputs = Inputs::new(snapshot, user, (0, None), &asked);
        let holds = |predicate: &Arc<Expression>, item: u32| predicate.bind(&inputs).holds(view.items(), item);
        let bought = |item: &u32| user.is_some_and(|user| snapshot.history.ixs(user).contains(item));
        let allowed: Vec<u32> = (0..ITEMS)
            .filter(|&item| view.on_sale(item) && !query.exclude.contains(&item))
            .filter(|item| !(exclude_bought && bought(item)))
            .filter(|item| query.pool.as_ref().is_none_or(|pool| pool.contains(item)))
            .filter(|&item| scene.rules.iter().all(|rule| match &rule.action {
                Action::Only(items) => holds(items, item),
                Action::Hide(items) => !holds(items, item),
                _ => true,
            }))
            .collect();
        prop_assert_eq!(items.len(), count.min(allowed.len()), "the slate is as long as it can be");
        prop_assert!(items.iter().all(|item| allowed.contains(item)), "hard rules hold");
        prop_assert!((1..items.len()).all(|n| !items[..n].contains(&items[n])), "no item twice");
        prop_assert!(slate.items.iter().all(|slot| slot.score.is_finite()));

        let told: Vec<&str> = slate.unmet.iter().map(|unmet| &*unmet.rule).collect();
        for rule in &scene.rules {
            let Some((got, is_met)) = truth(&rule.action, snapshot, &inputs, &items) else { continue };
            prop_assert_eq!(!told.contains(&&*rule.id), is_met, "{:?} of {:?}", &rule.action, &items);
            if let Some(unmet) = slate.unmet.iter().find(|unmet| unmet.rule == rule.id) {
                prop_assert_eq!(unmet.got, got);
            }
        }
        if query.pool.is_some() {
            let mut left = slates(&allowed, items.len());
            for rule in scene.rules.iter().filter(|rule| truth(&rule.action, snapshot, &inputs, &[]).is_some()) {
                let met = |slate: &Vec<u32>| truth(&rule.action, snapshot, &inputs, slate).unwrap().1;
                let fewer: Vec<Vec<u32>> = left.iter().filter(|slate| met(slate)).cloned().collect();
                prop_assert_eq!(told.contains(&&*rule.id), fewer.is_empty(), "{:?}", &rule.action);
                if !fewer.is_empty() {
                    left = fewer;
                }
            }
        }
        let mut unmasked = view;
        unmasked.masks = None;
        let again = recommend(unmasked, &query);
        prop_assert_eq!((again.items, again.unmet), (slate.items, slate.unmet), "masks change nothing");
    }
}
