//! What the topics hold, for shards and for a test; and what retention may remove of it.

use bytes::Bytes;

use super::World;
use crate::error::EngineError;
use crate::log::simulated::topics::Topics;
use crate::log::simulated::{Contents, ShardNumber};
use crate::log::{InputPositions, Limit, LowWater};
use crate::model::{
    Command, DeadLetterNumber, Event, EventNumber, Offset, PartitionId, Request, Stored, TurnNumber,
};

const NO_LIMIT: Limit = Limit { records: usize::MAX, bytes: usize::MAX };

impl World {
    pub(crate) fn contents(&self, partition: PartitionId) -> Contents {
        self.partitions.get(&partition).map_or_else(Contents::default, |topics| Contents {
            requests: topics.requests.all(topics.durable().requests),
            commands: topics.commands.all(topics.durable().commands),
            events: topics.events(0, NO_LIMIT),
            outcomes: topics.outcomes(0, NO_LIMIT),
            dead_letters: topics.dead_letters(),
        })
    }

    pub(crate) fn durable_turn(&self, partition: PartitionId) -> TurnNumber {
        self.partitions.get(&partition).map_or(0, |topics| topics.durable().turn)
    }

    pub(crate) fn take_requests(
        &mut self,
        shard: ShardNumber,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Request>>, EngineError> {
        if !self.may_take(shard, partition)? {
            return Ok(Vec::new());
        }
        let limit = self.shorten(limit);
        let requests = &self.partitions.entry(partition).or_default().requests;
        check_floor("requests", partition, from, requests.floor())?;
        Ok(requests.take(from, limit, |r| r.key.len() + r.body.len()))
    }

    pub(crate) fn take_commands(
        &mut self,
        shard: ShardNumber,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Command>>, EngineError> {
        if !self.may_take(shard, partition)? {
            return Ok(Vec::new());
        }
        let limit = self.shorten(limit);
        let commands = &self.partitions.entry(partition).or_default().commands;
        check_floor("commands", partition, from, commands.floor())?;
        Ok(commands.take(from, limit, |c| c.key.len() + c.body.len()))
    }

    pub(crate) fn read_events(
        &mut self,
        partition: PartitionId,
        from: EventNumber,
        limit: Limit,
    ) -> Vec<Event> {
        let limit = self.shorten(limit);
        self.partitions.entry(partition).or_default().events(from, limit)
    }

    /// Number of the next event that will be durable.
    pub(crate) fn events_end(&self, partition: PartitionId) -> EventNumber {
        self.partitions.get(&partition).map_or(0, |topics| topics.durable().events)
    }

    pub(crate) fn read_outcomes(
        &mut self,
        partition: PartitionId,
        from: TurnNumber,
        limit: Limit,
    ) -> Result<Vec<(TurnNumber, Bytes)>, EngineError> {
        let limit = self.shorten(limit);
        let topics = self.partitions.entry(partition).or_default();
        check_floor("outcomes", partition, from.max(1), topics.outcome_floor())?;
        Ok(topics.outcomes(from, limit))
    }

    pub(crate) fn oldest_turn(&self, partition: PartitionId) -> TurnNumber {
        self.partitions.get(&partition).map_or(1, |topics| topics.outcome_floor().max(1))
    }

    pub(crate) fn last_outcome(&self, partition: PartitionId) -> Option<(TurnNumber, Bytes)> {
        self.partitions.get(&partition)?.last_outcome()
    }

    pub(crate) fn dead_letter(
        &self,
        partition: PartitionId,
        number: DeadLetterNumber,
    ) -> Option<Bytes> {
        self.partitions.get(&partition)?.dead_letter(number)
    }

    pub(crate) fn input_ends(&self, partition: PartitionId) -> InputPositions {
        self.partitions.get(&partition).map_or_else(InputPositions::default, |topics| {
            InputPositions { requests: topics.requests.end(), commands: topics.commands.end() }
        })
    }

    /// False if it was not for the shard to release.
    pub(crate) fn release(&mut self, partition: PartitionId, low_water: LowWater) -> bool {
        let topics = self.partitions.entry(partition).or_default();
        let durable = topics.durable();
        let is_durable = low_water.turn <= durable.turn
            && low_water.input.requests <= durable.input.requests
            && low_water.input.commands <= durable.input.commands;
        if is_durable {
            topics.release(low_water);
        }
        is_durable
    }

    pub(crate) fn trim(&mut self) {
        self.partitions.values_mut().for_each(Topics::trim);
    }

    /// A limit that may be smaller than what was asked for.
    fn shorten(&mut self, limit: Limit) -> Limit {
        if !self.prng.chance(self.faults.short) {
            return limit;
        }
        Limit { records: 1 + self.prng.index(limit.records.clamp(1, 8)), ..limit }
    }
}

fn check_floor(
    topic: &str,
    partition: PartitionId,
    from: u64,
    floor: u64,
) -> Result<(), EngineError> {
    if from >= floor {
        return Ok(());
    }
    Err(EngineError::Trimmed(format!("{topic} of {partition:?} from {from}: {floor} is the first")))
}
