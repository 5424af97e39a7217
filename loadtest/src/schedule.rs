//! When each request is due.
//!
//! The open loop fixes every send time before the run starts: request `k` is due at
//! `start + k / rate`, whether or not the server has answered the earlier ones. Latency counts from
//! that due time, so a server that stalls pays for every request that had to wait behind the stall
//! (no coordinated omission). The closed mode has no due times: a connection sends as soon as it is
//! free, which finds the saturation point but hides waiting.

use std::time::{Duration, Instant};

/// The runtime's timer is a millisecond coarse and wakes up to one late; the rest of a wait is
/// spent polling the clock.
const TIMER_COARSENESS: Duration = Duration::from_millis(2);

/// How requests are spread over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// A constant rate, in requests a second over all threads.
    Open { rate: f64 },
    /// As fast as the answers come.
    Closed,
}

/// How long a run takes, and how patient it is at its end.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// Sent but not measured, at the start.
    pub warmup: Duration,
    /// Measured.
    pub duration: Duration,
    /// How long after the end requests that are already due may still be sent.
    pub patience: Duration,
}

/// One thread's share of the send times.
#[derive(Debug)]
pub struct Schedule {
    pace: Pace,
    start: Instant,
    length: Length,
    next: u64,
    step: u64,
}

impl Schedule {
    /// The share of thread `part` of `parts`: requests `part`, `part + parts`, `part + 2 parts`, ...
    pub fn new(pace: Pace, length: Length, start: Instant, part: usize, parts: usize) -> Self {
        Self { pace, start, length, next: part as u64, step: parts as u64 }
    }

    /// The next request's due time, or `None` at the end of the run or of its patience.
    pub fn next_due(&mut self, now: Instant) -> Option<Instant> {
        match self.pace {
            Pace::Closed => (now < self.end()).then_some(now.max(self.start)),
            Pace::Open { .. } if now > self.end() + self.length.patience => None,
            Pace::Open { rate } => self.take_slot(rate),
        }
    }

    /// The due times that were never handed out because the patience ran out.
    pub fn unsent(&mut self) -> impl Iterator<Item = Instant> + '_ {
        std::iter::from_fn(|| match self.pace {
            Pace::Closed => None,
            Pace::Open { rate } => self.take_slot(rate),
        })
    }

    /// When the warm-up ends; a request that is due from here on is measured.
    pub fn measured_from(&self) -> Instant {
        self.start + self.length.warmup
    }

    /// When the last request is due at the latest.
    pub fn end(&self) -> Instant {
        self.start + self.length.warmup + self.length.duration
    }

    fn take_slot(&mut self, rate: f64) -> Option<Instant> {
        let due = self.start + Duration::from_secs_f64(self.next as f64 / rate);
        if due >= self.end() {
            return None;
        }
        self.next += self.step;
        Some(due)
    }
}

/// Waits for a due time to within microseconds: sleeps while it is far, then polls the clock, letting
/// answers be read between two looks. Costs a core at more than about 500 requests a second.
pub async fn wait_until(due: Instant) {
    let now = Instant::now();
    if now + TIMER_COARSENESS < due {
        tokio::time::sleep(due - now - TIMER_COARSENESS).await;
    }
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LENGTH: Length = Length { warmup: SECOND, duration: SECOND, patience: SECOND };

    fn all(schedule: &mut Schedule, now: Instant) -> Vec<Instant> {
        std::iter::from_fn(|| schedule.next_due(now)).collect()
    }

    #[test]
    fn due_times_are_evenly_spaced_and_do_not_depend_on_when_they_are_asked_for() {
        let start = Instant::now();
        let pace = Pace::Open { rate: 250.0 };
        let early = all(&mut Schedule::new(pace, LENGTH, start, 0, 1), start);
        let late = all(&mut Schedule::new(pace, LENGTH, start, 0, 1), start + 2 * SECOND);
        assert_eq!(early, late);
        assert_eq!(early.len(), 500);
        for (k, due) in early.iter().enumerate() {
            assert_eq!(*due, start + Duration::from_millis(4) * k as u32);
        }
    }

    #[test]
    fn threads_share_the_schedule_without_overlap_or_gap() {
        let start = Instant::now();
        let pace = Pace::Open { rate: 333.0 };
        let mut shared: Vec<Instant> =
            (0..3).flat_map(|part| all(&mut Schedule::new(pace, LENGTH, start, part, 3), start)).collect();
        shared.sort_unstable();
        assert_eq!(shared, all(&mut Schedule::new(pace, LENGTH, start, 0, 1), start));
    }

    #[test]
    fn what_is_due_when_patience_ends_is_counted_as_unsent() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Pace::Open { rate: 10.0 }, LENGTH, start, 0, 1);
        for _ in 0..15 {
            assert!(schedule.next_due(start + 3 * SECOND).is_some(), "still patient");
        }
        assert_eq!(schedule.next_due(start + 3 * SECOND + Duration::from_nanos(1)), None);
        let unsent: Vec<Instant> = schedule.unsent().collect();
        assert_eq!(unsent.len(), 5);
        assert_eq!(unsent[0], start + Duration::from_millis(1_500));
    }

    #[test]
    fn the_closed_mode_is_due_at_once_and_stops_at_the_end() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Pace::Closed, LENGTH, start, 0, 1);
        let now = start + Duration::from_millis(7);
        assert_eq!(schedule.next_due(now), Some(now));
        assert_eq!(schedule.next_due(start + 2 * SECOND), None);
        assert_eq!(schedule.unsent().count(), 0);
    }

    #[tokio::test]
    async fn waiting_never_ends_before_the_due_time() {
        for micros in [0, 50, 900, 2_500, 6_000] {
            let due = Instant::now() + Duration::from_micros(micros);
            wait_until(due).await;
            assert!(Instant::now() >= due);
        }
    }
}
