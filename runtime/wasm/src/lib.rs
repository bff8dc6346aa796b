//! Sandboxed handlers: runs WebAssembly components behind the core's [`zamu_core::guest::Guest`].
//! The only crate that knows wasmtime.
//!
//! ```text
//! bytes → admission → compile (or cache) → link → describe → Handler → one Instance per shard
//! ```
//!
//! - [`engine`]: settings that make guests deterministic and bounded; one engine for a process.
//! - [`admission`]: what a component may import, export and weigh. A component that imports only what is
//!   ours is of class *pure*; one that imports what a standard library drags in, of class *std*, and
//!   is served by stubs of our own (`wasi`).
//! - [`component`]: from bytes to a [`Handler`]; [`cache`] keeps compiled code on disk.
//! - [`manifest`]: reads what the handler says of itself.
//! - [`instance`]: one guest of one shard: budgets, faults, recycling.
//! - [`limits`], [`counters`]: the bounds, and what was used of them.
//!
//! Left to others: what columns must hold (the core's `guest::check`), what a fault leads to (the
//! core's `guest::isolation`), signatures and deployments.

pub mod admission;
pub mod cache;
pub mod component;
pub mod counters;
pub mod engine;
pub mod instance;
pub mod limits;
pub mod manifest;

mod budget;
mod class;
mod columns;
mod fault;
mod host;
mod imports;
mod stdio;
mod text;
mod wasi;

pub use component::{Handler, LoadError};
pub use counters::Counters;
pub use engine::Engine;
pub use instance::Instance;
pub use limits::Limits;
