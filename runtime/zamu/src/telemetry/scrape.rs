//! Copies in, when someone asks, what others keep: positions, guests' counters, the log's own.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use zamu_core::partition::Status;
use zamu_core::shard::PartitionView;
use zamu_core::topology::Types;
use zamu_rocks::{LogMetrics, MemoryBytes, SYNC_BUCKETS_US};
use zamu_wasm::{Counters, Handler};

use crate::telemetry::{
    BehindLabels, HandlerLabels, HandlerMetrics, InputLabels, MemoryLabels, Metrics,
    PartitionLabels, TablesLabels,
};

/// What all guests use, by handler and version: also what versions have used that are not in force
/// any more.
#[derive(Debug, Default)]
pub struct GuestCounters(Mutex<Vec<VersionCounters>>);

/// The counters of one version of a handler.
#[derive(Debug)]
struct VersionCounters {
    name: String,
    version: String,
    /// Fuel that one item may use, before what its bytes add.
    fuel_per_item: u64,
    /// What instances have used that are gone.
    gone: Used,
    /// One for each of the others.
    instances: Vec<Arc<Counters>>,
}

/// What instances of a version have used, together.
#[derive(Clone, Debug, Default)]
struct Used {
    calls: u64,
    items: u64,
    faults: u64,
    fuel: u64,
    item_fuel_max: u64,
    starts: u64,
    recycled: u64,
    memory_bytes_max: u64,
    log_lines: u64,
    log_lines_dropped: u64,
}

impl Used {
    fn add(&mut self, of: &Counters) {
        self.calls += of.calls();
        self.items += of.items();
        self.faults += of.faults();
        self.fuel += of.fuel();
        self.item_fuel_max = self.item_fuel_max.max(of.item_fuel_max());
        self.starts += of.starts();
        self.recycled += of.recycled();
        self.memory_bytes_max = self.memory_bytes_max.max(of.memory_bytes_max());
        self.log_lines += of.log_lines();
        self.log_lines_dropped += of.log_lines_dropped();
    }
}

impl VersionCounters {
    /// Adds up those that nobody counts on any more, so that there are never more than are in use.
    fn fold(&mut self) {
        let gone = &mut self.gone;
        self.instances.retain_mut(|instance| match Arc::get_mut(instance) {
            Some(counters) => {
                gone.add(counters);
                false
            }
            None => true,
        });
    }

    fn used(&self) -> Used {
        let mut used = self.gone.clone();
        self.instances.iter().for_each(|instance| used.add(instance));
        used
    }
}

impl GuestCounters {
    /// Counts an instance of a handler.
    pub(crate) fn add(&self, handler: &Handler, counters: Arc<Counters>) {
        let manifest = handler.manifest();
        let mut all = self.lock();
        all.iter_mut().for_each(VersionCounters::fold);
        let same =
            |of: &&mut VersionCounters| of.name == manifest.name && of.version == manifest.version;
        match all.iter_mut().find(same) {
            Some(of) => of.instances.push(counters),
            None => all.push(VersionCounters {
                name: manifest.name.clone(),
                version: manifest.version.clone(),
                fuel_per_item: handler.limits().fuel_per_item,
                gone: Used::default(),
                instances: vec![counters],
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<VersionCounters>> {
        // Entries are pushed whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Syncs of the log by duration, as the log counted them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Syncs(Arc<Mutex<LogMetrics>>);

impl EncodeMetric for Syncs {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let bounds = SYNC_BUCKETS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(log.sync_buckets).collect();
        encoder.encode_histogram::<NoLabelSet>(
            log.sync_time.as_secs_f64(),
            log.syncs,
            &buckets,
            None,
        )
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// Brings all figures up to date.
pub fn scrape(
    metrics: &Metrics,
    types: &Types,
    views: &[PartitionView],
    guests: &GuestCounters,
    log: &LogMetrics,
) {
    // Who has come to the end is not behind any more.
    metrics.event_handler_lag.clear();
    for view in views {
        partition(metrics, types, view);
    }
    for of in guests.lock().iter() {
        handler(&metrics.handler, of);
    }
    self::log(metrics, log);
    metrics.process.refresh();
}

fn partition(metrics: &Metrics, types: &Types, view: &PartitionView) {
    let r#type = types.settings(view.partition.aggregate_type).name.to_string();
    let partition = view.partition.number;
    let lags = [
        ("requests", view.ends.requests.saturating_sub(view.position.requests)),
        ("commands", view.ends.commands.saturating_sub(view.position.commands)),
    ];
    for (input, lag) in lags {
        let labels = InputLabels { r#type: r#type.clone(), partition, input };
        metrics.lag.get_or_create(&labels).set(signed(lag));
    }
    for behind in &view.behind {
        let (handler, r#type) = (behind.handler.to_string(), r#type.clone());
        let labels = BehindLabels { handler, r#type, partition };
        let lag = view.events_next.saturating_sub(behind.next);
        metrics.event_handler_lag.get_or_create(&labels).set(signed(lag));
    }
    let labels = PartitionLabels { r#type, partition };
    metrics.running.get_or_create(&labels).set(i64::from(view.status == Status::Running));
    metrics.dead_letters_open.get_or_create(&labels).set(signed(view.dead_letters));
    metrics.deadlines_in_memory.get_or_create(&labels).set(signed(view.deadlines));
}

fn handler(metrics: &HandlerMetrics, of: &VersionCounters) {
    let labels = HandlerLabels { handler: of.name.clone(), version: of.version.clone() };
    let used = of.used();
    for (family, value) in [
        (&metrics.calls, used.calls),
        (&metrics.items, used.items),
        (&metrics.faults, used.faults),
        (&metrics.fuel, used.fuel),
        (&metrics.starts, used.starts),
        (&metrics.recycled, used.recycled),
        (&metrics.log_lines, used.log_lines),
        (&metrics.log_lines_dropped, used.log_lines_dropped),
    ] {
        family.get_or_create(&labels).inner().store(value, Relaxed);
    }
    for (family, value) in [
        (&metrics.item_fuel_max, used.item_fuel_max),
        (&metrics.item_fuel_limit, of.fuel_per_item),
        (&metrics.memory_max, used.memory_bytes_max),
    ] {
        family.get_or_create(&labels).set(signed(value));
    }
}

fn log(metrics: &Metrics, log: &LogMetrics) {
    let of = &metrics.log;
    *of.sync_seconds.0.lock().unwrap_or_else(PoisonError::into_inner) = log.clone();
    let pairs: [(&Counter, u64); 8] = [
        (&of.groups, log.groups),
        (&of.records, log.records),
        (&of.frame_bytes, log.frame_bytes),
        (&of.turned_away, log.retries),
        (&of.segments_dropped, log.segments_dropped),
        (&of.wal_bytes, log.disk.wal),
        (&of.flushed_bytes, log.disk.flushed),
        (&of.compacted_bytes, log.disk.compacted),
    ];
    for (counter, value) in pairs {
        counter.inner().store(value, Relaxed);
    }
    of.queued.set(signed(log.queued_jobs));
}

/// What a database keeps in memory.
pub(crate) fn memory(metrics: &Metrics, database: &'static str, of: MemoryBytes) {
    let MemoryBytes { blocks, writes, readers } = of;
    for (what, bytes) in [("blocks", blocks), ("writes", writes), ("readers", readers)] {
        let labels = MemoryLabels { database, what };
        metrics.rocksdb_memory.get_or_create(&labels).set(signed(bytes));
    }
}

/// How far tables are behind the log.
pub(crate) fn tables(metrics: &Metrics, told: &serde_json::Value) {
    // What was built is gone once it is served.
    metrics.table_lag.clear();
    for projection in told["projections"].as_array().into_iter().flatten() {
        for generation in ["serving", "building"] {
            for part in projection[generation]["partitions"].as_array().into_iter().flatten() {
                let text =
                    |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                let labels = TablesLabels {
                    projection: text(&projection["name"]),
                    r#type: text(&part["type"]),
                    partition: part["partition"].as_u64().unwrap_or_default() as u32,
                    generation,
                };
                let lag = part["lag"].as_u64().unwrap_or_default();
                metrics.table_lag.get_or_create(&labels).set(signed(lag));
            }
        }
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_instances_that_are_gone_are_kept_as_one_sum() {
        let (stays, goes) = (Arc::new(Counters::default()), Arc::new(Counters::default()));
        let mut of = VersionCounters {
            name: "h".to_owned(),
            version: "1".to_owned(),
            fuel_per_item: 1,
            gone: Used::default(),
            instances: vec![Arc::clone(&stays), Arc::clone(&goes)],
        };
        of.fold();
        assert_eq!(of.instances.len(), 2);
        drop(goes);
        of.fold();
        assert_eq!(of.instances.len(), 1);
        assert!(Arc::ptr_eq(&of.instances[0], &stays));
    }
}
