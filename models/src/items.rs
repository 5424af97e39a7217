//! The items as they are now: the trained snapshot, overlaid with changes since training and with a room's offers.
//!
//! The part of a [view](crate::view) that gives prices, stock and sale state; expressions over items read it.

use qianmian_money::Money;

use crate::ids::ItemIx;
use crate::overlay::{Overlay, RoomOffers};
use crate::snapshot::Snapshot;

/// Snapshot, overlay and room. Copying costs three words.
#[derive(Debug, Clone, Copy)]
pub struct Items<'a> {
    /// The trained model.
    pub snapshot: &'a Snapshot,
    /// Item changes since training.
    pub overlay: Option<&'a Overlay>,
    /// Prices and stock of a livestream room, which override those of the shop.
    pub room: Option<&'a RoomOffers>,
}

impl Items<'_> {
    /// The price of `item` now, in the currency of the catalog; `None` if unknown.
    pub fn price(&self, item: ItemIx) -> Option<Money> {
        let in_room = self.room.and_then(|room| room.of(item).price);
        in_room.or_else(|| match self.overlay {
            Some(overlay) => overlay.price(item),
            None => self.snapshot.catalog.price(item),
        })
    }

    /// Pieces of `item` that can be sold now; `None` if unknown.
    pub fn stock(&self, item: ItemIx) -> Option<u32> {
        let in_room = self.room.and_then(|room| room.of(item).stock);
        in_room.or_else(|| match self.overlay {
            Some(overlay) => overlay.stock(item),
            None => self.snapshot.catalog.stock(item),
        })
    }

    /// True if `item` may be shown: it is listed, and its stock is not known to be 0. One test of a bit outside of
    /// rooms.
    #[inline]
    pub fn on_sale(&self, item: ItemIx) -> bool {
        if let Some(stock) = self.room.and_then(|room| room.of(item).stock) {
            return stock > 0 && self.listed(item);
        }
        match self.overlay {
            Some(overlay) => overlay.on_sale(item),
            None => self.snapshot.catalog.on_sale(item),
        }
    }

    /// [`on_sale`](Self::on_sale) of 64 items per word, the first item in the lowest bit.
    pub(crate) fn on_sale_words(&self) -> Vec<u64> {
        let mut words: Vec<u64> = match self.overlay {
            Some(overlay) => overlay.on_sale_words().collect(),
            None => self.snapshot.catalog.on_sale_bits().to_vec(),
        };
        for (item, _) in self.room.into_iter().flat_map(RoomOffers::iter) {
            if let Some(word) = words.get_mut(item as usize / 64) {
                *word = *word & !(1 << (item % 64)) | u64::from(self.on_sale(item)) << (item % 64);
            }
        }
        words
    }

    /// True if `item` is listed, whatever its stock.
    fn listed(&self, item: ItemIx) -> bool {
        self.overlay.map_or_else(|| self.snapshot.catalog.listed(item), |overlay| overlay.listed(item))
    }
}
