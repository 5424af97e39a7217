//! Properties of the answers, and of the store that they come from.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::support;
use proptest::prelude::*;
use qianmian_models::audience::{AudienceQuery, Goods, Prospect, Since, audience};
use qianmian_models::bundle::{BundleQuery, Evidence, bundles, complements, personal_complements};
use qianmian_models::consent::{ConsentPolicy, Consents, Purpose, Unknown};
use qianmian_models::ids::Vocabulary;
use qianmian_models::index::catalog::{Attributes, Catalog, Text};
use qianmian_models::index::content::Description;
use qianmian_models::index::popularity::Popularity;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::similar::similar;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::artifact::Artifact;
use qianmian_models::storage::versions::ShopStore;
use qianmian_models::view::View;
use qianmian_models::warm::warm;
use qianmian_money::{Currency, Money};

fn distinct(items: impl Iterator<Item = u32>) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    items.into_iter().all(|item| seen.insert(item))
}

proptest! {
    #[test]
    fn a_slate_is_distinct_bounded_filtered_and_repeatable(
        user in prop::option::of(0u32..6),
        recent in prop::collection::vec(0u32..8, 0..4),
        touched in prop::collection::vec((0u32..8, 0.0f32..1.0), 0..4),
        bought in prop::collection::vec((0u32..8, 0i64..4_000_000_000), 0..3),
        overexposed in prop::collection::vec(0u32..8, 0..4),
        trending in prop::collection::vec((0u32..8, 0.0f32..1.0), 0..4),
        exclude in prop::collection::vec(0u32..8, 0..4),
        exclude_bought: bool,
        count in 0usize..12,
    ) {
        let snapshot = support::snapshot();
        let (view, locality) = (View::as_trained(&snapshot), None);
        let query = Query {
            user, recent, touched, bought, overexposed, trending, exclude, exclude_bought, count, locality, ..Query::default()
        };
        let slate = recommend(view, &query);
        prop_assert!(slate.items.len() <= count);
        prop_assert!(distinct(slate.items.iter().map(|r| r.item)));
        prop_assert!(slate.items.iter().all(|r| !query.exclude.contains(&r.item) && r.score.is_finite()));
        prop_assert!(slate.items.windows(2).all(|w| w[0].score >= w[1].score));
        if let (Some(user), true) = (user, exclude_bought) {
            prop_assert!(slate.items.iter().all(|r| !snapshot.history.ixs(user).contains(&r.item)));
        }
        if exclude_bought {
            prop_assert!(slate.items.iter().all(|r| !query.bought.iter().any(|b| b.0 == r.item)));
        }
        let demoted: Vec<bool> = slate.items.iter().map(|r| query.overexposed.contains(&r.item)).collect();
        prop_assert!(demoted.is_sorted(), "overexposed items come last");
        prop_assert_eq!(slate.items, recommend(view, &query).items);
    }

    #[test]
    fn an_audience_is_distinct_and_leaves_buyers_out_when_asked(
        items in prop::collection::vec(0u32..8, 1..4), exclude_buyers: bool, count in 0usize..9,
    ) {
        let snapshot = support::snapshot();
        let (since, described) = (Vec::new(), None);
        let query = AudienceQuery { items, described, since, exclude_buyers, count };
        let people = audience(View::as_trained(&snapshot), &query).people;
        prop_assert!(people.len() <= count && distinct(people.iter().map(|p| p.user)));
        prop_assert!(people.iter().all(|p| (0.0..=1.0).contains(&p.probability.unwrap_or(-1.0))));
        for person in &people {
            let bought = query.items.iter().any(|i| snapshot.history.ixs(person.user).contains(i));
            prop_assert_eq!(bought, person.bought > 0);
            prop_assert!(!(bought && exclude_buyers));
        }
    }

    #[test]
    fn an_audience_is_that_without_who_refuses(
        items in prop::collection::vec(0u32..8, 1..4), deny_unknown: bool, flips in prop::collection::vec(any::<bool>(), 6),
    ) {
        let snapshot = support::snapshot();
        let unknown = if deny_unknown { Unknown::Deny } else { Unknown::Allow };
        let policy = ConsentPolicy { contact: unknown, ..ConsentPolicy::default() };
        let consents = Consents::new(&snapshot.user_attributes, policy);
        prop_assert_eq!([0, 1, 5].map(|user| consents.allows(Purpose::Contact, user)), [true, false, !deny_unknown]);
        for (user, flip) in (0..).zip(&flips) {
            consents.set(Purpose::Contact, user, consents.allows(Purpose::Contact, user) ^ flip);
        }
        let query = AudienceQuery { items, count: 9, ..AudienceQuery::default() };
        let users = |people: &[Prospect]| people.iter().map(|p| p.user).collect::<std::collections::BTreeSet<u32>>();
        let mut all = users(&audience(View::as_trained(&snapshot), &query).people);
        let found = audience(View::as_trained(&snapshot).with_consents(&consents), &query);
        let before = all.len();
        all.retain(|&user| consents.allows(Purpose::Contact, user));
        prop_assert_eq!(users(&found.people), all.clone());
        prop_assert_eq!(found.without_consent, before - all.len());
    }

    #[test]
    fn complements_and_neighbors_never_repeat_what_was_asked(
        cart in prop::collection::vec(0u32..8, 1..4), user in 0u32..6,
    ) {
        let snapshot = support::snapshot();
        prop_assert!(complements(View::as_trained(&snapshot), &cart, 5).iter().all(|c| !cart.contains(&c.item)));
        prop_assert!(similar(View::as_trained(&snapshot), &cart, 5).iter().all(|s| !cart.contains(&s.item)));
        let personal = personal_complements(View::as_trained(&snapshot), &cart, &Query::for_user(user, 5), 5);
        prop_assert!(distinct(personal.iter().map(|c| c.item)));
        prop_assert!(personal.iter().all(|c| !cart.contains(&c.item)));
    }

    #[test]
    fn every_set_is_of_the_cart_and_more_and_as_large_as_was_asked(
        cart in prop::collection::btree_set(0u32..8, 1..4),
        (least, more) in (2usize..6, 0usize..4),
        min_baskets in 1u32..4,
        predict: bool,
        count in 0usize..9,
    ) {
        let snapshot = support::snapshot();
        let cart: Vec<u32> = cart.into_iter().rev().collect();
        let query =
            BundleQuery { cart: &cart, sizes: least..=(least + more).min(5), min_baskets, predict, exclude: &[], count };
        let found = bundles(View::as_trained(&snapshot), &query);
        prop_assert!(found.len() <= count);
        let mut sets = std::collections::BTreeSet::new();
        for bundle in &found {
            prop_assert!(query.sizes.contains(&bundle.items.len()), "{bundle:?}");
            prop_assert!(bundle.baskets >= min_baskets);
            prop_assert!((1..bundle.items.len()).contains(&bundle.in_cart));
            prop_assert!(distinct(bundle.items.iter().copied()));
            for (place, item) in bundle.items.iter().enumerate() {
                prop_assert_eq!(cart.contains(item), place < bundle.in_cart);
            }
            let mut items = bundle.items.clone();
            items.sort_unstable();
            prop_assert!(sets.insert(items), "{:?} twice", bundle);
            prop_assert!(predict || bundle.evidence == Evidence::Observed);
        }
        prop_assert!(found.is_sorted_by_key(|bundle| bundle.evidence != Evidence::Observed));
    }
}

#[test]
fn slates_and_audiences_follow_tastes() {
    let snapshot = support::snapshot();
    let slate = recommend(View::as_trained(&snapshot), &Query::for_user(1, 4));
    assert!(slate.personalized && slate.items.iter().all(|r| r.item < 4), "{:?}", slate.items);
    let people = audience(View::as_trained(&snapshot), &AudienceQuery::for_item(7, 3)).people;
    assert!(people.iter().all(|p| p.user >= 3), "{people:?}");
    let anonymous = recommend(View::as_trained(&snapshot), &Query { count: 3, ..Query::default() });
    assert!(!anonymous.personalized);
    assert_eq!(anonymous.items.iter().map(|r| r.item).collect::<Vec<_>>(), [7, 6, 5]);
}

#[test]
fn a_shelf_goes_on_below_best_sellers_that_are_sold_out() {
    // Three hundred items, of which the 250 best sellers are off sale: more than are asked for at once.
    let mut snapshot = support::snapshot();
    let ids: Vec<String> = (0..300).map(|n| format!("item {n:03}")).collect();
    let mut attributes = vec![Attributes::default(); 300];
    attributes[..250].iter_mut().for_each(|a| *a.text_mut(Text::Status) = "sold_out".to_owned());
    snapshot.items = Vocabulary::new(&ids).unwrap();
    snapshot.catalog = Catalog::new(&attributes, Currency::default()).unwrap();
    let score = (0..300).map(|n| 300.0 - n as f32).collect();
    snapshot.popularity = Popularity::new(score, std::array::from_fn(|_| vec![1; 300]), vec![1; 300]);
    snapshot.embedding = None;
    let slate = recommend(View::as_trained(&snapshot), &Query { count: 3, ..Query::default() });
    assert_eq!(slate.items.iter().map(|r| r.item).collect::<Vec<_>>(), [250, 251, 252]);
}

#[test]
fn goods_by_description_find_the_buyers_of_what_they_resemble() {
    let snapshot = support::snapshot();
    let goods = |title, price| {
        let description = Description { title, price, ..Description::default() };
        let described = Some(Goods::described(View::as_trained(&snapshot), &description));
        audience(View::as_trained(&snapshot), &AudienceQuery { described, count: 3, ..Default::default() })
            .people
    };
    // Only prices distinguish the items here: the last of them cost 4 to 8.
    let people = goods("商品 新", Some(6.6));
    assert!(!people.is_empty() && people.iter().all(|p| p.user >= 3 && p.bought == 0), "{people:?}");
    assert!(goods("nothing like it", None).is_empty());
}

#[test]
fn observed_sets_are_counted_whole_predicted_ones_by_pair() {
    let snapshot = support::snapshot();
    let query =
        BundleQuery { cart: &[1], sizes: 2..=5, min_baskets: 1, predict: true, exclude: &[], count: 4 };
    let found = bundles(View::as_trained(&snapshot), &query);
    let triple = &found[0];
    assert_eq!((&triple.items[..], triple.in_cart, triple.evidence), (&[1, 0, 2][..], 1, Evidence::Observed));
    // One of 12 baskets holds all three; four hold item 1, two hold the other two.
    assert_eq!(triple.baskets, 1);
    let figures = triple.association;
    assert!((figures.support - 1.0 / 12.0).abs() < 1e-12 && (figures.confidence - 0.25).abs() < 1e-12);
    assert!((figures.lift - 0.25 / (2.0 / 12.0)).abs() < 1e-12);
    assert_eq!(triple.offer.price, Money::new(50 + 150 + 250));
    assert_eq!((triple.offer.margin, triple.offer.stock), (Money::new(30), Some(10)));
    let predicted = &found[3];
    assert_eq!(predicted.items, [1, 0, 2, 3], "the whole kind, since every two items share two baskets");
    assert_eq!((predicted.evidence, predicted.baskets), (Evidence::Predicted { pair: (1, 0) }, 2));
    assert!((predicted.association.confidence - 0.5).abs() < 1e-12);
    assert_eq!(
        (predicted.offer.price, predicted.offer.margin),
        (Money::new(800), None),
        "one cost is not known"
    );
}

#[test]
fn sets_hold_only_items_on_sale() {
    let mut snapshot = support::snapshot();
    let ask = |snapshot: &Snapshot, cart: &[u32]| {
        let query =
            BundleQuery { cart, sizes: 2..=5, min_baskets: 1, predict: true, exclude: &[], count: 50 };
        bundles(View::as_trained(snapshot), &query)
    };
    assert!(ask(&snapshot, &[0]).iter().any(|bundle| bundle.items.contains(&2)));
    let mut attributes = vec![Attributes::default(); 8];
    attributes[2].stock = Some(0);
    *attributes[3].text_mut(Text::Status) = "off_sale".to_owned();
    snapshot.catalog = Catalog::new(&attributes, Currency::default()).unwrap();
    let found = ask(&snapshot, &[0]);
    assert!(!found.is_empty());
    assert!(found.iter().all(|bundle| !bundle.items.contains(&2) && !bundle.items.contains(&3)), "{found:?}");
    assert!(ask(&snapshot, &[2]).is_empty());
    let query =
        BundleQuery { cart: &[0], sizes: 2..=5, min_baskets: 3, predict: true, exclude: &[], count: 50 };
    assert!(bundles(View::as_trained(&snapshot), &query).is_empty(), "no pair is in three baskets");
}

#[test]
fn a_person_gets_what_they_buy_again_and_again_before_the_rest() {
    let snapshot = support::snapshot();
    let plain = complements(View::as_trained(&snapshot), &[3], 3);
    assert_eq!(plain.iter().map(|c| c.item).collect::<Vec<_>>(), [0, 1, 2]);
    // User 0 bought item 1 twice and item 2 once in three baskets.
    let personal = personal_complements(View::as_trained(&snapshot), &[3], &Query::for_user(0, 3), 3);
    assert_eq!(personal.iter().map(|c| c.item).collect::<Vec<_>>(), [1, 2, 0]);
    assert!((personal[0].score - (0.2 + 0.5 * 2.0 / 8.0)).abs() < 1e-6, "{personal:?}");
}

#[test]
fn complements_know_purchases_since_training() {
    let snapshot = support::snapshot();
    // A person unknown to the model: item 2 bought twice, once together with item 0.
    let (at, then) = (support::UNTIL + 60, support::UNTIL + 3_600);
    let person = Query { bought: vec![(2, at), (2, then), (0, then)], exclude: vec![1], ..Query::default() };
    let personal = personal_complements(View::as_trained(&snapshot), &[3], &person, 3);
    assert_eq!(personal.iter().map(|c| c.item).collect::<Vec<_>>(), [2, 0]);
    assert!((personal[0].score - (0.2 + 0.5 * 2.0 / 7.0)).abs() < 1e-6, "{personal:?}");
    let query =
        BundleQuery { cart: &[1], sizes: 2..=5, min_baskets: 1, predict: true, exclude: &[2], count: 9 };
    assert!(bundles(View::as_trained(&snapshot), &query).iter().all(|bundle| !bundle.items.contains(&2)));
}

#[test]
fn audiences_know_purchases_and_dislikes_since_training() {
    let snapshot = support::snapshot();
    let ask = |since: Vec<Since>, exclude_buyers| {
        audience(
            View::as_trained(&snapshot),
            &AudienceQuery { since, exclude_buyers, ..AudienceQuery::for_item(1, 6) },
        )
        .people
    };
    let users = |found: &[Prospect]| found.iter().map(|p| p.user).collect::<Vec<u32>>();
    let before = ask(Vec::new(), false);
    let bought = |found: &[Prospect], user| found.iter().find(|p| p.user == user).map(|p| p.bought);
    let buyer = before.iter().find(|p| p.bought > 0).unwrap();
    let other = before.iter().find(|p| p.bought == 0).unwrap();
    let at = Some(support::UNTIL + 60);
    let since = |user, bought_at| Since { item: 1, user, bought_at };
    let after = ask(vec![since(buyer.user, at), since(other.user, at)], false);
    assert_eq!(bought(&after, buyer.user), Some(buyer.bought + 1));
    assert_eq!(bought(&after, other.user), Some(1), "who bought it for the first time is a buyer");
    let likelier = after.iter().find(|p| p.user == other.user).unwrap();
    assert!(likelier.probability > other.probability, "and is asked about as one: {likelier:?} {other:?}");
    let new = ask(vec![since(other.user, at)], true);
    assert!(!users(&new).contains(&other.user) && !users(&new).contains(&buyer.user));
    let without = ask(vec![since(buyer.user, None)], false);
    assert!(!users(&without).contains(&buyer.user));
    let rest: Vec<_> = before.iter().filter(|p| p.user != buyer.user).map(|p| (p.user, p.bought)).collect();
    assert_eq!(
        without.iter().map(|p| (p.user, p.bought)).collect::<Vec<_>>(),
        rest,
        "all others are as they were"
    );
    let elsewhere = Since { item: 2, user: other.user, bought_at: None };
    assert_eq!(ask(vec![elsewhere], false), before, "it is about that item alone");
}

#[test]
fn a_snapshot_from_disk_answers_as_the_one_in_memory() {
    let root = tempfile::tempdir().unwrap();
    let store = ShopStore::new(root.path(), "shop").unwrap();
    support::write(&store, "v1");
    let opened = Snapshot::open(&store.artifact(Some("v1")).unwrap()).unwrap();
    warm(&opened);
    for user in 0..6 {
        let query = Query::for_user(user, 8);
        assert_eq!(
            recommend(View::as_trained(&opened), &query).items,
            recommend(View::as_trained(&support::snapshot()), &query).items
        );
    }
    assert_eq!(opened.users.ix("user/3 🙂"), Some(3));
}

#[test]
fn publish_rollback_and_leftovers() {
    let root = tempfile::tempdir().unwrap();
    let store = ShopStore::new(root.path(), "shop").unwrap();
    assert!(store.artifact(None).is_err() && store.latest().unwrap().is_none());
    support::write(&store, "v1");
    support::write(&store, "v2");
    assert!(store.publish("v3").is_err() && store.publish("../v1").is_err());
    store.publish("v1").unwrap();
    assert!(store.rollback().is_err());
    store.publish("v2").unwrap();
    assert_eq!(store.rollback().unwrap().version, "v1");
    assert_eq!(store.versions().unwrap(), ["v1", "v2"]);
    let leftover = store.folder().join(".writing-v9-1");
    std::fs::create_dir(&leftover).unwrap();
    drop(store.lock().unwrap());
    assert!(!leftover.exists());
    assert!(ShopStore::new(root.path(), "../shop").is_err());
}

#[test]
fn a_damaged_version_is_not_published() {
    let root = tempfile::tempdir().unwrap();
    let store = ShopStore::new(root.path(), "shop").unwrap();
    support::write(&store, "v1");
    support::write(&store, "v2");
    store.publish("v1").unwrap();
    let file = store.folder().join("v2/popularity.arrow");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 4;
    std::fs::write(&file, bytes).unwrap();
    assert!(store.publish("v2").unwrap_err().to_string().contains("popularity"));
    assert_eq!(store.latest().unwrap().unwrap().version, "v1");
    assert!(Artifact::open(&store.folder().join("v2")).is_ok(), "only the section is damaged");
}
