//! What one instance has used, for metrics. Written by the shard that owns it, read by anyone.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the instance was made, fresh starts included. Each is exact; together they are not
/// a snapshot.
#[derive(Debug, Default)]
pub struct Counters {
    calls: AtomicU64,
    items: AtomicU64,
    faults: AtomicU64,
    fuel: AtomicU64,
    item_fuel_max: AtomicU64,
    starts: AtomicU64,
    recycled: AtomicU64,
    memory_bytes_max: AtomicU64,
    log_lines: AtomicU64,
    log_lines_dropped: AtomicU64,
}

impl Counters {
    /// Calls, those that faulted included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Items of those calls.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed)
    }

    /// Calls that ended in a fault.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Fuel that all calls together used.
    #[must_use]
    pub fn fuel(&self) -> u64 {
        self.fuel.load(Ordering::Relaxed)
    }

    /// The most fuel that a single item used, of a guest that meters. What is missing from
    /// `fuel_per_item` is the head-room.
    #[must_use]
    pub fn item_fuel_max(&self) -> u64 {
        self.item_fuel_max.load(Ordering::Relaxed)
    }

    /// Fresh instances that were made.
    #[must_use]
    pub fn starts(&self) -> u64 {
        self.starts.load(Ordering::Relaxed)
    }

    /// Instances that were replaced for their age or their memory, not for a fault.
    #[must_use]
    pub fn recycled(&self) -> u64 {
        self.recycled.load(Ordering::Relaxed)
    }

    /// The most linear memory that an instance held after a call, in bytes.
    #[must_use]
    pub fn memory_bytes_max(&self) -> u64 {
        self.memory_bytes_max.load(Ordering::Relaxed)
    }

    /// Log lines that were written.
    #[must_use]
    pub fn log_lines(&self) -> u64 {
        self.log_lines.load(Ordering::Relaxed)
    }

    /// Log lines that were over the bound.
    #[must_use]
    pub fn log_lines_dropped(&self) -> u64 {
        self.log_lines_dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn started(&self) {
        add(&self.starts, 1);
    }

    pub(crate) fn recycle(&self) {
        add(&self.recycled, 1);
    }

    pub(crate) fn faulted(&self) {
        add(&self.faults, 1);
    }

    pub(crate) fn called(&self, used: &Used) {
        add(&self.calls, 1);
        add(&self.items, used.items);
        add(&self.fuel, used.fuel);
        add(&self.log_lines, used.log_lines);
        add(&self.log_lines_dropped, used.log_lines_dropped);
        self.item_fuel_max.fetch_max(used.item_fuel_max, Ordering::Relaxed);
        self.memory_bytes_max.fetch_max(used.memory_bytes, Ordering::Relaxed);
    }
}

/// What one call used.
pub(crate) struct Used {
    pub(crate) items: u64,
    pub(crate) fuel: u64,
    pub(crate) item_fuel_max: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) log_lines: u64,
    pub(crate) log_lines_dropped: u64,
}

/// There is one writer, so a plain load and store would do; this is as cheap.
fn add(counter: &AtomicU64, amount: u64) {
    if amount > 0 {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}
