//! Reads the orders' files: detects their format, cleans every row, and adds warnings.

use super::aliases;
use super::arrange::arrange;
use super::attributes::Prices;
use super::catalogue::Catalogue;
use super::clean::{Cleaner, Reading};
use super::doubts::{Found, say, say_rounded};
use super::events::Events;
use super::guests;
use super::layout::Layout;
use super::meter::Meter;
use super::order::settle;
use super::probe::{FILLABLE, Findings, probe};
use super::raw::{Basket, Raw};
use super::read::ReadOptions;
use super::rejects::{Rejects, Tally};
use super::rules::{FillDown, Rules};
use super::source::{Event, FileFacts, Flow, Lines, Row, Source, SourceFile, Wanted};
use super::statuses::Statuses;
use super::summary::Summary;
use super::times::{Times, detect, of_orders};
use super::types::{GUEST, Identity, Item, Line, Orders, TimeKind};
use super::warnings::Code;
use crate::config::{Baskets, Config, Decimal, Format, OrderColumn, OrdersConfig, Table, TableConfig, Zone};
use anyhow::bail;
use qianmian_money::Currency;
use qianmian_suggest::similarity;
use std::cell::Cell;

/// The files of the orders and of the events.
pub struct OrderFiles {
    /// `None` if events are the only source.
    source: Option<Source>,
    events: Option<Events>,
}

/// The decisions made from the first rows of the files.
struct Plan {
    layout: Layout,
    attributes: Vec<usize>,
    facts: Vec<FileFacts>,
    findings: Findings,
    time_kind: TimeKind,
    untold: bool,
}

impl OrderFiles {
    /// Finds the files.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn open(config: &Config, events: Option<Events>) -> anyhow::Result<Self> {
        if config.orders.files.is_empty() && events.is_some() {
            return Ok(Self { source: None, events });
        }
        Ok(Self { source: Some(Source::open(Table::Orders, &config.orders.source())?), events })
    }

    /// Size on disk.
    pub fn bytes(&self) -> u64 {
        self.source.as_ref().map_or(0, Source::bytes) + self.events.as_ref().map_or(0, Events::bytes)
    }

    /// The orders, and the catalog from their own columns if the configuration asks for it.
    ///
    /// # Errors
    /// Fails if a file cannot be read, a needed column is missing, too many rows are bad or no purchase remains.
    pub fn read(
        &mut self,
        config: &Config,
        options: &ReadOptions,
        identities: &[Identity],
        meter: &Meter<'_>,
        rejects: &mut Rejects,
    ) -> anyhow::Result<(Orders, Vec<Item>)> {
        let Some(mut source) = self.source.take() else {
            return self.read_events_alone(config, options, identities, meter, rejects);
        };
        let mut plan = plan(&mut source, config)?;
        let rules = Rules::new(config, &mut plan.layout, options.now, options.max_lines)?;
        plan.facts = source.check(&plan.layout.wanted)?;
        let reading = reading(&source, &plan, &config.orders, options.now)?;
        let times = reading.times.clone();
        let has_orders = reading.baskets.has_orders;
        let statuses = Statuses::new(&config.orders.statuses);
        let catalogue = Catalogue::new(std::mem::take(&mut plan.attributes));
        let mut cleaner = Cleaner::new(&rules, reading, statuses, catalogue);
        let lines = each_row(&source, &plan.layout, &mut cleaner, options, meter, rejects)?;
        let mut launched_at = match &config.items {
            Some(section) if section.from_orders => {
                detect(&source, Table::Items, "launched_at", section, options.now)?
            }
            _ => None,
        };
        let Cleaner { mut raw, mut summary, catalogue, notes, statuses, reading, .. } = cleaner;
        summary.lines = lines;
        summary.statuses = statuses.counts();
        summary.files = source.files().iter().map(SourceFile::name).collect();
        summary.time_format = times.map(|times| times.describe());
        (summary.with_room, summary.with_merchant) = (notes.with_room, notes.with_merchant);
        summary.understood = plan.facts.clone();
        summary.filled_down =
            (reading.fill.filled > 0).then(|| reading.fill.columns().iter().map(|c| c.name()).collect());
        summary.split = plan.findings.lists.as_ref().map(|(separator, _)| separator.clone());
        summary.float_columns = reading.floats.iter().map(|column| column.name()).collect();
        let found = Found {
            layout: &plan.layout,
            findings: &plan.findings,
            notes: &notes,
            reading: &reading,
            config: &config.orders,
            currency: config.currency,
            time_untold: plan.untold,
        };
        say(&mut summary, &found);
        if let Baskets::Gap(gap) = rules.baskets {
            split_by_gap(&mut raw, gap)?;
        }
        if let Some(events) = &self.events {
            if plan.time_kind != TimeKind::Timestamps {
                bail!("[events]: the orders have no times to put events beside; leave the section out");
            }
            events.add(&rules, &mut raw, &mut summary, meter, rejects)?;
        }
        let is_counted = reading.times.as_ref().is_some_and(Times::are_counts);
        let by_column = has_orders && !source.is_sequences() && !is_counted;
        let (mut orders, item_of) = finish(raw, summary, plan.time_kind, config, identities, by_column)?;
        let items = match &config.items {
            Some(section) if section.from_orders => {
                let mut prices = Prices::new(config.currency);
                let times = &mut launched_at;
                let items =
                    catalogue.into_items(&plan.layout, &orders.item_ids, &item_of, times, &mut prices);
                say_rounded(&mut orders.summary, config.currency, prices.rounded);
                items
            }
            _ => Vec::new(),
        };
        Ok((orders, items))
    }

    /// The detected format and columns of each file, even if required columns are missing.
    ///
    /// # Errors
    /// Fails if a file has a column twice.
    pub fn facts(&self, config: &Config) -> anyhow::Result<Vec<FileFacts>> {
        let Some(source) = &self.source else { return Ok(Vec::new()) };
        source.check(&Layout::of_table(Table::Orders, &config.orders.source(), &|_| false).wanted)
    }

    /// The first rows, each with its outcome.
    ///
    /// # Errors
    /// As [`OrderFiles::read`].
    pub fn preview(
        &mut self,
        config: &Config,
        options: &ReadOptions,
        rows: usize,
    ) -> anyhow::Result<Vec<[String; 2]>> {
        let Some(mut source) = self.source.take() else { return Ok(Vec::new()) };
        let mut plan = plan(&mut source, config)?;
        let rules = Rules::new(config, &mut plan.layout, options.now, options.max_lines)?;
        let reading = reading(&source, &plan, &config.orders, options.now)?;
        let statuses = Statuses::new(&config.orders.statuses);
        let mut cleaner = Cleaner::new(&rules, reading, statuses, Catalogue::default());
        let mut shown = Vec::new();
        source.each_row(&plan.layout.wanted, &Cell::new(0), &mut |file, event| {
            cleaner.count()?;
            shown.push(match event {
                Event::Bad { reason, shown, .. } => [shown, format!("rejected: {}", reason.text())],
                Event::Row(row) => {
                    let before = (cleaner.raw.lines.len(), cleaner.summary.parts());
                    let rejected = cleaner.take(row, file)?;
                    let became = match (rejected, cleaner.raw.lines.last()) {
                        (Some(reason), _) => format!("rejected: {}", reason.text()),
                        (None, Some(line)) if cleaner.raw.lines.len() > before.0 => {
                            cleaned(line, &cleaner.raw, row, config.currency)
                        }
                        _ => {
                            let changed = cleaner
                                .summary
                                .parts()
                                .into_iter()
                                .zip(before.1)
                                .find(|(now, then)| now.1 > then.1);
                            changed.map_or("passed over", |(now, _)| now.0).to_owned()
                        }
                    };
                    [row.show(), became]
                }
            });
            Ok(if shown.len() >= rows { Flow::Enough } else { Flow::Next })
        })?;
        Ok(shown)
    }

    fn read_events_alone(
        &self,
        config: &Config,
        options: &ReadOptions,
        identities: &[Identity],
        meter: &Meter<'_>,
        rejects: &mut Rejects,
    ) -> anyhow::Result<(Orders, Vec<Item>)> {
        let rules = Rules::new(config, &mut Layout::default(), options.now, options.max_lines)?;
        let (mut raw, mut summary) = (Raw::default(), Summary::default());
        if let Some(events) = &self.events {
            events.add(&rules, &mut raw, &mut summary, meter, rejects)?;
            summary.files = events.files();
            if let Some(account) = &summary.events {
                summary.lines = account.lines;
                summary.understood.clone_from(&account.understood);
            }
        }
        let (orders, _) = finish(raw, summary, TimeKind::Timestamps, config, identities, false)?;
        Ok((orders, Vec::new()))
    }
}

/// A cleaned line as text.
fn cleaned(line: &Line, raw: &Raw, row: &Row<'_>, currency: Currency) -> String {
    let user = if line.user == GUEST { "a guest".to_owned() } else { raw.users.name(line.user) };
    let order = row.get(OrderColumn::OrderId as usize).unwrap_or("-");
    let at =
        chrono::DateTime::from_timestamp(line.at, 0).map(|at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string());
    let price = line.paid().map_or_else(String::new, |paid| format!(" for {}", currency.decimal(paid)));
    let item = raw.items.name(line.item);
    format!("order {order} of {user}: {} x {item}{price}, {}", line.quantity, at.unwrap_or_default())
}

/// Locates the columns and examines the first rows.
fn plan(source: &mut Source, config: &Config) -> anyhow::Result<Plan> {
    let options = config.orders.source();
    let untold = !config.orders.timeless && !source.is_sequences() && has_no_times(source, &options)?;
    let time_kind = match source.is_sequences() {
        true => TimeKind::Steps,
        false if config.orders.timeless || untold => TimeKind::None,
        false => TimeKind::Timestamps,
    };
    let is_required = |name: &str| {
        name == OrderColumn::ItemId.name()
            || (name == OrderColumn::OrderedAt.name() && time_kind == TimeKind::Timestamps)
    };
    let mut layout = Layout::of_table(Table::Orders, &options, &is_required);
    let mut attributes = Vec::new();
    if let Some(section) = config.items.as_ref().filter(|section| section.from_orders) {
        for column in Table::Items.names() {
            // The `status` of an order is not that of its item, unless the configuration says so.
            let shared = column == "status" && !section.columns.contains_key(column);
            if column != "item_id" && !shared {
                attributes.push(layout.add(Wanted::of(Table::Items, column, false, section)));
            }
        }
    }
    let facts = source.check(&layout.wanted)?;
    let mut findings = Findings::default();
    if !source.is_sequences() {
        let item = format!("orders.{}", OrderColumn::ItemId.name());
        let columns = facts.iter().flat_map(|facts| &facts.columns);
        let item_source =
            columns.filter(|(name, ..)| *name == item).find_map(|(_, sources, _)| sources.first()).cloned();
        findings = probe(source, &layout, item_source.as_deref().unwrap_or(""))?;
        let told = findings.lists.clone().filter(|(_, certain)| *certain).map(|(separator, _)| separator);
        source.split_lists(config.orders.split.clone().or(told));
    }
    Ok(Plan { layout, attributes, facts, findings, time_kind, untold })
}

fn reading(source: &Source, plan: &Plan, orders: &OrdersConfig, now: i64) -> anyhow::Result<Reading> {
    let options = orders.source();
    let has = |facts: &FileFacts, column: OrderColumn| {
        facts.columns.iter().any(|(name, ..)| *name == format!("orders.{}", column.name()))
    };
    let with_orders = plan.facts.iter().filter(|facts| has(facts, OrderColumn::OrderId)).count();
    if let Some(without) =
        plan.facts.iter().find(|facts| with_orders > 0 && !has(facts, OrderColumn::OrderId))
    {
        bail!(
            "{} has no order ids, other files have; name its column: columns = {{ order_id = [\"...\", \"...\"] }}",
            without.file
        );
    }
    let times = match plan.time_kind {
        TimeKind::Timestamps => Some(of_orders(source, &options, now)?),
        TimeKind::Steps | TimeKind::None => None,
    };
    let updated = detect(source, Table::Orders, OrderColumn::UpdatedAt.name(), &options, now)?;
    let fill = match &orders.fill_down {
        Some(names) => {
            FILLABLE.into_iter().filter(|column| names.iter().any(|name| name == column.name())).collect()
        }
        None => plan.findings.fill_down.clone(),
    };
    let is_list =
        !source.is_sequences() && !source.has_format(Format::OneHot) && !source.has_format(Format::Baskets);
    let zone = options.time_zone.as_deref().map_or_else(|| Ok(Zone::utc()), Zone::parse)?;
    let kind = orders.baskets.unwrap_or(Baskets::OrderId);
    let baskets = super::baskets::Baskets::new(kind, zone, with_orders > 0, times.is_some());
    Ok(Reading {
        has_states: (source.files().len() > 1 && times.is_some() && with_orders > 0) || updated.is_some(),
        times,
        updated,
        decimals: (plan.findings.decimals.iter())
            .map(|told| orders.decimal.or(*told).unwrap_or(Decimal::Point))
            .collect(),
        fill: FillDown::new(fill),
        floats: plan.findings.floats.clone(),
        has_quantity: plan.facts.iter().map(|facts| !is_list || has(facts, OrderColumn::Quantity)).collect(),
        baskets,
    })
}

/// True if the configuration names no column or format of times and no file has a column with such a name.
fn has_no_times(source: &Source, options: &TableConfig) -> anyhow::Result<bool> {
    let column = OrderColumn::OrderedAt.name();
    if options.columns.contains_key(column) || options.time_format.is_some() {
        return Ok(false);
    }
    let all = Layout::of_table(Table::Orders, options, &|_| false);
    let facts = source.check(&all.wanted)?;
    let is_time = |name: &String| {
        let lower = name.to_lowercase();
        let by_name = ["time", "date", "_at", "时间", "日期"].iter().any(|part| lower.contains(part));
        by_name || similarity(column, &lower) >= 0.9
    };
    let canonical = format!("orders.{column}");
    let has = |facts: &FileFacts| {
        facts.columns.iter().any(|(name, ..)| *name == canonical) || facts.unused.iter().any(is_time)
    };
    Ok(!facts.iter().any(has))
}

/// Cleans every row.
fn each_row(
    source: &Source,
    layout: &Layout,
    cleaner: &mut Cleaner<'_>,
    options: &ReadOptions,
    meter: &Meter<'_>,
    rejects: &mut Rejects,
) -> anyhow::Result<Lines> {
    let mut tally = Tally::default();
    // Totals at the end of an export are several adjacent lines.
    let mut within_totals = false;
    let by_file = source.each_row(&layout.wanted, meter.read(), &mut |file, event| {
        cleaner.count()?;
        meter.row();
        let (line, reason, shown) = match event {
            Event::Bad { line, reason, shown } => (line, reason, shown),
            Event::Row(row) => match cleaner.take(row, file)? {
                Some(reason) => (row.line, reason, row.show()),
                None => {
                    within_totals = false;
                    return Ok(Flow::Next);
                }
            },
        };
        within_totals |= is_total(&shown);
        if within_totals {
            cleaner.summary.totals += 1;
        } else {
            tally.reject(rejects, &file.name(), line, reason, &shown)?;
        }
        Ok(Flow::Next)
    })?;
    let summary = &mut cleaner.summary;
    summary.rejected = tally.total();
    summary.rejects = tally.counts();
    if summary.rows_read == 0 {
        let files: Vec<String> = source.files().iter().map(SourceFile::name).collect();
        bail!("{} has a header but no rows; export it again", files.join(", "));
    }
    tally.check("the orders", summary.rows_read, options.max_reject_ratio)?;
    let mut lines = Lines::default();
    by_file.into_iter().for_each(|file| lines.add(file));
    Ok(lines)
}

/// True if a row that is no order line is a total, a remark or a ruled line.
fn is_total(shown: &str) -> bool {
    const WORDS: [&str; 24] = [
        "合计",
        "总计",
        "小计",
        "总交易",
        "总金额",
        "总笔数",
        "汇总",
        "共计",
        "合計",
        "備考",
        "备注",
        "说明",
        "导出时间",
        "total",
        "grand total",
        "subtotal",
        "sum",
        "summe",
        "gesamt",
        "totale",
        "итого",
        "합계",
        "总额",
        "记录数",
    ];
    let mut cells = shown
        .split([',', ';', '\t', '|'])
        .map(|cell| cell.trim_matches(|c: char| c.is_whitespace() || "\"'`".contains(c)));
    let Some(first) = cells.find(|cell| !cell.is_empty()) else { return true };
    let lower = first.to_lowercase();
    first.starts_with('#')
        || first.starts_with("--")
        || first.starts_with("==")
        || WORDS.iter().any(|word| lower.starts_with(word))
}

/// Splits baskets into visits: the lines of a person with at most `gap` seconds between one and the next.
fn split_by_gap(raw: &mut Raw, gap: i64) -> anyhow::Result<()> {
    let mut order: Vec<u32> =
        (0..raw.lines.len() as u32).filter(|&n| raw.lines[n as usize].user != GUEST).collect();
    order.sort_by_key(|&n| (raw.lines[n as usize].user, raw.lines[n as usize].at));
    let mut last: Option<Line> = None;
    for n in order {
        let line = raw.lines[n as usize];
        let goes_on = last.is_some_and(|last| last.user == line.user && line.at - last.at <= gap);
        let basket = match last {
            Some(last) if goes_on => last.basket,
            _ => {
                let number = u32::try_from(raw.baskets.len())
                    .map_err(|_| anyhow::anyhow!("more baskets than can be numbered"))?;
                raw.baskets.push(Basket {
                    first: line.at,
                    last: line.at,
                    rows: 0,
                    state: 0,
                    is_again: false,
                });
                number
            }
        };
        let known = &mut raw.baskets[basket as usize];
        (known.last, known.rows) = (line.at, known.rows + 1);
        raw.lines[n as usize].basket = basket;
        last = Some(raw.lines[n as usize]);
    }
    Ok(())
}

/// Completes persons, baskets and their order after all rows are read.
fn finish(
    mut raw: Raw,
    mut summary: Summary,
    time_kind: TimeKind,
    config: &Config,
    identities: &[Identity],
    by_column: bool,
) -> anyhow::Result<(Orders, Vec<u32>)> {
    summary.aliases = aliases::apply(&mut raw, identities) as u64;
    if time_kind == TimeKind::Timestamps || by_column {
        summary.warnings.extend(guests::apply(&mut raw, &config.orders.guests, config.orders.outsized));
        summary.returns_of_guests += raw.returns_of_guests;
    }
    let (mut orders, item_of) = arrange(raw, summary, time_kind, config.orders.max_basket_items);
    if orders.summary.replaced > 0 {
        let text = format!(
            "{} lines were replaced by a later state of the same line (same order, item and time)",
            orders.summary.replaced
        );
        orders.summary.warn(Code::LaterStates, orders.summary.replaced, text);
    }
    if orders.lines.is_empty() {
        bail!("no purchase remains of the orders; where the rows went:\n{}", orders.summary);
    }
    settle(&mut orders);
    if by_column {
        super::doubts::of_baskets(&mut orders);
    }
    Ok((orders, item_of))
}
