//! Handlers: from the configured components to a deployment that is in force.
//!
//! A deployment is the set of handlers with their digests and configurations, one record of the
//! control topic; its offset is its number. The history of these records says which version decided
//! anything. Compiling and running is left to `zamu-wasm`.

mod components;
mod deployments;

pub use components::{Loaded, describe, load};
pub use deployments::{Deployed, DeploymentError, History, enact};
