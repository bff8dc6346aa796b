//! Sandbox and core together: a shard over a simulated log, with misbehaving components as its
//! guests. A file per promise; the process itself is `zamu_core::simulation`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod commands;
mod events;
mod harmless;
mod lookups;
mod rate;
mod zoo;

// Loading is the sandbox's tests'; the rest of their support is not needed here.
#[allow(dead_code, unreachable_pub)]
#[path = "../sandbox/support.rs"]
mod support;
