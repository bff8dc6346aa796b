//! Catching up with the log: the store is behind it after a crash, never ahead.
//!
//! Events after the store's position are folded by `evolve`, outcomes into the windows of ids. No
//! command is decided again and `react` is never called. The work is cut into chunks, so that other
//! partitions of the shard go on meanwhile; at the bound of memory it waits for a flush.
//!
//! Events are kept for ever, batch records are not. Where those that the store lacks are gone, the
//! events up to the oldest kept one are folded alone: what the missing ones would have entered into
//! windows of ids is older than any window, because retention is not shorter.

use crate::aggregate::decode;
use crate::failpoints;
use crate::fold::{self, FoldError, Folder};
use crate::log::Limit;
use crate::model::{Event, EventNumber, PartitionId, TurnNumber};
use crate::outcomes::{Standing, decode_record};
use crate::partition::{Partition, Status, Stop, Tools};
use crate::proto::{BatchRecord, Range, StorePosition};
use crate::topology::{HandlerIndex, Topology};
use crate::turn::load::load_keys;

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
        self.check_cursors(tools.topology)?;
        self.status = match self.durable.deployment {
            later if later > tools.topology.deployment => Status::Waiting(later),
            _ => self.takes_turns_or_pauses(),
        };
        Ok(())
    }

    /// Every event handler has reacted to every event, or it is declared from which one on it does.
    fn check_cursors(&self, topology: &Topology) -> Result<(), Stop> {
        let next = self.durable.events_next;
        for handler in topology.reactors(self.id.aggregate_type) {
            let name = &topology.handlers[*handler].spec.name;
            let cursor = self.durable.cursors.get(name).copied().unwrap_or(0);
            if cursor != next && topology.start(*handler).is_none() {
                return Err(Stop::Halt(format!(
                    "event handler `{name}` has reacted up to event {cursor} of {next}: say in `[handlers.{name}]` whether it is to catch up (`from = \"beginning\"`) or to go on with new events (`from = \"now\"`)"
                )));
            }
        }
        Ok(())
    }

    fn fold(
        &mut self,
        records: &[BatchRecord],
        events: &[Event],
        tools: &mut Tools<'_>,
    ) -> Result<(), Stop> {
        let topology = tools.topology;
        let index = topology.owner(self.id.aggregate_type);
        let owner = &topology.handlers[index];
        let keys = fold::keys(records, events);
        let mut working = load_keys(keys, self.id, owner, &mut self.memory, tools.store)?;
        let guest = &mut *tools.guests[index];
        let mut folder = Folder { topology, partition: self.id, guest };
        let stopped = |error| stopped(error, topology, index);
        folder.events(events, &mut working).map_err(stopped)?;
        if !failpoints::fires(failpoints::FORGET_OUTCOMES) {
            folder.outcomes(records, &mut working).map_err(stopped)?;
        }
        for (key, held) in working {
            if held.changed {
                self.change(key, held.aggregate);
            }
        }
        Ok(())
    }
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

/// What a fold that failed means for the partition: events that a handler breaks on wait for its mend.
fn stopped(error: FoldError, topology: &Topology, owner: HandlerIndex) -> Stop {
    match error {
        FoldError::Unfit(why) => Stop::Halt(why),
        FoldError::Broken(reason) => Stop::Pause { reason, blamed: Some(topology.blame(owner)) },
        FoldError::Host(why) => Stop::Host(why),
    }
}
