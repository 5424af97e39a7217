//! The stored form of a document, and the planning of writes: the same in every store.
//!
//! A document's name maps to its [`Meta`] (current revision, and the list of kept revisions); each kept revision is a
//! record of its own. A store runs [`plan`] on the current meta and commits the plan only if the meta is unchanged.

use serde::{Deserialize, Serialize};

use super::{Author, Document, DocumentError, DocumentWrite, Listed, MAX_HISTORY, MAX_HISTORY_BYTES};

/// The metadata of a document: its current revision without the body, and its history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Meta {
    who: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    at: i64,
    /// True if the current revision is a deletion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restores: Option<u64>,
    /// Bytes of the current revision's record.
    bytes: usize,
    /// The revisions that are kept before the current one, oldest first, each with the bytes of its record.
    history: Vec<(u64, usize)>,
}

/// True if the document exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    Present,
    Deleted,
}

/// The changes of a write.
pub(crate) struct Plan {
    /// The new meta.
    pub(crate) meta: Vec<u8>,
    /// The record of the new revision.
    pub(crate) record: Vec<u8>,
    /// Revisions that are dropped from the history.
    pub(crate) dropped: Vec<u64>,
    pub(crate) before: State,
    pub(crate) after: State,
}

impl Meta {
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(crate) fn state(&self) -> State {
        if self.deleted { State::Deleted } else { State::Present }
    }

    /// The document in a list; `None` if it is deleted.
    pub(crate) fn listed(self, name: &str, revision: u64) -> Option<Listed> {
        let author = Author { who: self.who, why: self.why, at: self.at };
        (!self.deleted).then(|| Listed { name: name.to_owned(), revision, author })
    }

    /// All kept revisions, latest first.
    pub(crate) fn revisions(&self, current: u64) -> Vec<u64> {
        let before = self.history.iter().rev().map(|(revision, _)| *revision);
        std::iter::once(current).chain(before).collect()
    }
}

/// The record of a revision: its meta without history as JSON, a line feed, the body.
fn record(meta: &Meta, body: Option<&str>) -> Vec<u8> {
    let mut record = encode(&Meta { history: Vec::new(), ..meta.clone() });
    record.push(b'\n');
    record.extend_from_slice(body.unwrap_or_default().as_bytes());
    record
}

/// Reads the record of a revision.
pub(crate) fn read_record(revision: u64, record: &[u8]) -> Option<Document> {
    let (head, body) = std::str::from_utf8(record).ok()?.split_once('\n')?;
    let meta = Meta::decode(head.as_bytes())?;
    let author = Author { who: meta.who, why: meta.why, at: meta.at };
    let body = (!meta.deleted).then(|| body.to_owned());
    Some(Document { revision, author, body, restores: meta.restores })
}

fn encode(meta: &Meta) -> Vec<u8> {
    serde_json::to_vec(meta).expect("strings and numbers serialize")
}

/// Plans a write to a document with this current revision and meta.
///
/// # Errors
/// [`DocumentError::Conflict`] and [`DocumentError::Missing`].
pub(crate) fn plan(known: Option<(u64, Meta)>, write: &DocumentWrite) -> Result<Plan, DocumentError> {
    let before = known.as_ref().map_or(State::Absent, |(_, meta)| meta.state());
    // A deleted document counts as none, and may also be addressed by the revision that deleted it.
    let current = known.as_ref().filter(|_| before == State::Present).map_or(0, |(revision, _)| *revision);
    let stored = known.as_ref().map_or(0, |(revision, _)| *revision);
    if write.if_revision.is_some_and(|required| required != current && required != stored) {
        return Err(DocumentError::Conflict { current });
    }
    if write.body.is_none() && before != State::Present {
        return Err(DocumentError::Missing);
    }
    let Author { who, why, at } = write.author.clone();
    let deleted = write.body.is_none();
    let mut history = Vec::new();
    if let Some((revision, meta)) = known {
        history = meta.history;
        history.push((revision, meta.bytes));
    }
    let mut meta = Meta { who, why, at, deleted, restores: write.restores, bytes: 0, history };
    let record = record(&meta, write.body.as_deref());
    meta.bytes = record.len();
    let dropped = trim(&mut meta);
    let after = meta.state();
    Ok(Plan { meta: encode(&meta), record, dropped, before, after })
}

/// Drops the oldest revisions beyond the bounds.
fn trim(meta: &mut Meta) -> Vec<u64> {
    let mut bytes = meta.bytes + meta.history.iter().map(|(_, bytes)| bytes).sum::<usize>();
    let mut dropped = Vec::new();
    while meta.history.len() + 1 > MAX_HISTORY || (bytes > MAX_HISTORY_BYTES && !meta.history.is_empty()) {
        let (revision, size) = meta.history.remove(0);
        bytes -= size;
        dropped.push(revision);
    }
    dropped
}
