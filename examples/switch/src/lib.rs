//! The transfer switch from outside: who drives it, who plays its payees, who counts at the end.
//!
//! All are plain HTTP clients of the host, which is a process of its own and knows nothing of
//! transfers. `demo` puts the parts together, and `course` runs them; `load` is the payer's side, `payee` the other; `node`
//! is the host's process; `kinds` is the table of all that may happen to a transfer on purpose, and
//! `clerk` and `outcomes` compare it with what did happen; `audit` reads everything again into the
//! `ledger`. `versions` are deployed by the `operator` meanwhile, and `verdicts` says which of them decided
//! what. The crash tests use the same parts.

mod args;
mod audit;
mod clerk;
pub mod client;
mod course;
mod demo;
mod environment;
mod kinds;
pub mod ledger;
mod load;
pub mod node;
mod operator;
mod outcomes;
mod pace;
mod payee;
mod picture;
pub mod provision;
mod report;
pub mod show;
mod split;
pub mod stream;
mod tally;
mod timeline;
pub mod transfer;
mod verdicts;
mod versions;

pub use args::Args;
pub use demo::run;
