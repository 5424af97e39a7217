//! Popularity by locality (store, city, channel), and its lift over the popularity of the whole shop.
//!
//! The counts of a locality are shrunk toward the shop's, because few purchases are little evidence. A kind of locality
//! is kept only if, in the rehearsal, it ranked the first baskets of new users better than the shop's best sellers.

use std::collections::BTreeMap;

use qianmian_models::error::Result;
use qianmian_models::index::localities::{Kind, Localities, Locality, LocalityIx};
use qianmian_models::index::popularity::Popularity;
use qianmian_models::kernels::topk::TopK;
use qianmian_models::recommend;
use qianmian_models::recommend::query::Query;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::metrics::LocalityLift;
use qianmian_models::view::View;
use rustc_hash::FxHashSet;

use super::folds::PastFold;
use super::popularity::HALF_LIFE_DAYS;
use crate::dataset::Dataset;
use crate::metrics::ndcg;

/// Weight of the shop's popularity, in decayed purchases of the locality (decision 17).
const SHRINKAGE: f32 = 300.0;
/// Items listed per locality (decision 17).
const TOP_N: usize = 200;
/// Fewest new users with which a kind of locality is evaluated.
const MIN_NEW_USERS: usize = 30;
/// Items of a slate.
const COUNT: usize = 10;

/// The popularity of every locality of `kinds`; `None` if no locality is known.
pub fn learn(dataset: &Dataset, popularity: &Popularity, kinds: &[Kind]) -> Result<Option<Localities>> {
    let mut counts: BTreeMap<(Kind, u16), BTreeMap<u32, f32>> = BTreeMap::new();
    for line in dataset.lines() {
        for &kind in kinds {
            if let Some(code) = dataset.locality(kind, line) {
                let of_place = counts.entry((kind, code)).or_default();
                *of_place.entry(line.item).or_default() += dataset.decay(line.at, HALF_LIFE_DAYS);
            }
        }
    }
    let shop: f32 = popularity.ranked().iter().map(|&item| popularity.score(item)).sum();
    let locality = |((kind, code), items): (&(Kind, u16), &BTreeMap<u32, f32>)| {
        let all: f32 = items.values().sum();
        let rest = SHRINKAGE / (all + SHRINKAGE);
        let mut top = TopK::new(TOP_N);
        for (&item, &count) in items {
            top.push(item, shop * count / (all + SHRINKAGE) + rest * popularity.score(item));
        }
        let items = top.into_sorted().iter().map(|s| (s.ix, s.score)).collect();
        Locality { kind: *kind, value: dataset.locality_name(*kind, *code).to_owned(), rest, items }
    };
    let localities: Vec<Locality> = counts.iter().map(locality).collect();
    if localities.is_empty() { Ok(None) } else { Localities::new(&localities).map(Some) }
}

/// The lift of every kind of locality with enough new users.
pub fn lifts(folds: &[PastFold]) -> Vec<LocalityLift> {
    Kind::ALL.into_iter().filter_map(|kind| lift(folds, kind)).collect()
}

/// The kinds that are kept.
pub fn kept(lifts: &[LocalityLift]) -> Vec<Kind> {
    Kind::ALL.into_iter().filter(|kind| lifts.iter().any(|l| l.kept && l.kind == kind.name())).collect()
}

fn lift(folds: &[PastFold], kind: Kind) -> Option<LocalityLift> {
    let mut pairs: Vec<(f64, f64)> = Vec::new();
    for PastFold { snapshot, new_users, .. } in folds {
        let Some(localities) = &snapshot.localities else { continue };
        let shop = slate(snapshot, None);
        let mut slates: BTreeMap<LocalityIx, Vec<u32>> = BTreeMap::new();
        for user in new_users {
            let named = user.localities.iter().find(|(of, _)| *of == kind);
            let Some(locality) = named.and_then(|(_, name)| localities.ix(kind, name)) else { continue };
            let truth: FxHashSet<u32> = user.items.iter().copied().collect();
            let local = slates.entry(locality).or_insert_with(|| slate(snapshot, Some(locality)));
            pairs.push((ndcg(local, &truth, COUNT), ndcg(&shop, &truth, COUNT)));
        }
    }
    if pairs.len() < MIN_NEW_USERS {
        return None;
    }
    let n = pairs.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let gain = mean(&|(locality, shop)| locality - shop);
    let variance = mean(&|(locality, shop)| (locality - shop - gain).powi(2));
    Some(LocalityLift {
        kind: kind.name().to_owned(),
        new_users: pairs.len() as u64,
        locality_ndcg_10: mean(&|(locality, _)| *locality),
        shop_ndcg_10: mean(&|(_, shop)| *shop),
        kept: gain > 2.0 * (variance / n).sqrt(),
    })
}

fn slate(snapshot: &Snapshot, locality: Option<LocalityIx>) -> Vec<u32> {
    let query = Query { count: COUNT, locality, ..Query::default() };
    recommend::recommend(View::as_trained(snapshot), &query).items.iter().map(|r| r.item).collect()
}
