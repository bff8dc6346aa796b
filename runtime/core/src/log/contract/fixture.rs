//! What the suites share: partitions, a shard that has been assigned its own, and looking at what it
//! holds. Every wait is for a condition, and bounded.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::LogUnderTest;
use super::author::Author;
use crate::error::EngineError;
use crate::log::{Appended, Commit, CommitId, Limit, Ownership, Progress, ShardLog, TurnWrite};
use crate::model::{Command, Event, PartitionId, Request, Stored, TypeId};

/// How often a log is settled before it is taken to be stuck.
const SETTLES_MAX: u32 = 1_000;

/// More than any test writes.
pub(super) const ALL: Limit = Limit { records: 1_000_000, bytes: 1 << 30 };

pub(super) const LEFT_0: PartitionId = partition(0, 0);
pub(super) const LEFT_1: PartitionId = partition(0, 1);
pub(super) const RIGHT_0: PartitionId = partition(1, 0);
pub(super) const RIGHT_2: PartitionId = partition(1, 2);

const fn partition(aggregate_type: u16, number: u32) -> PartitionId {
    PartitionId { aggregate_type: TypeId(aggregate_type), number }
}

/// A shard under test, with the next commit id and all the news that it heard.
pub(super) struct Shard {
    pub(super) log: Box<dyn ShardLog>,
    next_id: CommitId,
    pub(super) heard: Vec<Progress>,
}

impl Shard {
    /// Opens a shard and waits until it has been assigned its partitions.
    pub(super) fn open(log: &mut impl LogUnderTest, partitions: &[PartitionId]) -> Self {
        let mut shard = Self { log: log.shard(partitions), next_id: 1, heard: Vec::new() };
        shard.await_assigned(log, partitions);
        shard
    }

    pub(super) fn await_assigned(
        &mut self,
        log: &mut impl LogUnderTest,
        partitions: &[PartitionId],
    ) {
        let mut waiting = partitions.to_vec();
        until("assigned", || {
            while let Some(news) = self.log.ownership() {
                let Ownership::Assigned(partition) = news else { panic!("told {news:?}") };
                let index = waiting.iter().position(|p| *p == partition);
                waiting.remove(index.unwrap_or_else(|| panic!("{partition:?} is not its own")));
            }
            log.settle();
            waiting.is_empty()
        });
    }

    /// Submits turns as one commit.
    pub(super) fn submit(&mut self, turns: Vec<TurnWrite>) -> CommitId {
        let commit = self.commit(turns);
        let id = commit.id;
        if let Err((_, error)) = self.log.submit(commit) {
            panic!("commit {id} was not taken: {error}");
        }
        id
    }

    /// A commit with the next id.
    pub(super) fn commit(&mut self, turns: Vec<TurnWrite>) -> Commit {
        self.next_id += 1;
        Commit { id: self.next_id - 1, turns }
    }

    /// After an abort or a resolved doubt: ids go on from here.
    pub(super) fn reuse_ids_from(&mut self, id: CommitId) {
        self.next_id = id;
    }

    /// Submits turns as one commit and waits until it is durable.
    pub(super) fn write(&mut self, log: &mut impl LogUnderTest, turns: Vec<TurnWrite>) -> CommitId {
        let id = self.submit(turns);
        self.await_durable(log, id);
        id
    }

    pub(super) fn await_durable(&mut self, log: &mut impl LogUnderTest, id: CommitId) {
        self.await_news(log, |news| matches!(news, Progress::Durable(n) if *n >= id));
    }

    /// Settles until there is such news.
    pub(super) fn await_news(
        &mut self,
        log: &mut impl LogUnderTest,
        is_it: impl Fn(&Progress) -> bool,
    ) {
        until("news", || {
            log.settle();
            self.listen();
            self.heard.iter().any(&is_it)
        });
    }

    /// Hears all the news that there are.
    pub(super) fn listen(&mut self) {
        while let Some(progress) = self.log.poll() {
            self.heard.push(progress);
        }
    }

    /// Highest commit that was told to be written, durable ones included.
    pub(super) fn written(&self) -> CommitId {
        let told = self.heard.iter().filter_map(|news| match news {
            Progress::Written(id) | Progress::Durable(id) => Some(*id),
            _ => None,
        });
        told.max().unwrap_or(0)
    }

    /// Highest commit that was told to be durable.
    pub(super) fn durable(&self) -> CommitId {
        let told = self.heard.iter().filter_map(|news| match news {
            Progress::Durable(id) => Some(*id),
            _ => None,
        });
        told.max().unwrap_or(0)
    }

    /// All requests of a partition that can be taken.
    pub(super) fn requests(&mut self, partition: PartitionId) -> Vec<Stored<Request>> {
        self.requests_from(partition, 0)
    }

    pub(super) fn requests_from(
        &mut self,
        partition: PartitionId,
        from: u64,
    ) -> Vec<Stored<Request>> {
        paged(
            from,
            |r: &Stored<Request>| r.offset,
            |from| self.log.take_requests(partition, from, ALL).expect("requests"),
        )
    }

    /// All commands of a partition that can be taken.
    pub(super) fn commands(&mut self, partition: PartitionId) -> Vec<Stored<Command>> {
        self.commands_from(partition, 0)
    }

    pub(super) fn commands_from(
        &mut self,
        partition: PartitionId,
        from: u64,
    ) -> Vec<Stored<Command>> {
        paged(
            from,
            |c: &Stored<Command>| c.offset,
            |from| self.log.take_commands(partition, from, ALL).expect("commands"),
        )
    }

    /// All durable events of a partition.
    pub(super) fn events(&mut self, partition: PartitionId) -> Vec<Event> {
        paged(
            0,
            |e: &Event| e.number,
            |from| self.log.read_events(partition, from, ALL).expect("events"),
        )
    }

    /// All durable batch records of a partition from a turn on.
    pub(super) fn outcomes(&mut self, partition: PartitionId, from: u64) -> Vec<(u64, Bytes)> {
        paged(
            from,
            |(turn, _): &(u64, Bytes)| *turn,
            |from| self.log.read_outcomes(partition, from, ALL).expect("batch records"),
        )
    }

    pub(super) fn oldest_turn(&mut self, partition: PartitionId) -> u64 {
        self.log.oldest_turn(partition).expect("oldest turn")
    }

    /// Number of the newest durable turn; 0 before the first.
    pub(super) fn last_turn(&mut self, partition: PartitionId) -> u64 {
        self.log.last_outcome(partition).expect("newest batch record").map_or(0, |(turn, _)| turn)
    }

    /// Checks that a partition holds these turns and no others, in all of its topics.
    pub(super) fn assert_holds(&mut self, partition: PartitionId, turns: &[TurnWrite]) {
        let events: Vec<_> = turns.iter().flat_map(|t| t.events.clone()).collect();
        assert_eq!(self.events(partition), events, "events of {partition:?}");
        let outcomes: Vec<_> = turns.iter().map(|t| (t.turn, t.outcome.clone())).collect();
        assert_eq!(self.outcomes(partition, 1), outcomes, "batch records of {partition:?}");
        let newest = self.log.last_outcome(partition).expect("newest batch record");
        assert_eq!(newest.as_ref(), outcomes.last(), "newest batch record of {partition:?}");
        let letters = turns.iter().flat_map(|t| &t.dead_letters);
        let mut next = 1;
        for (number, letter) in letters {
            let found = self.log.read_dead_letter(partition, *number).expect("dead letter");
            assert_eq!(found.as_ref(), Some(letter), "dead letter {number} of {partition:?}");
            next = number + 1;
        }
        let beyond = self.log.read_dead_letter(partition, next).expect("dead letter");
        assert_eq!(beyond, None, "dead letter {next} of {partition:?}");
    }
}

/// The commands that turns sent to a partition, in their order.
pub(super) fn sent_to(partition: PartitionId, turns: &[TurnWrite]) -> Vec<Command> {
    let sent = turns.iter().flat_map(|t| &t.commands).filter(|(to, _)| *to == partition);
    sent.flat_map(|(_, commands)| commands.clone()).collect()
}

/// The records without where they stand.
pub(super) fn plain<R: Clone>(stored: &[Stored<R>]) -> Vec<R> {
    stored.iter().map(|s| s.record.clone()).collect()
}

/// What an append was told so far: one entry per call.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Mutex<Vec<Result<Appended, EngineError>>>>);

impl Answers {
    pub(super) fn all(&self) -> Vec<Result<Appended, EngineError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn done(&self) -> Box<dyn FnOnce(Result<Appended, EngineError>) + Send> {
        let answers = Self(Arc::clone(&self.0));
        Box::new(move |told| {
            answers.0.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        })
    }
}

/// Appends and waits for the answer, which must be good.
pub(super) fn append(
    log: &mut impl LogUnderTest,
    partition: PartitionId,
    requests: &[Request],
) -> Appended {
    let answers = Answers::default();
    log.intake().append(partition, requests.to_vec(), answers.done());
    until("an answer", || {
        log.settle();
        !answers.all().is_empty()
    });
    answers.all()[0].clone().expect("the append succeeds")
}

/// Opens a shard of one partition with its author.
pub(super) fn owner(log: &mut impl LogUnderTest, partition: PartitionId) -> (Shard, Author) {
    (Shard::open(log, &[partition]), Author::new(partition))
}

fn until(what: &str, mut is_done: impl FnMut() -> bool) {
    let is_there = (0..SETTLES_MAX).any(|_| is_done());
    assert!(is_there, "waited {SETTLES_MAX} times in vain for {what}");
}

/// All pages, each starting after the last record of the one before.
fn paged<T>(from: u64, at: impl Fn(&T) -> u64, mut page: impl FnMut(u64) -> Vec<T>) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    loop {
        let next = all.last().map_or(from, |last| at(last) + 1);
        let more = page(next);
        if more.is_empty() {
            return all;
        }
        assert!(more.iter().all(|one| at(one) >= next), "a page has what was not asked for");
        all.extend(more);
    }
}
