//! The bounds of a shard, with defaults that fit together.

use crate::log::Limit;

/// How much a shard takes, keeps and writes at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What one turn of one partition may take.
    pub turn: Limit,
    /// How many records all turns of one commit may take together. A commit ends with the turn that
    /// reaches this.
    pub commit_records: usize,
    /// How many commits may be written but not yet durable before the shard waits.
    pub commits_in_flight: usize,
    /// For how long changed aggregates may wait in memory, in milliseconds.
    pub flush_every_ms: u64,
    /// After how long a Wake that has not arrived is asked for again, in milliseconds.
    pub wake_retry_ms: u64,
    /// How often a few records of the store are looked at for refusals of the past, in milliseconds.
    pub sweep_every_ms: u64,
    /// How often the store is synced and the log told what it may forget, in milliseconds.
    pub release_every_ms: u64,
    /// How many bytes of changed aggregates may wait in memory in this shard, those being flushed
    /// included. At the bound the shard takes no input.
    pub changed_bytes_max: usize,
    /// How many bytes of unchanged aggregates each partition keeps for reading.
    pub cache_bytes: usize,
    /// How many aggregates a flush writes between two turns.
    pub flush_chunk: usize,
    /// How many events a restore folds between two turns of other partitions.
    pub restore_chunk: Limit,
    /// The returned states of one turn in so many are compared with `evolve`; 0 for none.
    pub sample_every: u64,
    /// A partition pauses when this share of the recently touched aggregates faulted...
    pub fault_share_max: f64,
    /// ... and at least so many distinct ones were touched.
    pub fault_sample_min: usize,
    /// How many recently touched aggregates are looked at.
    pub fault_sample_max: usize,
    /// A partition pauses when a guest could not be run so many times in a row, through no fault of
    /// what it was asked. The time between two tries doubles from 1 ms to 1 s.
    pub host_tries: u32,
    /// How many of the events that it has missed an event handler may react to in one turn. Where
    /// turns decide more than half of that, it is twice what the turn before decided: so it comes nearer
    /// with each turn.
    pub catch_up_events: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            turn: Limit { records: 500, bytes: 1 << 20 },
            commit_records: 2_000,
            commits_in_flight: 8,
            flush_every_ms: 1_000,
            wake_retry_ms: 10_000,
            sweep_every_ms: 5_000,
            release_every_ms: 60_000,
            changed_bytes_max: 64 << 20,
            cache_bytes: 8 << 20,
            flush_chunk: 256,
            restore_chunk: Limit { records: 2_000, bytes: 4 << 20 },
            sample_every: 64,
            fault_share_max: 0.5,
            fault_sample_min: 20,
            fault_sample_max: 100,
            host_tries: 16,
            catch_up_events: 200,
        }
    }
}
