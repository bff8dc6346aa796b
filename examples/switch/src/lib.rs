//! The transfer switch from outside: who drives it, who plays its payees, who counts at the end.
//!
//! All are plain HTTP clients of the host, which is a process of its own and knows nothing of
//! transfers. `demo` puts the parts together, and `course` runs them; `load` is the payer's side, `payee` the other; `node`
//! is the host's process; `kinds` is the table of all that may happen to a transfer on purpose, and
//! `clerk` and `outcomes` compare it with what did happen; `audit` reads everything again into the
//! `ledger`. `versions` are deployed by the `operator` meanwhile, and `verdicts` says which of them decided
//! what. What is the same for any application (client, live stream, pace, process, machine) is
//! `zamu-bench`'s. The crash tests use the same parts.

mod args;
mod audit;
mod clerk;
mod course;
mod demo;
mod kinds;
pub mod ledger;
mod load;
pub mod node;
mod operator;
mod outcomes;
mod payee;
mod picture;
pub mod provision;
mod report;
pub mod show;
mod tally;
mod timeline;
pub mod transfer;
mod verdicts;
mod versions;

pub use zamu_bench::{client, stream};
use zamu_bench::{environment, pace, split};

pub use args::Args;
pub use demo::run;
