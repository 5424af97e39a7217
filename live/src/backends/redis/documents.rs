//! Documents in Redis: for each kind a hash of metas and one of revisions, and for all kinds a stream of changes that
//! every server follows. A write is planned here ([`plan`], as in every store) and committed by one script.

use std::convert::Infallible;
use std::sync::Arc;

use redis::{Script, Value, cmd};
use tokio::sync::watch;

use super::connection::{Connection, Endpoint, bytes, entries, list, text, within};
use super::epoch::{Epoch, TRIES, UNCONFIRMED, numbering_script};
use super::keys::Keys;
use super::{BLOCK, PATIENCE, Redis};
use crate::documents::{
    Document, DocumentError, DocumentWrite, Documents, Listed, MAX_DOCUMENTS, Meta, State, Watchers, address,
    plan, read_record,
};
use crate::error::StoreError;

/// Changes that the stream keeps.
const CHANGES_KEPT: usize = 1_000;
/// Most attempts of a write whose document others change meanwhile.
const ROUNDS: usize = 16;
/// The answer of the script if there are too many documents.
const FULL: Value = Value::Int(-2);
const DAMAGED: StoreError = StoreError::Damaged { table: "documents" };

/// The documents of a shop.
pub(super) struct DocumentKeys {
    write: Script,
    epoch: Epoch,
    watchers: Watchers,
}

impl DocumentKeys {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self { write: numbering_script!("document.lua"), epoch, watchers: Watchers::default() }
    }

    /// Follows the changes until an error. Changes that may have been missed before count as changes.
    pub(super) async fn follow(&self, endpoint: &Endpoint, keys: &Keys) -> Result<Infallible, StoreError> {
        let connection = endpoint.connect().await?;
        let mut last = last_change(&connection, keys).await?;
        self.watchers.notify(None);
        loop {
            let mut read = cmd("XREAD");
            read.arg("COUNT").arg(1_000).arg("BLOCK").arg(BLOCK.as_millis() as u64);
            read.arg("STREAMS").arg(&keys.document_changes).arg(format!("{last}-0"));
            let answer = list(within(PATIENCE, connection.ask(&read)).await?).ok_or(DAMAGED)?;
            let Some(stream) = answer.into_iter().next() else { continue };
            let changes = list(stream).and_then(|mut stream| entries(stream.pop()?)).ok_or(DAMAGED)?;
            for (number, fields) in changes {
                let kind = fields.into_iter().next().and_then(text).ok_or(DAMAGED)?;
                self.epoch.saw(number);
                self.watchers.notify((number == last + 1).then_some(&kind));
                last = number;
            }
        }
    }

    async fn commit(
        &self,
        connection: &Connection,
        keys: &Keys,
        write: &DocumentWrite,
    ) -> Result<u64, DocumentError> {
        let mut known = read_meta(connection, keys, &write.kind, &write.name).await?;
        let mut confirmed = 0;
        for _ in 0..ROUNDS {
            let plan = plan(parse_meta(&known)?, write)?;
            let flag = |state| i32::from(state == State::Deleted);
            let mut call = self.write.prepare_invoke();
            for part in ["metas", "records", "deleted"] {
                call.key(keys.documents(&write.kind, part));
            }
            call.key(&keys.document_changes).key(self.epoch.key()).arg(self.epoch.floor());
            call.arg(MAX_DOCUMENTS).arg(CHANGES_KEPT).arg(&write.kind).arg(&write.name).arg(&known);
            call.arg(flag(plan.before))
                .arg(flag(plan.after))
                .arg(plan.meta)
                .arg(plan.record)
                .arg(plan.dropped);
            match connection.invoke(&call).await.map_err(StoreError::from)? {
                UNCONFIRMED if confirmed < TRIES => {
                    self.epoch.confirm(connection).await?;
                    confirmed += 1;
                }
                FULL => return Err(DocumentError::Full),
                Value::Int(revision) if revision > 0 => {
                    let revision = revision.unsigned_abs();
                    self.epoch.saw(revision);
                    self.watchers.notify(Some(&write.kind));
                    return Ok(revision);
                }
                Value::Int(_) => break,
                changed => known = bytes(changed).ok_or(DAMAGED)?,
            }
        }
        Err(DocumentError::Store(StoreError::Failed("others keep changing the document".to_owned())))
    }
}

impl Documents for Redis {
    async fn write_document(&self, write: DocumentWrite) -> Result<u64, DocumentError> {
        let links = self.links()?;
        let writing = self.documents.commit(&links.write, &self.keys, &write);
        match tokio::time::timeout(self.options.write_timeout, writing).await {
            Ok(written) => written,
            Err(_) => Err(StoreError::TimedOut.into()),
        }
    }

    async fn document(&self, kind: &str, name: &str) -> Result<Option<Document>, DocumentError> {
        let (kind, name) = address(kind, name)?;
        let links = self.links()?;
        let known = read_meta(&links.read, &self.keys, &kind, &name).await?;
        match parse_meta(&known)? {
            Some((revision, meta)) if meta.state() == State::Present => {
                let read = read_revisions(&links.read, &self.keys, (&kind, &name), &[revision]).await?;
                Ok(read.into_iter().next())
            }
            _ => Ok(None),
        }
    }

    async fn documents(
        &self,
        kind: &str,
        after: Option<&str>,
        count: usize,
    ) -> Result<Vec<Listed>, DocumentError> {
        let (kind, _) = address(kind, after.unwrap_or("any"))?;
        let links = self.links()?;
        let mut all = cmd("HGETALL");
        all.arg(self.keys.documents(&kind, "metas"));
        let mut fields = list(within(PATIENCE, links.read.ask(&all)).await?).ok_or(DAMAGED)?.into_iter();
        let mut listed = Vec::new();
        while let (Some(name), Some(meta)) = (fields.next(), fields.next()) {
            let name = text(name).ok_or(DAMAGED)?;
            if after.is_some_and(|after| *name <= *after) {
                continue;
            }
            let meta = parse_meta(&bytes(meta).ok_or(DAMAGED)?)?;
            listed.extend(meta.and_then(|(revision, meta)| meta.listed(&name, revision)));
        }
        listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        listed.truncate(count);
        Ok(listed)
    }

    async fn document_history(&self, kind: &str, name: &str) -> Result<Vec<Document>, DocumentError> {
        let (kind, name) = address(kind, name)?;
        let links = self.links()?;
        let known = read_meta(&links.read, &self.keys, &kind, &name).await?;
        let Some((current, meta)) = parse_meta(&known)? else { return Ok(Vec::new()) };
        Ok(read_revisions(&links.read, &self.keys, (&kind, &name), &meta.revisions(current)).await?)
    }

    fn watch_documents(&self, kind: &str) -> watch::Receiver<u64> {
        self.documents.watchers.subscribe(kind)
    }
}

/// The stored meta of a document: its revision, a space, JSON; empty if there is none.
async fn read_meta(
    connection: &Connection,
    keys: &Keys,
    kind: &str,
    name: &str,
) -> Result<Vec<u8>, StoreError> {
    let mut read = cmd("HGET");
    read.arg(keys.documents(kind, "metas")).arg(name);
    match within(PATIENCE, connection.ask(&read)).await? {
        Value::Nil => Ok(Vec::new()),
        meta => bytes(meta).ok_or(DAMAGED),
    }
}

fn parse_meta(stored: &[u8]) -> Result<Option<(u64, Meta)>, StoreError> {
    if stored.is_empty() {
        return Ok(None);
    }
    let parse = || {
        let (revision, meta) = std::str::from_utf8(stored).ok()?.split_once(' ')?;
        Some((revision.parse().ok()?, Meta::decode(meta.as_bytes())?))
    };
    parse().map(Some).ok_or(DAMAGED)
}

/// The records of revisions that are still kept.
async fn read_revisions(
    connection: &Connection,
    keys: &Keys,
    (kind, name): (&str, &str),
    revisions: &[u64],
) -> Result<Vec<Document>, StoreError> {
    let mut read = cmd("HMGET");
    read.arg(keys.documents(kind, "records"));
    for revision in revisions {
        read.arg(format!("{name}\0{revision}"));
    }
    let records = list(within(PATIENCE, connection.ask(&read)).await?).ok_or(DAMAGED)?;
    let mut documents = Vec::with_capacity(records.len());
    for (revision, record) in revisions.iter().zip(records) {
        if let Some(record) = bytes(record) {
            documents.push(read_record(*revision, &record).ok_or(DAMAGED)?);
        }
    }
    Ok(documents)
}

async fn last_change(connection: &Connection, keys: &Keys) -> Result<u64, StoreError> {
    let mut newest = cmd("XREVRANGE");
    newest.arg(&keys.document_changes).arg("+").arg("-").arg("COUNT").arg(1);
    let answer = within(PATIENCE, connection.ask(&newest)).await?;
    Ok(entries(answer).ok_or(DAMAGED)?.first().map_or(0, |(number, _)| *number))
}

/// Follows the changes of documents for as long as it is polled.
pub(super) async fn follow(documents: Arc<DocumentKeys>, endpoint: Arc<Endpoint>, keys: Keys) {
    loop {
        // Requests notice and report whether Redis answers.
        let _ = documents.follow(&endpoint, &keys).await;
        tokio::time::sleep(super::FOLLOW_AGAIN).await;
    }
}
