//! The writer: one thread that commits waiting work together, and answers after the commit.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fjall::PersistMode;
use rustc_hash::FxHashMap;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::log::LogState;
use super::shared::Shared;
use super::tables::{Table, Tables};
use crate::error::StoreError;
use crate::people::UserState;

/// Jobs that wait for the writer; other callers wait for a slot.
const QUEUE: usize = 1_024;
/// Most rows of a group; the first job that reaches it closes the group.
const GROUP_ROWS: usize = 8_192;
/// Interval of attempts to reopen the folder after a failed write.
const REOPEN_EVERY: Duration = Duration::from_millis(500);
/// Interval of checks of the queue meanwhile: its callers get an error at once.
const REFUSE_EVERY: Duration = Duration::from_millis(10);

/// Adds one job to a group, or receives the error that there is none.
type Work = Box<dyn FnOnce(Result<&mut Group<'_>, StoreError>) + Send>;
/// Answers one caller once the result of the commit is known.
type Answer = Box<dyn FnOnce(Result<(), StoreError>)>;
/// Changes the data in memory.
type Update = Box<dyn FnOnce(&Shared)>;

struct Job {
    rows: usize,
    work: Work,
}

/// The queue of the writer. Dropping it waits until everything submitted is written.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(shared: Arc<Shared>) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let log = LogState::read(&*shared.tables()?, shared.first)?;
        let thread = std::thread::Builder::new()
            .name("live-writer".to_owned())
            .spawn(move || run(jobs, &shared, log))
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs `work` in the next group and returns its result once the group is durable. `rows` is its size.
    pub(super) async fn submit<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce(&mut Group<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |group: Result<&mut Group<'_>, StoreError>| match group {
            Ok(group) => {
                let result = work(group);
                // The caller may be gone by then; the work is still done.
                group.answers.push(Box::new(move |committed| drop(reply.send(committed.and(result)))));
            }
            Err(error) => drop(reply.send(Err(error))),
        });
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(Job { rows, work }).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // The panic hook has reported its panic.
            let _ = thread.join();
        }
    }
}

/// Writes until all senders are dropped.
fn run(mut jobs: mpsc::Receiver<Job>, shared: &Shared, mut log: LogState) {
    while let Some(first) = jobs.blocking_recv() {
        let tables = match shared.tables() {
            Ok(tables) => tables,
            Err(error) => {
                (first.work)(Err(error));
                continue;
            }
        };
        let mut group = Group::new(&tables, shared, log.clone());
        let mut rows = first.rows;
        (first.work)(Ok(&mut group));
        while rows < GROUP_ROWS
            && let Ok(next) = jobs.try_recv()
        {
            rows += next.rows;
            (next.work)(Ok(&mut group));
        }
        match group.commit() {
            Ok(after) => log = after,
            Err(error) => {
                drop(tables);
                shared.failed();
                match recover(&mut jobs, shared, &error, &log) {
                    Some(recovered) => log = recovered,
                    None => return,
                }
            }
        }
    }
}

/// Refuses work until the folder is open again; `None` if the store is closed first.
fn recover(
    jobs: &mut mpsc::Receiver<Job>,
    shared: &Shared,
    error: &StoreError,
    log: &LogState,
) -> Option<LogState> {
    let mut tried: Option<Instant> = None;
    loop {
        match jobs.try_recv() {
            Ok(job) => (job.work)(Err(error.clone())),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => std::thread::sleep(REFUSE_EVERY),
        }
        if tried.is_some_and(|tried| tried.elapsed() < REOPEN_EVERY) {
            continue;
        }
        let reopened = shared.reopen().and_then(|()| log.clone().reopened(&*shared.tables()?));
        match reopened {
            Ok(log) => return Some(log),
            Err(_) => shared.failed(),
        }
        tried = Some(Instant::now());
    }
}

/// Work that is committed together. Later work of a group sees the changes of earlier work.
pub(super) struct Group<'t> {
    pub(super) tables: &'t Tables,
    pub(super) shared: &'t Shared,
    /// The log's counters, as this group leaves them.
    pub(super) log: LogState,
    /// Changed records, by table and key; `None` removes one.
    staged: [FxHashMap<Vec<u8>, Option<Vec<u8>>>; Table::COUNT],
    /// Changed states, decoded: a user often has several events in a group.
    users: FxHashMap<Vec<u8>, UserState>,
    /// Updates of the data in memory, run after a successful commit.
    after_commit: Vec<Update>,
    answers: Vec<Answer>,
}

impl<'t> Group<'t> {
    fn new(tables: &'t Tables, shared: &'t Shared, log: LogState) -> Self {
        Self {
            tables,
            shared,
            log,
            staged: std::array::from_fn(|_| FxHashMap::default()),
            users: FxHashMap::default(),
            after_commit: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// A record, as this group leaves it.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.staged[table as usize].get(key) {
            Some(staged) => Ok(staged.clone()),
            None => self.tables.get(table, key),
        }
    }

    pub(super) fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.staged[table as usize].insert(key.into(), Some(value.into()));
    }

    pub(super) fn remove(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.staged[table as usize].insert(key.into(), None);
    }

    /// The staged records of a table.
    pub(super) fn staged(&self, table: Table) -> &FxHashMap<Vec<u8>, Option<Vec<u8>>> {
        &self.staged[table as usize]
    }

    /// Runs `update` once the group is durable.
    pub(super) fn after_commit(&mut self, update: impl FnOnce(&Shared) + 'static) {
        self.after_commit.push(Box::new(update));
    }

    /// The state under a key, to be changed.
    pub(super) fn user(&mut self, key: Vec<u8>) -> Result<&mut UserState, StoreError> {
        use std::collections::hash_map::Entry;
        match self.users.entry(key) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let state = self.tables.user(entry.key())?;
                Ok(entry.insert(state))
            }
        }
    }

    /// True if a state is stored under a key.
    pub(super) fn has_state(&self, key: &[u8]) -> Result<bool, StoreError> {
        match self.users.get(key) {
            Some(state) => Ok(!state.is_empty()),
            None => Ok(self.tables.table(Table::Users).contains_key(key)?),
        }
    }

    /// Writes everything, waits for the disk, and answers; returns the log's counters.
    fn commit(mut self) -> Result<LogState, StoreError> {
        for (key, state) in std::mem::take(&mut self.users) {
            let value = if state.is_empty() { None } else { Some(state.encoded()) };
            self.staged[Table::Users as usize].insert(key, value);
        }
        let mut batch = self.tables.db.batch().durability(Some(PersistMode::SyncData));
        for (n, staged) in self.staged.iter_mut().enumerate() {
            let table = self.tables.nth(n);
            for (key, value) in staged.drain() {
                match value {
                    Some(value) => batch.insert(table, key, value),
                    None => batch.remove(table, key),
                }
            }
        }
        let committed = batch.commit().map_err(StoreError::from);
        if committed.is_ok() {
            self.after_commit.into_iter().for_each(|update| update(self.shared));
        }
        for answer in self.answers {
            answer(committed.clone());
        }
        committed.map(|()| self.log)
    }
}
