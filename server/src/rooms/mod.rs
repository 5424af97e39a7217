//! The rooms of a shop: documents, compiled into boards that answers and streams read.
//!
//! Invariants: a request reads a board without waiting for a command; a room is compiled once when its document, the
//! model, its items or its stock change; a document that is not understood leaves in force what was there before it.
//! Every server reads documents that changed, on any server, within a second ([`Rooms::follow`]).

pub mod board;
mod clock;
pub mod command;
pub mod figures;
pub mod room;
mod sales;
pub mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use qianmian_live::documents::MAX_DOCUMENTS;
use qianmian_live::rooms::{KIND, Room};
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore, watch};

pub use board::{Board, Card, Head};
pub use room::LiveRoom;

use crate::live::Live;
use crate::problem::{Code, Problem};

/// Rooms are read again after this long, even if the store reports no change.
const READ_AGAIN: Duration = Duration::from_secs(30);
/// Pause after a failed read.
const RETRY: Duration = Duration::from_millis(500);
/// Most streams of one shop.
pub const MAX_STREAMS: usize = 20_000;
/// Shortest time between two reads: changes of that long are read together.
const GATHER: Duration = Duration::from_millis(20);

/// The rooms of one shop.
pub struct Rooms {
    table: ArcSwap<BTreeMap<String, Arc<LiveRoom>>>,
    /// Held while the table is changed.
    writing: Mutex<()>,
    /// A room changed.
    changed: Notify,
    /// Streams that may still be opened.
    streams: Arc<Semaphore>,
    /// True once the server stops: all streams end.
    stopped: watch::Sender<bool>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            table: ArcSwap::default(),
            writing: Mutex::default(),
            changed: Notify::new(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            stopped: watch::Sender::new(false),
        }
    }
}

impl Rooms {
    /// The room with this id.
    pub fn get(&self, id: &str) -> Option<Arc<LiveRoom>> {
        self.table.load().get(id).cloned()
    }

    /// The room with this id.
    ///
    /// # Errors
    /// `unknown_room`.
    pub fn required(&self, id: &str) -> Result<Arc<LiveRoom>, Problem> {
        self.get(id).ok_or_else(unknown_room)
    }

    /// A permit for one more stream, if there may be one.
    pub fn stream_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().ok()
    }

    /// Turns true once all streams must end.
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.stopped.subscribe()
    }

    /// Ends all streams: the server stops.
    pub fn end_streams(&self) {
        self.stopped.send_replace(true);
    }

    /// All rooms, in order of their ids.
    pub fn all(&self) -> Vec<Arc<LiveRoom>> {
        self.table.load().values().cloned().collect()
    }

    /// Takes over a revision of a room; `None`: it was deleted. Older revisions than the known one change nothing.
    pub async fn take(&self, id: &str, revision: u64, room: Option<Room>) {
        let _turn = self.writing.lock().await;
        self.take_locked(id, revision, room);
        self.changed.notify_one();
    }

    fn take_locked(&self, id: &str, revision: u64, room: Option<Room>) {
        let table = self.table.load_full();
        match (table.get(id), room) {
            (Some(known), Some(room)) => known.take(revision, room),
            (Some(known), None) => {
                if revision > known.revision() {
                    let mut table = BTreeMap::clone(&table);
                    table.remove(id);
                    self.table.store(Arc::new(table));
                    known.channel().close();
                }
            }
            (None, Some(room)) => {
                let mut table = BTreeMap::clone(&table);
                table.insert(id.to_owned(), Arc::new(LiveRoom::new(id, revision, room)));
                self.table.store(Arc::new(table));
            }
            (None, None) => {}
        }
    }

    /// Reads what changed of the documents.
    ///
    /// # Errors
    /// `live_unavailable`: what was known goes on.
    pub async fn read(&self, live: &Live) -> Result<(), Problem> {
        let before: Vec<(String, u64)> =
            self.table.load().iter().map(|(id, room)| (id.clone(), room.revision())).collect();
        let listed = live.documents(KIND, MAX_DOCUMENTS).await?;
        let gone = before.iter().filter(|(id, _)| !listed.iter().any(|room| room.name == *id));
        for (id, _) in gone {
            // A room that was made since the list was read is there.
            if live.document(KIND, id).await?.is_none() {
                self.take(id, u64::MAX, None).await;
            }
        }
        for entry in &listed {
            let known = before.iter().find(|(id, _)| *id == entry.name).map(|(_, revision)| *revision);
            if known == Some(entry.revision) {
                continue;
            }
            let Some(document) = live.document(KIND, &entry.name).await? else { continue };
            match parse(document.body.as_deref()) {
                Some(room) => self.take(&entry.name, document.revision, Some(room)).await,
                None => tracing::error!(
                    revision = document.revision,
                    "a stored room is not understood; the one before stays"
                ),
            }
        }
        Ok(())
    }

    /// Follows changes for as long as it is polled.
    pub async fn follow(&self, live: &Live) {
        let mut changes = live.watch_documents(KIND);
        loop {
            changes.mark_unchanged();
            match self.read(live).await {
                Ok(()) => {
                    // Either way the documents are read again.
                    let _ = tokio::time::timeout(READ_AGAIN, changes.changed()).await;
                    tokio::time::sleep(GATHER).await;
                }
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }
}

/// Reads the body of a document; `None` if it is not understood.
pub fn parse(body: Option<&str>) -> Option<Room> {
    serde_json::from_str(body?).ok()
}

/// That there is no such room.
pub fn unknown_room() -> Problem {
    Problem::new(Code::UnknownRoom, "there is no such room: `PUT /rooms/{id}` makes one")
}
