//! Write, test and build a handler.

pub mod aggregate;
pub mod columns;
pub mod decision;
pub mod event_handler;
mod export;
pub mod handler;
mod item;
pub mod json;
pub mod log;
pub mod messages;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod time;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod wasm;

pub use aggregate::{Aggregate, Context};
pub use decision::Decision;
pub use event_handler::{EventContext, EventHandler, Outbox};
pub use handler::{Handler, Host};
pub use messages::{Addressed, Kind, Messages};
pub use time::Time;
