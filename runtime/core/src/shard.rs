//! A shard: one thread's worth of partitions, advanced by [`Shard::step`].
//!
//! A step listens to the log (ownership, progress of commits), restores what is not ready, computes
//! one turn of each partition that has input and commits them together, and flushes. It never
//! waits: whoever owns the thread parks it until [`Step::Wait`]'s time or until the log wakes it.

mod reading;
mod succession;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::error::EngineError;
use crate::failpoints;
use crate::guest::Guest;
use crate::log::{Commit, CommitId, Ownership, Progress, ShardLog};
use crate::model::{PartitionId, Time};
use crate::observer::Observer;
use crate::partition::{Partition, Status, Stop, Tools};
use crate::proto::BatchRecord;
use crate::references::References;
use crate::settings::Settings;
use crate::store::Store;
use crate::topology::Topology;

pub use reading::{PartitionView, ReadError};
pub use succession::Succession;

/// What a shard is made of.
pub struct Parts {
    /// The log, as this shard sees it.
    pub log: Box<dyn ShardLog>,
    /// The store.
    pub store: Box<dyn Store>,
    /// One instance per handler of the topology, in its order.
    pub guests: Vec<Box<dyn Guest>>,
    /// Who does what.
    pub topology: Arc<Topology>,
    /// What guests may look up.
    pub references: References,
    /// The bounds.
    pub settings: Settings,
    /// Who listens.
    pub observer: Box<dyn Observer>,
}

/// What to do after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There may be more to do at once.
    Again,
    /// Nothing to do before this time (or ever, if `None`) unless the log wakes the shard.
    Wait(Option<Time>),
    /// Another owner has taken over: this shard is done.
    Fenced,
}

/// Something that the outside world may now know.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A turn is durable: its outcomes are the answers to its requests.
    Durable {
        /// The partition.
        partition: PartitionId,
        /// What the turn did.
        record: Arc<BatchRecord>,
    },
}

/// One thread's worth of partitions.
pub struct Shard {
    parts: Parts,
    partitions: BTreeMap<PartitionId, Partition>,
    /// The last partition that had a turn.
    last: Option<PartitionId>,
    /// The last partition that had a chunk of work on the store.
    flushed: Option<PartitionId>,
    /// An engine has asked in this step to try again.
    later: bool,
    next_commit: CommitId,
    /// Submitted, with the clock at submission, and not durable yet.
    in_flight: VecDeque<(CommitId, u64)>,
    written: CommitId,
    /// Refused by the log and not happened: to be submitted again.
    refused: Option<Commit>,
    /// Outcome unknown: nothing goes on before the log has settled it.
    unsettled: bool,
    fenced: bool,
    /// Set once it is to come to rest: by how many milliseconds flushes come sooner.
    winding_down: Option<u64>,
    effects: Vec<Effect>,
}

impl Shard {
    /// A shard that owns nothing yet; the log will tell.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            partitions: BTreeMap::new(),
            last: None,
            flushed: None,
            later: false,
            next_commit: 1,
            in_flight: VecDeque::new(),
            written: 0,
            refused: None,
            unsettled: false,
            fenced: false,
            winding_down: None,
            effects: Vec::new(),
        }
    }

    /// Does the next piece of work, without waiting.
    pub fn step(&mut self, now: Time) -> Step {
        if self.fenced {
            return Step::Fenced;
        }
        self.later = false;
        let mut busy = self.change_ownership();
        busy |= self.follow_progress();
        if self.unsettled {
            return if self.settle() { Step::Again } else { Step::Wait(Some(now.plus_ms(1))) };
        }
        busy |= self.tell_owed();
        busy |= self.restore(now);
        busy |= self.wait_for_tables();
        busy |= self.commit(now);
        busy |= self.flush(now.plus_ms(self.winding_down.unwrap_or(0)));
        self.leave();
        if self.fenced {
            Step::Fenced
        } else if busy {
            Step::Again
        } else {
            Step::Wait(self.next_due(now))
        }
    }

    /// What the outside world may know since this was last asked.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The process is about to end: nobody is woken and nobody catches up any more (the next process
    /// will), and what would be flushed within so many milliseconds is flushed at once.
    pub fn wind_down(&mut self, ahead_ms: u64) {
        self.winding_down = Some(ahead_ms);
    }

    /// Lets a paused partition go on. Returns whether it was paused.
    pub fn resume(&mut self, partition: PartitionId) -> bool {
        self.partitions.get_mut(&partition).is_some_and(Partition::resume)
    }

    /// Whether nothing is in flight or about to be, and every changed aggregate is in the store, as far as it can
    /// still be: a partition that is out of service is left as it is.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let is_submitted = self.refused.is_none() && self.in_flight.is_empty();
        is_submitted && self.partitions.values().all(Partition::is_quiet)
    }

    fn change_ownership(&mut self) -> bool {
        let mut busy = false;
        while let Some(change) = self.parts.log.ownership() {
            busy = true;
            if !matches!(change, Ownership::Assigned(_)) {
                self.recompute_refused();
            }
            match change {
                Ownership::Assigned(id) => {
                    self.partitions.insert(id, Partition::new(id, &self.parts.settings));
                }
                Ownership::Revoked(id) => {
                    if let Some(partition) = self.partitions.get_mut(&id) {
                        partition.status = Status::Leaving;
                    } else {
                        self.parts.log.give_up(id);
                    }
                }
                Ownership::Lost(id) => {
                    self.partitions.remove(&id);
                }
            }
        }
        busy
    }

    fn follow_progress(&mut self) -> bool {
        let mut busy = false;
        while let Some(progress) = self.parts.log.poll() {
            busy = true;
            match progress {
                Progress::Written(commit) => {
                    self.written = self.written.max(commit);
                    if failpoints::fires(failpoints::ANSWER_BEFORE_DURABLE) {
                        self.make_durable(commit);
                    }
                }
                Progress::Durable(commit) => {
                    self.written = self.written.max(commit);
                    self.make_durable(commit);
                }
                Progress::Aborted(commit) => self.discard_from(commit),
                Progress::Unknown(_) => self.unsettled = true,
                Progress::Fenced => self.fence(),
            }
        }
        busy
    }

    fn make_durable(&mut self, commit: CommitId) {
        while let Some((_, submitted)) = self.in_flight.pop_front_if(|(id, _)| *id <= commit) {
            let now = self.parts.observer.clock_ns();
            self.parts.observer.durable(now.saturating_sub(submitted));
        }
        for partition in self.partitions.values_mut() {
            let id = partition.id;
            let records = partition.make_durable(commit);
            let effects =
                records.into_iter().map(|record| Effect::Durable { partition: id, record });
            self.effects.extend(effects);
        }
    }

    fn discard_from(&mut self, commit: CommitId) {
        self.in_flight.retain(|(id, _)| *id < commit);
        self.refused = None;
        for partition in self.partitions.values_mut() {
            partition.discard_from(commit);
        }
    }

    /// A commit that the log has refused surely did not happen: it is computed again, from what the
    /// shard owns by then.
    fn recompute_refused(&mut self) {
        if let Some(commit) = self.refused.take() {
            self.discard_from(commit.id);
        }
    }

    fn fence(&mut self) {
        self.fenced = true;
        self.partitions.clear();
        self.in_flight.clear();
        self.refused = None;
    }

    /// Waits for the log to know what became of doubtful commits, then begins again from the truth.
    fn settle(&mut self) -> bool {
        match self.parts.log.resolve() {
            Err(EngineError::Retry(_)) => return false,
            Err(_) => {
                self.fence();
                return true;
            }
            Ok(()) => {}
        }
        self.unsettled = false;
        self.in_flight.clear();
        self.refused = None;
        self.written = self.next_commit - 1;
        for partition in self.partitions.values_mut() {
            partition.start_over(&self.parts.settings);
        }
        true
    }

    /// Tells of turns that were found durable after doubtful commits were settled.
    fn tell_owed(&mut self) -> bool {
        let mut busy = false;
        for partition in self.partitions.values_mut().filter(|p| p.owes()) {
            match partition.take_owed(&mut *self.parts.log) {
                Ok(records) => {
                    let partition = partition.id;
                    let effects = records.into_iter();
                    self.effects
                        .extend(effects.map(|record| Effect::Durable { partition, record }));
                    busy = true;
                }
                Err(EngineError::Retry(_)) => {}
                // The restore meets the same, and halts.
                Err(_) => partition.drop_owed(),
            }
        }
        busy
    }

    fn restore(&mut self, now: Time) -> bool {
        let mut busy = false;
        let mut unflushed = self.unflushed_bytes();
        for partition in self.partitions.values_mut() {
            let waits = partition.tries_again().is_some_and(|until| now < until);
            let full = unflushed >= self.parts.settings.changed_bytes_max;
            if partition.status != Status::Restoring || waits || full {
                continue;
            }
            unflushed -= partition.unflushed_bytes();
            let restored = partition.restore_chunk(&mut tools(&mut self.parts));
            unflushed += partition.unflushed_bytes();
            match restored {
                Ok(_) => busy = true,
                Err(Stop::Later) => self.later = true,
                Err(Stop::Host(reason)) => {
                    let Parts { settings, observer, .. } = &mut self.parts;
                    partition.trouble(&reason, now, settings, &mut **observer);
                }
                Err(Stop::Pause { reason, blamed }) => {
                    partition.halt(reason, &mut *self.parts.observer);
                    partition.blame(blamed);
                }
                Err(Stop::Halt(reason) | Stop::Unready(reason)) => {
                    partition.halt(reason, &mut *self.parts.observer);
                }
            }
        }
        busy
    }

    /// Returns whether a partition goes on that had waited for a reference table.
    fn wait_for_tables(&mut self) -> bool {
        let Parts { references, topology, .. } = &self.parts;
        let partitions = self.partitions.values_mut();
        partitions.fold(false, |busy, of| of.wait_for_tables(references, topology) | busy)
    }

    /// Computes one turn of each partition that has input, and submits them as one commit.
    fn commit(&mut self, now: Time) -> bool {
        if let Some(commit) = self.refused.take() {
            return self.submit(commit);
        }
        let unwritten = self.in_flight.iter().filter(|(id, _)| *id > self.written).count();
        let full = self.unflushed_bytes() >= self.parts.settings.changed_bytes_max;
        if unwritten > 1 || self.in_flight.len() >= self.parts.settings.commits_in_flight || full {
            return false;
        }
        let id = self.next_commit;
        let turns = self.turns(id, now);
        if turns.is_empty() {
            return false;
        }
        self.next_commit += 1;
        if failpoints::fires(failpoints::PUBLISH_BEFORE_COMMIT) {
            self.make_durable(id);
        }
        self.submit(Commit { id, turns })
    }

    fn turns(&mut self, id: CommitId, now: Time) -> Vec<crate::log::TurnWrite> {
        let until = self.winding_down.is_none().then_some(now);
        let mut turns = Vec::new();
        let mut records = 0;
        for partition in self.round(self.last) {
            let Some(partition) = self.partitions.get_mut(&partition) else { continue };
            let waits = partition.tries_again().is_some_and(|until| now < until);
            if partition.status != Status::Running || waits {
                continue;
            }
            self.last = Some(partition.id);
            let before = partition.standing().input;
            match partition.turn(id, until, &mut tools(&mut self.parts)) {
                Ok(Some(turn)) => {
                    records += turn.input.requests - before.requests;
                    records += turn.input.commands - before.commands;
                    records += turn.wakes.len() as u64;
                    turns.push(turn);
                }
                Ok(None) => {}
                Err(Stop::Later) => self.later = true,
                Err(Stop::Host(reason)) => {
                    let Parts { settings, observer, .. } = &mut self.parts;
                    partition.trouble(&reason, now, settings, &mut **observer);
                }
                Err(Stop::Unready(why)) => partition.becomes_unready(why),
                Err(Stop::Pause { reason, blamed }) => {
                    partition.pause(reason, blamed, &mut *self.parts.observer);
                }
                Err(Stop::Halt(reason)) => partition.halt(reason, &mut *self.parts.observer),
            }
            if records >= self.parts.settings.commit_records as u64 {
                break;
            }
        }
        turns
    }

    /// All partitions, beginning after the last that was served, so that none waits for ever when a
    /// round ends before all were.
    fn round(&self, last: Option<PartitionId>) -> Vec<PartitionId> {
        let after = |last: &PartitionId| self.partitions.keys().position(|id| id > last);
        let start = last.as_ref().and_then(after).unwrap_or(0);
        let mut ids: Vec<PartitionId> = self.partitions.keys().copied().collect();
        ids.rotate_left(start);
        ids
    }

    fn submit(&mut self, commit: Commit) -> bool {
        let id = commit.id;
        match self.parts.log.submit(commit) {
            Ok(()) => {
                if self.in_flight.back().is_none_or(|(last, _)| *last < id) {
                    let now = self.parts.observer.clock_ns();
                    self.in_flight.push_back((id, now));
                }
                true
            }
            Err((commit, EngineError::Retry(_))) => {
                self.refused = Some(commit);
                false
            }
            Err((_, EngineError::Fenced(_))) => {
                self.fence();
                true
            }
            Err((commit, error)) => {
                for turn in &commit.turns {
                    if let Some(partition) = self.partitions.get_mut(&turn.partition) {
                        partition.halt(error.to_string(), &mut *self.parts.observer);
                    }
                }
                self.discard_from(id);
                true
            }
        }
    }

    /// One chunk of work on the store, so that turns do not wait for long; one for each partition
    /// when memory is half full.
    fn flush(&mut self, now: Time) -> bool {
        let bound = self.parts.settings.changed_bytes_max;
        let unflushed = self.unflushed_bytes();
        let mut busy = false;
        for id in self.round(self.flushed) {
            let Some(partition) = self.partitions.get_mut(&id) else { continue };
            if partition.is_out_of_service() {
                continue;
            }
            match partition.flush_chunk(now, unflushed >= bound, &mut tools(&mut self.parts)) {
                Ok(false) => {}
                Ok(true) => {
                    busy = true;
                    self.flushed = Some(id);
                    if unflushed < bound / 2 {
                        break;
                    }
                }
                Err(EngineError::Retry(_)) => self.later = true,
                Err(error) => {
                    partition.halt_without_store(&error, &mut *self.parts.observer);
                }
            }
        }
        busy
    }

    /// Hands on partitions that another owner waits for, once nothing of them is in flight.
    fn leave(&mut self) {
        let done = |p: &Partition| p.status == Status::Leaving && !p.in_flight() && !p.owes();
        let leaving: Vec<_> = self.partitions.values().filter(|p| done(p)).map(|p| p.id).collect();
        for id in leaving {
            self.partitions.remove(&id);
            self.parts.log.give_up(id);
        }
    }

    /// Bytes of changed aggregates that wait for a flush, those being flushed included.
    #[must_use]
    pub fn unflushed_bytes(&self) -> usize {
        self.partitions.values().map(Partition::unflushed_bytes).sum()
    }

    /// When there is something to do although nothing comes. What an engine has asked to try again is
    /// tried a millisecond later.
    fn next_due(&self, now: Time) -> Option<Time> {
        let settings = &self.parts.settings;
        let untold = self.partitions.values().any(Partition::owes);
        if self.later || self.refused.is_some() || untold {
            return Some(now.plus_ms(1));
        }
        let awake = |p: &&Partition| p.status == Status::Running && self.winding_down.is_none();
        let running = self.partitions.values().filter(awake);
        // One that is due by now waits for something else, which may tell nobody.
        let deadline = running.filter_map(|p| p.deadlines.earliest()).min();
        let deadline = deadline.map(|deadline| deadline.max(now.plus_ms(1)));
        let due = self.partitions.values().filter_map(|p| p.store_due(settings));
        let tries = self.partitions.values().filter_map(Partition::tries_again);
        due.chain(deadline).chain(tries).min()
    }
}

fn tools(parts: &mut Parts) -> Tools<'_> {
    Tools {
        log: &mut *parts.log,
        store: &mut *parts.store,
        guests: &mut parts.guests,
        topology: &parts.topology,
        references: &parts.references,
        settings: &parts.settings,
        observer: &mut *parts.observer,
    }
}
