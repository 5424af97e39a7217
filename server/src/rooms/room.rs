//! One room on this server: its document, the stock of its flash sales, and its board.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use qianmian_live::counters::Counter;
use qianmian_live::rooms::Room;
use qianmian_models::view::View;
use rustc_hash::FxHashMap;

use super::board::{Board, Inputs};
use super::stream::{Channel, Subscription};
use crate::live::now_ms;
use crate::snapshots::Loaded;

/// A room.
pub struct LiveRoom {
    /// Its id.
    pub id: String,
    known: ArcSwap<Known>,
    board: ArcSwap<Board>,
    /// Held while the board is made, so that boards follow each other in the order of what they show.
    making: Mutex<()>,
    /// Held while stock is read, so that an older reading never takes the place of a newer one.
    pub(super) reading: tokio::sync::Mutex<()>,
    /// Held while a frame is sent or a stream begins.
    channel: Mutex<Channel>,
}

/// The sources of a board, beside the model.
#[derive(Clone)]
pub struct Known {
    /// Revision of the document.
    pub revision: u64,
    /// The document.
    pub room: Arc<Room>,
    /// Flash sales by counter, as they were last read.
    pub stock: Arc<FxHashMap<String, Counter>>,
    /// Number of this state on this server.
    pub version: u64,
}

impl LiveRoom {
    /// From a revision of its document.
    pub fn new(id: &str, revision: u64, room: Room) -> Self {
        let known = Known { revision, room: Arc::new(room), stock: Arc::default(), version: 1 };
        let board = Board::make(id, &Inputs { known: &known, view: None, now: now_ms() });
        Self {
            id: id.to_owned(),
            known: ArcSwap::from_pointee(known),
            board: ArcSwap::from_pointee(board),
            making: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            channel: Mutex::default(),
        }
    }

    /// Revision of the document.
    pub fn revision(&self) -> u64 {
        self.known.load().revision
    }

    /// The document and the stock of its flash sales.
    pub fn known(&self) -> Arc<Known> {
        self.known.load_full()
    }

    /// Takes over a revision, unless a newer one is known.
    pub fn take(&self, revision: u64, room: Room) {
        let room = Arc::new(room);
        self.known.rcu(|known| match revision > known.revision {
            true => {
                let stock = &known.stock;
                let is_kept = |counter: &String| sales(&room).any(|known| known == counter);
                let stock = stock.iter().filter(|(counter, _)| is_kept(counter));
                let stock = Arc::new(stock.map(|(name, counter)| (name.clone(), *counter)).collect());
                Known { revision, room: Arc::clone(&room), stock, version: known.version + 1 }
            }
            false => Known::clone(known),
        });
    }

    /// Takes over the state of a flash sale's counter.
    pub fn take_stock(&self, name: &str, counter: Counter) {
        self.known.rcu(|known| {
            if known.stock.get(name) == Some(&counter) {
                return Known::clone(known);
            }
            let mut stock = FxHashMap::clone(&known.stock);
            stock.insert(name.to_owned(), counter);
            Known { stock: Arc::new(stock), version: known.version + 1, ..Known::clone(known) }
        });
    }

    /// The counters of the flash sales that are open at `now` (unix milliseconds).
    pub fn open_sales(&self, now: i64) -> Vec<String> {
        let known = self.known.load();
        let sales = known.room.products.iter().filter_map(|product| product.flash_sale.as_ref());
        sales.filter(|sale| sale.is_open(now)).map(|sale| sale.counter.clone()).collect()
    }

    /// The room as it is now, by `model`. It is made again only when something that it shows changed.
    pub fn board(&self, model: Option<&Loaded>) -> Arc<Board> {
        self.board_by(model.map(|model| model.view(now_ms().div_euclid(1_000))))
    }

    /// The same by the model and the overlay of `view`.
    pub fn board_by(&self, view: Option<View<'_>>) -> Arc<Board> {
        let now = now_ms();
        let board = self.board.load_full();
        if board.is_current(&self.known.load(), view, now) {
            return board;
        }
        let _turn = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, board) = (self.known.load_full(), self.board.load_full());
        if board.is_current(&known, view, now) {
            return board;
        }
        let board = Arc::new(Board::make(&self.id, &Inputs { known: &known, view, now }));
        self.board.store(Arc::clone(&board));
        board
    }

    /// The frames of its streams.
    pub fn channel(&self) -> MutexGuard<'_, Channel> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what changed to its streams, if there are any.
    pub fn show(&self, model: Option<&Loaded>) {
        if self.channel().is_open() {
            let board = self.board(model);
            self.channel().show(&board);
        }
    }

    /// A new stream, which saw the frame with the id `last`, if any.
    pub fn subscribe(&self, model: Option<&Loaded>, last: Option<&str>) -> Subscription {
        let board = self.board(model);
        self.channel().subscribe(&board, last)
    }
}

fn sales(room: &Room) -> impl Iterator<Item = &String> {
    room.products.iter().filter_map(|product| product.flash_sale.as_ref()).map(|sale| &sale.counter)
}
