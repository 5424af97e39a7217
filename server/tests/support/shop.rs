//! A small shop whose right answers are known: three tastes, ten items and a dozen users each.

use std::path::Path;

use qianmian_models::blend::Blend;
use qianmian_models::ids::Vocabulary;
use qianmian_models::index::bundles::{Bundles, Itemset};
use qianmian_models::index::catalog::{Attributes, Catalog, Text};
use qianmian_models::index::co_purchase::{CoPurchase, Pair};
use qianmian_models::index::content::Content;
use qianmian_models::index::factors::{Factors, FoldIn};
use qianmian_models::index::identities::Identities;
use qianmian_models::index::item_lists::ItemLists;
use qianmian_models::index::likelihood::{Horizon, Likelihood};
use qianmian_models::index::localities::{Kind, Localities, Locality};
use qianmian_models::index::popularity::Popularity;
use qianmian_models::index::profile::{Profile, Profiles};
use qianmian_models::index::purchases::{Direction, Purchase, Purchases};
use qianmian_models::index::repeats::Repeats;
use qianmian_models::index::similar_items::SimilarItems;
use qianmian_models::index::traits::Traits;
use qianmian_models::index::user_attributes::{UserAttribute, UserAttributes};
use qianmian_models::kernels::trees::{Node, Trees};
use qianmian_models::similar::neighbors;
use qianmian_models::snapshot::{Embedding, Snapshot};
use qianmian_models::storage::artifact::{ArtifactWriter, Manifest};
use qianmian_models::storage::versions::ShopStore;
use qianmian_money::{Currency, Money};

/// Users and items of each taste.
const TASTES: usize = 3;
pub const ITEMS: usize = 30;
pub const USERS: usize = 40;
const DAY: u32 = 86_400;
/// The last day of the data, unix seconds.
const UNTIL: u32 = 1_700_000_000;
const BASKETS: u64 = 200;

/// Id of item `n`: every id of a model begins with its `mark`.
pub fn item(mark: &str, n: usize) -> String {
    format!("{mark}-item-{n:02}")
}

/// Id of user `n`.
pub fn user(n: usize) -> String {
    format!("user-{n:02}")
}

/// The taste of user or item `n`.
pub fn taste(n: usize) -> usize {
    n % TASTES
}

/// Writes and publishes a version whose item ids begin with `mark`.
pub fn publish(store: &Path, shop: &str, version: &str, mark: &str) {
    write(store, shop, version, mark);
    ShopStore::new(store, shop).unwrap().publish(version).unwrap();
}

/// Writes and publishes a version whose first user has another id, which must come before all others.
pub fn publish_with_first_user(store: &Path, shop: &str, version: &str, mark: &str, first_user: &str) {
    let mut snapshot = snapshot(version, mark);
    let mut users: Vec<String> = (0..USERS).map(user).collect();
    first_user.clone_into(&mut users[0]);
    snapshot.users = Vocabulary::new(&users).unwrap();
    let store = ShopStore::new(store, shop).unwrap();
    write_snapshot(&store, version, &snapshot);
    store.publish(version).unwrap();
}

/// Writes and publishes a version whose users table has these consents of user `n`, by column.
pub fn publish_with_consents(
    store: &Path,
    shop: &str,
    version: &str,
    consents: impl Fn(usize) -> Vec<(&'static str, Option<bool>)>,
) {
    let mut snapshot = snapshot(version, "a");
    let attributes = |n| UserAttribute {
        consents: consents(n).into_iter().map(|(name, said)| (name.to_owned(), said)).collect(),
        ..UserAttribute::default()
    };
    snapshot.user_attributes = UserAttributes::new(&(0..USERS).map(attributes).collect::<Vec<_>>()).unwrap();
    let store = ShopStore::new(store, shop).unwrap();
    write_snapshot(&store, version, &snapshot);
    store.publish(version).unwrap();
}

/// Writes a version without publishing it.
pub fn write(store: &Path, shop: &str, version: &str, mark: &str) {
    write_snapshot(&ShopStore::new(store, shop).unwrap(), version, &snapshot(version, mark));
}

fn write_snapshot(store: &ShopStore, version: &str, snapshot: &Snapshot) {
    let mut writer = ArtifactWriter::create(store.folder(), version).unwrap();
    snapshot.write(&mut writer).unwrap();
    let mut manifest = Manifest::new(version, "2023-11-15T00:00:00Z");
    snapshot.describe(&mut manifest, BASKETS);
    manifest.data_from = i64::from(UNTIL - 100 * DAY);
    writer.finish(manifest).unwrap();
}

fn snapshot(version: &str, mark: &str) -> Snapshot {
    let items: Vec<String> = (0..ITEMS).map(|n| item(mark, n)).collect();
    let users: Vec<String> = (0..USERS).map(user).collect();
    let history = history();
    let catalog = Catalog::new(&(0..ITEMS).map(attributes).collect::<Vec<_>>(), Currency::default()).unwrap();
    let mut snapshot = Snapshot {
        version: version.to_owned(),
        trained_at: "2023-11-15T00:00:00Z".to_owned(),
        data_until: UNTIL.into(),
        items: Vocabulary::new(&items).unwrap(),
        users: Vocabulary::new(&users).unwrap(),
        content: Content::new(&catalog, ITEMS).unwrap(),
        catalog,
        profiles: Profiles::new(&(0..USERS).map(profile).collect::<Vec<_>>()),
        user_attributes: UserAttributes::new(&vec![UserAttribute::default(); USERS]).unwrap(),
        identities: Identities::new(&vec![Vec::new(); USERS]).unwrap(),
        co_purchase: co_purchase(),
        bundles: bundles(),
        basket_ease: lists(),
        ease: Some(lists()),
        ease_by_target: Some(lists().transposed("ease_by_target").unwrap()),
        transitions: None,
        similar: SimilarItems::none(ITEMS),
        user_knn: None,
        repeats: Repeats::new(&history, &history.transposed(ITEMS).unwrap()),
        ranker: None,
        new_ranker: None,
        likelihood: Some(likelihood()),
        buyers: history.transposed(ITEMS).unwrap(),
        history,
        popularity: popularity(),
        embedding: Some(embedding()),
        low_pass: None,
        content_neighbors: None,
        traits: Traits::default(),
        localities: Some(localities()),
        rooms: None,
        external: Vec::new(),
        blend: Blend::default(),
    };
    snapshot.similar = neighbors::all(&snapshot).unwrap();
    snapshot
}

/// Half a chance for buyers, about a tenth for others, less for items without sales.
fn likelihood() -> Likelihood {
    let constant = |value| {
        let mut trees = Trees::default();
        trees.push(&[Node { feature: 0, threshold: 0.0, left: 0, right: 0, value }]);
        trees
    };
    let (repeat, new, cold) = (constant(0.0), constant(-2.0), constant(-3.0));
    Likelihood { repeat, new, cold, horizon: Horizon::Days(30.0) }
}

/// Every item has a title; item 5 has no price, item 8 no cost and no stock, item 29 is sold out.
fn attributes(n: usize) -> Attributes {
    let mut item = Attributes {
        price: Money::new(150 + 100 * n as i64).filter(|_| n != 5),
        cost: Money::new(100 + 100 * n as i64).filter(|_| n != 8),
        stock: (n != 8).then_some(100 - n as u32),
        ..Attributes::default()
    };
    *item.text_mut(Text::Title) = format!("商品 {n} \"大\" 🍚");
    if n == 29 {
        *item.text_mut(Text::Status) = "sold_out".to_owned();
    }
    item
}

fn profile(n: usize) -> Profile {
    Profile {
        baskets: 3 + n as u32 % 5,
        units: 4.0,
        spend: Money::new(2_050).unwrap(),
        first_at: UNTIL - 90 * DAY,
        last_at: UNTIL - (n as u32 % 20) * DAY,
        rfm: [5, 3, 1],
        channel: if n.is_multiple_of(2) { "mini_program".to_owned() } else { String::new() },
    }
}

/// Each user bought three items of their taste.
fn history() -> Purchases {
    let mut entries = Vec::new();
    for n in 0..USERS {
        for k in 0..3 {
            let item = taste(n) + TASTES * ((n / TASTES + k) % (ITEMS / TASTES));
            let last_at = UNTIL - (n as u32 % 20 + k as u32) * DAY;
            entries.push(Purchase {
                ix: item as u32,
                baskets: 1 + k as u32,
                first_at: last_at - 30 * DAY,
                last_at,
                decayed: 0.9 / (1.0 + k as f32),
            });
        }
    }
    Purchases::new(Direction::History, vec![3; USERS], &entries).unwrap()
}

/// Every item goes with the next two of its taste; item 28 goes with nothing.
fn co_purchase() -> CoPurchase {
    let pairs = |n: usize| -> Vec<Pair> {
        let next = |k: usize| ((n + TASTES * k) % ITEMS) as u32;
        let pair = |k: usize| Pair { item: next(k), baskets: 9 - 3 * k as u32, score: 0.6 / k as f32 };
        if n == 28 { Vec::new() } else { vec![pair(1), pair(2)] }
    };
    let lists: Vec<Vec<Pair>> = (0..ITEMS).map(pairs).collect();
    CoPurchase::new(BASKETS, vec![20; ITEMS], &lists).unwrap()
}

/// Every item is in a pair with the next of its taste, as counted above; items 3, 6 and 9 are a set of three.
fn bundles() -> Bundles {
    let set = |items: &[usize], baskets: u32| {
        let mut items: Vec<u32> = items.iter().map(|&n| n as u32).collect();
        items.sort_unstable();
        let score = baskets as f32 + items[0] as f32 / 100.0;
        Itemset { items, baskets, score }
    };
    let mut sets: Vec<Itemset> =
        (0..ITEMS).filter(|&n| n != 28 && n != 25).map(|n| set(&[n, (n + TASTES) % ITEMS], 6)).collect();
    sets.extend([set(&[3, 9], 3), set(&[3, 6, 9], 2)]);
    Bundles::new(&[20; ITEMS], sets).unwrap()
}

/// The co-purchase scores again, in the form of item-item weights.
fn lists() -> ItemLists {
    let co_purchase = co_purchase();
    let list = |n: u32| co_purchase.pairs(n).map(|p| (p.item, p.score)).collect();
    ItemLists::new("ease", &(0..ITEMS as u32).map(list).collect::<Vec<_>>()).unwrap()
}

fn popularity() -> Popularity {
    let counts: Vec<u32> = (0..ITEMS as u32).map(|n| 40 - n).collect();
    let score = counts.iter().map(|&count| count as f32).collect();
    Popularity::new(score, [counts.clone(), counts.clone(), counts.clone()], counts)
}

/// In store `S1` item 9 sells best and item 8 next; other localities are unknown.
fn localities() -> Localities {
    let items = vec![(9, 90.0), (8, 80.0)];
    Localities::new(&[Locality { kind: Kind::Store, value: "S1".to_owned(), rest: 0.5, items }]).unwrap()
}

/// One axis per taste; item 28 has no vector.
fn embedding() -> Embedding {
    let axis = |n: usize| (0..TASTES).map(move |d| if d == taste(n) { 1.0 } else { 0.0 });
    let items = (0..ITEMS).flat_map(|n| axis(n).map(move |v| if n == 28 { 0.0 } else { v })).collect();
    let users = (0..USERS).flat_map(axis).collect();
    let gram = (0..TASTES * TASTES).map(|n| if n % (TASTES + 1) == 0 { 10.1 } else { 0.0 }).collect();
    Embedding {
        items: Factors::new(TASTES, items),
        users: Factors::new(TASTES, users),
        fold_in: FoldIn::new(Factors::new(TASTES, gram), 10.0),
        alpha: 10.0,
        item_graph: None,
        user_graph: None,
    }
}
