//! What is written, and becomes durable in the one order in which it was.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::World;
use super::shards::Pending;
use crate::error::EngineError;
use crate::log::simulated::ShardNumber;
use crate::log::simulated::topics::Ends;
use crate::log::{AppendDone, Appended, Commit, CommitId, Progress};
use crate::model::{PartitionId, Request};

pub(super) struct Append {
    pub(super) requests: Vec<Request>,
    pub(super) done: AppendDone,
    pub(super) due: u64,
}

/// One write, with what it takes to undo it and to make it durable.
pub(super) struct Written {
    pub(super) due: u64,
    pub(super) before: BTreeMap<PartitionId, Ends>,
    pub(super) after: BTreeMap<PartitionId, Ends>,
    pub(super) whose: Whose,
}

pub(super) enum Whose {
    Commit(ShardNumber, CommitId),
    /// Nobody is told: the commit was in doubt, or its shard is gone.
    Untold,
    Append(AppendDone, Appended),
}

impl Written {
    pub(super) fn has_turn_of(&self, partition: PartitionId) -> bool {
        let turn = |ends: &BTreeMap<_, Ends>| ends.get(&partition).map(|e| e.turn);
        turn(&self.before) != turn(&self.after)
    }
}

impl World {
    pub(crate) fn append(
        &mut self,
        process: u64,
        partition: PartitionId,
        requests: Vec<Request>,
        done: AppendDone,
    ) {
        if let Err(error) = self.check_alive(process) {
            self.news.told.push((done, Err(error)));
            return;
        }
        if self.prng.chance(self.faults.reject) {
            self.counts.rejected += 1;
            self.news.told.push((done, Err(EngineError::Retry("the log is busy".into()))));
            return;
        }
        let due = self.tick + self.draw(|f| &f.write_ticks);
        let queue = self.appends.entry(partition).or_default();
        let due = due.max(queue.back().map_or(0, |a| a.due));
        queue.push_back(Append { requests, done, due });
        self.pump();
    }

    pub(super) fn write_next_of(&mut self, number: ShardNumber) {
        if let Some(Pending { commit, .. }) = self.shards[number].in_flight.pop_front() {
            let id = commit.id;
            self.write_commit(&commit, Whose::Commit(number, id));
            self.tell(number, Progress::Written(id));
        }
    }

    pub(super) fn write_commit(&mut self, commit: &Commit, whose: Whose) {
        self.counts.written += 1;
        let has_gap = self.prng.chance(self.faults.gap);
        let touched = touched(commit);
        let before = self.ends_of(&touched);
        for turn in &commit.turns {
            self.partitions.entry(turn.partition).or_default().append_turn(turn, self.now);
            for (target, commands) in &turn.commands {
                let track = &mut self.partitions.entry(*target).or_default().commands;
                for command in commands {
                    track.append(command.clone(), self.now);
                }
                if has_gap {
                    track.skip();
                }
            }
        }
        self.push_written(before, &touched, whose);
    }

    pub(super) fn write_append(&mut self, partition: PartitionId) {
        let Some(Append { requests, done, .. }) =
            self.appends.get_mut(&partition).and_then(VecDeque::pop_front)
        else {
            return;
        };
        let touched = BTreeSet::from([partition]);
        let before = self.ends_of(&touched);
        let has_gap = self.prng.chance(self.faults.gap);
        let track = &mut self.partitions.entry(partition).or_default().requests;
        let appended = Appended { first: track.next(), time: track.time_at(self.now) };
        for request in requests {
            track.append(request, self.now);
        }
        if has_gap {
            track.skip();
        }
        self.push_written(before, &touched, Whose::Append(done, appended));
    }

    fn push_written(
        &mut self,
        before: BTreeMap<PartitionId, Ends>,
        touched: &BTreeSet<PartitionId>,
        whose: Whose,
    ) {
        let last_due = self.undurable.back().map_or(0, |written| written.due);
        let due = last_due.max(self.tick + self.draw(|f| &f.sync_ticks));
        let after = self.ends_of(touched);
        self.undurable.push_back(Written { due, before, after, whose });
    }

    fn ends_of(&mut self, partitions: &BTreeSet<PartitionId>) -> BTreeMap<PartitionId, Ends> {
        let ends = |p: &PartitionId| (*p, self.partitions.entry(*p).or_default().written());
        partitions.iter().map(ends).collect()
    }

    /// Makes the oldest undurable write durable. False if there is none.
    pub(super) fn sync_oldest(&mut self) -> bool {
        let Some(written) = self.undurable.pop_front() else { return false };
        for (partition, ends) in written.after {
            self.partitions.entry(partition).or_default().sync(ends);
        }
        match written.whose {
            Whose::Commit(shard, id) => self.tell(shard, Progress::Durable(id)),
            Whose::Append(done, appended) => self.news.told.push((done, Ok(appended))),
            Whose::Untold => {}
        }
        true
    }
}

/// All partitions that a commit writes to.
fn touched(commit: &Commit) -> BTreeSet<PartitionId> {
    let turns = commit.turns.iter();
    turns.flat_map(|t| t.commands.iter().map(|(p, _)| *p).chain([t.partition])).collect()
}
