//! Events as a source of order lines: purchases and refunds that the orders do not tell of.
//!
//! An event has neither an order id nor a quantity. So what one person buys in one visit, each within a minute
//! after the one before, is a basket, a piece of each item at the event's value; a refund gives one piece back.
//! Where the orders know of the same user, item and day (UTC), bought or cancelled, they are right and the event
//! is passed over. Browsing is read past: it is no purchase.

mod summary;

pub use summary::EventSummary;

use super::clean::{Basket, Raw, Return, Stop, code, numbered};
use super::dictionary::Dictionary;
use super::layout::Layout;
use super::meter::Meter;
use super::rejects::{Rejects, Tally};
use super::rules::Rules;
use super::source::{Event, Flow, Row, Source};
use super::summary::{Reason, Summary};
use super::time::TimeReader;
use super::times::detect;
use super::types::{DAY_SECONDS, GUEST, Line, NONE_CODE};
use super::values::{id, normalise, price};
use crate::config::{Config, Normalise, Table, TableConfig};
use rustc_hash::{FxHashMap, FxHashSet};

/// Purchases that follow each other this closely are of one basket.
const TOGETHER_SECONDS: i64 = 60;

// The numbers of the columns, in the order of `Table::columns`.
const EVENT_ID: usize = 0;
const TYPE: usize = 1;
const OCCURRED_AT: usize = 2;
const USER_ID: usize = 3;
const SESSION_ID: usize = 4;
const ITEM_ID: usize = 5;
const CHANNEL: usize = 6;
const VALUE: usize = 10;

/// The events' files, found.
pub struct Events {
    source: Source,
    options: TableConfig,
    purchases: bool,
    /// How ids are normalised: as the section says, else as the orders do.
    user_id: Option<Normalise>,
    item_id: Option<Normalise>,
    max_reject_ratio: f64,
}

/// A purchase that an event tells of.
#[derive(Debug, Clone, Copy)]
struct Bought {
    at: i64,
    /// A number of `Raw::users`, or [`GUEST`].
    user: u32,
    /// The visit, numbered for this run; `u32::MAX` where none is said.
    session: u32,
    item: u32,
    unit_price: f32,
    channel: u16,
}

/// What a row says.
enum Told {
    Bought(Bought),
    GivenBack(Return),
    Excluded,
    Repeated,
    Unused,
}

impl Events {
    /// Finds the files; `None` where the configuration names no events.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn open(config: &Config, max_reject_ratio: f64) -> anyhow::Result<Option<Self>> {
        let Some(events) = &config.events else { return Ok(None) };
        let options = events.source();
        let how = |column: &str| {
            options.normalise.get(column).or_else(|| config.orders.normalise.get(column)).copied()
        };
        let (user_id, item_id) = (how("user_id"), how("item_id"));
        let source = Source::open(Table::Events, &options)?;
        Ok(Some(Self { source, purchases: events.purchases, user_id, item_id, max_reject_ratio, options }))
    }

    /// Size on disk.
    pub fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    /// Adds what the orders do not tell of to `raw`, and accounts for it in their `summary`.
    ///
    /// # Errors
    /// When a file cannot be read, a needed column is missing or too many rows are bad.
    pub fn add(
        &self,
        rules: &Rules,
        raw: &mut Raw,
        summary: &mut Summary,
        meter: &Meter<'_>,
        rejects: &mut Rejects,
    ) -> anyhow::Result<()> {
        let files = self.source.files().iter().map(super::source::SourceFile::name).collect();
        let mut account = EventSummary { files, ..EventSummary::default() };
        let (bought, returns) = self.read(rules, raw, &mut account, meter, rejects)?;
        let told = bought.len() + returns.len();
        let bought = unknown(
            bought,
            raw,
            |b| (b.user, b.item, b.at),
            |raw| {
                let lines = raw.lines.iter().map(|l| (l.user, l.item, raw.baskets[l.basket as usize].first));
                Box::new(lines.chain(raw.cancelled.iter().copied()))
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
        let mut layout = Layout::default();
        for (number, column) in Table::Events.columns().iter().enumerate() {
            layout.add(Table::Events, column, matches!(number, EVENT_ID | TYPE | OCCURRED_AT), &self.options);
        }
        self.source.check(&layout.wanted)?;
        let time = detect(&self.source, Table::Events, "occurred_at", &self.options)?;
        let mut rows = Rows {
            events: self,
            rules,
            time,
            raw,
            sessions: Dictionary::default(),
            seen: FxHashSet::default(),
        };
        let (mut bought, mut returns, mut tally) = (Vec::new(), Vec::new(), Tally::default());
        self.source.each_row(&layout.wanted, meter.read(), &mut |file, event| {
            account.rows_read += 1;
            meter.row();
            let (line, reason, shown) = match event {
                Event::Bad { line, reason, shown } => (line, reason, shown),
                Event::Row(row) => match rows.take(row) {
                    Err(Stop::Fatal(error)) => return Err(error),
                    Err(Stop::Reject(reason)) => (row.line, reason, row.show()),
                    Ok(told) => {
                        match told {
                            Told::Bought(purchase) => bought.push(purchase),
                            Told::GivenBack(back) => returns.push(back),
                            Told::Excluded => account.excluded += 1,
                            Told::Repeated => account.repeated += 1,
                            Told::Unused => account.unused += 1,
                        }
                        return Ok(Flow::Next);
                    }
                },
            };
            tally.reject(rejects, &file.name(), line, reason, &shown)?;
            Ok(Flow::Next)
        })?;
        (account.rejected, account.rejects) = (tally.total(), tally.counts());
        tally.check("events", account.rows_read, self.max_reject_ratio)?;
        Ok((bought, returns))
    }
}

/// What reading the rows needs.
struct Rows<'r> {
    events: &'r Events,
    rules: &'r Rules,
    time: Option<TimeReader>,
    raw: &'r mut Raw,
    sessions: Dictionary,
    /// The ids of the events that count, by 128 bits of BLAKE3.
    seen: FxHashSet<u128>,
}

impl Rows<'_> {
    fn take(&mut self, row: &Row<'_>) -> Result<Told, Stop> {
        let kind = row.get(TYPE).ok_or(Reason::NoType)?;
        let purchase = kind.eq_ignore_ascii_case("purchase");
        if !self.events.purchases || !(purchase || kind.eq_ignore_ascii_case("refund")) {
            return Ok(Told::Unused);
        }
        let event_id = id(row.get(EVENT_ID), None, Reason::NoId)?;
        let written = row.get(ITEM_ID).ok_or(Reason::NoItem)?;
        let item_id = normalise(written, self.events.item_id);
        let pattern = self.rules.exclude_items.as_ref();
        if pattern.is_some_and(|pattern| pattern.is_match(written) || pattern.is_match(&item_id)) {
            return Ok(Told::Excluded);
        }
        let item_id = id(Some(written), self.events.item_id, Reason::NoItem)?;
        let at = self.time.as_mut().zip(row.get(OCCURRED_AT)).and_then(|(time, value)| time.read(value));
        let at = at.ok_or(Reason::UnparsableTime)?;
        // A day of grace for clocks and zones.
        if at > self.rules.now.saturating_add(DAY_SECONDS) {
            return Err(Reason::FutureTime.into());
        }
        let user_id =
            row.get(USER_ID).map(|user| id(Some(user), self.events.user_id, Reason::NoId)).transpose()?;
        let session_id =
            row.get(SESSION_ID).map(|session| id(Some(session), None, Reason::NoId)).transpose()?;
        if user_id.is_none() && session_id.is_none() {
            return Err(Reason::NoId.into());
        }
        let unit_price = row.get(VALUE).filter(|_| purchase).map_or(Ok(f32::NAN), price)?;
        if !self.seen.insert(short(&event_id)) {
            return Ok(Told::Repeated);
        }
        let item = numbered(&mut self.raw.items, &item_id)?;
        let user = user_id.map_or(Ok(GUEST), |user_id| numbered(&mut self.raw.users, &user_id))?;
        if !purchase {
            return Ok(Told::GivenBack(Return { at, user, item, quantity: 1.0 }));
        }
        let session = session_id.map_or(Ok(u32::MAX), |session| numbered(&mut self.sessions, &session))?;
        let channel = code(&mut self.raw.channels, row.get(CHANNEL), self.rules.channel, "channels")?;
        Ok(Told::Bought(Bought { at, user, session, item, unit_price, channel }))
    }
}

fn short(id: &str) -> u128 {
    let mut half = [0u8; 16];
    half.copy_from_slice(&blake3::hash(id.as_bytes()).as_bytes()[..16]);
    u128::from_le_bytes(half)
}

/// Who, what and when, unix seconds.
type Fact = (u32, u32, i64);

/// Those of `told` that the orders do not know, by user, item and day. Memory grows with the events, not with
/// the orders.
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

/// Adds purchases as lines, those that belong together under one basket.
fn add_baskets(mut bought: Vec<Bought>, raw: &mut Raw) -> anyhow::Result<()> {
    bought.sort_by_key(|b| (b.user, b.session, b.at));
    let together = |a: &Bought, b: &Bought| {
        (a.user, a.session) == (b.user, b.session) && b.at - a.at <= TOGETHER_SECONDS
    };
    for basket in bought.chunk_by(together) {
        let number = u32::try_from(raw.baskets.len())
            .map_err(|_| anyhow::anyhow!("more baskets than can be numbered"))?;
        let rows = u32::try_from(basket.len()).unwrap_or(u32::MAX);
        raw.baskets.push(Basket { first: basket[0].at, last: basket[basket.len() - 1].at, rows });
        raw.lines.extend(basket.iter().map(|b| Line {
            at: 0,
            basket: number,
            user: b.user,
            item: b.item,
            quantity: 1.0,
            unit_price: b.unit_price,
            channel: b.channel,
            store: NONE_CODE,
        }));
    }
    Ok(())
}
