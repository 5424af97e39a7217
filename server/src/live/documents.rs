//! Documents of the live store, with its errors as problems.

use qianmian_live::documents::{Author, Document, DocumentError, DocumentWrite, Documents, Listed};
use tokio::sync::watch;

use super::Live;
use crate::problem::{Code, Problem};

impl Live {
    /// The documents of a kind, at most `count`.
    ///
    /// # Errors
    /// `live_unavailable`.
    pub async fn documents(&self, kind: &str, count: usize) -> Result<Vec<Listed>, Problem> {
        self.store.documents(kind, None, count).await.map_err(problem)
    }

    /// The current revision of a document.
    ///
    /// # Errors
    /// `live_unavailable`.
    pub async fn document(&self, kind: &str, name: &str) -> Result<Option<Document>, Problem> {
        self.store.document(kind, name).await.map_err(problem)
    }

    /// The kept revisions of a document, latest first.
    ///
    /// # Errors
    /// `live_unavailable`.
    pub async fn document_history(&self, kind: &str, name: &str) -> Result<Vec<Document>, Problem> {
        self.store.document_history(kind, name).await.map_err(problem)
    }

    /// Writes a revision; returns its number. A body of `None` deletes.
    ///
    /// # Errors
    /// `revision_conflict`, `not_found`, `too_many_documents`, `invalid_field`, `live_unavailable`.
    pub async fn write_document(
        &self,
        address: (&str, &str),
        body: Option<&str>,
        if_revision: Option<u64>,
        author: Author,
    ) -> Result<u64, Problem> {
        self.try_write(address, body, if_revision, author).await.map_err(problem)
    }

    /// The same, with the store's own error.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn try_write(
        &self,
        address: (&str, &str),
        body: Option<&str>,
        if_revision: Option<u64>,
        author: Author,
    ) -> Result<u64, DocumentError> {
        self.store.write_document(DocumentWrite::check(address, body, if_revision, author)?).await
    }

    /// Undoes the latest change of a document, with the body that `restored` computes from the current one and the
    /// earlier one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn undo_document_as(
        &self,
        address: (&str, &str),
        if_revision: Option<u64>,
        author: Author,
        restored: impl Fn(&str, &str) -> Option<String> + Send + Sync,
    ) -> Result<u64, DocumentError> {
        self.store.undo_document_as(address, if_revision, author, restored).await
    }

    /// Undoes the latest change of a document; returns the number of the new revision.
    ///
    /// # Errors
    /// As [`write_document`](Self::write_document).
    pub async fn undo_document(
        &self,
        (kind, name): (&str, &str),
        if_revision: Option<u64>,
        author: Author,
    ) -> Result<u64, Problem> {
        self.store.undo_document(kind, name, if_revision, author).await.map_err(problem)
    }

    /// A counter that changes whenever documents of the kind may have changed, on any server.
    pub fn watch_documents(&self, kind: &str) -> watch::Receiver<u64> {
        self.store.watch_documents(kind)
    }
}

/// The problem with a document.
pub fn problem(error: DocumentError) -> Problem {
    let detail = error.to_string();
    match error {
        DocumentError::Invalid(fault) => Problem::new(Code::InvalidField, fault.reason).at_field(fault.field),
        DocumentError::Conflict { current } => {
            let cure = match current {
                0 => "there is no such document now: write without `If-Match` to make one".to_owned(),
                _ => format!(
                    "the current revision is {current}: read it, and write again with `If-Match: \"{current}\"`"
                ),
            };
            Problem::new(Code::RevisionConflict, cure)
        }
        DocumentError::Missing => {
            Problem::new(Code::NotFound, "there is no such document, or nothing to undo")
        }
        DocumentError::Full => Problem::new(Code::TooManyDocuments, format!("{detail}: delete some")),
        DocumentError::Store(error) => {
            tracing::error!(%error, "documents cannot be read or written");
            Problem::new(Code::LiveUnavailable, "documents cannot be read or written now; ask again later")
        }
    }
}
