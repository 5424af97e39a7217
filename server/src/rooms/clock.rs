//! The clock of rooms: changes go to streams at once, figures every second, hashes every 5 seconds; stock of flash sales is read four times a second.

use std::time::Duration;

use super::Rooms;
use super::figures::RoomFiguresBody;
use crate::live::{Live, now_ms};
use crate::snapshots::Snapshots;

/// The interval at which news of items and the clock are read, beside commands.
const LOOK: Duration = Duration::from_millis(100);
/// The interval at which the stock of flash sales is read.
const READ_SALES: Duration = Duration::from_millis(250);
/// The interval at which reservations expire.
const EXPIRE: Duration = Duration::from_secs(1);
/// The interval at which figures are sent, and the minutes that they compare.
const FIGURES: Duration = Duration::from_secs(1);
const MINUTES: usize = 5;
/// The interval at which the hash of the state is sent.
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
        let figures = async {
            loop {
                tokio::time::sleep(FIGURES).await;
                let model = models.current();
                for room in self.all() {
                    if room.channel().is_open() {
                        let board = room.board(model.as_deref());
                        let figures =
                            RoomFiguresBody::of(&live.room_figures(), (&room.id, &board), now_ms(), MINUTES);
                        room.channel().send_figures(figures);
                    }
                }
            }
        };
        tokio::join!(sales, expire, show, hash, figures);
    }
}
