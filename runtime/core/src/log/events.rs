//! Durable events beside a shard: what projections read. A part of what [`super::ShardLog`] can do,
//! for whoever owns no partition.

use super::Limit;
use crate::error::EngineError;
use crate::model::{Event, EventNumber, PartitionId};

/// Durable events of every partition.
///
/// # Contract
/// Numbers are gapless from 0, an event never changes, and what was read once is there for ever.
pub trait Events: Send {
    /// Events from a number on, in order. Empty when there are none yet.
    ///
    /// # Errors
    /// `Damaged` when a number in between is missing.
    fn read(
        &mut self,
        partition: PartitionId,
        from: EventNumber,
        limit: Limit,
    ) -> Result<Vec<Event>, EngineError>;

    /// The number of the next event that will be durable.
    ///
    /// # Errors
    /// As the engine has them.
    fn end(&mut self, partition: PartitionId) -> Result<EventNumber, EngineError>;

    /// Identity of the log.
    fn log_id(&self) -> bytes::Bytes;
}
