//! User kNN: items that the most similar users buy, by squared cosine over items weighted by inverse user frequency.
//! Needs seeds.

use rustc_hash::FxHashMap;

use super::Input;
use super::seeds::Seed;
use crate::ids::UserIx;
use crate::kernels::topk::TopK;
use crate::recommend::candidates::Candidates;
use crate::source::Source;

/// Similar users whose purchases count.
const NEIGHBORS: usize = 100;
/// Latest buyers of a seed that are compared: best sellers would otherwise cost a scan of all users.
const MAX_BUYERS: usize = 500;
/// Seeds that neighbors are found by.
const MAX_SEEDS: usize = 50;

pub(super) fn retrieve(input: &Input<'_>, found: &mut Candidates) {
    let snapshot = input.view.snapshot;
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
    for (&user, &overlap) in shared.iter().filter(|(user, _)| input.query.user != Some(**user)) {
        top.push(user, overlap / neighborhood.user_norm(user));
    }
    for neighbor in top.into_sorted() {
        let similarity = neighbor.score * neighbor.score;
        for purchase in snapshot.history.of(neighbor.ix) {
            let weight = neighborhood.item_weight(purchase.ix);
            found.propose(purchase.ix).add(Source::UserKnn, similarity * weight);
        }
    }
}
