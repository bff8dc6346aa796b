//! The state behind all handles of a simulated log, and how it moves on: what was submitted is
//! written in a drawn order between shards (but in order within one), and becomes durable in the one
//! order in which it was written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;

use bytes::Bytes;

use super::faults::{Counts, Fate, Faults};
use super::topics::{Ends, Topics};
use super::{Contents, ShardNumber};
use crate::error::EngineError;
use crate::log::{
    AppendDone, Appended, Commit, CommitId, InputPositions, Limit, LowWater, Ownership, Progress,
    TurnWrite,
};
use crate::model::{
    Command, DeadLetterNumber, Event, EventNumber, Offset, PartitionId, Request, Stored, Time,
    TurnNumber,
};
use crate::prng::Prng;

const NO_LIMIT: Limit = Limit { records: usize::MAX, bytes: usize::MAX };

/// Everything, behind one lock.
pub(super) struct World {
    prng: Prng,
    faults: Faults,
    script: VecDeque<Fate>,
    counts: Counts,
    id: Bytes,
    process: u64,
    tick: u64,
    now: Time,
    partitions: BTreeMap<PartitionId, Topics>,
    owners: BTreeMap<PartitionId, Owner>,
    shards: Vec<Shard>,
    appends: BTreeMap<PartitionId, VecDeque<Append>>,
    /// Written and not durable, oldest first.
    undurable: VecDeque<Written>,
    written_held: bool,
    durable_held: bool,
    news: News,
}

/// What is to be done once the lock is released.
#[derive(Default)]
pub(super) struct News {
    /// Appends that came to their end.
    pub(super) told: Vec<(AppendDone, Result<Appended, EngineError>)>,
    /// Appends whose process died: their owners' code may run when these are dropped.
    pub(super) never_told: Vec<AppendDone>,
}

/// Whose a partition is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
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

#[derive(Default)]
struct Shard {
    in_flight: VecDeque<Pending>,
    doubt: Option<Doubt>,
    /// `Aborted` or `Unknown` stands in `news`: what is submitted meanwhile shares that fate.
    failing: bool,
    fenced: bool,
    last_id: CommitId,
    news: VecDeque<Progress>,
    moves: VecDeque<Ownership>,
}

struct Pending {
    commit: Commit,
    due: u64,
}

struct Doubt {
    first: CommitId,
    /// Those that happen, in order, and are not written yet.
    happening: VecDeque<Commit>,
}

struct Append {
    requests: Vec<Request>,
    done: AppendDone,
    due: u64,
}

/// One write, with what it takes to undo it and to make it durable.
struct Written {
    due: u64,
    before: BTreeMap<PartitionId, Ends>,
    after: BTreeMap<PartitionId, Ends>,
    whose: Whose,
}

enum Whose {
    Commit(ShardNumber, CommitId),
    /// Nobody is told: the commit was in doubt, or its shard is gone.
    Untold,
    Append(AppendDone, Appended),
}

impl Written {
    fn has_turn_of(&self, partition: PartitionId) -> bool {
        let turn = |ends: &BTreeMap<_, Ends>| ends.get(&partition).map(|e| e.turn);
        turn(&self.before) != turn(&self.after)
    }
}

/// Whoever has something to be written next.
#[derive(Clone, Copy)]
enum Source {
    Shard(ShardNumber),
    Append(PartitionId),
}

impl World {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        let mut prng = Prng::new(seed);
        let id = Bytes::copy_from_slice(&[prng.draw(), prng.draw()].map(u64::to_be_bytes).concat());
        Self {
            prng,
            faults,
            script: VecDeque::new(),
            counts: Counts::default(),
            id,
            process: 1,
            tick: 0,
            now: Time::default(),
            partitions: BTreeMap::new(),
            owners: BTreeMap::new(),
            shards: Vec::new(),
            appends: BTreeMap::new(),
            undurable: VecDeque::new(),
            written_held: false,
            durable_held: false,
            news: News::default(),
        }
    }

    // ---- the test's side -------------------------------------------------------------------

    pub(super) fn add_shard(&mut self, partitions: &[PartitionId]) -> ShardNumber {
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

    pub(super) fn tick(&mut self, now: Time) {
        self.tick += 1;
        self.now = self.now.max(now);
        self.disturb();
        self.pump();
    }

    pub(super) fn settle(&mut self) {
        while self.is_busy() {
            self.tick += 1;
            self.pump();
        }
    }

    pub(super) fn crash(&mut self) {
        self.counts.crashes += 1;
        self.write_some_in_flight();
        self.begin_process();
    }

    pub(super) fn power_loss(&mut self, keep: Option<usize>) -> usize {
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

    pub(super) fn undurable(&self) -> usize {
        self.undurable.len()
    }

    pub(super) fn hold_durable(&mut self, held: bool) {
        self.durable_held = held;
        self.pump();
    }

    pub(super) fn hold_written(&mut self, held: bool) {
        self.written_held = held;
        self.pump();
    }

    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    pub(super) fn next(&mut self, fate: Fate) {
        self.script.push_back(fate);
    }

    pub(super) fn revoke(&mut self, partition: PartitionId, to: ShardNumber) -> bool {
        let Some(Owner::Shard(from)) = self.owners.get(&partition).copied() else { return false };
        self.counts.revoked += 1;
        self.owners.insert(partition, Owner::Leaving { from, to });
        self.shards[from].moves.push_back(Ownership::Revoked(partition));
        true
    }

    pub(super) fn lose(&mut self, partition: PartitionId, to: ShardNumber) -> bool {
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

    pub(super) fn fence(&mut self, number: ShardNumber) {
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

    pub(super) fn orphans(&self) -> Vec<PartitionId> {
        let orphans = self.owners.iter().filter(|(_, owner)| **owner == Owner::Nobody);
        orphans.map(|(partition, _)| *partition).collect()
    }

    pub(super) fn trim(&mut self) {
        self.partitions.values_mut().for_each(Topics::trim);
    }

    pub(super) fn contents(&self, partition: PartitionId) -> Contents {
        self.partitions.get(&partition).map_or_else(Contents::default, |topics| Contents {
            requests: topics.requests.all(topics.durable().requests),
            commands: topics.commands.all(topics.durable().commands),
            events: topics.events(0, NO_LIMIT),
            outcomes: topics.outcomes(0, NO_LIMIT),
            dead_letters: topics.dead_letters(),
        })
    }

    pub(super) fn durable_turn(&self, partition: PartitionId) -> TurnNumber {
        self.partitions.get(&partition).map_or(0, |topics| topics.durable().turn)
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn process(&self) -> u64 {
        self.process
    }

    pub(super) fn id(&self) -> Bytes {
        self.id.clone()
    }

    pub(super) fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    // ---- the shards' side ------------------------------------------------------------------

    pub(super) fn check_alive(&self, process: u64) -> Result<(), EngineError> {
        if process == self.process {
            return Ok(());
        }
        Err(EngineError::Fatal("this handle's process has ended: open another".into()))
    }

    pub(super) fn next_move(&mut self, shard: ShardNumber) -> Option<Ownership> {
        self.shards[shard].moves.pop_front()
    }

    pub(super) fn next_progress(&mut self, shard: ShardNumber) -> Option<Progress> {
        self.shards[shard].next_progress()
    }

    pub(super) fn give_up(&mut self, shard: ShardNumber, partition: PartitionId) {
        let to = match self.owners.get(&partition).copied() {
            Some(Owner::Leaving { from, to }) if from == shard => to,
            // Given up without being asked: it comes back once it is settled.
            Some(Owner::Shard(owner)) if owner == shard => shard,
            _ => return,
        };
        self.owners.insert(partition, Owner::Joining(to));
        self.pump();
    }

    pub(super) fn take_requests(
        &mut self,
        shard: ShardNumber,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Request>>, EngineError> {
        if !self.may_take(shard, partition)? {
            return Ok(Vec::new());
        }
        let limit = self.shorten(limit);
        let requests = &self.partitions.entry(partition).or_default().requests;
        check_floor("requests", partition, from, requests.floor())?;
        Ok(requests.take(from, limit, |r| r.key.len() + r.body.len()))
    }

    pub(super) fn take_commands(
        &mut self,
        shard: ShardNumber,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Command>>, EngineError> {
        if !self.may_take(shard, partition)? {
            return Ok(Vec::new());
        }
        let limit = self.shorten(limit);
        let commands = &self.partitions.entry(partition).or_default().commands;
        check_floor("commands", partition, from, commands.floor())?;
        Ok(commands.take(from, limit, |c| c.key.len() + c.body.len()))
    }

    pub(super) fn submit(
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

    pub(super) fn resolve(&mut self, number: ShardNumber) -> Result<(), EngineError> {
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

    pub(super) fn read_events(
        &mut self,
        partition: PartitionId,
        from: EventNumber,
        limit: Limit,
    ) -> Vec<Event> {
        let limit = self.shorten(limit);
        self.partitions.entry(partition).or_default().events(from, limit)
    }

    pub(super) fn read_outcomes(
        &mut self,
        partition: PartitionId,
        from: TurnNumber,
        limit: Limit,
    ) -> Result<Vec<(TurnNumber, Bytes)>, EngineError> {
        let limit = self.shorten(limit);
        let topics = self.partitions.entry(partition).or_default();
        check_floor("outcomes", partition, from.max(1), topics.outcome_floor())?;
        Ok(topics.outcomes(from, limit))
    }

    pub(super) fn oldest_turn(&self, partition: PartitionId) -> TurnNumber {
        self.partitions.get(&partition).map_or(1, |topics| topics.outcome_floor().max(1))
    }

    pub(super) fn last_outcome(&self, partition: PartitionId) -> Option<(TurnNumber, Bytes)> {
        self.partitions.get(&partition)?.last_outcome()
    }

    pub(super) fn dead_letter(
        &self,
        partition: PartitionId,
        number: DeadLetterNumber,
    ) -> Option<Bytes> {
        self.partitions.get(&partition)?.dead_letter(number)
    }

    pub(super) fn input_ends(&self, partition: PartitionId) -> InputPositions {
        self.partitions.get(&partition).map_or_else(InputPositions::default, |topics| {
            InputPositions { requests: topics.requests.end(), commands: topics.commands.end() }
        })
    }

    /// False if it was not for the shard to release.
    pub(super) fn release(&mut self, partition: PartitionId, low_water: LowWater) -> bool {
        let topics = self.partitions.entry(partition).or_default();
        let durable = topics.durable();
        let is_durable = low_water.turn <= durable.turn
            && low_water.input.requests <= durable.input.requests
            && low_water.input.commands <= durable.input.commands;
        if is_durable {
            topics.release(low_water);
        }
        is_durable
    }

    pub(super) fn append(
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

    // ---- moving on -------------------------------------------------------------------------

    /// Does all that is due.
    fn pump(&mut self) {
        while let Some(source) = self.draw_source() {
            self.write_from(source);
        }
        while !self.durable_held
            && self.undurable.front().is_some_and(|written| written.due <= self.tick)
        {
            self.sync_oldest();
        }
        self.hand_over();
    }

    /// Whether something is on its way that nothing holds back.
    pub(super) fn is_busy(&self) -> bool {
        let to_write = self.shards.iter().any(|s| !s.in_flight.is_empty())
            || self.appends.values().any(|queue| !queue.is_empty());
        (to_write && !self.written_held) || (!self.undurable.is_empty() && !self.durable_held)
    }

    /// Draws the faults that come by the tick.
    fn disturb(&mut self) {
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

    fn draw(&mut self, ticks: impl FnOnce(&Faults) -> &RangeInclusive<u64>) -> u64 {
        let ticks = ticks(&self.faults);
        self.prng.between(*ticks.start(), *ticks.end())
    }

    fn draw_source(&mut self) -> Option<Source> {
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

    fn write_from(&mut self, source: Source) {
        match source {
            Source::Shard(number) => match self.draw_fate() {
                Fate::Written | Fate::Refused => self.write_next_of(number),
                Fate::Aborted => self.abort(number),
                Fate::Doubted { happened } => self.doubt(number, happened),
            },
            Source::Append(partition) => self.write_append(partition),
        }
    }

    fn is_refused(&mut self) -> bool {
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

    fn write_next_of(&mut self, number: ShardNumber) {
        if let Some(Pending { commit, .. }) = self.shards[number].in_flight.pop_front() {
            let id = commit.id;
            self.write_commit(&commit, Whose::Commit(number, id));
            self.tell(number, Progress::Written(id));
        }
    }

    fn abort(&mut self, number: ShardNumber) {
        self.counts.aborted += 1;
        if let Some(first) = self.shards[number].in_flight.front().map(|p| p.commit.id) {
            self.fail_from(number, first);
        }
    }

    /// This commit and all later ones of the shard will not happen. Those before it are written
    /// first, so that news come in the order of ids; while writing is held, they fail as well.
    fn fail_from(&mut self, number: ShardNumber, first: CommitId) {
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
    fn lose_in_flight(&mut self, number: ShardNumber, partition: PartitionId) {
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

    fn doubt(&mut self, number: ShardNumber, happened: usize) {
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
    fn write_some_of(&mut self, number: ShardNumber) {
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

    fn write_commit(&mut self, commit: &Commit, whose: Whose) {
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

    fn write_append(&mut self, partition: PartitionId) {
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
    fn sync_oldest(&mut self) -> bool {
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

    fn tell(&mut self, number: ShardNumber, progress: Progress) {
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

    /// Assigns the partitions whose past is settled.
    fn hand_over(&mut self) {
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

    // ---- what a shard may do ---------------------------------------------------------------

    fn owns(&self, shard: ShardNumber, partition: PartitionId) -> bool {
        match self.owners.get(&partition) {
            Some(Owner::Shard(owner)) => *owner == shard,
            Some(Owner::Leaving { from, .. }) => *from == shard,
            _ => false,
        }
    }

    /// An error if the shard knows that it may not; false if it has not heard yet.
    fn may_take(&self, number: ShardNumber, partition: PartitionId) -> Result<bool, EngineError> {
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

    fn check_commit(&self, number: ShardNumber, commit: &Commit) -> Result<(), String> {
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

    /// A limit that may be smaller than what was asked for.
    fn shorten(&mut self, limit: Limit) -> Limit {
        if !self.prng.chance(self.faults.short) {
            return limit;
        }
        Limit { records: 1 + self.prng.index(limit.records.clamp(1, 8)), ..limit }
    }
}

impl Shard {
    fn has_yet_to_hear(&self, news: Ownership) -> bool {
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

/// All partitions that a commit writes to.
fn touched(commit: &Commit) -> BTreeSet<PartitionId> {
    let turns = commit.turns.iter();
    turns.flat_map(|t| t.commands.iter().map(|(p, _)| *p).chain([t.partition])).collect()
}

/// Whether the newer piece of news says all that the older one did.
fn implies(newer: Progress, older: Progress) -> bool {
    match (newer, older) {
        (Progress::Durable(n), Progress::Durable(o) | Progress::Written(o))
        | (Progress::Written(n), Progress::Written(o)) => o <= n,
        _ => false,
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

fn check_floor(
    topic: &str,
    partition: PartitionId,
    from: u64,
    floor: u64,
) -> Result<(), EngineError> {
    if from >= floor {
        return Ok(());
    }
    Err(EngineError::Trimmed(format!("{topic} of {partition:?} from {from}: {floor} is the first")))
}

fn fenced(number: ShardNumber) -> EngineError {
    EngineError::Fenced(format!("shard {number}: another owner has taken over"))
}
