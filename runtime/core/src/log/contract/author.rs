//! Writes turns as a partition's owner would: numbered without gaps, each event with its cause, each
//! command with its channel stamp. What it writes follows from the calls alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use crate::log::{InputPositions, TurnWrite};
use crate::model::{
    Cause, ChannelStamp, Command, Context, Event, EventRef, Kind, KindName, PartitionId, Request,
    Sequence, Stored, Time, Wake,
};
use crate::proto;

/// The owner of one partition.
#[derive(Clone)]
pub(in crate::log) struct Author {
    partition: PartitionId,
    turn: u64,
    events: u64,
    dead_letters: u64,
    channels: BTreeMap<PartitionId, u64>,
    /// Of each key: sequence and number of its last event.
    keys: BTreeMap<Bytes, (Sequence, u64)>,
    input: InputPositions,
}

impl Author {
    pub(in crate::log) fn new(partition: PartitionId) -> Self {
        Self {
            partition,
            turn: 0,
            events: 0,
            dead_letters: 0,
            channels: BTreeMap::new(),
            keys: BTreeMap::new(),
            input: InputPositions::default(),
        }
    }

    /// The owner of a partition that holds these turns, all of them from the first on.
    pub(in crate::log) fn after(partition: PartitionId, turns: &[TurnWrite]) -> Self {
        let mut author = Self::new(partition);
        for turn in turns {
            author.turn = turn.turn;
            author.input = turn.input;
            author.dead_letters += turn.dead_letters.len() as u64;
            for event in &turn.events {
                author.events = event.number + 1;
                author.keys.insert(event.key.clone(), (event.sequence, event.number));
            }
            for (to, commands) in &turn.commands {
                *author.channels.entry(*to).or_default() += commands.len() as u64;
            }
        }
        author
    }

    /// The next turn: decides these requests (one event each) and sends `to` one command per event
    /// and target.
    pub(in crate::log) fn decide(
        &mut self,
        requests: &[Stored<Request>],
        to: &[PartitionId],
    ) -> TurnWrite {
        let events = requests
            .iter()
            .map(|stored| {
                let request = &stored.record;
                let cause = Cause::Request {
                    offset: stored.offset,
                    source: request.source.clone(),
                    id: request.id.clone(),
                };
                self.event(&request.key, stored.appended, cause, &request.context, &request.body)
            })
            .collect();
        if let Some(last) = requests.last() {
            self.input.requests = last.offset + 1;
        }
        self.write(events, to, 0)
    }

    /// The next turn: so many events caused by commands, as many commands to each target, and so
    /// many dead letters.
    pub(in crate::log) fn turn(
        &mut self,
        events: u32,
        to: &[PartitionId],
        dead_letters: u32,
    ) -> TurnWrite {
        let events = (0..events)
            .map(|i| {
                let key = Bytes::from(format!("key-{}", i % 3));
                let body = Bytes::from(format!("event {} of turn {}", i, self.turn + 1));
                let from = EventRef {
                    aggregate_type: self.partition.aggregate_type,
                    key: Bytes::from_static(b"origin"),
                    sequence: self.events + 1,
                };
                let cause = Cause::Command {
                    offset: self.events,
                    event: from,
                    handler: Arc::from("reactor"),
                    index: i,
                };
                self.event(&key, Time(1_000 + self.events), cause, &context(i), &body)
            })
            .collect();
        self.write(events, to, dead_letters)
    }

    /// Where its next turn will take its commands from.
    pub(in crate::log) fn took_commands_to(&mut self, next: u64) {
        self.input.commands = next;
    }

    /// Its input positions after the last turn.
    pub(in crate::log) fn input(&self) -> InputPositions {
        self.input
    }

    /// Number of its last turn.
    pub(in crate::log) fn last_turn(&self) -> u64 {
        self.turn
    }

    fn event(
        &mut self,
        key: &Bytes,
        time: Time,
        cause: Cause,
        context: &Arc<Context>,
        body: &Bytes,
    ) -> Event {
        let number = self.events;
        let last = self.keys.insert(key.clone(), (0, number));
        let sequence = last.map_or(1, |(sequence, _)| sequence + 1);
        self.keys.insert(key.clone(), (sequence, number));
        self.events += 1;
        Event {
            number,
            key: key.clone(),
            sequence,
            previous: last.map(|(_, number)| number),
            kind: kind("Happened"),
            time,
            cause,
            handler: Arc::from("decider"),
            deployment: 3,
            context: Arc::clone(context),
            body: body.clone(),
        }
    }

    fn write(&mut self, events: Vec<Event>, to: &[PartitionId], dead_letters: u32) -> TurnWrite {
        self.turn += 1;
        let commands = to.iter().map(|to| (*to, self.commands(*to, &events))).collect();
        let dead_letters = (0..dead_letters).map(|_| self.dead_letter()).collect();
        TurnWrite {
            partition: self.partition,
            turn: self.turn,
            input: self.input,
            outcome: self.outcome(),
            events,
            commands,
            dead_letters,
            wakes: Vec::new(),
        }
    }

    fn commands(&mut self, to: PartitionId, events: &[Event]) -> Vec<Command> {
        let from = self.partition;
        let last = self.channels.entry(to).or_default();
        let command = |(index, event): (usize, &Event)| {
            *last += 1;
            Command {
                key: Bytes::from(format!("target-{}", event.number)),
                kind: kind("Do"),
                time: event.time,
                channel: Some(ChannelStamp { from, number: *last }),
                cause: EventRef {
                    aggregate_type: from.aggregate_type,
                    key: event.key.clone(),
                    sequence: event.sequence,
                },
                handler: Arc::from("reactor"),
                index: index as u32,
                deployment: event.deployment,
                context: Arc::clone(&event.context),
                body: event.body.clone(),
            }
        };
        events.iter().enumerate().map(command).collect()
    }

    fn outcome(&self) -> Bytes {
        let record = proto::BatchRecord {
            turn: self.turn,
            events: Some(proto::Range { first: 0, next: self.events }),
            dead_letters_next: self.dead_letters + 1,
            time: 1_000 + self.turn,
            ..proto::BatchRecord::default()
        };
        versioned(&record)
    }

    fn dead_letter(&mut self) -> (u64, Bytes) {
        self.dead_letters += 1;
        let letter = proto::DeadLetter {
            number: self.dead_letters,
            reason: "trap".into(),
            message: format!("dead letter {} of turn {}", self.dead_letters, self.turn),
            ..proto::DeadLetter::default()
        };
        (self.dead_letters, versioned(&letter))
    }
}

/// An ordinary request; `n` tells it from others.
pub(in crate::log) fn request(n: u32) -> Request {
    Request {
        key: Bytes::from(format!("key-{}", n % 3)),
        kind: kind("Do"),
        source: Bytes::from_static(b"client"),
        id: Bytes::from(format!("id-{n}")),
        context: context(n),
        redrive: None,
        wake: None,
        body: Bytes::from(format!("{{\"n\":{n}}}")),
    }
}

/// A turn with so many Wakes, `n` of which tells them from others.
pub(in crate::log) fn with_wakes(turn: TurnWrite, wakes: std::ops::Range<u32>) -> TurnWrite {
    TurnWrite { wakes: wakes.map(wake).collect(), ..turn }
}

/// A Wake; `n` tells it from others.
pub(in crate::log) fn wake(n: u32) -> Request {
    Request {
        key: Bytes::from(format!("key-{}", n % 3)),
        kind: Arc::default(),
        source: Bytes::from_static(b"zamu"),
        id: Bytes::from(format!("left/key-{}/{n}/wake", n % 3)),
        context: Arc::default(),
        redrive: None,
        wake: Some(Wake { sequence: u64::from(n), deadline: Time(1_000 + u64::from(n)) }),
        body: Bytes::new(),
    }
}

/// Requests as only the ill-willed and the unlucky send them.
pub(in crate::log) fn odd_requests() -> Vec<Request> {
    let nothing = Request {
        key: Bytes::new(),
        kind: Arc::new(KindName::default()),
        source: Bytes::new(),
        id: Bytes::new(),
        context: Arc::new(Context::default()),
        redrive: None,
        wake: None,
        body: Bytes::new(),
    };
    let everything = Bytes::from((0..=255).collect::<Vec<u8>>());
    let binary = Request {
        key: everything.clone(),
        source: everything.clone(),
        id: everything.clone(),
        body: everything.clone(),
        context: Arc::new(Context {
            correlation: everything.clone(),
            principal: everything.clone(),
            trace_parent: everything,
        }),
        ..nothing.clone()
    };
    let kind = KindName {
        name: "Ünï/cödé\u{0} kind".into(),
        schema: "schéma".into(),
        content_type: String::new(),
    };
    vec![
        nothing.clone(),
        binary,
        Request { kind: Arc::new(kind), ..request(1) },
        Request { redrive: Some(7), ..nothing.clone() },
        Request { redrive: Some(u64::MAX), ..request(2) },
        wake(5),
        Request { wake: Some(Wake { sequence: 0, deadline: Time(u64::MAX) }), ..request(6) },
        Request { body: Bytes::from(vec![0xab; 300_000]), ..request(3) },
        Request { key: Bytes::from(vec![b'k'; 5_000]), ..request(4) },
        nothing,
    ]
}

fn context(n: u32) -> Arc<Context> {
    Arc::new(Context {
        correlation: Bytes::from(format!("process-{n}")),
        principal: Bytes::from_static(b"anonymous"),
        trace_parent: Bytes::new(),
    })
}

fn kind(name: &str) -> Kind {
    Arc::new(KindName {
        name: name.into(),
        schema: "1".into(),
        content_type: "application/json".into(),
    })
}

/// Encoded behind the version byte, as all that the core stores.
fn versioned(message: &impl Message) -> Bytes {
    let mut bytes = vec![1];
    bytes.extend(message.encode_to_vec());
    Bytes::from(bytes)
}
