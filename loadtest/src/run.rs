//! Runs a plan: every thread has a runtime, connections and a share of the schedule of its own, so
//! that nothing is shared while the clock runs.
//!
//! Inside a thread the connections pass a baton: whoever holds it draws the next call and waits for
//! its due time, then hands the baton on and sends. So calls leave in the order of the schedule, and
//! only one connection at a time polls the clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use tokio::task::JoinSet;

use crate::client::{ClientOptions, Connection};
use crate::scenario::{Call, Calls, Questions};
use crate::schedule::{Length, Pace, Schedule, wait_until};
use crate::tally::{Tally, Times};

/// Between the last connection being open and the first due time.
const HEAD_START: Duration = Duration::from_millis(10);

/// How long a connection of the closed mode pauses after a failure, so that a server that is gone is
/// not flooded with connection attempts.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(10);

/// Everything a run needs.
pub struct Plan {
    pub client: Arc<ClientOptions>,
    pub questions: Arc<Questions>,
    pub pace: Pace,
    pub length: Length,
    /// Over all threads; at least one a thread.
    pub connections: usize,
    pub threads: usize,
    pub seed: u64,
}

/// What a run found.
pub struct Outcome {
    pub tally: Tally,
    /// From the end of the warm-up to the end of the schedule or the last answer, if that was later.
    pub elapsed: Duration,
}

/// The moment that all threads start from, once all of them are connected.
struct StartLine {
    barrier: Barrier,
    start: OnceLock<Instant>,
    /// Set by a thread that cannot run, so that the others do not start.
    called_off: AtomicBool,
}

/// Opens every connection, then runs the schedule to its end.
///
/// # Errors
/// The scenario lacks ids, or a connection could not be opened before the start; whatever happens
/// later is counted instead.
pub fn run(plan: &Plan) -> anyhow::Result<Outcome> {
    let line = StartLine {
        barrier: Barrier::new(plan.threads),
        start: OnceLock::new(),
        called_off: AtomicBool::new(false),
    };
    let results: Vec<anyhow::Result<Tally>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads)
            .map(|part| {
                scope.spawn({
                    let line = &line;
                    move || run_part(plan, part, line)
                })
            })
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err(anyhow!("a load thread panicked")))
        };
        threads.into_iter().map(join).collect()
    });
    let mut tally = Tally::default();
    for result in results {
        tally.merge(result?);
    }
    let start = line.start.get().context("the run never started")?;
    let (measured_from, end) =
        (*start + plan.length.warmup, *start + plan.length.warmup + plan.length.duration);
    let elapsed = tally.last_answer.map_or(end, |last| last.max(end)) - measured_from;
    Ok(Outcome { tally, elapsed })
}

fn run_part(plan: &Plan, part: usize, line: &StartLine) -> anyhow::Result<Tally> {
    let prepared = prepare(plan, part);
    // Every thread must come to the start line, also one that failed, or the others wait forever.
    line.called_off.fetch_or(prepared.is_err(), Ordering::SeqCst);
    line.barrier.wait();
    let (runtime, connections, calls) = prepared?;
    if line.called_off.load(Ordering::SeqCst) {
        return Ok(Tally::default());
    }
    let start = *line.start.get_or_init(|| Instant::now() + HEAD_START);
    let schedule = Schedule::new(plan.pace, plan.length, start, part, plan.threads);
    let shared = Arc::new(Shared {
        pace: plan.pace,
        measured_from: schedule.measured_from(),
        baton: tokio::sync::Mutex::new(Source { schedule, calls }),
        tally: Mutex::default(),
    });
    runtime.block_on(async {
        let mut workers: JoinSet<()> =
            connections.into_iter().map(|connection| work(connection, Arc::clone(&shared))).collect();
        while let Some(ended) = workers.join_next().await {
            ended.context("a connection's task panicked")?;
        }
        count_unsent(&mut shared.baton.lock().await.schedule, &shared.tally);
        anyhow::Ok(())
    })?;
    let mut tally = shared.tally.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *tally))
}

fn prepare(plan: &Plan, part: usize) -> anyhow::Result<(tokio::runtime::Runtime, Vec<Connection>, Calls)> {
    let calls = Calls::new(Arc::clone(&plan.questions), plan.seed, part as u64)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let n_connections = (part..plan.connections).step_by(plan.threads).count();
    let mut connections: Vec<Connection> =
        (0..n_connections).map(|_| Connection::new(Arc::clone(&plan.client))).collect();
    runtime
        .block_on(async {
            for connection in &mut connections {
                tokio::time::timeout(plan.client.timeout, connection.open()).await??;
            }
            anyhow::Ok(())
        })
        .with_context(|| format!("cannot connect to {}; is the server running?", plan.client.target.url))?;
    Ok((runtime, connections, calls))
}

/// What the baton stands for: the right to take the next call.
struct Source {
    schedule: Schedule,
    calls: Calls,
}

impl Source {
    async fn next(&mut self) -> Option<(Instant, Call)> {
        let due = self.schedule.next_due(Instant::now())?;
        let call = self.calls.draw();
        wait_until(due).await;
        Some((due, call))
    }
}

/// What the connections of one thread share.
struct Shared {
    pace: Pace,
    measured_from: Instant,
    baton: tokio::sync::Mutex<Source>,
    tally: Mutex<Tally>,
}

async fn work(mut connection: Connection, shared: Arc<Shared>) {
    let mut free = Instant::now();
    loop {
        let next = shared.baton.lock().await.next().await;
        let Some((due, call)) = next else { return };
        let (name, sent) = (call.name, Instant::now());
        let outcome = connection.exchange(call).await;
        let done = Instant::now();
        if due >= shared.measured_from {
            let times = Times { due, free, sent, done };
            shared.tally.lock().unwrap_or_else(PoisonError::into_inner).record(name, times, &outcome);
        }
        free = done;
        if outcome.is_err() && shared.pace == Pace::Closed {
            tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
        }
    }
}

fn count_unsent(schedule: &mut Schedule, tally: &Mutex<Tally>) {
    let (now, measured_from) = (Instant::now(), schedule.measured_from());
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    for due in schedule.unsent().filter(|due| *due >= measured_from) {
        tally.record_unsent(now.saturating_duration_since(due));
    }
}
