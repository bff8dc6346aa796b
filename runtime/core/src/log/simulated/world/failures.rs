//! What goes wrong, surely or perhaps: commits that are aborted or in doubt, and the end of a process
//! with whatever it had in flight.

use std::collections::VecDeque;

use super::World;
use super::owners::{Owner, fenced};
use super::shards::Shard;
use super::writes::Whose;
use crate::error::EngineError;
use crate::log::simulated::ShardNumber;
use crate::log::{Commit, CommitId, Progress};
use crate::model::PartitionId;

pub(super) struct Doubt {
    pub(super) first: CommitId,
    /// Those that happen, in order, and are not written yet.
    pub(super) happening: VecDeque<Commit>,
}

impl World {
    pub(crate) fn crash(&mut self) {
        self.counts.crashes += 1;
        self.write_some_in_flight();
        self.begin_process();
    }

    pub(crate) fn power_loss(&mut self, keep: Option<usize>) -> usize {
        self.counts.power_losses += 1;
        if keep.is_none() {
            self.write_some_in_flight();
        }
        let writes = self.undurable.len();
        let kept = keep.unwrap_or_else(|| self.prng.index(writes + 1));
        while self.undurable.len() > kept {
            self.undo_newest();
        }
        self.begin_process();
        writes
    }

    pub(crate) fn resolve(&mut self, number: ShardNumber) -> Result<(), EngineError> {
        if self.shards[number].fenced {
            return Err(fenced(number));
        }
        if self.shards[number].doubt.is_none() {
            return Ok(());
        }
        if self.durable_held || self.prng.chance(self.faults.unresolved) {
            return Err(EngineError::Retry("the log cannot tell yet".into()));
        }
        while self.write_doubted(number) {}
        while self.sync_oldest() {}
        let shard = &mut self.shards[number];
        if let Some(doubt) = shard.doubt.take() {
            shard.last_id = doubt.first - 1;
            shard.failing = false;
            shard.news.retain(|news| *news != Progress::Unknown(doubt.first));
        }
        self.pump();
        Ok(())
    }

    pub(super) fn abort(&mut self, number: ShardNumber) {
        self.counts.aborted += 1;
        if let Some(first) = self.shards[number].in_flight.front().map(|p| p.commit.id) {
            self.fail_from(number, first);
        }
    }

    /// This commit and all later ones of the shard will not happen. Those before it are written
    /// first, so that news come in the order of ids; while writing is held, they fail as well.
    pub(super) fn fail_from(&mut self, number: ShardNumber, first: CommitId) {
        let is_before =
            |shard: &Shard| shard.in_flight.front().is_some_and(|p| p.commit.id < first);
        while !self.written_held && is_before(&self.shards[number]) {
            self.write_next_of(number);
        }
        let shard = &mut self.shards[number];
        let first = shard.in_flight.front().map_or(first, |p| p.commit.id);
        shard.in_flight.clear();
        shard.failing = true;
        shard.news.push_back(Progress::Aborted(first));
    }

    /// Nothing that the shard has in flight on this partition will happen, nor what came after it.
    pub(super) fn lose_in_flight(&mut self, number: ShardNumber, partition: PartitionId) {
        let is_of = |commit: &Commit| commit.turns.iter().any(|t| t.partition == partition);
        let shard = &mut self.shards[number];
        if let Some(doubt) = &mut shard.doubt {
            let kept = doubt.happening.iter().position(is_of).unwrap_or(doubt.happening.len());
            doubt.happening.truncate(kept);
        }
        let first = shard.in_flight.iter().find(|p| is_of(&p.commit)).map(|p| p.commit.id);
        if let Some(first) = first {
            self.fail_from(number, first);
        }
    }

    pub(super) fn doubt(&mut self, number: ShardNumber, happened: usize) {
        let is_early = self.prng.coin();
        let shard = &mut self.shards[number];
        let Some(first) = shard.in_flight.front().map(|p| p.commit.id) else { return };
        let mut happening: VecDeque<_> = shard.in_flight.drain(..).map(|p| p.commit).collect();
        let all = happening.len();
        happening.truncate(happened);
        self.counts.doubted_happened += happening.len() as u64;
        self.counts.doubted_not += (all - happening.len()) as u64;
        shard.doubt = Some(Doubt { first, happening });
        shard.failing = true;
        shard.news.push_back(Progress::Unknown(first));
        if is_early {
            while self.write_doubted(number) {}
        }
    }

    /// Writes the next commit that is in doubt and happens. False if there is none.
    fn write_doubted(&mut self, number: ShardNumber) -> bool {
        let doubt = self.shards[number].doubt.as_mut();
        let Some(commit) = doubt.and_then(|d| d.happening.pop_front()) else { return false };
        self.write_commit(&commit, Whose::Untold);
        true
    }

    /// Of what a shard has in flight or in doubt, writes a drawn beginning and drops the rest.
    pub(super) fn write_some_of(&mut self, number: ShardNumber) {
        let shard = &mut self.shards[number];
        let doubted = shard.doubt.take().map_or_else(VecDeque::new, |d| d.happening);
        let waiting = shard.in_flight.drain(..).map(|p| p.commit);
        let mut commits: VecDeque<_> = doubted.into_iter().chain(waiting).collect();
        commits.truncate(self.prng.index(commits.len() + 1));
        for commit in commits {
            self.write_commit(&commit, Whose::Untold);
        }
    }

    /// What a process that dies may still get done.
    fn write_some_in_flight(&mut self) {
        for number in 0..self.shards.len() {
            self.write_some_of(number);
        }
        let waiting: Vec<_> = self.appends.keys().copied().collect();
        for partition in waiting {
            let queued = self.appends.get(&partition).map_or(0, VecDeque::len);
            for _ in 0..self.prng.index(queued + 1) {
                self.write_append(partition);
            }
        }
    }

    fn undo_newest(&mut self) {
        if let Some(written) = self.undurable.pop_back() {
            self.counts.writes_lost += 1;
            for (partition, ends) in written.before {
                self.partitions.entry(partition).or_default().truncate(ends);
            }
            if let Whose::Append(done, _) = written.whose {
                self.news.never_told.push(done);
            }
        }
    }

    /// A new process finds what is written, and makes it durable before anything else.
    fn begin_process(&mut self) {
        self.process += 1;
        self.shards.clear();
        let unwritten = std::mem::take(&mut self.appends).into_values().flatten();
        self.news.never_told.extend(unwritten.map(|append| append.done));
        while let Some(mut written) = self.undurable.pop_front() {
            if let Whose::Append(done, _) = std::mem::replace(&mut written.whose, Whose::Untold) {
                self.news.never_told.push(done);
            }
            for (partition, ends) in written.after {
                self.partitions.entry(partition).or_default().sync(ends);
            }
        }
        self.owners.values_mut().for_each(|owner| *owner = Owner::Nobody);
    }
}
