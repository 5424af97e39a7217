//! Counts what happened to the measured calls of one thread, and adds threads up.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::client::{Answer, Failure};
use crate::histogram::Histogram;

/// More distinct model versions than any run of swaps shows; beyond it they are only counted as one.
const MAX_VERSIONS: usize = 1_000;

/// The moments of one call.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// When the schedule wanted it sent.
    pub due: Instant,
    /// When its connection was done with the call before.
    pub free: Instant,
    /// When it was sent.
    pub sent: Instant,
    /// When its answer was complete, or given up.
    pub done: Instant,
}

/// Counts of measured calls; a call of the warm-up never gets here.
#[derive(Default)]
pub struct Tally {
    /// Sent calls.
    pub sent: u64,
    /// Due but never sent, because the run's patience ended.
    pub unsent: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Calls without a usable answer, by reason.
    pub failures: BTreeMap<Failure, u64>,
    /// 2xx answers by `model.version`.
    pub versions: BTreeMap<String, u64>,
    /// 2xx answers without a `model.version`.
    pub unversioned: u64,
    /// Bytes of answers' bodies.
    pub body_bytes: u64,
    /// From due to done: 2xx answers, and calls that ran out of time or were never sent (at the time
    /// until they were given up, so that dropping the slowest calls cannot flatter the tail).
    pub latency: Histogram,
    /// From sent to done: 2xx answers only.
    pub service: Histogram,
    /// From due to a free connection: how long the call had to wait for earlier answers.
    pub wait: Histogram,
    /// From due, or from a connection being free if that was later, to sent: the generator's own lag.
    pub lag: Histogram,
    /// Latency of 2xx answers by call name.
    pub calls: BTreeMap<&'static str, Histogram>,
    /// When the last answer was complete.
    pub last_answer: Option<Instant>,
}

impl Tally {
    /// Counts one sent call.
    pub fn record(&mut self, name: &'static str, times: Times, outcome: &Result<Answer, Failure>) {
        self.sent += 1;
        self.wait.record(times.free.saturating_duration_since(times.due));
        self.lag.record(times.sent.saturating_duration_since(times.due.max(times.free)));
        match outcome {
            Ok(answer) => self.record_answer(name, times, answer),
            Err(failure) => {
                *self.failures.entry(*failure).or_default() += 1;
                if *failure == Failure::Timeout {
                    self.latency.record(times.done - times.due);
                }
            }
        }
    }

    /// Counts one call that was due but was given up before it could be sent.
    pub fn record_unsent(&mut self, overdue: Duration) {
        self.unsent += 1;
        self.latency.record(overdue);
    }

    fn record_answer(&mut self, name: &'static str, times: Times, answer: &Answer) {
        *self.statuses.entry(answer.status).or_default() += 1;
        self.body_bytes += answer.body.len() as u64;
        self.last_answer = self.last_answer.max(Some(times.done));
        if !(200..300).contains(&answer.status) {
            return;
        }
        let latency = times.done.saturating_duration_since(times.due);
        self.latency.record(latency);
        self.calls.entry(name).or_default().record(latency);
        self.service.record(times.done.saturating_duration_since(times.sent));
        match serde_json::from_slice::<Envelope<'_>>(&answer.body) {
            Ok(Envelope { model: Some(model) }) => self.record_version(&model.version),
            Ok(Envelope { model: None }) => self.unversioned += 1,
            Err(_) => *self.failures.entry(Failure::NotJson).or_default() += 1,
        }
    }

    fn record_version(&mut self, version: &str) {
        if let Some(count) = self.versions.get_mut(version) {
            *count += 1;
            return;
        }
        let name = if self.versions.len() < MAX_VERSIONS { version } else { "(others)" };
        *self.versions.entry(name.to_owned()).or_default() += 1;
    }

    /// Adds another thread's counts.
    pub fn merge(&mut self, other: Self) {
        self.sent += other.sent;
        self.unsent += other.unsent;
        add(&mut self.statuses, other.statuses);
        add(&mut self.failures, other.failures);
        add(&mut self.versions, other.versions);
        self.unversioned += other.unversioned;
        self.body_bytes += other.body_bytes;
        self.latency.merge(&other.latency);
        self.service.merge(&other.service);
        self.wait.merge(&other.wait);
        self.lag.merge(&other.lag);
        for (name, histogram) in other.calls {
            self.calls.entry(name).or_default().merge(&histogram);
        }
        self.last_answer = self.last_answer.max(other.last_answer);
    }

    /// Answers of any status.
    pub fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Answers with a 2xx status.
    pub fn ok(&self) -> u64 {
        self.statuses.range(200..300).map(|(_, count)| count).sum()
    }

    /// Whether every call that was due got a 2xx answer that could be read, and there was one.
    pub fn is_flawless(&self) -> bool {
        self.sent > 0 && self.unsent == 0 && self.failures.is_empty() && self.ok() == self.sent
    }
}

fn add<K: Ord>(mine: &mut BTreeMap<K, u64>, theirs: BTreeMap<K, u64>) {
    for (key, count) in theirs {
        *mine.entry(key).or_default() += count;
    }
}

/// The part of an answer that a report is interested in.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    model: Option<Model<'a>>,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn answer(status: u16, body: &'static str) -> Result<Answer, Failure> {
        Ok(Answer { status, body: Bytes::from_static(body.as_bytes()) })
    }

    /// Due at 0, a connection free at `free`, sent at `sent`, done at `done`, in milliseconds.
    fn times(free: u32, sent: u32, done: u32) -> Times {
        let due = Instant::now();
        Times { due, free: due + MS * free, sent: due + MS * sent, done: due + MS * done }
    }

    #[test]
    fn latency_counts_from_the_due_time_and_splits_into_wait_lag_and_service() {
        let mut tally = Tally::default();
        tally.record("similar", times(70, 71, 75), &answer(200, "{}"));
        assert_eq!(tally.latency.max(), MS * 75);
        assert_eq!(tally.wait.max(), MS * 70);
        assert_eq!(tally.lag.max(), MS);
        assert_eq!(tally.service.max(), MS * 4);
        assert_eq!(tally.calls["similar"].max(), MS * 75);
    }

    #[test]
    fn a_connection_that_was_free_early_shows_no_wait() {
        let mut tally = Tally::default();
        let mut early = times(0, 2, 3);
        early.free -= MS * 50;
        tally.record("similar", early, &answer(200, "{}"));
        assert_eq!((tally.wait.max(), tally.lag.max()), (Duration::ZERO, MS * 2));
    }

    #[test]
    fn only_success_and_given_up_calls_enter_the_latency() {
        let mut tally = Tally::default();
        tally.record("a", times(0, 0, 1), &answer(503, "{}"));
        tally.record("a", times(0, 0, 2), &Err(Failure::Connect));
        assert_eq!(tally.latency.count(), 0);
        tally.record("a", times(0, 0, 500), &Err(Failure::Timeout));
        tally.record_unsent(MS * 900);
        assert_eq!((tally.latency.count(), tally.latency.max()), (2, MS * 900));
        assert_eq!((tally.sent, tally.answered(), tally.ok(), tally.unsent), (3, 1, 0, 1));
    }

    #[test]
    fn versions_are_told_apart_and_answers_without_one_are_counted() {
        let mut tally = Tally::default();
        for body in [
            r#"{"request_id":"r","model":{"version":"v1","trained_at":"x"},"items":[{"item_id":"a"}]}"#,
            r#"{"model":{"version":"v1"}}"#,
            r#"{"model":{"version":"v\u00322"}}"#,
            r#"{"items":[]}"#,
        ] {
            tally.record("a", times(0, 0, 1), &answer(200, body));
        }
        assert_eq!(tally.versions, BTreeMap::from([("v1".into(), 2), ("v22".into(), 1)]));
        assert_eq!(tally.unversioned, 1);
        assert!(tally.is_flawless());
    }

    #[test]
    fn each_flaw_is_seen() {
        let outcomes = [answer(404, "{}"), answer(200, "<html>"), answer(200, ""), Err(Failure::Broken)];
        for outcome in outcomes {
            let mut tally = Tally::default();
            tally.record("a", times(0, 0, 1), &outcome);
            assert!(!tally.is_flawless());
        }
        let mut tally = Tally::default();
        assert!(!tally.is_flawless(), "a run without a call proves nothing");
        tally.record("a", times(0, 0, 1), &answer(200, "{}"));
        assert!(tally.is_flawless());
        tally.record_unsent(MS);
        assert!(!tally.is_flawless());
    }

    #[test]
    fn merging_adds_every_count() {
        let mut both = Tally::default();
        for (status, done) in [(200, 5), (500, 9)] {
            let mut tally = Tally::default();
            tally.record("a", times(0, 0, done), &answer(status, r#"{"model":{"version":"v1"}}"#));
            tally.record("a", times(0, 0, done), &Err(Failure::Broken));
            tally.record_unsent(MS * done);
            both.merge(tally);
        }
        assert_eq!((both.sent, both.unsent, both.answered(), both.ok()), (4, 2, 2, 1));
        assert_eq!(both.failures, BTreeMap::from([(Failure::Broken, 2)]));
        assert_eq!(both.versions, BTreeMap::from([("v1".into(), 1)]));
        assert_eq!((both.latency.count(), both.latency.max()), (3, MS * 9));
        assert_eq!((both.calls["a"].count(), both.lag.count(), both.service.count()), (1, 4, 1));
        assert!(both.last_answer.is_some());
    }
}
