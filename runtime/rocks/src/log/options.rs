//! Settings of the embedded log, with units, bounds and reasons.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zamu_core::model::Time;

/// Where append times come from: milliseconds since 1970. May go back; append times do not.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// Told why the log cannot go on, in place of ending the process.
pub type FatalHook = Arc<dyn Fn(&str) + Send + Sync>;

/// Called on the thread that syncs, before each sync, with the number of the group that will be
/// durable afterwards. What it does holds up durability: for tests that cut the power.
pub type SyncHook = Arc<dyn Fn(SyncStep) + Send + Sync>;

/// What a [`SyncHook`] is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncStep {
    /// Everything up to this group is written and about to be synced.
    Before(u64),
    /// Everything up to this group is synced, and nobody has been told.
    After(u64),
}

/// Settings of an embedded log. The defaults suit a machine with 2 to 16 cores and a few GiB.
#[derive(Clone)]
pub struct LogOptions {
    /// For how long requests, commands and batch records are kept at least. Must not be shorter
    /// than the longest dedupe window of any type. Default: 24 hours.
    pub retention: Duration,
    /// Bytes of frames after which a new segment begins. Smaller segments are dropped sooner and
    /// are more in number. Default: 256 MiB.
    pub segment_bytes: u64,
    /// Bytes of events after which their next column family begins, with the next segment. Events are
    /// kept for ever, so these only grow in number, and reading old events looks through one of
    /// them. Default: 4 GiB.
    pub events_bytes: u64,
    /// Age after which a new segment begins with the next write. Default: 1 hour.
    pub segment_age: Duration,
    /// Commits and appends that may wait for the committer, in number, each. A full queue answers
    /// `Retry`. Default: 4,096.
    pub queue_jobs: usize,
    /// Bytes of keys and bodies that may wait for the committer. Default: 64 MiB.
    pub queue_bytes: usize,
    /// Bytes of keys and bodies that one write takes together at most, a single larger commit
    /// excepted. Default: 4 MiB.
    pub group_bytes: usize,
    /// Bytes of recently written requests and commands kept decoded, for all partitions together;
    /// what does not fit is read back from frames. Default: 64 MiB.
    pub tail_bytes: usize,
    /// RocksDB's memory for what is not yet in sorted files, for all column families together. Also
    /// bounds what a restart has to read back. Default: 64 MiB.
    pub write_buffer_bytes: usize,
    /// RocksDB's cache of blocks of sorted files. Default: 32 MiB.
    pub block_cache_bytes: usize,
    /// How often the keeper looks for segments to drop. Default: 30 seconds.
    pub keeper_interval: Duration,
    /// Called when the log cannot go on. `None`, the default, ends the process: an error while
    /// writing the log leaves nothing that could be promised to anyone.
    pub on_fatal: Option<FatalHook>,
    /// For tests that cut the power. Default: `None`.
    pub on_sync: Option<SyncHook>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(24 * 3_600),
            segment_bytes: 256 << 20,
            events_bytes: 4 << 30,
            segment_age: Duration::from_secs(3_600),
            queue_jobs: 4_096,
            queue_bytes: 64 << 20,
            group_bytes: 4 << 20,
            tail_bytes: 64 << 20,
            write_buffer_bytes: 64 << 20,
            block_cache_bytes: 32 << 20,
            keeper_interval: Duration::from_secs(30),
            on_fatal: None,
            on_sync: None,
        }
    }
}

impl fmt::Debug for LogOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogOptions")
            .field("retention", &self.retention)
            .field("segment_bytes", &self.segment_bytes)
            .field("events_bytes", &self.events_bytes)
            .field("segment_age", &self.segment_age)
            .field("queue_jobs", &self.queue_jobs)
            .field("queue_bytes", &self.queue_bytes)
            .field("group_bytes", &self.group_bytes)
            .field("tail_bytes", &self.tail_bytes)
            .field("write_buffer_bytes", &self.write_buffer_bytes)
            .field("block_cache_bytes", &self.block_cache_bytes)
            .field("keeper_interval", &self.keeper_interval)
            .finish_non_exhaustive()
    }
}
