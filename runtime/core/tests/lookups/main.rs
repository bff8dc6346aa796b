//! Reference tables in whole turns: what is pinned, recorded and waited for.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod auditing;
mod bound;
#[path = "../common/copied.rs"]
mod copied;
mod generations;
mod pinning;
mod random;
mod toy;
mod waiting;
mod wiring;
