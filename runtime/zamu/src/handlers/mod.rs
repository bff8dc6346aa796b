//! Handlers: from the configured components to a deployment that is in force.
//!
//! A deployment is the set of handlers with their digests and configurations, one record of the
//! control topic; its offset is its number. The history of these records says which version decided
//! anything. Compiling and running is left to `zamu-wasm`.

mod components;
mod deployments;
mod document;
mod proposal;

pub use components::{Workshop, describe, json_of, kept_in, read_kept, specs};
pub use deployments::{Deployed, DeploymentError, History};
pub use document::document;
pub use proposal::{Chosen, Proposal, added, is_brought_back, previous, starts};
