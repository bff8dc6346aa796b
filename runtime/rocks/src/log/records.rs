//! What an audit reads of a log: all topics, beside its shards.

use bytes::Bytes;
use zamu_core::error::EngineError;
use zamu_core::log::records::{Kept, Records};
use zamu_core::log::{InputPositions, Limit};
use zamu_core::model::{
    Command, DeadLetterNumber, Offset, PartitionId, Request, Stored, TurnNumber,
};

use crate::log::reader::{LogReader, Timed};

impl Records for LogReader {
    fn requests(
        &mut self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Request>>, EngineError> {
        Self::requests(self, partition, from, limit)
    }

    fn commands(
        &mut self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Command>>, EngineError> {
        Self::commands(self, partition, from, limit)
    }

    fn outcomes(
        &mut self,
        partition: PartitionId,
        from: TurnNumber,
        limit: Limit,
    ) -> Result<Vec<(TurnNumber, Bytes)>, EngineError> {
        Self::outcomes(self, partition, from, limit)
    }

    fn dead_letter(
        &mut self,
        partition: PartitionId,
        number: DeadLetterNumber,
    ) -> Result<Option<Bytes>, EngineError> {
        Self::dead_letter(self, partition, number)
    }

    fn kept(&mut self, partition: PartitionId) -> Result<Kept, EngineError> {
        let newest = self.last_outcome(partition)?.map_or(0, |(turn, _)| turn);
        Ok(Kept {
            oldest: self.oldest_turn(partition)?,
            newest,
            input: InputPositions {
                requests: self.oldest(partition, Timed::Requests)?,
                commands: self.oldest(partition, Timed::Commands)?,
            },
        })
    }
}
