//! The sections of the configuration. What each key means stands in `default.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use zamu_core::guest::manifest::Class as GuestClass;
use zamu_core::topology::{StartFrom, TypeSettings};

/// The HTTP interface.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "every key is explained in default.toml")]
pub struct Http {
    pub listen: SocketAddr,
    pub allow_remote: bool,
    pub threads: usize,
    pub connections_max: usize,
    pub requests_max: usize,
    pub body_bytes_max: usize,
    pub bodies_bytes_max: usize,
    pub header_bytes_max: usize,
    pub headers_max: usize,
    pub receive_timeout_ms: u64,
    pub commands_max: usize,
    pub wait_ms: u64,
    pub wait_ms_max: u64,
    pub streams_max: usize,
    pub stream_keep_alive_ms: u64,
    pub stream_gather_ms: u64,
    pub page_max: usize,
    pub lag_max: u64,
    pub lag_wait_ms: u64,
}

/// The threads that run handlers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "every key is explained in default.toml")]
pub struct Shards {
    pub count: usize,
    pub turn_records: usize,
    pub turn_bytes: usize,
    pub commit_records: usize,
    pub commits_in_flight: usize,
    pub sample_every: u64,
    pub fault_share_max: f64,
    pub fault_sample_min: usize,
    pub fault_sample_max: usize,
    pub host_tries: u32,
    pub wake_retry_ms: u64,
    pub restore_records: usize,
    pub restore_bytes: usize,
    pub drain_ms: u64,
}

/// Bounds on every handler.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "every key is explained in default.toml")]
pub struct Limits {
    pub classes: Vec<Class>,
    pub component_bytes: usize,
    pub modules: u32,
    pub functions: u32,
    pub function_bytes: u32,
    pub memory_bytes: usize,
    pub table_elements: usize,
    pub fuel_start: u64,
    pub fuel_per_item: u64,
    pub fuel_per_byte: u64,
    pub fuel_overhead_per_item: u64,
    pub cpu_ms_per_item: u64,
    pub output_bytes: usize,
    pub log_lines: u32,
    pub log_bytes: usize,
    pub calls_per_instance: u32,
    pub memory_recycle_bytes: usize,
}

/// What a component may import: [`GuestClass`] by its name.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "every key is explained in default.toml")]
pub enum Class {
    Pure,
    Std,
}

impl From<Class> for GuestClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Pure => Self::Pure,
            Class::Std => Self::Std,
        }
    }
}

/// When a newly deployed version is rolled back by itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "every key is explained in default.toml")]
pub struct Deployments {
    pub probation_ms: u64,
    pub faults_max: usize,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "every key is explained in default.toml")]
pub struct Log {
    pub retention_hours: u64,
    pub segment_bytes: u64,
    pub segment_minutes: u64,
    pub queue_jobs: usize,
    pub queue_bytes: usize,
    pub group_bytes: usize,
    pub tail_bytes: usize,
    pub write_buffer_bytes: usize,
    pub block_cache_bytes: usize,
}

/// The store.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "every key is explained in default.toml")]
pub struct Store {
    pub flush_every_ms: u64,
    pub release_every_ms: u64,
    pub sweep_every_ms: u64,
    pub changed_bytes_max: usize,
    pub cache_bytes: usize,
    pub flush_chunk: usize,
    pub write_buffer_bytes: usize,
    pub block_cache_bytes: usize,
}

/// Event handlers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "every key is explained in default.toml")]
pub struct EventHandlers {
    pub catch_up_events: usize,
}

/// What makes tables.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "every key is explained in default.toml")]
pub struct Projections {
    pub page_events: usize,
    pub page_bytes: usize,
    pub gather_ms: u64,
    pub pace: Pace,
    pub reference_bytes_max: usize,
}

/// How urgently tables are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// Where the cores have nothing else to do.
    Behind,
    /// As the shards run.
    Beside,
}

/// Log lines.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "every key is explained in default.toml")]
pub struct Telemetry {
    pub log: String,
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// One aggregate type.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Type {
    /// Number of partitions of all its topics.
    pub partitions: u32,
    /// How many ids of external commands an aggregate remembers.
    #[serde(default = "Type::window_ids")]
    pub window_ids: usize,
    /// For how many hours it remembers them.
    #[serde(default = "Type::window_hours")]
    pub window_hours: u64,
}

impl Type {
    /// One of which nothing is said but its partitions.
    #[must_use]
    pub fn of(partitions: u32) -> Self {
        let (window_ids, window_hours) = (Self::window_ids(), Self::window_hours());
        Self { partitions, window_ids, window_hours }
    }

    /// What the core is told of it.
    #[must_use]
    pub fn settings(&self, name: &str) -> TypeSettings {
        TypeSettings {
            name: name.into(),
            partitions: self.partitions,
            window_ids: self.window_ids,
            window_ms: self.window_hours * 3_600_000,
        }
    }

    fn window_ids() -> usize {
        64
    }

    fn window_hours() -> u64 {
        24
    }
}

/// One handler.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Handler {
    /// File of its component, relative to the configuration file.
    pub component: PathBuf,
    /// What it gets as its configuration, as JSON. Absent: an empty document.
    pub configuration: Option<toml::Table>,
    /// From which event on it reacts where it has not reacted to all. Absent: one that has missed
    /// events is refused.
    pub from: Option<ReactsFrom>,
}

/// From which event on an event handler reacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReactsFrom {
    /// From the first that it has not reacted to.
    Beginning,
    /// From the next one.
    Now,
}

impl ReactsFrom {
    /// As deployments have it.
    #[must_use]
    pub fn start(self) -> StartFrom {
        match self {
            Self::Beginning => StartFrom::Beginning,
            Self::Now => StartFrom::Now,
        }
    }
}
