//! Durable records of all topics beside a shard: what an audit reads. A part of what
//! [`super::ShardLog`] can do, for whoever owns no partition.

use bytes::Bytes;

use super::events::Events;
use super::{InputPositions, Limit};
use crate::error::EngineError;
use crate::model::{Command, DeadLetterNumber, Offset, PartitionId, Request, Stored, TurnNumber};

/// Durable records of every partition.
///
/// # Contract
/// What was read once is the same for ever, unless retention removes it.
pub trait Records: Events {
    /// Records of `<type>.requests` from an offset on, in order. Empty when there are none yet.
    ///
    /// # Errors
    /// `Trimmed` when retention has removed that offset, here and below.
    fn requests(
        &mut self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Request>>, EngineError>;

    /// Records of `<type>.commands`, likewise.
    ///
    /// # Errors
    /// As [`Records::requests`].
    fn commands(
        &mut self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Command>>, EngineError>;

    /// Batch records from a turn on: (turn, bytes).
    ///
    /// # Errors
    /// As [`Records::requests`].
    fn outcomes(
        &mut self,
        partition: PartitionId,
        from: TurnNumber,
        limit: Limit,
    ) -> Result<Vec<(TurnNumber, Bytes)>, EngineError>;

    /// One dead letter.
    ///
    /// # Errors
    /// As the engine has them.
    fn dead_letter(
        &mut self,
        partition: PartitionId,
        number: DeadLetterNumber,
    ) -> Result<Option<Bytes>, EngineError>;

    /// What retention has left of a partition.
    ///
    /// # Errors
    /// As the engine has them.
    fn kept(&mut self, partition: PartitionId) -> Result<Kept, EngineError>;
}

/// What retention has left of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The oldest turn whose batch record is there, like those of all later turns; 1 while none was
    /// removed.
    pub oldest: TurnNumber,
    /// The newest turn; 0 before the first.
    pub newest: TurnNumber,
    /// Inputs below these offsets are gone.
    pub input: InputPositions,
}
