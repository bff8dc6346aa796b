//! The seam to the log: ordered, partitioned, durable topics. The only source of truth.
//!
//! `simulated` is an in-process engine for tests; `zamu-rocks` the embedded one. Every engine
//! passes `contract`.

#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod events;
pub mod records;
#[cfg(any(test, feature = "testing"))]
pub mod simulated;

use bytes::Bytes;

use crate::error::EngineError;
use crate::model::{
    Command, DeadLetterNumber, Event, EventNumber, Offset, PartitionId, Request, Stored, Time,
    TurnNumber,
};

/// Number of a commit within its shard, from 1, given by the shard.
pub type CommitId = u64;

/// A change of what this shard owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The shard owns the partition from now on and may read and write it.
    Assigned(PartitionId),
    /// The partition is to be given up in good order: commits in flight may finish, no new ones.
    /// The shard answers with [`ShardLog::give_up`].
    Revoked(PartitionId),
    /// The partition is already gone: what is in flight will not be committed.
    Lost(PartitionId),
}

/// What became of commits, in the order of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// This commit, and all before it, are ordered and visible to the shards of this process.
    Written(CommitId),
    /// This commit, and all before it, survive the loss of power. Implies written.
    Durable(CommitId),
    /// This commit surely did not happen, nor will any after it that was submitted before now.
    Aborted(CommitId),
    /// This commit, and those after it, may or may not have happened. [`ShardLog::resolve`] tells.
    Unknown(CommitId),
    /// Another owner has taken over this shard's partitions.
    Fenced,
}

/// All that one turn of one partition leaves in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnWrite {
    /// The partition.
    pub partition: PartitionId,
    /// The turn's number.
    pub turn: TurnNumber,
    /// Next offsets to take, after this turn.
    pub input: InputPositions,
    /// Decided events, numbered without a gap.
    pub events: Vec<Event>,
    /// Commands for other aggregates, by target partition, each with its channel stamp.
    pub commands: Vec<(PartitionId, Vec<Command>)>,
    /// The encoded batch record.
    pub outcome: Bytes,
    /// Encoded dead letters, numbered without a gap.
    pub dead_letters: Vec<(DeadLetterNumber, Bytes)>,
    /// Wakes for aggregates of this partition.
    pub wakes: Vec<Request>,
}

/// Where a partition stands in its two inputs: the next offsets to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputPositions {
    /// In `<type>.requests`.
    pub requests: Offset,
    /// In `<type>.commands`.
    pub commands: Offset,
}

/// Turns of one or more partitions of one shard: all of them happen, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Ascending within the shard.
    pub id: CommitId,
    /// At most one turn per partition.
    pub turns: Vec<TurnWrite>,
}

/// How much to take or read at once. At least one record is given if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Records at most.
    pub records: usize,
    /// Bytes of keys and bodies, roughly, at most.
    pub bytes: usize,
}

/// Up to where the store no longer needs a partition's log: what retention must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LowWater {
    /// Batch records after this turn are still needed for recovery.
    pub turn: TurnNumber,
    /// Inputs below these positions are consumed, durably.
    pub input: InputPositions,
}

/// What a shard may do with the log.
///
/// # Contract
/// **Order.** A partition's records have one order, the same for every reader, and offsets ascend
/// with it. Append time never decreases within a partition. Commits of one shard are written in the
/// order of their ids; what one commit holds becomes visible at once.
///
/// **Atomicity.** A commit happens as a whole or not at all, over every crash.
///
/// **Wakes.** Those of a turn are appended to the partition's own `requests` by the commit itself,
/// in their order and behind all that stands there, with the log's append time, and are taken from
/// there like any other request.
///
/// **Written and durable.** Written records can be taken by shards of this process; only durable
/// ones can be read ([`ShardLog::read_events`] and its siblings), and a restart finds all durable
/// commits and possibly some written ones, a prefix of the order of writing. A commit becomes
/// durable only after every record it could have been computed from.
///
/// **Failure.** After `Aborted(n)` the shard may submit `n` again, or others. After `Unknown(n)`
/// nothing may be submitted before [`ShardLog::resolve`]. An engine that cannot keep these promises
/// ends the process.
///
/// **Ownership.** Only the owner of a partition writes its events, outcomes and dead letters, and
/// only it numbers them. A commit of a shard that was fenced has no effect.
pub trait ShardLog: Send {
    /// The next change of ownership, if there is one. The shard asks before anything else.
    fn ownership(&mut self) -> Option<Ownership>;

    /// The partition's state here has been dropped; the next owner may have it.
    fn give_up(&mut self, partition: PartitionId);

    /// Written records of `<type>.requests` from `from` on, in order. Empty when there are none yet.
    ///
    /// # Errors
    /// `Trimmed` when records from `from` on have been removed.
    fn take_requests(
        &mut self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Request>>, EngineError>;

    /// Written records of `<type>.commands`, likewise.
    ///
    /// # Errors
    /// As [`ShardLog::take_requests`].
    fn take_commands(
        &mut self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Command>>, EngineError>;

    /// Hands over a commit. It was taken when this returns `Ok`, and progress will be told.
    ///
    /// # Errors
    /// Nothing happened, and the commit comes back: submit it again later (`Retry`), or give up.
    fn submit(&mut self, commit: Commit) -> Result<(), (Commit, EngineError)>;

    /// News of submitted commits, without waiting.
    fn poll(&mut self) -> Option<Progress>;

    /// Settles all unknown commits: after `Ok` each is durable or will never be, and reading tells which.
    ///
    /// # Errors
    /// `Retry` while that cannot be told; `Fenced` when another owner has taken over.
    fn resolve(&mut self) -> Result<(), EngineError>;

    /// Durable events of a partition, from a number on.
    ///
    /// # Errors
    /// `Damaged` when a number in between is missing.
    fn read_events(
        &mut self,
        partition: PartitionId,
        from: EventNumber,
        limit: Limit,
    ) -> Result<Vec<Event>, EngineError>;

    /// Durable batch records of a partition, from a turn on: (turn, bytes).
    ///
    /// # Errors
    /// `Trimmed` when that turn has been removed.
    fn read_outcomes(
        &mut self,
        partition: PartitionId,
        from: TurnNumber,
        limit: Limit,
    ) -> Result<Vec<(TurnNumber, Bytes)>, EngineError>;

    /// The oldest turn whose batch record is still there, and with it those of all later turns; 1
    /// while retention has removed none.
    ///
    /// # Errors
    /// As the engine has them.
    fn oldest_turn(&mut self, partition: PartitionId) -> Result<TurnNumber, EngineError>;

    /// The newest durable batch record. Never removed by retention.
    ///
    /// # Errors
    /// As the engine has them.
    fn last_outcome(
        &mut self,
        partition: PartitionId,
    ) -> Result<Option<(TurnNumber, Bytes)>, EngineError>;

    /// One durable dead letter of a partition.
    ///
    /// # Errors
    /// As the engine has them.
    fn read_dead_letter(
        &mut self,
        partition: PartitionId,
        number: DeadLetterNumber,
    ) -> Result<Option<Bytes>, EngineError>;

    /// The offsets after the last written records of the partition's inputs: with the positions, the lag.
    fn input_ends(&mut self, partition: PartitionId) -> InputPositions;

    /// Tells retention what recovery no longer needs.
    fn release(&mut self, partition: PartitionId, low_water: LowWater);

    /// Identity of this log, made when it was created: a store of another log is refused.
    fn log_id(&self) -> Bytes;
}

/// Where external commands come in: used by whoever talks to clients.
pub trait Intake: Send + Sync {
    /// Appends requests to a partition, in order and next to each other. `done` is called once, on
    /// any thread, when they are durable or surely never will be.
    fn append(&self, partition: PartitionId, requests: Vec<Request>, done: AppendDone);
}

/// Told when an append is durable, or why it never will be.
pub type AppendDone = Box<dyn FnOnce(Result<Appended, EngineError>) + Send>;

/// Where appended requests stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first; the others follow without a gap.
    pub first: Offset,
    /// Their append time.
    pub time: Time,
}
