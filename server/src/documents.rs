//! Documents of one kind, as this server read and checked them.
//!
//! Invariants: a document that is not understood leaves in force what was there before it; what was read once is read
//! again only in another revision. Every server reads what changed, on any server, within a second ([`follow`]).

use std::collections::BTreeMap;
use std::time::Duration;

use qianmian_live::documents::MAX_DOCUMENTS;
use tokio::sync::Mutex;

use crate::document_fault::DocumentFault;
use crate::live::Live;
use crate::problem::Problem;

/// Documents are read again after this long, whatever the store says of changes.
const READ_AGAIN: Duration = Duration::from_secs(30);
/// Pause after a failed read.
const RETRY: Duration = Duration::from_millis(500);

/// The documents of a kind.
pub struct Documents<D> {
    kind: &'static str,
    parse: fn(&str) -> Result<D, DocumentFault>,
    /// Held while they are read again.
    read: Mutex<BTreeMap<String, Read<D>>>,
}

/// A document as it was read.
#[derive(Debug, Clone)]
pub struct Read<D> {
    /// Its revision.
    pub revision: u64,
    /// Its content.
    pub document: D,
}

impl<D: Clone> Documents<D> {
    /// None yet; `parse` reads and checks the body of one.
    pub fn new(kind: &'static str, parse: fn(&str) -> Result<D, DocumentFault>) -> Self {
        Self { kind, parse, read: Mutex::default() }
    }

    /// Reads what changed, and gives all documents to `serve` if anything did.
    ///
    /// # Errors
    /// `live_unavailable`: nothing changes.
    pub async fn read(
        &self,
        live: &Live,
        serve: impl FnOnce(&BTreeMap<String, Read<D>>),
    ) -> Result<(), Problem> {
        let mut before = self.read.lock().await;
        let listed = live.documents(self.kind, MAX_DOCUMENTS).await?;
        let mut now: BTreeMap<String, Read<D>> = BTreeMap::new();
        let mut changed = listed.len() != before.len();
        for listed in listed {
            let known = before.get(&listed.name);
            if let Some(known) = known.filter(|known| known.revision == listed.revision) {
                now.insert(listed.name, known.clone());
                continue;
            }
            changed = true;
            let Some(document) = live.document(self.kind, &listed.name).await? else { continue };
            let revision = document.revision;
            match (self.parse)(&document.body.unwrap_or_default()) {
                Ok(document) => {
                    now.insert(listed.name, Read { revision, document });
                }
                Err(fault) => {
                    tracing::error!(
                        kind = self.kind,
                        name = listed.name,
                        revision,
                        field = fault.field,
                        reason = fault.reason,
                        "a stored document is not understood; the one before stays"
                    );
                    if let Some(known) = known {
                        now.insert(listed.name, Read { revision, ..known.clone() });
                    }
                }
            }
        }
        if changed {
            serve(&now);
            *before = now;
        }
        Ok(())
    }
}

/// Calls `read` whenever documents of a kind may have changed, for as long as it is polled.
pub async fn follow<F: Future<Output = Result<(), Problem>>>(
    live: &Live,
    kind: &'static str,
    read: impl Fn() -> F,
) {
    let mut changes = live.watch_documents(kind);
    loop {
        changes.mark_unchanged();
        match read().await {
            Ok(()) => {
                // Either way the documents are read again.
                let _ = tokio::time::timeout(READ_AGAIN, changes.changed()).await;
            }
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}
