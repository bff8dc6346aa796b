//! Catching up with the log: the store is behind it after a crash, never ahead.
//!
//! Events after the store's position are folded by `evolve`, outcomes into the windows of ids. No
//! command is decided again and `react` is never called. The work is cut into chunks, so that other
//! partitions of the shard go on meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::aggregate::{Aggregate, decode};
use crate::failpoints;
use crate::guest::check;
use crate::guest::columns::{Aggregates, NEVER, PastColumns};
use crate::log::Limit;
use crate::model::{Event, Sequence, Time, TurnNumber};
use crate::outcomes::{Standing, decode_record};
use crate::partition::{Partition, Status, Stop, Tools};
use crate::proto::outcome::What;
use crate::proto::{BatchRecord, RequestOutcome, StorePosition};
use crate::turn::load::load_keys;
use crate::window::Entry;
use crate::working::{Working, push_aggregate};

/// How far a restore is.
#[derive(Debug)]
pub struct Restore {
    /// Where the partition will stand.
    target: Standing,
    /// The next turn to fold.
    next: TurnNumber,
    turns: u64,
    events: u64,
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
        if restore.next <= restore.target.turn {
            let records = read_chunk(self, &restore, tools)?;
            let events = read_events(self, &records, tools)?;
            restore.next += records.len() as u64;
            restore.turns += records.len() as u64;
            restore.events += events.len() as u64;
            self.fold(&records, &events, tools)?;
            self.restore = Some(restore);
            return Ok(false);
        }
        tools.observer.restored(self.id, restore.turns, restore.events);
        self.finish_restore(restore, tools)?;
        Ok(true)
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
        let stored: StorePosition = match tools.store.position(self.id)? {
            None => StorePosition::default(),
            Some(bytes) => {
                decode(&bytes).map_err(|e| Stop::Halt(format!("position in the store: {e}")))?
            }
        };
        if stored.turn > 0 && stored.log_id != tools.log.log_id() {
            return Err(Stop::Halt(
                "the store belongs to another log: remove the store's folder, it is rebuilt from the log".into(),
            ));
        }
        if stored.turn > target.turn {
            return Err(Stop::Halt(format!(
                "the store has turn {}, the log ends with turn {}: the log has lost records; restore it from a backup",
                stored.turn, target.turn
            )));
        }
        Ok(Restore { target, next: stored.turn + 1, turns: 0, events: 0 })
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
        let mut working = load_keys(keys, self.id, &mut self.memory, tools.store)?;
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
            let entry = Entry {
                source: outcome.source.clone(),
                id: outcome.id.clone(),
                content: outcome.content.as_ref().try_into().map_err(|_| damaged())?,
                time: Time(outcome.time),
                offset: outcome.offset,
                answer: outcome.outcome.clone().ok_or_else(damaged)?,
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

/// Batch records of the next turns, not more than a chunk's events together.
fn read_chunk(
    partition: &Partition,
    restore: &Restore,
    tools: &mut Tools<'_>,
) -> Result<Vec<BatchRecord>, Stop> {
    let limit = tools.settings.restore_chunk;
    let mut records = Vec::new();
    let mut events = 0;
    for (turn, bytes) in tools.log.read_outcomes(partition.id, restore.next, limit)? {
        let due = restore.next + records.len() as u64;
        if turn != due {
            return Err(Stop::Halt(format!("batch record of turn {due} is missing: found {turn}")));
        }
        let record = decode_record(&bytes)
            .map_err(|e| Stop::Halt(format!("batch record of turn {turn}: {e}")))?;
        events += record.events.as_ref().map_or(0, |r| r.next - r.first) as usize;
        records.push(record);
        if events >= limit.records {
            break;
        }
    }
    if records.is_empty() {
        return Err(Stop::Halt(format!("batch record of turn {} is missing", restore.next)));
    }
    Ok(records)
}

/// All events of these turns.
fn read_events(
    partition: &Partition,
    records: &[BatchRecord],
    tools: &mut Tools<'_>,
) -> Result<Vec<Event>, Stop> {
    let edge = |record: Option<&BatchRecord>| record.and_then(|r| r.events.as_ref()).cloned();
    let (Some(first), Some(last)) = (edge(records.first()), edge(records.last())) else {
        return Err(Stop::Halt("a batch record has no range of events".into()));
    };
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
