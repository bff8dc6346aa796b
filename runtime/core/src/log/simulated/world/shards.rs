//! A shard of the process: what it has in flight, what it has yet to hear, and how it submits.

use std::collections::VecDeque;

use super::World;
use super::failures::Doubt;
use super::owners::{Owner, fenced};
use crate::error::EngineError;
use crate::log::simulated::ShardNumber;
use crate::log::{Commit, CommitId, Ownership, Progress};
use crate::model::PartitionId;

#[derive(Default)]
pub(super) struct Shard {
    pub(super) in_flight: VecDeque<Pending>,
    pub(super) doubt: Option<Doubt>,
    /// `Aborted` or `Unknown` stands in `news`: what is submitted meanwhile shares that fate.
    pub(super) failing: bool,
    pub(super) fenced: bool,
    pub(super) last_id: CommitId,
    pub(super) news: VecDeque<Progress>,
    pub(super) moves: VecDeque<Ownership>,
}

pub(super) struct Pending {
    pub(super) commit: Commit,
    pub(super) due: u64,
}

impl Shard {
    pub(super) fn has_yet_to_hear(&self, news: Ownership) -> bool {
        self.moves.contains(&news)
    }

    fn next_progress(&mut self) -> Option<Progress> {
        let progress = self.news.pop_front()?;
        match progress {
            Progress::Aborted(first) => {
                self.failing = false;
                self.last_id = first - 1;
            }
            Progress::Unknown(_) => self.failing = false,
            Progress::Written(_) | Progress::Durable(_) | Progress::Fenced => {}
        }
        Some(progress)
    }
}

impl World {
    pub(crate) fn add_shard(&mut self, partitions: &[PartitionId]) -> ShardNumber {
        let number = self.shards.len();
        self.shards.push(Shard::default());
        for partition in partitions {
            if !self.lose(*partition, number) {
                self.owners.insert(*partition, Owner::Joining(number));
            }
        }
        self.pump();
        number
    }

    pub(crate) fn next_progress(&mut self, shard: ShardNumber) -> Option<Progress> {
        self.shards[shard].next_progress()
    }

    pub(crate) fn submit(
        &mut self,
        number: ShardNumber,
        commit: Commit,
    ) -> Result<(), (Commit, EngineError)> {
        let shard = &self.shards[number];
        if shard.fenced {
            return Err((commit, fenced(number)));
        }
        if shard.failing {
            // The shard has not heard yet; the news that waits for it holds for this commit too.
            return Ok(());
        }
        if self.is_refused() {
            self.counts.refused += 1;
            return Err((commit, EngineError::Retry("the log is busy".into())));
        }
        if let Err(reason) = self.check_commit(number, &commit) {
            return Err((commit, EngineError::Fatal(reason)));
        }
        let last_due = self.shards[number].in_flight.back().map_or(0, |p| p.due);
        let due = last_due.max(self.tick + self.draw(|f| &f.write_ticks));
        let shard = &mut self.shards[number];
        shard.last_id = commit.id;
        if commit.turns.iter().any(|t| shard.has_yet_to_hear(Ownership::Lost(t.partition))) {
            // Taken, and surely not happening.
            self.fail_from(number, commit.id);
            return Ok(());
        }
        shard.in_flight.push_back(Pending { commit, due });
        self.pump();
        Ok(())
    }

    pub(super) fn tell(&mut self, number: ShardNumber, progress: Progress) {
        let is_merged = self.prng.chance(self.faults.coalesce);
        let shard = &mut self.shards[number];
        if shard.fenced {
            return;
        }
        if is_merged && shard.news.back().is_some_and(|last| implies(progress, *last)) {
            shard.news.pop_back();
        }
        shard.news.push_back(progress);
    }
}

/// Whether the newer piece of news says all that the older one did.
fn implies(newer: Progress, older: Progress) -> bool {
    match (newer, older) {
        (Progress::Durable(n), Progress::Durable(o) | Progress::Written(o))
        | (Progress::Written(n), Progress::Written(o)) => o <= n,
        _ => false,
    }
}
