//! Catching up with the log: the store is behind it after a crash, never ahead.
//!
//! Events after the store's position are folded by `evolve`, outcomes into the windows of ids. No
//! command is decided again and `react` is never called. The work is cut into chunks, so that other
//! partitions of the shard go on meanwhile; at the bound of memory it waits for a flush.
//!
//! Events are kept for ever, batch records are not. Where those that the store lacks are gone, the
//! events up to the oldest kept one are folded alone: what the missing ones would have entered into
//! windows of ids is older than any window, because retention is not shorter.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::aggregate::{Aggregate, decode};
use crate::failpoints;
use crate::guest::check;
use crate::guest::columns::{Aggregates, NEVER, PastColumns};
use crate::log::Limit;
use crate::model::{Event, EventNumber, PartitionId, Sequence, Time, TurnNumber};
use crate::outcomes::{Standing, decode_record};
use crate::partition::{Partition, Status, Stop, Tools};
use crate::proto::outcome::What;
use crate::proto::{BatchRecord, Range, RequestOutcome, StorePosition};
use crate::turn::load::load_keys;
use crate::window::Entry;
use crate::working::{Working, push_aggregate};

/// How far a restore is.
#[derive(Debug)]
pub struct Restore {
    /// Where the partition will stand.
    target: Standing,
    /// The last turn of which the store had everything.
    stored: TurnNumber,
    /// Events from this number up to `alone_to` are folded without batch records, first of all.
    alone: EventNumber,
    alone_to: EventNumber,
    /// The next turn to fold.
    next: TurnNumber,
    /// The next event of that turn.
    events_next: EventNumber,
    turns: u64,
    events: u64,
}

impl Restore {
    /// Turn and next event of what is folded.
    pub(crate) fn folded_to(&self) -> (TurnNumber, EventNumber) {
        match self.alone < self.alone_to {
            true => (self.stored, self.alone),
            false => (self.next - 1, self.events_next),
        }
    }

    fn is_done(&self) -> bool {
        self.alone >= self.alone_to && self.next > self.target.turn
    }
}

impl Partition {
    /// Folds one chunk. The partition is running (or says why it is not) when this returns `true`.
    ///
    /// # Errors
    /// When the log and the store do not fit together, or `evolve` faults.
    pub fn restore_chunk(&mut self, tools: &mut Tools<'_>) -> Result<bool, Stop> {
        let mut restore = match self.restore.take() {
            Some(restore) => restore,
            None => self.begin_restore(tools)?,
        };
        if !restore.is_done() {
            let folded = self.fold_chunk(&mut restore, tools);
            // Also when an engine asks to try again: nothing of the chunk has been done.
            self.restore = Some(restore);
            return folded.map(|()| false);
        }
        tools.observer.restored(self.id, restore.turns, restore.events);
        self.finish_restore(restore, tools)?;
        Ok(true)
    }

    fn fold_chunk(&mut self, restore: &mut Restore, tools: &mut Tools<'_>) -> Result<(), Stop> {
        if restore.alone < restore.alone_to {
            let events = read_alone(self, restore, tools)?;
            self.fold(&[], &events, tools)?;
            restore.alone += events.len() as u64;
            restore.events += events.len() as u64;
            return Ok(());
        }
        let records = read_chunk(self, restore, tools)?;
        let events = read_events(self, &records, tools)?;
        self.fold(&records, &events, tools)?;
        restore.next += records.len() as u64;
        restore.events_next += events.len() as u64;
        restore.turns += records.len() as u64;
        restore.events += events.len() as u64;
        Ok(())
    }

    fn begin_restore(&mut self, tools: &mut Tools<'_>) -> Result<Restore, Stop> {
        let target = match tools.log.last_outcome(self.id)? {
            None => Standing::new(),
            Some((turn, bytes)) => {
                let bad = |e: String| Stop::Halt(format!("batch record of turn {turn}: {e}"));
                let record = decode_record(&bytes).map_err(|e| bad(e.to_string()))?;
                Standing::after(&record, &tools.topology.types).map_err(|e| bad(e.to_string()))?
            }
        };
        let stored = self.stored_position(tools)?;
        if stored.turn > target.turn {
            return Err(Stop::Halt(format!(
                "the store has turn {}, the log ends with turn {}: the log has lost records; restore it from a backup",
                stored.turn, target.turn
            )));
        }
        let mut restore = Restore {
            target,
            stored: stored.turn,
            alone: stored.events_next,
            alone_to: stored.events_next,
            next: stored.turn + 1,
            events_next: stored.events_next,
            turns: 0,
            events: 0,
        };
        let oldest = tools.log.oldest_turn(self.id)?;
        if oldest > restore.next {
            restore.next = oldest;
            let one = Limit { records: 1, bytes: usize::MAX };
            let records = read_records(self.id, oldest, one, tools)?;
            restore.alone_to = range_of_events(records.first())?.first;
            restore.events_next = restore.alone_to;
        }
        Ok(restore)
    }

    fn stored_position(&self, tools: &mut Tools<'_>) -> Result<StorePosition, Stop> {
        let Some(bytes) = tools.store.position(self.id)? else {
            return Ok(StorePosition::default());
        };
        let stored: StorePosition =
            decode(&bytes).map_err(|e| Stop::Halt(format!("position in the store: {e}")))?;
        if stored.log_id != tools.log.log_id() {
            return Err(Stop::Halt(
                "the store belongs to another log: remove the store's folder, it is rebuilt from the log".into(),
            ));
        }
        Ok(stored)
    }

    fn finish_restore(&mut self, restore: Restore, tools: &mut Tools<'_>) -> Result<(), Stop> {
        self.durable = restore.target;
        self.restored = true;
        self.check_cursors(tools)?;
        self.status = match (self.durable.deployment, self.paused.take()) {
            (later, _) if later > tools.topology.deployment => Status::Waiting(later),
            (_, Some(reason)) => Status::Paused(reason),
            (_, None) => Status::Running,
        };
        Ok(())
    }

    /// Every event handler has reacted to every event, or is told to begin at the end.
    fn check_cursors(&mut self, tools: &Tools<'_>) -> Result<(), Stop> {
        let next = self.durable.events_next;
        for handler in tools.topology.reactors(self.id.aggregate_type) {
            let name = &tools.topology.handlers[*handler].spec.name;
            let cursor = self.durable.cursors.get(name).copied().unwrap_or(0);
            if cursor == next {
                continue;
            }
            if !tools.settings.start_at_tail.iter().any(|n| **n == **name) {
                return Err(Stop::Halt(format!(
                    "event handler `{name}` has reacted up to event {cursor} of {next}: list it under `start-at-tail` to begin with new events"
                )));
            }
            Arc::make_mut(&mut self.durable.cursors).insert(Arc::clone(name), next);
        }
        Ok(())
    }

    fn fold(
        &mut self,
        records: &[BatchRecord],
        events: &[Event],
        tools: &mut Tools<'_>,
    ) -> Result<(), Stop> {
        let of_requests = || records.iter().flat_map(|r| &r.external);
        let outcomes: Vec<&RequestOutcome> = of_requests().filter(|o| !o.unwindowed).collect();
        let given_up: Vec<_> = of_requests().filter_map(given_up).collect();
        let keys = events
            .iter()
            .map(|e| &e.key)
            .chain(outcomes.iter().map(|o| &o.key))
            .chain(given_up.iter().map(|(key, _)| *key));
        let topology = tools.topology;
        let owner = &topology.handlers[topology.owner(self.id.aggregate_type)];
        let mut working = load_keys(keys, self.id, owner, &mut self.memory, tools.store)?;
        self.fold_events(events, &mut working, tools)?;
        if !failpoints::fires(failpoints::FORGET_OUTCOMES) {
            self.fold_outcomes(&outcomes, &mut working, tools)?;
            fold_given_up(&given_up, &mut working);
        }
        for (key, held) in working {
            if held.changed {
                self.change(key, held.aggregate);
            }
        }
        Ok(())
    }

    /// Applies each event whose sequence is the next; skips what the store already has.
    fn fold_events(
        &self,
        events: &[Event],
        working: &mut Working,
        tools: &mut Tools<'_>,
    ) -> Result<(), Stop> {
        let mut fold = Fold::default();
        for event in events {
            fold.add(event, self, working, tools)?;
        }
        fold.run(self, working, tools)
    }

    fn fold_outcomes(
        &self,
        outcomes: &[&RequestOutcome],
        working: &mut Working,
        tools: &Tools<'_>,
    ) -> Result<(), Stop> {
        let settings = tools.topology.settings(self.id.aggregate_type);
        for outcome in outcomes {
            let Some(held) = working.get_mut(&outcome.key) else { continue };
            if outcome.offset < held.aggregate.requests_folded {
                continue;
            }
            let damaged = || Stop::Halt(format!("outcome of request {}: damaged", outcome.offset));
            let outcome = alone(outcome).ok_or_else(damaged)?;
            let entry = Entry {
                source: outcome.source,
                id: outcome.id,
                content: outcome.content.as_ref().try_into().map_err(|_| damaged())?,
                time: Time(outcome.time),
                offset: outcome.offset,
                answer: outcome.outcome.ok_or_else(damaged)?,
            };
            held.changed = true;
            let aggregate = Arc::make_mut(&mut held.aggregate);
            aggregate.requests_folded = outcome.offset + 1;
            aggregate.window.insert(entry, settings);
        }
        Ok(())
    }
}

/// The aggregate that has given a deadline up by this outcome, and the sequence at which it did.
fn given_up(outcome: &RequestOutcome) -> Option<(&Bytes, Sequence)> {
    let what = outcome.outcome.as_ref().and_then(|o| o.what.as_ref());
    let faulted = matches!(what, Some(What::Fault(_)));
    outcome.wake.filter(|_| faulted).map(|sequence| (&outcome.key, sequence))
}

/// Events have been folded: a sequence that has passed wants another deadline, or none.
fn fold_given_up(given_up: &[(&Bytes, Sequence)], working: &mut Working) {
    for (key, sequence) in given_up {
        let Some(held) = working.get_mut(*key) else { continue };
        let known = held.aggregate.wake_given_up == Some(*sequence);
        if held.aggregate.sequence == *sequence && !known {
            held.changed = true;
            Arc::make_mut(&mut held.aggregate).wake_given_up = Some(*sequence);
        }
    }
}

/// An outcome with memory of its own, so that a window does not keep whole batch records.
fn alone(outcome: &RequestOutcome) -> Option<RequestOutcome> {
    RequestOutcome::decode(Bytes::from(outcome.encode_to_vec())).ok()
}

/// The next events of those that are folded without batch records.
fn read_alone(
    partition: &Partition,
    restore: &Restore,
    tools: &mut Tools<'_>,
) -> Result<Vec<Event>, Stop> {
    let chunk = tools.settings.restore_chunk;
    let left = (restore.alone_to - restore.alone) as usize;
    let limit = Limit { records: chunk.records.min(left), ..chunk };
    let events = tools.log.read_events(partition.id, restore.alone, limit)?;
    if events.is_empty() {
        return Err(Stop::Halt(format!("event {} is missing", restore.alone)));
    }
    Ok(events)
}

/// Batch records of the next turns, not more than a chunk's events together.
fn read_chunk(
    partition: &Partition,
    restore: &Restore,
    tools: &mut Tools<'_>,
) -> Result<Vec<BatchRecord>, Stop> {
    let limit = tools.settings.restore_chunk;
    let mut records = read_records(partition.id, restore.next, limit, tools)?;
    let mut events = 0;
    let mut whole = 0;
    for record in &records {
        let range = range_of_events(Some(record))?;
        events += (range.next - range.first) as usize;
        whole += 1;
        if events >= limit.records {
            break;
        }
    }
    records.truncate(whole);
    Ok(records)
}

/// Batch records from a turn on: at least one.
fn read_records(
    partition: PartitionId,
    from: TurnNumber,
    limit: Limit,
    tools: &mut Tools<'_>,
) -> Result<Vec<BatchRecord>, Stop> {
    let mut records = Vec::new();
    for (turn, bytes) in tools.log.read_outcomes(partition, from, limit)? {
        let due = from + records.len() as u64;
        if turn != due {
            return Err(Stop::Halt(format!("batch record of turn {due} is missing: found {turn}")));
        }
        let record = decode_record(&bytes)
            .map_err(|e| Stop::Halt(format!("batch record of turn {turn}: {e}")))?;
        records.push(record);
    }
    if records.is_empty() {
        return Err(Stop::Halt(format!("batch record of turn {from} is missing")));
    }
    Ok(records)
}

fn range_of_events(record: Option<&BatchRecord>) -> Result<Range, Stop> {
    let range = record.and_then(|r| r.events.as_ref()).copied();
    range.ok_or_else(|| Stop::Halt("a batch record has no range of events".into()))
}

/// All events of these turns.
fn read_events(
    partition: &Partition,
    records: &[BatchRecord],
    tools: &mut Tools<'_>,
) -> Result<Vec<Event>, Stop> {
    let first = range_of_events(records.first())?;
    let last = range_of_events(records.last())?;
    let mut events: Vec<Event> = Vec::new();
    let mut next = first.first;
    while next < last.next {
        let limit = Limit { records: (last.next - next) as usize, ..tools.settings.restore_chunk };
        let page = tools.log.read_events(partition.id, next, limit)?;
        let Some(newest) = page.last() else {
            return Err(Stop::Halt(format!("event {next} is missing")));
        };
        next = newest.number + 1;
        events.extend(page);
    }
    Ok(events)
}

/// Events to be folded in one call.
#[derive(Default)]
struct Fold {
    keys: Vec<Bytes>,
    slots: HashMap<Bytes, u32>,
    aggregates: Aggregates,
    past: PastColumns,
}

impl Fold {
    fn add(
        &mut self,
        event: &Event,
        partition: &Partition,
        working: &mut Working,
        tools: &Tools<'_>,
    ) -> Result<(), Stop> {
        let owner = &tools.topology.handlers[tools.topology.owner(partition.id.aggregate_type)];
        let Some(held) = working.get_mut(&event.key) else { return Ok(()) };
        let due = held.aggregate.sequence + 1;
        if event.sequence < due {
            return Ok(());
        }
        let name = || String::from_utf8_lossy(&event.key);
        if event.sequence > due {
            return Err(Stop::Halt(format!(
                "event {} of `{}` has sequence {}, but {due} is due: events are missing",
                event.number,
                name(),
                event.sequence
            )));
        }
        let Some(kind) = owner.event(partition.id.aggregate_type, &event.kind) else {
            return Err(Stop::Halt(format!(
                "event {} of `{}` is {}, which handler `{}` does not read: restart with one that does",
                event.number,
                name(),
                event.kind,
                owner.spec.name
            )));
        };
        let slot = match self.slots.get(&event.key) {
            Some(slot) => *slot,
            None => {
                let slot = self.keys.len() as u32;
                let aggregate_type = partition.id.aggregate_type;
                push_aggregate(
                    &mut self.aggregates,
                    owner,
                    aggregate_type,
                    &event.key,
                    &held.aggregate,
                );
                self.keys.push(event.key.clone());
                self.slots.insert(event.key.clone(), slot);
                slot
            }
        };
        self.past.slot.push(slot);
        self.past.kind.push(kind);
        self.past.time.push(event.time.0);
        self.past.bodies.push(&event.body);
        held.changed = true;
        let aggregate = Arc::make_mut(&mut held.aggregate);
        aggregate.sequence = event.sequence;
        aggregate.wake_given_up = None;
        aggregate.last_event = Some(event.number);
        Ok(())
    }

    fn run(
        self,
        partition: &Partition,
        working: &mut Working,
        tools: &mut Tools<'_>,
    ) -> Result<(), Stop> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let index = tools.topology.owner(partition.id.aggregate_type);
        let spec = &tools.topology.handlers[index].spec;
        let manifest = &spec.manifest;
        let states = tools.guests[index]
            .evolve(&self.aggregates, &self.past)
            .and_then(|states| check::states(&states, self.keys.len(), manifest).map(|()| states))
            .map_err(|fault| {
                if fault.reason.blames_no_item() {
                    return Stop::Host(format!("handler `{}`: {fault}", spec.name));
                }
                Stop::Halt(format!(
                    "`evolve` of handler `{}` {} faulted: {fault}. Restart with a mended handler",
                    spec.name, manifest.version
                ))
            })?;
        for (slot, key) in self.keys.iter().enumerate() {
            let Some(held) = working.get_mut(key) else { continue };
            let aggregate: &mut Aggregate = Arc::make_mut(&mut held.aggregate);
            aggregate.state = Bytes::copy_from_slice(states.bytes.get(slot));
            aggregate.schema = Arc::from(&*manifest.state_schemas[states.schemas[slot] as usize]);
            aggregate.fold = manifest.fold;
            let wake_at = states.wake_at[slot];
            aggregate.wake_at = (wake_at != NEVER).then_some(Time(wake_at));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::proto::{Nothing, Outcome, outcome::What};

    #[test]
    fn an_outcome_that_is_remembered_does_not_keep_its_batch_record() {
        let nothing = Nothing { reply: Bytes::from_static(b"reply") };
        let outcome = RequestOutcome {
            id: Bytes::from_static(b"id"),
            source: Bytes::from_static(b"source"),
            outcome: Some(Outcome { what: Some(What::Nothing(nothing)) }),
            ..RequestOutcome::default()
        };
        let record = BatchRecord { external: vec![outcome.clone()], ..BatchRecord::default() };
        let bytes = Bytes::from(record.encode_to_vec());
        let read = BatchRecord::decode(bytes.clone()).unwrap();
        let kept = alone(&read.external[0]).unwrap();
        assert!(!bytes.is_unique());
        drop(read);
        assert!(bytes.is_unique());
        assert_eq!(kept, outcome);
    }
}
