//! The order of goods for a person, learned from a rehearsal: the weights of the sources and the trees, once
//! for all goods and once for those that the person did not buy before.

use qianmian_models::blend::Blend;
use qianmian_models::source::Evidence;

use super::blend;
use super::ranker::{self, Ranked};
use super::rehearsal::{self, Scene};
use crate::progress::Reporter;

/// Fewest users to learn an order of its own from for goods that people did not buy before.
const MIN_USERS: usize = 200;

/// How one kind of goods is ordered.
#[derive(Clone)]
pub struct Order {
    /// NDCG@10 of the weights, on the users that they were learned on.
    blend_ndcg: f64,
    /// The trees, and what they are worth.
    pub ranked: Ranked,
}

/// What was learned.
pub struct Goods {
    /// The weights of all sources, those of audiences included.
    pub blend: Blend,
    /// Mean of recall and NDCG at 100 of audiences.
    pub audience: f64,
    /// NDCG@10 of the weights for visitors, where there were enough to learn from.
    pub visitor: Option<f64>,
    /// Of all goods.
    pub any: Order,
    /// Of goods that the person did not buy before.
    pub new: Order,
}

impl Order {
    /// For the manifest.
    pub fn metrics(&self) -> serde_json::Value {
        serde_json::json!({
            "blend": self.blend_ndcg,
            "blend_held_out": self.ranked.blend_ndcg,
            "ranker_held_out": self.ranked.ranker_ndcg,
            "popularity_held_out": self.ranked.popularity_ndcg,
        })
    }
}

/// Learns from all scenes, and leaves the blend in their snapshots; `None` without a scene. `seed` is of what is
/// drawn.
pub fn learn(scenes: &mut [Scene], seed: u64, reporter: &Reporter) -> Option<Goods> {
    if scenes.is_empty() {
        return None;
    }
    let mut blend = Blend { repeats: rehearsal::repeats(scenes), ..Blend::default() };
    // What is put last is no candidate, so the scenes must know it before they are asked.
    scenes.iter_mut().for_each(|scene| scene.snapshot.blend = blend.clone());
    let n_new: usize = scenes.iter().map(|scene| scene.cases(true, 1).len()).sum();
    // One order is enough where all that people buy is new, or too little of it.
    let kinds = match (blend.repeats, n_new >= MIN_USERS) {
        (false, _) => &[true][..],
        (true, true) => &[false, true],
        (true, false) => &[false],
    };
    let stage = reporter.stage("blend", kinds.len() as u64 + 2);
    let weights = |&new: &bool| {
        let learned = blend::recommend(scenes, &blend.recommend, new);
        stage.advance(1);
        learned
    };
    let weights: Vec<(Evidence, f64)> = kinds.iter().map(weights).collect();
    let audience;
    (blend.audience, audience) = blend::audience(scenes, &blend.audience);
    stage.advance(1);
    blend.recommend = weights[0].0;
    blend.recommend_new = weights[weights.len() - 1].0;
    let visitor = blend::visitor(scenes, &blend.recommend, seed);
    blend.recommend_visitor = visitor.map_or(blend.recommend, |(weights, _)| weights);
    drop(stage);
    scenes.iter_mut().for_each(|scene| scene.snapshot.blend = blend.clone());
    let stage = reporter.stage("ranker (LambdaMART)", 0);
    let order = |(&new, (_, blend_ndcg)): (&bool, (Evidence, f64))| Order {
        blend_ndcg,
        ranked: ranker::learn(scenes, new, &|n| stage.advance(n)),
    };
    let mut orders: Vec<Order> = kinds.iter().zip(weights).map(order).collect();
    let new = orders.pop()?;
    let any = orders.pop().unwrap_or_else(|| new.clone());
    let visitor = visitor.map(|(_, ndcg)| ndcg);
    Some(Goods { blend, audience, visitor, any, new })
}
