//! Which slots of a row hold which canonical column.

use super::source::{Row, Wanted};
use crate::config::{Table, TableConfig};
use std::borrow::Cow;
use std::ops::Range;

/// The slots of a table's columns, in order of addition.
#[derive(Debug, Default)]
pub struct Layout {
    /// What to ask of every file.
    pub wanted: Vec<Wanted>,
    columns: Vec<(String, Range<usize>)>,
}

impl Layout {
    /// Adds a column; gives its number, from 0.
    pub fn add(&mut self, table: Table, column: &str, required: bool, options: &TableConfig) -> usize {
        let start = self.wanted.len();
        self.wanted.extend(Wanted::of(table, column, required, options));
        self.columns.push((column.to_owned(), start..self.wanted.len()));
        self.columns.len() - 1
    }

    /// The columns' canonical names, by number.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The value of a column by its number, the parts of a path joined by `/`. `None` if blank.
    pub fn value<'a>(&self, row: &Row<'a>, column: usize) -> Option<Cow<'a, str>> {
        let slots = self.columns.get(column)?.1.clone();
        if slots.len() == 1 {
            return row.get(slots.start).map(Cow::Borrowed);
        }
        let parts: Vec<&str> = slots.filter_map(|slot| row.get(slot)).collect();
        (!parts.is_empty()).then(|| Cow::Owned(parts.join("/")))
    }
}
