//! Frees replaced snapshots off the request path.
//!
//! A retired snapshot may still answer a request, or stream an audience to a slow reader. The reaper holds it until no
//! one else does and frees it on the blocking pool, so that no request pays for unmapping a model.

use std::sync::Arc;
use std::time::Duration;

use metrics::Gauge;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Loaded;

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Takes retired snapshots in, and frees them while it runs.
#[derive(Clone)]
pub struct Reaper {
    retired: UnboundedSender<Arc<Loaded>>,
    queue: Arc<Mutex<Queue>>,
}

/// The state of the running reaper; it survives a reaper that panics.
struct Queue {
    arriving: UnboundedReceiver<Arc<Loaded>>,
    /// Snapshots that a request still held at the last check.
    held: Vec<Arc<Loaded>>,
    /// Number of these snapshots.
    gauge: Gauge,
}

impl Reaper {
    /// A reaper that does not run yet. `gauge` shows the number of retired snapshots still held by a request.
    pub fn new(gauge: Gauge) -> Self {
        let (retired, arriving) = unbounded_channel();
        Self { retired, queue: Arc::new(Mutex::new(Queue { arriving, held: Vec::new(), gauge })) }
    }

    /// Takes `snapshot`, to be freed after the last request that reads it.
    pub fn retire(&self, snapshot: Arc<Loaded>) {
        // The queue lives as long as `self`.
        let _ = self.retired.send(snapshot);
    }

    /// Frees retired snapshots for as long as it is polled.
    pub async fn run(&self) {
        let mut queue = self.queue.lock().await;
        loop {
            queue.reap().await;
        }
    }
}

impl Queue {
    /// Waits for a snapshot or for the next check, then frees those that no request holds.
    async fn reap(&mut self) {
        if self.held.is_empty() {
            self.held.extend(self.arriving.recv().await);
        } else {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        while let Ok(snapshot) = self.arriving.try_recv() {
            self.held.push(snapshot);
        }
        // A retired snapshot cannot be found any more, so a count of one cannot rise again.
        let free: Vec<Arc<Loaded>> =
            self.held.extract_if(.., |snapshot| Arc::strong_count(snapshot) == 1).collect();
        self.gauge.set(self.held.len() as f64);
        if !free.is_empty() {
            // A failed join means a panic in a destructor, which the panic hook reported.
            let _ = tokio::task::spawn_blocking(move || drop(free)).await;
        }
    }
}
