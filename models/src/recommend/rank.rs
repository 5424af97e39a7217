//! One score from the evidence of all sources.
//!
//! Each source's score is divided by its best among the candidates, then weighted and summed. The order
//! is total (score, then lower index), so equal queries give equal slates.

use crate::kernels::topk::TopK;
use crate::recommend::candidates::Candidate;
use crate::recommend::query::{Evidence, Source};

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
    shortlist(candidates, weights, count, 0)
}

/// The best `count` candidates, best first, and after them up to `unsold` more that are the best by what is
/// written of them: the blend, which judges by sales, hardly lets them in.
pub fn shortlist(
    candidates: &[(u32, Candidate)],
    weights: &Evidence,
    count: usize,
    unsold: usize,
) -> Vec<Ranked> {
    let scale = scale(candidates);
    let normalised = |c: &Candidate| -> Evidence { std::array::from_fn(|n| c.evidence[n] * scale[n]) };
    let (mut top, mut alike) = (TopK::new(count), TopK::new(unsold));
    for (place, (_, candidate)) in candidates.iter().enumerate() {
        top.push(place as u32, dot(&normalised(candidate), weights));
        let likeness = candidate.evidence[Source::Content as usize];
        if unsold > 0 && likeness > 0.0 {
            alike.push(place as u32, likeness);
        }
    }
    let mut places: Vec<u32> = top.into_sorted().iter().map(|s| s.ix).collect();
    let alike = alike.into_sorted();
    let missing: Vec<u32> = alike.iter().map(|s| s.ix).filter(|place| !places.contains(place)).collect();
    places.extend(missing);
    let ranked = |place: u32| {
        let (ix, candidate) = candidates[place as usize];
        let evidence = normalised(&candidate);
        let (score, source) = (dot(&evidence, weights), strongest(&evidence, weights));
        Ranked { ix, place, score, source, evidence, candidate }
    };
    places.into_iter().map(ranked).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortlist_goes_on_with_what_is_most_alike_and_names_nobody_twice() {
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
        let items = |unsold| -> Vec<u32> {
            shortlist(&found, &weights, 2, unsold).iter().map(|ranked| ranked.ix).collect()
        };
        assert_eq!((items(0), items(2), items(3)), (vec![4, 5], vec![4, 5, 7], vec![4, 5, 7, 6]));
    }
}
