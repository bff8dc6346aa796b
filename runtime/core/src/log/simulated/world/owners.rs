//! Whose a partition is, and how it comes to another owner: given up when asked, taken away, or lost
//! with all that a fenced shard has.

use super::World;
use crate::error::EngineError;
use crate::log::simulated::ShardNumber;
use crate::log::{Commit, Ownership, Progress};
use crate::model::PartitionId;

/// Whose a partition is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Nobody,
    Shard(ShardNumber),
    /// Asked to give it up.
    Leaving {
        from: ShardNumber,
        to: ShardNumber,
    },
    /// Assigned once all that is in flight on it has come to its end.
    Joining(ShardNumber),
}

impl World {
    pub(crate) fn revoke(&mut self, partition: PartitionId, to: ShardNumber) -> bool {
        let Some(Owner::Shard(from)) = self.owners.get(&partition).copied() else { return false };
        self.counts.revoked += 1;
        self.owners.insert(partition, Owner::Leaving { from, to });
        self.shards[from].moves.push_back(Ownership::Revoked(partition));
        true
    }

    pub(crate) fn lose(&mut self, partition: PartitionId, to: ShardNumber) -> bool {
        let from = match self.owners.get(&partition).copied() {
            Some(Owner::Shard(from) | Owner::Leaving { from, .. }) => from,
            Some(Owner::Joining(_) | Owner::Nobody) | None => return false,
        };
        self.counts.lost += 1;
        self.lose_in_flight(from, partition);
        self.shards[from].moves.push_back(Ownership::Lost(partition));
        self.owners.insert(partition, Owner::Joining(to));
        self.pump();
        true
    }

    pub(crate) fn fence(&mut self, number: ShardNumber) {
        if self.shards[number].fenced {
            return;
        }
        self.counts.fenced += 1;
        self.write_some_of(number);
        let shard = &mut self.shards[number];
        shard.fenced = true;
        shard.failing = false;
        shard.moves.clear();
        shard.news.push_back(Progress::Fenced);
        for owner in self.owners.values_mut() {
            let is_its = match *owner {
                Owner::Shard(s) | Owner::Joining(s) => s == number,
                Owner::Leaving { from, .. } => from == number,
                Owner::Nobody => false,
            };
            if is_its {
                *owner = Owner::Nobody;
            }
        }
    }

    pub(crate) fn orphans(&self) -> Vec<PartitionId> {
        let orphans = self.owners.iter().filter(|(_, owner)| **owner == Owner::Nobody);
        orphans.map(|(partition, _)| *partition).collect()
    }

    pub(crate) fn next_move(&mut self, shard: ShardNumber) -> Option<Ownership> {
        self.shards[shard].moves.pop_front()
    }

    pub(crate) fn give_up(&mut self, shard: ShardNumber, partition: PartitionId) {
        let to = match self.owners.get(&partition).copied() {
            Some(Owner::Leaving { from, to }) if from == shard => to,
            // Given up without being asked: it comes back once it is settled.
            Some(Owner::Shard(owner)) if owner == shard => shard,
            _ => return,
        };
        self.owners.insert(partition, Owner::Joining(to));
        self.pump();
    }

    /// Assigns the partitions whose past is settled.
    pub(super) fn hand_over(&mut self) {
        let joining = self.owners.iter().filter_map(|(partition, owner)| match owner {
            Owner::Joining(to) => Some((*partition, *to)),
            _ => None,
        });
        let settled: Vec<_> =
            joining.filter(|(partition, _)| self.is_settled(*partition)).collect();
        for (partition, to) in settled {
            let owner = match self.shards.get_mut(to) {
                Some(shard) if !shard.fenced => {
                    shard.moves.push_back(Ownership::Assigned(partition));
                    Owner::Shard(to)
                }
                _ => Owner::Nobody,
            };
            self.owners.insert(partition, owner);
        }
    }

    /// Whether no turn of the partition is in flight, in doubt or not durable yet.
    fn is_settled(&self, partition: PartitionId) -> bool {
        let is_of = |commit: &Commit| commit.turns.iter().any(|t| t.partition == partition);
        let is_moving = self.shards.iter().any(|shard| {
            shard.in_flight.iter().any(|p| is_of(&p.commit))
                || shard.doubt.as_ref().is_some_and(|d| d.happening.iter().any(is_of))
        });
        !is_moving && !self.undurable.iter().any(|written| written.has_turn_of(partition))
    }

    pub(super) fn owns(&self, shard: ShardNumber, partition: PartitionId) -> bool {
        match self.owners.get(&partition) {
            Some(Owner::Shard(owner)) => *owner == shard,
            Some(Owner::Leaving { from, .. }) => *from == shard,
            _ => false,
        }
    }

    /// An error if the shard knows that it may not; false if it has not heard yet.
    pub(super) fn may_take(
        &self,
        number: ShardNumber,
        partition: PartitionId,
    ) -> Result<bool, EngineError> {
        let shard = &self.shards[number];
        if shard.fenced {
            return Err(fenced(number));
        }
        let is_behind = shard.has_yet_to_hear(Ownership::Lost(partition))
            || shard.has_yet_to_hear(Ownership::Assigned(partition));
        if is_behind || self.owns(number, partition) {
            return Ok(!is_behind);
        }
        Err(EngineError::Fatal(format!("shard {number} does not own {partition:?}")))
    }
}

pub(super) fn fenced(number: ShardNumber) -> EngineError {
    EngineError::Fenced(format!("shard {number}: another owner has taken over"))
}
