//! The embedded log: topics in a RocksDB of their own, made durable by group commit.
//!
//! ```text
//! shards ──submit──┐                          ┌── written ──> shards take it from the tail
//! clients ─append──┴─> queue ─> committer ────┤
//!                               (one group)   └─> syncer ── durable ──> answers, readers, stores
//! ```
//! - Two threads: the committer numbers and writes, the syncer makes durable. A third, the keeper,
//!   drops segments whose time is over.
//! - One write-ahead log, so what is durable always is a prefix of what was written.
//! - Any error while writing ends the process: nobody can tell what the disk still holds.
//! - One process at a time: a lock file, and an epoch that rises with each opening.
//!
//! Files: `DIR/log`, laid out as `keys.rs` says.

pub(crate) mod board;
pub(crate) mod committer;
pub(crate) mod database;
pub(crate) mod ends;
pub(crate) mod intake;
pub(crate) mod jobs;
pub(crate) mod keeper;
pub(crate) mod lock;
pub(crate) mod metrics;
pub(crate) mod options;
pub(crate) mod power;
pub(crate) mod reader;
mod records;
pub(crate) mod released;
pub(crate) mod segments;
pub(crate) mod shard;
pub(crate) mod shared;
pub(crate) mod survey;
pub(crate) mod syncer;
pub(crate) mod tail;
pub(crate) mod view;

mod open;

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use crossbeam_channel::Sender;
use zamu_core::error::EngineError;
use zamu_core::log::Intake;
use zamu_core::model::{Offset, PartitionId};

use crate::error::OpenError;
use crate::log::board::Waker;
use crate::log::intake::EmbeddedIntake;
use crate::log::jobs::{Job, Reach};
use crate::log::metrics::LogMetrics;
use crate::log::options::{Clock, LogOptions};
use crate::log::reader::LogReader;
use crate::log::shard::EmbeddedShard;
use crate::log::shared::Shared;
use crate::memory::MemoryBytes;

/// An open embedded log: the one writer of its files. Dropping it writes and syncs all that was
/// handed over, and ends its threads; the files are let go when the last shard and reader are gone
/// as well.
pub struct EmbeddedLog {
    pub(crate) shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    stop_keeper: Sender<()>,
}

impl EmbeddedLog {
    /// Opens the log in `dir/log`, or creates it. `types` are names and partition counts of all
    /// aggregate types; a `TypeId` is an index into them. What is found is durable when this returns.
    ///
    /// # Errors
    /// No record was changed; the message says what to do. In particular: the log is in use, a type's
    /// partition count is another one, a type that has records is not among `types`, or the files
    /// are damaged anywhere but at a torn end.
    pub fn open(
        dir: &Path,
        options: LogOptions,
        types: &[(&str, u32)],
        clock: Clock,
    ) -> Result<Self, OpenError> {
        open::open(&dir.join("log"), options, types, clock)
    }

    /// Opens the log in `dir/log` for reading, while no process writes it. Gives what an opening
    /// would keep. No file is changed.
    ///
    /// # Errors
    /// As [`EmbeddedLog::open`], and when there is no log.
    pub fn open_read_only(dir: &Path) -> Result<LogReader, OpenError> {
        open::open_read_only(&dir.join("log"))
    }

    /// A shard that owns these partitions from now on; a shard that owned any of them before is
    /// fenced. `waker` is called when there is something new for it: input or progress.
    ///
    /// # Errors
    /// `Fatal` for a partition that does not exist, or when the log has failed.
    pub fn shard(
        &self,
        partitions: &[PartitionId],
        waker: Waker,
    ) -> Result<EmbeddedShard, EngineError> {
        EmbeddedShard::new(self.shared.clone(), partitions, waker)
    }

    /// Where external commands come in.
    #[must_use]
    pub fn intake(&self) -> Arc<dyn Intake> {
        Arc::new(EmbeddedIntake::new(self.shared.clone()))
    }

    /// A reader of what is durable.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        LogReader::live(self.shared.clone())
    }

    /// Appends a record to the control topic and waits until it is durable. Gives its offset, from 1.
    ///
    /// # Errors
    /// `Fatal` when the log has failed.
    pub fn append_control(&self, record: Bytes) -> Result<Offset, EngineError> {
        self.shared.append_control(record)
    }

    /// Waits until all commits and appends that were handed over before are written.
    ///
    /// # Errors
    /// `Fatal` when the log has failed, here and below.
    pub fn wait_written(&self) -> Result<(), EngineError> {
        self.shared.settle(Reach::Written)
    }

    /// Waits until all commits and appends that were handed over before are durable.
    ///
    /// # Errors
    /// As above.
    pub fn wait_durable(&self) -> Result<(), EngineError> {
        self.shared.settle(Reach::Durable)
    }

    /// What the log has counted since it was opened.
    #[must_use]
    pub fn metrics(&self) -> LogMetrics {
        let disk = self.shared.view.database.disk_bytes();
        self.shared.counters.snapshot(self.shared.queue.len(), disk)
    }

    /// What its database keeps in memory now.
    #[must_use]
    pub fn memory(&self) -> MemoryBytes {
        self.shared.view.database.memory()
    }

    /// How often this log has been opened, this time included.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    /// Drops the segments that retention lets go now, without waiting for the keeper.
    ///
    /// # Errors
    /// As RocksDB has them; nothing is lost then, and the next time tries again.
    pub fn drop_expired(&self) -> Result<(), EngineError> {
        keeper::pass(&self.shared)
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        // Threads that have ended already need not be told.
        let _ = self.stop_keeper.send(());
        let _ = self.shared.queue.put_and_wait(Job::Stop);
        for thread in self.threads.drain(..) {
            if thread.thread().id() != thread::current().id() && thread.join().is_err() {
                tracing::error!("a thread of the embedded log had panicked");
            }
        }
    }
}
