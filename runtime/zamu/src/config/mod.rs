//! The configuration: one typed struct, laid over `default.toml`, checked as a whole before anything
//! starts.
//!
//! Later layers win: the compiled-in defaults, the file, the environment. Opening what it names
//! (components, folders) is left to others.

mod check;
mod environment;
mod layers;
mod sections;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zamu_core::log::Limit;
use zamu_core::settings::Settings;
use zamu_core::topology::TypeSettings;

pub use sections::{
    Deployments, EventHandlers, Handler, Http, Limits, Log, LogFormat, Pace, Projections,
    ReactsFrom, Shards, Store, Telemetry, Type,
};

/// Every setting with its default, unit and reason.
pub const DEFAULTS: &str = include_str!("../../default.toml");

/// All settings of a node.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Folder of everything durable.
    pub data: PathBuf,
    /// The HTTP interface.
    pub http: Http,
    /// The threads that run handlers.
    pub shards: Shards,
    /// Bounds on every handler.
    pub limits: Limits,
    /// When a newly deployed version is rolled back by itself.
    pub deployments: Deployments,
    /// The log.
    pub log: Log,
    /// The store.
    pub store: Store,
    /// Event handlers.
    pub event_handlers: EventHandlers,
    /// What makes tables.
    pub projections: Projections,
    /// Log lines.
    pub telemetry: Telemetry,
    /// Aggregate types by name.
    #[serde(default)]
    pub types: BTreeMap<String, Type>,
    /// Handlers by name.
    #[serde(default)]
    pub handlers: BTreeMap<String, Handler>,
    /// For one start: what was deployed is replaced by what the file has. Said on the command line only.
    #[serde(skip)]
    pub handlers_from_file: bool,
}

/// A configuration that nothing may start with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; name another one with --config", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML.
    #[error("{origin} is no TOML: {problem}")]
    Syntax {
        /// The file.
        origin: String,
        /// What the parser says, with the line.
        problem: String,
    },
    /// An unknown key, or a value of another type.
    #[error("{origin}: `{key}`: {problem}")]
    Value {
        /// The file, or the variable of the environment.
        origin: String,
        /// Path of the key.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// Values that make no sense, or do not fit together.
    #[error("configuration: `{key}` {problem}")]
    Unfit {
        /// Path of the key.
        key: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

impl Config {
    /// Reads the file at `path` and the environment. Paths in them are relative to the file.
    ///
    /// # Errors
    /// Names the key at fault, where it came from, and the remedy.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Unreadable { path: path.to_path_buf(), source })?;
        let mut config = Self::parse(&text, &path.display().to_string(), std::env::vars())?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.data = folder.join(&config.data);
        for handler in config.handlers.values_mut() {
            handler.component = folder.join(&handler.component);
        }
        Ok(config)
    }

    /// Reads the text of a file, called `origin` in errors, and these variables.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(
        text: &str,
        origin: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let config = layers::lay(text, origin, environment)?;
        check::check(&config)?;
        Ok(config)
    }

    /// Number of shards.
    #[must_use]
    pub fn shard_count(&self) -> usize {
        if self.shards.count == 0 { cores() } else { self.shards.count }
    }

    /// Number of HTTP threads.
    #[must_use]
    pub fn http_threads(&self) -> usize {
        if self.http.threads == 0 { cores().div_ceil(2) } else { self.http.threads }
    }

    /// The aggregate types, by name.
    #[must_use]
    pub fn type_settings(&self) -> Vec<TypeSettings> {
        self.types.iter().map(|(name, of)| of.settings(name)).collect()
    }

    /// The bounds of one shard of `shards`.
    #[must_use]
    pub fn shard_settings(&self, shards: usize) -> Settings {
        let partitions: u32 = self.types.values().map(|of| of.partitions).sum();
        Settings {
            turn: Limit { records: self.shards.turn_records, bytes: self.shards.turn_bytes },
            commit_records: self.shards.commit_records,
            commits_in_flight: self.shards.commits_in_flight,
            flush_every_ms: self.store.flush_every_ms,
            wake_retry_ms: self.shards.wake_retry_ms,
            release_every_ms: self.store.release_every_ms,
            sweep_every_ms: self.store.sweep_every_ms,
            changed_bytes_max: self.store.changed_bytes_max / shards.max(1),
            cache_bytes: self.store.cache_bytes / (partitions as usize).max(1),
            flush_chunk: self.store.flush_chunk,
            restore_chunk: Limit {
                records: self.shards.restore_records,
                bytes: self.shards.restore_bytes,
            },
            sample_every: self.shards.sample_every,
            fault_share_max: self.shards.fault_share_max,
            fault_sample_min: self.shards.fault_sample_min,
            fault_sample_max: self.shards.fault_sample_max,
            host_tries: self.shards.host_tries,
            catch_up_events: self.event_handlers.catch_up_events,
        }
    }

    /// The bounds of every handler.
    #[must_use]
    pub fn guest_limits(&self) -> zamu_wasm::Limits {
        let limits = &self.limits;
        zamu_wasm::Limits {
            classes: limits.classes.iter().copied().map(Into::into).collect(),
            component_bytes: limits.component_bytes,
            modules: limits.modules,
            functions: limits.functions,
            function_bytes: limits.function_bytes,
            memory_bytes: limits.memory_bytes,
            table_elements: limits.table_elements,
            fuel_start: limits.fuel_start,
            fuel_per_item: limits.fuel_per_item,
            fuel_per_byte: limits.fuel_per_byte,
            fuel_overhead_per_item: limits.fuel_overhead_per_item,
            cpu_time_per_item: Duration::from_millis(limits.cpu_ms_per_item),
            output_bytes: limits.output_bytes,
            log_lines: limits.log_lines,
            log_bytes: limits.log_bytes,
            calls_per_instance: limits.calls_per_instance,
            memory_recycle_bytes: limits.memory_recycle_bytes,
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests;
