//! Classifies each row: a purchase, a return, or neither; and normalizes its values.

use super::baskets::{Baskets, Place};
use super::catalogue::Catalogue;
use super::dictionary::Dictionary;
use super::raw::{Cancelled, Raw, Return};
use super::rules::{FillDown, Rules};
use super::source::{Row, SourceFile};
use super::statuses::Statuses;
use super::summary::{Reason, Summary};
use super::times::Times;
use super::types::{DAY_SECONDS, GUEST, Line, NONE_CODE};
use super::values::{Scientific, amount, id, is_null, is_whole_float, normalise, quantity, scientific_id};
use crate::config::{Decimal, EqualLines, Format, KeepOrDrop, Normalise, OrderColumn, StatusMeaning};
use anyhow::{Context, bail};
use qianmian_money::{Exact, Money};
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;

/// True if a row is a whole basket that nothing tells apart from another: guests often buy the same items.
fn is_basket_of_nobody(row: &Row<'_>, file: &SourceFile) -> bool {
    let has = |column: OrderColumn| row.get(column as usize).is_some();
    matches!(file.format, Format::Baskets | Format::OneHot)
        && !has(OrderColumn::OrderId)
        && !(has(OrderColumn::UserId) && has(OrderColumn::OrderedAt))
}

/// The reason why a row gives no line: it is rejected, or the whole run fails.
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

/// The settings that rows are read with, from the configuration and the first rows.
pub struct Reading {
    /// Readers of times; `None` for sequences and timeless orders.
    pub times: Option<Times>,
    /// Readers of `updated_at`.
    pub updated: Option<Times>,
    /// The decimal mark of each file.
    pub decimals: Vec<Decimal>,
    /// Columns carried down from an order's first line.
    pub fill: FillDown,
    /// Columns of ids from which `.0` is removed.
    pub floats: Vec<OrderColumn>,
    /// By file: true if it has quantities, or if its format is sequences, baskets or one-hot.
    pub has_quantity: Vec<bool>,
    /// Assigns rows to baskets.
    pub baskets: Baskets,
    /// True if one line may occur in several states: in several files, or with different `updated_at`.
    pub has_states: bool,
}

/// Counts for warnings, such as corrected ids and unreadable prices; see [`Summary`] for rows.
#[derive(Debug, Default, Clone)]
pub struct Notes {
    /// Ids from which `.0` was removed, and those that kept it.
    pub floats_cured: u64,
    /// See `floats_cured`.
    pub floats_kept: u64,
    /// Examples of ids that a spreadsheet rounded.
    pub rounded: Vec<String>,
    /// Prices that cannot be read, with examples.
    pub unreadable_prices: (u64, Vec<String>),
    /// Lines whose price has more decimals than the currency, with examples.
    pub rounded_amounts: (u64, Vec<String>),
    /// Amounts below zero with a positive quantity.
    pub negative_amounts: u64,
    /// Rows that match `cancelled_when` and have a negative quantity.
    pub negative_cancelled: u64,
    /// Lines of price 0 that count.
    pub free_lines: u64,
    /// In files without quantities: equal lines counted as pieces, and those counted as duplicates.
    pub equal_pieces: u64,
    /// See `equal_pieces`.
    pub equal_duplicates: u64,
    /// Purchase rows with a room, and with a merchant.
    pub with_room: u64,
    /// See `with_room`.
    pub with_merchant: u64,
    /// Purchase rows whose room or merchant is beyond the limit on their number.
    pub beyond_codes: u64,
}

/// Sorts rows into purchases, returns and the rest, and counts each.
pub struct Cleaner<'r> {
    rules: &'r Rules,
    /// The settings that rows are read with.
    pub reading: Reading,
    /// Purchases, returns and baskets so far.
    pub raw: Raw,
    /// The row counts so far.
    pub summary: Summary,
    /// Counts for warnings.
    pub notes: Notes,
    /// Words of the status column.
    pub statuses: Statuses,
    /// The catalog from the orders' own columns.
    pub catalogue: Catalogue,
    scratch: Vec<u8>,
    seen: FxHashSet<u128>,
    /// Digests of the rows of the current order, in files without quantities.
    run: FxHashSet<u128>,
    run_key: (usize, String),
    excluded: FxHashMap<Box<str>, bool>,
}

impl<'r> Cleaner<'r> {
    /// Starts with no row.
    pub fn new(rules: &'r Rules, reading: Reading, statuses: Statuses, catalogue: Catalogue) -> Self {
        Self {
            rules,
            reading,
            raw: Raw::default(),
            summary: Summary::default(),
            notes: Notes::default(),
            statuses,
            catalogue,
            scratch: Vec::new(),
            seen: FxHashSet::default(),
            run: FxHashSet::default(),
            run_key: (usize::MAX, String::new()),
            excluded: FxHashMap::default(),
        }
    }

    /// Counts a row read, good or bad.
    ///
    /// # Errors
    /// Fails if the run has more rows than it allows.
    pub fn count(&mut self) -> anyhow::Result<()> {
        self.summary.rows_read += 1;
        if self.summary.rows_read > self.rules.max_lines {
            bail!("the orders have more than {} rows, the limit of one run", self.rules.max_lines);
        }
        Ok(())
    }

    /// Processes a row. `Ok(Some(reason))` is a rejected row, which the caller counts and writes.
    ///
    /// # Errors
    /// Fails if there are too many ids to number.
    pub fn take(&mut self, row: &Row<'_>, file: &SourceFile) -> anyhow::Result<Option<Reason>> {
        let mut fill = std::mem::take(&mut self.reading.fill);
        fill.see(row, file.number);
        // In a sequence, the same item twice is two steps, not a duplicate.
        let may_repeat = row.at.is_some() || is_basket_of_nobody(row, file);
        let sorted = if !may_repeat && self.is_duplicate(row, file.number, &fill) {
            self.summary.duplicates += 1;
            Ok(())
        } else {
            self.sort(row, file.number, &fill)
        };
        self.reading.fill = fill;
        match sorted {
            Ok(()) => Ok(None),
            Err(Stop::Reject(reason)) => Ok(Some(reason)),
            Err(Stop::Fatal(error)) => Err(error),
        }
    }

    /// True if the row repeats an earlier one. In files without quantities, equal lines of one order in adjacent rows
    /// are pieces, unless the configuration says otherwise.
    fn is_duplicate(&mut self, row: &Row<'_>, file: usize, fill: &FillDown) -> bool {
        let digest = fill.digest(row, &mut self.scratch);
        let is_new = self.seen.insert(digest);
        if self.reading.has_quantity.get(file).copied().unwrap_or(true) {
            return !is_new;
        }
        let order = fill.get(row, OrderColumn::OrderId as usize).unwrap_or("");
        let everywhere = self.rules.equal_lines == Some(EqualLines::Pieces);
        if self.run_key.0 != file || (!everywhere && self.run_key.1 != order) {
            self.run.clear();
            self.run_key.0 = file;
            self.run_key.1.clear();
            self.run_key.1.push_str(order);
        }
        // `run` has only lines that are new in this order; lines of an earlier file are complete with all pieces.
        let stands_together = self.run.contains(&digest);
        if is_new {
            self.run.insert(digest);
            return false;
        }
        let is_piece = stands_together && self.rules.equal_lines != Some(EqualLines::Duplicates);
        self.notes.equal_pieces += u64::from(is_piece);
        self.notes.equal_duplicates += u64::from(!is_piece && stands_together);
        !is_piece
    }

    fn sort(&mut self, row: &Row<'_>, file: usize, fill: &FillDown) -> Result<(), Stop> {
        let get = |column: OrderColumn| fill.get(row, column as usize);
        let rules = self.rules;
        if rules.leaves_out(row, fill) {
            self.summary.left_out += 1;
            return Ok(());
        }
        let written = get(OrderColumn::ItemId).filter(|item| !is_null(item)).ok_or(Reason::NoItem)?;
        if self.is_excluded(written) {
            self.summary.excluded += 1;
            return Ok(());
        }
        let item_id = self.id(written, OrderColumn::ItemId, rules.item_id)?;
        // Sequences have no order ids: each row is a basket of its own.
        let order_id = match get(OrderColumn::OrderId).filter(|order| !is_null(order)) {
            _ if row.at.is_some() || !self.reading.baskets.are_orders() => None,
            Some(order) => Some(self.id(order, OrderColumn::OrderId, rules.order_id)?),
            None => return Err(Reason::NoOrderId.into()),
        };
        let at = self.at(row, file, fill)?;
        let decimal = self.reading.decimals.get(file).copied().unwrap_or(Decimal::Point);
        let mut quantity = quantity(get(OrderColumn::Quantity), decimal)?;
        let price =
            self.price(get(OrderColumn::UnitPrice), get(OrderColumn::LineTotal), &mut quantity, decimal);
        let user_id = match get(OrderColumn::UserId) {
            Some(user) => Some(self.id(user, OrderColumn::UserId, rules.user_id)?),
            None => None,
        };
        let item = numbered(&mut self.raw.items, &item_id)?;
        let user = user_id.map_or(Ok(GUEST), |user_id| numbered(&mut self.raw.users, &user_id))?;
        self.catalogue.observe(row, item);
        let status = get(OrderColumn::Status).filter(|status| !is_null(status));
        let meaning = status.map_or(StatusMeaning::Bought, |word| self.statuses.meaning(word, row.line));
        let state = self.state(row, file);
        if rules.cancels(row, fill) || meaning == StatusMeaning::Cancelled {
            self.summary.cancelled += 1;
            self.notes.negative_cancelled += u64::from(quantity < 0.0);
            let place = Place { order_id: order_id.as_deref(), user, at, file, state, is_purchase: false };
            let basket = self.reading.baskets.number(&place, row, &mut self.raw)?;
            self.raw.cancelled.push(Cancelled { user, item, at, basket, state });
            return Ok(());
        }
        if quantity < 0.0 || meaning == StatusMeaning::Returned || rules.returns(row, fill) {
            self.give_back(Return { at, user, item, quantity: quantity.abs() as f32 });
            return Ok(());
        }
        if quantity == 0.0 {
            self.summary.zero_quantity += 1;
            return Ok(());
        }
        if price.is_some_and(|price| price.amount.is_zero()) {
            if rules.free_lines == Some(KeepOrDrop::Drop) {
                self.summary.free += 1;
                return Ok(());
            }
            self.notes.free_lines += 1;
        }
        let channel = code(&mut self.raw.channels, get(OrderColumn::Channel), rules.channel, "channels")?;
        let store = code(&mut self.raw.stores, get(OrderColumn::StoreId), rules.store_id, "stores")?;
        let room_id = get(OrderColumn::RoomId).filter(|room| !is_null(room));
        let merchant_id = get(OrderColumn::MerchantId).filter(|merchant| !is_null(merchant));
        self.notes.with_room += u64::from(room_id.is_some());
        self.notes.with_merchant += u64::from(merchant_id.is_some());
        let beyond = &mut self.notes.beyond_codes;
        let room = code_within(&mut self.raw.rooms, room_id, rules.room_id, beyond)?;
        let merchant = code_within(&mut self.raw.merchants, merchant_id, rules.merchant_id, beyond)?;
        let place = Place { order_id: order_id.as_deref(), user, at, file, state, is_purchase: true };
        let basket = self.reading.baskets.number(&place, row, &mut self.raw)?;
        let paid = Money::packed(price.and_then(|price| self.paid(price, quantity)));
        let quantity = quantity as f32;
        self.raw.lines.push(Line { at, basket, user, item, quantity, paid, channel, store, room, merchant });
        if self.reading.has_states {
            self.raw.states.push(state);
        }
        Ok(())
    }

    /// The normalized id: without the `.0` of a float, and with the digits hidden by scientific notation.
    fn id<'a>(
        &mut self,
        written: &'a str,
        column: OrderColumn,
        how: Option<Normalise>,
    ) -> Result<Cow<'a, str>, Reason> {
        let missing = if column == OrderColumn::ItemId { Reason::NoItem } else { Reason::NoId };
        if is_whole_float(written) && how != Some(Normalise::StripDecimal) {
            if self.reading.floats.contains(&column) {
                self.notes.floats_cured += 1;
                return id(Some(written), Some(Normalise::StripDecimal), missing);
            }
            self.notes.floats_kept += 1;
        }
        match scientific_id(written) {
            Scientific::No => id(Some(written), how, missing),
            Scientific::Exact(digits) => {
                self.notes.floats_cured += 1;
                Ok(Cow::Owned(digits))
            }
            Scientific::Rounded => {
                if self.notes.rounded.len() < 3 && self.notes.rounded.iter().all(|other| other != written) {
                    self.notes.rounded.push(written.to_owned());
                }
                Err(Reason::RoundedId)
            }
        }
    }

    /// The price in a line; `None` if it is missing or unreadable. An amount below zero with a positive quantity
    /// makes the quantity negative, a return.
    fn price<'v>(
        &mut self,
        unit: Option<&'v str>,
        total: Option<&'v str>,
        quantity: &mut f64,
        decimal: Decimal,
    ) -> Option<Price<'v>> {
        let written = unit.or(total).filter(|value| !is_null(value))?;
        let Ok(amount) = amount(written, decimal) else {
            note(&mut self.notes.unreadable_prices, written);
            return None;
        };
        if amount.is_negative() && *quantity > 0.0 {
            self.notes.negative_amounts += 1;
            *quantity = -*quantity;
        }
        Some(Price { amount: amount.abs(), is_total: unit.is_none(), written })
    }

    /// The price of all pieces, rounded once; `None` for an amount beyond the largest one, which must be wrong.
    fn paid(&mut self, price: Price<'_>, quantity: f64) -> Option<Money> {
        let all = || price.amount.times(Exact::of(quantity)?);
        let total = if price.is_total { Some(price.amount) } else { all() };
        let Some((paid, was_rounded)) = total.and_then(|total| self.rules.currency.rounded(total)) else {
            note(&mut self.notes.unreadable_prices, price.written);
            return None;
        };
        if was_rounded {
            note(&mut self.notes.rounded_amounts, price.written);
        }
        Some(paid)
    }

    /// True if the item id matches `exclude_items`. Cached, because few pseudo-items have many rows.
    fn is_excluded(&mut self, written: &str) -> bool {
        let Some(pattern) = &self.rules.exclude_items else {
            return false;
        };
        if let Some(&known) = self.excluded.get(written) {
            return known;
        }
        let excluded = pattern.is_match(written) || pattern.is_match(&normalise(written, self.rules.item_id));
        // Values too long for an id are not cached, to bound the memory for a broken column.
        if written.len() <= super::values::MAX_ID_BYTES {
            self.excluded.insert(written.into(), excluded);
        }
        excluded
    }

    fn at(&mut self, row: &Row<'_>, file: usize, fill: &FillDown) -> Result<i64, Reason> {
        if let Some(at) = row.at {
            return Ok(at);
        }
        let Some(times) = &mut self.reading.times else {
            // Timeless: the number of the row.
            return Ok(i64::try_from(self.summary.rows_read).unwrap_or(i64::MAX) - 1);
        };
        let column = OrderColumn::OrderedAt as usize;
        let value = row.value(column).or_else(|| fill.get(row, column).map(Cow::Borrowed));
        let at = value.and_then(|value| times.read(file, &value)).ok_or(Reason::UnparsableTime)?;
        // One day of tolerance for wrong clocks and zones.
        if at > self.rules.now.saturating_add(DAY_SECONDS) { Err(Reason::FutureTime) } else { Ok(at) }
    }

    /// The state of a line, `updated_at` or the number of the file; the largest state of a line wins.
    fn state(&mut self, row: &Row<'_>, file: usize) -> i64 {
        let updated = row.value(OrderColumn::UpdatedAt as usize);
        match (&mut self.reading.updated, updated) {
            (Some(times), Some(value)) => times.read(file, &value).unwrap_or(i64::MIN),
            (Some(_), None) => i64::MIN,
            (None, _) => file as i64,
        }
    }

    fn give_back(&mut self, back: Return) {
        self.summary.returns += 1;
        if back.user == GUEST {
            self.summary.returns_of_guests += 1;
        } else if back.quantity > 0.0 {
            self.raw.returns.push(back);
        }
    }
}

/// A price in a line.
#[derive(Clone, Copy)]
struct Price<'v> {
    /// Zero or more.
    amount: Exact,
    /// True if it is the price of all pieces.
    is_total: bool,
    written: &'v str,
}

/// Counts a value, and keeps the first three as examples.
fn note((count, examples): &mut (u64, Vec<String>), value: &str) {
    *count += 1;
    if examples.len() < 3 {
        examples.push(value.to_owned());
    }
}

pub(super) fn numbered(dictionary: &mut Dictionary, id: &str) -> anyhow::Result<u32> {
    dictionary.code(id.as_bytes()).context("more ids than can be numbered")
}

/// The number of a room or merchant. At most [`NONE_CODE`] different ones are kept, as a marketplace may have very
/// many; further ones give [`NONE_CODE`], and their rows are counted in `beyond`.
pub(super) fn code_within(
    dictionary: &mut Dictionary,
    value: Option<&str>,
    how: Option<Normalise>,
    beyond: &mut u64,
) -> Result<u16, Stop> {
    let Some(value) = value else { return Ok(NONE_CODE) };
    let id = id(Some(value), how, Reason::NoId)?;
    let is_full = dictionary.len() >= usize::from(NONE_CODE);
    let number = if is_full { dictionary.find(id.as_bytes()) } else { Some(numbered(dictionary, &id)?) };
    *beyond += u64::from(number.is_none());
    // Numbers are below `NONE_CODE`.
    Ok(number.map_or(NONE_CODE, |number| number as u16))
}

/// The number of a channel or store.
pub(super) fn code(
    dictionary: &mut Dictionary,
    value: Option<&str>,
    how: Option<Normalise>,
    what: &str,
) -> Result<u16, Stop> {
    let Some(value) = value.filter(|value| !is_null(value)) else {
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
