//! The contracts of the core's seams, on RocksDB.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tempfile::TempDir;
use zamu_core::error::EngineError;
use zamu_core::model::{PartitionId, Time};
use zamu_core::store::contract::{Crashes, StoreUnderTest, TYPES};
use zamu_core::store::tables::TableStore;
use zamu_core::store::tables::contract::{self as table_contract, TablesUnderTest};
use zamu_core::store::{Store, Write};

use super::harness::{Lengths, Machine, copy_files, lengths};
use crate::{RocksStore, StoreHandle, StoreOptions};

zamu_core::log_contract!(every_log: Machine::new);
zamu_core::log_contract!(durability: Machine::new);
zamu_core::log_contract!(retention: Machine::forgetful);

mod with_a_segment_for_every_write {
    use super::Machine;

    zamu_core::log_contract!(every_log: Machine::rotating);
    zamu_core::log_contract!(durability: Machine::rotating);
}

zamu_core::store_contract!(every_store: Disk::new);
zamu_core::store_contract!(crashes: Disk::new);

mod of_tables {
    use super::Disk;

    zamu_core::table_contract!(every_table_store: Disk::new);
    zamu_core::table_contract!(crashes: Disk::new);
}

/// A store on a folder of its own, whose machine can fail.
struct Disk {
    folder: TempDir,
    store: Option<RocksStore>,
    synced: Arc<Mutex<Lengths>>,
}

impl Disk {
    fn new() -> Self {
        let mut disk =
            Self { folder: tempfile::tempdir().unwrap(), store: None, synced: Arc::default() };
        disk.open();
        disk
    }

    fn open(&mut self) {
        let options = StoreOptions::default();
        self.store = Some(RocksStore::open(self.folder.path(), &options, &TYPES).unwrap());
        *self.synced.lock().unwrap() = lengths(&self.folder.path().join("store"));
    }
}

impl StoreUnderTest for Disk {
    fn store(&mut self) -> Box<dyn Store> {
        Box::new(Watched {
            handle: self.store.as_ref().unwrap().handle(),
            folder: self.folder.path().join("store"),
            synced: self.synced.clone(),
        })
    }

    fn restart(&mut self) {
        self.store = None;
        self.open();
    }
}

impl Crashes for Disk {
    fn crash(&mut self, kept: u32) {
        let copy = tempfile::tempdir().unwrap();
        let folder = self.folder.path().join("store");
        let synced = self.synced.lock().unwrap().clone();
        let newest = lengths(&folder).into_keys().next_back().unwrap();
        copy_files(&folder, &copy.path().join("store"), |file, len| {
            if file.file_name() != Some(&newest) {
                return len;
            }
            let durable = synced.get(&newest).copied().unwrap_or(0);
            durable + (len - durable) * u64::from(kept) / 1_000
        });
        self.store = None;
        self.folder = copy;
        self.open();
    }
}

impl TablesUnderTest for Disk {
    fn tables(&mut self) -> Arc<dyn TableStore> {
        Arc::new(self.store.as_ref().unwrap().tables())
    }

    fn restart(&mut self) {
        StoreUnderTest::restart(self);
    }
}

impl table_contract::Crashes for Disk {
    fn crash(&mut self, kept: u32) {
        Crashes::crash(self, kept);
    }
}

/// A handle that notes what a sync has made durable.
struct Watched {
    handle: StoreHandle,
    folder: PathBuf,
    synced: Arc<Mutex<Lengths>>,
}

impl Store for Watched {
    fn position(&mut self, partition: PartitionId) -> Result<Option<Bytes>, EngineError> {
        self.handle.position(partition)
    }

    fn get(
        &mut self,
        partition: PartitionId,
        keys: &[Bytes],
    ) -> Result<Vec<Option<Bytes>>, EngineError> {
        self.handle.get(partition, keys)
    }

    fn write(&mut self, partition: PartitionId, write: &Write) -> Result<(), EngineError> {
        self.handle.write(partition, write)
    }

    fn sync(&mut self, partition: PartitionId) -> Result<(), EngineError> {
        let before = lengths(&self.folder);
        self.handle.sync(partition)?;
        *self.synced.lock().unwrap() = before;
        Ok(())
    }

    fn scan(
        &mut self,
        partition: PartitionId,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, EngineError> {
        self.handle.scan(partition, after, limit)
    }

    fn deadlines(
        &mut self,
        partition: PartitionId,
        from: (Time, &[u8]),
        until: Time,
        limit: usize,
    ) -> Result<Vec<(Time, Bytes)>, EngineError> {
        self.handle.deadlines(partition, from, until, limit)
    }

    fn clear(&mut self, partition: PartitionId) -> Result<(), EngineError> {
        self.handle.clear(partition)
    }
}
