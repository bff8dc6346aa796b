//! A shard's handle on the log: takes inputs, submits commits, hears of their progress.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use zamu_core::error::EngineError;
use zamu_core::log::{
    Commit, CommitId, InputPositions, Limit, LowWater, Ownership, Progress, ShardLog, TurnWrite,
};
use zamu_core::model::{
    Command, DeadLetterNumber, Event, EventNumber, Offset, PartitionId, Request, Stored, TurnNumber,
};

use crate::codec::{self, Names};
use crate::keys::Topic;
use crate::log::board::{Partition, Side, Waker};
use crate::log::ends::Ends;
use crate::log::jobs::{CommitFrame, CommitJob, Job, Reach};
use crate::log::shared::Shared;
use crate::log::tail::{Room, Tail};
use crate::log::view::StoredInput;

/// See [`ShardLog`] for what it promises.
pub struct EmbeddedShard {
    shared: Arc<Shared>,
    side: Arc<Side>,
    owned: HashMap<PartitionId, Owned, foldhash::fast::RandomState>,
    ownership: VecDeque<Ownership>,
    newest: CommitId,
    told: Told,
    names: Names,
}

/// A partition that the shard owns.
struct Owned {
    index: usize,
    /// What the partition's own topics continue with, submitted commits included.
    next: Ends,
    requests: Backlog<Request>,
    commands: Backlog<Command>,
}

/// What [`ShardLog::poll`] has told.
#[derive(Default)]
struct Told {
    written: CommitId,
    durable: CommitId,
    fenced: bool,
}

impl EmbeddedShard {
    /// Takes over partitions, from whoever owned them.
    pub(crate) fn new(
        shared: Arc<Shared>,
        partitions: &[PartitionId],
        waker: Waker,
    ) -> Result<Self, EngineError> {
        let side = Arc::new(Side::new(waker));
        let alone = shared.housekeep();
        let mut owned: HashMap<_, _, foldhash::fast::RandomState> = HashMap::default();
        for &partition in partitions {
            let index = shared.view.index(partition)?;
            if let Some(before) = shared.view.board.look(index, |known| known.owner.take()) {
                shared.queue.put_and_wait(Job::Fence(before))?;
            }
            owned.insert(partition, index);
        }
        // What former owners had submitted is durable then; what they submit from now on is nothing.
        shared.barrier(Reach::Durable)?;
        let take_over = |(partition, index)| {
            let next = shared.view.board.look(index, |known| {
                known.owner = Some(side.clone());
                known.written
            });
            let (requests, commands) = (Backlog::default(), Backlog::default());
            (partition, Owned { index, next, requests, commands })
        };
        let owned = owned.into_iter().map(take_over).collect();
        drop(alone);
        Ok(Self {
            shared,
            side,
            owned,
            ownership: partitions.iter().copied().map(Ownership::Assigned).collect(),
            newest: 0,
            told: Told::default(),
            names: Names::default(),
        })
    }

    fn check(&self) -> Result<(), EngineError> {
        self.shared.check()?;
        if self.side.is_fenced() {
            return Err(EngineError::Fenced("another shard has taken over".to_string()));
        }
        Ok(())
    }

    fn owned(&self, partition: PartitionId) -> Result<&Owned, EngineError> {
        self.check()?;
        self.owned.get(&partition).ok_or_else(|| {
            let name = self.shared.view.types.describe(partition);
            EngineError::Fenced(format!("partition {name} is not this shard's"))
        })
    }

    fn take<R: StoredInput>(
        &mut self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
        tail: impl FnOnce(&mut Partition) -> &mut Tail<R>,
        backlog: impl FnOnce(&mut Owned) -> &mut Backlog<R>,
    ) -> Result<Vec<Stored<R>>, EngineError> {
        let index = self.owned(partition)?.index;
        let view = &self.shared.view;
        let (taken, end) = view.board.look(index, |known| {
            let end = known.written.of(R::TOPIC);
            (tail(known).take(from, limit), end)
        });
        let Some(owned) = self.owned.get_mut(&partition) else { return Ok(Vec::new()) };
        let backlog = backlog(owned);
        if let Some(taken) = taken {
            backlog.records.clear();
            return Ok(taken);
        }
        backlog.take(from, end, limit, |from, limit| {
            view.input(index, from, end, limit, &mut self.names)
        })
    }

    /// Checks that a commit continues what this shard has submitted before, and packs it.
    fn pack(&self, commit: &Commit) -> Result<(Vec<CommitFrame>, usize), EngineError> {
        self.check()?;
        if commit.id <= self.newest {
            return Err(wrong(format!("commit {} follows commit {}", commit.id, self.newest)));
        }
        let (mut frames, mut bytes) = (Vec::new(), 0);
        for (i, turn) in commit.turns.iter().enumerate() {
            let owned = self.owned(turn.partition)?;
            if commit.turns[..i].iter().any(|other| other.partition == turn.partition) {
                return Err(wrong("a commit has two turns of one partition".to_string()));
            }
            self.check_numbers(turn, owned)?;
            bytes += self.pack_turn(turn, owned.index, &mut frames)?;
        }
        Ok((frames, bytes))
    }

    fn check_numbers(&self, turn: &TurnWrite, owned: &Owned) -> Result<(), EngineError> {
        let name = || self.shared.view.types.describe(turn.partition);
        let gapless = |what: &str, next: u64, numbers: &mut dyn Iterator<Item = u64>| {
            for (expected, number) in (next..).zip(numbers) {
                if number != expected {
                    return Err(wrong(format!(
                        "{what} {number} of {} where {expected} is next",
                        name()
                    )));
                }
            }
            Ok(())
        };
        gapless("turn", owned.next.outcomes, &mut std::iter::once(turn.turn))?;
        let events = &mut turn.events.iter().map(|event| event.number);
        gapless("event", owned.next.events, events)?;
        let dead_letters = &mut turn.dead_letters.iter().map(|(number, _)| *number);
        gapless("dead letter", owned.next.dead_letters, dead_letters)
    }

    fn pack_turn(
        &self,
        turn: &TurnWrite,
        index: usize,
        frames: &mut Vec<CommitFrame>,
    ) -> Result<usize, EngineError> {
        let types = &self.shared.view.types;
        let own = |topic, first, packed| CommitFrame { index, topic, first: Some(first), packed };
        let mut bytes = turn.outcome.len();
        if let Some(first) = turn.events.first() {
            let packed = codec::events::pack(&turn.events, types)?;
            bytes += packed.len();
            frames.push(own(Topic::Events, first.number, packed));
        }
        for (target, commands) in turn.commands.iter().filter(|(_, commands)| !commands.is_empty())
        {
            let index = self.shared.view.index(*target)?;
            let packed = codec::commands::pack(commands, types)?;
            bytes += packed.len();
            frames.push(CommitFrame { index, topic: Topic::Commands, first: None, packed });
        }
        if !turn.wakes.is_empty() {
            let packed = codec::requests::pack(turn.wakes.iter())?;
            bytes += packed.len();
            frames.push(CommitFrame { index, topic: Topic::Requests, first: None, packed });
        }
        let packed = codec::blobs::pack(vec![turn.outcome.clone()])?;
        frames.push(own(Topic::Outcomes, turn.turn, packed));
        if let Some((first, _)) = turn.dead_letters.first() {
            let letters: Vec<_> =
                turn.dead_letters.iter().map(|(_, letter)| letter.clone()).collect();
            let packed = codec::blobs::pack(letters)?;
            bytes += packed.len();
            frames.push(own(Topic::DeadLetters, *first, packed));
        }
        Ok(bytes)
    }

    /// Moves what comes next behind a commit that was taken.
    fn passed(&mut self, ends: Vec<(PartitionId, u64, u64)>) {
        for (partition, events, dead_letters) in ends {
            if let Some(owned) = self.owned.get_mut(&partition) {
                owned.next.outcomes += 1;
                owned.next.events += events;
                owned.next.dead_letters += dead_letters;
            }
        }
    }
}

impl ShardLog for EmbeddedShard {
    fn ownership(&mut self) -> Option<Ownership> {
        if self.side.is_fenced() {
            let lost = self.owned.drain().map(|(partition, _)| Ownership::Lost(partition));
            self.ownership.extend(lost);
        }
        self.ownership.pop_front()
    }

    fn give_up(&mut self, partition: PartitionId) {
        if let Some(owned) = self.owned.remove(&partition) {
            self.shared.view.board.look(owned.index, |known| {
                if known.owner.as_ref().is_some_and(|owner| Arc::ptr_eq(owner, &self.side)) {
                    known.owner = None;
                }
            });
        }
    }

    fn take_requests(
        &mut self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Request>>, EngineError> {
        self.take(partition, from, limit, |known| &mut known.requests, |owned| &mut owned.requests)
    }

    fn take_commands(
        &mut self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Command>>, EngineError> {
        self.take(partition, from, limit, |known| &mut known.commands, |owned| &mut owned.commands)
    }

    fn submit(&mut self, commit: Commit) -> Result<(), (Commit, EngineError)> {
        if self.shared.queue.is_full() {
            self.shared.counters.turned_away();
            return Err((commit, EngineError::Retry("the log's queue is full".to_string())));
        }
        let (frames, bytes) = match self.pack(&commit) {
            Ok(packed) => packed,
            Err(e) => return Err((commit, e)),
        };
        let id = commit.id;
        let ends = commit
            .turns
            .iter()
            .map(|turn| (turn.partition, turn.events.len() as u64, turn.dead_letters.len() as u64))
            .collect();
        let job = CommitJob { side: self.side.clone(), commit, frames, bytes };
        match self.shared.queue.put(Job::Commit(job)) {
            Ok(()) => {
                self.newest = id;
                self.passed(ends);
                Ok(())
            }
            Err(refused) => {
                self.shared.counters.turned_away();
                match *refused {
                    (Job::Commit(job), e) => Err((job.commit, e)),
                    // The queue gives back what it was given.
                    (_, e) => Err((Commit { id, turns: Vec::new() }, e)),
                }
            }
        }
    }

    fn poll(&mut self) -> Option<Progress> {
        // In this order, so that nothing is told as durable before it is told as written.
        let durable = self.side.durable.load(Ordering::Acquire);
        let written = self.side.written.load(Ordering::Acquire);
        if written > self.told.written {
            self.told.written = written;
            return Some(Progress::Written(written));
        }
        if durable > self.told.durable {
            self.told.durable = durable;
            return Some(Progress::Durable(durable));
        }
        let fenced = self.side.is_fenced() && self.told.durable == self.told.written;
        if fenced && !self.told.fenced {
            self.told.fenced = true;
            return Some(Progress::Fenced);
        }
        None
    }

    fn resolve(&mut self) -> Result<(), EngineError> {
        // This engine never leaves a commit unknown: what is submitted is written, or the process
        // ends.
        self.check()
    }

    fn read_events(
        &mut self,
        partition: PartitionId,
        from: EventNumber,
        limit: Limit,
    ) -> Result<Vec<Event>, EngineError> {
        let index = self.shared.view.index(partition)?;
        self.shared.view.events(index, from, limit, &mut self.names)
    }

    fn read_outcomes(
        &mut self,
        partition: PartitionId,
        from: TurnNumber,
        limit: Limit,
    ) -> Result<Vec<(TurnNumber, Bytes)>, EngineError> {
        self.shared.view.outcomes(self.shared.view.index(partition)?, from, limit)
    }

    fn oldest_turn(&mut self, partition: PartitionId) -> Result<TurnNumber, EngineError> {
        Ok(self.shared.view.oldest_turn(self.shared.view.index(partition)?))
    }

    fn last_outcome(
        &mut self,
        partition: PartitionId,
    ) -> Result<Option<(TurnNumber, Bytes)>, EngineError> {
        Ok(self.shared.view.last_outcome(self.shared.view.index(partition)?))
    }

    fn read_dead_letter(
        &mut self,
        partition: PartitionId,
        number: DeadLetterNumber,
    ) -> Result<Option<Bytes>, EngineError> {
        self.shared.view.dead_letter(self.shared.view.index(partition)?, number)
    }

    fn input_ends(&mut self, partition: PartitionId) -> InputPositions {
        match self.shared.view.index(partition) {
            Ok(index) => self.shared.view.board.look(index, |known| known.written.input()),
            Err(_) => InputPositions::default(),
        }
    }

    fn release(&mut self, partition: PartitionId, low_water: LowWater) {
        if let Ok(owned) = self.owned(partition) {
            let index = owned.index;
            self.shared.view.board.look(index, |known| known.low_water = Some(low_water));
        }
    }

    fn log_id(&self) -> Bytes {
        self.shared.view.log_id.clone()
    }
}

impl Drop for EmbeddedShard {
    fn drop(&mut self) {
        let partitions: Vec<_> = self.owned.keys().copied().collect();
        partitions.into_iter().for_each(|partition| self.give_up(partition));
    }
}

fn wrong(what: String) -> EngineError {
    EngineError::Fatal(format!("a commit does not fit the log: {what}"))
}

/// Records read back from frames, further than was asked for, so that small takes do not decode a
/// frame again and again.
struct Backlog<R> {
    records: VecDeque<Stored<R>>,
}

impl<R> Default for Backlog<R> {
    fn default() -> Self {
        Self { records: VecDeque::new() }
    }
}

/// What is read ahead.
const AHEAD: Limit = Limit { records: 2_048, bytes: 1 << 20 };

impl<R: StoredInput> Backlog<R> {
    fn take(
        &mut self,
        from: Offset,
        end: Offset,
        limit: Limit,
        mut read: impl FnMut(Offset, Limit) -> Result<Vec<Stored<R>>, EngineError>,
    ) -> Result<Vec<Stored<R>>, EngineError> {
        while self.records.front().is_some_and(|first| first.offset < from) {
            self.records.pop_front();
        }
        if self.records.front().is_some_and(|first| first.offset > from) {
            self.records.clear();
        }
        let mut room = Room::new(limit);
        let mut taken: Vec<Stored<R>> = Vec::new();
        while from + (taken.len() as u64) < end {
            let next = from + taken.len() as u64;
            let ahead = (next - from) as usize;
            if self.records.len() == ahead {
                self.records.extend(read(next, AHEAD)?);
            }
            let Some(stored) = self.records.get(ahead) else { break };
            if !room.admits(stored.record.cost()) {
                break;
            }
            taken.push(stored.clone());
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::codec::samples;

    const END: Offset = 5_000;

    fn stored(offset: Offset) -> Stored<Request> {
        let record = Request { body: vec![0; 1_000].into(), ..samples::bare_request() };
        Stored { offset, appended: zamu_core::model::Time(1), record }
    }

    #[test]
    fn a_backlog_reads_ahead_once_and_fills_every_limit() {
        let mut reads = Vec::new();
        let mut backlog = Backlog::default();
        let (mut from, mut seen) = (0, Vec::new());
        while from < END {
            let limit = Limit { records: 700, bytes: usize::MAX };
            let taken = backlog
                .take(from, END, limit, |from, limit| {
                    reads.push(from);
                    let count = (limit.bytes / 1_000).min(limit.records) as u64;
                    Ok((from..END).take(count as usize).map(stored).collect())
                })
                .unwrap();
            assert!(taken.len() == 700 || from + taken.len() as u64 == END, "from {from}");
            from += taken.len() as u64;
            seen.extend(taken.iter().map(|stored| stored.offset));
        }
        assert_eq!(seen, (0..END).collect::<Vec<_>>());
        assert_eq!(reads, [0, 1_048, 2_096, 3_144, 4_192]);
    }

    #[test]
    fn going_back_reads_again() {
        let mut backlog = Backlog::default();
        let limit = Limit { records: 3, bytes: usize::MAX };
        for from in [10, 4, 4_999, 11] {
            let taken = backlog
                .take(from, END, limit, |from, _| Ok((from..END).take(8).map(stored).collect()))
                .unwrap();
            assert_eq!(taken[0].offset, from);
        }
    }
}
