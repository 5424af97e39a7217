//! The clock of rooms: changes go to streams at once, hashes every 5 seconds; stock of flash sales is read four times a second.

use std::time::Duration;

use super::Rooms;
use crate::live::Live;
use crate::snapshots::Snapshots;

/// How often news of items and the clock are looked at, beside commands.
const LOOK: Duration = Duration::from_millis(100);
/// How often the stock of flash sales is read.
const READ_SALES: Duration = Duration::from_millis(250);
/// How often reservations whose time is over are expired.
const EXPIRE: Duration = Duration::from_secs(1);
/// How often the hash of the state is sent.
const HASH: Duration = Duration::from_secs(5);

impl Rooms {
    /// Runs for as long as it is polled.
    pub async fn watch(&self, live: &Live, models: &Snapshots) {
        let sales = async {
            loop {
                self.read_sales(live).await;
                tokio::time::sleep(READ_SALES).await;
            }
        };
        let expire = async {
            loop {
                tokio::time::sleep(EXPIRE).await;
                live.expire_reservations().await;
            }
        };
        let show = async {
            loop {
                // Either way the rooms are looked at.
                let _ = tokio::time::timeout(LOOK, self.changed.notified()).await;
                let model = models.current();
                for room in self.all() {
                    room.show(model.as_deref());
                }
            }
        };
        let hash = async {
            loop {
                tokio::time::sleep(HASH).await;
                let model = models.current();
                for room in self.all() {
                    // After what the clock changed, so that the hash is that of the state now.
                    room.show(model.as_deref());
                    let mut channel = room.channel();
                    channel.send_hash();
                    channel.tidy();
                }
            }
        };
        tokio::join!(sales, expire, show, hash);
    }
}
