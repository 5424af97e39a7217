//! Counts the outcomes of the measured calls of one lane.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::check::{Checked, Flaw};
use super::connection::Failure;
use super::histogram::Histogram;
use crate::questions::CallKind;

/// More distinct model versions than a run of swaps shows; beyond it they count as one.
const MAX_VERSIONS: usize = 1_000;

/// The moments of one call.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Scheduled send time.
    pub due: Instant,
    /// The time at which its connection finished the call before.
    pub free: Instant,
    /// Actual send time.
    pub sent: Instant,
    /// The time at which its answer was complete, or the call was given up.
    pub done: Instant,
}

impl Times {
    fn latency(&self) -> Duration {
        self.done.saturating_duration_since(self.due)
    }

    fn service(&self) -> Duration {
        self.done.saturating_duration_since(self.sent)
    }
}

/// The outcome of a sent call.
pub enum Outcome<'a> {
    /// No complete answer.
    Failed(Failure),
    /// An answer without 2xx.
    Status(u16),
    /// A 2xx answer; the check is `None` if it was skipped.
    Answered { status: u16, check: Option<Result<Checked<'a>, Flaw>> },
}

/// Counts of measured calls; calls of the warm-up are not counted.
#[derive(Default)]
pub struct Tally {
    /// Sent calls.
    pub sent: u64,
    /// Calls due but never sent, because the patience of the run ended.
    pub unsent: u64,
    /// Calls skipped because no connection was free when they were due.
    pub skipped: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Sent calls without an answer, by reason.
    pub failures: BTreeMap<Failure, u64>,
    /// 2xx answers with faults.
    pub flaws: BTreeMap<Flaw, u64>,
    /// 2xx answers whose content was checked.
    pub checked: u64,
    /// Of these, answers with fewer results than asked for.
    pub short: u64,
    /// Checked answers by `model.version`.
    pub versions: BTreeMap<String, u64>,
    /// Checked answers without a `model.version`.
    pub unversioned: u64,
    /// 2xx answers whose latency was within the limit.
    pub in_time: u64,
    /// Bytes of the bodies of all answers.
    pub body_bytes: u64,
    /// From due to done: 2xx answers, and calls that timed out or were never sent (up to the time when they were given
    /// up, so that dropping the slowest calls cannot flatter the tail).
    pub latency: Histogram,
    /// From sent to done: 2xx answers only.
    pub service: Histogram,
    /// From sent to done: answers that refuse work (429 and 503).
    pub refusals: Histogram,
    /// From due to a free connection: the time for which the call waited for earlier answers.
    pub wait: Histogram,
    /// From due, or from the connection being free if that was later, to sent: the generator's own lag.
    pub lag: Histogram,
    /// Latency of 2xx answers by call.
    pub calls: BTreeMap<CallKind, Histogram>,
    /// Completion of the last answer.
    pub last_answer: Option<Instant>,
    /// Due time of the last call without a 2xx answer within the limit.
    pub last_failed_due: Option<Instant>,
}

impl Tally {
    /// Counts one sent call; `limit` is the latency up to which an answer is in time.
    pub fn record(
        &mut self,
        kind: CallKind,
        times: Times,
        outcome: Outcome<'_>,
        body_bytes: usize,
        limit: Duration,
    ) {
        self.sent += 1;
        self.body_bytes += body_bytes as u64;
        self.wait.record(times.free.saturating_duration_since(times.due));
        self.lag.record(times.sent.saturating_duration_since(times.due.max(times.free)));
        let in_time = match outcome {
            Outcome::Failed(failure) => self.record_failure(failure, times),
            Outcome::Status(status) => self.record_status(status, times),
            Outcome::Answered { status, check } => {
                self.record_status(status, times);
                self.record_success(kind, times);
                check.is_none_or(|check| self.record_check(check)) && times.latency() <= limit
            }
        };
        if in_time {
            self.in_time += 1;
        } else {
            self.last_failed_due = self.last_failed_due.max(Some(times.due));
        }
    }

    /// Counts one call that was due but was given up before it could be sent.
    pub fn record_unsent(&mut self, due: Instant, now: Instant) {
        self.unsent += 1;
        self.latency.record(now.saturating_duration_since(due));
        self.last_failed_due = self.last_failed_due.max(Some(due));
    }

    /// Counts one call that was skipped because no connection was free.
    pub fn record_skipped(&mut self, due: Instant) {
        self.skipped += 1;
        self.last_failed_due = self.last_failed_due.max(Some(due));
    }

    fn record_failure(&mut self, failure: Failure, times: Times) -> bool {
        *self.failures.entry(failure).or_default() += 1;
        if failure == Failure::Timeout {
            self.latency.record(times.latency());
        }
        false
    }

    fn record_status(&mut self, status: u16, times: Times) -> bool {
        *self.statuses.entry(status).or_default() += 1;
        self.last_answer = self.last_answer.max(Some(times.done));
        if matches!(status, 429 | 503) {
            self.refusals.record(times.service());
        }
        false
    }

    fn record_success(&mut self, kind: CallKind, times: Times) {
        self.latency.record(times.latency());
        self.service.record(times.service());
        self.calls.entry(kind).or_default().record(times.latency());
    }

    fn record_check(&mut self, check: Result<Checked<'_>, Flaw>) -> bool {
        self.checked += 1;
        let checked = match check {
            Ok(checked) => checked,
            Err(flaw) => {
                *self.flaws.entry(flaw).or_default() += 1;
                return false;
            }
        };
        self.short += u64::from(checked.is_short);
        match checked.version {
            Some(version) => self.record_version(&version),
            None => self.unversioned += 1,
        }
        true
    }

    fn record_version(&mut self, version: &str) {
        if let Some(count) = self.versions.get_mut(version) {
            *count += 1;
            return;
        }
        let name = if self.versions.len() < MAX_VERSIONS { version } else { "(others)" };
        *self.versions.entry(name.to_owned()).or_default() += 1;
    }

    /// Answers of any status.
    pub fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Answers with a 2xx status.
    pub fn ok(&self) -> u64 {
        self.statuses.range(200..300).map(|(_, count)| count).sum()
    }

    /// True if there was a due call, and each got a 2xx answer without a flaw.
    pub fn is_flawless(&self) -> bool {
        let all_sent = self.sent > 0 && self.unsent == 0 && self.skipped == 0;
        all_sent && self.failures.is_empty() && self.flaws.is_empty() && self.ok() == self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn good(version: Option<&'static str>) -> Outcome<'static> {
        let checked = Checked { version: version.map(Into::into), is_short: version.is_none() };
        Outcome::Answered { status: 200, check: Some(Ok(checked)) }
    }

    /// Due at 0, a connection free at `free`, sent at `sent`, done at `done`, in milliseconds.
    fn times(free: u32, sent: u32, done: u32) -> Times {
        let due = Instant::now();
        Times { due, free: due + MS * free, sent: due + MS * sent, done: due + MS * done }
    }

    fn record(tally: &mut Tally, times: Times, outcome: Outcome<'_>) {
        tally.record(CallKind::Similar, times, outcome, 10, MS * 50);
    }

    #[test]
    fn latency_splits_into_wait_lag_and_service() {
        let mut tally = Tally::default();
        record(&mut tally, times(70, 71, 75), good(None));
        assert_eq!(tally.latency.max(), MS * 75, "latency counts from the due time");
        assert_eq!((tally.wait.max(), tally.lag.max(), tally.service.max()), (MS * 70, MS, MS * 4));
        assert_eq!(tally.calls[&CallKind::Similar].max(), MS * 75);
        assert_eq!((tally.in_time, tally.body_bytes), (0, 10));
        assert!(tally.last_failed_due.is_some(), "75 ms are past the limit of 50");
    }

    #[test]
    fn a_connection_that_was_free_early_shows_no_wait() {
        let mut tally = Tally::default();
        let mut early = times(0, 2, 3);
        early.free -= MS * 50;
        record(&mut tally, early, good(None));
        assert_eq!((tally.wait.max(), tally.lag.max()), (Duration::ZERO, MS * 2));
        assert_eq!((tally.in_time, tally.last_failed_due), (1, None));
    }

    #[test]
    fn refusals_and_failures_stay_out_of_the_latency() {
        let mut tally = Tally::default();
        record(&mut tally, times(0, 1, 4), Outcome::Status(503));
        record(&mut tally, times(0, 0, 2), Outcome::Status(404));
        record(&mut tally, times(0, 0, 2), Outcome::Failed(Failure::Connect));
        assert_eq!(tally.latency.count(), 0);
        assert_eq!((tally.refusals.count(), tally.refusals.max()), (1, MS * 3));
        record(&mut tally, times(0, 0, 500), Outcome::Failed(Failure::Timeout));
        let due = Instant::now();
        tally.record_unsent(due, due + MS * 900);
        assert_eq!((tally.latency.count(), tally.latency.max()), (2, MS * 900));
        assert_eq!((tally.sent, tally.answered(), tally.ok(), tally.unsent), (4, 2, 0, 1));
    }

    #[test]
    fn versions_and_short_answers_are_counted() {
        let mut tally = Tally::default();
        for version in [Some("v1"), Some("v1"), Some("v2"), None] {
            record(&mut tally, times(0, 0, 1), good(version));
        }
        record(&mut tally, times(0, 0, 1), Outcome::Answered { status: 200, check: None });
        assert_eq!(tally.versions, BTreeMap::from([("v1".into(), 2), ("v2".into(), 1)]));
        assert_eq!((tally.unversioned, tally.short, tally.checked, tally.in_time), (1, 1, 4, 5));
        assert!(tally.is_flawless());
    }

    #[test]
    fn each_kind_of_failure_spoils_a_run() {
        let wrong = Outcome::Answered { status: 200, check: Some(Err(Flaw::Duplicate)) };
        for outcome in [Outcome::Status(404), wrong, Outcome::Failed(Failure::Broken)] {
            let mut tally = Tally::default();
            record(&mut tally, times(0, 0, 1), outcome);
            assert!(!tally.is_flawless());
            assert_eq!(tally.in_time, 0);
        }
        assert!(!Tally::default().is_flawless(), "a run without a call proves nothing");
        for spoil in [
            |tally: &mut Tally| tally.record_skipped(Instant::now()),
            |tally: &mut Tally| {
                tally.record_unsent(Instant::now(), Instant::now());
            },
        ] {
            let mut tally = Tally::default();
            record(&mut tally, times(0, 0, 1), good(None));
            assert!(tally.is_flawless());
            spoil(&mut tally);
            assert!(!tally.is_flawless());
        }
    }
}
