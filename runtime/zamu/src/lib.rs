//! The parts of the `zamu` binary: configuration, node, HTTP, command line. The only crate that
//! knows all others; what happens in a turn is the core's.

pub mod audit;
pub mod config;
pub mod handlers;
pub mod http;
pub mod json;
pub mod node;
pub mod run;
pub mod telemetry;
pub mod trace;

/// Guests, streams and batches allocate and free from many threads; this keeps memory flat.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
