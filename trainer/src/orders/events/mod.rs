//! Events as a source of order lines: purchases and refunds that are missing from the orders.
//!
//! An event has no quantity and mostly no order id. So a basket is a series of purchases of one person in one visit,
//! each within a minute of the previous one. Each purchase is one piece at the event's value; a refund returns one
//! piece.
//! If the orders have the same user, item and day (UTC), bought or cancelled, the orders win and the event is
//! skipped. Browsing is skipped: it is no purchase. Without orders, events are the only source.
//! Anybody can send storefront events: beside orders, their purchases and refunds are left to the orders.
//! An event without an id is identified by all its columns.

mod summary;

pub use summary::EventSummary;

use super::clean::{Stop, code, code_within, numbered};
use super::dictionary::Dictionary;
use super::layout::Layout;
use super::meter::Meter;
use super::raw::{Basket, Cancelled, Raw, Return};
use super::read::ReadOptions;
use super::rejects::{Rejects, Tally};
use super::rules::Rules;
use super::source::{Event, Flow, Row, Source, SourceFile};
use super::summary::{Reason, Summary};
use super::times::{Times, detect};
use super::types::{DAY_SECONDS, GUEST, Line, NONE_CODE};
use super::values::{amount, id, is_null, normalise, yes};
use crate::config::{Config, Decimal, EventColumn, Normalise, Table, TableConfig, folded};
use qianmian_money::Money;
use rustc_hash::{FxHashMap, FxHashSet};

/// Longest time between two consecutive purchases of one basket.
const TOGETHER_SECONDS: i64 = 60;

/// Types of events that are purchases, by [`folded`].
#[rustfmt::skip]
const PURCHASES: &[&str] = &[
    "purchase", "purchased", "buy", "bought", "transaction", "order", "ordered", "orderplaced", "orderpaid",
    "ordercompleted", "checkoutcomplete", "checkoutcompleted", "paid", "pay", "payment", "sale", "购买", "支付",
    "付款", "成交", "购买成功", "支付成功", "下单支付", "購入", "구매", "kauf", "achat", "compra",
];

/// Types of events that are refunds.
const REFUNDS: &[&str] = &["refund", "refunded", "return", "returned", "退款", "退货", "返品", "환불"];

/// Other event types, with which an event log is recognized.
#[rustfmt::skip]
const OTHERS: &[&str] = &[
    "view", "pv", "pageview", "productview", "productviewed", "viewproduct", "viewcontent", "itemview", "viewitem", "detail", "click", "cart", "addtocart", "removefromcart",
    "addcart", "cartadd", "cartremove", "addtobag", "addtobasket", "addtowishlist", "initiatecheckout", "fav", "favorite", "favourite", "collect", "wishlist", "like", "share", "search", "expose",
    "impression", "checkout", "begincheckout", "浏览", "点击", "加购", "加购物车", "加入购物车", "下单", "收藏", "曝光", "分享", "搜索",
];

/// True if a word is a known event type.
pub fn is_event_type(word: &str) -> bool {
    [PURCHASES, REFUNDS, OTHERS].iter().any(|words| words.contains(&folded(word).as_str()))
}

/// Most event types in the account.
const MAX_TYPES: usize = 100;

/// The events' files and the settings for reading them.
pub struct Events {
    source: Source,
    options: TableConfig,
    purchases: bool,
    /// The normalization of ids: that of the events section, else that of the orders.
    user_id: Option<Normalise>,
    item_id: Option<Normalise>,
    max_reject_ratio: f64,
    now: i64,
}

/// A purchase event.
#[derive(Debug, Clone, Copy)]
struct Bought {
    at: i64,
    /// A number of `Raw::users`, or [`GUEST`].
    user: u32,
    /// The visit, numbered for this run; `u32::MAX` for none.
    session: u32,
    /// The order, numbered for this run; `u32::MAX` for none.
    order: u32,
    item: u32,
    paid: Option<Money>,
    channel: u16,
    room: u16,
}

/// The outcome of a row.
enum Told {
    Bought(Bought),
    GivenBack(Return),
    Excluded,
    Repeated,
    Unused,
    /// Sent by a storefront; counts only if the orders have it too.
    Unconfirmed,
}

impl Events {
    /// Finds the files; `None` if the configuration names no events.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn open(config: &Config, run: &ReadOptions) -> anyhow::Result<Option<Self>> {
        let Some(events) = &config.events else { return Ok(None) };
        let options = events.source();
        let how = |column: &str| {
            options.normalise.get(column).or_else(|| config.orders.normalise.get(column)).copied()
        };
        let (user_id, item_id) = (how("user_id"), how("item_id"));
        let source = Source::open(Table::Events, &options)?;
        let (max_reject_ratio, now) = (run.max_reject_ratio, run.now);
        Ok(Some(Self {
            source,
            purchases: events.purchases,
            user_id,
            item_id,
            max_reject_ratio,
            now,
            options,
        }))
    }

    /// Names of the files, in reading order.
    pub fn files(&self) -> Vec<String> {
        self.source.files().iter().map(SourceFile::name).collect()
    }

    /// Size on disk.
    pub fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    /// Adds purchases and refunds that are missing from the orders to `raw`, and counts them in `summary`.
    ///
    /// # Errors
    /// Fails if a file cannot be read, a needed column is missing or too many rows are bad.
    pub fn add(
        &self,
        rules: &Rules,
        raw: &mut Raw,
        summary: &mut Summary,
        meter: &Meter<'_>,
        rejects: &mut Rejects,
    ) -> anyhow::Result<()> {
        let mut account = EventSummary { files: self.files(), ..EventSummary::default() };
        let (bought, returns) = self.read(rules, raw, &mut account, meter, rejects)?;
        let told = bought.len() + returns.len();
        let bought = unknown(
            bought,
            raw,
            |b| (b.user, b.item, b.at),
            |raw| {
                let lines = raw.lines.iter().map(|l| (l.user, l.item, raw.baskets[l.basket as usize].first));
                Box::new(lines.chain(raw.cancelled.iter().map(|c: &Cancelled| (c.user, c.item, c.at))))
            },
        );
        let returns = unknown(
            returns,
            raw,
            |r| (r.user, r.item, r.at),
            |raw| Box::new(raw.returns.iter().map(|r| (r.user, r.item, r.at))),
        );
        account.purchases = bought.len() as u64;
        account.refunds = returns.len() as u64;
        account.in_orders = told as u64 - account.purchases - account.refunds;
        summary.rows_read += account.purchases + account.refunds;
        summary.returns += account.refunds;
        let (guests, known): (Vec<Return>, Vec<Return>) = returns.into_iter().partition(|r| r.user == GUEST);
        summary.returns_of_guests += guests.len() as u64;
        raw.returns.extend(known);
        add_baskets(bought, raw)?;
        summary.events = Some(account);
        Ok(())
    }

    fn read(
        &self,
        rules: &Rules,
        raw: &mut Raw,
        account: &mut EventSummary,
        meter: &Meter<'_>,
        rejects: &mut Rejects,
    ) -> anyhow::Result<(Vec<Bought>, Vec<Return>)> {
        let is_required = |name: &str| matches!(name, "type" | "occurred_at" | "item_id");
        let layout = Layout::of_table(Table::Events, &self.options, &is_required);
        account.understood = self.source.check(&layout.wanted)?;
        let times = detect(&self.source, Table::Events, "occurred_at", &self.options, self.now)?;
        let mut rows = Rows {
            events: self,
            rules,
            times,
            has_orders: !raw.lines.is_empty(),
            raw,
            sessions: Dictionary::default(),
            orders: Dictionary::default(),
            seen: FxHashSet::default(),
            types: FxHashMap::default(),
            scratch: Vec::new(),
            unreadable: 0,
            rooms_left_out: 0,
        };
        let (mut bought, mut returns, mut tally) = (Vec::new(), Vec::new(), Tally::default());
        let lines = self.source.each_row(&layout.wanted, meter.read(), &mut |file, event| {
            account.rows_read += 1;
            meter.row();
            let (line, reason, shown) = match event {
                Event::Bad { line, reason, shown } => (line, reason, shown),
                Event::Row(row) => match rows.take(row, file.number) {
                    Err(Stop::Fatal(error)) => return Err(error),
                    Err(Stop::Reject(reason)) => (row.line, reason, row.show()),
                    Ok(told) => {
                        match told {
                            Told::Bought(purchase) => bought.push(purchase),
                            Told::GivenBack(back) => returns.push(back),
                            Told::Excluded => account.excluded += 1,
                            Told::Repeated => account.repeated += 1,
                            Told::Unused => account.unused += 1,
                            Told::Unconfirmed => account.unconfirmed += 1,
                        }
                        return Ok(Flow::Next);
                    }
                },
            };
            tally.reject(rejects, &file.name(), line, reason, &shown)?;
            Ok(Flow::Next)
        })?;
        lines.into_iter().for_each(|file| account.lines.add(file));
        account.types = rows.types.into_iter().map(|(name, count)| (name.to_string(), count)).collect();
        account.unreadable_values = rows.unreadable;
        account.rooms_left_out = rows.rooms_left_out;
        (account.rejected, account.rejects) = (tally.total(), tally.counts());
        tally.check("events", account.rows_read, self.max_reject_ratio)?;
        Ok((bought, returns))
    }
}

/// The state of reading rows.
struct Rows<'r> {
    events: &'r Events,
    rules: &'r Rules,
    times: Option<Times>,
    raw: &'r mut Raw,
    /// True if there are orders; storefront events are then left to them.
    has_orders: bool,
    sessions: Dictionary,
    orders: Dictionary,
    /// 128-bit hashes of the ids of purchases and refunds seen, or of the whole event if it has no id.
    seen: FxHashSet<u128>,
    /// Rows by type.
    types: FxHashMap<Box<str>, u64>,
    scratch: Vec<u8>,
    unreadable: u64,
    rooms_left_out: u64,
}

impl Rows<'_> {
    fn take(&mut self, row: &Row<'_>, file: usize) -> Result<Told, Stop> {
        let get = |column: EventColumn| row.get(column as usize).filter(|value| !is_null(value));
        let kind = get(EventColumn::Type).ok_or(Reason::NoType)?;
        let n_types = self.types.len();
        match self.types.get_mut(kind) {
            Some(count) => *count += 1,
            None if n_types < MAX_TYPES => drop(self.types.insert(kind.into(), 1)),
            None => {}
        }
        let is = |words: &[&str]| words.contains(&folded(kind).as_str());
        let purchase = is(PURCHASES);
        if !self.events.purchases || !(purchase || is(REFUNDS)) {
            return Ok(Told::Unused);
        }
        let event_id = match get(EventColumn::EventId) {
            Some(written) => short(&id(Some(written), None, Reason::NoId)?),
            None => row.digest(&mut self.scratch),
        };
        let written = get(EventColumn::ItemId).ok_or(Reason::NoItem)?;
        let item_id = normalise(written, self.events.item_id);
        let pattern = self.rules.exclude_items.as_ref();
        if pattern.is_some_and(|pattern| pattern.is_match(written) || pattern.is_match(&item_id)) {
            return Ok(Told::Excluded);
        }
        let item_id = id(Some(written), self.events.item_id, Reason::NoItem)?;
        let value = row.value(EventColumn::OccurredAt as usize);
        let at = self.times.as_mut().zip(value).and_then(|(times, value)| times.read(file, &value));
        let at = at.ok_or(Reason::UnparsableTime)?;
        // One day of tolerance for wrong clocks and zones.
        if at > self.rules.now.saturating_add(DAY_SECONDS) {
            return Err(Reason::FutureTime.into());
        }
        let user_id = get(EventColumn::UserId)
            .map(|user| id(Some(user), self.events.user_id, Reason::NoId))
            .transpose()?;
        let session_id =
            get(EventColumn::SessionId).map(|session| id(Some(session), None, Reason::NoId)).transpose()?;
        let order_id =
            get(EventColumn::OrderId).map(|order| id(Some(order), None, Reason::NoOrderId)).transpose()?;
        if user_id.is_none() && session_id.is_none() && order_id.is_none() {
            return Err(Reason::NoId.into());
        }
        let paid = self.paid(get(EventColumn::Value).filter(|_| purchase));
        if !self.seen.insert(event_id) {
            return Ok(Told::Repeated);
        }
        if self.has_orders && get(EventColumn::Storefront).is_some_and(yes) {
            return Ok(Told::Unconfirmed);
        }
        let item = numbered(&mut self.raw.items, &item_id)?;
        let user = user_id.map_or(Ok(GUEST), |user_id| numbered(&mut self.raw.users, &user_id))?;
        if !purchase {
            return Ok(Told::GivenBack(Return { at, user, item, quantity: 1.0 }));
        }
        let session = session_id.map_or(Ok(u32::MAX), |session| numbered(&mut self.sessions, &session))?;
        let order = order_id.map_or(Ok(u32::MAX), |order| numbered(&mut self.orders, &order))?;
        let channel =
            code(&mut self.raw.channels, get(EventColumn::Channel), self.rules.channel, "channels")?;
        let room_id = get(EventColumn::RoomId).filter(|room| !is_null(room));
        let room = code_within(&mut self.raw.rooms, room_id, self.rules.room_id, &mut self.rooms_left_out)?;
        Ok(Told::Bought(Bought { at, user, session, order, item, paid, channel, room }))
    }

    /// The price of the event's piece, rounded to the currency's decimals; `None` if it is missing or unreadable.
    /// Unreadable ones are counted.
    fn paid(&mut self, written: Option<&str>) -> Option<Money> {
        let amount = amount(written?, Decimal::Point).ok().filter(|amount| !amount.is_negative());
        let paid = amount.and_then(|amount| self.rules.currency.rounded(amount));
        self.unreadable += u64::from(paid.is_none());
        paid.map(|(paid, _)| paid)
    }
}

fn short(id: &str) -> u128 {
    let mut half = [0u8; 16];
    half.copy_from_slice(&blake3::hash(id.as_bytes()).as_bytes()[..16]);
    u128::from_le_bytes(half)
}

/// User, item and time in unix seconds.
type Fact = (u32, u32, i64);

/// The events of `told` that are missing from the orders, by user, item and day. Memory grows with the events, not
/// with the orders.
fn unknown<T>(
    told: Vec<T>,
    raw: &Raw,
    fact: impl Fn(&T) -> Fact,
    known: impl for<'a> Fn(&'a Raw) -> Box<dyn Iterator<Item = Fact> + 'a>,
) -> Vec<T> {
    let day = |(user, item, at): Fact| (user, item, at.div_euclid(DAY_SECONDS));
    let mut days: FxHashMap<Fact, bool> = told.iter().map(|told| (day(fact(told)), false)).collect();
    for known in known(raw) {
        if let Some(is_known) = days.get_mut(&day(known)) {
            *is_known = true;
        }
    }
    told.into_iter().filter(|told| !days[&day(fact(told))]).collect()
}

/// Groups purchases into baskets and adds them as lines.
fn add_baskets(mut bought: Vec<Bought>, raw: &mut Raw) -> anyhow::Result<()> {
    bought.sort_by_key(|b| (b.user, b.order, b.session, b.at));
    let together = |a: &Bought, b: &Bought| {
        let is_one_visit = a.session == b.session && b.at - a.at <= TOGETHER_SECONDS;
        (a.user, a.order) == (b.user, b.order) && (a.order != u32::MAX || is_one_visit)
    };
    for basket in bought.chunk_by(together) {
        let number = u32::try_from(raw.baskets.len())
            .map_err(|_| anyhow::anyhow!("more baskets than can be numbered"))?;
        let rows = u32::try_from(basket.len()).unwrap_or(u32::MAX);
        let (first, last) = (basket.iter().map(|b| b.at).min(), basket.iter().map(|b| b.at).max());
        let (first, last) = (first.unwrap_or(0), last.unwrap_or(0));
        raw.baskets.push(Basket { first, last, rows, state: 0, is_again: false });
        if !raw.states.is_empty() {
            raw.states.extend(basket.iter().map(|_| 0));
        }
        raw.lines.extend(basket.iter().map(|b| Line {
            at: b.at,
            basket: number,
            user: b.user,
            item: b.item,
            quantity: 1.0,
            paid: Money::packed(b.paid),
            channel: b.channel,
            store: NONE_CODE,
            room: b.room,
            merchant: NONE_CODE,
        }));
    }
    Ok(())
}
