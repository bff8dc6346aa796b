//! RocksDB as the log uses it: append, sync, read frames. Nothing else of the log's code calls it.
//!
//! The log is append-only, so RocksDB never rewrites it: compactions are off in every column family,
//! and what expires leaves by dropping a whole one. All families flush together, so that sorted files
//! always hold a prefix of what was written.

use std::collections::BTreeSet;
use std::mem;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocksdb::statistics::{StatsLevel, Ticker};
use rocksdb::{
    BlockBasedOptions, BoundColumnFamily, Cache, ColumnFamilyDescriptor, DBCompressionType,
    DBRawIteratorWithThreadMode, DBRecoveryMode, DBWithThreadMode, FlushOptions, MultiThreaded,
    Options, ReadOptions, WriteBatch, WriteOptions,
};
use zamu_core::error::EngineError;

use crate::error::{OpenError, engine_error};
use crate::keys::{self, FrameHeader, GroupNote, Stream};
use crate::log::options::LogOptions;
use crate::memory::{MemoryBytes, memory};

type Rocks = DBWithThreadMode<MultiThreaded>;

/// The database of a log.
pub(crate) struct Database {
    rocks: Rocks,
    options: Options,
    family_options: Options,
    families: Mutex<BTreeSet<String>>,
    /// Bytes that opening wrote to sorted files, which RocksDB counts among those of compactions.
    recovered: u64,
}

/// Bytes that RocksDB itself counted since the log was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskBytes {
    /// Written to the write-ahead log.
    pub wal: u64,
    /// Written to sorted files, once for each byte.
    pub flushed: u64,
    /// Written by compactions. Stays 0: nothing is ever rewritten.
    pub compacted: u64,
}

impl Database {
    /// Opens the database in `folder`, or creates it.
    pub(crate) fn open(folder: &Path, log: &LogOptions) -> Result<Self, OpenError> {
        let options = database_options(log);
        let family_options = family_options(log);
        let mut families = if folder.join("CURRENT").exists() {
            Rocks::list_cf(&options, folder).map_err(|e| open_error(folder, &e))?
        } else {
            Vec::new()
        };
        for name in ["default", keys::META, keys::CONTROL, keys::DEAD_LETTERS] {
            if !families.iter().any(|known| known == name) {
                families.push(name.to_string());
            }
        }
        let descriptors =
            families.iter().map(|name| ColumnFamilyDescriptor::new(name, family_options.clone()));
        let rocks = Rocks::open_cf_descriptors(&options, folder, descriptors)
            .map_err(|e| open_error(folder, &e))?;
        Ok(Self::new(rocks, options, family_options, families))
    }

    /// Opens it for reading; no file is changed.
    pub(crate) fn open_read_only(folder: &Path, log: &LogOptions) -> Result<Self, OpenError> {
        if !folder.join("CURRENT").exists() {
            return Err(OpenError::Absent { path: folder.to_path_buf() });
        }
        let mut options = database_options(log);
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        let family_options = family_options(log);
        let families = Rocks::list_cf(&options, folder).map_err(|e| open_error(folder, &e))?;
        let descriptors =
            families.iter().map(|name| ColumnFamilyDescriptor::new(name, family_options.clone()));
        let rocks = Rocks::open_cf_descriptors_read_only(&options, folder, descriptors, false)
            .map_err(|e| open_error(folder, &e))?;
        Ok(Self::new(rocks, options, family_options, families))
    }

    fn new(rocks: Rocks, options: Options, family_options: Options, families: Vec<String>) -> Self {
        let recovered = options.get_ticker_count(Ticker::CompactWriteBytes);
        let families = Mutex::new(families.into_iter().collect());
        Self { rocks, options, family_options, families, recovered }
    }

    /// Names of all column families.
    pub(crate) fn families(&self) -> Vec<String> {
        self.names().iter().cloned().collect()
    }

    /// Makes a column family unless it exists. Durable when this returns.
    pub(crate) fn create_family(&self, name: &str) -> Result<(), EngineError> {
        if self.rocks.cf_handle(name).is_some() {
            return Ok(());
        }
        self.rocks
            .create_cf(name, &self.family_options)
            .map_err(|e| engine_error(&format!("creating column family {name}"), &e))?;
        self.names().insert(name.to_string());
        Ok(())
    }

    /// Drops a column family with its files.
    pub(crate) fn drop_family(&self, name: &str) -> Result<(), EngineError> {
        self.rocks
            .drop_cf(name)
            .map_err(|e| engine_error(&format!("dropping column family {name}"), &e))?;
        self.names().remove(name);
        Ok(())
    }

    /// A batch to fill for [`Database::write`].
    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch { database: self, batch: WriteBatch::default() }
    }

    /// Makes all that was written so far durable.
    pub(crate) fn sync(&self) -> Result<(), EngineError> {
        self.rocks.flush_wal(true).map_err(|e| engine_error("syncing the write-ahead log", &e))
    }

    /// Writes all that is in memory to sorted files, all column families as one.
    pub(crate) fn flush(&self) -> Result<(), EngineError> {
        let handles: Vec<_> =
            self.families().iter().filter_map(|name| self.rocks.cf_handle(name)).collect();
        let handles: Vec<_> = handles.iter().collect();
        self.rocks
            .flush_cfs_opt(&handles, &FlushOptions::default())
            .map_err(|e| engine_error("flushing", &e))
    }

    /// One of the log's own notes.
    pub(crate) fn note(&self, key: &[u8]) -> Result<Option<bytes::Bytes>, EngineError> {
        let value = self
            .rocks
            .get_cf(&self.family(keys::META)?, key)
            .map_err(|e| engine_error("reading a note", &e))?;
        value.map(|value| keys::open_note(key, &value)).transpose()
    }

    /// All notes whose key `id` recognises.
    pub(crate) fn notes<T>(
        &self,
        id: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<(T, bytes::Bytes)>, EngineError> {
        let family = self.family(keys::META)?;
        let mut found = Vec::new();
        let mut cursor = self.rocks.raw_iterator_cf(&family);
        cursor.seek_to_first();
        while let Some((key, value)) = cursor.item() {
            if let Some(id) = id(key) {
                found.push((id, keys::open_note(key, value)?));
            }
            cursor.next();
        }
        finished(&cursor)?;
        Ok(found)
    }

    /// Visits the notes of groups in one column family from a group on.
    pub(crate) fn visit_groups(
        &self,
        family: &str,
        from: u64,
        mut visit: impl FnMut(u64, GroupNote) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let family = self.family(family)?;
        let mut cursor = self.rocks.raw_iterator_cf(&family);
        cursor.seek(keys::group_key(from));
        while let Some((key, value)) = cursor.item() {
            if let Some(group) = keys::group_of_key(key) {
                visit(group, GroupNote::open(group, value)?)?;
            }
            cursor.next();
        }
        finished(&cursor)
    }

    /// Visits the frames of a stream in one column family, in order: from the one that holds record
    /// `from`, or else the first above it, while they begin below `end`.
    pub(crate) fn visit_frames(
        &self,
        family: &str,
        stream: Stream,
        from: u64,
        end: u64,
        mut visit: impl FnMut(StoredFrame<'_>) -> Result<ControlFlow<()>, EngineError>,
    ) -> Result<(), EngineError> {
        let handle = self.family(family)?;
        let mut cursor = self.stream_cursor(&handle, stream, end);
        cursor.seek_for_prev(stream.key(from));
        match current(&cursor, stream)? {
            Some(frame) if frame.next() > from => {}
            _ => cursor.seek(stream.key(from)),
        }
        while let Some(frame) = current(&cursor, stream)? {
            if visit(frame)?.is_break() {
                return Ok(());
            }
            cursor.next();
        }
        finished(&cursor)
    }

    /// The last frame of a stream in one column family that no group above `cut` wrote: what `read`
    /// makes of it. With the keys of the frames above it that such groups wrote.
    pub(crate) fn last_frame<T>(
        &self,
        family: &str,
        stream: Stream,
        cut: u64,
        read: impl FnOnce(StoredFrame<'_>) -> Result<T, EngineError>,
    ) -> Result<(Option<T>, Vec<u64>), EngineError> {
        let handle = self.family(family)?;
        let mut cursor = self.stream_cursor(&handle, stream, u64::MAX);
        let mut torn = Vec::new();
        cursor.seek_to_last();
        while let Some(frame) = current(&cursor, stream)? {
            if frame.header.group <= cut {
                return Ok((Some(read(frame)?), torn));
            }
            torn.push(frame.first);
            cursor.prev();
        }
        finished(&cursor)?;
        Ok((None, torn))
    }

    /// What RocksDB has written since it was opened.
    pub(crate) fn disk_bytes(&self) -> DiskBytes {
        let count = |ticker| self.options.get_ticker_count(ticker);
        DiskBytes {
            wal: count(Ticker::WalFileBytes),
            flushed: count(Ticker::FlushWriteBytes) + self.recovered,
            compacted: count(Ticker::CompactWriteBytes) - self.recovered,
        }
    }

    /// What RocksDB keeps in memory.
    pub(crate) fn memory(&self) -> MemoryBytes {
        memory(&self.rocks, self.names().iter().map(String::as_str))
    }

    /// Bytes of sorted files of a column family.
    pub(crate) fn family_bytes(&self, family: &str) -> u64 {
        let Some(handle) = self.rocks.cf_handle(family) else { return 0 };
        let size = self.rocks.property_int_value_cf(&handle, "rocksdb.total-sst-files-size");
        size.ok().flatten().unwrap_or(0)
    }

    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stream_cursor<'a>(
        &'a self,
        family: &Arc<BoundColumnFamily<'a>>,
        stream: Stream,
        end: u64,
    ) -> DBRawIteratorWithThreadMode<'a, Rocks> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(stream.key(0));
        options.set_iterate_upper_bound(stream.key(end));
        self.rocks.raw_iterator_cf_opt(family, options)
    }

    fn family(&self, name: &str) -> Result<Arc<BoundColumnFamily<'_>>, EngineError> {
        self.rocks
            .cf_handle(name)
            .ok_or_else(|| EngineError::Trimmed(format!("column family {name} does not exist")))
    }
}

/// Puts and deletes that happen together.
pub(crate) struct Batch<'a> {
    database: &'a Database,
    batch: WriteBatch,
}

impl Batch<'_> {
    /// Stores a value.
    pub(crate) fn put(
        &mut self,
        family: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), EngineError> {
        self.batch.put_cf(&self.database.family(family)?, key, value);
        Ok(())
    }

    /// Stores one of the log's own notes.
    pub(crate) fn put_note(&mut self, key: &[u8], payload: &[u8]) -> Result<(), EngineError> {
        self.put(keys::META, key, &keys::seal_note(key, payload))
    }

    /// Removes a key.
    pub(crate) fn delete(&mut self, family: &str, key: &[u8]) -> Result<(), EngineError> {
        self.batch.delete_cf(&self.database.family(family)?, key);
        Ok(())
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Bytes so far.
    pub(crate) fn size(&self) -> usize {
        self.batch.size_in_bytes()
    }

    /// Writes all of it, and empties the batch: durable at the next sync, or now.
    pub(crate) fn write(&mut self, durable: bool) -> Result<(), EngineError> {
        let mut options = WriteOptions::default();
        options.set_sync(durable);
        self.database
            .rocks
            .write_opt(mem::take(&mut self.batch), &options)
            .map_err(|e| engine_error("writing to the log", &e))
    }
}

/// A frame as it lies in the database.
pub(crate) struct StoredFrame<'a> {
    /// Number of its first record.
    pub(crate) first: u64,
    /// Its header, checked.
    pub(crate) header: FrameHeader,
    value: &'a [u8],
}

impl StoredFrame<'_> {
    /// The number after its last record.
    pub(crate) fn next(&self) -> u64 {
        self.first + u64::from(self.header.count)
    }

    /// Its records, checked and decompressed.
    pub(crate) fn payload(&self) -> Result<bytes::Bytes, EngineError> {
        crate::frame::payload(&self.header, self.value)
    }
}

fn current<'c>(
    cursor: &'c DBRawIteratorWithThreadMode<'_, Rocks>,
    stream: Stream,
) -> Result<Option<StoredFrame<'c>>, EngineError> {
    let Some((key, value)) = cursor.item() else { return Ok(None) };
    let Some(first) = stream.first_of(key) else { return Ok(None) };
    Ok(Some(StoredFrame { first, header: FrameHeader::open(key, value)?, value }))
}

fn finished(cursor: &DBRawIteratorWithThreadMode<'_, Rocks>) -> Result<(), EngineError> {
    cursor.status().map_err(|e| engine_error("reading the log", &e))
}

fn open_error(folder: &Path, error: &rocksdb::Error) -> OpenError {
    match error.kind() {
        rocksdb::ErrorKind::Corruption => {
            OpenError::LogDamaged { path: folder.to_path_buf(), what: error.to_string() }
        }
        _ => OpenError::io(folder, error),
    }
}

fn database_options(log: &LogOptions) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // A torn record at the end of a file is what a crash leaves; any other damage refuses to open.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_paranoid_checks(true);
    // Also tells a missing or shortened write-ahead log that had been synced and closed.
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_atomic_flush(true);
    options.set_db_write_buffer_size(log.write_buffer_bytes);
    options.set_max_total_wal_size(2 * log.write_buffer_bytes as u64);
    // One thread writes; the concurrent path only costs.
    options.set_allow_concurrent_memtable_write(false);
    options.set_enable_write_thread_adaptive_yield(false);
    options.set_max_background_jobs(2);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(16 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.enable_statistics();
    options.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
    options
}

fn family_options(log: &LogOptions) -> Options {
    let mut options = Options::default();
    options.set_disable_auto_compactions(true);
    options.set_level_zero_slowdown_writes_trigger(i32::MAX);
    options.set_level_zero_stop_writes_trigger(i32::MAX);
    options.set_soft_pending_compaction_bytes_limit(0);
    options.set_hard_pending_compaction_bytes_limit(0);
    options.set_write_buffer_size(log.write_buffer_bytes);
    options.set_max_write_buffer_number(4);
    // Frames are compressed already.
    options.set_compression_type(DBCompressionType::None);
    let mut table = BlockBasedOptions::default();
    table.set_block_size(16 << 10);
    table.set_block_cache(&Cache::new_lru_cache(log.block_cache_bytes));
    table.set_cache_index_and_filter_blocks(true);
    options.set_block_based_table_factory(&table);
    options
}
