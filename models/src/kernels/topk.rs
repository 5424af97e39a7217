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

/// A score and an index in one number, which is lower for what [`Scored::best_first`] puts first. Whole numbers are
/// sorted without branches, several times faster than two fields are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u64);

impl Key {
    #[inline(always)]
    fn new(ix: u32, score: f32) -> Self {
        Self(u64::from(!ascending(rank(score))) << 32 | u64::from(ix))
    }

    #[inline(always)]
    fn scored(self) -> Scored {
        Scored { score: from_ascending(!((self.0 >> 32) as u32)), ix: self.0 as u32 }
    }
}

const SIGN: u32 = 1 << 31;

/// A number that orders as [`f32::total_cmp`] does.
#[inline(always)]
fn ascending(score: f32) -> u32 {
    let bits = score.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

#[inline(always)]
fn from_ascending(number: u32) -> f32 {
    f32::from_bits(if number & SIGN == 0 { !number } else { number ^ SIGN })
}

/// Places of `scores`, best first; equal ones in their order.
pub fn order(scores: impl IntoIterator<Item = f32>) -> Vec<u32> {
    let mut keys: Vec<Key> =
        scores.into_iter().zip(0..).map(|(score, place)| Key::new(place, score)).collect();
    keys.sort_unstable();
    keys.into_iter().map(|key| key.scored().ix).collect()
}

/// The score that `k` of `scores` reach; negative infinity if there are fewer than `k`, or `k` is 0.
pub fn reached_by(scores: &[f32], k: usize) -> f32 {
    if k == 0 || scores.len() < k {
        return f32::NEG_INFINITY;
    }
    let mut numbers: Vec<u32> = scores.iter().map(|&score| !ascending(score)).collect();
    let (_, bound, _) = numbers.select_nth_unstable(k - 1);
    from_ascending(!*bound)
}

/// Keeps the best `k` of the pushed scores, in amortized `O(1)`: a buffer of `2 k` is cut to `k` by selection whenever
/// it is full, and scores below the last cut are dropped at once.
#[derive(Debug)]
pub struct TopK {
    k: usize,
    buffer: Vec<Key>,
    threshold: f32,
}

impl TopK {
    /// For the best `k`.
    pub fn new(k: usize) -> Self {
        Self { k, buffer: Vec::with_capacity((2 * k).min(1 << 20)), threshold: f32::NEG_INFINITY }
    }

    /// Adds one score.
    #[inline(always)]
    pub fn push(&mut self, ix: u32, score: f32) {
        if score >= self.threshold {
            self.insert(ix, score);
        }
    }

    #[inline(never)]
    fn insert(&mut self, ix: u32, score: f32) {
        self.buffer.push(Key::new(ix, score));
        if self.buffer.len() >= (2 * self.k).max(16) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.k == 0 {
            self.buffer.clear();
        } else if self.buffer.len() > self.k {
            let (_, last, _) = self.buffer.select_nth_unstable(self.k - 1);
            self.threshold = last.scored().score;
            self.buffer.truncate(self.k);
        }
    }

    /// Lowest score that is still kept; rises as more is pushed.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The best, best first.
    pub fn into_sorted(mut self) -> Vec<Scored> {
        self.cut();
        self.buffer.sort_unstable();
        self.into_unsorted()
    }

    /// The best, in no order.
    pub fn into_unsorted(mut self) -> Vec<Scored> {
        self.cut();
        self.buffer.into_iter().map(Key::scored).collect()
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

        #[test]
        fn keys_order_as_scores_do(scores in prop::collection::vec(any::<f32>(), 0..60), k in 0usize..70) {
            let mut want: Vec<Scored> = scores.iter().zip(0..).map(|(&score, ix)| Scored { score, ix }).collect();
            want.sort_by(Scored::best_first);
            let places: Vec<u32> = want.iter().map(|scored| scored.ix).collect();
            prop_assert_eq!(order(scores.iter().copied()), places);
            for &score in &scores {
                prop_assert_eq!(from_ascending(ascending(score)).to_bits(), score.to_bits());
            }
            let numbers: Vec<f32> = scores.iter().copied().filter(|score| !score.is_nan()).collect();
            let reach = |bound: f32| numbers.iter().filter(|score| **score >= bound).count();
            prop_assert!(k > numbers.len() || reach(reached_by(&numbers, k)) >= k);
        }
    }
}
