//! The seam to the store: a cache of what the log has made of each aggregate.
//!
//! The store follows the log and may be behind it, never ahead. `memory` is for tests and crashes
//! between any two writes; `zamu-rocks` has the real one. Every store passes `contract`.

#[cfg(any(test, feature = "testing"))]
pub mod contract;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
pub mod tables;

use bytes::Bytes;

use crate::error::EngineError;
use crate::model::{PartitionId, Time};

/// The records of one partition and its position, as one shard uses them.
///
/// # Contract
/// - A [`Store::write`] happens as a whole or not at all, over every crash.
/// - A crash may lose the newest writes, but never one before another that survived: what is found
///   afterwards is a prefix of the writes of that partition.
/// - Reads see all earlier writes of this process.
/// - Partitions are independent of each other.
pub trait Store: Send {
    /// The position that was written last, or `None` for a partition that has none.
    ///
    /// # Errors
    /// As the engine has them.
    fn position(&mut self, partition: PartitionId) -> Result<Option<Bytes>, EngineError>;

    /// Values by key, in the order of `keys`.
    ///
    /// # Errors
    /// As the engine has them.
    fn get(
        &mut self,
        partition: PartitionId,
        keys: &[Bytes],
    ) -> Result<Vec<Option<Bytes>>, EngineError>;

    /// Puts and deletes, and the position if one is given, all at once.
    ///
    /// # Errors
    /// As the engine has them.
    fn write(&mut self, partition: PartitionId, write: &Write) -> Result<(), EngineError>;

    /// Puts all earlier writes of a partition beyond any crash. Seldom called: only before the log is
    /// told that it may forget what these writes came from.
    ///
    /// # Errors
    /// As the engine has them.
    fn sync(&mut self, partition: PartitionId) -> Result<(), EngineError>;

    /// Up to `limit` pairs in key order, after `after` if one is given.
    ///
    /// # Errors
    /// As the engine has them.
    fn scan(
        &mut self,
        partition: PartitionId,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, EngineError>;

    /// Up to `limit` entries of the index of deadlines, in the order of (deadline, key), none before
    /// `from` and none later than `until`.
    ///
    /// # Errors
    /// As the engine has them.
    fn deadlines(
        &mut self,
        partition: PartitionId,
        from: (Time, &[u8]),
        until: Time,
        limit: usize,
    ) -> Result<Vec<(Time, Bytes)>, EngineError>;

    /// Removes all of a partition, deadlines and position included.
    ///
    /// # Errors
    /// As the engine has them.
    fn clear(&mut self, partition: PartitionId) -> Result<(), EngineError>;
}

/// One atomic change of a partition in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Write {
    /// Keys with their new values.
    pub puts: Vec<(Bytes, Bytes)>,
    /// Keys to remove.
    pub deletes: Vec<Bytes>,
    /// Entries to remove from the index of deadlines, before others are put.
    pub deadlines_done: Vec<(Time, Bytes)>,
    /// Entries to put into the index of deadlines: when, and the key of which aggregate.
    pub deadlines: Vec<(Time, Bytes)>,
    /// The new position.
    pub position: Option<Bytes>,
}
