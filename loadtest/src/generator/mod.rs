//! Runs lanes of calls against one server from one thread: one event loop on non-blocking sockets.
//!
//! The loop never sleeps. It polls the sockets without a wait, so that a call leaves within
//! microseconds of its due time and an answer is read as soon as it is there; a generator that sleeps
//! between answers makes the server pay for waking it. The price is one busy core, which should be
//! another one than the server's.

mod check;
mod connection;
mod event_loop;
mod histogram;
mod response;
mod schedule;
mod tally;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use check::Flaw;
pub use connection::Failure;
pub use histogram::Histogram;
pub use schedule::{Pace, Span};
pub use tally::Tally;

use crate::process::{Process, Usage};
use crate::questions::Questions;
use event_loop::EventLoop;

/// A stream of calls with a pace, connections and counts of its own.
#[derive(Clone)]
pub struct Lane {
    pub questions: Questions,
    pub address: SocketAddr,
    pub pace: Pace,
    pub span: Span,
    pub connections: usize,
    pub when_busy: WhenBusy,
    /// How long a call may take from being sent (connecting included) to the end of its answer.
    pub timeout: Duration,
    /// The latency up to which a 2xx answer is in time.
    pub limit: Duration,
    /// Checks every answer of this number; 0 checks none.
    pub check_every: u64,
    /// Equal seeds send equal calls at equal times.
    pub seed: u64,
}

/// What happens to a call of an open loop that is due while no connection is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenBusy {
    /// It waits for one; its latency counts from the due time all the same.
    Wait,
    /// It is left out and counted, as a caller who cannot get a connection gives up.
    Skip,
}

/// What a run found.
pub struct Run {
    /// In the order of the lanes.
    pub lanes: Vec<LaneResult>,
    /// Where a process was watched.
    pub server: Option<ServerUsage>,
    /// How long each turn of the event loop with work took: so long an answer may wait unread.
    pub turns: Histogram,
}

/// What one lane found.
pub struct LaneResult {
    pub tally: Tally,
    /// When the lane's last call was due at the latest.
    pub end: Instant,
    /// From the end of the warm-up to the end of the schedule or the last answer, if that was later.
    pub elapsed: Duration,
}

/// What the watched process used while the first lane was measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerUsage {
    pub first: Usage,
    pub last: Usage,
    /// The most memory of all readings, in bytes.
    pub peak_resident_bytes: u64,
    /// Answers of all lanes between the first and the last reading.
    pub answers: u64,
    /// Between the two readings.
    pub elapsed: Duration,
}

/// Opens every connection, then runs all lanes to their ends.
///
/// # Errors
/// A lane lacks ids, a connection could not be opened before the start, or the watched process ended;
/// whatever else happens is counted.
pub fn run(lanes: &[Lane], server: Option<&Process>) -> anyhow::Result<Run> {
    EventLoop::new(lanes, server)?.run()
}
