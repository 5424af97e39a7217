//! The canonical columns of a table's rows, by number.

use super::source::Wanted;
use crate::config::{OrderColumn, Table, TableConfig};

/// The columns of a table, in order of addition. For the orders, the number of a column is its [`OrderColumn`].
#[derive(Debug, Default)]
pub struct Layout {
    /// The columns to look for in every file.
    pub wanted: Vec<Wanted>,
}

impl Layout {
    /// Adds a column; returns its number, from 0.
    pub fn add(&mut self, wanted: Wanted) -> usize {
        self.wanted.push(wanted);
        self.wanted.len() - 1
    }

    /// Adds every column of a table; those that `is_required` names must be there.
    pub fn of_table(table: Table, options: &TableConfig, is_required: &dyn Fn(&str) -> bool) -> Self {
        let wanted = table.names().map(|name| Wanted::of(table, name, is_required(name), options));
        Self { wanted: wanted.collect() }
    }

    /// The columns' canonical names, by number.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.wanted.iter().map(|wanted| wanted.name.as_str())
    }

    /// The number of a column named by a rule: a canonical column of the orders, else a column of the files, which is
    /// added.
    pub fn of_rule(&mut self, column: &str, rule: &str, need: super::source::Need) -> usize {
        if let Some(column) = OrderColumn::named(column) {
            return column as usize;
        }
        match self.wanted.iter().position(|wanted| {
            wanted.sources == [column.to_owned()] && wanted.canonical.starts_with("orders.")
        }) {
            Some(number) => number,
            None => self.add(Wanted::plain(format!("orders.{rule}"), column, need)),
        }
    }
}
