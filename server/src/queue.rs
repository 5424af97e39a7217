//! The queue of requests that were read and wait for a processor: its waiting time, and the refusal of late requests.
//!
//! Handlers run to their end in one turn of the runtime, so that requests wait before their guard and not behind it. A
//! probe measures the delay of its timer, which is the time that a task waits for a turn. While it is long, every
//! request first yields to the other ready tasks, and is refused if that took longer than the limit: no work is spent
//! on an answer that the caller no longer waits for (after CoDel; Nichols & Jacobson, "Controlling queue delay", 2012).
//!
//! Cost while the queue is short: loading one flag.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Interval of the probe.
const PROBE_EVERY: Duration = Duration::from_millis(10);
/// The queue is long from this wait on.
const LONG: Duration = Duration::from_millis(5);

/// The queue of a process.
#[derive(Debug)]
pub struct Queue {
    /// Longest wait of a request that is answered.
    limit: Duration,
    is_long: AtomicBool,
    /// The latest measurement of the probe, microseconds.
    wait_us: AtomicU64,
}

/// A request waited longer than the limit.
#[derive(Debug, PartialEq, Eq)]
pub struct WaitedTooLong;

impl Queue {
    /// A short queue that refuses requests which wait longer than `limit`.
    pub fn new(limit: Duration) -> Self {
        Self { limit, is_long: AtomicBool::new(false), wait_us: AtomicU64::new(0) }
    }

    /// Runs the probe forever.
    pub async fn probe(&self) {
        loop {
            let due = Instant::now() + PROBE_EVERY;
            tokio::time::sleep_until(due.into()).await;
            let wait = due.elapsed();
            self.wait_us.store(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            self.is_long.store(wait >= LONG, Ordering::Relaxed);
        }
    }

    /// The latest measurement of the time that a task waits for its turn.
    pub fn wait(&self) -> Duration {
        Duration::from_micros(self.wait_us.load(Ordering::Relaxed))
    }

    /// Waits for the caller's turn: none while the queue is short, else until the ready tasks have run.
    ///
    /// # Errors
    /// They took longer than the limit.
    pub async fn turn(&self) -> Result<(), WaitedTooLong> {
        if !self.is_long.load(Ordering::Relaxed) {
            return Ok(());
        }
        let since = Instant::now();
        tokio::task::yield_now().await;
        if since.elapsed() > self.limit { Err(WaitedTooLong) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn spin(time: Duration) {
        let since = Instant::now();
        while since.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    /// Requests of 2 ms each on one thread: the queue grows long, and the later ones are refused.
    #[tokio::test]
    async fn requests_that_wait_too_long_are_refused() {
        let queue = Arc::new(Queue::new(Duration::from_millis(40)));
        assert_eq!(queue.turn().await, Ok(()));
        let probed = Arc::clone(&queue);
        let probe = tokio::spawn(async move { probed.probe().await });
        tokio::time::sleep(PROBE_EVERY).await;
        let busy: Vec<_> = (0..20).map(|_| tokio::spawn(async { spin(Duration::from_millis(2)) })).collect();
        for task in busy {
            assert!(task.await.is_ok());
        }
        tokio::time::sleep(Duration::ZERO).await;
        assert!(queue.wait() >= LONG, "{:?}", queue.wait());
        let request = || {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                let turn = queue.turn().await;
                turn.is_ok().then(|| spin(Duration::from_millis(2))).is_some()
            })
        };
        let requests: Vec<_> = (0..100).map(|_| request()).collect();
        let mut answered = 0;
        for request in requests {
            answered += usize::from(request.await.is_ok_and(|answered| answered));
        }
        assert!((1..100).contains(&answered), "{answered} of 100 were answered");
        probe.abort();
    }
}
