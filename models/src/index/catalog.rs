//! What is known of each item beside its sales.
//!
//! Section `items`: `item_id` (the vocabulary) and `title`, `category` (a path `a/b/c`), `brand`,
//! `merchant_id`, `image_url`, `status` (empty where unknown), `price`, `cost` (NaN where unknown) and `stock`
//! ([`UNKNOWN_STOCK`] where unknown).
//!
//! Price, stock and whether an item is on sale change faster than models do. What changed is laid over the
//! section by [`Catalog::offer`] and seen by every reader at once, so that no way to an answer can miss it.

use std::sync::Arc;

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow_buffer::ScalarBuffer;

use crate::error::Result;
use crate::ids::{ItemIx, Vocabulary};
use crate::index::offers::{Offer, Offers};
use crate::storage::section::{self, Section};

/// The section's name; it is the item vocabulary's too.
pub const SECTION: &str = "items";
/// The texts of an item, in column order.
const TEXTS: [&str; 6] = ["title", "category", "brand", "merchant_id", "image_url", "status"];

/// What stands in `stock` where it is unknown.
pub const UNKNOWN_STOCK: u32 = u32::MAX;

/// One of an item's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns of the items table, under their own names")]
pub enum Text {
    Title = 0,
    Category = 1,
    Brand = 2,
    MerchantId = 3,
    ImageUrl = 4,
    Status = 5,
}

/// Attributes of every item.
#[derive(Debug, Clone)]
pub struct Catalog {
    texts: [StringArray; 6],
    price: ScalarBuffer<f32>,
    cost: ScalarBuffer<f32>,
    stock: ScalarBuffer<u32>,
    offers: Arc<Offers>,
}

/// One item's attributes, to build a [`Catalog`]; an unknown text is empty.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    /// Texts, indexed by [`Text`].
    pub texts: [String; 6],
    /// Price in the shop's currency.
    pub price: Option<f32>,
    /// Cost of one piece to the shop, in the same currency.
    pub cost: Option<f32>,
    /// Pieces that can be sold.
    pub stock: Option<u32>,
}

impl Catalog {
    /// From one entry an item, in vocabulary order.
    pub fn new(items: &[Attributes]) -> Self {
        let column = |n: usize| StringArray::from_iter_values(items.iter().map(|i| i.texts[n].as_str()));
        Self {
            texts: std::array::from_fn(column),
            price: items.iter().map(|i| i.price.unwrap_or(f32::NAN)).collect(),
            cost: items.iter().map(|i| i.cost.unwrap_or(f32::NAN)).collect(),
            stock: items.iter().map(|i| i.stock.unwrap_or(UNKNOWN_STOCK)).collect(),
            offers: Arc::default(),
        }
    }

    /// Says what changed about `item` since the model was trained; what is `None` is as it was trained. A copy
    /// of this catalogue that shares its memory sees it, too.
    pub fn offer(&self, item: ItemIx, offer: Offer) {
        self.offers.set(self.price.len(), item, offer);
    }

    /// A text of `item`, if it is known.
    pub fn text(&self, item: ItemIx, text: Text) -> Option<&str> {
        Some(self.texts[text as usize].value(item as usize)).filter(|value| !value.is_empty())
    }

    /// The price of `item` as of now, if it is known.
    pub fn price(&self, item: ItemIx) -> Option<f32> {
        let told = self.offers.of(item).price;
        told.or(Some(self.price[item as usize]).filter(|p| p.is_finite()))
    }

    /// What a piece of `item` costs the shop, if it is known.
    pub fn cost(&self, item: ItemIx) -> Option<f32> {
        Some(self.cost[item as usize]).filter(|c| c.is_finite())
    }

    /// Pieces of `item` that can be sold, if it is known: as told since, else as when the model was trained.
    pub fn stock(&self, item: ItemIx) -> Option<u32> {
        let told = self.offers.of(item).stock;
        told.or(Some(self.stock[item as usize]).filter(|&stock| stock != UNKNOWN_STOCK))
    }

    /// Whether `item` may be shown: every status but `off_sale`, `offline`, `deleted` and `sold_out`, unless
    /// it was told otherwise since; never where it was told since that none is left.
    pub fn on_sale(&self, item: ItemIx) -> bool {
        let offer = self.offers.of(item);
        if offer.stock == Some(0) {
            return false;
        }
        offer.on_sale.unwrap_or_else(|| self.was_on_sale(item))
    }

    /// Whether `item` could be shown when the model was trained.
    fn was_on_sale(&self, item: ItemIx) -> bool {
        !matches!(self.text(item, Text::Status), Some("off_sale" | "offline" | "deleted" | "sold_out"))
    }

    pub(crate) fn batch(&self, items: &Vocabulary) -> Result<RecordBatch> {
        let mut columns = vec![("item_id", items.id_column())];
        columns.extend(
            TEXTS.iter().zip(&self.texts).map(|(name, text)| (*name, Arc::new(text.clone()) as ArrayRef)),
        );
        columns.push(("price", Arc::new(Float32Array::new(self.price.clone(), None))));
        columns.push(("cost", Arc::new(Float32Array::new(self.cost.clone(), None))));
        columns.push(("stock", Arc::new(UInt32Array::new(self.stock.clone(), None))));
        section::batch(SECTION, columns)
    }

    pub(crate) fn open(section: &Section) -> Result<Self> {
        let [a, b, c, d, e, f] = TEXTS.map(|name| section.strings(name));
        Ok(Self {
            texts: [a?, b?, c?, d?, e?, f?],
            price: section.primitive::<Float32Type>("price")?,
            cost: section.primitive::<Float32Type>("cost")?,
            stock: section.primitive::<UInt32Type>("stock")?,
            offers: Arc::default(),
        })
    }
}

impl Attributes {
    /// The attribute slot of `text`.
    pub fn text_mut(&mut self, text: Text) -> &mut String {
        &mut self.texts[text as usize]
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_told_later_is_laid_over_what_was_trained() {
        let trained = Attributes { price: Some(9.5), stock: Some(7), ..Attributes::default() };
        let mut gone = Attributes::default();
        *gone.text_mut(Text::Status) = "off_sale".to_owned();
        let catalog = Catalog::new(&[trained, gone]);
        let says = |item| (catalog.price(item), catalog.stock(item), catalog.on_sale(item));
        catalog.offer(0, Offer { stock: Some(0), ..Offer::default() });
        assert_eq!(says(0), (Some(9.5), Some(0), false), "sold out");
        catalog.offer(0, Offer { price: Some(8.0), stock: Some(3), on_sale: None });
        assert_eq!(says(0), (Some(8.0), Some(3), true));
        catalog.offer(0, Offer { on_sale: Some(false), ..Offer::default() });
        assert_eq!(says(0), (Some(9.5), Some(7), false), "what is not told is as it was trained");
        assert!(!catalog.on_sale(1));
        catalog.offer(1, Offer { on_sale: Some(true), ..Offer::default() });
        assert!(catalog.on_sale(1), "it is back");
        catalog.offer(2, Offer { on_sale: Some(false), ..Offer::default() });
    }

    #[test]
    fn unknown_attributes_read_as_none() {
        let mut known = Attributes { price: Some(9.5), stock: Some(0), ..Attributes::default() };
        *known.text_mut(Text::Title) = "有机大米 5kg".to_owned();
        *known.text_mut(Text::Status) = "sold_out".to_owned();
        let catalog = Catalog::new(&[known, Attributes::default()]);
        let items = Vocabulary::new(&["a", "b"]).unwrap();
        let back = Catalog::open(&Section::in_memory(SECTION, catalog.batch(&items).unwrap())).unwrap();
        assert_eq!(back.text(0, Text::Title), Some("有机大米 5kg"));
        assert_eq!((back.price(0), back.price(1)), (Some(9.5), None));
        assert_eq!((back.cost(0), back.stock(0), back.stock(1)), (None, Some(0), None));
        assert_eq!((back.on_sale(0), back.on_sale(1)), (false, true));
        assert_eq!(back.text(1, Text::Title), None);
    }
}
