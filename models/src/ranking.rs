//! One score from the evidence of all sources.
//!
//! Each source's score is divided by its best among the candidates, then weighted and summed. The order
//! is total (score, then lower index), so equal queries give equal slates.

use crate::candidates::Candidate;
use crate::query::{Evidence, Source};
use crate::topk::TopK;

/// A candidate in its place.
#[derive(Debug, Clone, Copy)]
pub struct Ranked {
    /// Item or user.
    pub ix: u32,
    /// Its place among the candidates.
    pub place: u32,
    /// The blended score.
    pub score: f32,
    /// The source that contributed most.
    pub source: Source,
    /// Normalised evidence, `0..=1` each.
    pub evidence: Evidence,
    /// The candidate as retrieved.
    pub candidate: Candidate,
}

/// The best `count` candidates, best first.
pub fn rank(candidates: &[(u32, Candidate)], weights: &Evidence, count: usize) -> Vec<Ranked> {
    let scale = scale(candidates);
    let normalised = |c: &Candidate| -> Evidence { std::array::from_fn(|n| c.evidence[n] * scale[n]) };
    let mut top = TopK::new(count);
    for (place, (_, candidate)) in candidates.iter().enumerate() {
        top.push(place as u32, dot(&normalised(candidate), weights));
    }
    top.into_sorted()
        .into_iter()
        .map(|scored| {
            let (ix, candidate) = candidates[scored.ix as usize];
            let evidence = normalised(&candidate);
            let source = strongest(&evidence, weights);
            Ranked { ix, place: scored.ix, score: scored.score, source, evidence, candidate }
        })
        .collect()
}

/// What each source's scores are multiplied by, so that its best is 1.
fn scale(candidates: &[(u32, Candidate)]) -> Evidence {
    let mut best = [0.0f32; Source::COUNT];
    for (_, candidate) in candidates {
        for (best, score) in best.iter_mut().zip(candidate.evidence) {
            *best = best.max(score);
        }
    }
    best.map(|best| if best > 0.0 { best.recip() } else { 0.0 })
}

/// The candidates with each source's scores divided by its best.
pub fn normalised(mut candidates: Vec<(u32, Candidate)>) -> Vec<(u32, Candidate)> {
    let scale = scale(&candidates);
    for (_, candidate) in &mut candidates {
        candidate.evidence.iter_mut().zip(scale).for_each(|(score, scale)| *score *= scale);
    }
    candidates
}

fn dot(a: &Evidence, b: &Evidence) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn strongest(evidence: &Evidence, weights: &Evidence) -> Source {
    let share = |s: Source| evidence[s as usize] * weights[s as usize];
    Source::ALL.into_iter().rev().max_by(|&a, &b| share(a).total_cmp(&share(b))).unwrap_or(Source::Popularity)
}
