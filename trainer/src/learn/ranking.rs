//! Learns the ranking of slates from past folds: the weights of the sources and the trees, once for all items and
//! once for items that the user did not buy before.

use qianmian_models::blend::Blend;
use qianmian_models::source::Evidence;
use qianmian_models::storage::metrics::RankingQuality;

use super::blend;
use super::folds::{self, PastFold};
use super::ranker::{self, MAX_TREES_OF_BOTH, Ranker};
use crate::progress::Reporter;

/// Stages that [`learn`] reports.
pub const STEPS: usize = 2;
/// Fewest users for a separate ranking of items that users did not buy before (decision 28).
const MIN_USERS: usize = 200;

/// The ranking of one kind of items: all, or those new to the user.
#[derive(Clone)]
pub struct ItemRanking {
    /// NDCG@10 of the blend, on the users that its weights were learned from.
    blend_ndcg: f64,
    /// The trees, with their metrics on held-out users.
    pub ranker: Ranker,
}

/// The learned rankings.
pub struct Rankings {
    /// The weights of all sources, those of audiences included.
    pub blend: Blend,
    /// Mean of recall and NDCG at 100 of audiences.
    pub audience_score: f64,
    /// NDCG@10 of the weights for visitors; `None` with too few visits to learn from.
    pub visitor_ndcg: Option<f64>,
    /// The ranking of all items.
    pub all: ItemRanking,
    /// The ranking of items that the user did not buy before.
    pub new: ItemRanking,
}

impl ItemRanking {
    /// The figures for the manifest.
    pub fn quality(&self) -> RankingQuality {
        RankingQuality {
            blend: Some(self.blend_ndcg),
            blend_held_out: Some(self.ranker.blend_ndcg),
            ranker_held_out: Some(self.ranker.ranker_ndcg),
            popularity_held_out: Some(self.ranker.popularity_ndcg),
        }
    }
}

/// Learns from all folds and puts the blend into their snapshots; `None` without a fold. `seed` is for random
/// choices. Reports [`STEPS`] stages, if there is a fold.
pub fn learn(folds: &mut [PastFold], seed: u64, reporter: &Reporter) -> Option<Rankings> {
    if folds.is_empty() {
        return None;
    }
    let mut blend = Blend { repeats: folds::buy_again(folds), ..Blend::default() };
    // `repeats` decides which items are candidates, so the folds need it before they list candidates.
    folds.iter_mut().for_each(|fold| fold.snapshot.blend = blend.clone());
    let n_new: usize = folds.iter().map(|fold| fold.cases(true, 1).len()).sum();
    // One ranking is enough if users buy only new items, or too few of them.
    let only_new: &[bool] = match (blend.repeats, n_new >= MIN_USERS) {
        (false, _) => &[true],
        (true, true) => &[false, true],
        (true, false) => &[false],
    };
    let stage = reporter.stage("blend", only_new.len() as u64 + 2);
    let mut weights: Vec<(Evidence, f64)> = Vec::new();
    for &new in only_new {
        weights.push(blend::recommend(folds, &blend.recommend, new));
        stage.advance(1);
    }
    let audience_score;
    (blend.audience, audience_score) = blend::audience(folds, &blend.audience);
    stage.advance(1);
    blend.recommend = weights[0].0;
    blend.recommend_new = weights[weights.len() - 1].0;
    let visitor = blend::visitor(folds, &blend.recommend, seed);
    blend.recommend_visitor = visitor.map_or(blend.recommend, |(weights, _)| weights);
    drop(stage);
    folds.iter_mut().for_each(|fold| fold.snapshot.blend = blend.clone());
    let stage = reporter.stage("ranker", (only_new.len() * MAX_TREES_OF_BOTH) as u64);
    let ranking = |(&new, (_, blend_ndcg)): (&bool, (Evidence, f64))| ItemRanking {
        blend_ndcg,
        ranker: ranker::learn(folds, new, &|n| stage.advance(n)),
    };
    let mut rankings: Vec<ItemRanking> = only_new.iter().zip(weights).map(ranking).collect();
    let new = rankings.pop()?;
    let all = rankings.pop().unwrap_or_else(|| new.clone());
    let visitor_ndcg = visitor.map(|(_, ndcg)| ndcg);
    Some(Rankings { blend, audience_score, visitor_ndcg, all, new })
}
