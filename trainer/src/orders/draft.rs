//! Drafts a configuration for files without one: detects the kind of files and their columns.
//!
//! Column names decide first, then the content: event logs are detected by event types, one-hot baskets by cells with
//! yes and no, baskets by lines of different lengths, and columns of a file without a header by their values.

use super::events::is_event_type;
use super::source::{Event, Flow, Source};
use super::time::guess;
use crate::config::{Column, Config, EventsConfig, Format, Header, OrderColumn, Table, TableConfig, folded};
use std::cell::Cell;
use std::path::PathBuf;

/// Rows that are examined.
const ROWS: usize = 2000;

/// Titles of lines that are not products.
const NO_GOODS: [&str; 24] = [
    "tip",
    "tips",
    "gratuity",
    "shipping",
    "delivery",
    "postage",
    "discount",
    "coupon",
    "giftcard",
    "giftwrap",
    "servicecharge",
    "surcharge",
    "rounding",
    "deposit",
    "donation",
    "小费",
    "运费",
    "邮费",
    "配送费",
    "优惠",
    "打包费",
    "服务费",
    "餐盒费",
    "补差价",
];

/// A configuration for `files`, detected from their content.
///
/// # Errors
/// Fails if a file cannot be read at all.
pub fn draft(files: &[PathBuf]) -> anyhow::Result<Config> {
    let mut config = Config::default();
    config.replace_orders(files);
    let source = Source::open(Table::Orders, &config.orders.source())?;
    let rows = sample(&source)?;
    let header = source.headers().into_iter().next().unwrap_or_default();
    let facts = source
        .check(&super::layout::Layout::of_table(Table::Orders, &config.orders.source(), &|_| false).wanted)?;
    let Some(first) = facts.first() else { return Ok(config) };
    let is_text = source.files().iter().all(|file| matches!(file.format, Format::Csv | Format::Tsv));
    let has = |name: &str| first.columns.iter().any(|(column, ..)| column == name);
    if is_text && !has("orders.item_id") && is_one_hot(&rows) {
        config.orders.format = Some(Format::OneHot);
        config.orders.delimiter = first.delimiter.clone();
    } else if is_text
        && !has("orders.item_id")
        && !has("orders.order_id")
        && are_baskets(&header, first.has_header, &source)?
    {
        config.orders.format = Some(Format::Baskets);
        config.orders.delimiter = Some(first.delimiter.clone().unwrap_or_else(|| ",".to_owned()));
    } else if !first.has_header {
        by_content(&mut config, &header, &rows, first.delimiter.clone());
    } else if !has("orders.order_id") && is_event_log(&header, &rows) {
        into_events(&mut config, TableConfig::default());
    } else {
        fall_back_on_titles(&mut config, &source, &header, &rows)?;
    }
    if config.items.is_none() && config.events.is_none() && has_attributes(&source, &config)? {
        config.items = Some(TableConfig { from_orders: true, ..TableConfig::default() });
    }
    Ok(config)
}

/// The cells of the first rows of the first file.
fn sample(source: &Source) -> anyhow::Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    source.each_row(&[], &Cell::new(0), &mut |_, event| {
        if let Event::Row(row) = event {
            let cell = |span: &(u32, u32)| row.cut(*span).unwrap_or_default().trim().to_owned();
            rows.push(row.spans.iter().map(cell).collect());
        }
        Ok(if rows.len() >= ROWS { Flow::Enough } else { Flow::Next })
    })?;
    Ok(rows)
}

/// True if three quarters of the columns have only yes and no, or 1 and 0.
fn is_one_hot(rows: &[Vec<String>]) -> bool {
    const WORDS: [&str; 18] = [
        "", "0", "1", "true", "false", "t", "f", "yes", "no", "y", "n", "sim", "não", "nao", "si", "oui",
        "是", "否",
    ];
    let width = rows.first().map_or(0, Vec::len);
    let says = |cell: &String| WORDS.contains(&cell.to_lowercase().as_str()) || cell == "?";
    let columns =
        (0..width).filter(|&column| rows.iter().all(|row| row.get(column).is_none_or(says))).count();
    width >= 3 && rows.len() >= 2 && columns * 4 >= width * 3
}

/// True for a file of baskets: lines of different lengths, and the cells of the first line occur in other lines.
fn are_baskets(header: &[String], is_text: bool, source: &Source) -> anyhow::Result<bool> {
    let (mut bad, mut all, mut again) = (0, 0, 0);
    source.each_row(&[], &Cell::new(0), &mut |_, event| {
        all += 1;
        match event {
            Event::Bad { shown, .. } => {
                bad += 1;
                again += u64::from(
                    shown
                        .split(',')
                        .any(|cell| header.iter().any(|name| !name.is_empty() && name == cell.trim())),
                );
            }
            Event::Row(row) => {
                let cells = || row.spans.iter().filter_map(|span| row.cut(*span));
                again += u64::from(
                    cells().any(|cell| header.iter().any(|name| !name.is_empty() && name == cell.trim())),
                );
            }
        }
        Ok(if all >= ROWS { Flow::Enough } else { Flow::Next })
    })?;
    let is_ragged = bad * 4 >= all;
    // In a table, column names do not occur as values, and all rows have one length.
    Ok(all >= 2 && again > 0 && (is_ragged || (is_text && again * 4 >= all as u64)))
}

/// The first column in which nine tenths of the values are event types.
fn event_type_column(rows: &[Vec<String>], width: usize) -> Option<usize> {
    (0..width).find(|&column| {
        let words: Vec<&String> =
            rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty()).collect();
        let known = words.iter().filter(|word| is_event_type(word)).count();
        !words.is_empty() && known * 10 >= words.len() * 9
    })
}

fn is_event_log(header: &[String], rows: &[Vec<String>]) -> bool {
    let named = Table::Events.aliases("type").iter().chain(&["type"]);
    let called = header.iter().position(|name| named.clone().any(|alias| folded(alias) == folded(name)));
    called.is_some() && event_type_column(rows, header.len()).is_some()
}

fn into_events(config: &mut Config, options: TableConfig) {
    let files = std::mem::take(&mut config.orders.files);
    config.events = Some(EventsConfig {
        files,
        format: options.format,
        delimiter: options.delimiter,
        header: options.header,
        columns: options.columns,
        ..EventsConfig::default()
    });
}

/// Assigns the columns of a file without a header by their values: one of times, one of event types; of the others
/// that do not hold small numbers, the first is the user and the second the item.
fn by_content(config: &mut Config, header: &[String], rows: &[Vec<String>], delimiter: Option<String>) {
    let values =
        |column: usize| rows.iter().filter_map(move |row| row.get(column)).filter(|cell| !cell.is_empty());
    let share = |column: usize, is: &dyn Fn(&str) -> bool| {
        let (all, hits) =
            values(column).fold((0, 0), |(all, hits), cell| (all + 1, hits + usize::from(is(cell))));
        hits as f64 / all.max(1) as f64
    };
    let is_time = |value: &str| guess(value).is_time() && (value.len() >= 8);
    let time = (0..header.len()).find(|&column| share(column, &is_time) > 0.9);
    let kind = event_type_column(rows, header.len());
    let distinct = |column: usize| values(column).collect::<std::collections::HashSet<_>>().len();
    let is_number = |column: usize| share(column, &|value| value.parse::<f64>().is_ok()) > 0.95;
    let is_decimal = |column: usize| share(column, &|value| value.contains('.')) > 0.5;
    // Ratings and quantities are small numbers with few distinct values.
    let is_small = |column: usize| {
        is_number(column)
            && (distinct(column) <= 10 || is_decimal(column))
            && share(column, &|value| value.len() <= 3 || value.contains('.')) > 0.95
            && distinct(column) * 4 < rows.len().max(1) * 3
    };
    // A column with decimals is an amount; the first column is a person even if it has few distinct values.
    let is_id =
        |column: usize| !is_decimal(column) && (column == 0 || (distinct(column) > 1 && !is_small(column)));
    let ids: Vec<usize> = (0..header.len())
        .filter(|&column| Some(column) != time && Some(column) != kind && is_id(column))
        .collect();
    let named =
        |name: &str, column: Option<usize>, columns: &mut std::collections::BTreeMap<String, Column>| {
            if let Some(column) = column {
                columns.insert(name.to_owned(), Column::One(header[column].clone()));
            }
        };
    let (user, item) = (ids.first().copied(), ids.get(1).copied());
    let mut columns = std::collections::BTreeMap::new();
    named("user_id", user, &mut columns);
    named("item_id", item, &mut columns);
    if kind.is_some() {
        named("type", kind, &mut columns);
        named("occurred_at", time, &mut columns);
        let options =
            TableConfig { delimiter, header: Some(Header::Line(false)), columns, ..TableConfig::default() };
        into_events(config, options);
        return;
    }
    named("ordered_at", time, &mut columns);
    config.orders.delimiter = delimiter;
    config.orders.header = Some(Header::Line(false));
    config.orders.columns = columns;
}

/// For files in which some lines have no item id: uses the title as the id, and drops lines whose title is that of
/// a non-product ([`NO_GOODS`]), such as shipping.
fn fall_back_on_titles(
    config: &mut Config,
    source: &Source,
    header: &[String],
    rows: &[Vec<String>],
) -> anyhow::Result<()> {
    let options = config.orders.source();
    let wanted = |table, name| super::source::Wanted::of(table, name, false, &options);
    let facts =
        source.check(&[wanted(Table::Orders, OrderColumn::ItemId.name()), wanted(Table::Items, "title")])?;
    let source_of = |name: &str| {
        let columns = facts.iter().flat_map(|facts| &facts.columns);
        columns.filter(|(column, ..)| column == name).find_map(|(_, sources, _)| sources.first()).cloned()
    };
    let (Some(item), Some(title)) = (source_of("orders.item_id"), source_of("items.title")) else {
        return Ok(());
    };
    let place = |name: &String| header.iter().position(|column| column == name);
    let (Some(item_at), Some(title_at)) = (place(&item), place(&title)) else { return Ok(()) };
    if item == title {
        return Ok(());
    }
    let without: Vec<&String> = (rows.iter())
        .filter(|row| row.get(item_at).is_some_and(|cell| super::source::plain(cell).is_none()))
        .filter_map(|row| row.get(title_at))
        .filter(|title| !title.is_empty())
        .collect();
    if without.is_empty() {
        return Ok(());
    }
    let is_no_good = |title: &&&String| NO_GOODS.contains(&folded(title).as_str());
    let mut no_goods: Vec<String> =
        without.iter().filter(is_no_good).map(|title| regex::escape(title)).collect();
    no_goods.sort();
    no_goods.dedup();
    if !no_goods.is_empty() {
        config.orders.drop_when.insert(title.clone(), format!("^({})$", no_goods.join("|")));
    }
    if without.iter().any(|title| !is_no_good(&title)) {
        config.orders.columns.insert(OrderColumn::ItemId.name().to_owned(), Column::List(vec![item, title]));
    }
    Ok(())
}

/// True if the orders' files have columns with attributes of items.
fn has_attributes(source: &Source, config: &Config) -> anyhow::Result<bool> {
    let options = TableConfig { from_orders: true, ..TableConfig::default() };
    let wanted: Vec<_> = ["title", "category", "brand"]
        .iter()
        .map(|name| super::source::Wanted::of(Table::Items, name, false, &options))
        .collect();
    let ids = config.orders.source();
    let item = super::source::Wanted::of(Table::Orders, OrderColumn::ItemId.name(), false, &ids);
    let item = source.check(std::slice::from_ref(&item))?;
    let items: Vec<&String> =
        item.iter().flat_map(|facts| &facts.columns).flat_map(|(_, sources, _)| sources).collect();
    let facts = source.check(&wanted)?;
    Ok(facts
        .iter()
        .flat_map(|facts| &facts.columns)
        .any(|(_, sources, _)| sources.iter().any(|source| !items.contains(&source))))
}
