//! The rules of transfers, one table or story each.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod answer;
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod course;
mod deadline;
mod phases;
mod prepare;
