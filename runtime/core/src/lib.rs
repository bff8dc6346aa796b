//! The core of Zamu: the turn of a partition, and the seams it needs.
//!
//! ```text
//! take → decode → group by key → load states → decide → react → collect → commit to the log
//!      → apply to the store → answer
//! ```
//!
//! This crate does no I/O, owns no thread, reads no clock and knows no engine: a shard advances by
//! `step(now)`, so a test can drive it, faults included. Read [`model`], the seams ([`log`],
//! [`store`], [`guest`]), then [`shard`], [`partition`] and the steps in [`turn`].

pub mod aggregate;
pub mod audit;
pub mod channels;
pub mod dead_letters;
pub mod deadlines;
pub mod error;
pub mod failpoints;
pub mod fault_rate;
pub mod flush;
pub mod fold;
pub mod guest;
pub mod log;
pub mod memory;
pub mod model;
pub mod observer;
pub mod outcomes;
pub mod partition;
#[cfg(any(test, feature = "testing"))]
pub mod prng;
pub mod projection;
pub mod references;
pub mod restore;
pub mod settings;
pub mod shard;
#[cfg(any(test, feature = "testing"))]
pub mod simulation;
pub mod store;
pub mod topology;
pub mod turn;
pub mod window;
pub mod working;

/// What the core stores, as generated from `proto/zamu.proto`.
#[allow(missing_docs, clippy::all)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/zamu.v1.rs"));
}
