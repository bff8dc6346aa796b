//! A node over HTTP: started in this process over a temporary directory, with the counter and the
//! zoo of misbehaving handlers, and asked as a client asks.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/configuration.rs"]
mod configuration;
#[path = "../common/orphans.rs"]
mod orphans;

mod added;
mod answers;
mod bad_input;
mod bounds;
mod dead_letters;
mod desk;
mod lookups;
mod operating;
mod reading;
mod restart;
mod shown;
mod starts;
mod stream;
mod support;
mod swaps;
mod tables;
mod trace;
