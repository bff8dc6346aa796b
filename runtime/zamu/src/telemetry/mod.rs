//! What is measured and logged: every metric by name, in one place.
//!
//! Handles are held by whoever counts; nothing is looked up in the hot path. What others keep
//! (positions, guests' counters, memory) is copied in when someone asks, by [`scrape`].
//!
//! Log levels mean: error, a promise cannot be kept or the process ends; warn, an operator should
//! look; info, something that happens a few times in a node's life; debug, more. Nothing is logged
//! per message.

mod complaint;
mod labels;
mod logging;
mod observer;
mod process;
mod scrape;

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use complaint::{Complaint, How, Watched};
pub use labels::{
    BehindLabels, HandlerLabels, InputLabels, MemoryLabels, PartitionLabels, ProjectionLabels,
    ShardLabels, StatusLabels, StepLabels, TablesLabels, TypeLabels,
};
pub use logging::start_logging;
pub use observer::ShardObserver;
pub use scrape::{GuestCounters, scrape};
pub(crate) use scrape::{memory, tables};

/// Seconds, added up in parts.
pub(crate) type Seconds = Counter<f64, AtomicU64>;

/// All metrics. Clones of a handle count together.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub(crate) turns: Family<TypeLabels, Counter>,
    pub(crate) commands: Family<TypeLabels, Counter>,
    pub(crate) requests: Family<TypeLabels, Counter>,
    pub(crate) events: Family<TypeLabels, Counter>,
    pub(crate) sent: Family<TypeLabels, Counter>,
    pub(crate) refusals: Family<TypeLabels, Counter>,
    pub(crate) duplicates: Family<TypeLabels, Counter>,
    pub(crate) faults: Family<TypeLabels, Counter>,
    pub(crate) dead_letters: Family<TypeLabels, Counter>,
    pub(crate) commands_refused: Family<TypeLabels, Counter>,
    pub(crate) caught_up: Family<TypeLabels, Counter>,
    pub(crate) wakes: Family<TypeLabels, Counter>,
    pub(crate) wakes_unwanted: Family<TypeLabels, Counter>,
    pub(crate) deadlines_given_up: Family<TypeLabels, Counter>,
    pub(crate) flushed: Family<TypeLabels, Counter>,
    pub(crate) restored_turns: Family<TypeLabels, Counter>,
    pub(crate) restored_events: Family<TypeLabels, Counter>,
    pub(crate) step_seconds: Family<StepLabels, Seconds>,
    pub(crate) commit_seconds: Histogram,
    pub(crate) append_seconds: Histogram,
    pub(crate) turn_records: Histogram,
    /// For how long a shard did nothing but change over to another version of a handler.
    pub(crate) swap_seconds: Histogram,
    /// From the end of a step to the end of the next one, while a shard is busy; and where another version
    /// of a handler took over in between.
    pub(crate) step_gap_seconds: Histogram,
    pub(crate) swap_gap_seconds: Histogram,
    pub(crate) lag: Family<InputLabels, Gauge>,
    pub(crate) event_handler_lag: Family<BehindLabels, Gauge>,
    pub(crate) running: Family<PartitionLabels, Gauge>,
    pub(crate) dead_letters_open: Family<PartitionLabels, Gauge>,
    pub(crate) deadlines_in_memory: Family<PartitionLabels, Gauge>,
    pub(crate) table_events: Family<ProjectionLabels, Counter>,
    pub(crate) table_rows: Family<ProjectionLabels, Counter>,
    pub(crate) table_stops: Family<ProjectionLabels, Counter>,
    pub(crate) table_lag: Family<TablesLabels, Gauge>,
    pub(crate) handler: HandlerMetrics,
    pub(crate) log: LogMetrics,
    pub(crate) rocksdb_memory: Family<MemoryLabels, Gauge>,
    pub(crate) shard_busy_seconds: Family<ShardLabels, Seconds>,
    pub(crate) shard_calls_waiting: Family<ShardLabels, Gauge>,
    pub(crate) responses: Family<StatusLabels, Counter>,
    pub(crate) requests_in_flight: Gauge,
    pub(crate) bodies_in_flight: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) streams: Gauge,
    pub(crate) stream_events: Counter,
    pub(crate) process: process::ProcessMetrics,
}

/// What guests have used, over all shards.
#[derive(Debug, Default)]
pub(crate) struct HandlerMetrics {
    pub(crate) calls: Family<HandlerLabels, Counter>,
    pub(crate) items: Family<HandlerLabels, Counter>,
    pub(crate) faults: Family<HandlerLabels, Counter>,
    pub(crate) fuel: Family<HandlerLabels, Counter>,
    pub(crate) item_fuel_max: Family<HandlerLabels, Gauge>,
    pub(crate) item_fuel_limit: Family<HandlerLabels, Gauge>,
    pub(crate) starts: Family<HandlerLabels, Counter>,
    pub(crate) recycled: Family<HandlerLabels, Counter>,
    pub(crate) memory_max: Family<HandlerLabels, Gauge>,
    pub(crate) log_lines: Family<HandlerLabels, Counter>,
    pub(crate) log_lines_dropped: Family<HandlerLabels, Counter>,
}

/// What the log has done.
#[derive(Debug, Default)]
pub(crate) struct LogMetrics {
    pub(crate) sync_seconds: scrape::Syncs,
    pub(crate) groups: Counter,
    pub(crate) records: Counter,
    pub(crate) frame_bytes: Counter,
    pub(crate) turned_away: Counter,
    pub(crate) segments_dropped: Counter,
    pub(crate) wal_bytes: Counter,
    pub(crate) flushed_bytes: Counter,
    pub(crate) compacted_bytes: Counter,
    pub(crate) queued: Gauge,
}

#[derive(Clone, Debug)]
struct Buckets(&'static [f64]);

/// From 0.1 ms to 10 s.
const SECONDS: Buckets = Buckets(&[
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0,
]);
/// Records of a turn.
const RECORDS: Buckets =
    Buckets(&[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 10_000.0]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("zamu"),
            turns: Family::default(),
            commands: Family::default(),
            requests: Family::default(),
            events: Family::default(),
            sent: Family::default(),
            refusals: Family::default(),
            duplicates: Family::default(),
            faults: Family::default(),
            dead_letters: Family::default(),
            commands_refused: Family::default(),
            caught_up: Family::default(),
            wakes: Family::default(),
            wakes_unwanted: Family::default(),
            deadlines_given_up: Family::default(),
            flushed: Family::default(),
            restored_turns: Family::default(),
            restored_events: Family::default(),
            step_seconds: Family::default(),
            commit_seconds: SECONDS.new_metric(),
            append_seconds: SECONDS.new_metric(),
            turn_records: RECORDS.new_metric(),
            swap_seconds: SECONDS.new_metric(),
            step_gap_seconds: SECONDS.new_metric(),
            swap_gap_seconds: SECONDS.new_metric(),
            lag: Family::default(),
            event_handler_lag: Family::default(),
            running: Family::default(),
            dead_letters_open: Family::default(),
            deadlines_in_memory: Family::default(),
            table_events: Family::default(),
            table_rows: Family::default(),
            table_stops: Family::default(),
            table_lag: Family::default(),
            handler: HandlerMetrics::default(),
            log: LogMetrics::default(),
            rocksdb_memory: Family::default(),
            shard_busy_seconds: Family::default(),
            shard_calls_waiting: Family::default(),
            responses: Family::default(),
            requests_in_flight: Gauge::default(),
            bodies_in_flight: Gauge::default(),
            connections: Gauge::default(),
            streams: Gauge::default(),
            stream_events: Counter::default(),
            process: process::ProcessMetrics::default(),
        };
        metrics.register_turns();
        metrics.register_partitions();
        metrics.register_handlers();
        metrics.register_tables();
        metrics.register_log();
        metrics.register_rocksdb();
        metrics.register_http();
        metrics
    }

    /// All metrics in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// Turns and events that were folded at the start, of these types.
    #[must_use]
    pub fn restored<'a>(&self, types: impl Iterator<Item = &'a str>) -> (u64, u64) {
        let labels = types.map(|name| TypeLabels { r#type: name.to_owned() });
        labels.fold((0, 0), |(turns, events), of| {
            let turns_of = self.restored_turns.get_or_create(&of).get();
            (turns + turns_of, events + self.restored_events.get_or_create(&of).get())
        })
    }

    /// The time at work of a shard.
    pub(crate) fn shard_busy(&self, shard: u32) -> Seconds {
        self.shard_busy_seconds.get_or_create_owned(&ShardLabels { shard })
    }

    /// The calls that wait for a shard.
    pub(crate) fn shard_calls(&self, shard: u32) -> Gauge {
        self.shard_calls_waiting.get_or_create_owned(&ShardLabels { shard })
    }

    fn register_turns(&mut self) {
        let r = &mut self.registry;
        r.register("turns", "Turns computed", self.turns.clone());
        r.register("commands", "Records taken from commands", self.commands.clone());
        r.register("requests", "Records taken from requests", self.requests.clone());
        r.register("events", "Events decided", self.events.clone());
        r.register("sent", "Commands sent to other aggregates", self.sent.clone());
        r.register("refusals", "Commands refused", self.refusals.clone());
        r.register("duplicates", "Commands answered as before", self.duplicates.clone());
        r.register("faults", "Items at which a handler broke", self.faults.clone());
        r.register("dead_letters", "Dead letters opened", self.dead_letters.clone());
        r.register(
            "commands_refused",
            "Choreographed commands that were refused: a defect of handlers",
            self.commands_refused.clone(),
        );
        r.register(
            "caught_up_events",
            "Events to which event handlers reacted that had missed them",
            self.caught_up.clone(),
        );
        r.register("wakes", "Deadlines that came", self.wakes.clone());
        r.register(
            "wakes_unwanted",
            "Deadlines whose aggregates had moved on when they were told",
            self.wakes_unwanted.clone(),
        );
        r.register(
            "deadlines_given_up",
            "Deadlines that a handler did not answer with an event",
            self.deadlines_given_up.clone(),
        );
        r.register("flushed", "Aggregates written to the store", self.flushed.clone());
        r.register("restored_turns", "Turns folded at the start", self.restored_turns.clone());
        r.register("restored_events", "Events folded at the start", self.restored_events.clone());
        r.register("step_seconds", "Time in each step of the turn", self.step_seconds.clone());
        r.register(
            "commit_seconds",
            "From a commit's submission to its durability",
            self.commit_seconds.clone(),
        );
        r.register(
            "append_seconds",
            "From a request's arrival to its durability",
            self.append_seconds.clone(),
        );
        r.register("turn_records", "Records of a turn", self.turn_records.clone());
        r.register(
            "swap_seconds",
            "Time that a shard took to change over to another version of a handler",
            self.swap_seconds.clone(),
        );
        r.register(
            "step_gap_seconds",
            "From the end of a step of a shard to the end of the next, while it is busy",
            self.step_gap_seconds.clone(),
        );
        r.register(
            "swap_gap_seconds",
            "The same where another version of a handler took over in between",
            self.swap_gap_seconds.clone(),
        );
        r.register(
            "shard_busy_seconds",
            "Time that a shard did not wait",
            self.shard_busy_seconds.clone(),
        );
        r.register(
            "shard_calls_waiting",
            "Reads and orders that wait for a shard",
            self.shard_calls_waiting.clone(),
        );
    }

    fn register_partitions(&mut self) {
        let r = &mut self.registry;
        r.register("lag", "Records of an input that are not durably processed", self.lag.clone());
        r.register(
            "event_handler_lag",
            "Events that an event handler has yet to react to, while it is behind",
            self.event_handler_lag.clone(),
        );
        r.register("partition_running", "1 if the partition takes turns", self.running.clone());
        r.register("dead_letters_open", "Dead letters open", self.dead_letters_open.clone());
        r.register(
            "deadlines_in_memory",
            "Deadlines that are not in the store yet, or are being told",
            self.deadlines_in_memory.clone(),
        );
    }

    fn register_handlers(&mut self) {
        let r = self.registry.sub_registry_with_prefix("handler");
        let h = &self.handler;
        r.register("calls", "Calls into the sandbox", h.calls.clone());
        r.register("items", "Items of those calls", h.items.clone());
        r.register("faults", "Calls that ended in a fault", h.faults.clone());
        r.register("fuel", "Fuel used", h.fuel.clone());
        r.register("item_fuel_max", "Most fuel that one item used", h.item_fuel_max.clone());
        r.register(
            "item_fuel_limit",
            "Fuel that one item may use, before what its bytes add",
            h.item_fuel_limit.clone(),
        );
        r.register("starts", "Fresh instances", h.starts.clone());
        r.register("recycled", "Instances replaced for age or memory", h.recycled.clone());
        r.register("memory_max", "Most linear memory of an instance, bytes", h.memory_max.clone());
        r.register("log_lines", "Log lines", h.log_lines.clone());
        r.register("log_lines_dropped", "Log lines over the bound", h.log_lines_dropped.clone());
    }

    fn register_tables(&mut self) {
        let r = self.registry.sub_registry_with_prefix("tables");
        r.register("events", "Events that projections passed", self.table_events.clone());
        r.register("rows", "Rows written or removed", self.table_rows.clone());
        r.register("stops", "Times that a projection stopped", self.table_stops.clone());
        r.register("lag", "Events that rows are behind the log", self.table_lag.clone());
    }

    fn register_log(&mut self) {
        let r = self.registry.sub_registry_with_prefix("log");
        let l = &self.log;
        r.register_with_unit("sync", "Syncs to disk", Unit::Seconds, l.sync_seconds.clone());
        r.register("groups", "Groups of commits and appends written", l.groups.clone());
        r.register("records", "Records of all topics written", l.records.clone());
        r.register("frame_bytes", "Bytes of frames given to the database", l.frame_bytes.clone());
        r.register("turned_away", "Commits and appends refused for now", l.turned_away.clone());
        r.register("segments_dropped", "Segments past retention", l.segments_dropped.clone());
        r.register("wal_bytes", "Bytes written ahead", l.wal_bytes.clone());
        r.register("flushed_bytes", "Bytes of sorted files", l.flushed_bytes.clone());
        r.register("compacted_bytes", "Bytes rewritten by compaction", l.compacted_bytes.clone());
        r.register("queued", "Commits and appends that wait", l.queued.clone());
    }

    fn register_rocksdb(&mut self) {
        let r = self.registry.sub_registry_with_prefix("rocksdb");
        let help = "Bytes in memory: blocks of files, writes not in files yet, readers of files";
        r.register("memory_bytes", help, self.rocksdb_memory.clone());
    }

    fn register_http(&mut self) {
        let r = self.registry.sub_registry_with_prefix("http");
        r.register("responses", "Answers by status", self.responses.clone());
        r.register("in_flight", "Requests being worked on", self.requests_in_flight.clone());
        r.register("bodies_bytes", "Bytes of bodies in flight", self.bodies_in_flight.clone());
        r.register("connections", "Open connections", self.connections.clone());
        r.register("streams", "Live event streams", self.streams.clone());
        r.register("stream_events", "Events sent to streams", self.stream_events.clone());
        let r = self.registry.sub_registry_with_prefix("process");
        self.process.register(r);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_listed_with_their_help_and_labels() {
        let metrics = Metrics::new();
        metrics.turns.get_or_create(&TypeLabels { r#type: "t".into() }).inc();
        metrics.commit_seconds.observe(0.0003);
        let text = metrics.text();
        for line in [
            "# HELP zamu_turns Turns computed.",
            "zamu_turns_total{type=\"t\"} 1",
            "zamu_commit_seconds_bucket{le=\"0.0005\"} 1",
            "zamu_log_sync_seconds_bucket{le=\"+Inf\"} 0",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
