//! The store: what the log has made of each aggregate, in one RocksDB.
//!
//! One column family per partition holds its records, its index of deadlines and its position, so one
//! write batch is always consistent. [`Tables`], the rows that projections make, have a column family
//! of their own. The write-ahead log is on and never synced: a killed process loses nothing, a power
//! failure loses the newest writes, and the log makes up for them. All partitions share one block
//! cache and one bound on memory for writes.

mod families;
mod options;
mod tables;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{
    ColumnFamilyDescriptor, DBWithThreadMode, IteratorMode, MultiThreaded, ReadOptions, WriteBatch,
};
use zamu_core::error::EngineError;
use zamu_core::model::{PartitionId, Time, TypeId};
use zamu_core::store::{Store, Write};

use crate::error::{OpenError, engine_error};
use crate::keys;

use families::{Family, to_write};

pub use options::StoreOptions;
pub use tables::Tables;

type Rocks = DBWithThreadMode<MultiThreaded>;

/// An open store. Its handles keep the files open.
pub struct RocksStore {
    inner: Arc<Inner>,
}

struct Inner {
    rocks: Rocks,
    /// Names of column families, by type and partition.
    families: Vec<Vec<String>>,
}

impl Inner {
    /// Of all column families.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.families.iter().flatten().map(String::as_str).chain([keys::TABLES])
    }
}

impl RocksStore {
    /// Opens the store in `dir/store`, or creates it, with a column family for each partition of
    /// `types`: names and partition counts, a `TypeId` being an index.
    ///
    /// # Errors
    /// When the files are in use, damaged or not accessible. No record was changed.
    pub fn open(
        dir: &Path,
        options: &StoreOptions,
        types: &[(&str, u32)],
    ) -> Result<Self, OpenError> {
        let folder = dir.join("store");
        std::fs::create_dir_all(&folder).map_err(|e| OpenError::io(&folder, &e))?;
        let families = family_names(types);
        let mut names = existing(&folder, options)?;
        for name in families.iter().flatten().map(String::as_str).chain([keys::TABLES]) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        let caches = options.caches();
        let descriptors =
            names.iter().map(|name| ColumnFamilyDescriptor::new(name, options.family(&caches)));
        let rocks = Rocks::open_cf_descriptors(&options.database(&caches), &folder, descriptors)
            .map_err(|e| open_error(&folder, &e))?;
        Ok(Self { inner: Arc::new(Inner { rocks, families }) })
    }

    /// Opens the store in `dir/store` for reading, while no process writes it. No file is changed.
    /// A partition that it does not have is empty.
    ///
    /// # Errors
    /// As [`RocksStore::open`], and when there is no store.
    pub fn open_read_only(dir: &Path, types: &[(&str, u32)]) -> Result<Self, OpenError> {
        let folder = dir.join("store");
        let options = StoreOptions::default();
        let names = existing(&folder, &options)?;
        if names.is_empty() {
            return Err(OpenError::Absent { path: folder });
        }
        let caches = options.caches();
        let descriptors =
            names.iter().map(|name| ColumnFamilyDescriptor::new(name, options.family(&caches)));
        let rocks = Rocks::open_cf_descriptors_read_only(
            &options.database(&caches),
            &folder,
            descriptors,
            false,
        )
        .map_err(|e| open_error(&folder, &e))?;
        Ok(Self { inner: Arc::new(Inner { rocks, families: family_names(types) }) })
    }

    /// A handle for one shard.
    #[must_use]
    pub fn handle(&self) -> StoreHandle {
        StoreHandle { inner: self.inner.clone() }
    }

    /// The tables that projections make.
    #[must_use]
    pub fn tables(&self) -> Tables {
        Tables { inner: self.inner.clone() }
    }

    /// Bytes of all files, roughly, and bytes in memory that are not yet in sorted files.
    #[must_use]
    pub fn sizes(&self) -> (u64, u64) {
        let sum = |property: &str| {
            let size = |name: &str| {
                let family = self.inner.rocks.cf_handle(name)?;
                self.inner.rocks.property_int_value_cf(&family, property).ok()?
            };
            self.inner.names().filter_map(size).sum()
        };
        (sum("rocksdb.total-sst-files-size"), sum("rocksdb.cur-size-all-mem-tables"))
    }
}

/// See [`Store`] for what it promises.
#[derive(Clone)]
pub struct StoreHandle {
    inner: Arc<Inner>,
}

impl StoreHandle {
    fn family(&self, partition: PartitionId) -> Result<Option<Family<'_>>, EngineError> {
        let PartitionId { aggregate_type: TypeId(aggregate_type), number } = partition;
        let families = self.inner.families.get(usize::from(aggregate_type));
        let name =
            families.and_then(|families| families.get(number as usize)).ok_or_else(|| {
                EngineError::Fatal(format!("the store has no partition {aggregate_type}/{number}"))
            })?;
        Ok(self.inner.rocks.cf_handle(name))
    }
}

impl Store for StoreHandle {
    fn position(&mut self, partition: PartitionId) -> Result<Option<Bytes>, EngineError> {
        let Some(family) = self.family(partition)? else { return Ok(None) };
        let now = ReadOptions::default();
        self.inner.value("reading a position of the store", &family, keys::STORE_POSITION, &now)
    }

    fn get(
        &mut self,
        partition: PartitionId,
        keys: &[Bytes],
    ) -> Result<Vec<Option<Bytes>>, EngineError> {
        let Some(family) = self.family(partition)? else { return Ok(vec![None; keys.len()]) };
        let stored: Vec<_> = keys.iter().map(|key| keys::store_key(key)).collect();
        let now = ReadOptions::default();
        self.inner.values("reading from the store", &family, &stored, &now)
    }

    fn write(&mut self, partition: PartitionId, write: &Write) -> Result<(), EngineError> {
        let family = to_write(self.family(partition)?)?;
        let mut batch = WriteBatch::default();
        for (key, value) in &write.puts {
            batch.put_cf(&family, keys::store_key(key), value);
        }
        for key in &write.deletes {
            batch.delete_cf(&family, keys::store_key(key));
        }
        for (deadline, key) in &write.deadlines_done {
            batch.delete_cf(&family, keys::store_deadline(*deadline, key));
        }
        for (deadline, key) in &write.deadlines {
            batch.put_cf(&family, keys::store_deadline(*deadline, key), b"");
        }
        if let Some(position) = &write.position {
            batch.put_cf(&family, keys::STORE_POSITION, position);
        }
        self.inner.apply("writing to the store", batch)
    }

    fn sync(&mut self, _: PartitionId) -> Result<(), EngineError> {
        // One write-ahead log for all partitions.
        self.inner.rocks.flush_wal(true).map_err(|e| engine_error("syncing the store", &e))
    }

    fn scan(
        &mut self,
        partition: PartitionId,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, EngineError> {
        let Some(family) = self.family(partition)? else { return Ok(Vec::new()) };
        let first = match after {
            None => vec![keys::STORE_DATA],
            // The next key after `after` is `after` with a zero byte behind it.
            Some(after) => [&keys::store_key(after), &[0][..]].concat(),
        };
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(first);
        options.set_iterate_upper_bound([keys::STORE_DEADLINES]);
        let pairs = self.inner.rocks.iterator_cf_opt(&family, options, IteratorMode::Start);
        pairs
            .take(limit)
            .map(|pair| {
                let (key, value) = pair.map_err(|e| engine_error("scanning the store", &e))?;
                Ok((Bytes::from(key).slice(1..), Bytes::from(value)))
            })
            .collect()
    }

    fn deadlines(
        &mut self,
        partition: PartitionId,
        from: (Time, &[u8]),
        until: Time,
        limit: usize,
    ) -> Result<Vec<(Time, Bytes)>, EngineError> {
        let Some(family) = self.family(partition)? else { return Ok(Vec::new()) };
        let end = until.0.checked_add(1);
        let end = end.map_or(keys::STORE_END.to_vec(), |end| keys::store_deadline(Time(end), b""));
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(keys::store_deadline(from.0, from.1));
        options.set_iterate_upper_bound(end);
        let entries = self.inner.rocks.iterator_cf_opt(&family, options, IteratorMode::Start);
        entries
            .take(limit)
            .map(|entry| {
                let (entry, _) = entry.map_err(|e| engine_error("reading deadlines", &e))?;
                let (deadline, key) = keys::deadline_of_entry(&entry).ok_or_else(|| {
                    EngineError::Damaged("an entry of the store's deadlines is too short".into())
                })?;
                Ok((deadline, Bytes::from(entry).slice(key..)))
            })
            .collect()
    }

    fn clear(&mut self, partition: PartitionId) -> Result<(), EngineError> {
        let family = to_write(self.family(partition)?)?;
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(&family, keys::STORE_POSITION, keys::STORE_END);
        self.inner.apply("clearing a partition of the store", batch)
    }
}

fn family_names(types: &[(&str, u32)]) -> Vec<Vec<String>> {
    let names = |(name, partitions): &(&str, u32)| {
        (0..*partitions).map(|partition| keys::store_family(name, partition)).collect()
    };
    types.iter().map(names).collect()
}

/// Names of the column families that are there.
fn existing(folder: &Path, options: &StoreOptions) -> Result<Vec<String>, OpenError> {
    if !folder.join("CURRENT").exists() {
        return Ok(Vec::new());
    }
    Rocks::list_cf(&options.database(&options.caches()), folder).map_err(|e| open_error(folder, &e))
}

fn open_error(folder: &Path, error: &rocksdb::Error) -> OpenError {
    let text = error.to_string();
    match error.kind() {
        rocksdb::ErrorKind::Corruption => {
            OpenError::StoreDamaged { path: folder.to_path_buf(), what: text }
        }
        rocksdb::ErrorKind::IOError if text.contains("lock") => OpenError::InUse {
            path: folder.to_path_buf(),
            holder: "another process, or another part of this one".to_string(),
        },
        _ => OpenError::io(folder, &text),
    }
}
