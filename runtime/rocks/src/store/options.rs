//! Settings of the store, with units and reasons, and what they make of RocksDB.

use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, DataBlockIndexType, Options,
    WriteBufferManager,
};

/// Settings of a store. The defaults suit a machine with a few GiB.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Bytes of blocks of sorted files kept in memory, their indexes and filters included, for all
    /// partitions together. Default: 64 MiB.
    pub block_cache_bytes: usize,
    /// Bytes in memory that are not yet in sorted files, for all partitions together. Also bounds
    /// what a restart has to read back. Default: 64 MiB.
    pub write_buffer_bytes: usize,
    /// Threads that write and merge sorted files. Default: 2.
    pub background_jobs: i32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { block_cache_bytes: 64 << 20, write_buffer_bytes: 64 << 20, background_jobs: 2 }
    }
}

/// What all column families share.
pub(super) struct Caches {
    blocks: Cache,
    buffers: WriteBufferManager,
}

impl StoreOptions {
    /// Makes what all column families share.
    pub(super) fn caches(&self) -> Caches {
        Caches {
            blocks: Cache::new_lru_cache(self.block_cache_bytes),
            buffers: WriteBufferManager::new_write_buffer_manager(self.write_buffer_bytes, false),
        }
    }

    /// Options of the database.
    pub(super) fn database(&self, caches: &Caches) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        // The store may end at any point of what was written: the log has the rest. In the middle it
        // must be whole.
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        options.set_write_buffer_manager(&caches.buffers);
        options.set_max_total_wal_size(2 * self.write_buffer_bytes as u64);
        options.set_max_background_jobs(self.background_jobs);
        options.set_avoid_unnecessary_blocking_io(true);
        options.set_bytes_per_sync(1 << 20);
        options.set_keep_log_file_num(4);
        options.set_max_log_file_size(16 << 20);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options
    }

    /// Options of a partition's column family: point reads, random overwrites.
    pub(super) fn family(&self, caches: &Caches) -> Options {
        let mut options = Options::default();
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size((self.write_buffer_bytes / 2).max(1 << 20));
        options.set_level_compaction_dynamic_level_bytes(true);
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(0.02);
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&caches.blocks);
        table.set_block_size(16 << 10);
        table.set_bloom_filter(10.0, false);
        table.set_whole_key_filtering(true);
        table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        options.set_block_based_table_factory(&table);
        options
    }
}
