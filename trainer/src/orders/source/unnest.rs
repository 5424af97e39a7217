//! Splits rows that hold several order lines: lists in cells, nested arrays, items spread over columns.
//!
//! Each element becomes a row. Lists of the same length are combined element by element; a column with one value
//! gives it to every element.

use super::row::{Element, Event, Flow, Instead, LIST_MARK, Place, Row, Sink, Span};
use crate::orders::summary::Reason;

/// The content of a one-hot basket's cell.
enum Held {
    No,
    Yes,
    /// The item is held, with this quantity.
    Number,
    /// The cell is no number and no known word.
    Unclear,
}

/// The columns of a file that may hold lists.
#[derive(Debug, Clone, Default)]
pub struct Unnest {
    /// Canonical columns whose cells may hold several values.
    pub lists: Vec<usize>,
    /// The separator of lists in cells.
    pub split: Option<String>,
    /// True if cells may hold [`LIST_MARK`].
    pub nested: bool,
    /// One-hot baskets: the cells of items, each with the number of the constant that holds the item's id.
    pub one_hot: Vec<(usize, usize)>,
    /// The canonical columns of item and quantity, for one-hot baskets.
    pub item: usize,
    /// See `item`.
    pub quantity: usize,
}

/// Splits rows into elements; its buffers are reused.
pub struct Unnester<'a> {
    unnest: &'a Unnest,
    lists: Vec<(usize, Vec<Span>)>,
    values: Vec<Instead>,
}

impl<'a> Unnester<'a> {
    /// Starts for the rows of one file.
    pub fn new(unnest: &'a Unnest) -> Self {
        let lists = unnest.lists.iter().map(|column| (*column, Vec::new())).collect();
        Self { unnest, lists, values: Vec::new() }
    }

    /// Passes `row`, or each of its elements, to `sink`.
    ///
    /// # Errors
    /// Fails if `sink` fails.
    pub fn give(&mut self, row: &Row<'_>, sink: &mut Sink<'_>) -> anyhow::Result<Flow> {
        if !self.unnest.one_hot.is_empty() {
            return self.give_one_hot(row, sink);
        }
        if self.lists.is_empty() {
            return sink(Event::Row(row));
        }
        let (mut longest, mut is_list) = (1, false);
        for (column, spans) in &mut self.lists {
            spans.clear();
            is_list |= elements(row, *column, self.unnest, spans);
            longest = longest.max(spans.len());
        }
        if !is_list {
            return sink(Event::Row(row));
        }
        if self.lists.iter().any(|(_, spans)| spans.len() > 1 && spans.len() != longest) {
            return sink(Event::Bad { line: row.line, reason: Reason::UnequalLists, shown: row.show() });
        }
        let item = self.lists.iter().position(|(column, _)| *column == self.unnest.item);
        for number in 0..longest {
            self.values.clear();
            self.values.resize(row.columns.len(), Instead::Same);
            for (column, spans) in &self.lists {
                if let Some(span) = spans.get(number).or(spans.first()) {
                    self.values[*column] = Instead::Span(*span);
                }
            }
            let element = Element { number: number as u32, values: &self.values };
            let row = Row { element: Some(element), ..*row };
            // A basket of three items has blanks in the further columns of items.
            if longest > 1 && item.is_some() && row.get(self.unnest.item).is_none() {
                continue;
            }
            if sink(Event::Row(&row))? != Flow::Next {
                return Ok(Flow::Enough);
            }
        }
        Ok(Flow::Next)
    }

    fn give_one_hot(&mut self, row: &Row<'_>, sink: &mut Sink<'_>) -> anyhow::Result<Flow> {
        let mut given = 0;
        for &(cell, name) in &self.unnest.one_hot {
            let Some(span) = row.spans.get(cell) else { continue };
            let value = row.cut(*span).unwrap_or_default().trim();
            self.values.clear();
            self.values.resize(row.columns.len(), Instead::Same);
            match held(value, &row.constants[name]) {
                Held::No => continue,
                Held::Yes => {}
                Held::Number => self.values[self.unnest.quantity] = Instead::Span(*span),
                Held::Unclear => {
                    return sink(Event::Bad {
                        line: row.line,
                        reason: Reason::UnclearCell,
                        shown: row.show(),
                    });
                }
            }
            self.values[self.unnest.item] = Instead::Constant(name);
            let row = Row { element: Some(Element { number: given, values: &self.values }), ..*row };
            given += 1;
            if sink(Event::Row(&row))? != Flow::Next {
                return Ok(Flow::Enough);
            }
        }
        if given == 0 {
            return sink(Event::Bad { line: row.line, reason: Reason::NoItem, shown: row.show() });
        }
        Ok(Flow::Next)
    }
}

/// The content of a one-hot basket's cell, in the column named after the item `name`.
fn held(value: &str, name: &str) -> Held {
    const YES: [&str; 15] =
        ["true", "t", "yes", "y", "x", "sim", "si", "sí", "oui", "ja", "да", "是", "有", "√", "✓"];
    const NO: [&str; 16] =
        ["", "false", "f", "no", "n", "não", "nao", "non", "nein", "нет", "否", "无", "?", "-", "na", "nan"];
    let lower = value.to_lowercase();
    if NO.contains(&lower.as_str()) {
        return Held::No;
    }
    if YES.contains(&lower.as_str()) || value.eq_ignore_ascii_case(name) {
        return Held::Yes;
    }
    match lower.replace(',', ".").parse::<f64>() {
        Ok(number) if number > 0.0 => Held::Number,
        Ok(_) => Held::No,
        Err(_) => Held::Unclear,
    }
}

/// Appends the values of a column in one row to `spans`; returns true if it holds a list.
fn elements(row: &Row<'_>, column: usize, unnest: &Unnest, spans: &mut Vec<Span>) -> bool {
    let Some(located) = row.columns.get(column) else { return false };
    let [place] = located.places.as_slice() else { return false };
    match place {
        Place::Spread(cells) => {
            spans.extend(cells.iter().map_while(|cell| row.spans.get(*cell)));
            true
        }
        Place::Constant(_) => false,
        Place::Cell(cell) => {
            let Some(&span) = row.spans.get(*cell) else { return false };
            let Some(value) = row.cut(span) else { return false };
            if unnest.nested && value.contains(LIST_MARK) {
                cut(value, span.0, LIST_MARK, spans);
                return true;
            }
            match &unnest.split {
                Some(separator) => list(value, span.0, separator, spans),
                None => false,
            }
        }
    }
}

/// Splits a list in a cell: `a,b`, `["a", "b"]`, `['a', 'b']`, `{a,b}`.
fn list(value: &str, start: u32, separator: &str, spans: &mut Vec<Span>) -> bool {
    let trimmed = value.trim();
    let inner = [('[', ']'), ('{', '}'), ('(', ')')]
        .into_iter()
        .find_map(|(open, close)| trimmed.strip_prefix(open)?.strip_suffix(close));
    let bracketed = inner.is_some();
    let inner = inner.unwrap_or(trimmed);
    let from = start + (inner.as_ptr() as usize - value.as_ptr() as usize) as u32;
    let separator = if bracketed { "," } else { separator };
    let mut at = 0;
    for part in inner.split(separator) {
        let word = part.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
        if !word.is_empty() {
            let offset = at + (word.as_ptr() as usize - part.as_ptr() as usize) as u32;
            spans.push((from + offset, from + offset + word.len() as u32));
        }
        at += (part.len() + separator.len()) as u32;
    }
    bracketed || spans.len() > 1
}

fn cut(value: &str, start: u32, mark: char, spans: &mut Vec<Span>) {
    let mut at = start;
    for part in value.split(mark) {
        spans.push((at, at + part.len() as u32));
        at += part.len() as u32 + mark.len_utf8() as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::list;

    fn split(value: &str, separator: &str) -> Vec<String> {
        let mut spans = Vec::new();
        list(value, 0, separator, &mut spans);
        spans.iter().map(|&(start, end)| value[start as usize..end as usize].to_owned()).collect()
    }

    #[test]
    fn lists_in_cells_lose_their_brackets_and_quotes() {
        assert_eq!(split("A0,B0,C1", ","), ["A0", "B0", "C1"]);
        assert_eq!(split(" A0 | B0||", "|"), ["A0", "B0"]);
        assert_eq!(split("['A0', \"B0\"]", ";"), ["A0", "B0"]);
        assert_eq!(split("面、茶", "、"), ["面", "茶"]);
    }
}
