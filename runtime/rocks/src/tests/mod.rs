//! The promises of the embedded log and the store, on real files.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod contract;
mod damage;
mod harness;
mod opening;
mod power;
mod reading;
mod retention;
mod running;
mod storing;
