//! User kNN: items that the most similar users buy, by squared cosine over items weighted by inverse user frequency.
//! Needs a user with a history: of a visitor's few items the item lists know as much.

use rustc_hash::FxHashMap;

use super::Input;
use super::seeds::Seed;
use crate::ids::UserIx;
use crate::kernels::topk::TopK;
use crate::recommend::scores::Scores;
use crate::source::Source;

/// Similar users whose purchases count.
const NEIGHBORS: usize = 100;
/// Latest buyers of a seed that are compared: best sellers would otherwise cost a scan of all users.
const MAX_BUYERS: usize = 100;
/// Seeds that neighbors are found by.
const MAX_SEEDS: usize = 24;

pub(super) fn retrieve(input: &Input<'_>, scores: &mut Scores) {
    let snapshot = input.view.snapshot;
    let Some(user) = input.query.user else { return };
    let neighborhood = &snapshot.neighbourhood;
    let buyers = |seed: &Seed| snapshot.buyers.ixs(seed.item).iter().take(MAX_BUYERS);
    let seeds = || input.seeds.iter().take(MAX_SEEDS);
    let most = seeds().map(|seed| buyers(seed).len()).sum::<usize>().min(snapshot.users.len());
    let mut shared: FxHashMap<UserIx, f32> = FxHashMap::with_capacity_and_hasher(most, Default::default());
    for seed in seeds() {
        let weight = neighborhood.item_weight(seed.item).powi(2);
        for &buyer in buyers(seed) {
            *shared.entry(buyer).or_default() += weight;
        }
    }
    let mut top = TopK::new(NEIGHBORS);
    for (&other, &overlap) in shared.iter().filter(|(other, _)| **other != user) {
        top.push(other, overlap / neighborhood.user_norm(other));
    }
    for neighbor in top.into_sorted() {
        let similarity = neighbor.score * neighbor.score;
        for &item in snapshot.history.ixs(neighbor.ix) {
            scores.add(Source::UserKnn, item, similarity * neighborhood.item_weight(item));
        }
    }
}
