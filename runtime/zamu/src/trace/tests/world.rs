//! A log that tests write: requests as clients append them, and turns as owners commit them. Three
//! aggregate types, `a`, `b` and `c`, of one partition each.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use zamu_core::aggregate::encode;
use zamu_core::log::{Commit, InputPositions, LowWater, Progress, ShardLog, TurnWrite};
use zamu_core::model::{
    Cause, ChannelStamp, Command, Context, Event, EventRef, HOST_SOURCE, Kind, KindName,
    PartitionId, Request, Time, TypeId, Wake,
};
use zamu_core::outcomes::encode_record;
use zamu_core::proto::{
    self, BatchRecord, Range, command_outcome::Why, dead_letter::Subject, outcome::What,
};
use zamu_rocks::{EmbeddedLog, EmbeddedShard, LogOptions};

use crate::json::Terms;
use crate::trace::{Known, LIMIT, Source, Trace, TraceError, candidates, trace};

const fn partition(index: u16) -> PartitionId {
    PartitionId { aggregate_type: TypeId(index), number: 0 }
}
pub(super) const A: PartitionId = partition(0);
pub(super) const B: PartitionId = partition(1);
pub(super) const C: PartitionId = partition(2);
const NAMES: [&str; 3] = ["a", "b", "c"];

/// See the file's head.
pub(super) struct World {
    _folder: TempDir,
    log: EmbeddedLog,
    shard: EmbeddedShard,
    now: Arc<AtomicU64>,
    commits: u64,
    /// By partition: the record of its last turn.
    last: HashMap<PartitionId, BatchRecord>,
    /// By partition and key: sequence and number of the last event.
    aggregates: HashMap<(PartitionId, Bytes), (u64, u64)>,
}

/// What made an aggregate decide an event.
pub(super) enum Took<'a> {
    Request(u64),
    Wake(u64),
    Command(u64, &'a Command),
}

impl World {
    /// The time at which it begins.
    pub(super) const START: Time = Time(1_000_000);

    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = LogOptions {
            retention: Duration::from_secs(1_000),
            segment_age: Duration::from_secs(1_000),
            ..LogOptions::default()
        };
        let now = Arc::new(AtomicU64::new(Self::START.0));
        let time = Arc::clone(&now);
        let clock = Arc::new(move || Time(time.load(Ordering::Relaxed)));
        let types = NAMES.map(|name| (name, 1));
        let log = EmbeddedLog::open(folder.path(), options, &types, clock).unwrap();
        let shard = log.shard(&[A, B, C], Arc::new(|| {})).unwrap();
        let (last, aggregates) = (HashMap::new(), HashMap::new());
        Self { _folder: folder, log, shard, now, commits: 0, last, aggregates }
    }

    /// From now on it is so many milliseconds after the start.
    pub(super) fn at(&mut self, ms: u64) {
        self.now.store(Self::START.plus_ms(ms).0, Ordering::Relaxed);
    }

    fn time(&self) -> Time {
        Time(self.now.load(Ordering::Relaxed))
    }

    pub(super) fn request(&mut self, to: PartitionId, key: &str, id: &str) {
        self.request_of(to, key, id, &format!("s-{id}"));
    }

    pub(super) fn request_of(&mut self, to: PartitionId, key: &str, id: &str, correlation: &str) {
        let request = Request { context: context(correlation), ..bare(key, "s", id) };
        self.append(to, request);
    }

    pub(super) fn redrive(&mut self, to: PartitionId, letter: u64) {
        let request = Request { redrive: Some(letter), ..bare("?", "operator", "redrive") };
        self.append(to, request);
    }

    pub(super) fn wake(&mut self, to: PartitionId, key: &str, sequence: u64, deadline: Time) {
        let id = format!("{}/{key}/{sequence}/wake", name(to));
        let wake = Some(Wake { sequence, deadline });
        self.append(to, Request { wake, ..bare(key, HOST_SOURCE, &id) });
    }

    fn append(&self, to: PartitionId, request: Request) {
        let (tell, told) = channel();
        self.log.intake().append(to, vec![request], Box::new(move |done| tell.send(done).unwrap()));
        told.recv().unwrap().unwrap();
    }

    /// The next event of an aggregate, as its owner would number it.
    pub(super) fn event(&mut self, of: PartitionId, key: &str, took: Took<'_>) -> Event {
        let reader = self.log.reader();
        let (cause, time, context) = match took {
            Took::Request(offset) => {
                let asked = reader.request(of, offset).unwrap().unwrap();
                // What is processed again keeps source, id, time and context of the first time.
                let first = asked.record.redrive.map(|_| reader.request(of, 0).unwrap().unwrap());
                let first = first.unwrap_or(asked);
                let (source, id) = (first.record.source, first.record.id);
                (Cause::Request { offset, source, id }, first.appended, first.record.context)
            }
            Took::Wake(offset) => {
                let asked = reader.request(of, offset).unwrap().unwrap();
                let deadline = asked.record.wake.unwrap().deadline;
                let id = String::from_utf8_lossy(&asked.record.id).into_owned();
                (Cause::Wake { offset, deadline }, asked.appended, context(&id))
            }
            Took::Command(offset, command) => {
                let Command { cause: event, handler, index, .. } = command.clone();
                let cause = Cause::Command { offset, event, handler, index };
                (cause, command.time, command.context.clone())
            }
        };
        let number = self.last.get(&of).map_or(0, |record| record.events.unwrap().next);
        let key = Bytes::copy_from_slice(key.as_bytes());
        let before = self.aggregates.get(&(of, key.clone())).copied();
        let number = number + self.pending(of);
        let sequence = before.map_or(0, |(sequence, _)| sequence) + 1;
        self.aggregates.insert((of, key.clone()), (sequence, number));
        Event {
            number,
            key,
            sequence,
            previous: before.map(|(_, number)| number),
            kind: kind("Done"),
            time,
            cause,
            handler: "h".into(),
            deployment: 1,
            context,
            body: "{}".into(),
        }
    }

    /// Events that were made for a partition and not written yet.
    fn pending(&self, of: PartitionId) -> u64 {
        let written = self.last.get(&of).map_or(0, |record| record.events.unwrap().next);
        let made =
            self.aggregates.iter().filter(|((p, _), (_, number))| *p == of && *number >= written);
        made.count() as u64
    }

    /// What the handler `h` sends on an event.
    pub(super) fn command(&self, cause: &Event, key: &str, index: u32) -> Command {
        self.command_by("h", cause, key, index)
    }

    /// The same of another handler. All events that send something are those of their keys' types.
    pub(super) fn command_by(
        &self,
        handler: &str,
        cause: &Event,
        key: &str,
        index: u32,
    ) -> Command {
        let of = NAMES.iter().position(|name| cause.key.starts_with(name.as_bytes()));
        let aggregate_type = TypeId(of.unwrap_or(0) as u16);
        Command {
            key: Bytes::copy_from_slice(key.as_bytes()),
            kind: kind("Ask"),
            time: cause.time,
            channel: None,
            cause: EventRef { aggregate_type, key: cause.key.clone(), sequence: cause.sequence },
            handler: handler.into(),
            index,
            deployment: 1,
            context: Arc::clone(&cause.context),
            body: "{}".into(),
        }
    }

    /// A turn of a partition, which is committed when it is `done`.
    pub(super) fn turn(&mut self, of: PartitionId) -> Turn<'_> {
        let last = self.last.get(&of).cloned().unwrap_or_default();
        let after = |range: Option<Range>| {
            let next = range.map_or(0, |range| range.next);
            Some(Range { first: next, next })
        };
        let record = BatchRecord {
            turn: last.turn + 1,
            requests: after(last.requests),
            commands: after(last.commands),
            events: after(last.events),
            deployment: 1,
            sent: if last.sent.is_empty() { no_channels() } else { last.sent.clone() },
            dead_letters_open: last.dead_letters_open.clone(),
            dead_letters_next: last.dead_letters_next.max(1),
            ..BatchRecord::default()
        };
        Turn {
            world: self,
            of,
            record,
            events: Vec::new(),
            commands: Vec::new(),
            letters: Vec::new(),
        }
    }

    /// So much time passes that retention removes all that it may.
    pub(super) fn forget(&mut self) {
        // What is released is older than retention when a second sample is; the newest segment stays.
        for round in 1..=3 {
            for of in [A, B, C] {
                let ends = self.log.reader().ends(of).unwrap();
                let input = InputPositions { requests: ends.requests, commands: ends.commands };
                self.shard.release(of, LowWater { turn: ends.outcomes - 1, input });
            }
            self.at(2_000_000 * round);
            self.log.append_control("a while later".into()).unwrap();
            self.log.drop_expired().unwrap();
        }
    }

    pub(super) fn trace(&self, id: &str) -> Trace {
        self.try_trace(id).unwrap()
    }

    pub(super) fn try_trace(&self, id: &str) -> Result<Trace, TraceError> {
        self.traced(id, LIMIT)
    }

    pub(super) fn trace_at_most(&self, id: &str, limit: usize) -> Trace {
        self.traced(id, limit).unwrap()
    }

    fn traced(&self, id: &str, limit: usize) -> Result<Trace, TraceError> {
        let log = self.log.reader();
        let terms = Terms { types: NAMES.map(Into::into).to_vec(), ..Terms::default() };
        let known: Vec<Known> = candidates(id, &terms, &log.types())
            .into_iter()
            .enumerate()
            .filter_map(|(candidate, c)| {
                let (sequence, last) = self.aggregates.get(&(c.partition, c.key))?;
                Some(Known {
                    candidate,
                    sequence: *sequence,
                    last_event: Some(*last),
                    requests: Vec::new(),
                })
            })
            .collect();
        let owners = [const { None::<Arc<str>> }; 3].map(|_| Some("h".into()));
        trace(
            &Source { log: &log, terms: &terms, owners: &owners, show: &|_, _, _| None },
            id,
            &known,
            limit,
        )
    }
}

/// A turn that is being put together.
pub(super) struct Turn<'a> {
    world: &'a mut World,
    of: PartitionId,
    record: BatchRecord,
    events: Vec<Event>,
    commands: Vec<(PartitionId, Vec<Command>)>,
    letters: Vec<(u64, Bytes)>,
}

impl Turn<'_> {
    /// It took so many requests and commands.
    pub(super) fn took(mut self, requests: u64, commands: u64) -> Self {
        self.record.requests.as_mut().unwrap().next += requests;
        self.record.commands.as_mut().unwrap().next += commands;
        self
    }

    pub(super) fn external(mut self, offset: u64, what: What) -> Self {
        let outcome = Some(proto::Outcome { what: Some(what) });
        self.record.external.push(proto::RequestOutcome { offset, outcome, ..Default::default() });
        self
    }

    pub(super) fn commandless(mut self, offset: u64, why: Why) -> Self {
        self.record.commandless.push(proto::CommandOutcome { offset, why: Some(why) });
        self
    }

    pub(super) fn wrote(mut self, event: &Event) -> Self {
        self.record.events.as_mut().unwrap().next += 1;
        self.events.push(event.clone());
        self
    }

    pub(super) fn sent(mut self, to: PartitionId, command: &Command) -> Self {
        let number = &mut self.record.sent[usize::from(to.aggregate_type.0)].numbers[0];
        *number += 1;
        let channel = Some(ChannelStamp { from: self.of, number: *number });
        let command = Command { channel, ..command.clone() };
        match self.commands.iter_mut().find(|(target, _)| *target == to) {
            Some((_, commands)) => commands.push(command),
            None => self.commands.push((to, vec![command])),
        }
        self
    }

    pub(super) fn cursor(mut self, handler: &str, next: u64) -> Self {
        self.record.cursors.push(proto::Cursor { handler: handler.into(), next });
        self
    }

    pub(super) fn request_letter(self, number: u64, key: &'static str, offset: u64) -> Self {
        let dead = proto::DeadRequest { offset, key: key.into(), ..Default::default() };
        self.letter(number, "h", Subject::Request(dead))
    }

    pub(super) fn command_letter(self, number: u64, command: &Command, offset: u64) -> Self {
        let dead = proto::DeadCommand {
            offset,
            key: command.key.clone(),
            cause_type: NAMES[usize::from(command.cause.aggregate_type.0)].into(),
            cause_key: command.cause.key.clone(),
            cause_sequence: command.cause.sequence,
            handler: command.handler.to_string(),
            index: command.index,
            ..Default::default()
        };
        self.letter(number, "h", Subject::Command(dead))
    }

    pub(super) fn event_letter(self, number: u64, handler: &str, event: u64) -> Self {
        self.letter(number, handler, Subject::Event(event))
    }

    fn letter(mut self, number: u64, handler: &str, subject: Subject) -> Self {
        let letter = proto::DeadLetter {
            number,
            time: self.world.time().0,
            reason: "trap".into(),
            handler: handler.into(),
            subject: Some(subject),
            ..Default::default()
        };
        self.letters.push((number, encode(&letter)));
        self.record.dead_letters_opened.push(number);
        self.record.dead_letters_open.push(number);
        self.record.dead_letters_next = number + 1;
        self
    }

    pub(super) fn closed(mut self, letter: u64) -> Self {
        self.record.dead_letters_open.retain(|open| *open != letter);
        self.record.dead_letters_closed.push(letter);
        self
    }

    /// Commits it and waits until it is durable.
    pub(super) fn done(self) {
        let Self { world, of, record, events, commands, letters } = self;
        let input = InputPositions {
            requests: record.requests.unwrap().next,
            commands: record.commands.unwrap().next,
        };
        let write = TurnWrite {
            partition: of,
            turn: record.turn,
            input,
            events,
            commands,
            outcome: encode_record(&record),
            dead_letters: letters,
            wakes: Vec::new(),
        };
        world.last.insert(of, record);
        world.commits += 1;
        world.shard.submit(Commit { id: world.commits, turns: vec![write] }).unwrap();
        while world.shard.poll() != Some(Progress::Durable(world.commits)) {
            thread::yield_now();
        }
    }
}

pub(super) fn accepted(sequence: u64) -> What {
    let sequences = Some(Range { first: sequence, next: sequence + 1 });
    What::Accepted(proto::Accepted { sequences, reply: Bytes::new() })
}

pub(super) fn refused(code: &str) -> proto::Refused {
    proto::Refused { code: code.into(), details: String::new() }
}

fn bare(key: &str, source: &str, id: &str) -> Request {
    Request {
        key: Bytes::copy_from_slice(key.as_bytes()),
        kind: kind("Do"),
        source: Bytes::copy_from_slice(source.as_bytes()),
        id: Bytes::copy_from_slice(id.as_bytes()),
        context: Arc::default(),
        redrive: None,
        wake: None,
        body: "{}".into(),
    }
}

fn context(correlation: &str) -> Arc<Context> {
    let correlation = Bytes::copy_from_slice(correlation.as_bytes());
    Arc::new(Context { correlation, ..Context::default() })
}

fn kind(name: &str) -> Kind {
    let content_type = "application/json".into();
    Arc::new(KindName { name: name.into(), schema: "1".into(), content_type })
}

fn no_channels() -> Vec<proto::Channels> {
    NAMES.map(|name| proto::Channels { aggregate_type: name.into(), numbers: vec![0] }).to_vec()
}

fn name(of: PartitionId) -> &'static str {
    NAMES[usize::from(of.aggregate_type.0)]
}
