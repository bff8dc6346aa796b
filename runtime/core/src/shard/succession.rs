//! A swap: other versions of handlers take over between two steps, and so between two turns of every
//! partition. Turns that are on their way to the log stay what they are; the next one is decided by
//! the new versions, and its batch record and its commands say so.

use std::sync::Arc;

use super::Shard;
use crate::guest::Guest;
use crate::topology::{HandlerIndex, Topology};

/// What takes over from what a shard has.
pub struct Succession {
    /// A later deployment, that may succeed the one in force: see
    /// [`Topology::may_be_succeeded_by`].
    pub topology: Arc<Topology>,
    /// Instances of the handlers that are replaced. All others go on with theirs.
    pub guests: Vec<(HandlerIndex, Box<dyn Guest>)>,
}

impl Shard {
    /// Has the handlers of the next deployment decide from now on. Gives back what was replaced, to be
    /// dropped where nobody waits for it.
    pub fn succeed(&mut self, mut next: Succession) -> Succession {
        debug_assert!(next.topology.deployment > self.parts.topology.deployment, "one by one");
        std::mem::swap(&mut self.parts.topology, &mut next.topology);
        for (handler, guest) in &mut next.guests {
            std::mem::swap(&mut self.parts.guests[*handler], guest);
        }
        let replaced: Vec<HandlerIndex> = next.guests.iter().map(|(handler, _)| *handler).collect();
        for partition in self.partitions.values_mut() {
            partition.succeed(&replaced, &self.parts.topology);
        }
        next
    }
}
