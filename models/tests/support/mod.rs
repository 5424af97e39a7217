//! A small, complete snapshot, built through the public API.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "each test file uses its own part of this")]

pub mod random;

use qianmian_models::blend::Blend;
use qianmian_models::ids::Vocabulary;
use qianmian_models::index::ann::Graph;
use qianmian_models::index::bundles::{Bundles, Itemset};
use qianmian_models::index::catalog::{Attributes, Catalog, Text};
use qianmian_models::index::co_purchase::{CoPurchase, Pair};
use qianmian_models::index::content::Content;
use qianmian_models::index::factors::{Factors, FoldIn};
use qianmian_models::index::identities::Identities;
use qianmian_models::index::item_lists::ItemLists;
use qianmian_models::index::likelihood::{Horizon, Likelihood};
use qianmian_models::index::popularity::Popularity;
use qianmian_models::index::profile::{Profile, Profiles};
use qianmian_models::index::purchases::{Direction, Purchase, Purchases};
use qianmian_models::index::repeats::Repeats;
use qianmian_models::index::similar_items::SimilarItems;
use qianmian_models::index::traits::Traits;
use qianmian_models::index::user_attributes::{CONSENT_CONTACT, UserAttribute, UserAttributes};
use qianmian_models::kernels::trees::{Node, Trees};
use qianmian_models::similar::neighbors;
use qianmian_models::snapshot::{Embedding, Snapshot};
use qianmian_models::storage::artifact::{Artifact, ArtifactWriter, Manifest};
use qianmian_models::storage::versions::ShopStore;
use qianmian_money::{Currency, Money};

/// The end of the small shop's data.
pub const UNTIL: i64 = 1_700_000_000;
const DAY: u32 = 86_400;

/// Eight items in two kinds of four, six users of which each buys within one kind.
pub fn snapshot() -> Snapshot {
    let items: Vec<String> = (0..8).map(|n| format!("item {n}")).collect();
    let users: Vec<String> = (0..6).map(|n| format!("user/{n} 🙂")).collect();
    let kind = |ix: u32, n: u32| ix * 2 / n;
    let pairs = |a: u32| (0..8).filter(move |&b| b != a && kind(a, 8) == kind(b, 8));
    let lists: Vec<Vec<Pair>> =
        (0..8).map(|a| pairs(a).map(|item| Pair { item, baskets: 2, score: 0.5 }).collect()).collect();
    let bought =
        |user: u32| (0..8u32).filter(move |&i| kind(i, 8) == kind(user, 6) && !(i + user).is_multiple_of(3));
    let at = |days: u32| UNTIL as u32 - days * DAY;
    let entry =
        |ix: u32| Purchase { ix, baskets: 1 + ix % 2, first_at: at(40), last_at: at(10), decayed: 0.9 };
    let entries: Vec<Purchase> = (0..6).flat_map(|u| bought(u).map(entry)).collect();
    let history = Purchases::new(Direction::History, (0..6).map(|u| bought(u).count()), &entries).unwrap();
    let vector = |kind: u32| if kind == 0 { [1.0, 0.1] } else { [0.1, 1.0] };
    let ring = |n: u32| (0..n).map(|r| vec![vec![(r + 1) % n, (r + n - 1) % n], vec![(r + 2) % n]]).collect();
    let title = |n: u32| {
        let mut attributes =
            Attributes { price: Money::new(100 * i64::from(n) + 50), ..Attributes::default() };
        attributes.cost = Money::new(100 * i64::from(n) + 40).filter(|_| n != 3);
        attributes.stock = Some(10 + n);
        *attributes.text_mut(Text::Title) = format!("商品 {n}");
        attributes
    };
    let profile =
        Profile { baskets: 3, first_at: at(40), last_at: at(10), rfm: [3, 3, 3], ..Profile::default() };
    let catalog = Catalog::new(&(0..8).map(title).collect::<Vec<_>>(), Currency::default()).unwrap();
    let mut snapshot = Snapshot {
        version: "v1".into(),
        trained_at: "2023-11-14T22:13:20Z".into(),
        data_until: UNTIL,
        items: Vocabulary::new(&items).unwrap(),
        users: Vocabulary::new(&users).unwrap(),
        content: Content::new(&catalog, 8).unwrap(),
        traits: Traits::new(&catalog, 8),
        catalog,
        profiles: Profiles::new(&vec![profile; 6]),
        user_attributes: UserAttributes::new(&(0..6).map(user_attributes).collect::<Vec<_>>()).unwrap(),
        identities: Identities::new(
            &(0..6).map(|n| vec![("member_card".to_owned(), n.to_string())]).collect::<Vec<_>>(),
        )
        .unwrap(),
        co_purchase: CoPurchase::new(12, vec![4; 8], &lists).unwrap(),
        similar: SimilarItems::none(8),
        user_knn: None,
        repeats: Repeats::new(&history, &history.transposed(8).unwrap()),
        buyers: history.transposed(8).unwrap(),
        history,
        ease: Some(
            ItemLists::new("ease", &(0..8).map(|a| pairs(a).map(|b| (b, 0.2)).collect()).collect::<Vec<_>>())
                .unwrap(),
        ),
        ease_by_target: None,
        bundles: bundles(),
        basket_ease: ItemLists::new(
            "basket_ease",
            &(0..8).map(|a| pairs(a).map(|b| (b, 0.2)).collect()).collect::<Vec<_>>(),
        )
        .unwrap(),
        transitions: None,
        popularity: Popularity::new(
            (0..8).map(|n| n as f32).collect(),
            std::array::from_fn(|_| vec![1; 8]),
            vec![4; 8],
        ),
        embedding: Some(Embedding {
            items: Factors::new(2, (0..8).flat_map(|i| vector(kind(i, 8))).collect()),
            users: Factors::new(2, (0..6).flat_map(|u| vector(kind(u, 6))).collect()),
            fold_in: FoldIn::new(Factors::new(2, vec![5.0, 0.8, 0.8, 5.0]), 6.0),
            alpha: 6.0,
            item_graph: Some(Graph::new("item_graph", &ring(8)).unwrap()),
            user_graph: Some(Graph::new("user_graph", &ring(6)).unwrap()),
        }),
        low_pass: None,
        content_neighbors: None,
        localities: None,
        rooms: None,
        external: Vec::new(),
        blend: Blend::default(),
        ranker: None,
        new_ranker: None,
        likelihood: Some(Likelihood {
            repeat: stump(0.0, 1.0),
            new: stump(-3.0, -2.0),
            cold: stump(-4.0, -3.0),
            horizon: Horizon::Days(30.0),
        }),
    };
    snapshot.similar = neighbors::all(&snapshot).unwrap();
    snapshot
}

/// Every second user refuses to be contacted; the last one has no recorded consent.
fn user_attributes(n: u32) -> UserAttribute {
    let consents = (n < 5).then(|| (CONSENT_CONTACT.to_owned(), Some(n.is_multiple_of(2))));
    UserAttribute {
        city: format!("city {n}"),
        consents: consents.into_iter().collect(),
        ..UserAttribute::default()
    }
}

/// Log-odds by whether the first feature is above a half.
fn stump(low: f32, high: f32) -> Trees {
    let leaf = |at, value| Node { feature: 0, threshold: 0.0, left: at, right: at, value };
    let mut trees = Trees::default();
    let root = Node { feature: 0, threshold: 0.5, left: 1, right: 2, value: 0.0 };
    trees.push(&[root, leaf(1, low), leaf(2, high)]);
    trees
}

/// The first three items of the first kind, the larger set the better one.
fn bundles() -> Bundles {
    let set = |items: &[u32]| Itemset {
        items: items.to_vec(),
        baskets: 4 - items.len() as u32,
        score: items.len() as f32,
    };
    let sets = [&[0, 1][..], &[0, 2], &[1, 2], &[0, 1, 2]].map(set);
    Bundles::new(&[4; 8], sets.to_vec()).unwrap()
}

/// Writes the small snapshot as `version`.
pub fn write(store: &ShopStore, version: &str) -> Artifact {
    let snapshot = snapshot();
    let mut manifest = Manifest::new(version, "2023-11-14T22:13:20Z");
    snapshot.describe(&mut manifest, 12);
    let mut writer = ArtifactWriter::create(store.folder(), version).unwrap();
    snapshot.write(&mut writer).unwrap();
    writer.finish(manifest).unwrap()
}
