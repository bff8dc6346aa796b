//! Real components in the real sandbox: what it promises, a file per promise.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod budgets;
mod counter;
mod lifetime;
mod loading;
mod log_lines;
mod lookups;
mod misbehaviour;
mod roles;
mod starved;
mod std_class;
mod support;
mod tables;
