//! The embedded log and store in a temporary folder, as the binary opens them.
//!
//! The log has threads of its own; it is waited for at every turn, so that a run does not depend on
//! their pace. A process cannot be killed from inside, so that every end is an orderly one here: the
//! others are left to the simulated log, and to the tests of the log and of the binary.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use scenarios::switch::End;
use tempfile::TempDir;
use zamu_core::log::events::Events;
use zamu_core::log::{Intake, Limit};
use zamu_core::model::{Command, Event, EventNumber, PartitionId, Stored, Time, TurnNumber};
use zamu_core::outcomes::decode_record;
use zamu_core::proto::BatchRecord;
use zamu_core::store::tables::TableStore;
use zamu_core::topology::Topology;
use zamu_rocks::{EmbeddedLog, LogOptions, LogReader, RocksStore, StoreOptions};

use super::{Medium, Place};

/// How much is read at once.
const PAGE: Limit = Limit { records: 1_000, bytes: 4 << 20 };
const ALL: Limit = Limit { records: usize::MAX, bytes: usize::MAX };
/// A small switch needs little memory, and a restart has to take and give back all of it.
const BUFFER_BYTES: usize = 4 << 20;

/// An embedded log and its store.
pub(crate) struct Embedded {
    open: Option<Open>,
    types: Vec<(Arc<str>, u32)>,
    clock: Arc<AtomicU64>,
    folder: TempDir,
}

struct Open {
    log: EmbeddedLog,
    reader: LogReader,
    store: RocksStore,
}

impl Embedded {
    /// Makes a new log and store for these types.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub(crate) fn new(topology: &Topology, now: Time) -> anyhow::Result<Self> {
        let types = topology.types.iter().map(|t| (Arc::clone(&t.name), t.partitions)).collect();
        let clock = Arc::new(AtomicU64::new(now.0));
        let mut medium = Self { open: None, types, clock, folder: tempfile::tempdir()? };
        medium.open()?;
        Ok(medium)
    }

    fn open(&mut self) -> anyhow::Result<()> {
        let types: Vec<(&str, u32)> = self.types.iter().map(|(name, n)| (&**name, *n)).collect();
        let clock = Arc::clone(&self.clock);
        let clock = Arc::new(move || Time(clock.load(Ordering::Relaxed)));
        let log = EmbeddedLog::open(self.folder.path(), log_options(), &types, clock)?;
        let store = RocksStore::open(self.folder.path(), &store_options(), &types)?;
        self.open = Some(Open { reader: log.reader(), log, store });
        Ok(())
    }

    fn opened(&self) -> anyhow::Result<&Open> {
        self.open.as_ref().context("log and store could not be opened again")
    }
}

fn log_options() -> LogOptions {
    LogOptions {
        write_buffer_bytes: BUFFER_BYTES,
        block_cache_bytes: BUFFER_BYTES,
        tail_bytes: BUFFER_BYTES,
        keeper_interval: Duration::from_secs(24 * 3_600),
        ..LogOptions::default()
    }
}

fn store_options() -> StoreOptions {
    StoreOptions {
        write_buffer_bytes: BUFFER_BYTES,
        block_cache_bytes: BUFFER_BYTES,
        ..StoreOptions::default()
    }
}

impl Medium for Embedded {
    fn place(&mut self, partitions: &[PartitionId]) -> anyhow::Result<Place> {
        let open = self.opened()?;
        let log = open.log.shard(partitions, Arc::new(|| ()))?;
        Ok(Place { log: Box::new(log), store: Box::new(open.store.handle()) })
    }

    fn tables(&self) -> anyhow::Result<(Box<dyn Events>, Arc<dyn TableStore>)> {
        let open = self.opened()?;
        Ok((Box::new(open.log.reader()), Arc::new(open.store.tables())))
    }

    fn intake(&self) -> anyhow::Result<Arc<dyn Intake>> {
        Ok(self.opened()?.log.intake())
    }

    fn get_on(&mut self, now: Time) -> anyhow::Result<()> {
        self.clock.store(now.0, Ordering::Relaxed);
        Ok(self.opened()?.log.wait_durable()?)
    }

    fn is_durable(&self) -> bool {
        // Waited for whenever it got on.
        true
    }

    fn orphans(&self) -> Vec<PartitionId> {
        Vec::new()
    }

    fn history(
        &self,
        partition: PartitionId,
        last: EventNumber,
        count: usize,
    ) -> anyhow::Result<Vec<Event>> {
        let mut events = self.opened()?.reader.history(partition, last, count)?;
        ensure!(events.len() == count, "{} of {count} events found", events.len());
        events.reverse();
        Ok(events)
    }

    fn commands(&self, partition: PartitionId) -> anyhow::Result<Vec<Stored<Command>>> {
        Ok(self.opened()?.reader.commands(partition, 0, ALL)?)
    }

    fn records(
        &self,
        partition: PartitionId,
        after: TurnNumber,
    ) -> anyhow::Result<Vec<BatchRecord>> {
        let reader = &self.opened()?.reader;
        let mut records = Vec::new();
        let mut next = after + 1;
        loop {
            let page = reader.outcomes(partition, next, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(records) };
            next = last + 1;
            for (_, bytes) in page {
                records.push(decode_record(&bytes)?);
            }
        }
    }

    fn restart(&mut self, _end: End) -> anyhow::Result<()> {
        self.open = None;
        self.open()
    }
}
