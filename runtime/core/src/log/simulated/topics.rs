//! The topics of one partition: what was written, how much of it is durable, and how much of it
//! retention has removed. Knows nothing of shards, time or faults.
//!
//! - Everything written stays here, so that a test can look at the whole history: trimming only
//!   moves the floor below which nothing is given out.
//! - `durable` never passes what is written, and a floor never passes what is durable.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::log::{InputPositions, Limit, LowWater, TurnWrite};
use crate::model::{Command, Request};
use crate::model::{DeadLetterNumber, Event, EventNumber, Offset, Stored, Time, TurnNumber};

/// A topic that is taken by offset.
#[derive(Debug)]
pub(super) struct Track<R> {
    records: Vec<Stored<R>>,
    next: Offset,
    floor: Offset,
    time: Time,
}

impl<R> Default for Track<R> {
    fn default() -> Self {
        Self { records: Vec::new(), next: 0, floor: 0, time: Time::default() }
    }
}

impl<R: Clone> Track<R> {
    /// Appends and says where. Time does not go back.
    pub(super) fn append(&mut self, record: R, now: Time) -> (Offset, Time) {
        self.time = self.time.max(now);
        let stored = Stored { offset: self.next, appended: self.time, record };
        self.records.push(stored);
        self.next += 1;
        (self.next - 1, self.time)
    }

    /// Leaves one offset unused.
    pub(super) fn skip(&mut self) {
        self.next += 1;
    }

    /// The time of an append that is made now.
    pub(super) fn time_at(&self, now: Time) -> Time {
        self.time.max(now)
    }

    /// Offset of the next record.
    pub(super) fn next(&self) -> Offset {
        self.next
    }

    /// Offset after the last record.
    pub(super) fn end(&self) -> Offset {
        self.records.last().map_or(0, |last| last.offset + 1)
    }

    /// Offset below which nothing is left.
    pub(super) fn floor(&self) -> Offset {
        self.floor
    }

    /// Records from an offset on, within the limit.
    pub(super) fn take(&self, from: Offset, limit: Limit, size: fn(&R) -> usize) -> Vec<Stored<R>> {
        let start = self.records.partition_point(|r| r.offset < from);
        within(&self.records[start..], limit, |r| size(&r.record)).to_vec()
    }

    /// All records that there ever were, up to an offset.
    pub(super) fn all(&self, next: Offset) -> Vec<Stored<R>> {
        self.records.iter().filter(|r| r.offset < next).cloned().collect()
    }

    fn truncate(&mut self, next: Offset) {
        self.records.truncate(self.records.partition_point(|r| r.offset < next));
        self.next = next;
    }
}

/// How far each topic of a partition goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    /// Offset of the next request.
    pub(super) requests: Offset,
    /// Offset of the next command.
    pub(super) commands: Offset,
    /// Number of the next event.
    pub(super) events: EventNumber,
    /// Number of the last turn.
    pub(super) turn: TurnNumber,
    /// Number of the last dead letter.
    pub(super) dead_letter: DeadLetterNumber,
    /// Input positions of the last turn.
    pub(super) input: InputPositions,
}

/// All topics of one partition.
#[derive(Debug, Default)]
pub(super) struct Topics {
    pub(super) requests: Track<Request>,
    pub(super) commands: Track<Command>,
    events: Vec<Event>,
    outcomes: BTreeMap<TurnNumber, Bytes>,
    dead_letters: BTreeMap<DeadLetterNumber, Bytes>,
    outcome_floor: TurnNumber,
    input: InputPositions,
    released: Option<LowWater>,
    durable: Ends,
}

impl Topics {
    /// How far it is written.
    pub(super) fn written(&self) -> Ends {
        Ends {
            requests: self.requests.next(),
            commands: self.commands.next(),
            events: self.events.len() as EventNumber,
            turn: self.outcomes.last_key_value().map_or(0, |(turn, _)| *turn),
            dead_letter: self.dead_letters.last_key_value().map_or(0, |(number, _)| *number),
            input: self.input,
        }
    }

    /// How far it is durable.
    pub(super) fn durable(&self) -> Ends {
        self.durable
    }

    /// What is written up to here has become durable.
    pub(super) fn sync(&mut self, ends: Ends) {
        self.durable = ends;
    }

    /// Forgets what was written after `ends`.
    pub(super) fn truncate(&mut self, ends: Ends) {
        self.requests.truncate(ends.requests);
        self.commands.truncate(ends.commands);
        self.events.truncate(ends.events as usize);
        self.outcomes.split_off(&(ends.turn + 1));
        self.dead_letters.split_off(&(ends.dead_letter + 1));
        self.input = ends.input;
    }

    /// A turn of this partition; its commands go to other partitions' topics.
    pub(super) fn append_turn(&mut self, turn: &TurnWrite, now: Time) {
        for wake in &turn.wakes {
            self.requests.append(wake.clone(), now);
        }
        self.events.extend(turn.events.iter().cloned());
        self.outcomes.insert(turn.turn, turn.outcome.clone());
        self.dead_letters.extend(turn.dead_letters.iter().cloned());
        self.input = turn.input;
    }

    /// Notes what recovery no longer needs.
    pub(super) fn release(&mut self, low_water: LowWater) {
        let before = self.released.unwrap_or(low_water);
        self.released = Some(LowWater {
            turn: before.turn.max(low_water.turn),
            input: InputPositions {
                requests: before.input.requests.max(low_water.input.requests),
                commands: before.input.commands.max(low_water.input.commands),
            },
        });
    }

    /// Removes what was released, but never the newest durable batch record.
    pub(super) fn trim(&mut self) {
        if let Some(low_water) = self.released {
            self.outcome_floor = (low_water.turn + 1).min(self.durable.turn.max(1));
            self.requests.floor = self.requests.floor.max(low_water.input.requests);
            self.commands.floor = self.commands.floor.max(low_water.input.commands);
        }
    }

    /// The first turn whose batch record is left.
    pub(super) fn outcome_floor(&self) -> TurnNumber {
        self.outcome_floor
    }

    /// Durable events.
    pub(super) fn events(&self, from: EventNumber, limit: Limit) -> Vec<Event> {
        let durable = &self.events[..self.durable.events as usize];
        let start = durable.len().min(from as usize);
        within(&durable[start..], limit, |e| e.key.len() + e.body.len()).to_vec()
    }

    /// Durable batch records, those below the floor included.
    pub(super) fn outcomes(&self, from: TurnNumber, limit: Limit) -> Vec<(TurnNumber, Bytes)> {
        let durable: Vec<_> = self
            .outcomes
            .range(from..)
            .take_while(|(turn, _)| **turn <= self.durable.turn)
            .map(|(turn, bytes)| (*turn, bytes.clone()))
            .collect();
        within(&durable, limit, |(_, bytes)| bytes.len()).to_vec()
    }

    /// The newest durable batch record.
    pub(super) fn last_outcome(&self) -> Option<(TurnNumber, Bytes)> {
        let (turn, bytes) = self.outcomes.range(..=self.durable.turn).next_back()?;
        Some((*turn, bytes.clone()))
    }

    /// A durable dead letter.
    pub(super) fn dead_letter(&self, number: DeadLetterNumber) -> Option<Bytes> {
        (number <= self.durable.dead_letter).then(|| self.dead_letters.get(&number).cloned())?
    }

    /// All durable dead letters.
    pub(super) fn dead_letters(&self) -> Vec<(DeadLetterNumber, Bytes)> {
        let durable = self.dead_letters.range(..=self.durable.dead_letter);
        durable.map(|(number, bytes)| (*number, bytes.clone())).collect()
    }
}

/// The longest beginning that fits the limit, but at least one item if there is one.
fn within<T>(items: &[T], limit: Limit, size: impl Fn(&T) -> usize) -> &[T] {
    let mut bytes = 0;
    let fitting = items
        .iter()
        .take(limit.records)
        .take_while(|item| {
            bytes += size(item);
            bytes <= limit.bytes
        })
        .count();
    &items[..fitting.max(1).min(items.len())]
}
