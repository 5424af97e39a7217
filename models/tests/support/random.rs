//! A seeded random shop with every index that an artifact can have, for tests that need variety rather than meaning.

use qianmian_models::blend::Blend;
use qianmian_models::ids::Vocabulary;
use qianmian_models::index::bundles::{Bundles, Itemset};
use qianmian_models::index::catalog::{Attributes, Catalog, Text};
use qianmian_models::index::co_purchase::{CoPurchase, Pair};
use qianmian_models::index::content::Content;
use qianmian_models::index::external::{External, Knowledge, Scores};
use qianmian_models::index::factors::{Factors, FoldIn};
use qianmian_models::index::feature_schema::{LikelihoodColumn, RankColumn};
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
use qianmian_models::index::user_items::{ScoredItem, UserItems};
use qianmian_models::kernels::trees::{Node, Trees};
use qianmian_models::similar::neighbors;
use qianmian_models::snapshot::{Embedding, Snapshot};
use qianmian_money::{Currency, Money};

use super::UNTIL;

/// The size of a shop.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Items.
    pub items: u32,
    /// Items without sales, the last ones.
    pub cold: u32,
    /// Users.
    pub users: u32,
    /// Users without purchases, the first ones.
    pub silent: u32,
}

/// A shop whose answers can be read.
pub const SMALL: Size = Size { items: 120, cold: 10, users: 80, silent: 4 };

impl Size {
    /// Items with sales.
    fn sold(self) -> u32 {
        self.items - self.cold
    }
}

const DAY: u32 = 86_400;
const KINDS: u32 = 4;
const DIM: usize = 8;

/// SplitMix64 (Steele et al. 2014): the same numbers on every platform.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        (self.next() % u64::from(bound)) as u32
    }

    /// `0.0..1.0`.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// True if an event of probability `share` happens.
    pub fn happens(&mut self, share: f32) -> bool {
        self.unit() < share
    }

    /// Up to `most` different numbers below `bound`.
    pub fn distinct(&mut self, most: u32, bound: u32) -> Vec<u32> {
        let mut drawn: Vec<u32> = Vec::new();
        for _ in 0..self.below(most + 1) {
            let one = self.below(bound);
            if !drawn.contains(&one) {
                drawn.push(one);
            }
        }
        drawn
    }
}

/// The shop that `seed` draws; with `repeats`, its users buy the same items again.
pub fn shop(z: Size, seed: u64, repeats: bool) -> Snapshot {
    let mut dice = Dice(seed);
    let d = &mut dice;
    let ids: Vec<String> = (0..z.items).map(|n| format!("item {n:06}")).collect();
    let users: Vec<String> = (0..z.users).map(|n| format!("user {n:06}")).collect();
    let catalog =
        Catalog::new(&(0..z.items).map(|n| attributes(d, n)).collect::<Vec<_>>(), Currency::default())
            .unwrap();
    let history = history(z, d);
    let buyers = history.transposed(z.items as usize).unwrap();
    let baskets: Vec<u32> = (0..z.items).map(|n| if n < z.sold() { 20 + d.below(40) } else { 0 }).collect();
    let ease = lists(z, d, 15, z.sold(), true);
    let mut snapshot = Snapshot {
        version: "v1".into(),
        trained_at: "2023-11-14T22:13:20Z".into(),
        data_until: UNTIL,
        items: Vocabulary::new(&ids).unwrap(),
        users: Vocabulary::new(&users).unwrap(),
        content: Content::new(&catalog, z.items as usize).unwrap(),
        traits: Traits::new(&catalog, z.items as usize),
        catalog,
        profiles: profiles(z, d, &history),
        user_attributes: UserAttributes::new(&vec![UserAttribute::default(); z.users as usize]).unwrap(),
        identities: Identities::new(&vec![Vec::new(); z.users as usize]).unwrap(),
        co_purchase: co_purchase(z, d, &baskets),
        bundles: bundles(z, d, &baskets),
        similar: SimilarItems::none(z.items as usize),
        user_knn: Some(user_items(z, d)),
        repeats: Repeats::new(&history, &buyers),
        history,
        buyers,
        ease_by_target: Some(ease.transposed("ease_by_target").unwrap()),
        ease: Some(ease),
        basket_ease: lists(z, d, 12, z.sold(), false),
        transitions: Some(lists(z, d, 8, z.sold(), false)),
        popularity: popularity(d, &baskets),
        localities: Some(localities(z, d)),
        rooms: None,
        embedding: Some(embedding(z, d)),
        low_pass: Some(factors(d, z.items, 6)),
        content_neighbors: Some(lists(z, d, 4, z.items, false)),
        external: external(z, d),
        blend: Blend { repeats, ..Blend::default() },
        ranker: Some(forest(d, RankColumn::COUNT, 12)),
        new_ranker: Some(forest(d, RankColumn::COUNT, 9)),
        likelihood: Some(Likelihood {
            repeat: forest(d, LikelihoodColumn::COUNT, 6),
            new: forest(d, LikelihoodColumn::COUNT, 7),
            cold: forest(d, LikelihoodColumn::COUNT, 5),
            horizon: Horizon::Days(30.0),
        }),
    };
    snapshot.similar = neighbors::all(&snapshot).unwrap();
    snapshot
}

fn user_items(z: Size, d: &mut Dice) -> UserItems {
    let mut scored = |item| ScoredItem { item, score: d.unit(), recent: d.unit() };
    let lists: Vec<Vec<ScoredItem>> =
        (0..z.users).map(|user| (0..12).map(|n| scored((user * 7 + n * 11) % z.items)).collect()).collect();
    UserItems::new(&lists).unwrap()
}

fn attributes(d: &mut Dice, n: u32) -> Attributes {
    let kind = n % KINDS;
    let mut item = Attributes {
        price: d.happens(0.9).then(|| (1 + d.below(9_999)).into()).and_then(Money::new),
        cost: d.happens(0.5).then(|| (1 + d.below(999)).into()).and_then(Money::new),
        stock: d.happens(0.5).then(|| 1 + d.below(50)),
        ..Attributes::default()
    };
    *item.text_mut(Text::Title) = format!("商品 kind{kind} word{} word{}", d.below(12), d.below(12));
    *item.text_mut(Text::Category) = format!("dept{}/kind{kind}", kind / 2);
    *item.text_mut(Text::Brand) = if d.happens(0.7) { format!("brand{}", d.below(6)) } else { String::new() };
    if d.happens(0.08) {
        *item.text_mut(Text::Status) = "off_sale".to_owned();
    }
    item
}

fn history(z: Size, d: &mut Dice) -> Purchases {
    let (mut lengths, mut entries) = (Vec::new(), Vec::new());
    for user in 0..z.users {
        let mut bought: Vec<Purchase> = Vec::new();
        let items = if user < z.silent { Vec::new() } else { d.distinct(24, z.sold()) };
        for item in items {
            let item = if d.happens(0.6) { item - item % KINDS + user % KINDS } else { item };
            if item >= z.sold() || bought.iter().any(|p| p.ix == item) {
                continue;
            }
            let last_at = UNTIL as u32 - d.below(200) * DAY / 2;
            let baskets = 1 + d.below(4);
            let first_at = last_at - if baskets > 1 { (1 + d.below(200)) * DAY / 2 } else { 0 };
            bought.push(Purchase { ix: item, baskets, first_at, last_at, decayed: 0.05 + d.unit() });
        }
        bought.sort_by_key(|p| (std::cmp::Reverse(p.last_at), p.ix));
        lengths.push(bought.len());
        entries.extend(bought);
    }
    Purchases::new(Direction::History, lengths, &entries).unwrap()
}

fn profiles(z: Size, d: &mut Dice, history: &Purchases) -> Profiles {
    let profile = |user: u32| {
        let first_at = history.of(user).map(|p| p.first_at).min().unwrap_or(0);
        let last_at = history.of(user).map(|p| p.last_at).max().unwrap_or(0);
        let baskets = history.of(user).map(|p| p.baskets).sum();
        let channel = ["app", "store", ""][d.below(3) as usize].to_owned();
        Profile {
            baskets,
            first_at,
            last_at,
            rfm: [1 + d.below(5) as u8, 2, 3],
            channel,
            ..Profile::default()
        }
    };
    Profiles::new(&(0..z.users).map(profile).collect::<Vec<_>>())
}

/// Weighted targets of every item, heaviest first; the last ones may weigh less than zero if `signed`.
fn lists(z: Size, d: &mut Dice, most: u32, bound: u32, signed: bool) -> ItemLists {
    let mut list = |item: u32| {
        let targets = d.distinct(most, bound).into_iter().filter(|&target| target != item);
        let weight = |d: &mut Dice| if signed { d.unit() - 0.1 } else { d.unit() };
        let mut list: Vec<(u32, f32)> = targets.map(|target| (target, weight(d))).collect();
        list.sort_by(|a, b| b.1.total_cmp(&a.1));
        list
    };
    ItemLists::new("lists", &(0..z.items).map(&mut list).collect::<Vec<_>>()).unwrap()
}

fn co_purchase(z: Size, d: &mut Dice, baskets: &[u32]) -> CoPurchase {
    let mut pairs = |item: u32| {
        let others = if item < z.sold() { d.distinct(12, z.sold()) } else { Vec::new() };
        let others = others.into_iter().filter(|&other| other != item);
        let mut pairs: Vec<Pair> =
            others.map(|item| Pair { item, baskets: 1 + d.below(6), score: d.unit() }).collect();
        pairs.sort_by(|a, b| b.score.total_cmp(&a.score));
        pairs
    };
    let pairs: Vec<Vec<Pair>> = (0..z.items).map(&mut pairs).collect();
    CoPurchase::new(900, baskets.to_vec(), &pairs).unwrap()
}

fn bundles(z: Size, d: &mut Dice, baskets: &[u32]) -> Bundles {
    let mut sets: Vec<Itemset> = Vec::new();
    for _ in 0..60 {
        let mut items = d.distinct(3, z.sold());
        items.sort_unstable();
        let parts = match items[..] {
            [a, b] => vec![vec![a, b]],
            [a, b, c] => vec![vec![a, b, c], vec![a, b], vec![a, c], vec![b, c]],
            _ => continue,
        };
        for items in parts {
            if !sets.iter().any(|set| set.items == items) {
                sets.push(Itemset { items, baskets: 1 + d.below(9), score: d.unit() });
            }
        }
    }
    Bundles::new(baskets, sets).unwrap()
}

fn popularity(d: &mut Dice, baskets: &[u32]) -> Popularity {
    let mut share = |of: f32| baskets.iter().map(|&b| (b as f32 * of * d.unit()) as u32).collect::<Vec<_>>();
    let windows = [share(0.1), share(0.3), share(0.6)];
    let score = baskets.iter().map(|&b| b as f32 * (0.2 + 0.8 * d.unit())).collect();
    Popularity::new(score, windows, baskets.to_vec())
}

fn localities(z: Size, d: &mut Dice) -> Localities {
    let mut place = |kind, value: &str| {
        let mut items: Vec<(u32, f32)> =
            d.distinct(20, z.sold()).into_iter().map(|item| (item, 40.0 * d.unit())).collect();
        items.sort_by(|a, b| b.1.total_cmp(&a.1));
        Locality { kind, value: value.to_owned(), rest: 0.2 + 0.6 * d.unit(), items }
    };
    let localities = [place(Kind::Store, "s1"), place(Kind::Store, "s2"), place(Kind::City, "上海")];
    Localities::new(&localities).unwrap()
}

fn factors(d: &mut Dice, rows: u32, dim: usize) -> Factors {
    Factors::new(dim, (0..rows as usize * dim).map(|_| d.unit() - 0.3).collect())
}

fn embedding(z: Size, d: &mut Dice) -> Embedding {
    let mut gram = vec![0.0; DIM * DIM];
    for (n, value) in gram.iter_mut().enumerate() {
        *value = if n.is_multiple_of(DIM + 1) { 30.0 + d.unit() } else { 1.0 };
    }
    Embedding {
        items: factors(d, z.items, DIM),
        users: factors(d, z.users, DIM),
        fold_in: FoldIn::new(Factors::new(DIM, gram), 6.0),
        alpha: 6.0,
        item_graph: None,
        user_graph: None,
    }
}

fn external(z: Size, d: &mut Dice) -> Vec<External> {
    let scores = Knowledge::Scores(Scores::new(lists(z, d, 5, z.items, false)).unwrap());
    let vectors = Knowledge::Vectors { items: factors(d, z.items, 5), users: Some(factors(d, z.users, 5)) };
    let named = |name: &str, knowledge| External { name: name.to_owned(), knowledge };
    vec![named("scores", scores), named("vectors", vectors)]
}

/// Trees of depth two over random features.
fn forest(d: &mut Dice, n_features: usize, trees: usize) -> Trees {
    let mut forest = Trees::default();
    for _ in 0..trees {
        let mut split = |left, right| Node {
            feature: d.below(n_features as u32),
            threshold: if d.happens(0.5) { d.unit() } else { 30.0 * d.unit() },
            left,
            right,
            value: 0.0,
        };
        let splits = [split(1, 2), split(3, 4), split(5, 6)];
        let leaf = |at: u32, value| Node { feature: 0, threshold: 0.0, left: at, right: at, value };
        let leaves = (3..7).map(|at| leaf(at, d.unit() - 0.5)).collect::<Vec<_>>();
        forest.push(&[&splits[..], &leaves].concat());
    }
    forest
}
