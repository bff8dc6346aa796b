//! The transfer switch in the real runtime: components in the sandbox, the core's shards, a log and a
//! store, all in one thread and stepped by hand, with a clock that is set by hand.
//!
//! It plays what the package `scenarios` tells, golden scenarios and random stories alike. Two places
//! to keep things: the embedded log and store in a temporary folder, as the binary has them, and the
//! simulated log with the store in memory, where one seed gives the same run, faults, crashes and loss
//! of power included.
//!
//! Left to the binary's own tests: configuration files, threads, HTTP, the control topic.

mod alarms;
mod components;
mod inside;
mod layout;
mod mail;
mod medium;
mod relay;
mod runtime;
mod swaps;
mod switch;

pub use layout::Layout;
pub use runtime::Runtime;
