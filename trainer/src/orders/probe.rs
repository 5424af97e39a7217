//! Detects from the first rows of the orders: decimal marks, lists in cells, values that are only on an order's first
//! line, ids stored as floats.

use super::layout::Layout;
use super::source::{Event, Flow, Row, Source};
use super::values::{decimal_of, is_whole_float};
use crate::config::{Decimal, OrderColumn};
use rustc_hash::FxHashSet;
use std::cell::Cell;

/// Rows of each file that are examined.
const ROWS: usize = 5000;

/// Separators of lists in cells.
const SEPARATORS: [&str; 6] = [",", ";", "|", "、", "，", "；"];

/// Order-level columns that may have a value on an order's first line only.
pub const FILLABLE: [OrderColumn; 6] = [
    OrderColumn::OrderId,
    OrderColumn::UserId,
    OrderColumn::OrderedAt,
    OrderColumn::Status,
    OrderColumn::Channel,
    OrderColumn::StoreId,
];

/// The columns of ids.
const IDS: [OrderColumn; 3] = [OrderColumn::OrderId, OrderColumn::UserId, OrderColumn::ItemId];

/// Properties of the files, detected from their first rows.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Findings {
    /// The decimal mark of each file; `None` if its numbers do not show it.
    pub decimals: Vec<Option<Decimal>>,
    /// Columns that have a value on an order's first line only.
    pub fill_down: Vec<OrderColumn>,
    /// The separator of lists in the cells of items, and true if these are certainly lists.
    pub lists: Option<(String, bool)>,
    /// Of the examined rows, those whose item holds the separator.
    pub list_rows: u64,
    /// Columns in which all ids are whole floats.
    pub floats: Vec<OrderColumn>,
}

/// Reads the first rows of each file.
///
/// # Errors
/// Fails if a file cannot be read.
pub fn probe(source: &Source, layout: &Layout, item_source: &str) -> anyhow::Result<Findings> {
    let mut files: Vec<FileProbe> = source.files().iter().map(|_| FileProbe::default()).collect();
    let mut lists = ListProbe::default();
    let mut rows = vec![0; files.len()];
    source.each_row(&layout.wanted, &Cell::new(0), &mut |file, event| {
        rows[file.number] += 1;
        if let Event::Row(row) = event {
            files[file.number].take(row);
            if let Some(item) = row.get(OrderColumn::ItemId as usize) {
                lists.take(item);
            }
        }
        Ok(if rows[file.number] >= ROWS { Flow::NextFile } else { Flow::Next })
    })?;
    files.iter_mut().for_each(FileProbe::end_order);
    let (lists, list_rows) = lists.told(item_source);
    Ok(Findings {
        decimals: files.iter().map(FileProbe::decimal).collect(),
        fill_down: fill_down(&files),
        lists,
        list_rows,
        floats: (IDS.into_iter().enumerate())
            .filter(|(n, _)| {
                let sum = |place: fn(&Ids) -> u64| files.iter().map(|file| place(&file.ids[*n])).sum::<u64>();
                sum(|ids| ids.floats) > 0 && sum(|ids| ids.others) == 0
            })
            .map(|(_, column)| column)
            .collect(),
    })
}

#[derive(Debug, Default, Clone, Copy)]
struct Ids {
    floats: u64,
    others: u64,
}

/// Counts for one order-level column: orders with a value on the first line only, and orders with values on others.
#[derive(Debug, Default, Clone, Copy)]
struct Filled {
    first_only: u64,
    further: u64,
    /// For the current order: true if the first line has a value, and true if a later one has.
    first: bool,
    later: bool,
}

#[derive(Debug, Default)]
struct FileProbe {
    commas: u64,
    points: u64,
    ids: [Ids; 3],
    order: Option<String>,
    lines: u64,
    filled: [Filled; FILLABLE.len()],
    /// Rows without an order id, and those of them that have another order-level value.
    without_order: u64,
    without_order_but_more: u64,
}

impl FileProbe {
    fn take(&mut self, row: &Row<'_>) {
        for column in [OrderColumn::Quantity, OrderColumn::UnitPrice, OrderColumn::LineTotal] {
            match row.get(column as usize).and_then(decimal_of) {
                Some(Decimal::Comma) => self.commas += 1,
                Some(Decimal::Point) => self.points += 1,
                None => {}
            }
        }
        for (ids, column) in self.ids.iter_mut().zip(IDS) {
            if let Some(id) = row.get(column as usize) {
                ids.floats += u64::from(is_whole_float(id));
                ids.others += u64::from(!is_whole_float(id) && !id.bytes().all(|byte| byte.is_ascii_digit()));
            }
        }
        if row.element.is_none_or(|element| element.number == 0) {
            self.take_order(row);
        }
    }

    fn take_order(&mut self, row: &Row<'_>) {
        let order = row.get(OrderColumn::OrderId as usize);
        let has = |column: &OrderColumn| row.value(*column as usize).is_some();
        if order.is_none() && self.order.is_some() {
            self.without_order += 1;
            let more = [OrderColumn::UserId, OrderColumn::OrderedAt].iter().any(has);
            self.without_order_but_more += u64::from(more);
        } else if order != self.order.as_deref() {
            self.end_order();
            self.order = order.map(str::to_owned);
        }
        self.lines += 1;
        for (filled, column) in self.filled.iter_mut().zip(&FILLABLE) {
            if self.lines == 1 {
                (filled.first, filled.later) = (has(column), false);
            } else {
                filled.later |= has(column);
            }
        }
    }

    fn end_order(&mut self) {
        if self.lines > 1 {
            for filled in &mut self.filled {
                filled.first_only += u64::from(filled.first && !filled.later);
                filled.further += u64::from(filled.later);
            }
        }
        self.lines = 0;
    }

    fn decimal(&self) -> Option<Decimal> {
        match (self.commas, self.points) {
            (commas, 0) if commas > 0 => Some(Decimal::Comma),
            (0, points) if points > 0 => Some(Decimal::Point),
            _ => None,
        }
    }
}

/// The columns that have values on first lines only, over all files.
fn fill_down(files: &[FileProbe]) -> Vec<OrderColumn> {
    let sum = |of: &dyn Fn(&FileProbe) -> u64| files.iter().map(of).sum::<u64>();
    let is_filled = |(n, column): &(usize, OrderColumn)| {
        if *column == OrderColumn::OrderId {
            return sum(&|file| file.without_order) > 0 && sum(&|file| file.without_order_but_more) == 0;
        }
        let (first_only, further) =
            (sum(&|file| file.filled[*n].first_only), sum(&|file| file.filled[*n].further));
        first_only > 0 && further * 20 <= first_only
    };
    FILLABLE.into_iter().enumerate().filter(is_filled).map(|(_, column)| column).collect()
}

/// Evidence of lists in the cells of items.
#[derive(Debug, Default)]
struct ListProbe {
    cells: u64,
    bracketed: u64,
    distinct: FxHashSet<String>,
    separators: [Separated; SEPARATORS.len()],
}

#[derive(Debug, Default)]
struct Separated {
    cells: u64,
    /// Cells with a space behind the separator, as in a sentence.
    spaced: u64,
    parts: u64,
    distinct: FxHashSet<String>,
}

impl ListProbe {
    fn take(&mut self, item: &str) {
        self.cells += 1;
        self.distinct.insert(item.to_owned());
        let is_bracketed = item.starts_with('[') && item.ends_with(']') && item.len() > 2;
        self.bracketed += u64::from(is_bracketed);
        for (separated, separator) in self.separators.iter_mut().zip(SEPARATORS) {
            if item.contains(separator) {
                separated.cells += 1;
                separated.spaced += u64::from(item.contains(&format!("{separator} ")));
            }
            for part in item.split(separator).map(str::trim).filter(|part| !part.is_empty()) {
                separated.parts += 1;
                separated.distinct.insert(part.to_owned());
            }
        }
    }

    /// The separator, true if lists are certain, and the number of cells with the separator. The parts of lists are
    /// items, which occur again in other cells.
    fn told(&self, item_source: &str) -> (Option<(String, bool)>, u64) {
        if self.cells > 0 && self.bracketed == self.cells {
            return (Some((",".to_owned(), true)), self.bracketed);
        }
        let best = self.separators.iter().zip(SEPARATORS).max_by_key(|(separated, _)| separated.cells);
        let Some((best, separator)) = best else { return (None, 0) };
        let come_again = 2 * best.parts >= 3 * best.distinct.len() as u64
            && best.distinct.len() <= self.distinct.len().max(2) * 2;
        let is_often = best.cells >= 3 && best.cells * 3 >= self.cells;
        if !(is_often && come_again) {
            return (None, 0);
        }
        let certain =
            is_called_list(item_source) || (best.cells == self.cells && separator != "," && best.spaced == 0);
        (Some((separator.to_owned(), certain)), best.cells)
    }
}

/// True if a column's name suggests several items.
fn is_called_list(name: &str) -> bool {
    let lower = name.to_lowercase();
    let plural =
        ["items", "skus", "products", "goods", "ids", "basket", "cart", "artikel", "articles", "productos"];
    plural.iter().any(|word| lower.ends_with(word))
        || ["列表", "清单", "明细"].iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::ListProbe;

    fn told(cells: &[&str], name: &str) -> Option<(String, bool)> {
        let mut probe = ListProbe::default();
        cells.iter().for_each(|cell| probe.take(cell));
        probe.told(name).0
    }

    #[test]
    fn lists_have_parts_that_come_again() {
        let cells = ["A0,B0,C1", "A1,B1,C1", "A0,B1,C1", "A1,B0,C1"];
        assert_eq!(told(&cells, "skus"), Some((",".to_owned(), true)));
        assert_eq!(told(&cells, "item_id"), Some((",".to_owned(), false)));
        assert_eq!(told(&["['a', 'b']", "['b']"], "x"), Some((",".to_owned(), true)));
        assert_eq!(told(&["Tea, green", "Cup, large", "Pot, iron", "Jug, glass"], "name"), None);
        assert_eq!(told(&["A0", "A1"], "skus"), None);
    }
}
