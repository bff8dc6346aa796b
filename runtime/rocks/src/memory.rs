//! What RocksDB keeps in memory, by what it is for.

use rocksdb::properties::{BLOCK_CACHE_USAGE, CUR_SIZE_ALL_MEM_TABLES, ESTIMATE_TABLE_READERS_MEM};
use rocksdb::{DBWithThreadMode, MultiThreaded};

/// Bytes in memory of one database, as RocksDB estimates them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryBytes {
    /// Blocks of sorted files, indices and filters among them. Bounded by the size of the cache.
    pub blocks: u64,
    /// What was written and is in no sorted file yet. Bounded by the size of the write buffers.
    pub writes: u64,
    /// What is kept of each open file besides: grows with the number of files.
    pub readers: u64,
}

/// What the database keeps for these column families, which share one cache.
pub(crate) fn memory<'a>(
    rocks: &DBWithThreadMode<MultiThreaded>,
    families: impl Iterator<Item = &'a str>,
) -> MemoryBytes {
    families.filter_map(|name| rocks.cf_handle(name)).fold(MemoryBytes::default(), |sum, family| {
        let size =
            |property| rocks.property_int_value_cf(&family, property).ok().flatten().unwrap_or(0);
        MemoryBytes {
            blocks: sum.blocks.max(size(BLOCK_CACHE_USAGE)),
            writes: sum.writes + size(CUR_SIZE_ALL_MEM_TABLES),
            readers: sum.readers + size(ESTIMATE_TABLE_READERS_MEM),
        }
    })
}
