//! Item attributes: texts, price, cost, stock and tags.
//!
//! Section `items`: `item_id` (the vocabulary) and `title`, `category` (a path `a/b/c`), `brand`, `merchant_id`,
//! `image_url`, `status` (empty if unknown), `price`, `cost` (minor units of the manifest's currency, null if
//! unknown), `stock` ([`UNKNOWN_STOCK`] if unknown), `tags`, `store_ids` and `merchant_ids` (lists of strings).
//!
//! All values are those at training; later changes are in the [overlay](crate::overlay).

use std::sync::Arc;

use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow_buffer::ScalarBuffer;
use qianmian_money::{Currency, MAX_MINOR, Money};

use crate::error::{Error, Result};
use crate::ids::{ItemIx, Vocabulary};
use crate::storage::section::{self, Section, StringLists};

/// The section's name; it is the item vocabulary's too.
pub const SECTION: &str = "items";
/// The texts of an item, in column order.
const TEXTS: [&str; 6] = ["title", "category", "brand", "merchant_id", "image_url", "status"];

/// The value of `stock` for unknown stock.
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
    currency: Currency,
    price: Int64Array,
    cost: Int64Array,
    stock: ScalarBuffer<u32>,
    tags: StringLists,
    store_ids: StringLists,
    merchant_ids: StringLists,
    /// One bit per item; derived.
    on_sale: Arc<[u64]>,
}

/// One item's attributes, to build a [`Catalog`]; an unknown text is empty.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    /// Texts, indexed by [`Text`].
    pub texts: [String; 6],
    /// Price of one piece, not below 0.
    pub price: Option<Money>,
    /// Cost of one piece to the shop, not below 0.
    pub cost: Option<Money>,
    /// Pieces that can be sold.
    pub stock: Option<u32>,
    /// Free labels.
    pub tags: Vec<String>,
    /// Stores that sell the item; empty if unknown.
    pub store_ids: Vec<String>,
    /// Merchants named by order lines of the item, those with the most pieces first.
    pub merchant_ids: Vec<String>,
}

impl Catalog {
    /// From one entry per item, in vocabulary order; prices and costs are in `currency`.
    ///
    /// # Errors
    /// More tags or stores than a list column holds.
    pub fn new(items: &[Attributes], currency: Currency) -> Result<Self> {
        let lists = |of: fn(&Attributes) -> &[String]| -> Result<StringLists> {
            let rows: Vec<Vec<&str>> =
                items.iter().map(|i| of(i).iter().map(String::as_str).collect()).collect();
            StringLists::new(SECTION, &rows)
        };
        let (tags, store_ids) = (lists(|i| &i.tags)?, lists(|i| &i.store_ids)?);
        let merchant_ids = lists(|i| &i.merchant_ids)?;
        let column = |n: usize| StringArray::from_iter_values(items.iter().map(|i| i.texts[n].as_str()));
        Ok(Self {
            texts: std::array::from_fn(column),
            currency,
            price: items.iter().map(|i| i.price.map(Money::minor)).collect(),
            cost: items.iter().map(|i| i.cost.map(Money::minor)).collect(),
            stock: items.iter().map(|i| i.stock.unwrap_or(UNKNOWN_STOCK)).collect(),
            tags,
            store_ids,
            merchant_ids,
            on_sale: Arc::default(),
        }
        .with_on_sale_bits())
    }

    fn with_on_sale_bits(self) -> Self {
        let mut catalog = self;
        let bit = |item: usize| {
            let item = item as ItemIx;
            catalog.listed(item) && catalog.stock(item) != Some(0)
        };
        let word = |first: usize| {
            (first..catalog.len().min(first + 64))
                .fold(0u64, |word, item| word | u64::from(bit(item)) << (item % 64))
        };
        let words: Vec<u64> = (0..catalog.len()).step_by(64).map(word).collect();
        catalog.on_sale = words.into();
        catalog
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.price.len()
    }

    /// True if there is no item.
    pub fn is_empty(&self) -> bool {
        self.price.len() == 0
    }

    /// A text of `item`, if it is known.
    pub fn text(&self, item: ItemIx, text: Text) -> Option<&str> {
        Some(self.texts[text as usize].value(item as usize)).filter(|value| !value.is_empty())
    }

    /// Labels of `item`.
    pub fn tags(&self, item: ItemIx) -> impl ExactSizeIterator<Item = &str> {
        self.tags.of(item)
    }

    /// Stores that sell `item`; none if unknown.
    pub fn store_ids(&self, item: ItemIx) -> impl ExactSizeIterator<Item = &str> {
        self.store_ids.of(item)
    }

    /// Merchants named by order lines of `item`, those with the most pieces first.
    pub fn merchant_ids(&self, item: ItemIx) -> impl ExactSizeIterator<Item = &str> {
        self.merchant_ids.of(item)
    }

    /// The currency of all prices and costs.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The price of `item`, if it is known.
    pub fn price(&self, item: ItemIx) -> Option<Money> {
        amount(&self.price, item)
    }

    /// Unit cost of `item` to the shop; `None` if unknown.
    pub fn cost(&self, item: ItemIx) -> Option<Money> {
        amount(&self.cost, item)
    }

    /// Pieces of `item` that can be sold; `None` if unknown.
    pub fn stock(&self, item: ItemIx) -> Option<u32> {
        Some(self.stock[item as usize]).filter(|&stock| stock != UNKNOWN_STOCK)
    }

    /// True if `item` could be shown, whatever its stock: every status but `off_sale`, `offline`, `deleted` and
    /// `sold_out`.
    pub fn listed(&self, item: ItemIx) -> bool {
        !matches!(self.text(item, Text::Status), Some("off_sale" | "offline" | "deleted" | "sold_out"))
    }

    /// True if `item` was listed and its stock was not known to be 0.
    #[inline]
    pub fn on_sale(&self, item: ItemIx) -> bool {
        self.on_sale[item as usize / 64] >> (item % 64) & 1 == 1
    }

    /// [`on_sale`](Self::on_sale) of all items, one bit per item, the first item in the lowest bit.
    pub(crate) fn on_sale_bits(&self) -> &[u64] {
        &self.on_sale
    }

    pub(crate) fn batch(&self, items: &Vocabulary) -> Result<RecordBatch> {
        let mut columns = vec![("item_id", items.id_column())];
        columns.extend(
            TEXTS.iter().zip(&self.texts).map(|(name, text)| (*name, Arc::new(text.clone()) as ArrayRef)),
        );
        columns.push(("price", Arc::new(self.price.clone())));
        columns.push(("cost", Arc::new(self.cost.clone())));
        columns.push(("stock", Arc::new(UInt32Array::new(self.stock.clone(), None))));
        columns.push(("tags", self.tags.column(SECTION)?));
        columns.push(("store_ids", self.store_ids.column(SECTION)?));
        columns.push(("merchant_ids", self.merchant_ids.column(SECTION)?));
        section::batch(SECTION, columns)
    }

    pub(crate) fn open(section: &Section, currency: Currency) -> Result<Self> {
        let [a, b, c, d, e, f] = TEXTS.map(|name| section.strings(name));
        Ok(Self {
            texts: [a?, b?, c?, d?, e?, f?],
            currency,
            price: amounts(section, "price")?,
            cost: amounts(section, "cost")?,
            stock: section.primitive::<UInt32Type>("stock")?,
            tags: section.string_lists("tags")?,
            store_ids: section.string_lists("store_ids")?,
            merchant_ids: section.string_lists("merchant_ids")?,
            on_sale: Arc::default(),
        }
        .with_on_sale_bits())
    }
}

fn amount(column: &Int64Array, item: ItemIx) -> Option<Money> {
    let row = item as usize;
    if column.is_null(row) { None } else { Money::new(column.value(row)) }
}

/// A column of minor units, none of them below 0 or beyond the largest amount.
fn amounts(section: &Section, column: &str) -> Result<Int64Array> {
    let amounts = section.optional::<Int64Type>(column)?;
    match amounts.iter().flatten().find(|minor| !(0..=MAX_MINOR).contains(minor)) {
        Some(minor) => Err(Error::malformed(SECTION, format!("`{column}` of 0 to {MAX_MINOR}"), minor)),
        None => Ok(amounts),
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
    fn unknown_attributes_read_as_none() {
        let mut known = Attributes { price: Money::new(950), stock: Some(0), ..Attributes::default() };
        *known.text_mut(Text::Title) = "有机大米 5kg".to_owned();
        *known.text_mut(Text::Status) = "sold_out".to_owned();
        known.tags = vec!["新品".to_owned(), "rice".to_owned()];
        known.store_ids = vec!["s1".to_owned()];
        known.merchant_ids = vec!["m2".to_owned(), "m1".to_owned()];
        let yen = Currency::new("JPY", None).unwrap();
        let catalog = Catalog::new(&[known, Attributes::default()], yen).unwrap();
        let items = Vocabulary::new(&["a", "b"]).unwrap();
        let back = Catalog::open(&Section::in_memory(SECTION, catalog.batch(&items).unwrap()), yen).unwrap();
        assert_eq!(back.text(0, Text::Title), Some("有机大米 5kg"));
        assert_eq!((back.price(0), back.price(1)), (Money::new(950), None));
        assert_eq!((back.cost(0), back.stock(0), back.stock(1)), (None, Some(0), None));
        assert_eq!((back.on_sale(0), back.on_sale(1)), (false, true));
        assert_eq!(back.text(1, Text::Title), None);
        assert_eq!(back.tags(0).collect::<Vec<_>>(), ["新品", "rice"]);
        assert_eq!(back.merchant_ids(0).collect::<Vec<_>>(), ["m2", "m1"]);
        assert_eq!((back.store_ids(0).collect::<Vec<_>>(), back.tags(1).len()), (vec!["s1"], 0));
    }
    #[test]
    fn prices_out_of_range_are_no_catalog() {
        let items = Vocabulary::new(&["a"]).unwrap();
        let open = |price: i64, cost: i64| {
            let mut catalog = Catalog::new(&[Attributes::default()], Currency::default()).unwrap();
            (catalog.price, catalog.cost) = (vec![price].into(), vec![cost].into());
            let section = Section::in_memory(SECTION, catalog.batch(&items).unwrap());
            Catalog::open(&section, Currency::default()).map(|catalog| catalog.price(0))
        };
        assert_eq!(open(MAX_MINOR, 0).unwrap(), Some(Money::MAX));
        for (price, cost) in [(-1, 0), (MAX_MINOR + 1, 0), (0, i64::MIN)] {
            assert!(open(price, cost).is_err());
        }
    }
}
