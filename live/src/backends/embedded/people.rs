//! One-ID and users' states in the embedded store.

use super::Embedded;
use super::tables::Table;
use super::writer::Group;
use crate::error::StoreError;
use crate::people::forget::forget;
use crate::people::resolve::{describe, resolve};
use crate::people::{
    Described, Key, Known, LinkOutcome, LinkRequest, MAX_STORED_IDENTITIES, Name, People, Records, Refusal,
    Resolved, Stop, UndoOutcome, UndoRequest, UserState, link, undo,
};

/// User ids that one sweep looks at.
const SWEEP_PEOPLE: usize = 4_096;
/// Key of the number of identities in [`Table::People`].
const IDENTITIES: &[u8] = b"n";

impl People for Embedded {
    async fn load(&self, names: &[Name<'_>], now: i64) -> Result<Known, StoreError> {
        let tables = self.shared.tables()?;
        let resolved = run(|records| resolve(records, names), |key| tables.get(Table::People, key))?.0;
        let mut state = UserState::default();
        for name in resolved.names() {
            let known = tables.user(&user_key(&name))?;
            // Usually there is one name, and nothing to merge.
            if state.is_empty() { state = known } else { state.merge(known) }
        }
        state.forget(now.saturating_sub(self.shared.ttl));
        Ok(Known { user_ids: resolved.user_ids, state, partial: false })
    }

    async fn link(&self, request: LinkRequest) -> Result<Result<LinkOutcome, Refusal>, StoreError> {
        self.writer.submit(1, move |group| group.settle(|records| link(records, &request))).await
    }

    async fn undo(&self, request: UndoRequest) -> Result<UndoOutcome, StoreError> {
        let undone = move |group: &mut Group<'_>| group.settle(|records| undo(records, &request));
        // An undo is never refused.
        Ok(self.writer.submit(1, undone).await?.unwrap_or(UndoOutcome::Unchanged))
    }

    async fn person(&self, user_id: &str, now: i64) -> Result<Described, StoreError> {
        let tables = self.shared.tables()?;
        let read = |key: &[u8]| tables.get(Table::People, key);
        run(|records| describe(records, user_id, now), read).map(|(described, _)| described)
    }
}

impl Group<'_> {
    /// Runs a rule of One-ID and stages its writes.
    fn settle<T>(
        &mut self,
        rule: impl FnMut(&mut Records) -> Result<T, Stop>,
    ) -> Result<Result<T, Refusal>, StoreError> {
        let (outcome, records) = try_run(rule, |key| self.get(Table::People, key))?;
        match self.stage_people(&records)? {
            true => Ok(outcome),
            false => Ok(Err(Refusal::Full)),
        }
    }

    /// Stages the writes of a rule; stages nothing and returns false if there would be too many identities.
    fn stage_people(&mut self, records: &Records) -> Result<bool, StoreError> {
        let growth = records.growth();
        if growth != 0 {
            let damaged = |_| Table::People.damaged();
            let count = self.get(Table::People, IDENTITIES)?;
            let count = count.map(|bytes| bytes.try_into().map(u64::from_le_bytes).map_err(damaged));
            let count = count.transpose()?.unwrap_or(0).saturating_add_signed(growth);
            if growth > 0 && count > MAX_STORED_IDENTITIES {
                return Ok(false);
            }
            self.put(Table::People, IDENTITIES, count.to_le_bytes());
        }
        for (key, value) in records.written() {
            match value {
                Some(value) => self.put(Table::People, key.encoded(), value),
                None => self.remove(Table::People, key.encoded()),
            }
        }
        Ok(true)
    }

    /// Removes anonymous people without events since `moment`, among the next user ids in turn.
    pub(super) fn sweep_people(&mut self, moment: i64) -> Result<(), StoreError> {
        let cursor = std::mem::take(&mut self.log.people_cursor);
        let from = if cursor.is_empty() { b"u".to_vec() } else { cursor };
        let mut user_ids = Vec::new();
        for entry in self.tables.table(Table::People).range(from..b"v".to_vec()).take(SWEEP_PEOPLE) {
            let key = entry.key()?;
            let user_id = String::from_utf8(key.get(1..).unwrap_or_default().to_vec());
            user_ids.push(user_id.map_err(|_| Table::People.damaged())?);
        }
        // With fewer, the next sweep starts over.
        if let (SWEEP_PEOPLE, Some(last)) = (user_ids.len(), user_ids.last()) {
            self.log.people_cursor = format!("u{last}\0").into_bytes();
        }
        for user_id in user_ids {
            let rule = |records: &mut Records| forget(records, &user_id, moment);
            let (names, records) = run(rule, |key| self.get(Table::People, key))?;
            if let Some(names) = names
                && self.is_silent(&names)?
            {
                self.stage_people(&records)?;
            }
        }
        Ok(())
    }

    /// True if no state is stored under any of these names.
    fn is_silent(&self, names: &Resolved) -> Result<bool, StoreError> {
        for name in names.names() {
            if self.has_state(&user_key(&name))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The key of a name in [`Table::Users`].
pub(super) fn user_key(name: &Name<'_>) -> Vec<u8> {
    let (kind, id) = match name {
        Name::User(id) => (b'u', id),
        Name::Session(id) => (b's', id),
        Name::Identity(identity) => return Key::Identity((*identity).clone()).encoded(),
    };
    let mut key = Vec::with_capacity(1 + id.len());
    key.push(kind);
    key.extend_from_slice(id.as_bytes());
    key
}

/// Runs a rule that never refuses over records that `read` supplies without waiting; returns its result and its
/// records.
fn run<T>(
    rule: impl FnMut(&mut Records) -> Result<T, Stop>,
    read: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, StoreError>,
) -> Result<(T, Records), StoreError> {
    let (outcome, records) = try_run(rule, read)?;
    let result = outcome.map_err(|refusal| StoreError::Failed(refusal.to_string()))?;
    Ok((result, records))
}

/// The same for a rule that may refuse; a refusal writes nothing.
fn try_run<T>(
    mut rule: impl FnMut(&mut Records) -> Result<T, Stop>,
    read: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, StoreError>,
) -> Result<(Result<T, Refusal>, Records), StoreError> {
    let mut records = Records::default();
    loop {
        match records.run(&mut rule) {
            Ok(Some(result)) => return Ok((Ok(result), records)),
            Err(Stop::Refused(refusal)) => return Ok((Err(refusal), records)),
            Err(Stop::Damaged | Stop::Unread) => return Err(Table::People.damaged()),
            Ok(None) => {
                for key in records.missing() {
                    let value = read(&key.encoded())?;
                    records.supply(key, value);
                }
            }
        }
    }
}
