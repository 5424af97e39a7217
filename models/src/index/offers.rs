//! What changed about items since a model was trained: price, stock, whether they are on sale.
//!
//! One cell of atomics an item (12 bytes), made when the first change comes: a reader pays for one load
//! until then, for three after it, and never waits. The fields of a cell are read one by one, so that an
//! answer may see a new price beside an old stock for an instant.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use super::catalog::UNKNOWN_STOCK;
use crate::ids::ItemIx;

/// What changed about one item; `None` is as it was trained.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Offer {
    /// In the shop's currency.
    pub price: Option<f32>,
    /// Pieces that can be sold.
    pub stock: Option<u32>,
    /// Whether it may be shown at all.
    pub on_sale: Option<bool>,
}

/// An [`Offer`] for every item.
#[derive(Debug, Default)]
pub(super) struct Offers(OnceLock<Box<[Cell]>>);

/// An offer, written while it is read.
#[derive(Debug)]
struct Cell {
    /// Bits of an `f32`, NaN where nothing was told.
    price: AtomicU32,
    /// [`UNKNOWN_STOCK`] where nothing was told.
    stock: AtomicU32,
    on_sale: AtomicU8,
}

/// What `on_sale` of a cell holds.
const AS_TRAINED: u8 = 0;
const OFF: u8 = 1;
const ON: u8 = 2;

impl Cell {
    fn new() -> Self {
        Self {
            price: AtomicU32::new(f32::NAN.to_bits()),
            stock: AtomicU32::new(UNKNOWN_STOCK),
            on_sale: AtomicU8::new(AS_TRAINED),
        }
    }
}

impl Offers {
    /// Sets the offer of `item`, one of `n_items`; nothing happens where it is none of them.
    pub(super) fn set(&self, n_items: usize, item: ItemIx, offer: Offer) {
        let cells = self.0.get_or_init(|| (0..n_items).map(|_| Cell::new()).collect());
        let Some(cell) = cells.get(item as usize) else { return };
        let on_sale = match offer.on_sale {
            None => AS_TRAINED,
            Some(false) => OFF,
            Some(true) => ON,
        };
        cell.price.store(offer.price.unwrap_or(f32::NAN).to_bits(), Ordering::Relaxed);
        cell.stock.store(offer.stock.unwrap_or(UNKNOWN_STOCK), Ordering::Relaxed);
        cell.on_sale.store(on_sale, Ordering::Relaxed);
    }

    /// The offer of `item`.
    #[inline]
    pub(super) fn of(&self, item: ItemIx) -> Offer {
        let Some(cell) = self.0.get().and_then(|cells| cells.get(item as usize)) else {
            return Offer::default();
        };
        Offer {
            price: Some(f32::from_bits(cell.price.load(Ordering::Relaxed))).filter(|p| p.is_finite()),
            stock: Some(cell.stock.load(Ordering::Relaxed)).filter(|&stock| stock != UNKNOWN_STOCK),
            on_sale: match cell.on_sale.load(Ordering::Relaxed) {
                AS_TRAINED => None,
                told => Some(told == ON),
            },
        }
    }
}
