//! What a switch keeps its records and states on: a log and a store.

pub(crate) mod embedded;
pub(crate) mod simulated;

use std::sync::Arc;

use scenarios::switch::End;
use zamu_core::log::events::Events;
use zamu_core::log::{Intake, ShardLog};
use zamu_core::model::{Command, Event, EventNumber, PartitionId, Stored, Time, TurnNumber};
use zamu_core::proto::BatchRecord;
use zamu_core::store::Store;
use zamu_core::store::tables::TableStore;

/// Log and store of one shard.
pub(crate) struct Place {
    /// The log, as the shard sees it.
    pub(crate) log: Box<dyn ShardLog>,
    /// The store.
    pub(crate) store: Box<dyn Store>,
}

/// A log with its store.
///
/// # Contract
/// - Nothing moves but in [`Medium::get_on`], as far as that can be had.
/// - What is read is durable.
pub(crate) trait Medium {
    /// What a shard needs that owns these partitions from now on.
    ///
    /// # Errors
    /// As the log has them.
    fn place(&mut self, partitions: &[PartitionId]) -> anyhow::Result<Place>;

    /// What projections need: durable events, and the tables.
    ///
    /// # Errors
    /// When there is no log open.
    fn tables(&self) -> anyhow::Result<(Box<dyn Events>, Arc<dyn TableStore>)>;

    /// Where commands come in.
    ///
    /// # Errors
    /// When there is no log open.
    fn intake(&self) -> anyhow::Result<Arc<dyn Intake>>;

    /// What was handed over gets on, at this time.
    ///
    /// # Errors
    /// As the log has them.
    fn get_on(&mut self, now: Time) -> anyhow::Result<()>;

    /// Whether all that is written is durable.
    fn is_durable(&self) -> bool;

    /// The partitions that lost their owner to nobody.
    fn orphans(&self) -> Vec<PartitionId>;

    /// An aggregate's events, oldest first: so many of them, the last being the one with this number.
    ///
    /// # Errors
    /// As the log has them; when the chain of its events is broken.
    fn history(
        &self,
        partition: PartitionId,
        last: EventNumber,
        count: usize,
    ) -> anyhow::Result<Vec<Event>>;

    /// All records of a partition's commands, oldest first.
    ///
    /// # Errors
    /// As the log has them.
    fn commands(&self, partition: PartitionId) -> anyhow::Result<Vec<Stored<Command>>>;

    /// All batch records after a turn.
    ///
    /// # Errors
    /// As the log has them.
    fn records(
        &self,
        partition: PartitionId,
        after: TurnNumber,
    ) -> anyhow::Result<Vec<BatchRecord>>;

    /// The process ends and another one opens log and store again. All places and intakes of the one
    /// before are gone by then.
    ///
    /// # Errors
    /// As log and store have them.
    fn restart(&mut self, end: End) -> anyhow::Result<()>;
}
