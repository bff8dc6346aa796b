//! The toy's handlers as they were, for audits.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use zamu_core::audit::{Deployments, InForce};
use zamu_core::topology::Starts;

use super::toy::{self, Behaviour};

/// The toy's handlers, mended from a deployment on.
pub struct Toys {
    pub partitions: u32,
    pub mended_from: u64,
    /// From when on there are handlers that were added later.
    pub starts: Starts,
    /// Others than were in force.
    pub instead: Option<Behaviour>,
}

impl Deployments for Toys {
    fn handlers(&mut self, deployment: u64) -> Result<InForce, String> {
        let mended = Arc::new(AtomicBool::new(deployment >= self.mended_from));
        let audience = self.starts.values().any(|start| start.since <= deployment);
        let behaviour =
            self.instead.clone().unwrap_or(Behaviour { mended, audience, ..Behaviour::default() });
        let topology = toy::starting(self.partitions, deployment, &behaviour, &self.starts);
        Ok(InForce { topology: topology.into(), guests: toy::guests(&behaviour) })
    }
}
