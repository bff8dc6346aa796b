//! Numbers, sequences and chains: nothing is missing, nothing comes twice, nothing is out of order.
//!
//! Each event has the next number of its partition and the next sequence of its aggregate, and
//! names the number of its aggregate's event before. Commands between aggregates each have one
//! event, so their offsets have no gap either; those of requests, deadlines among them, only rise,
//! as some are refused. An event that only attends another stands right behind it, with its cause.

use std::collections::{BTreeMap, HashMap};

use crate::ledger::event::{Cause, Event};
use crate::ledger::findings::{BROKEN_CHAIN, BROKEN_CHANNEL, EARLY, Findings, GAP};

/// A partition by its index in the ledger.
pub(super) type PartitionIndex = u16;
/// An aggregate by its index in the ledger.
pub(super) type AggregateIndex = u32;

/// How far every partition and aggregate was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    names: BTreeMap<(Box<str>, u32), PartitionIndex>,
    partitions: Vec<Partition>,
    /// By type, then by key.
    keys: HashMap<Box<str>, HashMap<Box<str>, AggregateIndex>>,
    aggregates: Vec<Aggregate>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Partition {
    next_number: u64,
    next_request: u64,
    next_command: u64,
    last: Option<Decision>,
}

/// What an event was decided with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decision {
    aggregate: AggregateIndex,
    by_request: bool,
    offset: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Aggregate {
    sequence: u64,
    last_number: Option<u64>,
}

impl Order {
    /// How many events of a partition were read.
    pub(super) fn entered(&self, aggregate_type: &str, partition: u32) -> u64 {
        let index = self.names.get(&(aggregate_type.into(), partition));
        index.map_or(0, |index| self.partitions[usize::from(*index)].next_number)
    }

    /// The index of an aggregate, whether it has events yet or not.
    pub(super) fn aggregate(&mut self, aggregate_type: &str, key: &str) -> AggregateIndex {
        if !self.keys.contains_key(aggregate_type) {
            self.keys.insert(aggregate_type.into(), HashMap::new());
        }
        let keys = self.keys.entry(aggregate_type.into()).or_default();
        if let Some(index) = keys.get(key) {
            return *index;
        }
        let index = self.aggregates.len() as AggregateIndex;
        keys.insert(key.into(), index);
        self.aggregates.push(Aggregate::default());
        index
    }

    /// Checks the event's place, and moves on behind it.
    pub(super) fn enter(
        &mut self,
        event: &Event<'_>,
        findings: &mut Findings,
    ) -> (PartitionIndex, AggregateIndex) {
        let next = self.partitions.len() as PartitionIndex;
        let name = (Box::from(&*event.aggregate_type), event.partition);
        let partition = *self.names.entry(name).or_insert(next);
        if partition == next {
            self.partitions.push(Partition::default());
        }
        let aggregate = self.aggregate(&event.aggregate_type, &event.key);
        self.partitions[usize::from(partition)].enter(event, aggregate, findings);
        self.aggregates[aggregate as usize].enter(event, findings);
        (partition, aggregate)
    }
}

impl Partition {
    fn enter(&mut self, event: &Event<'_>, aggregate: AggregateIndex, findings: &mut Findings) {
        let Event { id, aggregate_type, partition, number, time, .. } = event;
        let place = || format!("{id} in {aggregate_type}/{partition}");
        if *number != self.next_number {
            let due = self.next_number;
            findings.add(GAP, || format!("{}: event {number} where {due} was due", place()));
        }
        self.next_number = number + 1;
        let (by_request, offset) = match &event.cause {
            Cause::Request { offset } | Cause::Wake { offset, .. } => (true, *offset),
            Cause::Command { offset, .. } => (false, *offset),
        };
        let decision = Decision { aggregate, by_request, offset };
        let before = self.last.replace(decision);
        if event.attends() {
            if before != Some(decision) {
                findings.add(BROKEN_CHAIN, || format!("{}: attends nothing", place()));
            }
            return;
        }
        if let Cause::Wake { deadline, .. } = event.cause
            && *time < deadline
        {
            findings.add(EARLY, || format!("{}: at {time} for {deadline}", place()));
        }
        if by_request {
            let due = self.next_request;
            if offset < due {
                findings
                    .add(BROKEN_CHAIN, || format!("{}: request {offset} after {due} - 1", place()));
            }
            self.next_request = offset + 1;
        } else {
            let due = self.next_command;
            if offset != due {
                findings.add(BROKEN_CHANNEL, || {
                    format!("{}: command {offset} where {due} was due", place())
                });
            }
            self.next_command = offset + 1;
        }
    }
}

impl Aggregate {
    fn enter(&mut self, event: &Event<'_>, findings: &mut Findings) {
        let Event { id, aggregate_type, key, sequence, previous, .. } = event;
        let before = *self;
        if *sequence != before.sequence + 1 {
            let last = before.sequence;
            findings
                .add(GAP, || format!("{aggregate_type}/{key}: sequence {sequence} after {last}"));
        }
        if *previous != before.last_number {
            let last = before.last_number;
            findings.add(BROKEN_CHAIN, || format!("{id} follows {previous:?}, not {last:?}"));
        }
        if **id != format!("{aggregate_type}/{key}/{sequence}") {
            let what = || format!("{id} is {sequence} of {aggregate_type}/{key}");
            findings.add(BROKEN_CHAIN, what);
        }
        *self = Self { sequence: *sequence, last_number: Some(event.number) };
    }
}
