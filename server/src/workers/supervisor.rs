//! Restarts a worker when it panics or ends.
//!
//! A worker never ends unnoticed: every restart is logged and counted, and `/readyz` names a worker that restarts again
//! and again. The panic hook logs the panic itself, with its backtrace.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::Counter;
use tokio::task::JoinSet;

use crate::caught::Caught;

/// Pause before the first restart; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause: short enough that a worker which always fails restarts [`FAILING`] times within [`WINDOW`].
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Restarts within [`WINDOW`] from which a worker counts as failing.
const FAILING: usize = 3;
const WINDOW: Duration = Duration::from_secs(60);

/// Counts the restarts of one worker: in a metric, in the log, and for `/readyz`.
pub struct Restarts {
    /// A label value of `qianmian_worker_restarts_total`.
    name: &'static str,
    counter: Counter,
    health: Arc<Health>,
}

impl Restarts {
    /// For the worker `name`, with its counter.
    pub fn new(name: &'static str, counter: Counter, health: Arc<Health>) -> Self {
        Self { name, counter, health }
    }

    /// Counts a restart after `pause`.
    pub fn count(&self, panicked: bool, pause: Duration) {
        self.counter.increment(1);
        self.health.restarted(self.name, Instant::now());
        let pause_seconds = pause.as_secs_f64();
        tracing::error!(worker = self.name, panicked, pause_seconds, "a worker ended; it restarts");
    }
}

/// Supervised workers. They end when this is dropped.
pub struct Workers {
    tasks: JoinSet<()>,
    health: Arc<Health>,
}

/// Restarts of the workers, and the workers that keep failing.
#[derive(Debug, Default)]
pub struct Health {
    /// The latest restarts of each worker, at most [`FAILING`], oldest first.
    restarts: Mutex<BTreeMap<&'static str, Vec<Instant>>>,
}

impl Workers {
    /// No worker yet; `health` records their restarts.
    pub fn new(health: Arc<Health>) -> Self {
        Self { tasks: JoinSet::new(), health }
    }

    /// Runs the future that `work` returns until it panics or ends, and then again. `name` is a label value of
    /// `qianmian_worker_restarts_total`, whose counter is `restarts`.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        name: &'static str,
        restarts: Counter,
        work: impl Fn() -> F + Send + 'static,
    ) {
        let restarts = Restarts::new(name, restarts, Arc::clone(&self.health));
        self.tasks.spawn(async move {
            let mut pause = FIRST_PAUSE;
            loop {
                let started = Instant::now();
                let panicked = Caught::new(pin!(work())).await.is_none();
                if started.elapsed() > WINDOW {
                    pause = FIRST_PAUSE;
                }
                restarts.count(panicked, pause);
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        });
    }
}

impl Health {
    /// Workers that restarted three times within the last minute.
    pub fn failing(&self) -> Vec<&'static str> {
        let restarts = self.restarts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |restart: &Instant| restart.elapsed() < WINDOW;
        let failing =
            |latest: &Vec<Instant>| latest.len() == FAILING && latest.first().is_some_and(is_recent);
        restarts.iter().filter(|(_, latest)| failing(latest)).map(|(name, _)| *name).collect()
    }

    fn restarted(&self, name: &'static str, at: Instant) {
        let mut restarts = self.restarts.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = restarts.entry(name).or_default();
        if latest.len() == FAILING {
            latest.remove(0);
        }
        latest.push(at);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_worker_that_panics_is_restarted_and_named() {
        let health = Arc::new(Health::default());
        let mut workers = Workers::new(Arc::clone(&health));
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        workers.spawn("test", Counter::noop(), move || {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match run {
                    0 => {}
                    1 | 2 => panic!("on purpose"),
                    _ => std::future::pending().await,
                }
            }
        });
        assert!(health.failing().is_empty());
        for _ in 0..500 {
            if runs.load(Ordering::SeqCst) == 4 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!((runs.load(Ordering::SeqCst), health.failing()), (4, vec!["test"]));
    }

    #[test]
    fn restarts_of_long_ago_do_not_count() {
        let health = Health::default();
        let now = Instant::now();
        let Some(before) = now.checked_sub(WINDOW + Duration::from_secs(1)) else { return };
        for at in [before, now, now] {
            health.restarted("test", at);
        }
        assert!(health.failing().is_empty());
        health.restarted("test", now);
        assert_eq!(health.failing(), ["test"]);
    }
}
