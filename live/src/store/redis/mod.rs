//! The store in Redis, 7 or later: one server or a Redis Cluster, which many replicas share.
//!
//! The keys are in [`keys`]. A user's state is a sorted set for each class of marks; adding to it keeps the
//! later of two marks of one name (`ZADD GT`), so that adding is as idempotent and as free of order as a state
//! is. An append is two steps: one script decides what counts and writes the log, all or nothing for its rows;
//! then the marks of all rows that count, now or since before, are added. Whoever dies in between has
//! acknowledged nothing, and sending the events again does the second step.
//!
//! What is acknowledged is as durable as Redis is set up to be: see [`Redis::concerns`].

mod connection;
mod items;
mod keys;
mod people;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::{Cmd, Script, Value, cmd};
use rustc_hash::FxHashMap;
use tokio::task::JoinHandle;

pub use connection::check_url;

use super::{ItemOutcome, Known, Logged, Name, Outcome, Store, StoreError};
use crate::event::Event;
use crate::identity::resolve::describe;
use crate::identity::{Described, LinkOutcome, LinkRequest, Refusal, UndoOutcome, UndoRequest, link, undo};
use crate::item::{ItemChange, ItemState};
use crate::user::{Class, Mark, UserState};
use connection::{Connection, Endpoint, bytes, entries, list, number, text, within};
use items::Mirror;
use keys::Keys;
use people::People;

/// Events that one script takes in at most, so that no other caller waits for it long.
const SCRIPT_EVENTS: usize = 200;
/// Events of the log that are read at once at most.
const LOG_EVENTS: usize = 2_000;
/// For a look at some of the people.
const SWEEP: Duration = Duration::from_secs(20);
/// For an answer that no request waits for.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two tries to follow the items again.
const AGAIN: Duration = Duration::from_millis(200);

/// What a store in Redis is opened with.
#[derive(Clone)]
pub struct RedisOptions {
    /// One server, or some nodes of a cluster. Each may hold a password.
    pub urls: Vec<String>,
    /// Whether it is a Redis Cluster.
    pub cluster: bool,
    /// Whose keys they are: letters, digits, `.`, `_`, `-`.
    pub shop: String,
    /// What is older is forgotten, milliseconds.
    pub ttl: i64,
    /// How long a load may take.
    pub load_timeout: Duration,
    /// How long an append or a change of items may take.
    pub write_timeout: Duration,
}

/// A store in Redis. Dropping it closes its connections.
pub struct Redis {
    options: RedisOptions,
    keys: Keys,
    endpoint: Arc<Endpoint>,
    links: RwLock<Option<Links>>,
    append: Script,
    change: Script,
    people: People,
    mirror: Arc<Mirror>,
    follower: JoinHandle<()>,
}

/// The connections of callers: what is read does not wait behind what is written.
#[derive(Clone)]
struct Links {
    read: Connection,
    write: Connection,
}

/// What became of an event, and when the event of its id was first received.
type Decided = (Outcome, i64);

impl Redis {
    /// The store; nothing is connected yet, except that it begins to follow the items. Needs a tokio runtime.
    ///
    /// # Errors
    /// The URLs are not of their form.
    pub fn open(options: RedisOptions) -> Result<Self, StoreError> {
        let endpoint = Arc::new(Endpoint::new(&options.urls, options.cluster)?);
        let keys = Keys::new(&options.shop);
        let mirror = Arc::new(Mirror::new());
        let (own, shared, theirs) = (Arc::clone(&mirror), Arc::clone(&endpoint), keys.clone());
        let follower = tokio::spawn(async move {
            loop {
                // Whether Redis answers is known, and told, where requests ask it.
                let _ = own.follow(&shared, &theirs).await;
                tokio::time::sleep(AGAIN).await;
            }
        });
        let append = Script::new(include_str!("append.lua"));
        let change = Script::new(include_str!("change.lua"));
        let (links, people) = (RwLock::default(), People::new());
        Ok(Self { options, keys, endpoint, links, append, change, people, mirror, follower })
    }

    /// Connects, or connects anew; what was asked of the connections before is left to fail. When it returns,
    /// Redis has answered within the time that a load may take.
    ///
    /// # Errors
    /// It cannot be reached, lets nobody in, or is slow.
    pub async fn connect(&self) -> Result<(), StoreError> {
        let links = Links { read: self.endpoint.connect().await?, write: self.endpoint.connect().await? };
        let mut probe = cmd("EXISTS");
        probe.arg(&self.keys.log);
        within(self.options.load_timeout, links.read.ask(&probe)).await?;
        *self.links.write().unwrap_or_else(PoisonError::into_inner) = Some(links);
        Ok(())
    }

    /// Waits until the states of all items were read once.
    pub async fn items_loaded(&self) {
        self.mirror.loaded().await;
    }

    /// Waits for changes of items by whomever: which items, or `None` where all may have changed.
    pub async fn items_changed(&self) -> Option<Vec<String>> {
        self.mirror.changed().await
    }

    /// Appends events that were received before, each when it says; its number is not kept. Nobody waits for it, so
    /// that it may take longer than an append: one that was always given up halfway would never be done.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub async fn append_received(&self, events: &[Logged]) -> Result<Vec<Outcome>, StoreError> {
        let rows: Vec<(i64, &Event)> =
            events.iter().map(|logged| (logged.received_at, &logged.event)).collect();
        let links = self.links()?;
        within(PATIENCE, self.write(&links.write, &rows)).await
    }

    /// What of the server's settings endangers what is acknowledged; `None` where it does not tell.
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

    async fn write(
        &self,
        connection: &Connection,
        rows: &[(i64, &Event)],
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut decided = Vec::with_capacity(rows.len());
        for part in rows.chunks(SCRIPT_EVENTS) {
            decided.extend(self.decide(connection, part).await?);
        }
        connection.ask_all(self.additions(rows, &decided)).await?;
        Ok(decided.into_iter().map(|(outcome, _)| outcome).collect())
    }

    /// Decides which events count, and writes those down.
    async fn decide(
        &self,
        connection: &Connection,
        rows: &[(i64, &Event)],
    ) -> Result<Vec<Decided>, StoreError> {
        let mut call = self.append.prepare_invoke();
        call.key(&self.keys.log).arg(self.options.ttl);
        for (received_at, event) in rows {
            let encoded = event.encoded();
            call.key(self.keys.seen(&event.event_id));
            call.arg(&Event::fingerprint(&encoded).to_le_bytes()[..]).arg(*received_at).arg(encoded);
        }
        let damaged = StoreError::Damaged { table: "seen" };
        let answers = list(connection.invoke(&call).await?).ok_or(damaged.clone())?;
        let numbers: Option<Vec<i64>> = answers.into_iter().map(number).collect();
        let numbers = numbers.filter(|numbers| numbers.len() == 2 * rows.len()).ok_or(damaged)?;
        let outcome = |number| match number {
            0 => Outcome::Accepted,
            1 => Outcome::Duplicate,
            _ => Outcome::Conflict,
        };
        Ok(numbers.chunks_exact(2).map(|pair| (outcome(pair[0]), pair[1])).collect())
    }

    /// The commands that add the marks of what counts, a group for each name.
    fn additions(&self, rows: &[(i64, &Event)], decided: &[Decided]) -> Vec<Vec<Cmd>> {
        let mut names: FxHashMap<Name<'_>, Vec<Mark>> = FxHashMap::default();
        let mut now = i64::MIN;
        for ((received_at, event), (outcome, first_received)) in rows.iter().zip(decided) {
            now = now.max(*received_at);
            if *outcome == Outcome::Conflict {
                continue;
            }
            if let (Some(mark), Some(name)) = (Mark::of(event, *first_received), Name::of(event)) {
                names.entry(name).or_default().push(mark);
            }
        }
        let forgotten = now.saturating_sub(self.options.ttl);
        let group = |(name, marks): (Name<'_>, Vec<Mark>)| {
            let classes =
                Class::ALL.into_iter().filter(|class| marks.iter().any(|mark| mark.class() == *class));
            classes
                .flat_map(|class| self.add(self.keys.user(&name, class), class, &marks, forgotten))
                .collect()
        };
        names.into_iter().map(group).collect()
    }

    /// Adds the marks of one class, and cuts and forgets as every state does.
    fn add(&self, key: String, class: Class, marks: &[Mark], forgotten: i64) -> [Cmd; 4] {
        let mut add = cmd("ZADD");
        add.arg(&key).arg("GT");
        for mark in marks.iter().filter(|mark| mark.class() == class) {
            add.arg(mark.at).arg(mark.name());
        }
        let mut forget = cmd("ZREMRANGEBYSCORE");
        forget.arg(&key).arg("-inf").arg(forgotten);
        let mut cut = cmd("ZREMRANGEBYRANK");
        cut.arg(&key).arg(0).arg(-1 - class.bound() as i64);
        let mut expire = cmd("PEXPIRE");
        expire.arg(&key).arg(self.options.ttl);
        [add, forget, cut, expire]
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Store for Redis {
    async fn load(&self, names: &[Name<'_>], now: i64) -> Result<Known, StoreError> {
        let links = self.links()?;
        let loading = self.people.load(&links.read, &self.keys, names);
        let mut known = within(self.options.load_timeout, loading).await?;
        known.state.forget(now.saturating_sub(self.options.ttl));
        Ok(known)
    }

    async fn append(&self, events: Vec<Event>, now: i64) -> Result<Vec<Outcome>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, &Event)> = events.iter().map(|event| (now, event)).collect();
        let links = self.links()?;
        within(self.options.write_timeout, self.write(&links.write, &rows)).await
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
        // What refuses nothing ends in a description.
        described.map_err(|refusal| StoreError::Failed(refusal.to_string()))
    }

    async fn change_items(&self, changes: Vec<ItemChange>) -> Result<Vec<ItemOutcome>, StoreError> {
        let links = self.links()?;
        let changing = self.mirror.change(&links.write, &self.change, &self.keys, &changes);
        within(self.options.write_timeout, changing).await
    }

    fn each_item(&self, ids: Option<&[String]>, each: impl FnMut(&str, &ItemState)) {
        self.mirror.each(ids, each);
    }

    async fn log(&self, from: u64, count: usize) -> Result<Vec<Logged>, StoreError> {
        let links = self.links()?;
        let mut log: Vec<Logged> = Vec::new();
        while log.len() < count {
            let next = log.last().map_or(from, |logged| logged.number + 1);
            let part = LOG_EVENTS.min(count - log.len());
            let mut range = cmd("XRANGE");
            range
                .arg(&self.keys.log)
                .arg(format!("{}-0", next.saturating_add(1)))
                .arg("+")
                .arg("COUNT")
                .arg(part);
            let read = logged(within(PATIENCE, links.write.ask(&range)).await?)?;
            let ended = read.len() < part;
            log.extend(read);
            if ended {
                break;
            }
        }
        Ok(log)
    }

    async fn next_number(&self) -> Result<u64, StoreError> {
        let links = self.links()?;
        let mut exists = cmd("EXISTS");
        exists.arg(&self.keys.log);
        if number(within(PATIENCE, links.write.ask(&exists)).await?) == Some(0) {
            return Ok(0);
        }
        let mut info = cmd("XINFO");
        info.arg("STREAM").arg(&self.keys.log);
        let fields = list(within(PATIENCE, links.write.ask(&info)).await?).unwrap_or_default();
        let mut fields = fields.into_iter().map(text);
        let last =
            fields.find(|name| name.as_deref() == Some("last-generated-id")).and_then(|_| fields.next());
        let number = last.flatten().and_then(|id| id.split_once('-')?.0.parse().ok());
        number.ok_or(StoreError::Damaged { table: "events" })
    }

    /// Ids and what events say of their users expire in Redis by themselves.
    async fn sweep(&self, now: i64) -> Result<usize, StoreError> {
        let moment = now.saturating_sub(self.options.ttl);
        let links = self.links()?;
        within(SWEEP, self.people.sweep(&links.write, &self.keys, moment)).await?;
        let mut swept = 0;
        loop {
            let oldest = self.log(0, LOG_EVENTS).await?;
            let old = oldest.iter().take_while(|logged| logged.received_at <= moment).count();
            let Some(last) = old.checked_sub(1).and_then(|n| oldest.get(n)) else { return Ok(swept) };
            let mut trim = cmd("XTRIM");
            trim.arg(&self.keys.log).arg("MINID").arg(format!("{}-0", last.number + 2));
            let links = self.links()?;
            let removed = number(within(PATIENCE, links.write.ask(&trim)).await?).unwrap_or(0);
            swept += usize::try_from(removed).unwrap_or(0);
            if old < oldest.len() {
                return Ok(swept);
            }
        }
    }
}

/// The commands that read the state under a name.
fn ranges(keys: &Keys, name: &Name<'_>) -> Vec<Cmd> {
    let range = |class| {
        let mut range = cmd("ZRANGE");
        range.arg(keys.user(name, class)).arg(0).arg(-1).arg("WITHSCORES");
        range
    };
    Class::ALL.map(range).to_vec()
}

/// The state that those commands answer.
fn state(answers: Vec<Value>) -> Result<UserState, StoreError> {
    let marks: Option<Vec<Vec<Mark>>> = answers.into_iter().map(marks).collect();
    let marks = marks.ok_or(StoreError::Damaged { table: "users" })?;
    Ok(UserState::of(marks.into_iter().flatten().collect()))
}

/// The marks of one sorted set, with their scores.
fn marks(answer: Value) -> Option<Vec<Mark>> {
    let mut values = list(answer)?.into_iter();
    let mut marks = Vec::with_capacity(values.len() / 2);
    while let (Some(name), Some(at)) = (values.next(), values.next()) {
        marks.push(Mark::named(&bytes(name)?, number(at)?)?);
    }
    Some(marks)
}

/// The events in a part of the log.
fn logged(answer: Value) -> Result<Vec<Logged>, StoreError> {
    let entry = |(id, fields): (u64, Vec<Value>)| {
        let [received_at, event] = <[Value; 2]>::try_from(fields).ok()?;
        Some(Logged {
            number: id.checked_sub(1)?,
            received_at: number(received_at)?,
            event: serde_json::from_slice(&bytes(event)?).ok()?,
        })
    };
    let read = entries(answer).and_then(|entries| entries.into_iter().map(entry).collect());
    read.ok_or(StoreError::Damaged { table: "events" })
}

/// Every string in an answer, however deep.
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
