//! The transfer switch from outside: who drives it, who plays its payees, who counts at the end.
//!
//! All are plain HTTP clients of the host, which is a process of its own and knows nothing of
//! transfers. `demo` puts the parts together; `load` is the payer's side, `payee` the other; `node`
//! is the host's process; `kinds` is the table of all that may happen to a transfer on purpose, and
//! `clerk` and `outcomes` compare it with what did happen; `audit` reads everything again into the
//! `ledger`. The crash tests use the same parts.

mod args;
mod audit;
mod clerk;
pub mod client;
mod demo;
mod environment;
mod kinds;
pub mod ledger;
mod load;
pub mod node;
mod outcomes;
mod pace;
mod payee;
pub mod provision;
mod report;
pub mod show;
mod split;
pub mod stream;
mod tally;
pub mod transfer;

pub use args::Args;
pub use demo::run;
