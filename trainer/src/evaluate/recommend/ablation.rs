//! Ablation: the blend without each source, and with each source alone.
//!
//! The ranker is left out, because its trees read all sources together.

use qianmian_models::kernels::topk::TopK;
use qianmian_models::source::{Evidence, Source};
use rayon::prelude::*;
use rustc_hash::FxHashSet;
use serde::Serialize;

use super::super::{Bench, every_nth};
use super::Cases;
use crate::metrics::{bootstrap_difference, mean, ndcg};

const SLOTS: usize = 10;
/// More users than this are not measured; every n-th is.
const MAX_USERS: usize = 5_000;

/// NDCG@10 of the blend, with all sources and with fewer.
#[derive(Debug, Serialize)]
pub struct Ablation {
    /// Users measured.
    pub cases: usize,
    /// With all sources, without the ranker.
    pub blend_ndcg_10: f64,
    /// Source by source.
    pub sources: Vec<SourceShare>,
}

/// The contribution of one source to the blend.
#[derive(Debug, Serialize)]
pub struct SourceShare {
    /// The source.
    pub source: &'static str,
    /// Its weight in the blend.
    pub weight: f32,
    /// NDCG@10 with its weight set to 0.
    pub without: f64,
    /// NDCG@10 with every other weight set to 0.
    pub alone: f64,
    /// 95 % bootstrap interval of its contribution: with all sources, minus without it.
    pub adds_95: [f64; 2],
}

/// Measures our model on the cases of the task; `None` without cases.
pub(in super::super) fn measure(bench: &Bench<'_>, cases: &Cases) -> Option<Ablation> {
    let ours = bench.subjects.first()?;
    let weights = ours.snapshot.blend.recommend;
    let variants: Vec<Evidence> = std::iter::once(weights)
        .chain((0..Source::COUNT).map(|n| with(weights, n, 0.0)))
        .chain((0..Source::COUNT).map(|n| with([0.0; Source::COUNT], n, 1.0)))
        .collect();
    let users = every_nth(cases.users.iter().collect(), MAX_USERS);
    let of_user = |(user, truth): &&(u32, FxHashSet<u32>)| -> Vec<f64> {
        let candidates = ours.evidence(*user, SLOTS, bench.past.until);
        variants.iter().map(|weights| ndcg(&best(&candidates, weights), truth, SLOTS)).collect()
    };
    let rows: Vec<Vec<f64>> = users.par_iter().map(of_user).collect();
    if rows.is_empty() {
        return None;
    }
    let column = |n: usize| -> Vec<f64> { rows.iter().map(|row| row[n]).collect() };
    let all = column(0);
    let share = |source: Source| {
        let without = column(1 + source as usize);
        SourceShare {
            source: source.name(),
            weight: weights[source as usize],
            without: mean(&without),
            alone: mean(&column(1 + Source::COUNT + source as usize)),
            adds_95: bootstrap_difference(&all, &without),
        }
    };
    let sources = Source::ALL.into_iter().map(share).collect();
    Some(Ablation { cases: rows.len(), blend_ndcg_10: mean(&all), sources })
}

fn with(mut weights: Evidence, source: usize, weight: f32) -> Evidence {
    weights[source] = weight;
    weights
}

/// The items with the largest weighted sums.
fn best(candidates: &[(u32, Evidence)], weights: &Evidence) -> Vec<u32> {
    let mut top = TopK::new(SLOTS);
    for (n, (_, evidence)) in candidates.iter().enumerate() {
        top.push(n as u32, evidence.iter().zip(weights).map(|(e, w)| e * w).sum());
    }
    top.into_sorted().iter().map(|s| candidates[s.ix as usize].0).collect()
}
