//! A circuit breaker: after some failures in a row no request asks Redis any more, until a probe has succeeded.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use metrics::Gauge;
use tokio::sync::Notify;

/// Failures in a row that open it.
const FAILURES: u32 = 3;

/// Decides if requests ask Redis. It begins open, because Redis has not been reached yet.
pub struct Breaker {
    open: AtomicBool,
    failures: AtomicU32,
    opened: Notify,
    /// 1 while it is open.
    gauge: Gauge,
}

impl Breaker {
    pub fn new(gauge: Gauge) -> Self {
        let breaker =
            Self { open: AtomicBool::new(true), failures: AtomicU32::new(0), opened: Notify::new(), gauge };
        breaker.gauge.set(1.0);
        breaker.opened.notify_one();
        breaker
    }

    pub fn is_closed(&self) -> bool {
        !self.open.load(Ordering::Acquire)
    }

    /// Records a success.
    pub fn succeeded(&self) {
        // Most of the time there is nothing to write, so processors share no changed cache line.
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Records a failure; returns true if it opened the breaker.
    pub fn failed(&self) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let opens = failures >= FAILURES && !self.open.swap(true, Ordering::AcqRel);
        if opens {
            self.gauge.set(1.0);
            self.opened.notify_one();
        }
        opens
    }

    /// Records that a probe succeeded: closes the breaker.
    pub fn close(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.open.store(false, Ordering::Release);
        self.gauge.set(0.0);
    }

    /// Waits until it is open; for the probing task.
    pub async fn opened(&self) {
        self.opened.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn failures_in_a_row_open_it_and_only_the_probe_closes_it() {
        let breaker = Breaker::new(Gauge::noop());
        assert!(!breaker.is_closed(), "nobody knows yet");
        breaker.opened().await;
        breaker.close();
        assert!(!breaker.failed() && !breaker.failed());
        breaker.succeeded();
        assert!(!breaker.failed() && !breaker.failed() && breaker.is_closed(), "not in a row");
        assert!(breaker.failed() && !breaker.failed(), "it opens once");
        breaker.opened().await;
        breaker.succeeded();
        assert!(!breaker.is_closed(), "a late success is no probe");
        breaker.close();
        assert!(breaker.is_closed());
    }
}
