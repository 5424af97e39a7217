//! Attributes of items that rules count values of.

use xxhash_rust::xxh3::xxh3_64;

use crate::ids::ItemIx;
use crate::index::catalog::{Catalog, Text};

/// An attribute of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// The whole path of categories.
    Category,
    /// The first step of the path.
    TopCategory,
    /// The brand.
    Brand,
    /// The seller.
    MerchantId,
    /// Every label.
    Tags,
}

impl Attribute {
    /// A key of each value of `item`; equal values have equal keys. Empty where the catalog does not say.
    pub fn keys(self, catalog: &Catalog, item: ItemIx) -> Vec<u64> {
        let key = |text: &str| xxh3_64(text.as_bytes());
        let one = |text| catalog.text(item, text).map(key).into_iter().collect();
        match self {
            Self::Category => one(Text::Category),
            Self::TopCategory => {
                let first = catalog.text(item, Text::Category).and_then(|path| path.split('/').next());
                first.map(key).into_iter().collect()
            }
            Self::Brand => one(Text::Brand),
            Self::MerchantId => one(Text::MerchantId),
            Self::Tags => catalog.tags(item).map(key).collect(),
        }
    }
}
