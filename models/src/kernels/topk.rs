//! The best `k` of a stream of scored indices.

use std::cmp::Ordering;

/// A scored index. Orders by score, then by lower index, so that every selection is deterministic.
/// A score that is not a number sinks below every other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Higher is better.
    pub score: f32,
    /// Item or user.
    pub ix: u32,
}

impl Scored {
    /// Best first.
    pub fn best_first(a: &Self, b: &Self) -> Ordering {
        rank(b.score).total_cmp(&rank(a.score)).then(a.ix.cmp(&b.ix))
    }
}

fn rank(score: f32) -> f32 {
    if score.is_nan() { f32::NEG_INFINITY } else { score }
}

/// Keeps the best `k` of what is pushed, in `O(1)` amortised: a buffer of `2 k` is cut to `k` by
/// selection whenever it is full, and what is below the last cut is refused at once.
#[derive(Debug)]
pub struct TopK {
    k: usize,
    buffer: Vec<Scored>,
    threshold: f32,
}

impl TopK {
    /// For the best `k`.
    pub fn new(k: usize) -> Self {
        Self { k, buffer: Vec::with_capacity((2 * k).min(1 << 20)), threshold: f32::NEG_INFINITY }
    }

    /// For the best `k`, at least `k` of which will score `threshold` or more.
    pub fn above(k: usize, threshold: f32) -> Self {
        Self { threshold, ..Self::new(k) }
    }

    /// Offers one.
    #[inline(always)]
    pub fn push(&mut self, ix: u32, score: f32) {
        if score >= self.threshold {
            self.insert(ix, score);
        }
    }

    #[inline(never)]
    fn insert(&mut self, ix: u32, score: f32) {
        self.buffer.push(Scored { score, ix });
        if self.buffer.len() >= (2 * self.k).max(16) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.k == 0 {
            self.buffer.clear();
        } else if self.buffer.len() > self.k {
            let (_, last, _) = self.buffer.select_nth_unstable_by(self.k - 1, Scored::best_first);
            self.threshold = rank(last.score);
            self.buffer.truncate(self.k);
        }
    }

    /// What a score has to reach to be kept; rises as more is pushed.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The best, best first.
    pub fn into_sorted(self) -> Vec<Scored> {
        let mut best = self.into_unsorted();
        best.sort_unstable_by(Scored::best_first);
        best
    }

    /// The best, in no order.
    pub fn into_unsorted(mut self) -> Vec<Scored> {
        self.cut();
        self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn selects_what_sorting_everything_selects(scores in prop::collection::vec(-3i8..3, 0..200), k in 0usize..40) {
            let mut all: Vec<Scored> =
                scores.iter().enumerate().map(|(n, &s)| Scored { score: f32::from(s), ix: n as u32 }).collect();
            let mut top = TopK::new(k);
            all.iter().for_each(|s| top.push(s.ix, s.score));
            all.sort_by(Scored::best_first);
            all.truncate(k);
            prop_assert_eq!(top.into_sorted(), all);
        }
    }
}
