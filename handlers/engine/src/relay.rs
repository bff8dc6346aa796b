//! What aggregates send each other, in the hands of a test: a shard's log that gives out nothing of
//! what is held back, and takes along what no shard here would send.
//!
//! To a shard it is a log like any other: one that is slow, and one whose sender was not sure. What is
//! taken along rides on the next turn of the partition that its channel names; a log that refuses or
//! aborts that turn may lose it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use zamu_core::error::EngineError;
use zamu_core::log::{Commit, InputPositions, Limit, LowWater, Ownership, Progress, ShardLog};
use zamu_core::model::{
    Command, DeadLetterNumber, Event, EventNumber, Offset, PartitionId, Request, Stored,
    TurnNumber, TypeId,
};

/// What is held back and what waits to be taken along. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Relay(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    held: BTreeSet<TypeId>,
    /// With the partitions that they are for.
    riders: Vec<(PartitionId, Command)>,
}

impl Relay {
    /// From now on, or no longer, shards get none of the commands for this type.
    pub(crate) fn hold_back(&self, aggregate_type: TypeId, held: bool) {
        let mut waiting = self.waiting();
        if held {
            waiting.held.insert(aggregate_type);
        } else {
            waiting.held.remove(&aggregate_type);
        }
    }

    /// Whether the commands for this type are held back.
    pub(crate) fn holds_back(&self, aggregate_type: TypeId) -> bool {
        self.waiting().held.contains(&aggregate_type)
    }

    /// The next turn of the sender takes this command along to its target.
    pub(crate) fn take_along(&self, target: PartitionId, command: Command) {
        self.waiting().riders.push((target, command));
    }

    /// Whether nothing waits to be taken along.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting().riders.is_empty()
    }

    /// A shard's log behind this.
    pub(crate) fn before(&self, log: Box<dyn ShardLog>) -> Box<dyn ShardLog> {
        Box::new(Relayed { relay: self.clone(), log })
    }

    /// Adds to each turn what waits for its partition to send it.
    fn load(&self, commit: &mut Commit) {
        let mut waiting = self.waiting();
        for turn in &mut commit.turns {
            let rides = |(_, command): &mut (PartitionId, Command)| {
                command.channel.is_some_and(|stamp| stamp.from == turn.partition)
            };
            let riding = waiting.riders.extract_if(.., rides);
            turn.commands.extend(riding.map(|(target, command)| (target, vec![command])));
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A shard's log behind a [`Relay`].
struct Relayed {
    relay: Relay,
    log: Box<dyn ShardLog>,
}

impl ShardLog for Relayed {
    fn take_commands(
        &mut self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Command>>, EngineError> {
        if self.relay.holds_back(partition.aggregate_type) {
            return Ok(Vec::new());
        }
        self.log.take_commands(partition, from, limit)
    }

    fn submit(&mut self, mut commit: Commit) -> Result<(), (Commit, EngineError)> {
        self.relay.load(&mut commit);
        self.log.submit(commit)
    }

    fn ownership(&mut self) -> Option<Ownership> {
        self.log.ownership()
    }

    fn give_up(&mut self, partition: PartitionId) {
        self.log.give_up(partition);
    }

    fn take_requests(
        &mut self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Request>>, EngineError> {
        self.log.take_requests(partition, from, limit)
    }

    fn poll(&mut self) -> Option<Progress> {
        self.log.poll()
    }

    fn resolve(&mut self) -> Result<(), EngineError> {
        self.log.resolve()
    }

    fn read_events(
        &mut self,
        partition: PartitionId,
        from: EventNumber,
        limit: Limit,
    ) -> Result<Vec<Event>, EngineError> {
        self.log.read_events(partition, from, limit)
    }

    fn read_outcomes(
        &mut self,
        partition: PartitionId,
        from: TurnNumber,
        limit: Limit,
    ) -> Result<Vec<(TurnNumber, Bytes)>, EngineError> {
        self.log.read_outcomes(partition, from, limit)
    }

    fn oldest_turn(&mut self, partition: PartitionId) -> Result<TurnNumber, EngineError> {
        self.log.oldest_turn(partition)
    }

    fn last_outcome(
        &mut self,
        partition: PartitionId,
    ) -> Result<Option<(TurnNumber, Bytes)>, EngineError> {
        self.log.last_outcome(partition)
    }

    fn read_dead_letter(
        &mut self,
        partition: PartitionId,
        number: DeadLetterNumber,
    ) -> Result<Option<Bytes>, EngineError> {
        self.log.read_dead_letter(partition, number)
    }

    fn input_ends(&mut self, partition: PartitionId) -> InputPositions {
        self.log.input_ends(partition)
    }

    fn release(&mut self, partition: PartitionId, low_water: LowWater) {
        self.log.release(partition, low_water);
    }

    fn log_id(&self) -> Bytes {
        self.log.log_id()
    }
}
