//! The changes of one room as server-sent events, shared by all streams of the room.
//!
//! Invariants: every frame has the next number; a stream gets a snapshot, or all frames after one that it knows, and
//! then every frame, or a fresh snapshot. Frames are encoded once for all streams. Cost: a stream holds a position in the
//! shared ring of at most 256 frames; a slow reader falls out of the ring and gets a snapshot, so it never holds
//! memory of its own. A room without streams for a minute keeps nothing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use serde::Serialize;
use tokio::sync::broadcast::{self, Receiver, Sender};

use super::board::{Board, Card, Head};
use super::figures::{ProductFigures, RoomFiguresBody};

/// Frames that a room keeps for streams that come back, and that a slow stream may lag behind.
const RING: usize = 256;
/// Bytes of frames that a room keeps for streams that come back.
const RING_BYTES: usize = 1 << 20;
/// A room without streams forgets its frames after this long.
const IDLE: Duration = Duration::from_secs(60);

/// Figures of all products are sent once in so many times.
const ALL_FIGURES_EVERY: u64 = 10;

/// A frame on its way to all streams.
#[derive(Debug, Clone)]
pub struct Frame {
    number: u64,
    /// The event as it is written.
    pub bytes: Bytes,
}

/// The frames of a room on this server.
#[derive(Default)]
pub struct Channel(Option<Open>);

struct Open {
    /// Distinguishes numbers of this server from those of another one, or of an earlier process.
    epoch: String,
    /// Number of the latest frame.
    latest: u64,
    ring: VecDeque<Frame>,
    bytes: usize,
    sender: Sender<Frame>,
    shown: Arc<Board>,
    /// The snapshot of `shown`, once somebody asked for it.
    snapshot: Option<Bytes>,
    used: Instant,
    /// The figures of products that were sent last.
    figures: Vec<ProductFigures>,
    /// Number of figures sent so far.
    ticks: u64,
}

/// The beginning of a new stream.
pub struct Subscription {
    /// Every later frame.
    pub frames: Receiver<Frame>,
    /// The first events of the stream.
    pub first: Vec<Bytes>,
    /// The id after which frames are replayed; `None`: it begins with a snapshot.
    pub replays_after: Option<String>,
}

/// The changes from one board to the next.
#[derive(Serialize)]
struct Changed<'a> {
    seq: u64,
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a Head>,
    /// New and changed products.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    products: Vec<&'a Card>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed: Vec<&'a str>,
    /// The whole list by items, where its order is not that of the list before with new products at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Vec<&'a str>>,
}

/// The whole state.
#[derive(Serialize)]
struct Whole<'a> {
    seq: u64,
    revision: u64,
    hash: String,
    room: &'a Head,
    products: Vec<&'a Card>,
}

/// Figures.
#[derive(Serialize)]
struct FiguresFrame {
    seq: u64,
    #[serde(flatten)]
    figures: RoomFiguresBody,
}

/// The hash of the state.
#[derive(Serialize)]
struct Hash {
    seq: u64,
    revision: u64,
    hash: String,
}

impl Channel {
    /// True if streams follow the room, or did lately.
    pub fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Adds a stream that saw the frame with the id `last`, if any. `board` is the room as it is now.
    pub fn subscribe(&mut self, board: &Arc<Board>, last: Option<&str>) -> Subscription {
        self.show(board);
        let open = self.0.get_or_insert_with(|| Open::new(Arc::clone(board)));
        open.used = Instant::now();
        let frames = open.sender.subscribe();
        match last.and_then(|last| open.after(last)) {
            Some(first) => Subscription { frames, first, replays_after: last.map(str::to_owned) },
            None => Subscription { frames, first: vec![open.snapshot()], replays_after: None },
        }
    }

    /// Sends what changed to `board`; nothing if it shows the same.
    pub fn show(&mut self, board: &Arc<Board>) {
        let Some(open) = &mut self.0 else { return };
        if Arc::ptr_eq(&open.shown, board) {
            return;
        }
        let before = std::mem::replace(&mut open.shown, Arc::clone(board));
        open.snapshot = None;
        let seq = open.latest + 1;
        if let Some(changed) = changed(&before, board, seq) {
            open.send("change", &changed);
        }
    }

    /// Sends the hash of the state.
    pub fn send_hash(&mut self) {
        if let Some(open) = &mut self.0 {
            let (seq, revision) = (open.latest + 1, open.shown.revision);
            open.send("hash", &Hash { seq, revision, hash: format!("{:08x}", open.shown.hash()) });
        }
    }

    /// Sends figures: of products those that changed, and now and then all, for streams that began later.
    pub fn send_figures(&mut self, figures: RoomFiguresBody) {
        let Some(open) = &mut self.0 else { return };
        let mut shown = figures.clone();
        if !open.ticks.is_multiple_of(ALL_FIGURES_EVERY) {
            let known: HashMap<&str, &ProductFigures> =
                open.figures.iter().map(|figures| (figures.item_id.as_str(), figures)).collect();
            shown.products.retain(|product| known.get(product.item_id.as_str()) != Some(&product));
        }
        open.ticks += 1;
        open.figures = figures.products;
        let data = FiguresFrame { seq: open.latest + 1, figures: shown };
        open.send("figures", &data);
    }

    /// Forgets the frames if no stream has followed for a while.
    pub fn tidy(&mut self) {
        if let Some(open) = &mut self.0 {
            if open.sender.receiver_count() > 0 {
                open.used = Instant::now();
            } else if open.used.elapsed() > IDLE {
                self.0 = None;
            }
        }
    }

    /// Says that the room was deleted, and ends all streams.
    pub fn close(&mut self) {
        if let Some(open) = &mut self.0 {
            let seq = open.latest + 1;
            open.send("deleted", &serde_json::json!({ "seq": seq }));
        }
        self.0 = None;
    }
}

impl Open {
    fn new(board: Arc<Board>) -> Self {
        // Without randomness the clock tells processes apart.
        let epoch = getrandom::u64().unwrap_or_else(|_| crate::live::now_ms().unsigned_abs());
        Self {
            epoch: format!("{epoch:016x}"),
            latest: 0,
            ring: VecDeque::new(),
            bytes: 0,
            sender: broadcast::channel(RING).0,
            shown: board,
            snapshot: None,
            used: Instant::now(),
            figures: Vec::new(),
            ticks: 0,
        }
    }

    fn send(&mut self, event: &str, data: &impl Serialize) {
        self.latest += 1;
        let frame = Frame { number: self.latest, bytes: self.encoded(event, data) };
        self.bytes += frame.bytes.len();
        self.ring.push_back(frame.clone());
        while self.ring.len() > RING || (self.bytes > RING_BYTES && self.ring.len() > 1) {
            let gone = self.ring.pop_front();
            self.bytes -= gone.map_or(0, |frame| frame.bytes.len());
        }
        // Nobody listens: the ring keeps it.
        let _ = self.sender.send(frame);
    }

    fn encoded(&self, event: &str, data: &impl Serialize) -> Bytes {
        // Strings and numbers serialize, and JSON has no line feeds of its own.
        let data = serde_json::to_string(data).unwrap_or_default();
        format!("event: {event}\nid: {}-{}\ndata: {data}\n\n", self.epoch, self.latest).into()
    }

    fn snapshot(&mut self) -> Bytes {
        if let Some(snapshot) = &self.snapshot {
            // Hashes and figures go by without changing the state, and count, too.
            if snapshot.starts_with(self.head().as_bytes()) {
                return snapshot.clone();
            }
        }
        let board = &self.shown;
        let whole = Whole {
            seq: self.latest,
            revision: board.revision,
            hash: format!("{:08x}", board.hash()),
            room: &board.head,
            products: board.cards.iter().map(|card| &**card).collect(),
        };
        let bytes = self.encoded("snapshot", &whole);
        self.snapshot = Some(bytes.clone());
        bytes
    }

    /// The beginning of a snapshot of now.
    fn head(&self) -> String {
        format!("event: snapshot\nid: {}-{}\n", self.epoch, self.latest)
    }

    /// The frames after the one with the id `last`; `None` if they are not all known.
    fn after(&self, last: &str) -> Option<Vec<Bytes>> {
        let (epoch, number) = last.split_once('-')?;
        let number: u64 = number.parse().ok()?;
        let first = self.ring.front().map_or(self.latest + 1, |frame| frame.number);
        let is_known = epoch == self.epoch && number <= self.latest && number + 1 >= first;
        is_known.then(|| {
            self.ring.iter().filter(|frame| frame.number > number).map(|frame| frame.bytes.clone()).collect()
        })
    }
}

fn changed<'a>(before: &'a Board, after: &'a Board, seq: u64) -> Option<Changed<'a>> {
    let old: HashMap<&str, &Card> =
        before.cards.iter().map(|card| (card.item_id.as_str(), &**card)).collect();
    let is_same = |card: &Card| old.get(card.item_id.as_str()).is_some_and(|known| *known == card);
    let products: Vec<&Card> = after.cards.iter().map(|card| &**card).filter(|card| !is_same(card)).collect();
    let new: HashSet<&str> = after.cards.iter().map(|card| card.item_id.as_str()).collect();
    let (kept, removed): (Vec<&str>, Vec<&str>) =
        before.cards.iter().map(|card| card.item_id.as_str()).partition(|item_id| new.contains(item_id));
    let added = after.cards.iter().map(|card| card.item_id.as_str()).filter(|id| !old.contains_key(id));
    let expected: Vec<&str> = kept.into_iter().chain(added).collect();
    let order: Vec<&str> = after.cards.iter().map(|card| card.item_id.as_str()).collect();
    let order = (order != expected).then_some(order);
    let room = (before.head != after.head).then_some(&after.head);
    let is_empty = room.is_none() && products.is_empty() && removed.is_empty() && order.is_none();
    (!is_empty || before.revision != after.revision).then_some(Changed {
        seq,
        revision: after.revision,
        room,
        products,
        removed,
        order,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use tokio::sync::broadcast::error::TryRecvError;

    fn board(revision: u64) -> Arc<Board> {
        Arc::new(Board { revision, ..Board::default() })
    }

    #[test]
    fn a_slow_reader_falls_out_and_gets_a_snapshot() {
        let mut channel = Channel::default();
        let mut slow = channel.subscribe(&board(1), None);
        for revision in 2..=RING as u64 + 50 {
            channel.show(&board(revision));
        }
        assert!(matches!(slow.frames.try_recv(), Err(TryRecvError::Lagged(_))));
        let again = channel.subscribe(&board(999), None);
        let text = String::from_utf8(again.first[0].to_vec()).unwrap();
        assert!(text.starts_with("event: snapshot\n") && text.contains("\"revision\":999"), "{text}");
        let open = channel.0.as_ref().unwrap();
        assert_eq!(open.ring.len(), RING);
    }

    #[test]
    fn frames_are_replayed_only_if_none_is_missing() {
        let mut channel = Channel::default();
        channel.subscribe(&board(1), None);
        for revision in 2..=RING as u64 + 50 {
            channel.show(&board(revision));
        }
        let (epoch, latest) = channel.0.as_ref().map(|open| (open.epoch.clone(), open.latest)).unwrap();
        let mut replayed = |number: u64| {
            let last = format!("{epoch}-{number}");
            let shown = board(0);
            channel.0.as_mut().unwrap().shown = Arc::clone(&shown);
            let subscription = channel.subscribe(&shown, Some(&last));
            subscription.replays_after.map(|_| subscription.first.len())
        };
        assert_eq!(replayed(latest), Some(0));
        assert_eq!(replayed(latest - 3), Some(3));
        assert_eq!(replayed(latest - RING as u64), Some(RING), "the whole ring");
        assert_eq!(replayed(latest - RING as u64 - 1), None, "one is missing");
        assert_eq!(replayed(latest + 1), None, "of the future");
    }
}
