//! The due times of calls.
//!
//! An open loop fixes its send times in advance, whether or not the server has answered earlier calls.
//! Latency counts from the due time, so a server that stalls pays for every call that waited behind the
//! stall (no coordinated omission). The closed loop has no due times: a connection sends as soon as it
//! is free, which finds the saturation point but hides waiting.

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The distribution of calls over time; rates are calls per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Open loop, equal gaps.
    Even { rate: f64 },
    /// Open loop, exponentially distributed gaps: independent callers (a Poisson process).
    Poisson { rate: f64 },
    /// As fast as the answers come.
    Closed,
}

impl Pace {
    /// Calls per second of an open loop.
    pub fn rate(self) -> Option<f64> {
        match self {
            Self::Even { rate } | Self::Poisson { rate } => Some(rate),
            Self::Closed => None,
        }
    }
}

/// The times of a lane, and its patience at the end.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// From the start of the run to the first call.
    pub delay: Duration,
    /// Sent but not measured.
    pub warmup: Duration,
    /// Measured.
    pub duration: Duration,
    /// Time after the end during which calls that are already due may still be sent.
    pub patience: Duration,
}

/// The due times of one lane.
#[derive(Debug)]
pub struct Schedule {
    pace: Pace,
    start: Instant,
    span: Span,
    /// Calls before the next one.
    n: u64,
    /// From the start to the next call, in seconds.
    offset: f64,
    rng: ChaCha8Rng,
}

impl Schedule {
    /// The schedule of a run that starts at `run_start`; equal seeds give equal Poisson gaps.
    pub fn new(pace: Pace, span: Span, run_start: Instant, seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let mut schedule = Self { pace, start: run_start + span.delay, span, n: 0, offset: 0.0, rng };
        if let Pace::Poisson { rate } = pace {
            schedule.offset = schedule.gap(rate);
        }
        schedule
    }

    /// The due time of the next call if it is due by now and may still be sent.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        match self.pace {
            Pace::Closed => (now >= self.start && now < self.end()).then_some(now),
            _ => self.scheduled().filter(|due| *due <= now && now <= self.end() + self.span.patience),
        }
    }

    /// Advances to the call after the next.
    pub fn advance(&mut self) {
        self.n += 1;
        self.offset = match self.pace {
            Pace::Closed => 0.0,
            // Not a sum of gaps, which would drift.
            Pace::Even { rate } => self.n as f64 / rate,
            Pace::Poisson { rate } => self.offset + self.gap(rate),
        };
    }

    /// True if no further call will be sent.
    pub fn is_over(&self, now: Instant) -> bool {
        match self.pace {
            Pace::Closed => now >= self.end(),
            _ => self.scheduled().is_none() || now > self.end() + self.span.patience,
        }
    }

    /// The due times of the calls that were never sent because the patience ended.
    pub fn unsent(mut self) -> impl Iterator<Item = Instant> {
        std::iter::from_fn(move || {
            let due = self.scheduled().filter(|_| self.pace != Pace::Closed)?;
            self.advance();
            Some(due)
        })
    }

    /// End of the warm-up; calls due from here on are measured.
    pub fn measured_from(&self) -> Instant {
        self.start + self.span.warmup
    }

    /// Latest due time of the last call.
    pub fn end(&self) -> Instant {
        self.measured_from() + self.span.duration
    }

    fn scheduled(&self) -> Option<Instant> {
        let due = self.start + Duration::from_secs_f64(self.offset);
        (due < self.end()).then_some(due)
    }

    fn gap(&mut self, rate: f64) -> f64 {
        // 1 - u lies in (0, 1], so the logarithm is finite.
        -(1.0 - self.rng.random::<f64>()).ln() / rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SPAN: Span = Span { delay: Duration::ZERO, warmup: SECOND, duration: SECOND, patience: SECOND };

    fn all(pace: Pace, seed: u64, now: Duration) -> Vec<f64> {
        let start = Instant::now();
        let mut schedule = Schedule::new(pace, SPAN, start, seed);
        let mut offsets = Vec::new();
        while let Some(due) = schedule.due(start + now) {
            offsets.push((due - start).as_secs_f64());
            schedule.advance();
        }
        offsets
    }

    #[test]
    fn even_due_times_do_not_depend_on_when_they_are_asked_for() {
        let offsets = all(Pace::Even { rate: 250.0 }, 0, 2 * SECOND);
        assert_eq!(offsets, all(Pace::Even { rate: 250.0 }, 0, 3 * SECOND));
        assert_eq!(offsets.len(), 500);
        for (k, offset) in offsets.iter().enumerate() {
            assert!((offset - k as f64 * 0.004).abs() < 1e-8, "call {k} at {offset}");
        }
        assert_eq!(all(Pace::Even { rate: 250.0 }, 0, SECOND).len(), 251, "nothing is due early");
    }

    #[test]
    fn poisson_gaps_have_the_rate_as_mean_and_deviation() {
        let pace = Pace::Poisson { rate: 20_000.0 };
        let offsets = all(pace, 5, 2 * SECOND);
        let gaps: Vec<f64> = offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean * 20_000.0 - 1.0).abs() < 0.03, "mean gap {mean}");
        assert!((variance.sqrt() * 20_000.0 - 1.0).abs() < 0.03, "deviation {}", variance.sqrt());
        assert_eq!(offsets, all(pace, 5, 2 * SECOND));
        assert_ne!(offsets, all(pace, 6, 2 * SECOND));
    }

    #[test]
    fn calls_still_due_when_patience_ends_are_unsent() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Pace::Even { rate: 10.0 }, SPAN, start, 0);
        for _ in 0..15 {
            assert!(schedule.due(start + 3 * SECOND).is_some(), "still patient");
            schedule.advance();
        }
        let late = start + 3 * SECOND + Duration::from_nanos(1);
        assert_eq!(schedule.due(late), None);
        assert!(schedule.is_over(late));
        let unsent: Vec<Instant> = schedule.unsent().collect();
        assert_eq!(unsent.len(), 5);
        assert_eq!(unsent[0], start + Duration::from_millis(1_500));
    }

    #[test]
    fn the_closed_loop_is_due_at_once_and_stops_at_the_end() {
        let start = Instant::now();
        let span = Span { delay: SECOND, ..SPAN };
        let schedule = Schedule::new(Pace::Closed, span, start, 0);
        let now = start + SECOND + Duration::from_millis(7);
        assert_eq!(schedule.due(start), None, "the lane starts later");
        assert_eq!(schedule.due(now), Some(now));
        assert!(!schedule.is_over(now));
        assert_eq!(schedule.due(start + 3 * SECOND), None);
        assert!(schedule.is_over(start + 3 * SECOND));
        assert_eq!(schedule.unsent().count(), 0);
    }
}
