//! Items: price, stock and sale state, as reported since training.
//!
//! Each field has its own time, so that reports that arrive late or out of order do not undo newer ones. Encoded as
//! JSON, an item takes 30 to 120 bytes plus its id.

use qianmian_money::Decimal;
use serde::{Deserialize, Serialize};

use crate::check::{self, Fault, MAX_AHEAD_MS};
use crate::error::StoreError;
pub use crate::replicated::ChangeOutcome as ItemOutcome;
use crate::replicated::Replicated;

/// Most different items with a state in a store.
pub const MAX_ITEMS: usize = 5_000_000;
/// Highest price of one piece, in whole units of the currency.
pub const MAX_PRICE: i64 = 1_000_000_000;

/// A value, and the time from which it is valid, unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stamped<T>(pub T, pub i64);

/// The state of an item; a field that was never reported is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ItemState {
    /// Price as reported: the store does not know the shop's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Stamped<Decimal>>,
    /// Pieces that can be sold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<Stamped<u32>>,
    /// True if the item may be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_sale: Option<Stamped<bool>>,
    /// Time of the last reset to the catalog's own state, unix milliseconds: earlier reports are void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<i64>,
}

/// A report about an item; `None` leaves a field unchanged.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemChange {
    /// The item's external id.
    pub item_id: String,
    /// Price in the shop's currency.
    pub price: Option<Decimal>,
    /// Pieces that can be sold.
    pub stock: Option<u32>,
    /// True if the item may be shown.
    pub on_sale: Option<bool>,
    /// True to reset the item to the catalog's own state instead.
    pub reset: bool,
    /// Time from which the change is valid, unix milliseconds; `None`: it is ordered by arrival.
    pub changed_at: Option<i64>,
    /// Time of receipt by the receiving server's clock, unix milliseconds.
    pub received_at: i64,
}

/// The items of a store.
pub trait Items: Send + Sync {
    /// Stores reports about items; the outcomes are in their order.
    fn change_items(
        &self,
        changes: Vec<ItemChange>,
    ) -> impl Future<Output = Result<Vec<ItemOutcome>, StoreError>> + Send;

    /// Calls `each` with every item that has a state, or with those of `ids` that do. It reads memory only; the
    /// states do not change while it runs.
    fn each_item(&self, ids: Option<&[String]>, each: impl FnMut(&str, &ItemState));
}

impl ItemChange {
    /// Checks a report received at `now`. With `changed_at` (unix milliseconds) it is ordered by that time, else
    /// by its arrival.
    ///
    /// # Errors
    /// The first field that is not allowed, or no change at all.
    pub fn check(
        item_id: &str,
        (price, stock, on_sale): (Option<Decimal>, Option<u32>, Option<bool>),
        changed_at: Option<i64>,
        now: i64,
    ) -> Result<Self, Fault> {
        let item_id = check::id("item_id", item_id)?;
        if !price.is_none_or(|price| price.is_positive() && price.is_at_most(MAX_PRICE)) {
            return Err(Fault::new("price", "a number above 0 and at most 1000000000"));
        }
        // The largest number means "not reported" in the served catalog.
        if stock == Some(u32::MAX) {
            return Err(Fault::new("stock", "a whole number from 0 to 4294967294"));
        }
        if price.is_none() && stock.is_none() && on_sale.is_none() {
            return Err(Fault::new("price", "give a price, a stock or on_sale"));
        }
        Self::new(item_id, (price, stock, on_sale), false, changed_at, now)
    }

    /// Checks a report, received at `now`, that resets an item to the catalog's own state; ordered as by
    /// [`check`](Self::check).
    ///
    /// # Errors
    /// The first field that is not allowed.
    pub fn reset(item_id: &str, changed_at: Option<i64>, now: i64) -> Result<Self, Fault> {
        Self::new(check::id("item_id", item_id)?, (None, None, None), true, changed_at, now)
    }

    fn new(
        item_id: String,
        (price, stock, on_sale): (Option<Decimal>, Option<u32>, Option<bool>),
        reset: bool,
        changed_at: Option<i64>,
        now: i64,
    ) -> Result<Self, Fault> {
        if changed_at.is_some_and(|at| at > now.saturating_add(MAX_AHEAD_MS)) {
            return Err(Fault::new("changed_at", "more than 10 minutes ahead of the server's clock"));
        }
        Ok(Self { item_id, price, stock, on_sale, reset, changed_at, received_at: now })
    }
}

impl Replicated for ItemState {
    type Change = ItemChange;
    const MAX: usize = MAX_ITEMS;
    const OUTLIVES_REDIS: bool = false;

    fn key(change: &ItemChange) -> &str {
        &change.item_id
    }

    /// Applies the newer fields of `change`; returns true if there were any. Of two values for one moment, the later
    /// arrival wins.
    fn apply(&mut self, change: &ItemChange) -> bool {
        if change.reset {
            return self.reset(change);
        }
        let reset_at = self.reset_at;
        let price = newer(&mut self.price, change.price, reset_at, change);
        let stock = newer(&mut self.stock, change.stock, reset_at, change);
        let on_sale = newer(&mut self.on_sale, change.on_sale, reset_at, change);
        price || stock || on_sale
    }
}

impl ItemState {
    /// Voids every report up to the time of the change; returns false, and changes nothing, if a later reset is known.
    fn reset(&mut self, change: &ItemChange) -> bool {
        let times =
            [self.price.map(|p| p.1), self.stock.map(|s| s.1), self.on_sale.map(|o| o.1), self.reset_at];
        let known_at = times.into_iter().flatten().filter(|at| *at <= change.latest()).max();
        let at = change.time(known_at);
        if self.reset_at.is_some_and(|reset_at| reset_at > at && reset_at <= change.latest()) {
            return false;
        }
        self.reset_at = Some(at);
        void(&mut self.price, at, change);
        void(&mut self.stock, at, change);
        void(&mut self.on_sale, at, change);
        true
    }
}

impl ItemChange {
    /// The latest trusted time, unix milliseconds. A later one was recorded by a clock that was set back since, and is
    /// ignored.
    fn latest(&self) -> i64 {
        self.received_at.saturating_add(MAX_AHEAD_MS)
    }

    /// The time of the change, unix milliseconds; without `changed_at` at least `known_at`.
    fn time(&self, known_at: Option<i64>) -> i64 {
        self.changed_at.unwrap_or(self.received_at.max(known_at.unwrap_or(i64::MIN)))
    }
}

/// Removes a field that was reported at `at` or before.
fn void<T>(known: &mut Option<Stamped<T>>, at: i64, change: &ItemChange) {
    known.take_if(|known| known.1 <= at || known.1 > change.latest());
}

/// Replaces a field if the change is newer. A change without `changed_at` gets a hybrid logical time: the
/// receiving clock's, but never before the known value's, so that it is always newer whatever the clocks of the
/// servers say (Kulkarni et al., "Logical physical clocks", OPODIS 2014).
fn newer<T: Copy>(
    known: &mut Option<Stamped<T>>,
    value: Option<T>,
    reset_at: Option<i64>,
    change: &ItemChange,
) -> bool {
    let Some(value) = value else { return false };
    let known_at = known.as_ref().map(|known| known.1).max(reset_at).filter(|at| *at <= change.latest());
    let at = change.time(known_at);
    let takes = known_at.is_none_or(|known_at| at >= known_at);
    if takes {
        *known = Some(Stamped(value, at));
    }
    takes
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    fn change(price: Option<&str>, stock: Option<u32>, at: Option<i64>) -> Result<ItemChange, Fault> {
        ItemChange::check("i", (price.map(decimal), stock, None), at, 1_000)
    }

    fn stock_at(stock: u32, changed_at: Option<i64>, now: i64) -> ItemChange {
        ItemChange::check("i", (None, Some(stock), None), changed_at, now).unwrap()
    }

    #[test]
    fn a_reset_voids_what_was_reported_before() {
        let mut state = ItemState::default();
        let reset = |at| ItemChange::reset("i", at, 1_000).unwrap();
        assert!(state.apply(&change(Some("9.5"), Some(0), Some(100)).unwrap()));
        assert!(state.apply(&change(None, Some(4), Some(300)).unwrap()));
        assert!(state.apply(&reset(Some(200))));
        assert_eq!((state.price, state.stock), (None, Some(Stamped(4, 300))), "a later report stands");
        assert!(
            !state.apply(&change(Some("8"), None, Some(199)).unwrap()),
            "a late one from before does not"
        );
        assert!(!state.apply(&reset(Some(150))));
        assert!(state.apply(&reset(None)));
        assert_eq!((state.stock, state.reset_at), (None, Some(1_000)));
        assert!(state.apply(&change(Some("8"), None, None).unwrap()), "by arrival, it comes after the reset");
    }

    #[test]
    fn a_late_report_does_not_undo_a_newer_one() {
        let mut state = ItemState::default();
        assert!(state.apply(&change(Some("9.5"), Some(3), Some(100)).unwrap()));
        assert!(!state.apply(&change(Some("8.5"), None, Some(99)).unwrap()));
        assert!(state.apply(&change(None, Some(0), Some(101)).unwrap()));
        assert_eq!((state.price, state.stock), (Some(Stamped(decimal("9.5"), 100)), Some(Stamped(0, 101))));
    }

    #[test]
    fn a_report_without_time_is_newer_than_all_before_it() {
        let (hour, now) = (3_600_000, 1_800_000_000_000);
        let mut state = ItemState::default();
        // The clock of the first server is 5 s ahead of the second's.
        assert!(state.apply(&stock_at(5, None, now + 5_000)));
        assert!(state.apply(&stock_at(0, None, now)));
        assert_eq!(state.stock, Some(Stamped(0, now + 5_000)));
        assert!(!state.apply(&stock_at(7, Some(now), now)), "an older time is older");
        // The clock was 8 hours ahead, and is set back.
        assert!(state.apply(&stock_at(5, None, now + 8 * hour)));
        assert!(state.apply(&stock_at(0, None, now)));
        assert_eq!(state.stock, Some(Stamped(0, now)));
        assert!(state.apply(&stock_at(5, None, now + 8 * hour)));
        assert!(state.apply(&stock_at(0, Some(now), now)), "a time that cannot be is not newer");
    }

    #[test]
    fn a_fault_names_the_field() {
        for price in ["0", "-0.01", "1000000000.0001"] {
            assert_eq!(change(Some(price), None, None).unwrap_err().field, "price");
        }
        assert_eq!(change(None, Some(u32::MAX), None).unwrap_err().field, "stock");
        assert_eq!(change(None, Some(1), Some(i64::MAX)).unwrap_err().field, "changed_at");
        assert_eq!(change(None, None, None).unwrap_err().field, "price");
    }
    #[test]
    fn a_price_is_stored_as_it_was_told() {
        let mut state = ItemState::default();
        state.apply(&change(Some("131072.01"), None, Some(100)).unwrap());
        let stored = serde_json::to_string(&state).unwrap();
        assert_eq!(stored, r#"{"price":[131072.01,100]}"#);
        assert_eq!(serde_json::from_slice::<ItemState>(stored.as_bytes()).unwrap(), state);
        let older: ItemState = serde_json::from_str(r#"{"price":[9.0,100]}"#).unwrap();
        assert_eq!(older.price, Some(Stamped(decimal("9"), 100)), "as older versions wrote it");
    }
}
