//! Item states of the embedded store: on disk, and all of them in memory.

use std::sync::PoisonError;

use rustc_hash::FxHashMap;

use super::Embedded;
use super::tables::{Table, Tables};
use super::writer::Group;
use crate::error::StoreError;
use crate::items::{ItemChange, ItemOutcome, ItemState, Items, MAX_ITEMS};

/// States by item id.
pub(super) type ItemStates = FxHashMap<Box<str>, ItemState>;

impl Items for Embedded {
    async fn change_items(&self, changes: Vec<ItemChange>) -> Result<Vec<ItemOutcome>, StoreError> {
        let rows = changes.len();
        self.writer.submit(rows, move |group| group.change_items(&changes)).await
    }

    fn each_item(&self, ids: Option<&[String]>, mut each: impl FnMut(&str, &ItemState)) {
        let items = self.shared.items.read().unwrap_or_else(PoisonError::into_inner);
        match ids {
            None => items.iter().for_each(|(id, state)| each(id, state)),
            Some(ids) => ids.iter().for_each(|id| {
                if let Some(state) = items.get(id.as_str()) {
                    each(id, state);
                }
            }),
        }
    }
}

impl Group<'_> {
    fn change_items(&mut self, changes: &[ItemChange]) -> Result<Vec<ItemOutcome>, StoreError> {
        let mut changed = ItemStates::default();
        let outcomes = changes.iter().map(|change| self.change_item(change, &mut changed));
        let outcomes = outcomes.collect::<Result<_, _>>()?;
        self.after_commit(move |shared| {
            shared.items.write().unwrap_or_else(PoisonError::into_inner).extend(changed);
        });
        Ok(outcomes)
    }

    fn change_item(
        &mut self,
        change: &ItemChange,
        changed: &mut ItemStates,
    ) -> Result<ItemOutcome, StoreError> {
        let id = change.item_id.as_str();
        let mut state = match self.staged(Table::Items).get(id.as_bytes()) {
            Some(staged) => decode(staged.as_deref().unwrap_or_default())?,
            None => {
                let items = self.shared.items.read().unwrap_or_else(PoisonError::into_inner);
                let known = items.get(id).copied();
                if known.is_none() && items.len() + self.staged(Table::Items).len() >= MAX_ITEMS {
                    return Ok(ItemOutcome::Full);
                }
                known.unwrap_or_default()
            }
        };
        if !state.apply(change) {
            return Ok(ItemOutcome::Stale);
        }
        let encoded = serde_json::to_vec(&state).map_err(|_| Table::Items.damaged())?;
        self.put(Table::Items, id, encoded);
        changed.insert(id.into(), state);
        Ok(ItemOutcome::Accepted)
    }
}

/// Reads all states.
pub(super) fn all_items(tables: &Tables) -> Result<ItemStates, StoreError> {
    let mut items = ItemStates::default();
    for entry in tables.table(Table::Items).iter() {
        let (id, state) = entry.into_inner()?;
        let id = std::str::from_utf8(&id).map_err(|_| Table::Items.damaged())?;
        items.insert(id.into(), decode(&state)?);
    }
    Ok(items)
}

fn decode(state: &[u8]) -> Result<ItemState, StoreError> {
    serde_json::from_slice(state).map_err(|_| Table::Items.damaged())
}
