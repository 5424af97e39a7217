//! The stock of flash sales, as this server shows it.
//!
//! Whoever reserves on this server refreshes the stock before the answer; a worker reads the counters of open sales
//! four times a second, so that what another server sold is gone within a second here, too.

use futures_util::StreamExt as _;
use futures_util::stream;

use super::{LiveRoom, Rooms};
use crate::live::{Live, now_ms};

/// Counters that are read at once.
const AT_ONCE: usize = 16;

impl Rooms {
    /// Reads the counters of all open sales.
    pub async fn read_sales(&self, live: &Live) {
        let now = now_ms();
        for room in self.all() {
            room.read_sales(live, now).await;
        }
    }
}

impl LiveRoom {
    /// Reads the counters of the sales that are open at `now` (unix milliseconds).
    pub async fn read_sales(&self, live: &Live, now: i64) {
        let _turn = self.reading.lock().await;
        let counters = stream::iter(self.open_sales(now));
        let read = counters.map(|name| async move { (live.counter(&name).await, name) });
        let mut read = std::pin::pin!(read.buffer_unordered(AT_ONCE));
        while let Some((counter, name)) = read.next().await {
            if let Some(counter) = counter {
                self.take_stock(&name, counter);
            }
        }
    }
}
