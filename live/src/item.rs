//! Price, stock and whether an item is on sale, as last told.
//!
//! Each field knows when it was last told, so that changes that arrive late or out of order do not undo
//! newer ones. Encoded as JSON, an item takes 30 to 120 bytes and its id.

use serde::{Deserialize, Serialize};

use crate::event::{self, Fault, MAX_AHEAD_MS};

/// A value and when it came to hold, unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Told<T>(pub T, pub i64);

/// What changed about an item since any model was trained; a field that nobody told is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ItemState {
    /// In the shop's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Told<f32>>,
    /// Pieces that can be sold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<Told<u32>>,
    /// Whether it may be shown at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_sale: Option<Told<bool>>,
}

/// News of an item; a field that is `None` stays as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemChange {
    /// The item's outside id.
    pub item_id: String,
    /// What is new.
    pub state: ItemState,
}

impl ItemChange {
    /// The change that a caller words so, received at `now`; it holds from `changed_at` (unix milliseconds) on.
    ///
    /// # Errors
    /// The first field that is not as it must be, or nothing that changed.
    pub fn check(
        item_id: &str,
        (price, stock, on_sale): (Option<f64>, Option<u32>, Option<bool>),
        changed_at: i64,
        now: i64,
    ) -> Result<Self, Fault> {
        let item_id = event::id("item_id", item_id)?;
        let fault = |field, reason: &str| Fault { field, reason: reason.to_owned(), nearest: None };
        if !price.is_none_or(|price| price > 0.0 && price <= 1e9) {
            return Err(fault("price", "a number above 0 and at most 1000000000"));
        }
        // The largest number stands for "not told" where offers are kept.
        if stock == Some(u32::MAX) {
            return Err(fault("stock", "a whole number from 0 to 4294967294"));
        }
        if price.is_none() && stock.is_none() && on_sale.is_none() {
            return Err(fault("price", "give a price, a stock or on_sale"));
        }
        if changed_at > now.saturating_add(MAX_AHEAD_MS) {
            return Err(fault("changed_at", "more than 10 minutes ahead of the server's clock"));
        }
        let state = ItemState {
            price: price.map(|price| Told(price as f32, changed_at)),
            stock: stock.map(|stock| Told(stock, changed_at)),
            on_sale: on_sale.map(|on_sale| Told(on_sale, changed_at)),
        };
        Ok(Self { item_id, state })
    }
}

impl ItemState {
    /// Takes over what is newer in `news`; whether anything was. Of two values told for one moment, the one
    /// that arrives later stands.
    pub fn merge(&mut self, news: &Self) -> bool {
        let price = newer(&mut self.price, news.price);
        let stock = newer(&mut self.stock, news.stock);
        let on_sale = newer(&mut self.on_sale, news.on_sale);
        price || stock || on_sale
    }
}

fn newer<T: Copy>(known: &mut Option<Told<T>>, news: Option<Told<T>>) -> bool {
    let takes = news.is_some_and(|news| known.is_none_or(|known| news.1 >= known.1));
    if takes {
        *known = news;
    }
    takes
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn change(price: Option<f64>, stock: Option<u32>, at: i64) -> Result<ItemChange, Fault> {
        ItemChange::check("i", (price, stock, None), at, 1_000)
    }

    #[test]
    fn late_news_does_not_undo_what_is_newer() {
        let mut state = ItemState::default();
        assert!(state.merge(&change(Some(9.5), Some(3), 100).unwrap().state));
        assert!(!state.merge(&change(Some(8.5), None, 99).unwrap().state));
        assert!(state.merge(&change(None, Some(0), 101).unwrap().state));
        assert_eq!((state.price, state.stock), (Some(Told(9.5, 100)), Some(Told(0, 101))));
    }

    #[test]
    fn absurd_news_is_refused_by_field() {
        assert_eq!(change(Some(0.0), None, 0).unwrap_err().field, "price");
        assert_eq!(change(Some(f64::NAN), None, 0).unwrap_err().field, "price");
        assert_eq!(change(None, Some(u32::MAX), 0).unwrap_err().field, "stock");
        assert_eq!(change(None, Some(1), i64::MAX).unwrap_err().field, "changed_at");
        assert_eq!(change(None, None, 0).unwrap_err().field, "price");
    }
}
