//! The real host under load, killed at chosen and at random moments, with its power cut, and with
//! promises broken on purpose: what it told and what its log holds are compared by a reader of its
//! own, the [`switch::ledger`].
//!
//! Seeded: a failure names its seed, and `ZAMU_CRASH_SEED=n` begins with another one;
//! `ZAMU_CRASH_ROUNDS=n` goes through so many.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::print_stdout, reason = "shown where a test fails, or when it is asked for")]

mod cap;
mod dice;
mod driver;
mod held;
mod host;
mod kills;
mod plan;
mod sabotage;
mod story;
mod swaps;
mod told;
