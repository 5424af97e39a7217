//! Documents: named, versioned JSON objects that people edit, such as scenes, rules, rooms and campaigns.
//!
//! Every write makes a revision with its author, time and reason. A write may require the revision that its author saw:
//! if two people edit at once, the second one gets a conflict with the current revision. A document keeps its latest
//! [`MAX_HISTORY`] revisions, deletions included, so that a change can be undone. An acknowledged write is durable, and
//! every server learns within a second that documents of the kind changed (`Documents::watch`).
//!
//! Revisions are numbers of one counter for all documents of a shop, so a number is never given twice, not even when a
//! document is deleted and written again.

mod meta;
mod watchers;

use std::fmt::Write as _;

use tokio::sync::watch;

pub(crate) use self::meta::{Meta, Plan, State, plan, read_record};
pub(crate) use self::watchers::Watchers;
use crate::check::{self, Fault};
use crate::error::StoreError;

/// Largest body, in bytes.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// Most documents of a kind and shop; also most deleted ones that keep their history.
pub const MAX_DOCUMENTS: usize = 10_000;
/// Most revisions that a document keeps.
pub const MAX_HISTORY: usize = 32;
/// Most bytes of all revisions that a document keeps; the current one is always kept.
pub const MAX_HISTORY_BYTES: usize = 8 << 20;
/// Longest name of a kind, in bytes.
const MAX_KIND_BYTES: usize = 64;
/// Longest reason of a change, in bytes.
const MAX_WHY_BYTES: usize = 1_024;
/// Attempts to undo a change while others change the same document.
const UNDO_TRIES: usize = 8;

/// The author of a change, its time, and its reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Author {
    /// The author: an account, a key or a person, 1 to 256 bytes.
    pub who: String,
    /// The reason, if given.
    pub why: Option<String>,
    /// The time, unix milliseconds.
    pub at: i64,
}

/// A revision of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Number of the revision.
    pub revision: u64,
    /// Its author, time and reason.
    pub author: Author,
    /// JSON; `None` if the revision deleted the document.
    pub body: Option<String>,
    /// The revision that an undo restored.
    pub restores: Option<u64>,
}

/// A document in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Name of the document.
    pub name: String,
    /// Number of its current revision.
    pub revision: u64,
    /// The author, time and reason of that revision.
    pub author: Author,
}

/// A write of a document, checked by [`DocumentWrite::check`].
#[derive(Debug, Clone)]
pub struct DocumentWrite {
    pub(crate) kind: String,
    pub(crate) name: String,
    /// `None` deletes.
    pub(crate) body: Option<String>,
    /// The current revision that the write requires: `Some(0)` requires that there is none, `None` nothing.
    pub(crate) if_revision: Option<u64>,
    pub(crate) author: Author,
    pub(crate) restores: Option<u64>,
}

/// The reason why a document is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// A field is not allowed.
    #[error("{}: {}", .0.field, .0.reason)]
    Invalid(Fault),
    /// The document has another revision than required; 0 means that there is no document.
    #[error("the current revision is {current}")]
    Conflict {
        /// Its current revision.
        current: u64,
    },
    /// There is no document of this name, or no earlier revision to restore.
    #[error("there is nothing to change")]
    Missing,
    /// The kind has reached the maximum number of documents.
    #[error("there are {MAX_DOCUMENTS} documents of this kind")]
    Full,
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DocumentWrite {
    /// Checks a write. A body of `None` deletes the document.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] with the first field that is not allowed.
    pub fn check(
        (kind, name): (&str, &str),
        body: Option<&str>,
        if_revision: Option<u64>,
        author: Author,
    ) -> Result<Self, DocumentError> {
        let (kind, name) = address(kind, name)?;
        let invalid = |field, reason: String| DocumentError::Invalid(Fault::new(field, reason));
        if let Some(body) = body {
            if body.len() > MAX_BODY_BYTES {
                return Err(invalid("body", format!("at most {MAX_BODY_BYTES} bytes, not {}", body.len())));
            }
            if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(body) {
                return Err(invalid("body", format!("JSON: {error}")));
            }
        }
        check::id("who", &author.who).map_err(DocumentError::Invalid)?;
        if author.why.as_ref().is_some_and(|why| why.len() > MAX_WHY_BYTES) {
            return Err(invalid("why", format!("at most {MAX_WHY_BYTES} bytes")));
        }
        let body = body.map(str::to_owned);
        Ok(Self { kind, name, body, if_revision, author, restores: None })
    }
}

/// Checks the address of a document.
pub(crate) fn address(kind: &str, name: &str) -> Result<(String, String), DocumentError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !(1..=MAX_KIND_BYTES).contains(&kind.len()) || !kind.bytes().all(is_plain) {
        let mut reason = String::from("lower-case letters, digits and underscores, ");
        let _ = write!(reason, "1 to {MAX_KIND_BYTES} bytes");
        return Err(DocumentError::Invalid(Fault::new("kind", reason)));
    }
    let name = check::id("name", name).map_err(DocumentError::Invalid)?;
    if name.contains('\0') {
        return Err(DocumentError::Invalid(Fault::new("name", "no zero bytes")));
    }
    Ok((kind.to_owned(), name))
}

/// The documents of a store.
pub trait Documents: Send + Sync {
    /// Writes a revision and returns its number. When it returns, the revision is durable. After a
    /// [`DocumentError::Store`] it may have been written: read the document before writing it again.
    fn write_document(&self, write: DocumentWrite)
    -> impl Future<Output = Result<u64, DocumentError>> + Send;

    /// The current revision of a document; `None` if there is none or it is deleted.
    fn document(
        &self,
        kind: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Document>, DocumentError>> + Send;

    /// The documents of a kind in order of their names, at most `count`, after the name `after`.
    fn documents(
        &self,
        kind: &str,
        after: Option<&str>,
        count: usize,
    ) -> impl Future<Output = Result<Vec<Listed>, DocumentError>> + Send;

    /// The kept revisions of a document, latest first; also of a deleted one.
    fn document_history(
        &self,
        kind: &str,
        name: &str,
    ) -> impl Future<Output = Result<Vec<Document>, DocumentError>> + Send;

    /// A counter that changes whenever documents of the kind changed or may have changed, on any server.
    fn watch_documents(&self, kind: &str) -> watch::Receiver<u64>;

    /// Undoes the latest change of a document: writes the body of the revision before it, or deletes the document if
    /// it had none. Undoing again goes further back. Returns the number of the new revision.
    fn undo_document(
        &self,
        kind: &str,
        name: &str,
        if_revision: Option<u64>,
        author: Author,
    ) -> impl Future<Output = Result<u64, DocumentError>> + Send {
        self.undo_document_as((kind, name), if_revision, author, |_, earlier| Some(earlier.to_owned()))
    }

    /// The same with a body that `restored` computes from the current body and the earlier one; if it returns `None`,
    /// the earlier body is written unchanged. It is not called if either revision has no body.
    fn undo_document_as(
        &self,
        (kind, name): (&str, &str),
        if_revision: Option<u64>,
        author: Author,
        restored: impl Fn(&str, &str) -> Option<String> + Send + Sync,
    ) -> impl Future<Output = Result<u64, DocumentError>> + Send {
        async move {
            for _ in 0..UNDO_TRIES {
                let history = self.document_history(kind, name).await?;
                let Some(current) = history.first() else { return Err(DocumentError::Missing) };
                if if_revision.is_some_and(|revision| revision != current.revision) {
                    return Err(DocumentError::Conflict { current: current.revision });
                }
                let target = before(&history, current)?;
                let bodies = current.body.as_deref().zip(target.body.as_deref());
                let body = bodies.and_then(|(current, earlier)| restored(current, earlier)).or(target.body);
                let mut write = DocumentWrite::check(
                    (kind, name),
                    body.as_deref(),
                    Some(current.revision),
                    author.clone(),
                )?;
                write.restores = Some(target.revision);
                match self.write_document(write).await {
                    Err(DocumentError::Conflict { .. }) if if_revision.is_none() => {}
                    outcome => return outcome,
                }
            }
            Err(DocumentError::Store(StoreError::Failed("others keep changing the document".to_owned())))
        }
    }
}

/// The revision that undoing `current` restores: the one before it, or before the one that it restored itself.
fn before(history: &[Document], current: &Document) -> Result<Document, DocumentError> {
    let undone = current.restores.unwrap_or(current.revision);
    let earlier = history.iter().find(|document| document.revision < undone);
    match earlier {
        Some(earlier) => Ok(earlier.clone()),
        // The first revision of all is undone by deleting, once.
        None if current.body.is_some() && history.len() < MAX_HISTORY && current.restores.is_none() => {
            Ok(Document { revision: 0, author: Author::default(), body: None, restores: None })
        }
        None => Err(DocumentError::Missing),
    }
}
