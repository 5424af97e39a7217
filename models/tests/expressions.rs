//! Expressions over items and requests: their values, and the masks that keep them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use proptest::prelude::*;
use qianmian_models::items::Items;
use qianmian_models::overlay::{ItemNews, Overlay, RoomOffer, RoomOffers};
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::rules::expression::inputs::{Asked, Inputs, Param};
use qianmian_models::rules::expression::{Bound, Expression};
use qianmian_models::rules::masks::{Known, Masks};
use qianmian_models::snapshot::Snapshot;
use qianmian_models::view::View;
use qianmian_money::Money;

use crate::support::{UNTIL, snapshot};

fn compiled(source: &str) -> Arc<Expression> {
    Arc::new(Expression::compile(source).unwrap_or_else(|error| panic!("{source}: {error}")))
}

fn asked(params: &[(&str, Param)]) -> Asked {
    let params = params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Asked { scene: "home".into(), channel: "app".into(), at: UNTIL + 3 * 86_400, params, ..Asked::default() }
}

fn bound(snapshot: &Snapshot, user: Option<u32>, source: &str, asked: &Asked) -> Bound {
    compiled(source).bind(&Inputs::new(snapshot, user, (0, None), asked))
}

fn items(snapshot: &Snapshot) -> Items<'_> {
    View::as_trained(snapshot).items()
}

/// The items for which the expression holds.
fn holding(source: &str, user: Option<u32>, params: &[(&str, Param)]) -> Vec<u32> {
    let snapshot = snapshot();
    let bound = bound(&snapshot, user, source, &asked(params));
    (0..8).filter(|&item| bound.holds(items(&snapshot), item)).collect()
}

#[test]
fn birthdays_are_counted_in_days_of_the_zone() {
    use qianmian_models::index::user_attributes::{UserAttribute, UserAttributes};
    // Days since 1970 of 1990-11-20, 1992-02-29 and 1988-11-14.
    let birthdays = [Some(7_628), Some(8_094), Some(6_892), None, None, None];
    let attribute = |birthday| UserAttribute { birthday, ..UserAttribute::default() };
    let mut snapshot = snapshot();
    snapshot.user_attributes = UserAttributes::new(&birthdays.map(attribute)).unwrap();
    // 2023-11-14 22:13:20 UTC is the 15th in Shanghai.
    let shanghai = jiff::tz::TimeZone::get("Asia/Shanghai").ok();
    for (user, zone, days) in [
        (Some(0), None, Some(6)),
        (Some(0), shanghai.clone(), Some(5)),
        (Some(1), None, Some(107)),
        (Some(2), None, Some(0)),
        (Some(2), shanghai, Some(365)),
        (Some(3), None, None),
        (None, None, None),
    ] {
        let asked = Asked { at: UNTIL, zone, ..asked(&[]) };
        let inputs = Inputs::new(&snapshot, user, (0, None), &asked);
        assert_eq!(inputs.days_to_birthday(), days.map(f64::from), "{user:?}");
        let is_soon = compiled("user.days_to_birthday <= 7").holds(&inputs);
        assert_eq!(is_soon, days.is_some_and(|days| days <= 7));
    }
}

#[test]
fn places_of_the_request_are_read() {
    let asked = Asked { store_id: "s1".into(), city: "上海".into(), ..asked(&[]) };
    let snapshot = snapshot();
    let inputs = Inputs::new(&snapshot, None, (0, None), &asked);
    assert!(compiled("context.store_id == 's1' && context.city == '上海'").holds(&inputs));
    assert!(!compiled("context.store_id in ['s2', '']").holds(&inputs));
}

#[test]
fn fields_of_items_and_requests_are_read() {
    let text = |text: &str| Param::Text(text.to_owned());
    assert_eq!(holding("item.price < 3.0", None, &[]), [0, 1, 2]);
    assert_eq!(holding("item.price < 3 && item.stock > 10", None, &[]), [1, 2]);
    assert_eq!(holding("item.id in ['item 1', 'item 7', 'none']", None, &[]), [1, 7]);
    assert_eq!(holding("item.title.endsWith('5') || item.title == '商品 2'", None, &[]), [2, 5]);
    assert_eq!(holding("item.price < params.most", None, &[("most", Param::Number(1.0))]), [0]);
    assert_eq!(holding("item.id == params.id", None, &[("id", text("item 4"))]), [4]);
    assert_eq!(holding("item.id in params.ids", None, &[("ids", Param::Texts(vec!["item 6".into()]))]), [6]);
    assert_eq!(holding("user.known && item.price > 7", Some(2), &[]), [7]);
    assert_eq!(holding("user.known && item.price > 7", None, &[]), [0u32; 0]);
    assert_eq!(
        holding("user.baskets == 3 && user.days_since_last > 12.9 && item.price > 7", Some(0), &[]),
        [7]
    );
    assert_eq!(
        holding("context.scene == 'home' && context.channel == 'app' && item.price < 1", None, &[]),
        [0]
    );
    assert_eq!(holding("item.price * 2 - 1 == 4 ? true : item.price == 0.5", None, &[]), [0, 2]);
    assert_eq!(holding("[0.5, 1.5].exists(p, p == item.price)", None, &[]), [0, 1]);
}

#[test]
fn hours_and_weekdays_are_those_of_the_zone() {
    // Tuesday, 2023-11-14 22:13:20 UTC, and three days.
    let snapshot = snapshot();
    let at = |zone: Option<jiff::tz::TimeZone>, source: &str| {
        let asked = Asked { zone, ..asked(&[]) };
        compiled(source).holds(&Inputs::new(&snapshot, None, (0, None), &asked))
    };
    assert!(at(None, "context.hour == 22 && context.weekday == 5"));
    let shanghai = jiff::tz::TimeZone::get("Asia/Shanghai").expect("bundled");
    assert!(at(Some(shanghai), "context.hour == 6 && context.weekday == 6"));
}

#[test]
fn what_is_unknown_does_not_hold() {
    for source in ["item.cost < 1000", "item.cost >= 0", "!(item.cost < 1000)", "item.cost == item.cost"] {
        assert!(!holding(source, None, &[]).contains(&3), "{source}: the cost of item 3 is unknown");
    }
    assert_eq!(holding("!has(item.cost)", None, &[]), [3]);
    assert_eq!(holding("item.cost < 1 || item.price == 3.5", None, &[]), [0, 3], "a true side decides");
    assert_eq!(holding("item.brand != 'x'", None, &[]).len(), 8, "an unknown text is empty");
    assert_eq!(holding("item.price < params.most", None, &[("most", Param::Bool(true))]), [0u32; 0]);
    assert_eq!(holding("item.price < params.most", None, &[]), [0u32; 0]);
    assert_eq!(holding("user.days_since_last < 99999", None, &[]), [0u32; 0]);
}

#[test]
fn masks_follow_news_of_items_and_offers_of_rooms() {
    let snapshot = snapshot();
    let overlay = Overlay::new(&snapshot.catalog);
    let masks = Masks::default();
    let predicate = bound(&snapshot, None, "item.price < 3.0", &asked(&[]));
    let view = View::as_trained(&snapshot).with_overlay(&overlay);
    let kept = |view: View<'_>| -> Vec<u32> {
        let mask = Masks::over_catalog(Some(&masks), view.items(), &predicate);
        (0..8).filter(|&item| mask.holds(item)).collect()
    };
    assert_eq!(kept(view), [0, 1, 2]);
    assert_eq!((kept(view), masks.evaluations()), (vec![0, 1, 2], 8), "kept");
    overlay.set(7, ItemNews { price: Money::new(100), ..ItemNews::default() });
    assert_eq!((kept(view), masks.evaluations()), (vec![0, 1, 2, 7], 9), "one item was worked out again");
    let offer = RoomOffer { price: Money::new(900), stock: None };
    let room: RoomOffers = [(0, offer)].into_iter().collect();
    assert_eq!(kept(view.in_room(&room)), [1, 2, 7]);
    assert_eq!(kept(view), [0, 1, 2, 7], "a room changes nothing outside of it");
    for _ in 0..2_000 {
        overlay.set(7, ItemNews::default());
    }
    assert_eq!(kept(view), [0, 1, 2], "more changes than are remembered");
}

#[test]
fn a_slate_holds_only_what_filters_and_pools_allow() {
    let snapshot = snapshot();
    let masks = Masks::default();
    for masks in [None, Some(&masks)] {
        let mut view = View::as_trained(&snapshot);
        view.masks = masks;
        let query = |filters: &[&str], pool: Option<Vec<u32>>| {
            let filters = filters.iter().map(|source| compiled(source)).collect();
            Query { filters, pool, asked: asked(&[]), ..Query::for_user(0, 8) }
        };
        let slate = |query: &Query| {
            let mut items: Vec<u32> = recommend(view, query).items.iter().map(|slot| slot.item).collect();
            items.sort_unstable();
            items
        };
        assert_eq!(slate(&query(&["item.price > 2.0"], None)), [2, 3, 4, 5, 6, 7]);
        assert_eq!(slate(&query(&["item.price > 2.0", "item.price < 5.0"], Some(vec![0, 3, 4, 7]))), [3, 4]);
        assert_eq!(slate(&query(&[], Some(Vec::new()))), [0u32; 0]);
        let mut boosted = query(&[], None);
        let plain: Vec<u32> = recommend(view, &boosted).items.iter().map(|slot| slot.item).collect();
        boosted.boosts = vec![(compiled(&format!("item.id == 'item {}'", plain[7])), 50.0)];
        let lifted = recommend(view, &boosted).items[0].item;
        assert_eq!(lifted, plain[7], "a boost lifts the last of the shortlist");
        boosted.boosts = vec![(compiled(&format!("item.id == 'item {}'", plain[0])), 0.01)];
        assert_eq!(recommend(view, &boosted).items[7].item, plain[0]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 2_000 } else { 100_000 }))]

    #[test]
    fn no_text_makes_the_compiler_panic(source in "\\PC{0,60}") {
        let _ = Expression::compile(&source);
    }

    #[test]
    fn no_mix_of_tokens_makes_the_compiler_panic(tokens in prop::collection::vec(prop::sample::select(vec![
        "item", ".", "price", "tags", "user", "city", "params", "x", "(", ")", "[", "]", "{", "}", "&&", "||", "!", "==",
        "<", "+", "-", "*", "/", "%", "?", ":", ",", "1", "2.5", "'a'", "\"b\"", "in", "has", "exists", "all", "map", "t",
        "size", "true", "null", "r'\\n'", "b'x'", "1u", "0x1F", "`a`", "\n", "//", "contains", "startsWith",
    ]), 0..40)) {
        let snapshot = snapshot();
        let source = tokens.join(" ");
        if let Ok(expression) = Expression::compile(&source) {
            let asked = asked(&[]);
            let bound = Arc::new(expression).bind(&Inputs::new(&snapshot, Some(1), (1, None), &asked));
            let _ = bound.holds(items(&snapshot), 3);
        }
    }

    #[test]
    fn masks_change_no_answer(
        limits in prop::collection::vec(0.0f64..9.0, 1..4),
        news in prop::collection::vec((0u32..8, prop::option::of(0i64..900), prop::option::of(0u32..3)), 0..6),
    ) {
        let snapshot = snapshot();
        let (overlay, masks) = (Overlay::new(&snapshot.catalog), Masks::default());
        let view = View::as_trained(&snapshot).with_overlay(&overlay);
        let sources = ["item.price < params.p", "item.stock > 1 || params.p > 4.0", "user.known && item.price > params.p"];
        for (item, price, stock) in std::iter::once((0, None, None)).chain(news) {
            let price = price.and_then(Money::new);
            overlay.set(item, ItemNews { price, stock, listed: None });
            for limit in &limits {
                for source in sources {
                    let asked = asked(&[("p", Param::Number(*limit))]);
                    let bound = bound(&snapshot, Some(0), source, &asked);
                    let known = Masks::known(Some(&masks), view.items(), bound.clone());
                    let mask = Masks::over_catalog(Some(&masks), view.items(), &bound);
                    for item in 0..8 {
                        let want = bound.holds(view.items(), item);
                        prop_assert_eq!((known.holds(view.items(), item), mask.holds(item)), (want, want));
                    }
                    let is_constant = matches!(known, Known::Constant(_));
                    prop_assert!(!is_constant);
                }
            }
        }
    }
}
