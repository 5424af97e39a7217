//! Seeded random numbers: the only source of randomness of the demo shop.
//!
//! Every part of the catalog and every user has a [`Dice`] of its own, a ChaCha8 stream named by (seed, purpose,
//! number). A user therefore depends on the seed and the user's number only, not on threads or other users.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The purpose of a stream of random numbers; each has streams of its own.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// Brands and items of one kind.
    Catalog = 1,
    /// Stores and livestream rooms.
    Places = 2,
    /// One user's purchases.
    User = 3,
}

/// A seeded stream of random numbers.
pub struct Dice {
    rng: ChaCha8Rng,
}

impl Dice {
    /// The stream `number` of `purpose` under `seed`.
    pub fn new(seed: u64, purpose: Purpose, number: u64) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8] = purpose as u8;
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(number);
        Self { rng }
    }

    /// A uniform 64-bit number.
    pub fn bits(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A uniform number in `[0, 1)`.
    pub fn unit(&mut self) -> f32 {
        // An f32 below one has 24 significant bits.
        (self.rng.next_u32() >> 8) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// A uniform number in `[low, high)`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// A uniform number in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // Multiply-shift: the bias is below n / 2^32, far too small to be seen in a shop.
        ((u64::from(self.rng.next_u32()) * n as u64) >> 32) as usize
    }

    /// One element of a slice that must not be empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A standard normal number (Box-Muller).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }

    /// A log-normal number with this median and this standard deviation of its logarithm.
    pub fn log_normal(&mut self, median: f32, sigma: f32) -> f32 {
        median * (sigma * self.normal()).exp()
    }

    /// An exponentially distributed waiting time with this mean.
    pub fn waiting(&mut self, mean: f32) -> f32 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// An index drawn from cumulative, ascending weights; the slice must not be empty.
    pub fn cumulative(&mut self, sums: &[f32]) -> usize {
        let x = self.unit() * sums[sums.len() - 1];
        sums.partition_point(|&s| s <= x).min(sums.len() - 1)
    }
}

/// Running sums of weights, for [`Dice::cumulative`].
pub fn running_sums(weights: impl IntoIterator<Item = f32>) -> Vec<f32> {
    weights
        .into_iter()
        .scan(0.0, |sum, w| {
            *sum += w;
            Some(*sum)
        })
        .collect()
}

/// A fixed weighted choice in constant time (Walker's alias method, Vose 1991).
pub struct Alias {
    keep: Vec<f32>,
    other: Vec<u32>,
}

impl Alias {
    /// A choice among `weights.len()` outcomes; weights are positive.
    pub fn new(weights: &[f32]) -> Self {
        let n = weights.len();
        let mean = weights.iter().map(|&w| f64::from(w)).sum::<f64>() / n as f64;
        let mut scaled: Vec<f64> = weights.iter().map(|&w| f64::from(w) / mean).collect();
        let mut other: Vec<u32> = (0..n as u32).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..n).partition(|&i| scaled[i] < 1.0);
        while let (Some(&s), Some(&l)) = (small.last(), large.last()) {
            small.pop();
            other[s] = l as u32;
            scaled[l] -= 1.0 - scaled[s];
            if scaled[l] < 1.0 {
                large.pop();
                small.push(l);
            }
        }
        // The remaining probabilities differ from one by rounding only.
        for &i in small.iter().chain(&large) {
            scaled[i] = 1.0;
        }
        Self { keep: scaled.into_iter().map(|k| k as f32).collect(), other }
    }

    /// One outcome.
    pub fn draw(&self, dice: &mut Dice) -> usize {
        let i = dice.below(self.keep.len());
        if dice.unit() < self.keep[i] { i } else { self.other[i] as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_by_seed_and_differ_by_number() {
        let draw = |seed, purpose, number| Dice::new(seed, purpose, number).bits();
        assert_eq!(draw(7, Purpose::User, 3), draw(7, Purpose::User, 3));
        assert_ne!(draw(7, Purpose::User, 3), draw(8, Purpose::User, 3));
        assert_ne!(draw(7, Purpose::User, 3), draw(7, Purpose::User, 4));
        assert_ne!(draw(7, Purpose::User, 3), draw(7, Purpose::Places, 3));
    }

    #[test]
    fn alias_draws_in_proportion_to_weights() {
        let weights = [1.0, 0.2, 5.0, 2.8];
        let (alias, mut dice) = (Alias::new(&weights), Dice::new(1, Purpose::User, 0));
        let mut counts = [0u32; 4];
        for _ in 0..90_000 {
            counts[alias.draw(&mut dice)] += 1;
        }
        for (count, weight) in counts.iter().zip(weights) {
            assert!((*count as f32 / 10_000.0 - weight).abs() < 0.1, "{counts:?}");
        }
    }

    #[test]
    fn a_normal_draw_has_mean_zero_and_variance_one() {
        let mut dice = Dice::new(2, Purpose::User, 0);
        let (mut sum, mut squares) = (0.0f64, 0.0f64);
        for _ in 0..50_000 {
            let x = f64::from(dice.normal());
            sum += x;
            squares += x * x;
        }
        assert!((sum / 5e4).abs() < 0.02 && (squares / 5e4 - 1.0).abs() < 0.03);
    }
}
