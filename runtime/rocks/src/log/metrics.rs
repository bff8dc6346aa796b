//! What the log counts. Cheap enough to be always on; the binary gives the numbers their names.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::log::database::DiskBytes;

/// Upper bounds of the sync time histogram's buckets, in microseconds; one more holds the rest.
pub const SYNC_BUCKETS_US: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000];

/// Counters of a running log.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    commits: AtomicU64,
    appends: AtomicU64,
    records: AtomicU64,
    groups: AtomicU64,
    frame_bytes: AtomicU64,
    retries: AtomicU64,
    syncs: AtomicU64,
    sync_nanos: AtomicU64,
    sync_buckets: [AtomicU64; SYNC_BUCKETS_US.len() + 1],
    segments_dropped: AtomicU64,
}

/// The counters at one moment. All but the queue only ever grow while the log is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogMetrics {
    /// Commits of shards that are written.
    pub commits: u64,
    /// Appends from outside that are written.
    pub appends: u64,
    /// Records of all topics that are written.
    pub records: u64,
    /// Writes to RocksDB: commits and appends that were taken together.
    pub groups: u64,
    /// Bytes of keys and frames given to RocksDB. Each goes to disk twice: see `disk`.
    pub frame_bytes: u64,
    /// Commits and appends that a full queue turned away.
    pub retries: u64,
    /// Syncs.
    pub syncs: u64,
    /// Time spent in them.
    pub sync_time: Duration,
    /// Syncs by duration, in the buckets of [`SYNC_BUCKETS_US`] and one for the rest.
    pub sync_buckets: [u64; SYNC_BUCKETS_US.len() + 1],
    /// Segments that retention has dropped.
    pub segments_dropped: u64,
    /// Commits and appends that wait for the committer now.
    pub queued_jobs: u64,
    /// What RocksDB has written to disk.
    pub disk: DiskBytes,
}

impl Counters {
    /// A group was written.
    pub(crate) fn wrote(&self, commits: u64, appends: u64, records: u64, bytes: u64) {
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.commits.fetch_add(commits, Ordering::Relaxed);
        self.appends.fetch_add(appends, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
        self.frame_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Something was turned away.
    pub(crate) fn turned_away(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// A sync took so long.
    pub(crate) fn synced(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = SYNC_BUCKETS_US.partition_point(|bound| *bound < us);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sync_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.sync_buckets[bucket].fetch_add(1, Ordering::Relaxed);
    }

    /// Retention dropped a segment.
    pub(crate) fn dropped(&self) {
        self.segments_dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters now.
    pub(crate) fn snapshot(&self, queued_jobs: usize, disk: DiskBytes) -> LogMetrics {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LogMetrics {
            commits: get(&self.commits),
            appends: get(&self.appends),
            records: get(&self.records),
            groups: get(&self.groups),
            frame_bytes: get(&self.frame_bytes),
            retries: get(&self.retries),
            syncs: get(&self.syncs),
            sync_time: Duration::from_nanos(get(&self.sync_nanos)),
            sync_buckets: std::array::from_fn(|bucket| get(&self.sync_buckets[bucket])),
            segments_dropped: get(&self.segments_dropped),
            queued_jobs: queued_jobs as u64,
            disk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncs_are_counted_in_the_bucket_of_their_duration() {
        let counters = Counters::default();
        for us in [1, 100, 101, 2_000_000] {
            counters.synced(Duration::from_micros(us));
        }
        let metrics = counters.snapshot(0, DiskBytes::default());
        assert_eq!((metrics.sync_buckets[0], metrics.sync_buckets[1]), (2, 1));
        assert_eq!((metrics.sync_buckets[SYNC_BUCKETS_US.len()], metrics.syncs), (1, 4));
        assert_eq!(metrics.sync_time, Duration::from_micros(2_000_202));
    }
}
