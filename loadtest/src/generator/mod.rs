//! Runs lanes of calls against one server from one thread: one event loop on non-blocking sockets.
//!
//! The loop never sleeps. It polls the sockets without a wait, so that a call leaves within microseconds of its due
//! time and an answer is read as soon as it arrives; a generator that sleeps between answers makes the server pay for
//! waking it. The price is one busy core, which should not be one of the server's.

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
    /// Longest time of a call, from being sent (connecting included) to the end of its answer.
    pub timeout: Duration,
    /// The latency up to which a 2xx answer is in time.
    pub limit: Duration,
    /// Checks every N-th answer; 0 checks none.
    pub check_every: u64,
    /// Equal seeds send equal calls at equal times.
    pub seed: u64,
}

/// The treatment of an open-loop call that is due while no connection is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenBusy {
    /// It waits for one; its latency still counts from the due time.
    Wait,
    /// It is skipped and counted, like a caller who gives up without a connection.
    Skip,
}

/// The result of a run.
pub struct Run {
    /// In the order of the lanes.
    pub lanes: Vec<LaneResult>,
    /// The usage of the watched process, if there is one.
    pub server: Option<ServerUsage>,
    /// Duration of each turn of the event loop with work: an answer may wait unread for this long.
    pub turns: Histogram,
}

/// The result of one lane.
pub struct LaneResult {
    pub tally: Tally,
    /// Latest due time of the lane's last call.
    pub end: Instant,
    /// From the end of the warm-up to the end of the schedule or the last answer, if that was later.
    pub elapsed: Duration,
}

/// Resource use of the watched process while the first lane was measured.
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
/// all other failures are counted.
pub fn run(lanes: &[Lane], server: Option<&Process>) -> anyhow::Result<Run> {
    EventLoop::new(lanes, server)?.run()
}
