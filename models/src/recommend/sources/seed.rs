//! The seed that contributed most to each item of a slate: computed for the slate alone, from the lists behind its
//! scores, because remembering it for every score costs more than all scores.

use super::{Input, Seed, co_purchase, content, external};
use crate::ids::ItemIx;
use crate::index::item_lists::ItemLists;
use crate::recommend::scores::Scores;
use crate::source::Source;

/// Seeds that can be a reason: people do not recognize an old purchase as one.
const MAX_SEEDS: usize = 32;
/// Least contribution of a reason, as a share of the best score of its source in this answer.
const MIN_SHARE: f32 = 0.01;

/// For each of `items`, the seed with the largest single contribution, if there is one.
pub fn strongest(input: &Input<'_>, scores: &Scores, items: &[ItemIx]) -> Vec<Option<ItemIx>> {
    let snapshot = input.view.snapshot;
    let mut found = Strongest::new(snapshot.items.len(), items);
    let mut contribute = |source: Source, max_seeds: usize, lists: &ItemLists| {
        let least = MIN_SHARE * scores.best[source as usize];
        let seeds = input.seeds.iter().take(max_seeds);
        seeds.for_each(|seed| found.contribute(seed, lists.list(seed.item), least));
    };
    contribute(Source::CoPurchase, co_purchase::MAX_SEEDS, &snapshot.basket_ease);
    snapshot.ease.iter().for_each(|lists| contribute(Source::EaseRecent, MAX_SEEDS, lists));
    snapshot
        .content_neighbors
        .iter()
        .for_each(|lists| contribute(Source::Content, content::MAX_SEEDS, lists));
    external::lists(input).for_each(|(source, lists)| contribute(source, MAX_SEEDS, lists.by_item()));
    found.best.into_iter().map(|best| best.map(|(seed, _)| seed)).collect()
}

struct Strongest {
    /// One bit per item that is asked about.
    asked: Vec<u64>,
    /// The items asked about with their places in `best`, by item.
    places: Vec<(ItemIx, usize)>,
    best: Vec<Option<(ItemIx, f32)>>,
}

impl Strongest {
    fn new(n_items: usize, items: &[ItemIx]) -> Self {
        let mut asked = vec![0u64; n_items.div_ceil(64)];
        items.iter().for_each(|&item| asked[item as usize / 64] |= 1 << (item % 64));
        let mut places: Vec<(ItemIx, usize)> = items.iter().copied().zip(0..).collect();
        places.sort_unstable();
        Self { asked, places, best: vec![None; items.len()] }
    }

    /// Compares a seed's contributions to the items asked about. Its list is heaviest first, so reading stops below
    /// `least`.
    fn contribute(&mut self, seed: &Seed, (items, weights): (&[ItemIx], &[f32]), least: f32) {
        let n_reasons = weights.partition_point(|weight| seed.recency * weight >= least);
        for (&item, weight) in items.iter().zip(weights).take(n_reasons) {
            if self.asked[item as usize / 64] >> (item % 64) & 1 == 0 {
                continue;
            }
            let Ok(at) = self.places.binary_search_by_key(&item, |&(item, _)| item) else { continue };
            let (best, score) = (&mut self.best[self.places[at].1], seed.recency * weight);
            if best.is_none_or(|(_, largest)| score > largest) {
                *best = Some((seed.item, score));
            }
        }
    }
}
