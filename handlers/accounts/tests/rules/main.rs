//! The rules of accounts, one table or story each.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod cap;
mod clients;
mod common;
mod cover;
mod limits;
mod opening;
mod position;
