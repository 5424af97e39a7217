//! What sells in every store, city and channel, and whether knowing it helps.
//!
//! A place with few purchases says little, so its counts are shrunk towards the shop's. A kind of place is
//! kept only where, in the rehearsal, it ranked the first baskets of newcomers better than the shop's best
//! sellers did.

use std::collections::BTreeMap;

use qianmian_models::error::Result;
use qianmian_models::index::places::{Kind, Place, PlaceIx, Places};
use qianmian_models::index::popularity::Popularity;
use qianmian_models::kernels::topk::TopK;
use qianmian_models::recommend;
use qianmian_models::recommend::query::Query;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::view::View;
use rustc_hash::FxHashSet;

use super::popularity::HALF_LIFE_DAYS;
use super::rehearsal::Scene;
use crate::dataset::Dataset;
use crate::evaluate::metrics::ndcg;

/// Decayed purchases that the whole shop counts for in a place's.
const SHRINKAGE: f32 = 300.0;
/// Items listed a place.
const TOP_N: usize = 200;
/// Fewest newcomers to judge a kind of place by.
const MIN_NEWCOMERS: usize = 30;
const COUNT: usize = 10;

/// What sells in every place of `kinds`; none where no place is known.
pub fn learn(dataset: &Dataset, popularity: &Popularity, kinds: &[Kind]) -> Result<Option<Places>> {
    let mut counts: BTreeMap<(Kind, u16), BTreeMap<u32, f32>> = BTreeMap::new();
    for line in dataset.lines() {
        for &kind in kinds {
            if let Some(code) = dataset.place(kind, line) {
                let of_place = counts.entry((kind, code)).or_default();
                *of_place.entry(line.item).or_default() += dataset.decay(line.at, HALF_LIFE_DAYS);
            }
        }
    }
    let shop: f32 = popularity.ranked().iter().map(|&item| popularity.score(item)).sum();
    let place = |((kind, code), items): (&(Kind, u16), &BTreeMap<u32, f32>)| {
        let all: f32 = items.values().sum();
        let rest = SHRINKAGE / (all + SHRINKAGE);
        let mut top = TopK::new(TOP_N);
        for (&item, &count) in items {
            top.push(item, shop * count / (all + SHRINKAGE) + rest * popularity.score(item));
        }
        let items = top.into_sorted().iter().map(|s| (s.ix, s.score)).collect();
        Place { kind: *kind, value: dataset.place_name(*kind, *code).to_owned(), rest, items }
    };
    let places: Vec<Place> = counts.iter().map(place).collect();
    if places.is_empty() { Ok(None) } else { Places::new(&places).map(Some) }
}

/// What a kind of place was worth to newcomers.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Worth {
    /// `store`, `city` or `channel`.
    pub kind: &'static str,
    /// Newcomers whose place was known.
    pub newcomers: usize,
    /// NDCG@10 of what sells in the place.
    pub place_ndcg_10: f64,
    /// NDCG@10 of what sells in the shop.
    pub shop_ndcg_10: f64,
    /// Whether the difference is above twice its standard error.
    pub kept: bool,
}

/// What every kind of place was worth in the rehearsal.
pub fn worth(scenes: &[Scene]) -> Vec<Worth> {
    Kind::ALL.into_iter().filter_map(|kind| worth_of(scenes, kind)).collect()
}

/// The kinds that are kept.
pub fn kept(worth: &[Worth]) -> Vec<Kind> {
    Kind::ALL.into_iter().filter(|kind| worth.iter().any(|w| w.kept && w.kind == kind.name())).collect()
}

fn worth_of(scenes: &[Scene], kind: Kind) -> Option<Worth> {
    let mut pairs: Vec<(f64, f64)> = Vec::new();
    for Scene { snapshot, newcomers, .. } in scenes {
        let Some(places) = &snapshot.places else { continue };
        let shop = slate(snapshot, None);
        let mut slates: BTreeMap<PlaceIx, Vec<u32>> = BTreeMap::new();
        for newcomer in newcomers {
            let named = newcomer.places.iter().find(|(of, _)| *of == kind);
            let Some(place) = named.and_then(|(_, name)| places.ix(kind, name)) else { continue };
            let truth: FxHashSet<u32> = newcomer.items.iter().copied().collect();
            let local = slates.entry(place).or_insert_with(|| slate(snapshot, Some(place)));
            pairs.push((ndcg(local, &truth, COUNT), ndcg(&shop, &truth, COUNT)));
        }
    }
    if pairs.len() < MIN_NEWCOMERS {
        return None;
    }
    let n = pairs.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let gain = mean(&|(place, shop)| place - shop);
    let variance = mean(&|(place, shop)| (place - shop - gain).powi(2));
    Some(Worth {
        kind: kind.name(),
        newcomers: pairs.len(),
        place_ndcg_10: mean(&|(place, _)| *place),
        shop_ndcg_10: mean(&|(_, shop)| *shop),
        kept: gain > 2.0 * (variance / n).sqrt(),
    })
}

fn slate(snapshot: &Snapshot, locality: Option<PlaceIx>) -> Vec<u32> {
    let query = Query { count: COUNT, locality, ..Query::default() };
    recommend::recommend(View::as_trained(snapshot), &query).items.iter().map(|r| r.item).collect()
}
