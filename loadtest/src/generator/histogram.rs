//! A log-linear histogram: counts durations in buckets that are at most 1/128 wide relative to
//! their value, so that a quantile is off by less than 0.8 % whatever its size.
//!
//! Recording costs one increment and memory is fixed (58 KB), whatever the length of a run.

use std::time::Duration;

/// Buckets per doubling of the value; the relative width of a bucket is one over this.
const SUB_BUCKETS: usize = 128;
/// Enough for every `u64`: 56 doublings above the first two linear rows.
const BUCKETS: usize = 58 * SUB_BUCKETS;

/// Counts of durations, in nanoseconds.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
    sum_ns: u128,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, max_ns: 0, sum_ns: 0 }
    }
}

impl Histogram {
    /// Counts one duration; anything above 584 years counts as that.
    pub fn record(&mut self, value: Duration) {
        let ns = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket_of(ns)] += 1;
        self.total += 1;
        self.max_ns = self.max_ns.max(ns);
        self.sum_ns += u128::from(ns);
    }

    /// Number of durations counted.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The exact largest duration; zero if nothing was counted.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// The exact mean; zero if nothing was counted.
    pub fn mean(&self) -> Duration {
        let mean_ns = self.sum_ns.checked_div(u128::from(self.total)).unwrap_or(0);
        Duration::from_nanos(u64::try_from(mean_ns).unwrap_or(u64::MAX))
    }

    /// The smallest duration that at least a share `q` (0..=1) of all counted ones does not exceed
    /// (nearest rank), rounded up to its bucket's end; zero when nothing was counted.
    pub fn quantile(&self, q: f64) -> Duration {
        let rank = ((q * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(bucket_end(bucket).min(self.max_ns));
            }
        }
        Duration::ZERO
    }

    /// Points of the latency curve: shares of the durations, each with the duration that they do not exceed. The shares
    /// have equal steps on the scale of 1 / (1 - share), eight per decade, down to one in 100,000.
    pub fn curve(&self) -> Vec<(f64, Duration)> {
        let shares = (0..=40).map(|step| 1.0 - 10f64.powf(-f64::from(step) / 8.0));
        let told = shares.filter(|share| self.total as f64 * (1.0 - share) >= 1.0);
        told.map(|share| (share, self.quantile(share))).collect()
    }
}

/// The first 256 values have a bucket each; above, every doubling is cut into [`SUB_BUCKETS`].
fn bucket_of(ns: u64) -> usize {
    let shift = (u64::BITS - ns.leading_zeros()).saturating_sub(8);
    shift as usize * SUB_BUCKETS + (ns >> shift) as usize
}

/// The largest value that [`bucket_of`] puts into this bucket.
fn bucket_end(bucket: usize) -> u64 {
    let shift = (bucket / SUB_BUCKETS).saturating_sub(1);
    let leading = (bucket - shift * SUB_BUCKETS) as u64;
    (leading << shift) | ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn buckets_end_at_most_one_part_in_128_above_a_value() {
        let mut values: Vec<u64> =
            (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]).collect();
        values.extend([u64::MAX - 1, u64::MAX]);
        for value in values {
            let end = bucket_end(bucket_of(value));
            assert!(end >= value, "{value} lies above its bucket's end {end}");
            assert!(end - value <= value / 128, "{value} is rounded up to {end}");
            assert!(end == u64::MAX || bucket_of(end + 1) == bucket_of(value) + 1, "a gap after {end}");
        }
    }

    #[test]
    fn quantiles_agree_with_exact_ones_within_the_bucket_width() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
        // Spread over seven orders of magnitude, as stalls among microseconds are.
        let mut exact: Vec<u64> =
            (0..20_000).map(|_| 10f64.powf(rng.random_range(2.0..9.0)) as u64).collect();
        let mut histogram = Histogram::default();
        for ns in &exact {
            histogram.record(Duration::from_nanos(*ns));
        }
        exact.sort_unstable();
        for q in [0.0, 0.001, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let rank = ((q * exact.len() as f64).ceil() as usize).max(1);
            let (want, got) = (exact[rank - 1], histogram.quantile(q).as_nanos() as u64);
            assert!(got >= want && got - want <= want / 128, "q {q}: {got} instead of {want}");
        }
        assert_eq!(histogram.max().as_nanos() as u64, exact[exact.len() - 1]);
        let mean = exact.iter().map(|ns| u128::from(*ns)).sum::<u128>() / exact.len() as u128;
        assert_eq!(histogram.mean().as_nanos(), mean);
    }

    #[test]
    fn the_curve_ends_where_a_single_duration_is_left() {
        let mut histogram = Histogram::default();
        for micros in 1..=1_000 {
            histogram.record(Duration::from_micros(micros));
        }
        let curve = histogram.curve();
        assert_eq!(curve.len(), 25, "three decades of eight steps");
        assert!(curve.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
        let median = curve.iter().find(|(share, _)| *share >= 0.5).map(|(_, time)| time.as_micros());
        assert!(median.is_some_and(|micros| (500..=600).contains(&micros)), "{median:?}");
        assert!(Histogram::default().curve().is_empty());
    }

    #[test]
    fn an_empty_histogram_answers_zero() {
        let empty = Histogram::default();
        assert_eq!((empty.quantile(0.99), empty.max(), empty.mean()), Default::default());
    }
}
