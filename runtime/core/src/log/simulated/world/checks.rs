//! The rules of the seam for what a shard submits: ids, owners, numbers and positions.

use std::collections::BTreeSet;

use super::World;
use super::owners::Owner;
use super::shards::Shard;
use crate::log::simulated::ShardNumber;
use crate::log::simulated::topics::{Ends, Topics};
use crate::log::{Commit, InputPositions, Ownership, TurnWrite};
use crate::model::PartitionId;

impl World {
    pub(super) fn check_commit(&self, number: ShardNumber, commit: &Commit) -> Result<(), String> {
        let shard = &self.shards[number];
        if let Some(doubt) = &shard.doubt {
            return Err(format!("commit {} before resolving commit {}", commit.id, doubt.first));
        }
        if commit.id <= shard.last_id {
            return Err(format!("commit {} after commit {}", commit.id, shard.last_id));
        }
        let mut partitions = BTreeSet::new();
        for turn in &commit.turns {
            if !partitions.insert(turn.partition) {
                return Err(format!("commit {} has two turns of {:?}", commit.id, turn.partition));
            }
            self.check_turn(number, turn)?;
        }
        Ok(())
    }

    fn check_turn(&self, number: ShardNumber, turn: &TurnWrite) -> Result<(), String> {
        let shard = &self.shards[number];
        let partition = turn.partition;
        if shard.has_yet_to_hear(Ownership::Lost(partition)) {
            return Ok(());
        }
        if !self.owns(number, partition) || shard.has_yet_to_hear(Ownership::Assigned(partition)) {
            return Err(format!("shard {number} does not own {partition:?}"));
        }
        if matches!(self.owners.get(&partition), Some(Owner::Leaving { .. }))
            && !shard.has_yet_to_hear(Ownership::Revoked(partition))
        {
            return Err(format!("a new turn of {partition:?}, which was revoked"));
        }
        check_numbers(turn, self.expected(shard, partition), self.input_ends(partition))
    }

    /// How far a partition will be written once all that its owner has in flight is.
    fn expected(&self, shard: &Shard, partition: PartitionId) -> Ends {
        let mut ends = self.partitions.get(&partition).map(Topics::written).unwrap_or_default();
        let in_flight = shard.in_flight.iter().flat_map(|p| &p.commit.turns);
        for turn in in_flight.filter(|turn| turn.partition == partition) {
            ends.turn = turn.turn;
            ends.events += turn.events.len() as u64;
            ends.dead_letter += turn.dead_letters.len() as u64;
            ends.input = turn.input;
        }
        ends
    }
}

fn check_numbers(turn: &TurnWrite, last: Ends, written: InputPositions) -> Result<(), String> {
    let partition = turn.partition;
    let wrong = |what: &str, found: u64, expected: u64| {
        Err(format!("{partition:?}: {what} {found}, expected {expected}"))
    };
    if turn.turn != last.turn + 1 {
        return wrong("turn", turn.turn, last.turn + 1);
    }
    for (event, expected) in turn.events.iter().zip(last.events..) {
        if event.number != expected {
            return wrong("event", event.number, expected);
        }
    }
    for ((number, _), expected) in turn.dead_letters.iter().zip(last.dead_letter + 1..) {
        if *number != expected {
            return wrong("dead letter", *number, expected);
        }
    }
    let positions = [
        ("requests", turn.input.requests, last.input.requests, written.requests),
        ("commands", turn.input.commands, last.input.commands, written.commands),
    ];
    for (topic, position, low, high) in positions {
        if position < low || position > high.max(low) {
            return Err(format!(
                "{partition:?}: position {position} in {topic}, expected {low} to {high}"
            ));
        }
    }
    Ok(())
}
