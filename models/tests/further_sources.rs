//! Items without sales and external sources, in slates, among neighbors and in audiences.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::support;
use qianmian_models::audience::{AudienceQuery, Prospect, audience};
use qianmian_models::ids::Vocabulary;
use qianmian_models::index::catalog::{Attributes, Catalog};
use qianmian_models::index::external::{External, Knowledge, Scores};
use qianmian_models::index::factors::Factors;
use qianmian_models::index::item_lists::ItemLists;
use qianmian_models::index::popularity::Popularity;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::{recommend, shortlist_features};
use qianmian_models::similar::{neighbors, similar};
use qianmian_models::snapshot::Snapshot;
use qianmian_models::source::Source;
use qianmian_models::view::View;
use qianmian_money::Currency;

/// Items 0 and 7, of different kinds, name each other with this weight.
fn pair(weight: f32) -> ItemLists {
    let mut lists = vec![Vec::new(); 8];
    lists[0].push((7, weight));
    lists[7].push((0, weight));
    ItemLists::new("pair", &lists).unwrap()
}

fn with_external(knowledge: Knowledge) -> Snapshot {
    let mut snapshot = support::snapshot();
    snapshot.external = vec![External { name: "brought".to_owned(), knowledge }];
    snapshot.similar = neighbors::all(&snapshot).unwrap();
    snapshot
}

fn people_for(snapshot: &Snapshot, item: u32) -> Vec<Prospect> {
    audience(View::as_trained(snapshot), &AudienceQuery::for_item(item, 6)).people
}

#[test]
fn cold_items_are_candidates_of_content_neighbors() {
    let mut snapshot = support::snapshot();
    let query = Query::for_user(1, 8);
    let content = |snapshot: &Snapshot| {
        let slate = recommend(View::as_trained(snapshot), &query);
        slate.items.iter().find(|r| r.evidence[Source::Content as usize] > 0.0).copied()
    };
    assert!(content(&snapshot).is_none());
    snapshot.content_neighbors = Some(pair(0.9));
    let shown = content(&snapshot).unwrap();
    assert_eq!((shown.item, shown.seed, shown.evidence[Source::Content as usize]), (7, Some(0), 1.0));
    let (_, row) = shortlist_features(View::as_trained(&snapshot), &query)
        .into_iter()
        .find(|(item, _)| *item == 7)
        .unwrap();
    assert!(row.last().is_some_and(|raw| (0.5..0.9).contains(raw)), "tempered by recency: {row:?}");
}

#[test]
fn a_slate_of_twenty_ends_with_a_cold_item() {
    // Thirty items; the last two were never sold and resemble item 0, the one more than the other.
    let mut snapshot = support::snapshot();
    let ids: Vec<String> = (0..30).map(|n| format!("item {n:02}")).collect();
    snapshot.items = Vocabulary::new(&ids).unwrap();
    snapshot.catalog = Catalog::new(&vec![Attributes::default(); 30], Currency::default()).unwrap();
    let sold = |n: u32| if n < 28 { 40 - n } else { 0 };
    let score = (0..30).map(|n| sold(n) as f32).collect();
    snapshot.popularity = Popularity::new(score, Default::default(), (0..30).map(sold).collect());
    snapshot.embedding = None;
    snapshot.blend.recommend_visitor[Source::Content as usize] = 0.0;
    let slate = |snapshot: &Snapshot, count| {
        let query = Query { recent: vec![0], count, ..Query::default() };
        recommend(View::as_trained(snapshot), &query).items.iter().map(|r| r.item).collect::<Vec<_>>()
    };
    let (short, long) = (slate(&snapshot, 19), slate(&snapshot, 20));
    let mut lists = vec![Vec::new(); 30];
    lists[0] = vec![(29, 0.8), (28, 0.4)];
    snapshot.content_neighbors = Some(ItemLists::new("content_neighbors", &lists).unwrap());
    assert_eq!(slate(&snapshot, 19), short);
    assert_eq!(slate(&snapshot, 20), [&long[..19], &[29]].concat());
}

#[test]
fn a_visitor_who_looks_at_a_launch_sees_what_it_resembles() {
    let mut snapshot = support::snapshot();
    snapshot.content_neighbors = Some(pair(0.9));
    let query = Query { recent: vec![7], count: 8, ..Query::default() };
    let slate = recommend(View::as_trained(&snapshot), &query);
    assert!(slate.personalized && slate.items.iter().any(|r| r.item == 0 && r.seed == Some(7)));
}

#[test]
fn content_neighbors_rank_below_purchases_in_similar() {
    let mut snapshot = support::snapshot();
    snapshot.content_neighbors = Some(pair(0.9));
    snapshot.similar = neighbors::all(&snapshot).unwrap();
    let found = similar(View::as_trained(&snapshot), &[7], 8);
    let place = found.iter().position(|r| r.item == 0).unwrap();
    assert!(place > 0 && found[place].source == Source::Content, "{found:?}");
    // An item without sales has only its attributes.
    snapshot.embedding = None;
    snapshot.co_purchase =
        qianmian_models::index::co_purchase::CoPurchase::new(12, vec![0; 8], &vec![Vec::new(); 8]).unwrap();
    snapshot.similar = neighbors::all(&snapshot).unwrap();
    assert_eq!(similar(View::as_trained(&snapshot), &[7], 8).iter().map(|r| r.item).collect::<Vec<_>>(), [0]);
}

#[test]
fn external_scores_take_part_in_similar_and_audience() {
    let snapshot = with_external(Knowledge::Scores(Scores::new(pair(0.5)).unwrap()));
    let found = similar(View::as_trained(&snapshot), &[7], 8);
    assert!(found.iter().any(|r| r.item == 0 && r.source == Source::External1 && r.because.is_some()));
    let people = people_for(&snapshot, 7);
    let bought_0 = |p: &&Prospect| snapshot.history.ixs(p.user).contains(&0);
    assert!(people.iter().filter(bought_0).count() == 2, "{people:?}");
    let says = |p: &Prospect| p.evidence[Source::External1 as usize] > 0.0;
    assert!(people.iter().all(|p| says(p) == snapshot.history.ixs(p.user).contains(&0)), "{people:?}");
}

#[test]
fn external_vectors_take_part_in_similar_and_audience() {
    // The vectors of items 7 and 0 have the same direction; all others have another.
    let items =
        Factors::new(2, (0..8).flat_map(|n| if n % 7 == 0 { [3.0, 0.0] } else { [0.0, 1.0] }).collect());
    let says = |p: &Prospect| p.evidence[Source::External1 as usize] > 0.0;
    let snapshot = with_external(Knowledge::Vectors { items: items.clone(), users: None });
    let found = similar(View::as_trained(&snapshot), &[7], 8);
    let zero = found.iter().find(|r| r.item == 0).unwrap();
    assert_eq!((zero.source, zero.because), (Source::External1, Some(7)));
    let people = people_for(&snapshot, 7);
    assert!(people.iter().any(says), "{people:?}");
    assert!(people.iter().all(|p| says(p) == snapshot.history.ixs(p.user).contains(&0)), "{people:?}");
    // The vectors of user 1 and item 7 are equal.
    let users = Factors::new(2, (0..6).flat_map(|n| if n == 1 { [1.0, 0.0] } else { [0.0, 1.0] }).collect());
    let snapshot = with_external(Knowledge::Vectors { items, users: Some(users) });
    let people = people_for(&snapshot, 7);
    assert_eq!(people.iter().filter(|p| says(p)).map(|p| p.user).collect::<Vec<_>>(), [1]);
}
