//! A catalog from the orders themselves: for each attribute of an item its most frequent value.

use super::attributes::{Prices, set};
use super::dictionary::Dictionary;
use super::layout::Layout;
use super::source::Row;
use super::times::Times;
use super::types::Item;
use rustc_hash::FxHashMap;

/// Counts of (attribute, item, value) over the orders' rows. Memory: one copy of each distinct
/// value and about 30 bytes for each distinct triple.
#[derive(Default)]
pub struct Catalogue {
    columns: Vec<usize>,
    values: Vec<Dictionary>,
    counts: FxHashMap<(u32, u32, u32), u32>,
}

impl Catalogue {
    /// Observes these columns of the layout.
    pub fn new(columns: Vec<usize>) -> Self {
        let values = columns.iter().map(|_| Dictionary::default()).collect();
        Self { columns, values, counts: FxHashMap::default() }
    }

    /// Counts the attributes in a row of `item`, a number valid while reading.
    pub fn observe(&mut self, row: &Row<'_>, item: u32) {
        for (place, (&column, values)) in self.columns.iter().zip(&mut self.values).enumerate() {
            if let Some(value) = row.value(column)
                && let Some(code) = values.code(value.as_bytes())
            {
                // There are fewer attributes than u32.
                *self.counts.entry((place as u32, item, code)).or_insert(0) += 1;
            }
        }
    }

    /// One entry for each of `item_ids`; `new_of_old` has the index of each item there. Of equally
    /// frequent values the smallest in byte order wins. A value that is invalid for its attribute
    /// (a price that is no number) is left out.
    pub fn into_items(
        self,
        layout: &Layout,
        item_ids: &[String],
        new_of_old: &[u32],
        launched_at: &mut Option<Times>,
        prices: &mut Prices,
    ) -> Vec<Item> {
        let mut items: Vec<Item> =
            item_ids.iter().map(|id| Item { item_id: id.clone(), ..Item::default() }).collect();
        let names: Vec<Vec<String>> = self.values.into_iter().map(Dictionary::into_names).collect();
        let mut best: FxHashMap<(u32, u32), (u32, u32)> = FxHashMap::default();
        for ((place, item, value), count) in self.counts {
            let text = |value: u32| names[place as usize][value as usize].as_str();
            let entry = best.entry((place, item)).or_insert((count, value));
            if (count, std::cmp::Reverse(text(value))) > (entry.0, std::cmp::Reverse(text(entry.1))) {
                *entry = (count, value);
            }
        }
        let columns: Vec<&str> = layout.names().collect();
        for ((place, item), (_, value)) in best {
            let new = new_of_old.get(item as usize).map_or(usize::MAX, |new| *new as usize);
            if let Some(item) = items.get_mut(new) {
                let column = columns[self.columns[place as usize]];
                // An invalid value is ignored.
                let text = &names[place as usize][value as usize];
                let _ = set(item, column, text, (&mut *launched_at, 0), prices);
            }
        }
        items
    }
}
