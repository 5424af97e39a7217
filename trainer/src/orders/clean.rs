//! One row at a time: is it a purchase, a return, or neither, and of what by whom.

use super::catalogue::Catalogue;
use super::dictionary::Dictionary;
use super::layout::Layout;
use super::rules::Rules;
use super::source::Row;
use super::summary::{Reason, Summary};
use super::time::TimeReader;
use super::types::{DAY_SECONDS, GUEST, Line, NONE_CODE};
use super::values::{id, normalise, price, price_of_total, quantity};
use anyhow::{Context, bail};
use rustc_hash::{FxHashMap, FxHashSet};

// The numbers of the orders' columns, in the order of `Table::columns`.
pub(super) const ORDER_ID: usize = 0;
pub(super) const USER_ID: usize = 1;
pub(super) const ITEM_ID: usize = 2;
pub(super) const ORDERED_AT: usize = 3;
const QUANTITY: usize = 4;
const UNIT_PRICE: usize = 5;
const LINE_TOTAL: usize = 6;
const CHANNEL: usize = 7;
const STORE_ID: usize = 8;
const STATUS: usize = 11;

/// A return that waits for the purchase that it undoes.
#[derive(Debug, Clone, Copy)]
pub struct Return {
    /// As [`Line::at`].
    pub at: i64,
    /// As [`Line::user`]; never a guest.
    pub user: u32,
    /// As [`Line::item`].
    pub item: u32,
    /// Pieces, above zero.
    pub quantity: f32,
}

/// What is known of a basket while reading.
#[derive(Debug, Clone, Copy)]
pub struct Basket {
    /// The earliest time of its lines.
    pub first: i64,
    /// The latest time of its lines.
    pub last: i64,
    /// Purchase rows.
    pub rows: u32,
}

/// Purchases and returns of all files under the numbers of first appearance.
#[derive(Default)]
pub struct Raw {
    /// Purchase rows in reading order; `at` is not set yet, it is the basket's.
    pub lines: Vec<Line>,
    /// Return rows of known users in reading order.
    pub returns: Vec<Return>,
    /// User, item and time of purchase rows whose status says that they did not last.
    pub cancelled: Vec<(u32, u32, i64)>,
    /// By number of first appearance.
    pub baskets: Vec<Basket>,
    /// Item ids.
    pub items: Dictionary,
    /// User ids.
    pub users: Dictionary,
    /// Channel names.
    pub channels: Dictionary,
    /// Store ids.
    pub stores: Dictionary,
}

/// Why a row gives no line: it is bad, or the whole run cannot go on.
pub(super) enum Stop {
    Reject(Reason),
    Fatal(anyhow::Error),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Reject(reason)
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Fatal(error)
    }
}

/// Sorts rows into purchases, returns and the rest, and counts each.
pub struct Cleaner<'r> {
    rules: &'r Rules,
    layout: &'r Layout,
    time: Option<TimeReader>,
    /// What remains of the rows.
    pub raw: Raw,
    /// The account so far.
    pub summary: Summary,
    /// The catalogue that the orders' own columns give.
    pub catalogue: Catalogue,
    keys: Dictionary,
    last_key: Vec<u8>,
    key: Vec<u8>,
    last_basket: u32,
    seen: FxHashSet<u128>,
    excluded: FxHashMap<Box<str>, bool>,
}

impl<'r> Cleaner<'r> {
    /// `time` is `None` for sequences and timeless orders.
    pub fn new(rules: &'r Rules, layout: &'r Layout, time: Option<TimeReader>, catalogue: Catalogue) -> Self {
        Self {
            rules,
            layout,
            time,
            raw: Raw::default(),
            summary: Summary::default(),
            catalogue,
            keys: Dictionary::default(),
            last_key: Vec::new(),
            key: Vec::new(),
            last_basket: 0,
            seen: FxHashSet::default(),
            excluded: FxHashMap::default(),
        }
    }

    /// Counts a row that is read, good or bad.
    ///
    /// # Errors
    /// When the run has more rows than it allows.
    pub fn count(&mut self) -> anyhow::Result<()> {
        self.summary.rows_read += 1;
        if self.summary.rows_read > self.rules.max_lines {
            bail!("the orders have more than {} rows, the limit of one run", self.rules.max_lines);
        }
        Ok(())
    }

    /// Takes a row. `Ok(Some(reason))` is a rejected row, which the caller counts and writes.
    ///
    /// # Errors
    /// When there are too many ids to number.
    pub fn take(&mut self, row: &Row<'_>) -> anyhow::Result<Option<Reason>> {
        // In a sequence the same item twice is two steps, no duplicate.
        if row.at.is_none() && !self.seen.insert(row.digest()) {
            self.summary.duplicates += 1;
            return Ok(None);
        }
        match self.sort(row) {
            Ok(()) => Ok(None),
            Err(Stop::Reject(reason)) => Ok(Some(reason)),
            Err(Stop::Fatal(error)) => Err(error),
        }
    }

    fn sort(&mut self, row: &Row<'_>) -> Result<(), Stop> {
        let written = row.get(ITEM_ID).ok_or(Reason::NoItem)?;
        if self.is_excluded(written) {
            self.summary.excluded += 1;
            return Ok(());
        }
        let rules = self.rules;
        let item_id = id(Some(written), rules.item_id, Reason::NoItem)?;
        // Sequences have no order ids: each row is a basket of its own.
        let order_id = match row.at {
            Some(_) => None,
            None => Some(id(row.get(ORDER_ID), rules.order_id, Reason::NoOrderId)?),
        };
        let at = self.at(row)?;
        let quantity = quantity(row.get(QUANTITY))?;
        let unit_price = match (row.get(UNIT_PRICE), row.get(LINE_TOTAL)) {
            (Some(unit), _) => price(unit)?,
            (None, Some(total)) => price_of_total(total, quantity)?,
            (None, None) => f32::NAN,
        };
        let user_id = match row.get(USER_ID) {
            Some(user) => Some(id(Some(user), rules.user_id, Reason::NoId)?),
            None => None,
        };
        let item = numbered(&mut self.raw.items, &item_id)?;
        let user = user_id.map_or(Ok(GUEST), |user_id| numbered(&mut self.raw.users, &user_id))?;
        self.catalogue.observe(self.layout, row, item);
        if quantity < 0.0 || rules.cancels(row) {
            self.give_back(Return { at, user, item, quantity: quantity.abs() as f32 });
            return Ok(());
        }
        if row.get(STATUS).is_some_and(undone) {
            self.summary.cancelled += 1;
            self.raw.cancelled.push((user, item, at));
            return Ok(());
        }
        if quantity == 0.0 {
            self.summary.zero_quantity += 1;
            return Ok(());
        }
        let channel = code(&mut self.raw.channels, row.get(CHANNEL), rules.channel, "channels")?;
        let store = code(&mut self.raw.stores, row.get(STORE_ID), rules.store_id, "stores")?;
        let basket = self.basket(order_id.as_deref(), user, at)?;
        let quantity = quantity as f32;
        self.raw.lines.push(Line { at: 0, basket, user, item, quantity, unit_price, channel, store });
        Ok(())
    }

    /// Pseudo-items are few and their rows many, so each written id is matched once.
    fn is_excluded(&mut self, written: &str) -> bool {
        let Some(pattern) = &self.rules.exclude_items else {
            return false;
        };
        if let Some(&known) = self.excluded.get(written) {
            return known;
        }
        let excluded = pattern.is_match(written) || pattern.is_match(&normalise(written, self.rules.item_id));
        // A broken column must not fill the memory with what is no id anyway.
        if written.len() <= super::values::MAX_ID_BYTES {
            self.excluded.insert(written.into(), excluded);
        }
        excluded
    }

    fn at(&mut self, row: &Row<'_>) -> Result<i64, Reason> {
        if let Some(at) = row.at {
            return Ok(at);
        }
        let Some(time) = &mut self.time else {
            // Timeless: the number of the row.
            return Ok(i64::try_from(self.summary.rows_read).unwrap_or(i64::MAX) - 1);
        };
        let at = row.get(ORDERED_AT).and_then(|value| time.read(value)).ok_or(Reason::UnparsableTime)?;
        // A day of grace for clocks and zones.
        if at > self.rules.now.saturating_add(DAY_SECONDS) { Err(Reason::FutureTime) } else { Ok(at) }
    }

    fn give_back(&mut self, back: Return) {
        self.summary.returns += 1;
        if back.user == GUEST {
            self.summary.returns_of_guests += 1;
        } else if back.quantity > 0.0 {
            self.raw.returns.push(back);
        }
    }

    /// A basket is one order id of one user: order numbers that two people share (a counter that
    /// starts anew in each store) do not mix their goods.
    fn basket(&mut self, order_id: Option<&str>, user: u32, at: i64) -> anyhow::Result<u32> {
        let new = u32::try_from(self.raw.baskets.len()).context("more baskets than can be numbered")?;
        let basket = match order_id {
            None => new,
            Some(order_id) => {
                self.key.clear();
                self.key.extend_from_slice(&user.to_le_bytes());
                self.key.extend_from_slice(order_id.as_bytes());
                // The lines of a basket mostly stand together.
                if self.key != self.last_key {
                    self.last_basket =
                        self.keys.code(&self.key).context("more baskets than can be numbered")?;
                    std::mem::swap(&mut self.key, &mut self.last_key);
                }
                self.last_basket
            }
        };
        if basket == new {
            self.raw.baskets.push(Basket { first: at, last: at, rows: 0 });
        }
        let known = &mut self.raw.baskets[basket as usize];
        known.first = known.first.min(at);
        known.last = known.last.max(at);
        known.rows = known.rows.saturating_add(1);
        Ok(basket)
    }
}

/// Whether the status says that the purchase did not last.
fn undone(status: &str) -> bool {
    ["cancelled", "canceled", "refunded"].iter().any(|word| status.eq_ignore_ascii_case(word))
}

pub(super) fn numbered(dictionary: &mut Dictionary, id: &str) -> anyhow::Result<u32> {
    dictionary.code(id.as_bytes()).context("more ids than can be numbered")
}

/// The number of a channel or store.
pub(super) fn code(
    dictionary: &mut Dictionary,
    value: Option<&str>,
    how: Option<crate::config::Normalise>,
    what: &str,
) -> Result<u16, Stop> {
    let Some(value) = value else {
        return Ok(NONE_CODE);
    };
    let number = numbered(dictionary, &id(Some(value), how, Reason::NoId)?)?;
    match u16::try_from(number) {
        Ok(code) if code != NONE_CODE => Ok(code),
        _ => Err(Stop::Fatal(anyhow::anyhow!(
            "the orders name more than {NONE_CODE} {what}; the column is probably another one"
        ))),
    }
}
