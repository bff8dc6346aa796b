//! The core of Zamu: the turn of a partition, and the seams it needs.
//!
//! ```text
//! take → decode → group by key → load states → decide → react → collect → commit to the log
//!      → apply to the store → answer
//! ```
//!
//! This crate does no I/O, owns no thread, reads no clock and knows no engine: a shard advances by
//! `step(now)`, so a test can drive it, faults included. Read [`model`], the seams ([`log`],
//! [`store`], [`guest`]), then the turn.

pub mod error;
pub mod guest;
pub mod log;
pub mod model;
pub mod store;
pub mod topology;

/// What the core stores, as generated from `proto/zamu.proto`.
#[allow(missing_docs, clippy::all)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/zamu.v1.rs"));
}
