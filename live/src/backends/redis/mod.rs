//! The store in Redis 7 or later: one server or a Redis Cluster, shared by many replicas.
//!
//! The keys are in [`keys`]. A user's state is a sorted set for each class of marks; adding to it keeps the later of
//! two marks of one name (`ZADD GT`), so adding is as idempotent and free of order as a state is. Each concern is a
//! file.
//!
//! Acknowledged work is as durable as Redis is configured to be: see [`Redis::concerns`]. If Redis comes back with
//! older data, numbers continue above all that were given ([`epoch`]).

mod connection;
mod counters;
mod documents;
mod epoch;
mod keys;
mod log;
mod people;
mod replica;
mod state;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::{Script, Value, cmd};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::connection::{Connection, Endpoint, text, within};
use self::documents::DocumentKeys;
use self::epoch::Epoch;
use self::keys::Keys;
use self::log::Log;
use self::people::PeopleRecords;
use self::replica::Replica;
use crate::consents::{Consent, ConsentChange, Consents};
use crate::error::StoreError;
use crate::items::{ItemChange, ItemOutcome, ItemState, Items};
use crate::people::resolve::describe;
use crate::people::{
    Described, Known, LinkOutcome, LinkRequest, Name, People, Refusal, UndoOutcome, UndoRequest, link, undo,
};
use crate::replicated::ChangeOutcome;

pub use connection::check_url;
pub use epoch::Return;

/// Timeout for an answer that no request waits for.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest wait of one blocking read.
const BLOCK: Duration = Duration::from_secs(1);
/// Interval of attempts to follow changes again.
const FOLLOW_AGAIN: Duration = Duration::from_millis(200);

/// The options of a store in Redis.
#[derive(Clone)]
pub struct RedisOptions {
    /// One server, or some nodes of a cluster. URLs may hold a password.
    pub urls: Vec<String>,
    /// True for a Redis Cluster.
    pub cluster: bool,
    /// The shop that owns the keys: letters, digits, `.`, `_`, `-`.
    pub shop: String,
    /// Milliseconds after which events are forgotten.
    pub ttl: i64,
    /// Least number of the next event: above all drained ones.
    pub first: u64,
    /// Timeout of a load.
    pub load_timeout: Duration,
    /// Timeout of an append or a change.
    pub write_timeout: Duration,
}

/// A store in Redis. Dropping it closes its connections.
pub struct Redis {
    options: RedisOptions,
    keys: Keys,
    endpoint: Arc<Endpoint>,
    links: RwLock<Option<Links>>,
    log: Log,
    people: PeopleRecords,
    items: Arc<Replica<ItemState>>,
    consents: Arc<Replica<Consent>>,
    documents: Arc<DocumentKeys>,
    counters: Script,
    followers: [JoinHandle<()>; 3],
    returns: tokio::sync::Mutex<mpsc::UnboundedReceiver<Return>>,
}

/// The connections of callers: reads do not wait behind writes.
#[derive(Clone)]
struct Links {
    read: Connection,
    write: Connection,
}

impl Redis {
    /// Opens the store without connecting, except that it starts to follow the items. Needs a tokio runtime.
    ///
    /// # Errors
    /// The URLs have another form.
    pub fn open(options: RedisOptions) -> Result<Self, StoreError> {
        let endpoint = Arc::new(Endpoint::new(&options.urls, options.cluster)?);
        let keys = Keys::new(&options.shop);
        let (told, returns) = mpsc::unbounded_channel();
        let log = Epoch::new(&keys.log, &keys.epoch, options.first, options.ttl, told.clone());
        let items = Arc::new(Replica::new(&keys.items, options.ttl, told.clone()));
        let consents = Arc::new(Replica::new(&keys.consents, options.ttl, told.clone()));
        let documents = Epoch::new(&keys.document_changes, &keys.documents_epoch, 0, options.ttl, told);
        let documents = Arc::new(DocumentKeys::new(documents));
        let (replica, shared) = (Arc::clone(&items), Arc::clone(&endpoint));
        let follow_items = tokio::spawn(async move { replica.run(&shared).await });
        let (replica, shared) = (Arc::clone(&consents), Arc::clone(&endpoint));
        let follow_consents = tokio::spawn(async move { replica.run(&shared).await });
        let (own, shared, their) = (Arc::clone(&documents), Arc::clone(&endpoint), keys.clone());
        let follow_documents = tokio::spawn(documents::follow(own, shared, their));
        let followers = [follow_items, follow_consents, follow_documents];
        let counters = counters::script();
        let (links, log, people) = (RwLock::default(), Log::new(log), PeopleRecords::new());
        let returns = tokio::sync::Mutex::new(returns);
        Ok(Self {
            options,
            keys,
            endpoint,
            links,
            log,
            people,
            items,
            consents,
            documents,
            counters,
            followers,
            returns,
        })
    }

    /// Connects or reconnects; requests on earlier connections are left to fail. When it returns, Redis has answered
    /// within the timeout of a load.
    ///
    /// # Errors
    /// Redis cannot be reached, refuses the account, or is slow.
    pub async fn connect(&self) -> Result<(), StoreError> {
        let links = Links { read: self.endpoint.connect().await?, write: self.endpoint.connect().await? };
        let mut probe = cmd("EXISTS");
        probe.arg(&self.keys.log);
        within(self.options.load_timeout, links.read.ask(&probe)).await?;
        *self.links.write().unwrap_or_else(PoisonError::into_inner) = Some(links);
        Ok(())
    }

    /// Waits until the states of all items and all consents were read once.
    pub async fn replicas_loaded(&self) {
        tokio::join!(self.items.loaded(), self.consents.loaded());
    }

    /// True if all consents were read once.
    pub fn consents_loaded(&self) -> bool {
        self.consents.is_loaded()
    }

    /// Waits for changes of consents by any server: the user ids, or `None` if all may have changed.
    pub async fn consents_changed(&self) -> Option<Vec<String>> {
        self.consents.changed().await
    }

    /// Waits for changes of items by any server: the items, or `None` if all may have changed.
    pub async fn items_changed(&self) -> Option<Vec<String>> {
        self.items.changed().await
    }

    /// Waits until this server notices that Redis came back as another incarnation.
    pub async fn returned(&self) -> Return {
        match self.returns.lock().await.recv().await {
            Some(returned) => returned,
            // The senders live as long as the store.
            None => std::future::pending().await,
        }
    }

    /// The settings of Redis that endanger acknowledged work; `None` if Redis does not reveal them.
    pub async fn concerns(&self) -> Option<Vec<&'static str>> {
        let links = self.links().ok()?;
        let mut config = cmd("CONFIG");
        config.arg("GET").arg("appendonly").arg("appendfsync").arg("maxmemory-policy");
        let answer = within(PATIENCE, links.write.ask(&config)).await.ok()?;
        let mut words = Vec::new();
        gather(answer, &mut words);
        let says = |name: &str, value: &str| words.windows(2).any(|pair| pair[0] == name && pair[1] == value);
        let mut concerns = Vec::new();
        if says("appendonly", "no") {
            concerns.push("appendonly is no: a restart loses what was written since the last snapshot");
        } else if says("appendfsync", "no") {
            concerns.push("appendfsync is no: a power cut loses what the system has not written out");
        }
        if !words.iter().any(|word| word == "noeviction") {
            concerns.push("maxmemory-policy is not noeviction: what is acknowledged may be evicted");
        }
        Some(concerns)
    }

    fn links(&self) -> Result<Links, StoreError> {
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        links.clone().ok_or_else(|| StoreError::Failed("Redis was not reached yet".to_owned()))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.followers.iter().for_each(JoinHandle::abort);
    }
}

impl People for Redis {
    async fn load(&self, names: &[Name<'_>], now: i64) -> Result<Known, StoreError> {
        let links = self.links()?;
        let loading = self.people.load(&links.read, &self.keys, names);
        let mut known = within(self.options.load_timeout, loading).await?;
        known.state.forget(now.saturating_sub(self.options.ttl));
        Ok(known)
    }

    async fn link(&self, request: LinkRequest) -> Result<Result<LinkOutcome, Refusal>, StoreError> {
        let links = self.links()?;
        let linking = self.people.settle(&links.write, &self.keys, |records: &mut _| link(records, &request));
        within(self.options.write_timeout, linking).await
    }

    async fn undo(&self, request: UndoRequest) -> Result<UndoOutcome, StoreError> {
        let links = self.links()?;
        let undoing = self.people.settle(&links.write, &self.keys, |records: &mut _| undo(records, &request));
        let undone = within(self.options.write_timeout, undoing).await?;
        Ok(undone.unwrap_or(UndoOutcome::Unchanged))
    }

    async fn person(&self, user_id: &str, now: i64) -> Result<Described, StoreError> {
        let links = self.links()?;
        let describing =
            self.people.settle(&links.write, &self.keys, |records: &mut _| describe(records, user_id, now));
        let described = within(self.options.write_timeout, describing).await?;
        // A description is never refused.
        described.map_err(|refusal| StoreError::Failed(refusal.to_string()))
    }
}

impl Items for Redis {
    async fn change_items(&self, changes: Vec<ItemChange>) -> Result<Vec<ItemOutcome>, StoreError> {
        let links = self.links()?;
        let changing = self.items.change(&links.write, &changes);
        within(self.options.write_timeout, changing).await
    }

    fn each_item(&self, ids: Option<&[String]>, each: impl FnMut(&str, &ItemState)) {
        self.items.each(ids, each);
    }
}

impl Consents for Redis {
    async fn change_consents(&self, changes: Vec<ConsentChange>) -> Result<Vec<ChangeOutcome>, StoreError> {
        let links = self.links()?;
        within(self.options.write_timeout, self.consents.change(&links.write, &changes)).await
    }

    async fn read_consents(&self, user_ids: &[String]) -> Result<Vec<Consent>, StoreError> {
        let links = self.links()?;
        within(self.options.write_timeout, self.consents.read(&links.write, user_ids)).await
    }

    fn each_consent(&self, user_ids: Option<&[String]>, each: impl FnMut(&str, &Consent)) {
        self.consents.each(user_ids, each);
    }
}

/// Every string in an answer, however deeply nested.
fn gather(value: Value, words: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.into_iter().for_each(|value| gather(value, words)),
        Value::Map(pairs) => pairs.into_iter().for_each(|(key, value)| {
            gather(key, words);
            gather(value, words);
        }),
        other => words.extend(text(other)),
    }
}
