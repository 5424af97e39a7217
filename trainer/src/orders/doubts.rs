//! Adds warnings about doubtful data, with numbers and a cure.

use super::clean::{Notes, Reading};
use super::layout::Layout;
use super::probe::Findings;
use super::source::FileFacts;
use super::summary::Summary;
use super::types::{GUEST, NONE_CODE, Orders};
use super::warnings::Code;
use crate::config::{Decimal, EqualLines, OrderColumn, OrdersConfig};
use qianmian_money::Currency;
use qianmian_suggest::{nearest, similarity};
use rustc_hash::FxHashMap;

/// Fewest baskets for a warning about all of them.
const MIN_BASKETS: usize = 20;

/// The findings of a run that warnings are derived from.
pub struct Found<'a> {
    /// The columns.
    pub layout: &'a Layout,
    /// Findings in the first rows.
    pub findings: &'a Findings,
    /// Counts from reading.
    pub notes: &'a Notes,
    /// The settings that rows were read with.
    pub reading: &'a Reading,
    /// The configuration of the orders.
    pub config: &'a OrdersConfig,
    /// The currency of all amounts.
    pub currency: Currency,
    /// True if there is no column of times and the configuration does not say so.
    pub time_untold: bool,
}

/// Adds the warnings about files, columns and values.
pub fn say(summary: &mut Summary, found: &Found<'_>) {
    of_files(summary);
    of_columns(summary, found);
    of_orders(summary, found);
    of_ids(summary, found);
    of_values(summary, found);
}

fn of_files(summary: &mut Summary) {
    let guessed: Vec<String> = (summary.understood.iter().filter(|facts| facts.guessed))
        .map(|facts| format!("{} is read as {}", facts.file, facts.written))
        .collect();
    if !guessed.is_empty() {
        summary.warn(
            Code::FormatGuessed,
            guessed.len() as u64,
            format!("by their content: {}", few(&guessed, 3)),
        );
    }
    let others: Vec<String> = (summary.understood.iter())
        .filter(|facts| facts.written.contains("not read: sheet"))
        .map(|facts| format!("{} ({})", facts.file, facts.written))
        .collect();
    if !others.is_empty() {
        summary.warn(
            Code::SheetsNotRead,
            others.len() as u64,
            format!("sheets with other columns are not read: {}", few(&others, 3)),
        );
    }
    let literal = summary.lines.literal;
    if literal > 0 {
        let text = format!("{literal} lines have a quote that is never closed; they were read as they stand");
        summary.warn(Code::StrayQuotes, literal, text);
    }
}

fn of_columns(summary: &mut Summary, found: &Found<'_>) {
    let mut by_name: Vec<String> = Vec::new();
    for (name, sources, _) in
        summary.understood.iter().flat_map(|facts| &facts.columns).filter(|(.., guessed)| *guessed)
    {
        let pair = format!("{} = {}", plain(name), sources.join(" + "));
        if !by_name.contains(&pair) {
            by_name.push(pair);
        }
    }
    if !by_name.is_empty() {
        let text = format!(
            "columns were found by their names: {}; [orders] columns settles them",
            by_name.join(", ")
        );
        summary.warn(Code::ColumnsGuessed, by_name.len() as u64, text);
    }
    let has = |facts: &FileFacts, canonical: &str| facts.columns.iter().any(|(name, ..)| name == canonical);
    let understood = summary.understood.clone();
    for wanted in found.layout.wanted.iter().take(OrderColumn::ALL.len()) {
        let without: Vec<String> = (understood.iter().filter(|facts| !has(facts, &wanted.canonical)))
            .map(|facts| facts.file.clone())
            .collect();
        let name = &wanted.name;
        if without.len() == understood.len() {
            missing_everywhere(summary, name, &understood);
        } else if !without.is_empty() {
            let effect = match name.as_str() {
                "status" => "; its cancelled orders count",
                "user_id" => "; its baskets are guests'",
                "quantity" => "; each of its lines is one piece",
                _ => "",
            };
            let text = format!("{} has no column `{name}`, other files have{effect}", few(&without, 3));
            summary.warn(Code::ColumnMissingInFile, without.len() as u64, text);
        }
    }
    let is_basket =
        |facts: &FileFacts| ["baskets", "one_hot"].iter().any(|format| facts.written.starts_with(format));
    if found.time_untold && !understood.iter().all(is_basket) {
        summary.warn(
            Code::NoTimes,
            0,
            "there is no column `ordered_at`, so nothing is known of when; if there are times, name their column in \
             [orders] columns",
        );
    }
}

fn missing_everywhere(summary: &mut Summary, name: &str, understood: &[FileFacts]) {
    let unused = understood.iter().flat_map(|facts| &facts.unused).map(String::as_str);
    let near = nearest(name, unused).filter(|near| similarity(name, near) >= 0.9);
    let hint = near.map(|near| format!("; is it `{near}`? Then name it in [orders] columns"));
    let is_plain =
        understood.iter().all(|facts| facts.written == "sequences" || facts.written.starts_with("baskets"));
    if name == OrderColumn::UserId.name() && !is_plain {
        let hint = hint.unwrap_or_default();
        summary.warn(Code::NoUsers, 0, format!("without a column `{name}` all baskets are guests'{hint}"));
    } else if let Some(hint) = hint {
        summary.warn(Code::ColumnLooksMisspelt, 0, format!("there is no column `{name}`{hint}"));
    }
}

fn of_orders(summary: &mut Summary, found: &Found<'_>) {
    let (notes, reading) = (found.notes, found.reading);
    let is_plain = summary.understood.iter().any(|facts| {
        ["sequences", "baskets", "one_hot"].iter().any(|format| facts.written.starts_with(format))
    });
    if !reading.baskets.has_orders && !is_plain && found.config.baskets.is_none() {
        let what = match reading.times {
            Some(_) => "a basket is what one person buys on one day (a guest at one moment)",
            None => "each line is a basket",
        };
        let text = format!(
            "no column of order ids was found, so {what}; name it in [orders] columns, or settle it with baskets = \
             \"day\" or a gap such as \"30m\""
        );
        summary.warn(Code::NoOrderIds, 0, text);
    }
    if reading.fill.filled > 0 && found.config.fill_down.is_none() {
        let names: Vec<&str> = reading.fill.columns().iter().map(|column| column.name()).collect();
        let text = format!(
            "{} blank cells of {} took the value of their order's first line; fill_down = [] leaves them blank",
            reading.fill.filled,
            names.join(", ")
        );
        summary.warn(Code::FilledDown, reading.fill.filled, text);
    }
    if reading.baskets.mixed_orders > 0 {
        let text = format!(
            "{} times lines of one order id are of a person and of nobody; fill_down = [\"user_id\"] gives them the \
             order's person",
            reading.baskets.mixed_orders
        );
        summary.warn(Code::PersonOnSomeLines, reading.baskets.mixed_orders, text);
    }
    if found.config.equal_lines.is_none() && notes.equal_pieces + notes.equal_duplicates > 0 {
        let text = format!(
            "no quantity is written, and {} lines of an order are equal to another one: each is a piece; equal_lines = \
             \"duplicates\" counts them once",
            notes.equal_pieces + notes.equal_duplicates
        );
        summary.warn(Code::EqualLines, notes.equal_pieces + notes.equal_duplicates, text);
    }
    if found.config.equal_lines == Some(EqualLines::Duplicates) && notes.equal_duplicates > 0 {
        let text = format!("{} equal lines of an order count once (equal_lines)", notes.equal_duplicates);
        summary.warn(Code::EqualLines, notes.equal_duplicates, text);
    }
    match (&found.findings.lists, &found.config.split) {
        (Some((separator, true)), None) => summary.warn(
            Code::ListsSplit,
            found.findings.list_rows,
            format!("cells of items are lists separated by {separator:?}, a line each; split = \"\" leaves them whole"),
        ),
        (Some((separator, false)), None) => summary.warn(
            Code::ItemsLookLikeLists,
            found.findings.list_rows,
            format!(
                "{} of the first rows have an item with {separator:?} in it, whose parts come again in others; if cells \
                 hold lists, set split = {separator:?} in [orders]",
                found.findings.list_rows
            ),
        ),
        _ => {}
    }
}

fn of_ids(summary: &mut Summary, found: &Found<'_>) {
    let notes = found.notes;
    if notes.floats_cured > 0 {
        let names: Vec<&str> = found.reading.floats.iter().map(|column| column.name()).collect();
        let text = format!(
            "{} ids of {} went through a float (17000.0, 6.92123E+5) and are read as the whole numbers that they were; \
             normalise = {{ item_id = \"strip_decimal\" }} settles it",
            notes.floats_cured,
            if names.is_empty() { "some columns".to_owned() } else { names.join(", ") }
        );
        summary.warn(Code::IdsThroughFloat, notes.floats_cured, text);
    }
    if notes.floats_kept > 0 {
        let text = format!(
            "{} ids end in .0 while others of their column are no numbers; normalise = {{ item_id = \"strip_decimal\" }} \
             takes it off",
            notes.floats_kept
        );
        summary.warn(Code::IdsEndInPointZero, notes.floats_kept, text);
    }
    if let Some(rows) = summary.rejects.get(&super::summary::Reason::RoundedId).copied() {
        let text = format!(
            "{rows} rows are rejected because a spreadsheet rounded an id (such as {}), so that different ones look \
             alike; export ids as text",
            notes.rounded.join(", ")
        );
        summary.warn(Code::IdsRounded, rows, text);
    }
    let unknown: Vec<(&String, &super::statuses::Status)> =
        summary.statuses.iter().filter(|(_, status)| !status.known).collect();
    if !unknown.is_empty() {
        let rows = unknown.iter().map(|(_, status)| status.rows).sum();
        let shown: Vec<String> = unknown
            .iter()
            .map(|(word, status)| format!("{word:?} {} ({})", status.rows, status.meaning))
            .collect();
        let text = format!(
            "{} statuses are not known: {}; say what they mean: statuses = {{ {:?} = \"cancelled\" }}",
            unknown.len(),
            few(&shown, 10),
            unknown[0].0
        );
        summary.warn(Code::UnknownStatus, rows, text);
    }
}

fn of_values(summary: &mut Summary, found: &Found<'_>) {
    let (notes, config) = (found.notes, found.config);
    if notes.negative_cancelled > 0 {
        let text = format!(
            "{} rows that match cancelled_when have a negative quantity: are they returns? Then name the rule \
             returned_when, so that they undo what they give back",
            notes.negative_cancelled
        );
        summary.warn(Code::CancelledRowsAreNegative, notes.negative_cancelled, text);
    }
    if notes.free_lines > 0 && config.free_lines.is_none() {
        let text = format!(
            "{} lines have the price 0 and count as purchases; free_lines = \"drop\" leaves gifts out, \"keep\" keeps them",
            notes.free_lines
        );
        summary.warn(Code::FreeLines, notes.free_lines, text);
    }
    let (unreadable, examples) = &notes.unreadable_prices;
    if *unreadable > 0 {
        let text = format!(
            "{unreadable} prices cannot be read (such as {}); their lines count without one",
            examples.join(", ")
        );
        summary.warn(Code::UnreadablePrices, *unreadable, text);
    }
    let (rounded, examples) = &notes.rounded_amounts;
    if *rounded > 0 {
        let (code, digits) = (found.currency.code(), found.currency.digits());
        let text = format!(
            "{rounded} lines have a price with more decimals than {code} has ({digits}), such as {}; the price of all their \
             pieces is rounded half up; if the shop's amounts have more decimals, set [currency] digits",
            examples.join(", ")
        );
        summary.warn(Code::AmountsRounded, *rounded, text);
    }
    if notes.negative_amounts > 0 {
        let text = format!(
            "{} lines with a positive quantity have an amount below zero; they are returns",
            notes.negative_amounts
        );
        summary.warn(Code::NegativeAmounts, notes.negative_amounts, text);
    }
    if notes.beyond_codes > 0 {
        let text = format!(
            "the orders name more than {NONE_CODE} rooms or merchants; {} lines of further ones count without theirs; is \
             the column of room_id or merchant_id another one?",
            notes.beyond_codes
        );
        summary.warn(Code::RoomsBeyondLimit, notes.beyond_codes, text);
    }
    let commas = found.findings.decimals.iter().filter(|decimal| **decimal == Some(Decimal::Comma)).count();
    if commas > 0 && config.decimal.is_none() {
        let text =
            format!("the numbers of {commas} files have a decimal comma (10,50); decimal = \",\" settles it");
        summary.warn(Code::DecimalComma, commas as u64, text);
    }
    let Some(times) = &found.reading.times else { return };
    if times.are_serials() {
        summary.warn(
            Code::SpreadsheetDays,
            0,
            "times are numbers and were read as days as spreadsheets count them: 45292.4 is 2024-01-01 09:36",
        );
    }
    let (rounded, exact_to) = times.rounded();
    if rounded > 0 {
        let text = format!(
            "{rounded} times went through a spreadsheet (1.43322E+12) and lost their digits; they are exact to {exact_to} \
             seconds only; export them again as text"
        );
        summary.warn(Code::TimesRounded, rounded, text);
    }
}

/// Adds the warnings about suspicious properties of all baskets.
pub fn of_baskets(orders: &mut Orders) {
    let n_baskets = orders.n_baskets as usize;
    if n_baskets < MIN_BASKETS {
        return;
    }
    let lines = orders.all_lines().count();
    let mut baskets_of: FxHashMap<u32, u32> = FxHashMap::default();
    let mut last = u32::MAX;
    for line in orders.lines.iter().filter(|line| line.user != GUEST) {
        if line.basket != last {
            *baskets_of.entry(line.user).or_insert(0) += 1;
            last = line.basket;
        }
    }
    if lines == n_baskets {
        let text = format!(
            "each of the {n_baskets} baskets holds one line, so nothing is learned of what goes together; is order_id the \
             number of a line?"
        );
        orders.summary.warn(Code::OneLineBaskets, n_baskets as u64, text);
    }
    let known: u32 = baskets_of.values().sum();
    if baskets_of.len() == 1 && known as usize == n_baskets {
        let text = format!("all {n_baskets} baskets are of one person; is user_id the shop's or the till's?");
        orders.summary.warn(Code::OnePerson, n_baskets as u64, text);
    } else if baskets_of.len() >= MIN_BASKETS && known as usize == baskets_of.len() && lines > n_baskets {
        let text = format!(
            "each of the {known} persons has one basket; is order_id the person's own number, or user_id the order's?"
        );
        orders.summary.warn(Code::OneBasketEach, u64::from(known), text);
    }
}

/// Warns about prices and costs of items that were rounded to the currency's decimals.
pub fn say_rounded(summary: &mut Summary, currency: Currency, rounded: u64) {
    if rounded > 0 {
        let text = format!(
            "{rounded} prices and costs of items have more decimals than {} has ({}) and are rounded half up; if the shop's \
             amounts have more decimals, set [currency] digits",
            currency.code(),
            currency.digits()
        );
        summary.warn(Code::AmountsRounded, rounded, text);
    }
}

fn plain(canonical: &str) -> &str {
    canonical.split_once('.').map_or(canonical, |(_, name)| name)
}

/// The first `most` of a list, and the number of the others.
fn few(list: &[String], most: usize) -> String {
    let shown = list.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    if list.len() > most { format!("{shown} and {} more", list.len() - most) } else { shown }
}
