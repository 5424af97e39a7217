//! Background drain, on one thread per shop: compressing files and waiting for the disk do not delay answers.
//!
//! Events are written when the oldest has waited `every_seconds`, when there are enough for a file, and once more when
//! the server stops. Failures are logged, counted and tried again; the store keeps the events meanwhile.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use qianmian_live::log::drain::{DrainError, FILE_EVENTS, Lag};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::app::App;
use crate::config::{Config, duration};
use crate::live::{Live, now_ms};
use crate::telemetry::DrainMetrics;
use crate::workers::supervisor::Restarts;

/// Interval of checks for events to drain.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A failing folder is tried again after at most this many intervals.
const MAX_PATIENCE: u32 = 12;

/// The drains of all shops. They end when this is dropped.
pub struct Drains {
    stop: watch::Sender<bool>,
    /// Closed when all have ended.
    ended: mpsc::Receiver<Infallible>,
}

impl Drains {
    /// Starts a thread for every shop whose events are drained. Needs a tokio runtime.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(config: &Config, app: &App) -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (alive, ended) = mpsc::channel(1);
        let every = config.live.drain.as_ref().map(|drain| duration(drain.every_seconds));
        for shop in &app.shops {
            let (Some(live), Some(every)) = (shop.live_store(), every) else { continue };
            let task = Task {
                shop: shop.name.clone(),
                live: Arc::clone(live),
                metrics: app.telemetry.drain(&shop.name),
                restarts: Restarts::new(
                    "drain",
                    app.telemetry.worker_restarts("drain"),
                    Arc::clone(&app.workers),
                ),
                every,
                stopped: stopped.clone(),
                _alive: alive.clone(),
            };
            let runtime = Handle::current();
            let thread = std::thread::Builder::new().name("drain".to_owned());
            thread.spawn(move || task.run(&runtime)).context("cannot start a thread that drains")?;
        }
        Ok(Self { stop, ended })
    }

    /// Makes each drain write the rest, and waits for that for at most `patience`.
    pub async fn finish(mut self, patience: Duration) {
        self.stop.send_replace(true);
        if tokio::time::timeout(patience, self.ended.recv()).await.is_err() {
            tracing::warn!("some events are not drained yet; they are when the server runs again");
        }
    }
}

/// The drain of one shop.
struct Task {
    shop: String,
    live: Arc<Live>,
    metrics: DrainMetrics,
    restarts: Restarts,
    every: Duration,
    stopped: watch::Receiver<bool>,
    _alive: mpsc::Sender<Infallible>,
}

impl Task {
    fn run(mut self, runtime: &Handle) {
        let look = self.every.min(LOOK_EVERY);
        let mut failures = 0;
        loop {
            let pause = |failures: u32| look * (failures + 1).min(MAX_PATIENCE);
            let stop = runtime.block_on(self.stop_within(pause(failures)));
            let tried = catch_unwind(AssertUnwindSafe(|| runtime.block_on(self.look(stop))));
            failures = if matches!(tried, Ok(true)) { 0 } else { failures + 1 };
            if tried.is_err() {
                // The panic hook logged the location.
                self.metrics.failures.increment(1);
                self.restarts.count(true, pause(failures));
            }
            if stop {
                return;
            }
        }
    }

    /// Waits; returns true if the server stops meanwhile.
    async fn stop_within(&mut self, wait: Duration) -> bool {
        // An error means that the server's handle is gone: a reason to stop, too.
        tokio::time::timeout(wait, self.stopped.wait_for(|stop| *stop)).await.is_ok()
    }

    /// Drains events if it is time to, or if `all`; returns false on failure.
    async fn look(&self, all: bool) -> bool {
        let drained = async {
            let lag = self.live.lag(now_ms()).await?;
            if all && lag.events > 0 || self.is_due(lag) {
                self.metrics.events.increment(self.live.drain().await?);
            }
            self.live.lag(now_ms()).await
        };
        let drained: Result<Lag, DrainError> = drained.await;
        match &drained {
            Ok(lag) => self.show(*lag),
            Err(error) => {
                tracing::error!(shop = self.shop, %error, "events cannot be drained; the store keeps them");
                self.metrics.failures.increment(1);
                // If only the folder fails, the lag is known; else it is unknown and must not be shown as 0.
                match self.live.lag(now_ms()).await {
                    Ok(lag) => self.show(lag),
                    Err(_) => self.hide(),
                }
            }
        }
        drained.is_ok()
    }

    fn is_due(&self, lag: Lag) -> bool {
        lag.events >= FILE_EVENTS as u64
            || lag.events > 0 && lag.age_ms.unsigned_abs() >= self.every.as_millis() as u64
    }

    /// Shows that the lag is unknown.
    fn hide(&self) {
        self.metrics.lag_events.set(f64::NAN);
        self.metrics.lag_seconds.set(f64::NAN);
    }

    fn show(&self, lag: Lag) {
        self.metrics.lag_events.set(lag.events as f64);
        self.metrics.lag_seconds.set(lag.age_ms as f64 / 1e3);
    }
}
