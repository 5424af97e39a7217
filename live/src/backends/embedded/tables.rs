//! The tables of the embedded store.
//!
//! | table | key | value |
//! |---|---|---|
//! | `events` | number, 8 bytes big-endian | time of receipt (8 bytes, little-endian milliseconds), the event as JSON |
//! | `seen` | event id | fingerprint of the event, 16 bytes |
//! | `users` | `u` + user id, `s` + session id, or `i` + number of the type + value of an identity | the encoded `UserState` |
//! | `people` | see [`people::records`](crate::people::records); `n` | One-ID records; number of identities |
//! | `items` | item id | the `ItemState` as JSON |
//! | `consents` | user id | the `Consent` as JSON |
//! | `documents` | see [`documents`](super::documents) | |
//! | `counters` | see [`counters`](super::counters) | |
//! | `meta` | `a` + number, 8 bytes big-endian | an [age mark](super::log): running time, 8 bytes little-endian milliseconds |

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};

use crate::error::StoreError;
use crate::people::UserState;

/// Memory for blocks of all tables, in bytes.
const CACHE_BYTES: u64 = 64 << 20;
/// A table is flushed at this many bytes in memory: unflushed data is read from the journal at the next start.
const MEMTABLE_BYTES: u64 = 8 << 20;
/// Most bytes of journal.
const JOURNAL_BYTES: u64 = 64 << 20;

/// A table of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Table {
    Events,
    Seen,
    Users,
    People,
    Items,
    Meta,
    Documents,
    Counters,
    Consents,
}

impl Table {
    pub(super) const COUNT: usize = 9;
    const ALL: [Self; Self::COUNT] = [
        Self::Events,
        Self::Seen,
        Self::Users,
        Self::People,
        Self::Items,
        Self::Meta,
        Self::Documents,
        Self::Counters,
        Self::Consents,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Seen => "seen",
            Self::Users => "users",
            Self::People => "people",
            Self::Items => "items",
            Self::Meta => "meta",
            Self::Documents => "documents",
            Self::Counters => "counters",
            Self::Consents => "consents",
        }
    }

    /// The error of a record of this table that cannot be decoded.
    pub(super) fn damaged(self) -> StoreError {
        StoreError::Damaged { table: self.name() }
    }
}

/// The open tables, shared by the writer and the readers.
pub(super) struct Tables {
    pub(super) db: Database,
    tables: [Keyspace; Table::COUNT],
}

impl Tables {
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let db = Database::builder(folder)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            .open()?;
        let open = |table: Table| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
            db.keyspace(table.name(), options)
        };
        let mut tables = Vec::with_capacity(Table::COUNT);
        for table in Table::ALL {
            tables.push(open(table)?);
        }
        let tables = tables.try_into().map_err(|_| StoreError::Closed)?;
        Ok(Self { db, tables })
    }

    pub(super) fn table(&self, table: Table) -> &Keyspace {
        &self.tables[table as usize]
    }

    /// The table with this number.
    pub(super) fn nth(&self, n: usize) -> &Keyspace {
        &self.tables[n]
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.table(table).get(key)?.map(|value| value.to_vec()))
    }

    /// The state under a key; empty if there is none.
    pub(super) fn user(&self, key: &[u8]) -> Result<UserState, StoreError> {
        match self.table(Table::Users).get(key)? {
            Some(bytes) => UserState::decode(&bytes).map_err(|_| Table::Users.damaged()),
            None => Ok(UserState::default()),
        }
    }
}
