//! Rate limits: the generic cell rate algorithm (GCRA; ITU-T I.371), one atomic word a bucket.
//!
//! A bucket holds the *theoretical arrival time*: the moment at which it is empty again. A request advances it by one
//! interval, and is refused if it is then further ahead than the burst allows. No lock, no clean-up: an unused bucket
//! recovers by itself. Cost: one load and one compare-and-swap.
//!
//! Users share a fixed table of buckets ([`UserBuckets`]), so that memory is bounded by construction.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Buckets of users: 2 MiB. A user is refused wrongly only if both of their buckets also belong to users at their
/// limits.
const USER_BUCKETS: usize = 1 << 18;

/// Average rate and burst of requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Nanoseconds between two requests, on average.
    interval: u64,
    /// Nanoseconds by which a bucket may be ahead.
    tolerance: u64,
}

impl Rate {
    /// `per_second` requests per second, and bursts of up to `burst`; `None` without a limit (0).
    pub fn new(per_second: f64, burst: u32) -> Option<Self> {
        if per_second <= 0.0 {
            return None;
        }
        let interval = (1e9 / per_second) as u64;
        Some(Self { interval, tolerance: interval.saturating_mul(burst.max(1).into()) })
    }
}

/// The bucket of one caller.
#[derive(Debug, Default)]
pub struct Bucket(AtomicU64);

impl Bucket {
    /// Takes one request at `now`.
    ///
    /// # Errors
    /// The time until one is free.
    pub fn take(&self, rate: Rate, now: Clock) -> Result<(), Duration> {
        let mut wait = 0;
        let next = |ahead: u64| {
            let next = ahead.max(now.0) + rate.interval;
            wait = next.saturating_sub(now.0 + rate.tolerance);
            (wait == 0).then_some(next)
        };
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(()),
            Err(_) => Err(Duration::from_nanos(wait)),
        }
    }
}

/// A moment: nanoseconds since the start of the process, by a monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock(u64);

impl Clock {
    /// `now`, in a process that began at `start`.
    pub fn since(start: Instant, now: Instant) -> Self {
        Self(u64::try_from(now.saturating_duration_since(start).as_nanos()).unwrap_or(u64::MAX / 2))
    }
}

/// The buckets of all users of all storefronts. Each user has two, chosen by a hash with a random seed, and is refused
/// only if both refuse (a count-min sketch of depth 2).
#[derive(Debug)]
pub struct UserBuckets {
    buckets: Box<[Bucket]>,
    hasher: RandomState,
}

impl Default for UserBuckets {
    fn default() -> Self {
        let buckets = (0..USER_BUCKETS).map(|_| Bucket::default()).collect();
        Self { buckets, hasher: RandomState::new() }
    }
}

impl UserBuckets {
    /// Takes one request of a user of key number `key`.
    ///
    /// # Errors
    /// The time until one is free.
    pub fn take(&self, key: usize, user_id: &str, rate: Rate, now: Clock) -> Result<(), Duration> {
        let hash = self.hasher.hash_one((key, user_id));
        let bucket = |part: u64| &self.buckets[part as usize % USER_BUCKETS];
        match (bucket(hash).take(rate, now), bucket(hash >> 32).take(rate, now)) {
            (Err(one), Err(other)) => Err(one.min(other)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_is_followed_by_the_steady_rate() {
        let (rate, bucket) = (Rate::new(10.0, 5).unwrap(), Bucket::default());
        let taken = |from: u64, to: u64| {
            (from..to).step_by(1_000_000).filter(|&at| bucket.take(rate, Clock(at)).is_ok()).count()
        };
        assert_eq!(taken(SECOND, 2 * SECOND), 5 + 9, "the burst, then ten a second");
        assert_eq!(taken(2 * SECOND, 12 * SECOND), 100);
        let wait = bucket.take(rate, Clock(12 * SECOND - 1)).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(100), "{wait:?}");
        assert!(bucket.take(rate, Clock(12 * SECOND - 1 + wait.as_nanos() as u64)).is_ok());
        assert_eq!(taken(3_600 * SECOND, 3_600 * SECOND + 1), 1, "silence fills it again");
        assert_eq!(Rate::new(0.0, 5), None);
    }

    #[test]
    fn many_users_do_not_take_each_others_share() {
        let (rate, buckets) = (Rate::new(1.0, 10).unwrap(), UserBuckets::default());
        let refused = |users: std::ops::Range<usize>| {
            let tries = users.flat_map(|user| (0..10).map(move |_| user.to_string()));
            tries.filter(|user| buckets.take(0, user, rate, Clock(SECOND)).is_err()).count()
        };
        // 100,000 requests of 10,000 users at one instant, each within its burst.
        let wrongly = refused(0..10_000);
        assert!(wrongly < 500, "{wrongly} of 100000 were refused for what others did");
        assert!(buckets.take(0, "7", rate, Clock(SECOND)).is_err());
        // In a table without others, whose buckets could be both of this one's.
        let buckets = UserBuckets::default();
        assert!((0..10).all(|_| buckets.take(0, "7", rate, Clock(SECOND)).is_ok()));
        assert!(buckets.take(0, "7", rate, Clock(SECOND)).is_err());
        assert!(buckets.take(1, "7", rate, Clock(SECOND)).is_ok(), "the same user of another key");
    }

    #[test]
    fn threads_take_no_more_than_there_is() {
        let (rate, bucket) = (Rate::new(1.0, 1_000).unwrap(), Bucket::default());
        let taken: usize = std::thread::scope(|scope| {
            let take = || (0..1_000).filter(|_| bucket.take(rate, Clock(SECOND)).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1_000);
    }
}
