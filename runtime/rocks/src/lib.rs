//! The embedded log and the store: the only crate that knows RocksDB.
//!
//! [`EmbeddedLog`] keeps the topics, [`RocksStore`] what the log has made of each aggregate. They are
//! two databases side by side in a data directory, `log` and `store`. Every layout on disk stands in
//! `keys.rs`.

mod checksum;
mod codec;
mod error;
mod frame;
mod keys;
mod log;
mod memory;
mod store;
mod types;

#[cfg(test)]
mod tests;

pub use error::OpenError;
pub use log::EmbeddedLog;
pub use log::board::Waker;
pub use log::database::DiskBytes;
pub use log::ends::Ends;
pub use log::metrics::{LogMetrics, SYNC_BUCKETS_US};
pub use log::options::{Clock, FatalHook, LogOptions, SyncHook, SyncStep};
pub use log::reader::{LogReader, LogType, Subscription, Timed};
pub use log::shard::EmbeddedShard;
pub use memory::MemoryBytes;
pub use store::{RocksStore, StoreHandle, StoreOptions, Tables};
