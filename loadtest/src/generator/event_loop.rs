//! The loop: sends due calls, reads answers, and counts them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::{Events, Poll, Token};

use super::check::check;
use super::connection::{Connection, Failure};
use super::histogram::Histogram;
use super::schedule::{Pace, Schedule};
use super::tally::{Outcome, Tally, Times};
use super::{Lane, LaneResult, Run, ServerUsage, WhenBusy};
use crate::process::Process;
use crate::questions::{CallKind, Calls};

/// Time between the last connection being open and the start.
const HEAD_START: Duration = Duration::from_millis(10);
/// Interval of checks for timeouts and memory; a timeout is late by at most this.
const TICK: Duration = Duration::from_millis(20);
/// Pause of a closed-loop connection after a failure, so that a server that is down is not flooded with connection
/// attempts.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(10);
/// Most bytes of one read from a socket.
const READ_BYTES: usize = 64 << 10;

/// A connection and the call that it carries.
struct Slot {
    lane: usize,
    connection: Connection,
    /// The time at which it finished the call before.
    free: Instant,
    flight: Option<Flight>,
}

struct Flight {
    kind: CallKind,
    count: usize,
    due: Instant,
    sent: Instant,
}

/// The state of a lane while it runs.
struct LaneState {
    calls: Calls,
    schedule: Schedule,
    idle: VecDeque<usize>,
    /// Pausing connections, each with the end of its pause.
    resting: VecDeque<(Instant, usize)>,
    in_flight: usize,
    answers: u64,
    tally: Tally,
}

/// All lanes of a run.
pub struct EventLoop<'a> {
    lanes: &'a [Lane],
    states: Vec<LaneState>,
    slots: Vec<Slot>,
    poll: Poll,
    scratch: Vec<u8>,
    turns: Histogram,
    watch: Option<Watch<'a>>,
}

struct Watch<'a> {
    process: &'a Process,
    usage: ServerUsage,
    since: Option<Instant>,
    is_over: bool,
}

impl<'a> EventLoop<'a> {
    /// Opens all connections.
    pub fn new(lanes: &'a [Lane], process: Option<&'a Process>) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let (mut slots, mut states) = (Vec::new(), Vec::new());
        for (n, lane) in lanes.iter().enumerate() {
            lane.questions.check()?;
            let first = slots.len();
            for _ in 0..lane.connections {
                let token = Token(slots.len());
                let connection = Connection::open(lane.address, lane.timeout, token, poll.registry())
                    .with_context(|| format!("cannot connect to {}; is the server running?", lane.address))?;
                slots.push(Slot { lane: n, connection, free: Instant::now(), flight: None });
            }
            states.push(LaneState {
                calls: Calls::new(lane.questions.clone(), lane.seed),
                schedule: Schedule::new(lane.pace, lane.span, Instant::now(), lane.seed),
                idle: (first..slots.len()).collect(),
                resting: VecDeque::new(),
                in_flight: 0,
                answers: 0,
                tally: Tally::default(),
            });
        }
        let watch = process.map(|process| Watch {
            process,
            usage: ServerUsage::default(),
            since: None,
            is_over: false,
        });
        let turns = Histogram::default();
        Ok(Self { lanes, states, slots, poll, scratch: vec![0; READ_BYTES], turns, watch })
    }

    /// Runs until every lane is over and every answer is there or given up.
    pub fn run(mut self) -> anyhow::Result<Run> {
        let start = Instant::now() + HEAD_START;
        for (state, lane) in self.states.iter_mut().zip(self.lanes) {
            state.schedule = Schedule::new(lane.pace, lane.span, start, lane.seed);
        }
        let mut events = Events::with_capacity(1024);
        let mut next_tick = start;
        loop {
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + TICK;
                self.expire(now);
                self.look_at_server(now)?;
            }
            let mut has_worked = false;
            for lane in 0..self.lanes.len() {
                has_worked |= self.send_due(lane, now);
            }
            if self.states.iter().all(|state| state.in_flight == 0 && state.schedule.is_over(now)) {
                break;
            }
            match self.poll.poll(&mut events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                polled => polled.context("cannot poll the sockets")?,
            }
            for event in &events {
                has_worked = true;
                self.advance(event);
            }
            if has_worked {
                self.turns.record(now.elapsed());
            }
        }
        self.finish()
    }

    /// Sends the due calls of a lane; returns true if there were any.
    fn send_due(&mut self, lane: usize, mut now: Instant) -> bool {
        let mut has_sent = false;
        while let Some(due) = self.states[lane].schedule.due(now) {
            let state = &mut self.states[lane];
            let Some(slot) = state.idle.pop_front() else {
                if self.lanes[lane].when_busy == WhenBusy::Wait || self.lanes[lane].pace == Pace::Closed {
                    break;
                }
                state.schedule.advance();
                if due >= state.schedule.measured_from() {
                    state.tally.record_skipped(due);
                }
                continue;
            };
            state.schedule.advance();
            self.send(slot, due);
            has_sent = true;
            now = Instant::now();
        }
        has_sent
    }

    fn send(&mut self, slot_ix: usize, due: Instant) {
        let slot = &mut self.slots[slot_ix];
        let state = &mut self.states[slot.lane];
        let call = state.calls.draw();
        let sent = Instant::now();
        // In the closed loop, a call is due when it is sent.
        let due = if self.lanes[slot.lane].pace == Pace::Closed { sent } else { due };
        slot.flight = Some(Flight { kind: call.kind, count: call.count, due, sent });
        state.in_flight += 1;
        if let Err(failure) = slot.connection.send(&call.request, self.poll.registry()) {
            self.end_call(slot_ix, Some(failure));
        }
    }

    fn advance(&mut self, event: &mio::event::Event) {
        let slot_ix = event.token().0;
        let slot = &mut self.slots[slot_ix];
        match slot.connection.advance(event, &mut self.scratch) {
            Ok(true) => self.end_call(slot_ix, None),
            Ok(false) => {}
            Err(failure) => self.end_call(slot_ix, Some(failure)),
        }
    }

    /// Counts the call of a connection and frees the connection.
    fn end_call(&mut self, slot_ix: usize, failure: Option<Failure>) {
        let done = Instant::now();
        let slot = &mut self.slots[slot_ix];
        // An idle connection that broke carried no call.
        let Some(flight) = slot.flight.take() else { return };
        let (lane, state) = (&self.lanes[slot.lane], &mut self.states[slot.lane]);
        let times = Times { due: flight.due, free: slot.free, sent: flight.sent, done };
        let (status, body) = if failure.is_some() { (0, &[][..]) } else { slot.connection.answer() };
        let outcome = match failure {
            Some(failure) => Outcome::Failed(failure),
            None if !(200..300).contains(&status) => Outcome::Status(status),
            None => {
                let is_checked = lane.check_every > 0 && state.answers.is_multiple_of(lane.check_every);
                let check = is_checked.then(|| check(flight.kind, flight.count, body));
                Outcome::Answered { status, check }
            }
        };
        if flight.due >= state.schedule.measured_from() {
            state.tally.record(flight.kind, times, outcome, body.len(), lane.limit);
        }
        if failure.is_none() {
            state.answers += 1;
        }
        state.in_flight -= 1;
        slot.free = done;
        if failure.is_some() && lane.pace == Pace::Closed {
            state.resting.push_back((done + PAUSE_AFTER_FAILURE, slot_ix));
        } else {
            state.idle.push_back(slot_ix);
        }
    }

    /// Gives up calls past their timeout, and ends the pauses of connections.
    fn expire(&mut self, now: Instant) {
        for slot_ix in 0..self.slots.len() {
            let slot = &mut self.slots[slot_ix];
            let timeout = self.lanes[slot.lane].timeout;
            if slot.flight.as_ref().is_some_and(|flight| now > flight.sent + timeout) {
                slot.connection.close();
                self.end_call(slot_ix, Some(Failure::Timeout));
            }
        }
        for state in &mut self.states {
            while state.resting.front().is_some_and(|(until, _)| *until <= now) {
                state.idle.extend(state.resting.pop_front().map(|(_, slot)| slot));
            }
        }
    }

    /// Reads the processor time of the server at the start and at the end of the first lane's measured
    /// time, and its memory in between.
    fn look_at_server(&mut self, now: Instant) -> anyhow::Result<()> {
        let answers = self.states.iter().map(|state| state.answers).sum();
        let schedule = &self.states[0].schedule;
        let (from, is_over) = (schedule.measured_from(), now >= schedule.end());
        match &mut self.watch {
            Some(watch) if now >= from => watch.look(now, answers, is_over),
            _ => Ok(()),
        }
    }

    fn finish(mut self) -> anyhow::Result<Run> {
        let now = Instant::now();
        self.look_at_server(now)?;
        let server = self.watch.take().map(|watch| watch.usage);
        let lanes = self.states.into_iter().map(|state| {
            let (mut tally, end) = (state.tally, state.schedule.end());
            let measured_from = state.schedule.measured_from();
            for due in state.schedule.unsent().filter(|due| *due >= measured_from) {
                tally.record_unsent(due, now);
            }
            let elapsed = tally.last_answer.map_or(end, |last| last.max(end)) - measured_from;
            LaneResult { tally, end, elapsed }
        });
        Ok(Run { lanes: lanes.collect(), server, turns: self.turns })
    }
}

impl Watch<'_> {
    fn look(&mut self, now: Instant, answers: u64, is_over: bool) -> anyhow::Result<()> {
        let reading = self.process.usage().context("the server ended during the run")?;
        let usage = &mut self.usage;
        usage.peak_resident_bytes = usage.peak_resident_bytes.max(reading.resident_bytes);
        let Some(since) = self.since else {
            self.since = Some(now);
            usage.first = reading;
            usage.answers = answers;
            return Ok(());
        };
        if !self.is_over {
            self.is_over = is_over;
            usage.last = reading;
            usage.elapsed = now - since;
            if is_over {
                usage.answers = answers - usage.answers;
            }
        }
        Ok(())
    }
}
