//! The toy's handlers as they were, for audits.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use zamu_core::audit::{Deployments, InForce};

use super::toy::{self, Behaviour};

/// The toy's handlers, mended from a deployment on.
pub struct Toys {
    pub partitions: u32,
    pub mended_from: u64,
    /// Others than were in force.
    pub instead: Option<Behaviour>,
}

impl Deployments for Toys {
    fn handlers(&mut self, deployment: u64) -> Result<InForce, String> {
        let mended = Arc::new(AtomicBool::new(deployment >= self.mended_from));
        let behaviour =
            self.instead.clone().unwrap_or(Behaviour { mended, ..Behaviour::default() });
        let topology = toy::topology(self.partitions, deployment, &behaviour);
        Ok(InForce { topology, guests: toy::guests(&behaviour) })
    }
}
