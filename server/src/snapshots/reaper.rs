//! Frees replaced snapshots off the request path.
//!
//! A retired snapshot may still answer a request, or stream an audience to a slow reader. The reaper holds
//! it until nobody else does and frees it on the blocking pool, so that no request pays for unmapping
//! a model.

use std::sync::Arc;
use std::time::Duration;

use metrics::Gauge;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Loaded;

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Takes retired snapshots in.
#[derive(Clone)]
pub struct Reaper {
    retired: UnboundedSender<Arc<Loaded>>,
}

impl Reaper {
    /// Starts the task that frees them; it ends when the last clone is gone and everything is freed.
    /// `waiting` shows how many are still held by a request.
    pub fn start(waiting: Gauge) -> Self {
        let (retired, receiver) = unbounded_channel();
        tokio::spawn(reap(receiver, waiting));
        Self { retired }
    }

    /// Takes `snapshot`, to be freed after the last request that reads it.
    pub fn retire(&self, snapshot: Arc<Loaded>) {
        // Without the task the process is ending, and memory goes with it.
        let _ = self.retired.send(snapshot);
    }
}

async fn reap(mut retired: UnboundedReceiver<Arc<Loaded>>, gauge: Gauge) {
    let mut waiting: Vec<Arc<Loaded>> = Vec::new();
    loop {
        if waiting.is_empty() {
            match retired.recv().await {
                Some(snapshot) => waiting.push(snapshot),
                None => return,
            }
        } else {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        while let Ok(snapshot) = retired.try_recv() {
            waiting.push(snapshot);
        }
        // Nobody can find a retired snapshot any more, so a count of one cannot rise again.
        let (free, held) = waiting.into_iter().partition(|snapshot| Arc::strong_count(snapshot) == 1);
        waiting = held;
        gauge.set(waiting.len() as f64);
        let free: Vec<Arc<Loaded>> = free;
        if !free.is_empty() {
            // A failed join means a panic in a destructor, which the panic hook reported.
            let _ = tokio::task::spawn_blocking(move || drop(free)).await;
        }
    }
}
