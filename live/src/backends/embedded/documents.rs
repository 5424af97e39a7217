//! Documents of the embedded store.
//!
//! | key in `documents` | value |
//! |---|---|
//! | `m`, kind, 0, name | current revision (8 bytes little-endian), the meta as JSON |
//! | `h`, kind, 0, name, 0, revision (8 bytes big-endian) | the record of a revision |
//! | `t`, kind, 0, revision (8 bytes big-endian) | name of the document that this revision deleted |
//! | `k`, kind | number of documents, number of deleted ones (8 bytes little-endian each) |
//! | `n` | the last revision given (8 bytes little-endian) |

use tokio::sync::watch;

use super::Embedded;
use super::tables::{Table, Tables};
use super::writer::Group;
use crate::documents::{
    Document, DocumentError, DocumentWrite, Documents, Listed, MAX_DOCUMENTS, Meta, Plan, State, address,
    plan, read_record,
};
use crate::error::StoreError;

const LAST_REVISION: &[u8] = b"n";

impl Documents for Embedded {
    async fn write_document(&self, write: DocumentWrite) -> Result<u64, DocumentError> {
        let rows = 1 + write.body.as_ref().map_or(0, String::len) / 256;
        self.writer.submit(rows, move |group| group.write_document(&write)).await?
    }

    async fn document(&self, kind: &str, name: &str) -> Result<Option<Document>, DocumentError> {
        let (kind, name) = address(kind, name)?;
        let tables = self.shared.tables()?;
        let Some((revision, meta)) = tables.meta(&kind, &name)? else { return Ok(None) };
        if meta.state() != State::Present {
            return Ok(None);
        }
        Ok(tables.revision(&kind, &name, revision)?)
    }

    async fn documents(
        &self,
        kind: &str,
        after: Option<&str>,
        count: usize,
    ) -> Result<Vec<Listed>, DocumentError> {
        let (kind, _) = address(kind, after.unwrap_or("any"))?;
        let tables = self.shared.tables()?;
        let prefix = key(b'm', &kind, "");
        let from = after.map_or_else(|| prefix.clone(), |after| [key(b'm', &kind, after), vec![0]].concat());
        let mut listed = Vec::new();
        for entry in tables.table(Table::Documents).range(from..) {
            let (key, value) = entry.into_inner().map_err(StoreError::from)?;
            let Some(name) = key.strip_prefix(prefix.as_slice()).filter(|_| listed.len() < count) else {
                break;
            };
            let name = std::str::from_utf8(name).map_err(|_| Table::Documents.damaged())?;
            let (revision, meta) = read_meta(&value)?;
            listed.extend(meta.listed(name, revision));
        }
        Ok(listed)
    }

    async fn document_history(&self, kind: &str, name: &str) -> Result<Vec<Document>, DocumentError> {
        let (kind, name) = address(kind, name)?;
        let tables = self.shared.tables()?;
        let Some((current, meta)) = tables.meta(&kind, &name)? else { return Ok(Vec::new()) };
        let mut history = Vec::new();
        for revision in meta.revisions(current) {
            // A revision may have been dropped since.
            history.extend(tables.revision(&kind, &name, revision)?);
        }
        Ok(history)
    }

    fn watch_documents(&self, kind: &str) -> watch::Receiver<u64> {
        self.shared.watchers.subscribe(kind)
    }
}

impl Tables {
    fn meta(&self, kind: &str, name: &str) -> Result<Option<(u64, Meta)>, StoreError> {
        self.get(Table::Documents, &key(b'm', kind, name))?.map(|bytes| read_meta(&bytes)).transpose()
    }

    fn revision(&self, kind: &str, name: &str, revision: u64) -> Result<Option<Document>, StoreError> {
        let Some(record) = self.get(Table::Documents, &history_key(kind, name, revision))? else {
            return Ok(None);
        };
        read_record(revision, &record).map(Some).ok_or(Table::Documents.damaged())
    }
}

impl Group<'_> {
    fn write_document(&mut self, write: &DocumentWrite) -> Result<Result<u64, DocumentError>, StoreError> {
        let meta_key = key(b'm', &write.kind, &write.name);
        let known = self.get(Table::Documents, &meta_key)?.map(|bytes| read_meta(&bytes)).transpose()?;
        let deleted_by = known.as_ref().map(|(revision, _)| *revision);
        let Plan { meta, record, dropped, before, after } = match plan(known, write) {
            Ok(plan) => plan,
            Err(error) => return Ok(Err(error)),
        };
        let count_key = [b"k", write.kind.as_bytes()].concat();
        let mut counts = self.counts(&count_key)?;
        if after == State::Present && before != State::Present {
            if counts.0 >= MAX_DOCUMENTS as u64 {
                return Ok(Err(DocumentError::Full));
            }
            counts.0 += 1;
        }
        let revision = self.last_revision()? + 1;
        if let (State::Deleted, Some(deleted_by)) = (before, deleted_by) {
            counts.1 -= 1;
            self.remove(Table::Documents, tombstone_key(&write.kind, deleted_by));
        }
        if after == State::Deleted {
            (counts.0, counts.1) = (counts.0 - 1, counts.1 + 1);
            self.put(Table::Documents, tombstone_key(&write.kind, revision), write.name.as_str());
            if counts.1 > MAX_DOCUMENTS as u64 {
                counts.1 -= self.purge_oldest_deleted(&write.kind)?;
            }
        }
        for revision in dropped {
            self.remove(Table::Documents, history_key(&write.kind, &write.name, revision));
        }
        self.put(Table::Documents, count_key, [counts.0.to_le_bytes(), counts.1.to_le_bytes()].concat());
        self.put(Table::Documents, LAST_REVISION, revision.to_le_bytes());
        self.put(Table::Documents, history_key(&write.kind, &write.name, revision), record);
        self.put(Table::Documents, meta_key, [&revision.to_le_bytes()[..], &meta].concat());
        let kind = write.kind.clone();
        self.after_commit(move |shared| shared.watchers.notify(Some(&kind)));
        Ok(Ok(revision))
    }

    /// Number of documents of a kind, and of deleted ones.
    fn counts(&self, count_key: &[u8]) -> Result<(u64, u64), StoreError> {
        let Some(bytes) = self.get(Table::Documents, count_key)? else { return Ok((0, 0)) };
        let pair = bytes.split_first_chunk::<8>().and_then(|(present, deleted)| {
            Some((u64::from_le_bytes(*present), u64::from_le_bytes(deleted.try_into().ok()?)))
        });
        pair.ok_or(Table::Documents.damaged())
    }

    fn last_revision(&self) -> Result<u64, StoreError> {
        let Some(bytes) = self.get(Table::Documents, LAST_REVISION)? else { return Ok(0) };
        bytes.try_into().map(u64::from_le_bytes).map_err(|_| Table::Documents.damaged())
    }

    /// Removes the document that was deleted first, with its history; returns 1, or 0 if there is none.
    fn purge_oldest_deleted(&mut self, kind: &str) -> Result<u64, StoreError> {
        let range = tombstone_key(kind, 0)..=tombstone_key(kind, u64::MAX);
        for entry in self.tables.table(Table::Documents).range(range) {
            let (key, name) = entry.into_inner()?;
            // It may have been written again in this group.
            let Some(name_now) = self.get(Table::Documents, &key)? else { continue };
            let name = String::from_utf8(name.to_vec()).map_err(|_| Table::Documents.damaged())?;
            debug_assert_eq!(name.as_bytes(), name_now);
            let meta_key = self::key(b'm', kind, &name);
            if let Some(bytes) = self.get(Table::Documents, &meta_key)? {
                let (current, meta) = read_meta(&bytes)?;
                for revision in meta.revisions(current) {
                    self.remove(Table::Documents, history_key(kind, &name, revision));
                }
            }
            self.remove(Table::Documents, meta_key);
            self.remove(Table::Documents, key.to_vec());
            return Ok(1);
        }
        Ok(0)
    }
}

fn key(letter: u8, kind: &str, name: &str) -> Vec<u8> {
    [&[letter], kind.as_bytes(), &[0], name.as_bytes()].concat()
}

fn history_key(kind: &str, name: &str, revision: u64) -> Vec<u8> {
    [key(b'h', kind, name), vec![0], revision.to_be_bytes().to_vec()].concat()
}

fn tombstone_key(kind: &str, revision: u64) -> Vec<u8> {
    [key(b't', kind, ""), revision.to_be_bytes().to_vec()].concat()
}

fn read_meta(bytes: &[u8]) -> Result<(u64, Meta), StoreError> {
    let read = || {
        let (revision, meta) = bytes.split_first_chunk()?;
        Some((u64::from_le_bytes(*revision), Meta::decode(meta)?))
    };
    read().ok_or(Table::Documents.damaged())
}
