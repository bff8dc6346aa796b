//! The log of a stopped node, opened by somebody who writes into it what no node would: frames are
//! sound, checksums fit, and only what they say is not so.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use zamu_core::log::{Commit, Limit, LowWater, Progress, ShardLog, TurnWrite};
use zamu_core::model::{Cause, Context, Event, PartitionId, Request, Time};
use zamu_core::outcomes::{decode_record, encode_record};
use zamu_core::proto::outcome::What;
use zamu_core::proto::{Accepted, Outcome, Range, RequestOutcome};
use zamu_rocks::{EmbeddedLog, EmbeddedShard, LogOptions, LogReader};

const ONE: Limit = Limit { records: 1, bytes: usize::MAX };

/// An open log.
pub(crate) struct Forger {
    log: EmbeddedLog,
    shard: EmbeddedShard,
    pub(crate) reader: LogReader,
}

impl Forger {
    pub(crate) fn open(data: &Path) -> Self {
        let known: Vec<(String, u32)> = {
            let reader = EmbeddedLog::open_read_only(data).unwrap();
            reader.types().iter().map(|t| (t.name.to_string(), t.partitions)).collect()
        };
        let types: Vec<(&str, u32)> = known.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        let options =
            LogOptions { retention: Duration::ZERO, segment_bytes: 0, ..LogOptions::default() };
        let clock =
            || Time(u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap());
        let log = EmbeddedLog::open(data, options, &types, Arc::new(clock)).unwrap();
        let reader = log.reader();
        let shard = log.shard(&reader.partitions(), Arc::new(|| {})).unwrap();
        let mut forger = Self { log, shard, reader };
        for _ in forger.reader.partitions() {
            forger.shard.ownership().unwrap();
        }
        forger
    }

    /// The newest event of an aggregate, with its partition.
    pub(crate) fn newest_of(&self, name: &str, key: &str) -> (PartitionId, Event) {
        let all = Limit { records: usize::MAX, bytes: usize::MAX };
        let at = self.reader.types().iter().position(|of| *of.name == *name).unwrap();
        let partitions = self.reader.partitions().into_iter();
        let of_type = partitions.filter(|of| usize::from(of.aggregate_type.0) == at);
        let mut found = of_type.flat_map(|partition| {
            let events = self.reader.events(partition, 0, all).unwrap();
            events.into_iter().rev().map(move |event| (partition, event))
        });
        found.find(|(_, event)| event.key == key.as_bytes()).unwrap()
    }

    /// A turn that takes one more request like the one that caused this event, and leaves another event
    /// than its handler would decide.
    pub(crate) fn lie(&mut self, partition: PartitionId, like: &Event, body: &str) {
        let Cause::Request { offset, .. } = like.cause else { panic!("{like:?}") };
        let asked = self.reader.request(partition, offset).unwrap().unwrap().record;
        let id = Bytes::from_static(b"forged");
        let request =
            Request { id: id.clone(), context: Arc::new(Context::default()), ..asked.clone() };
        self.log.intake().append(partition, vec![request], Box::new(|_| ()));
        self.log.wait_durable().unwrap();
        let offset = self.reader.ends(partition).unwrap().requests - 1;
        let stored = self.reader.requests(partition, offset, ONE).unwrap().remove(0);
        let (turn, bytes) = self.reader.last_outcome(partition).unwrap().unwrap();
        let mut record = decode_record(&bytes).unwrap();
        let number = record.events.unwrap().next;
        let event = Event {
            number,
            sequence: like.sequence + 1,
            previous: Some(like.number),
            time: stored.appended,
            cause: Cause::Request { offset, source: asked.source.clone(), id: id.clone() },
            context: Arc::new(Context::default()),
            body: Bytes::copy_from_slice(body.as_bytes()),
            ..like.clone()
        };
        let accepted = Accepted {
            sequences: Some(Range { first: event.sequence, next: event.sequence + 1 }),
            reply: Bytes::new(),
        };
        record.turn = turn + 1;
        record.requests = Some(Range { first: record.requests.unwrap().next, next: offset + 1 });
        record.events = Some(Range { first: number, next: number + 1 });
        record.external = vec![RequestOutcome {
            offset,
            key: event.key.clone(),
            source: asked.source,
            id,
            time: stored.appended.0,
            outcome: Some(Outcome { what: Some(What::Accepted(accepted)) }),
            ..RequestOutcome::default()
        }];
        (record.dead_letters_opened, record.dead_letters_closed) = (Vec::new(), Vec::new());
        let input = zamu_core::log::InputPositions {
            requests: offset + 1,
            commands: record.commands.unwrap().next,
        };
        record.commands = Some(Range { first: input.commands, next: input.commands });
        record.commandless = Vec::new();
        let write = TurnWrite {
            partition,
            turn: turn + 1,
            input,
            events: vec![event],
            commands: Vec::new(),
            outcome: encode_record(&record),
            dead_letters: Vec::new(),
            wakes: Vec::new(),
        };
        self.shard.submit(Commit { id: 1, turns: vec![write] }).unwrap();
        self.log.wait_durable().unwrap();
        let told: Vec<Progress> = std::iter::from_fn(|| self.shard.poll()).collect();
        assert!(told.contains(&Progress::Durable(1)), "{told:?}");
    }

    /// Retention removes all that it may of what there is.
    pub(crate) fn forget(mut self) {
        for partition in self.reader.partitions() {
            let Some((turn, bytes)) = self.reader.last_outcome(partition).unwrap() else {
                continue;
            };
            let record = decode_record(&bytes).unwrap();
            let input = zamu_core::log::InputPositions {
                requests: record.requests.unwrap().next,
                commands: record.commands.unwrap().next,
            };
            self.shard.release(partition, LowWater { turn, input });
        }
        // A segment ends with the next write.
        self.log.append_control(self.reader.control(1, ONE).unwrap().remove(0).1).unwrap();
        self.log.drop_expired().unwrap();
    }
}
