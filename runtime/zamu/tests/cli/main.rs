//! The command line against the real binary: a node as a process of its own, asked by other
//! processes, and its files read after it has stopped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/configuration.rs"]
mod configuration;
#[path = "../common/orphans.rs"]
mod orphans;

mod audit;
mod bench;
mod dead_letters;
mod done;
mod exits;
mod forge;
mod handlers;
mod import;
mod node;
mod reading;
mod tables;
mod topology;
mod trace;
