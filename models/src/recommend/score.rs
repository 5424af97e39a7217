//! The blended score: each source's score divided by its best among the candidates, weighted and summed.
//!
//! The order is total (score, then order of first proposal), so equal queries give equal answers.

use crate::kernels::topk::TopK;
use crate::recommend::candidates::Candidate;
use crate::source::{Evidence, Source};

/// A scored candidate.
#[derive(Debug, Clone, Copy)]
pub struct Ranked {
    /// Item or user.
    pub ix: u32,
    /// Its position among the candidates.
    pub position: u32,
    /// The blended score; after ranking, the ranker's.
    pub score: f32,
    /// Normalized evidence, `0..=1` each.
    pub evidence: Evidence,
    /// The candidate as retrieved.
    pub candidate: Candidate,
}

/// The best `count` candidates, best first.
pub fn top(candidates: &[(u32, Candidate)], weights: &Evidence, count: usize) -> Vec<Ranked> {
    shortlist(candidates, weights, count, 0)
}

/// The best `count` candidates, best first, and after them up to `cold` more, best first by content alone: the blend,
/// which is dominated by sales, rarely admits items without any.
pub fn shortlist(
    candidates: &[(u32, Candidate)],
    weights: &Evidence,
    count: usize,
    cold: usize,
) -> Vec<Ranked> {
    let scale = scale(candidates);
    let normalized = |c: &Candidate| -> Evidence { std::array::from_fn(|n| c.evidence[n] * scale[n]) };
    let (mut top, mut top_cold) = (TopK::new(count), TopK::new(cold));
    for (position, (_, candidate)) in candidates.iter().enumerate() {
        top.push(position as u32, dot(&normalized(candidate), weights));
        let content = candidate.evidence[Source::Content as usize];
        if cold > 0 && content > 0.0 {
            top_cold.push(position as u32, content);
        }
    }
    let mut positions: Vec<u32> = top.into_sorted().iter().map(|s| s.ix).collect();
    let cold = top_cold.into_sorted();
    let missing: Vec<u32> = cold.iter().map(|s| s.ix).filter(|n| !positions.contains(n)).collect();
    positions.extend(missing);
    let ranked = |position: u32| {
        let (ix, candidate) = candidates[position as usize];
        let evidence = normalized(&candidate);
        Ranked { ix, position, score: dot(&evidence, weights), evidence, candidate }
    };
    positions.into_iter().map(ranked).collect()
}

/// The candidates with each source's scores divided by its best.
pub fn normalized(mut candidates: Vec<(u32, Candidate)>) -> Vec<(u32, Candidate)> {
    let scale = scale(&candidates);
    for (_, candidate) in &mut candidates {
        candidate.evidence.iter_mut().zip(scale).for_each(|(score, scale)| *score *= scale);
    }
    candidates
}

/// The factor of each source that makes its best score 1.
fn scale(candidates: &[(u32, Candidate)]) -> Evidence {
    let mut best = [0.0f32; Source::COUNT];
    for (_, candidate) in candidates {
        for (best, score) in best.iter_mut().zip(candidate.evidence) {
            *best = best.max(score);
        }
    }
    best.map(|best| if best > 0.0 { best.recip() } else { 0.0 })
}

/// The weighted sum.
pub(super) fn dot(a: &Evidence, b: &Evidence) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The source that contributes most; of equal ones the first.
pub(crate) fn strongest(evidence: &Evidence, weights: &Evidence) -> Source {
    let mut strongest = (Source::Popularity, f32::NEG_INFINITY);
    for source in Source::ALL {
        let share = evidence[source as usize] * weights[source as usize];
        if share > strongest.1 {
            strongest = (source, share);
        }
    }
    strongest.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortlist_ends_with_the_best_by_content_and_has_no_duplicate() {
        let candidate = |popularity, content| {
            let mut candidate = Candidate::default();
            candidate.add(Source::Popularity, popularity);
            candidate.add(Source::Content, content);
            candidate
        };
        let found = [(4, candidate(3.0, 0.0)), (5, candidate(2.0, 0.9)), (6, candidate(0.0, 0.4))];
        let found = [&found[..], &[(7, candidate(0.0, 0.8)), (8, candidate(1.0, 0.0))]].concat();
        let mut weights = [0.0; Source::COUNT];
        weights[Source::Popularity as usize] = 1.0;
        let items = |cold| -> Vec<u32> {
            shortlist(&found, &weights, 2, cold).iter().map(|ranked| ranked.ix).collect()
        };
        assert_eq!((items(0), items(2), items(3)), (vec![4, 5], vec![4, 5, 7], vec![4, 5, 7, 6]));
    }
}
