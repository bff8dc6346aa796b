//! What the seed decides: which faults come, whose turn it is to be written, and how long it takes.

use std::ops::RangeInclusive;

use super::World;
use crate::log::simulated::ShardNumber;
use crate::log::simulated::faults::{Fate, Faults};
use crate::model::PartitionId;

/// Whoever has something to be written next.
#[derive(Clone, Copy)]
pub(super) enum Source {
    Shard(ShardNumber),
    Append(PartitionId),
}

impl World {
    /// Draws the faults that come by the tick.
    pub(super) fn disturb(&mut self) {
        if self.prng.chance(self.faults.revoke)
            && let Some((partition, to)) = self.draw_move()
        {
            self.revoke(partition, to);
        }
        if self.prng.chance(self.faults.lose)
            && let Some((partition, to)) = self.draw_move()
        {
            self.lose(partition, to);
        }
        if self.prng.chance(self.faults.fence) && !self.shards.is_empty() {
            let number = self.prng.index(self.shards.len());
            self.fence(number);
        }
        if self.prng.chance(self.faults.trim) {
            self.trim();
        }
    }

    fn draw_move(&mut self) -> Option<(PartitionId, ShardNumber)> {
        let live: Vec<_> = (0..self.shards.len()).filter(|s| !self.shards[*s].fenced).collect();
        let partitions: Vec<_> = self.owners.keys().copied().collect();
        if live.is_empty() || partitions.is_empty() {
            return None;
        }
        let partition = partitions[self.prng.index(partitions.len())];
        Some((partition, live[self.prng.index(live.len())]))
    }

    pub(super) fn draw(&mut self, ticks: impl FnOnce(&Faults) -> &RangeInclusive<u64>) -> u64 {
        let ticks = ticks(&self.faults);
        self.prng.between(*ticks.start(), *ticks.end())
    }

    pub(super) fn draw_source(&mut self) -> Option<Source> {
        if self.written_held {
            return None;
        }
        let tick = self.tick;
        let shards = self.shards.iter().enumerate().filter_map(|(number, shard)| {
            let is_due = shard.in_flight.front().is_some_and(|p| p.due <= tick);
            is_due.then_some(Source::Shard(number))
        });
        let appends = self.appends.iter().filter_map(|(partition, queue)| {
            let is_due = queue.front().is_some_and(|a| a.due <= tick);
            is_due.then_some(Source::Append(*partition))
        });
        let sources: Vec<_> = shards.chain(appends).collect();
        if sources.is_empty() {
            return None;
        }
        Some(sources[self.prng.index(sources.len())])
    }

    pub(super) fn write_from(&mut self, source: Source) {
        match source {
            Source::Shard(number) => match self.draw_fate() {
                Fate::Written | Fate::Refused => self.write_next_of(number),
                Fate::Aborted => self.abort(number),
                Fate::Doubted { happened } => self.doubt(number, happened),
            },
            Source::Append(partition) => self.write_append(partition),
        }
    }

    pub(super) fn is_refused(&mut self) -> bool {
        if self.script.front() == Some(&Fate::Refused) {
            self.script.pop_front();
            return true;
        }
        self.prng.chance(self.faults.refuse)
    }

    fn draw_fate(&mut self) -> Fate {
        if self.script.front().is_some_and(|fate| *fate != Fate::Refused) {
            return self.script.pop_front().unwrap_or(Fate::Written);
        }
        if self.prng.chance(self.faults.abort) {
            return Fate::Aborted;
        }
        if self.prng.chance(self.faults.doubt) {
            let happened = if self.prng.coin() { 0 } else { 1 + self.prng.index(3) };
            return Fate::Doubted { happened };
        }
        Fate::Written
    }
}
