//! Groups order lines into baskets.
//!
//! A basket is one order id of one user, so an order number that two people share (a counter that restarts in each
//! store) does not mix their items. Without order ids, a basket is a line that holds a list, the lines of a person on
//! one day, or the lines of a guest at one moment; without times, each line is a basket.

use super::dictionary::Dictionary;
use super::guests::is_guest_word;
use super::raw::{Basket, Raw};
use super::source::Row;
use super::types::{DAY_SECONDS, GUEST};
use crate::config::{Baskets as Kind, OrderColumn, Zone};
use anyhow::Context;
use rustc_hash::FxHashMap;

/// The facts that assign a row to a basket.
pub struct Place<'a> {
    /// The normalized order id; `None` if there are no order ids.
    pub order_id: Option<&'a str>,
    /// As [`super::types::Line::user`].
    pub user: u32,
    /// Unix seconds.
    pub at: i64,
    /// The file's number.
    pub file: usize,
    /// As in [`Raw::states`].
    pub state: i64,
    /// True for a purchase, which dates the basket; false for a cancelled one.
    pub is_purchase: bool,
}

/// Assigns numbers to baskets.
pub struct Baskets {
    kind: Kind,
    /// The zone of the days that make baskets if there are no order ids.
    zone: Zone,
    /// True if there are order ids.
    pub has_orders: bool,
    /// True if there are times.
    pub has_times: bool,
    keys: Dictionary,
    last_key: Vec<u8>,
    key: Vec<u8>,
    last: u32,
    guests: FxHashMap<u32, bool>,
    /// Adjacent lines of one order id, one with a person and one without.
    pub mixed_orders: u64,
}

impl Baskets {
    /// Baskets of a kind.
    pub fn new(kind: Kind, zone: Zone, has_orders: bool, has_times: bool) -> Self {
        let (keys, last_key, key, guests) = Default::default();
        Self { kind, zone, has_orders, has_times, keys, last_key, key, last: 0, guests, mixed_orders: 0 }
    }

    /// True if the lines of one order id make a basket.
    pub fn are_orders(&self) -> bool {
        self.has_orders && self.kind == Kind::OrderId
    }

    /// The number of the basket that a row belongs to; counts the row.
    ///
    /// # Errors
    /// Fails if there are more baskets than can be numbered.
    pub fn number(&mut self, place: &Place<'_>, row: &Row<'_>, raw: &mut Raw) -> anyhow::Result<u32> {
        let new = u32::try_from(raw.baskets.len()).context("more baskets than can be numbered")?;
        self.key.clear();
        self.key.extend_from_slice(&place.user.to_le_bytes());
        let has_key = match place.order_id {
            Some(order_id) => {
                let is_other =
                    self.last_key.get(4..) == Some(order_id.as_bytes()) && self.last_key[..4] != self.key[..];
                let of_nobody =
                    place.user == GUEST || self.last_key.get(..4) == Some(&GUEST.to_le_bytes()[..]);
                self.mixed_orders += u64::from(is_other && of_nobody);
                self.key.extend_from_slice(order_id.as_bytes());
                true
            }
            None if row.at.is_some() => false,
            None => self.add_key_without_order(place, row, raw),
        };
        if !has_key {
            // A basket without a key gets its own number as a key, so all baskets are numbered by one dictionary.
            self.key.clear();
            self.key.extend_from_slice(b"\0\0");
            self.key.extend_from_slice(&new.to_le_bytes());
        }
        // The lines of a basket are mostly adjacent.
        if self.key != self.last_key {
            self.last = self.keys.code(&self.key).context("more baskets than can be numbered")?;
            std::mem::swap(&mut self.key, &mut self.last_key);
        }
        let basket = self.last;
        let (at, state) = (place.at, place.state);
        if basket == new {
            raw.baskets.push(Basket { first: i64::MAX, last: i64::MIN, rows: 0, state, is_again: false });
        }
        let known = &mut raw.baskets[basket as usize];
        known.is_again |= known.state != state;
        if place.is_purchase {
            known.first = known.first.min(at);
            known.last = known.last.max(at);
            known.rows = known.rows.saturating_add(1);
        }
        Ok(basket)
    }

    /// Appends the key of a basket without an order id; `false` if the line is a basket of its own.
    fn add_key_without_order(&mut self, place: &Place<'_>, row: &Row<'_>, raw: &Raw) -> bool {
        self.key.extend_from_slice(b"\0");
        if row.element.is_some() && !self.has_orders {
            self.key.extend_from_slice(&place.file.to_le_bytes());
            self.key.extend_from_slice(&row.line.to_le_bytes());
            return true;
        }
        if !self.has_times {
            return false;
        }
        let (user, at) = (place.user, place.at);
        let is_word = |user: u32| is_guest_word(&raw.users.name(user));
        let is_guest = user == GUEST || *self.guests.entry(user).or_insert_with(|| is_word(user));
        let local = at + self.zone.offset(at);
        if is_guest {
            self.key.extend_from_slice(&at.to_le_bytes());
            self.key.extend_from_slice(row.get(OrderColumn::StoreId as usize).unwrap_or("").as_bytes());
            // Midnight means a date without a time of day, which does not show who bought together.
            return local.rem_euclid(DAY_SECONDS) != 0;
        }
        if matches!(self.kind, Kind::OrderId | Kind::Day) {
            self.key.extend_from_slice(&local.div_euclid(DAY_SECONDS).to_le_bytes());
        }
        true
    }
}
