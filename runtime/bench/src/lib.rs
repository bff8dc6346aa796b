//! A node from outside: started as a process, driven over HTTP with the load of a file, measured, and
//! counted at the end.
//!
//! In reading order: `load` is the file, `value` and `template` make commands of it, `overlay` the
//! configuration that is run; `run` puts a run together of `node` (the process), `client`, `stream`,
//! `pace`, `drive` (who sends, hears and answers) and `tally` (what was heard); `audit` reads
//! everything again; `report` and `sweep` tell. Nothing here knows the runtime's insides, or any
//! application: what is benched is the file's. The switch's demo is made of the same parts.

mod audit;
pub mod client;
mod clock;
mod decimal;
mod drive;
pub mod environment;
pub mod load;
pub mod node;
pub mod overlay;
pub mod pace;
pub mod report;
pub mod run;
mod show;
pub mod split;
pub mod stream;
pub mod svg;
pub mod sweep;
mod tally;
mod template;
mod value;
