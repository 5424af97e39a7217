//! The log in Redis: a stream, written by one script that also decides which events count.

use redis::{Cmd, Script, Value, cmd};
use rustc_hash::FxHashMap;

use super::connection::{Connection, bytes, entries, list, number, text, within};
use super::epoch::{Epoch, TRIES, UNCONFIRMED, numbering_script};
use super::state::add_commands;
use super::{PATIENCE, Redis};
use crate::error::StoreError;
use crate::event::Event;
use crate::log::{EventLog, Logged, Outcome, Rewind, Sweep};
use crate::people::Name;
use crate::people::state::{Class, Mark};

/// Most events of one script, so that no other caller waits for it long.
const SCRIPT_EVENTS: usize = 200;
/// Most events of one read of the log.
const READ_EVENTS: usize = 2_000;
/// Timeout for sweeping some of the people.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(20);

/// The outcome of an event, and the time when the event of its id was first received.
type Decided = (Outcome, i64);

/// The log of a shop.
pub(super) struct Log {
    append: Script,
    pub(super) epoch: Epoch,
}

impl Log {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self { append: numbering_script!("append.lua"), epoch }
    }
}

impl Redis {
    /// Appends events that were received before, at their recorded times; they get new numbers. It may take longer than
    /// [`append`](EventLog::append), because no request waits for it and one that always timed out would never end.
    ///
    /// # Errors
    /// As [`append`](EventLog::append).
    pub async fn append_received(&self, events: &[Logged]) -> Result<Vec<Outcome>, StoreError> {
        let rows: Vec<(i64, &Event)> =
            events.iter().map(|logged| (logged.received_at, &logged.event)).collect();
        let links = self.links()?;
        within(PATIENCE, self.write(&links.write, &rows)).await
    }

    /// Two steps: decide and log; then add the marks of accepted events. If a server dies in between, nothing was
    /// acknowledged, and sending the events again does the second step.
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

    /// Decides which events count, and logs those.
    async fn decide(
        &self,
        connection: &Connection,
        rows: &[(i64, &Event)],
    ) -> Result<Vec<Decided>, StoreError> {
        let epoch = &self.log.epoch;
        for _ in 0..TRIES {
            let mut call = self.log.append.prepare_invoke();
            call.key(&self.keys.log).key(epoch.key()).arg(self.options.ttl).arg(epoch.floor());
            for (received_at, event) in rows {
                let encoded = event.encoded();
                call.key(self.keys.seen(&event.event_id));
                call.arg(&Event::fingerprint(&encoded).to_le_bytes()[..]).arg(*received_at).arg(encoded);
            }
            let answer = connection.invoke(&call).await?;
            if answer == UNCONFIRMED {
                epoch.confirm(connection).await?;
                continue;
            }
            let (last, decided) =
                read_decided(answer, rows.len()).ok_or(StoreError::Damaged { table: "seen" })?;
            epoch.saw(last);
            return Ok(decided);
        }
        Err(StoreError::Failed("Redis keeps coming back as another one".to_owned()))
    }

    /// The commands that add the marks of events that count, one group for each name.
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
        let ttl = self.options.ttl;
        let forgotten = now.saturating_sub(ttl);
        let group = |(name, marks): (Name<'_>, Vec<Mark>)| {
            let classes =
                Class::ALL.into_iter().filter(|class| marks.iter().any(|mark| mark.class() == *class));
            let add = |class| add_commands(self.keys.user(&name, class), class, &marks, forgotten, ttl);
            classes.flat_map(add).collect()
        };
        names.into_iter().map(group).collect()
    }

    /// The clock of Redis, unix milliseconds.
    async fn clock(&self, connection: &Connection) -> Result<i64, StoreError> {
        let answer = list(within(PATIENCE, connection.ask(&cmd("TIME"))).await?);
        let seconds = answer.unwrap_or_default().into_iter().next().and_then(number);
        Ok(seconds.ok_or(StoreError::Damaged { table: "clock" })?.saturating_mul(1_000))
    }
}

impl EventLog for Redis {
    async fn append(&self, events: Vec<Event>, now: i64) -> Result<Vec<Outcome>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, &Event)> = events.iter().map(|event| (now, event)).collect();
        let links = self.links()?;
        within(self.options.write_timeout, self.write(&links.write, &rows)).await
    }

    async fn events(&self, from: u64, count: usize) -> Result<Vec<Logged>, StoreError> {
        let links = self.links()?;
        let mut read: Vec<Logged> = Vec::new();
        while read.len() < count {
            let next = read.last().map_or(from, |logged| logged.number + 1);
            let part = READ_EVENTS.min(count - read.len());
            let first = format!("{}-0", next.saturating_add(1));
            let mut range = cmd("XRANGE");
            range.arg(&self.keys.log).arg(first).arg("+").arg("COUNT").arg(part);
            let events = read_events(within(PATIENCE, links.write.ask(&range)).await?)?;
            let ended = events.len() < part;
            read.extend(events);
            if ended {
                break;
            }
        }
        if let Some(last) = read.last() {
            self.log.epoch.saw(last.number + 1);
        }
        Ok(read)
    }

    async fn next_number(&self) -> Result<u64, StoreError> {
        let links = self.links()?;
        // Numbers seen by this server count, too: Redis may have come back with older data, and continues above
        // them.
        let floor = self.log.epoch.floor();
        let mut exists = cmd("EXISTS");
        exists.arg(&self.keys.log);
        if number(within(PATIENCE, links.write.ask(&exists)).await?) == Some(0) {
            return Ok(floor);
        }
        let mut info = cmd("XINFO");
        info.arg("STREAM").arg(&self.keys.log);
        let fields = list(within(PATIENCE, links.write.ask(&info)).await?).unwrap_or_default();
        let mut fields = fields.into_iter().map(text);
        let last =
            fields.find(|name| name.as_deref() == Some("last-generated-id")).and_then(|_| fields.next());
        let number: Option<u64> = last.flatten().and_then(|id| id.split_once('-')?.0.parse().ok());
        Ok(number.ok_or(StoreError::Damaged { table: "events" })?.max(floor))
    }

    async fn len_bound(&self) -> Result<u64, StoreError> {
        let links = self.links()?;
        let mut len = cmd("XLEN");
        len.arg(&self.keys.log);
        let len = number(within(PATIENCE, links.write.ask(&len)).await?);
        Ok(len.unwrap_or(0).unsigned_abs())
    }

    async fn last_rewind(&self) -> Result<Option<Rewind>, StoreError> {
        self.log.epoch.last_rewind(&self.links()?.write).await
    }

    /// Ids and marks expire in Redis, by its own clock; events and people by the earlier of the two clocks, so that
    /// nothing is removed early if this server's clock is ahead.
    async fn sweep(&self, sweep: Sweep) -> Result<usize, StoreError> {
        let links = self.links()?;
        let now = sweep.now.min(self.clock(&links.write).await?);
        let moment = now.saturating_sub(self.options.ttl);
        within(SWEEP, self.people.sweep(&links.write, &self.keys, moment)).await?;
        let mut swept = 0;
        loop {
            let oldest = self.events(0, READ_EVENTS).await?;
            let is_old = |logged: &&Logged| logged.received_at <= moment && logged.number < sweep.keep_from;
            let old = oldest.iter().take_while(is_old).count();
            let Some(last) = old.checked_sub(1).and_then(|n| oldest.get(n)) else { return Ok(swept) };
            let mut trim = cmd("XTRIM");
            trim.arg(&self.keys.log).arg("MINID").arg(format!("{}-0", last.number + 2));
            let removed = number(within(PATIENCE, links.write.ask(&trim)).await?).unwrap_or(0);
            swept += usize::try_from(removed).unwrap_or(0);
            if old < oldest.len() {
                return Ok(swept);
            }
        }
    }
}

/// The last number given, and the decisions, in the answer of `append.lua`.
fn read_decided(answer: Value, rows: usize) -> Option<(u64, Vec<Decided>)> {
    let numbers: Vec<i64> = list(answer)?.into_iter().map(number).collect::<Option<_>>()?;
    let (last, pairs) = numbers.split_first()?;
    if pairs.len() != 2 * rows {
        return None;
    }
    let outcome = |number| match number {
        0 => Outcome::Accepted,
        1 => Outcome::Duplicate,
        _ => Outcome::Conflict,
    };
    let decided = pairs.chunks_exact(2).map(|pair| (outcome(pair[0]), pair[1])).collect();
    Some((u64::try_from(*last).ok()?, decided))
}

/// The events in a part of the stream: each under its number plus one.
fn read_events(answer: Value) -> Result<Vec<Logged>, StoreError> {
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
