//! A swap: other versions of handlers take over, and event handlers are added, between two steps, and so between two turns of every
//! partition. Turns that are on their way to the log stay what they are; the next one is decided by
//! the new versions, and its batch record and its commands say so.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Shard;
use crate::failpoints;
use crate::guest::Guest;
use crate::model::DeploymentNumber;
use crate::topology::{HandlerIndex, Topology};

/// What takes over from what a shard has.
pub struct Succession {
    /// A later deployment, that may succeed the one in force: see
    /// [`Topology::may_be_succeeded_by`].
    pub topology: Arc<Topology>,
    /// Instances of the handlers that are replaced or new, by their index in this topology. All others
    /// go on with theirs.
    pub guests: Vec<(HandlerIndex, Box<dyn Guest>)>,
}

impl Shard {
    /// Has the handlers of the next deployment decide from now on. Gives back the instances that were
    /// replaced, to be dropped where nobody waits for it.
    pub fn succeed(&mut self, next: Succession) -> Vec<Box<dyn Guest>> {
        let Succession { topology, guests } = next;
        debug_assert!(topology.deployment > self.parts.topology.deployment, "one by one");
        let before = std::mem::replace(&mut self.parts.topology, topology);
        let replaced: Vec<HandlerIndex> = guests.iter().map(|(handler, _)| *handler).collect();
        let mut old = self.seat(&before, guests);
        if failpoints::fires(failpoints::SUCCEED_IN_NAME) && old.len() == replaced.len() {
            for (handler, guest) in replaced.iter().zip(&mut old) {
                std::mem::swap(&mut self.parts.guests[*handler], guest);
            }
        }
        for partition in self.partitions.values_mut() {
            if partition.succeed(&replaced, &self.parts.topology) {
                partition.restore_again(&self.parts.settings);
            }
        }
        old
    }

    /// The deployment whose handlers decide.
    #[must_use]
    pub fn deployment(&self) -> DeploymentNumber {
        self.parts.topology.deployment
    }

    /// Puts every instance in its place in the topology. Gives those that have none any more.
    fn seat(
        &mut self,
        before: &Topology,
        guests: Vec<(HandlerIndex, Box<dyn Guest>)>,
    ) -> Vec<Box<dyn Guest>> {
        let names = before.handlers.iter().map(|handler| &handler.spec.name);
        let mut had: BTreeMap<_, _> = names.zip(std::mem::take(&mut self.parts.guests)).collect();
        let mut given: BTreeMap<_, _> = guests.into_iter().collect();
        let mut old = Vec::new();
        for (index, handler) in self.parts.topology.handlers.iter().enumerate() {
            let its = had.remove(&handler.spec.name);
            match given.remove(&index) {
                Some(guest) => {
                    self.parts.guests.push(guest);
                    old.extend(its);
                }
                None => self.parts.guests.extend(its),
            }
        }
        old.extend(had.into_values());
        old
    }
}
