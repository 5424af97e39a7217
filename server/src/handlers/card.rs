//! The card of an item, and the reason that a person bought it before.

use qianmian_models::ids::ItemIx;
use qianmian_models::index::catalog::Text;
use qianmian_models::index::purchases::Purchase;
use qianmian_models::view::View;
use qianmian_money::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Moment, Reason};
use crate::fields::{CardField, CardFields};

/// An item as a card shows it: the part that the items of all answers share.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemCard<'a> {
    item_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    title: Option<&'a str>,
    /// In the shop's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = f64)]
    price: Option<Decimal>,
    /// A path, as in the catalog: `a/b/c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    brand: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    image_url: Option<&'a str>,
    /// Pieces that can be sold now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    stock: Option<u32>,
    /// Its labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tags: Option<Vec<&'a str>>,
}

impl<'a> ItemCard<'a> {
    /// The card of `item` with the usual fields.
    pub fn of(view: View<'a>, item: ItemIx) -> Self {
        Self::with(view, item, CardFields::default())
    }

    /// The card of `item` with these fields; attributes that the catalog lacks are left out.
    pub fn with(view: View<'a>, item: ItemIx, fields: CardFields) -> Self {
        let catalog = &view.snapshot.catalog;
        let text = |field, text| catalog.text(item, text).filter(|_| fields.has(field));
        let price = view.price(item).filter(|_| fields.has(CardField::Price));
        Self {
            item_id: view.snapshot.items.id(item),
            title: text(CardField::Title, Text::Title),
            price: price.map(|price| catalog.currency().decimal(price)),
            category: text(CardField::Category, Text::Category),
            brand: text(CardField::Brand, Text::Brand),
            image_url: text(CardField::ImageUrl, Text::ImageUrl),
            stock: view.stock(item).filter(|_| fields.has(CardField::Stock)),
            tags: fields.has(CardField::Tags).then(|| catalog.tags(item).collect()),
        }
    }
}

impl ItemCard<'_> {
    /// The card with the price and the stock of the room that `view` is in.
    pub fn offered(mut self, view: View<'_>, item: ItemIx, fields: CardFields) -> Self {
        let price = view.price(item).filter(|_| fields.has(CardField::Price));
        self.price = price.map(|price| view.snapshot.catalog.currency().decimal(price));
        self.stock = view.stock(item).filter(|_| fields.has(CardField::Stock));
        self
    }
}

/// Purchases of the same items by one person: those of the model, and those since.
#[derive(Debug, Default)]
pub struct Bought {
    times: u32,
    /// Unix seconds.
    last_at: i64,
    is_due: bool,
}

impl Bought {
    /// Adds the model's purchases of one item, as of `now`, unix seconds.
    pub fn add(&mut self, purchase: &Purchase, now: i64) {
        self.times = self.times.saturating_add(purchase.baskets);
        self.last_at = self.last_at.max(purchase.last_at.into());
        self.is_due |= purchase.is_due(now);
    }

    /// Adds a purchase that the model does not know, at `at` (unix seconds). If it is the latest one, nothing is due.
    pub fn add_since(&mut self, at: i64) {
        self.times = self.times.saturating_add(1);
        self.is_due &= at < self.last_at;
        self.last_at = self.last_at.max(at);
    }

    /// The reason, if there was a purchase.
    pub fn reason<'a>(self) -> Option<Reason<'a>> {
        let Self { times, last_at, is_due } = self;
        (times > 0).then_some(Reason::BoughtBefore { times, last_at: Moment(last_at), is_due })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purchase_since_training_counts_and_makes_nothing_due() {
        let mut bought = Bought { times: 2, last_at: 100, is_due: true };
        bought.add_since(50);
        assert!(bought.is_due);
        bought.add_since(200);
        let reason = Reason::BoughtBefore { times: 4, last_at: Moment(200), is_due: false };
        assert_eq!(bought.reason(), Some(reason));
        assert_eq!(Bought::default().reason(), None);
    }
}
