//! Pages of one list: no item twice, none left out, and rules about slots that hold over the borders of pages.

use proptest::prelude::*;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::rules::expression::inputs::{Asked, Inputs};
use qianmian_models::rules::rule::{Action, Rule, Unmet};
use qianmian_models::rules::validity::Validity;
use qianmian_models::scene::Scene;
use qianmian_models::view::View;

use crate::rules::{ITEMS, action, shops, truth};
use crate::support::random::SMALL;

/// A list that was read to its end: its items, and by page where it begins and what it did not satisfy.
struct List {
    items: Vec<u32>,
    pages: Vec<(usize, Vec<Unmet>)>,
}

fn read(view: View<'_>, query: &Query, counts: &[usize]) -> List {
    let mut list = List { items: Vec::new(), pages: Vec::new() };
    for &count in counts.iter().cycle().take(200) {
        let query = Query { count, shown: list.items.clone(), ..query.clone() };
        let page = recommend(view, &query);
        list.pages.push((list.items.len(), page.unmet));
        list.items.extend(page.items.iter().map(|slot| slot.item));
        if page.items.len() < count {
            break;
        }
    }
    list
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 2_000 } else { 10_000 }))]

    #[test]
    fn pages_repeat_nothing_and_leave_nothing_out(
        which in 0usize..2,
        user in prop::option::of(0..SMALL.users),
        actions in prop::collection::vec(action(), 0..5),
        exclude in prop::collection::vec(0..ITEMS, 0..4),
        exclude_bought in any::<bool>(),
        counts in prop::collection::vec(3usize..25, 1..4),
    ) {
        let (snapshot, masks) = &shops()[which];
        let rule = |(n, action): (usize, Action)| {
            Rule { id: n.to_string().into(), when: None, validity: Validity::default(), action }
        };
        let scene = Scene { rules: actions.into_iter().enumerate().map(rule).collect(), ..Scene::DEFAULT };
        let query = Query { user, exclude, exclude_bought, ..Query::default() };
        let view = View::as_trained(snapshot).with_masks(masks).in_scene(&scene);
        let list = read(view, &query, &counts);

        let mut sorted = list.items.clone();
        sorted.sort_unstable();
        sorted.dedup();
        prop_assert_eq!(sorted.len(), list.items.len(), "no item twice");
        let whole = Query { count: ITEMS as usize, ..query.clone() };
        let mut all: Vec<u32> = recommend(view, &whole).items.iter().map(|slot| slot.item).collect();
        all.sort_unstable();
        prop_assert_eq!(sorted, all, "none left out");

        let asked = Asked::default();
        let inputs = Inputs::new(snapshot, user, (0, None), &asked);
        for rule in &scene.rules {
            let told = |unmet: &[Unmet]| unmet.iter().any(|unmet| unmet.rule == rule.id);
            match &rule.action {
                // Every page is about its own pins.
                Action::Pin { slot, .. } => {
                    let (_, is_met) = truth(&rule.action, snapshot, &inputs, &list.items).unwrap_or_default();
                    let page = list.pages.iter().rev().find(|(from, _)| from <= slot);
                    prop_assert_eq!(page.is_some_and(|(_, unmet)| told(unmet)), !is_met, "{:?}", &rule.action);
                }
                // Each page is a whole slate.
                Action::Mix { first: None, .. } => {
                    for (n, (from, unmet)) in list.pages.iter().enumerate() {
                        let until = list.pages.get(n + 1).map_or(list.items.len(), |(from, _)| *from);
                        let (_, is_met) =
                            truth(&rule.action, snapshot, &inputs, &list.items[*from..until]).unwrap_or_default();
                        prop_assert_eq!(!told(unmet), is_met);
                    }
                }
                // A rule that every page satisfies holds for the whole list, too.
                action => {
                    let Some((got, is_met)) = truth(action, snapshot, &inputs, &list.items) else { continue };
                    let is_told = list.pages.iter().any(|(_, unmet)| told(unmet));
                    prop_assert!(is_told || is_met, "{:?}: {} in {:?}", action, got, &list.items);
                    if matches!(action, Action::Spacing { .. }) {
                        prop_assert_eq!(is_told, !is_met);
                    }
                }
            }
        }
    }
}
