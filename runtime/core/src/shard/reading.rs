//! What people may ask a shard: committed states, and how its partitions stand.

use std::sync::Arc;

use bytes::Bytes;

use super::{Parts, Shard};
use crate::aggregate::Aggregate;
use crate::error::EngineError;
use crate::guest::columns::Aggregates;
use crate::guest::{Fault, check};
use crate::log::InputPositions;
use crate::model::PartitionId;
use crate::partition::{Behind, Status};
use crate::working::{push_aggregate, read};

/// A view of a partition for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// The partition.
    pub partition: PartitionId,
    /// Whether it takes turns.
    pub status: Status,
    /// After its last durable turn: turn number, next event number.
    pub turn: u64,
    /// Number of its next event.
    pub events_next: u64,
    /// Next offsets to take, of the last durable turn.
    pub position: InputPositions,
    /// Ends of its inputs.
    pub ends: InputPositions,
    /// How many dead letters are open.
    pub dead_letters: u64,
    /// The event handlers that have not reacted to all events up to `events_next`.
    pub behind: Vec<Behind>,
    /// How many deadlines are in memory: those that are not in the store yet, and those whose Wakes
    /// are on their way. All others cost nothing but space in the store.
    pub deadlines: u64,
}

/// What a read can fail with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// This shard does not own the partition.
    #[error("this shard does not own the partition")]
    NotHere,
    /// The partition has not caught up with the log, or could not: the store may lag.
    #[error("the partition has not caught up with the log")]
    NotReady,
    /// The store failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The handler could not show the state.
    #[error("the handler cannot show the state: {0}")]
    Fault(#[from] Fault),
}

impl Shard {
    /// The committed state of an aggregate; `None` for an absent one.
    ///
    /// # Errors
    /// When it cannot be read here now.
    pub fn aggregate(
        &mut self,
        partition: PartitionId,
        key: &Bytes,
    ) -> Result<Option<Arc<Aggregate>>, ReadError> {
        let owned = self.partitions.get_mut(&partition).ok_or(ReadError::NotHere)?;
        if !owned.restored {
            return Err(ReadError::NotReady);
        }
        let found = match owned.memory.durable(key) {
            Some(aggregate) => aggregate,
            None => {
                let records = self.parts.store.get(partition, std::slice::from_ref(key))?;
                match records.into_iter().next().flatten() {
                    Some(record) => Arc::new(read(key, &record)?),
                    None => return Ok(None),
                }
            }
        };
        let absent = found.sequence == 0 && found.window.entries().is_empty();
        Ok((!absent).then_some(found))
    }

    /// The state of an aggregate as its handler shows it to people: JSON.
    ///
    /// # Errors
    /// When the handler cannot.
    pub fn show(
        &mut self,
        partition: PartitionId,
        key: &Bytes,
        aggregate: &Aggregate,
    ) -> Result<String, ReadError> {
        let index = self.parts.topology.owner(partition.aggregate_type);
        let owner = &self.parts.topology.handlers[index];
        let mut columns = Aggregates::default();
        push_aggregate(&mut columns, owner, partition.aggregate_type, key, aggregate);
        let texts = self.parts.guests[index].inspect(&columns)?;
        check::inspected(&texts, 1)?;
        Ok(String::from_utf8_lossy(texts.get(0)).into_owned())
    }

    /// All partitions, for operators.
    pub fn view(&mut self) -> Vec<PartitionView> {
        self.wait_for_tables();
        let Parts { log, topology, .. } = &mut self.parts;
        self.partitions
            .values()
            .map(|p| PartitionView {
                partition: p.id,
                status: p.status.clone(),
                turn: p.durable.turn,
                events_next: p.durable.events_next,
                position: p.durable.input,
                ends: log.input_ends(p.id),
                dead_letters: p.durable.dead_letters_open.len() as u64,
                behind: p.behind(topology),
                deadlines: p.deadlines.in_memory() as u64,
            })
            .collect()
    }

    /// The open dead letters of a partition.
    #[must_use]
    pub fn open_dead_letters(&self, partition: PartitionId) -> Option<Vec<u64>> {
        let owned = self.partitions.get(&partition)?;
        Some(owned.durable.dead_letters_open.iter().copied().collect())
    }
}
