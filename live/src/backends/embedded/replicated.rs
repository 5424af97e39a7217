//! Replicated records of the embedded store: on disk as JSON by key, and all of them in memory.

use std::sync::{PoisonError, RwLock};

use rustc_hash::FxHashMap;

use super::Embedded;
use super::shared::Shared;
use super::tables::{Table, Tables};
use super::writer::Group;
use crate::consents::{Consent, ConsentChange, Consents};
use crate::error::StoreError;
use crate::items::{ItemChange, ItemOutcome, ItemState, Items};
use crate::replicated::{ChangeOutcome, Replicated};

/// Records by key.
pub(super) type Records<R> = FxHashMap<Box<str>, R>;

/// A kind of record with a table of its own.
pub(super) trait Stored: Replicated {
    const TABLE: Table;

    /// The records in memory.
    fn of(shared: &Shared) -> &RwLock<Records<Self>>;
}

impl Stored for ItemState {
    const TABLE: Table = Table::Items;

    fn of(shared: &Shared) -> &RwLock<Records<Self>> {
        &shared.items
    }
}

impl Stored for Consent {
    const TABLE: Table = Table::Consents;

    fn of(shared: &Shared) -> &RwLock<Records<Self>> {
        &shared.consents
    }
}

impl Items for Embedded {
    async fn change_items(&self, changes: Vec<ItemChange>) -> Result<Vec<ItemOutcome>, StoreError> {
        self.change::<ItemState>(changes).await
    }

    fn each_item(&self, ids: Option<&[String]>, each: impl FnMut(&str, &ItemState)) {
        self.each(ids, each);
    }
}

impl Consents for Embedded {
    async fn change_consents(&self, changes: Vec<ConsentChange>) -> Result<Vec<ChangeOutcome>, StoreError> {
        self.change::<Consent>(changes).await
    }

    async fn read_consents(&self, user_ids: &[String]) -> Result<Vec<Consent>, StoreError> {
        let records = self.shared.consents.read().unwrap_or_else(PoisonError::into_inner);
        Ok(user_ids.iter().map(|id| records.get(id.as_str()).cloned().unwrap_or_default()).collect())
    }

    fn each_consent(&self, user_ids: Option<&[String]>, each: impl FnMut(&str, &Consent)) {
        self.each(user_ids, each);
    }
}

impl Embedded {
    async fn change<R: Stored>(&self, changes: Vec<R::Change>) -> Result<Vec<ChangeOutcome>, StoreError> {
        self.writer.submit(changes.len(), move |group| group.change_records::<R>(&changes)).await
    }

    fn each<R: Stored>(&self, keys: Option<&[String]>, mut each: impl FnMut(&str, &R)) {
        let records = R::of(&self.shared).read().unwrap_or_else(PoisonError::into_inner);
        match keys {
            None => records.iter().for_each(|(key, record)| each(key, record)),
            Some(keys) => keys.iter().for_each(|key| {
                if let Some(record) = records.get(key.as_str()) {
                    each(key, record);
                }
            }),
        }
    }
}

impl Group<'_> {
    fn change_records<R: Stored>(&mut self, changes: &[R::Change]) -> Result<Vec<ChangeOutcome>, StoreError> {
        let mut changed = Records::<R>::default();
        let outcomes = changes.iter().map(|change| self.change_record(change, &mut changed));
        let outcomes = outcomes.collect::<Result<_, _>>()?;
        self.after_commit(move |shared| {
            R::of(shared).write().unwrap_or_else(PoisonError::into_inner).extend(changed);
        });
        Ok(outcomes)
    }

    fn change_record<R: Stored>(
        &mut self,
        change: &R::Change,
        changed: &mut Records<R>,
    ) -> Result<ChangeOutcome, StoreError> {
        let key = R::key(change);
        let mut record: R = match self.staged(R::TABLE).get(key.as_bytes()) {
            Some(staged) => decode(R::TABLE, staged.as_deref().unwrap_or_default())?,
            None => {
                let records = R::of(self.shared).read().unwrap_or_else(PoisonError::into_inner);
                let known = records.get(key).cloned();
                if known.is_none() && records.len() + self.staged(R::TABLE).len() >= R::MAX {
                    return Ok(ChangeOutcome::Full);
                }
                known.unwrap_or_default()
            }
        };
        if !record.apply(change) {
            return Ok(ChangeOutcome::Stale);
        }
        let encoded = serde_json::to_vec(&record).map_err(|_| R::TABLE.damaged())?;
        self.put(R::TABLE, key, encoded);
        changed.insert(key.into(), record);
        Ok(ChangeOutcome::Accepted)
    }
}

/// Reads all records of a table.
pub(super) fn read_all<R: Stored>(tables: &Tables) -> Result<Records<R>, StoreError> {
    let mut records = Records::default();
    for entry in tables.table(R::TABLE).iter() {
        let (key, record) = entry.into_inner()?;
        let key = std::str::from_utf8(&key).map_err(|_| R::TABLE.damaged())?;
        records.insert(key.into(), decode(R::TABLE, &record)?);
    }
    Ok(records)
}

fn decode<R: Replicated>(table: Table, record: &[u8]) -> Result<R, StoreError> {
    serde_json::from_slice(record).map_err(|_| table.damaged())
}
