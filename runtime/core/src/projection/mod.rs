//! Tables: what projections make of events, beside the turn and never in its way.
//!
//! ```text
//! durable events → page → batch (columns, current rows) → project → check → rows + position, one write
//! ```
//!
//! - Only durable events are projected, so tables never run ahead of the log.
//! - Rows and position of a partition change in one write: they never disagree, whatever crashes.
//! - A fault stops its projection in that partition, at the event that it is about. Nothing is left
//!   out: rows say what all events before that one made of them, and that is said with them.
//! - A *generation* is what one fold number has made of the log. Another one is built beside the one
//!   that is served, from the first event, and takes its place in all partitions at once.
//!
//! Read [`projector`] (one partition), [`set`] (all of them, and the generations), [`query`], and
//! [`reference`](mod@reference) (tables that are kept in memory for handlers to look things up in).
//! Threads, time and who is told are left to whoever runs the set.

pub mod batch;
pub mod catalogue;
pub mod generations;
pub mod projector;
pub mod query;
pub mod reference;
pub mod set;

pub use generations::Generations;
pub use projector::{Projector, Stale};
pub use reference::Shown;
pub use set::{OrderError, Progress, Projections, Watcher};
