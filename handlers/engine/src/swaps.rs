//! Deployments between the steps of a story: all handlers anew, as fresh instances under the next number,
//! in one shard after the other.
//!
//! The components stay the same, so nothing may come of it but the number.

use std::sync::Arc;

use zamu_core::guest::Guest;
use zamu_core::shard::Succession;
use zamu_core::topology::{HandlerIndex, Topology};

use crate::runtime::Runtime;

impl Runtime {
    /// Puts all handlers in force anew. Shards hear of it one by one: see [`Runtime::tell`].
    pub(crate) fn deploy_anew(&mut self) -> anyhow::Result<()> {
        let specs = self.handlers.iter().map(|handler| Arc::new(handler.spec().clone())).collect();
        let (deployment, types) = (self.topology.deployment + 1, self.topology.types.clone());
        let next = Topology::new(deployment, types, specs)?;
        self.topology.may_be_succeeded_by(&next)?;
        self.topology = Arc::new(next);
        let makers = self.topology.projections().map(|handler| self.instance(handler)).collect();
        if let Some(tables) = &mut self.tables {
            drop(tables.succeed(&self.topology, makers));
        }
        self.deployments += 1;
        Ok(())
    }

    /// One shard hears of the newest deployment, if it has not yet.
    pub(crate) fn tell(&mut self, shard: usize) {
        if self.shards[shard].deployment() < self.topology.deployment {
            let topology = Arc::clone(&self.topology);
            let all = 0..self.handlers.len();
            let guests = all.map(|handler| self.instance(handler)).collect();
            drop(self.shards[shard].succeed(Succession { topology, guests }));
        }
    }

    /// How often handlers were deployed anew.
    #[must_use]
    pub fn deployments(&self) -> usize {
        self.deployments
    }

    fn instance(&self, handler: HandlerIndex) -> (HandlerIndex, Box<dyn Guest>) {
        (handler, Box::new(self.handlers[handler].instance()))
    }
}
