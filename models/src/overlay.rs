//! The overlay: item changes since training. Price, stock and listing change faster than models do.
//!
//! An overlay belongs to one snapshot. The server builds it from item news and either changes it in place with
//! [`Overlay::set`] while answers read it, or builds another one and swaps it whole. Cost: 1 bit per item, and one cell
//! of 16 bytes per item after the first news. Reading is one relaxed load (`on_sale`) or two; readers never wait. The
//! fields of a cell are read one by one: an answer may see a new price beside an old stock for an instant.
//!
//! An item is on sale if it is listed and its stock is not known to be 0. The catalog's stock and the overlay's follow
//! the same rule, in slates, similar items, bundles and audiences.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use qianmian_money::{Currency, Money};
use rustc_hash::FxHashMap;

use crate::ids::ItemIx;
use crate::index::catalog::{Catalog, UNKNOWN_STOCK};

/// Changes of one item since training; `None` keeps the trained value.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ItemNews {
    /// In the catalog's currency.
    pub price: Option<Money>,
    /// Pieces that can be sold.
    pub stock: Option<u32>,
    /// True if it may be shown while it is in stock.
    pub listed: Option<bool>,
}

/// A catalog with news on top.
#[derive(Debug)]
pub struct Overlay {
    /// Shares the snapshot's memory.
    trained: Catalog,
    /// One bit per item.
    on_sale: Box<[AtomicU64]>,
    /// One cell per item; absent until the first news.
    cells: OnceLock<Box<[Cell]>>,
    /// Number of changes so far.
    revision: AtomicU64,
    /// The items of the latest changes, oldest first.
    changed: Mutex<VecDeque<ItemIx>>,
}

/// Latest changes that [`Overlay::changed_since`] remembers.
const MAX_CHANGED: usize = 1_024;

/// The news of one item, written while it is read.
#[derive(Debug)]
struct Cell {
    /// As [`Money::packed`].
    price: AtomicI64,
    /// [`UNKNOWN_STOCK`] if there is no news.
    stock: AtomicU32,
    listed: AtomicU8,
}

/// Values of `Cell::listed`.
const AS_TRAINED: u8 = 0;
const UNLISTED: u8 = 1;
const LISTED: u8 = 2;

impl Cell {
    fn new() -> Self {
        Self {
            price: AtomicI64::new(Money::packed(None)),
            stock: AtomicU32::new(UNKNOWN_STOCK),
            listed: AtomicU8::new(AS_TRAINED),
        }
    }

    fn set(&self, news: ItemNews) {
        let listed = news.listed.map_or(AS_TRAINED, |listed| if listed { LISTED } else { UNLISTED });
        self.price.store(Money::packed(news.price), Ordering::Relaxed);
        self.stock.store(news.stock.unwrap_or(UNKNOWN_STOCK), Ordering::Relaxed);
        self.listed.store(listed, Ordering::Relaxed);
    }

    fn price(&self) -> Option<Money> {
        Money::unpacked(self.price.load(Ordering::Relaxed))
    }

    fn stock(&self) -> Option<u32> {
        Some(self.stock.load(Ordering::Relaxed)).filter(|&stock| stock != UNKNOWN_STOCK)
    }

    fn listed(&self) -> Option<bool> {
        match self.listed.load(Ordering::Relaxed) {
            AS_TRAINED => None,
            listed => Some(listed == LISTED),
        }
    }
}

impl Overlay {
    /// An overlay without news over `catalog`.
    pub fn new(catalog: &Catalog) -> Self {
        Self {
            trained: catalog.clone(),
            on_sale: catalog.on_sale_bits().iter().map(|&word| AtomicU64::new(word)).collect(),
            cells: OnceLock::new(),
            revision: AtomicU64::new(0),
            changed: Mutex::default(),
        }
    }

    /// Number of changes so far. A reader that loads it before the items misses only later changes.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// The items of all changes after `revision`, and the current revision; `None` if there were more changes than are
    /// remembered.
    pub fn changed_since(&self, revision: u64) -> Option<(Vec<ItemIx>, u64)> {
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.revision();
        let missing = usize::try_from(now.checked_sub(revision)?).ok()?;
        let first = changed.len().checked_sub(missing)?;
        Some((changed.range(first..).copied().collect(), now))
    }

    /// Replaces the news of `item`; does nothing if the catalog has no such item. Writers of the same item must take
    /// turns; readers need not.
    pub fn set(&self, item: ItemIx, news: ItemNews) {
        let n_items = self.trained.len();
        let cells = self.cells.get_or_init(|| (0..n_items).map(|_| Cell::new()).collect());
        let Some(cell) = cells.get(item as usize) else { return };
        cell.set(news);
        let on_sale = self.listed(item) && self.stock(item) != Some(0);
        let (word, bit) = (&self.on_sale[item as usize / 64], 1u64 << (item % 64));
        match on_sale {
            true => word.fetch_or(bit, Ordering::Relaxed),
            false => word.fetch_and(!bit, Ordering::Relaxed),
        };
        // After the item's own cells, so that a reader that sees the revision also sees the change.
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if changed.len() == MAX_CHANGED {
            changed.pop_front();
        }
        changed.push_back(item);
        self.revision.fetch_add(1, Ordering::Release);
    }

    /// The currency of all prices.
    pub fn currency(&self) -> Currency {
        self.trained.currency()
    }

    /// The price of `item` now, if it is known.
    pub fn price(&self, item: ItemIx) -> Option<Money> {
        self.cell(item).and_then(Cell::price).or_else(|| self.trained.price(item))
    }

    /// Pieces of `item` that can be sold now, if it is known.
    pub fn stock(&self, item: ItemIx) -> Option<u32> {
        self.cell(item).and_then(Cell::stock).or_else(|| self.trained.stock(item))
    }

    /// True if `item` is listed now, whatever its stock.
    pub fn listed(&self, item: ItemIx) -> bool {
        self.cell(item).and_then(Cell::listed).unwrap_or_else(|| self.trained.listed(item))
    }

    /// True if `item` is listed now and its stock is not known to be 0.
    #[inline]
    pub fn on_sale(&self, item: ItemIx) -> bool {
        self.on_sale[item as usize / 64].load(Ordering::Relaxed) >> (item % 64) & 1 == 1
    }

    /// [`on_sale`](Self::on_sale) of 64 items per word, the first item in the lowest bit.
    pub(crate) fn on_sale_words(&self) -> impl Iterator<Item = u64> + '_ {
        self.on_sale.iter().map(|word| word.load(Ordering::Relaxed))
    }

    #[inline]
    fn cell(&self, item: ItemIx) -> Option<&Cell> {
        self.cells.get().map(|cells| &cells[item as usize])
    }
}

/// Prices and stock that hold inside one livestream room, by item. A room sells a few hundred items at most, so a map
/// is enough.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoomOffers(FxHashMap<ItemIx, RoomOffer>);

/// Price and stock of one item in a room; `None` keeps the shop's.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RoomOffer {
    /// In the catalog's currency.
    pub price: Option<Money>,
    /// Pieces that the room can sell.
    pub stock: Option<u32>,
}

impl RoomOffers {
    /// The offer of `item`; empty for items that the room does not sell.
    pub fn of(&self, item: ItemIx) -> RoomOffer {
        self.0.get(&item).copied().unwrap_or_default()
    }

    /// The items that the room sells, with their offers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ItemIx, RoomOffer)> + '_ {
        self.0.iter().map(|(&item, &offer)| (item, offer))
    }
}

impl FromIterator<(ItemIx, RoomOffer)> for RoomOffers {
    fn from_iter<I: IntoIterator<Item = (ItemIx, RoomOffer)>>(offers: I) -> Self {
        Self(offers.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::index::catalog::{Attributes, Text};

    fn catalog() -> Catalog {
        let stocked = Attributes { price: Money::new(950), stock: Some(7), ..Attributes::default() };
        let mut unlisted = Attributes::default();
        *unlisted.text_mut(Text::Status) = "off_sale".to_owned();
        let sold_out = Attributes { stock: Some(0), ..Attributes::default() };
        Catalog::new(&[stocked, unlisted, sold_out], Currency::default()).unwrap()
    }

    #[test]
    fn news_precedes_what_was_trained() {
        let overlay = Overlay::new(&catalog());
        let state = |item| (overlay.price(item), overlay.stock(item), overlay.on_sale(item));
        assert_eq!(state(0), (Money::new(950), Some(7), true), "without news all is as trained");
        overlay.set(0, ItemNews { stock: Some(0), ..ItemNews::default() });
        assert_eq!(state(0), (Money::new(950), Some(0), false));
        overlay.set(0, ItemNews { price: Money::new(800), stock: Some(3), listed: None });
        assert_eq!(state(0), (Money::new(800), Some(3), true));
        overlay.set(0, ItemNews { listed: Some(false), ..ItemNews::default() });
        assert_eq!(state(0), (Money::new(950), Some(7), false), "fields without news are as trained");
        overlay.set(3, ItemNews { listed: Some(false), ..ItemNews::default() });
        assert_eq!(catalog().price(0), Money::new(950));
    }

    #[test]
    fn an_item_is_on_sale_when_listed_and_in_stock() {
        let overlay = Overlay::new(&catalog());
        assert!(!overlay.on_sale(1) && !overlay.on_sale(2));
        overlay.set(1, ItemNews { listed: Some(true), ..ItemNews::default() });
        assert!(overlay.on_sale(1), "stock is unknown, which is no reason to hide it");
        overlay.set(2, ItemNews { listed: Some(true), ..ItemNews::default() });
        assert!(!overlay.on_sale(2), "trained stock 0 counts like stock 0 in the news");
        overlay.set(2, ItemNews { stock: Some(1), ..ItemNews::default() });
        assert!(overlay.on_sale(2));
    }
}
