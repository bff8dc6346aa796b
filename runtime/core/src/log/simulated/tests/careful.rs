//! A run of shards that keep to the contract of the seam and remember what they were told, on a log
//! that misbehaves; afterwards what was told is held against what is there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use super::*;
use crate::log::Appended;
use crate::log::contract::author::{Author, request};
use crate::prng::Prng;

const PARTITIONS: [PartitionId; 4] = [
    PartitionId { aggregate_type: TypeId(0), number: 0 },
    PartitionId { aggregate_type: TypeId(0), number: 1 },
    PartitionId { aggregate_type: TypeId(1), number: 0 },
    PartitionId { aggregate_type: TypeId(1), number: 1 },
];
const LIMIT: Limit = Limit { records: 5, bytes: 1 << 20 };

/// Tells a turn from every other that was ever submitted: it stands in place of its batch record.
type Name = Bytes;

/// The run.
pub(super) struct Run {
    pub(super) log: Simulated,
    /// Everything that happened, as text.
    pub(super) transcript: String,
    prng: Prng,
    now: u64,
    shards: Vec<Careful>,
    intake: Arc<dyn Intake>,
    memory: Memory,
    appends: Vec<(PartitionId, Request, Told)>,
}

/// What all shards together have done and were told.
#[derive(Default)]
struct Memory {
    turns: BTreeMap<Name, TurnWrite>,
    /// The turns of each commit that was taken.
    commits: Vec<Vec<Name>>,
    durable: BTreeSet<Name>,
    aborted: BTreeSet<Name>,
}

struct Careful {
    log: SimulatedShard,
    owned: BTreeMap<PartitionId, Author>,
    revoked: BTreeSet<PartitionId>,
    in_flight: VecDeque<(u64, Vec<Name>)>,
    retry: Option<Commit>,
    next_id: u64,
    in_doubt: bool,
    is_fenced: bool,
}

impl Run {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        let log = Simulated::new(seed, faults);
        let intake = log.intake();
        let mut run = Self {
            log,
            transcript: String::new(),
            prng: Prng::new(!seed),
            now: 1,
            shards: Vec::new(),
            intake,
            memory: Memory::default(),
            appends: Vec::new(),
        };
        run.begin();
        run
    }

    pub(super) fn steps(&mut self, steps: u32) {
        for _ in 0..steps {
            self.step();
        }
    }

    pub(super) fn contents(&self) -> Vec<Contents> {
        PARTITIONS.iter().map(|partition| self.log.contents(*partition)).collect()
    }

    fn begin(&mut self) {
        self.intake = self.log.intake();
        self.shards =
            [0, 1].map(|n| Careful::new(self.log.shard(&PARTITIONS[2 * n..][..2]))).into();
    }

    fn step(&mut self) {
        if self.prng.chance(10) {
            if self.prng.coin() {
                self.log.crash();
            } else {
                self.log.power_loss();
            }
            self.begin();
        }
        if self.prng.chance(300) {
            self.append();
        }
        for shard in &mut self.shards {
            shard.step(&mut self.memory, &mut self.prng, &mut self.transcript);
        }
        self.shards.retain(|shard| !shard.is_fenced);
        let orphans = self.log.orphans();
        if !orphans.is_empty() {
            self.shards.push(Careful::new(self.log.shard(&orphans)));
        }
        self.now += 1;
        self.log.tick(Time(self.now));
    }

    fn append(&mut self) {
        let partition = PARTITIONS[self.prng.index(PARTITIONS.len())];
        let request = request(self.appends.len() as u32);
        let told = Told::default();
        let here = Arc::clone(&told);
        let done = Box::new(move |answer| here.lock().unwrap().push(answer));
        self.intake.append(partition, vec![request.clone()], done);
        self.appends.push((partition, request, told));
    }

    /// Lets everything come to rest, and holds what was told against what is there.
    pub(super) fn check(&mut self) {
        self.log.set_faults(Faults::none());
        for _ in 0..50 {
            self.step();
        }
        self.log.settle();
        let mut there: BTreeSet<Name> = BTreeSet::new();
        for partition in PARTITIONS {
            let contents = self.log.contents(partition);
            there.extend(contents.outcomes.iter().map(|(_, name)| name.clone()));
            self.check_partition(&contents);
        }
        let lost: Vec<_> = self.memory.durable.difference(&there).collect();
        assert!(lost.is_empty(), "told durable, and not there: {lost:?}");
        let undead: Vec<_> = self.memory.aborted.intersection(&there).collect();
        assert!(undead.is_empty(), "told aborted, and there: {undead:?}");
        for commit in &self.memory.commits {
            let found = commit.iter().filter(|name| there.contains(*name)).count();
            assert!(found == 0 || found == commit.len(), "half of a commit: {commit:?}");
        }
        assert!(there.len() >= 20, "only {} turns", there.len());
        self.check_appends();
    }

    fn check_partition(&self, contents: &Contents) {
        let turns: Vec<_> =
            contents.outcomes.iter().map(|(_, name)| &self.memory.turns[name]).collect();
        let numbers: Vec<_> = contents.outcomes.iter().map(|(turn, _)| *turn).collect();
        assert_eq!(numbers, (1..=turns.len() as u64).collect::<Vec<_>>());
        let events: Vec<_> = turns.iter().flat_map(|t| t.events.clone()).collect();
        assert_eq!(contents.events, events);
        let letters: Vec<_> = turns.iter().flat_map(|t| t.dead_letters.clone()).collect();
        assert_eq!(contents.dead_letters, letters);
        let input = turns.last().map(|t| t.input).unwrap_or_default();
        let end = |offset: Option<Offset>| offset.map_or(0, |o| o + 1);
        assert!(input.requests <= end(contents.requests.last().map(|r| r.offset)));
        assert!(input.commands <= end(contents.commands.last().map(|c| c.offset)));
        for from in PARTITIONS {
            let stamps = contents.commands.iter().filter_map(|c| c.record.channel);
            let numbers: Vec<_> = stamps.filter(|s| s.from == from).map(|s| s.number).collect();
            assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{from:?}");
        }
    }

    fn check_appends(&self) {
        let mut told_often = 0;
        for (partition, request, told) in &self.appends {
            let found = self.log.contents(*partition).requests;
            let found: Vec<_> = found.iter().filter(|r| r.record == *request).collect();
            match &told.lock().unwrap()[..] {
                [] => assert!(found.len() <= 1),
                [Ok(Appended { first, time })] => {
                    told_often += 1;
                    assert_eq!(found.len(), 1, "{request:?}");
                    assert_eq!((found[0].offset, found[0].appended), (*first, *time));
                }
                [Err(_)] => assert!(found.is_empty(), "{found:?} was told to have failed"),
                more => panic!("told {more:?}"),
            }
        }
        assert!(told_often > 10, "only {told_often} appends were answered");
    }
}

impl Careful {
    fn new(log: SimulatedShard) -> Self {
        Self {
            log,
            owned: BTreeMap::new(),
            revoked: BTreeSet::new(),
            in_flight: VecDeque::new(),
            retry: None,
            next_id: 1,
            in_doubt: false,
            is_fenced: false,
        }
    }

    fn step(&mut self, memory: &mut Memory, prng: &mut Prng, transcript: &mut String) {
        // Now and then it does not listen before it acts.
        if !prng.chance(200) {
            self.listen(memory, transcript);
        }
        if self.is_fenced || (self.in_doubt && !self.resolve(memory)) {
            return;
        }
        if let Some(commit) = self.retry.take() {
            self.submit(commit, memory);
        }
        while self.retry.is_none() && self.in_flight.len() < 4 && prng.chance(600) {
            let Some(commit) = self.compute(memory, prng) else { break };
            self.submit(commit, memory);
        }
        if self.in_flight.is_empty() {
            self.release(prng);
        }
    }

    fn listen(&mut self, memory: &mut Memory, transcript: &mut String) {
        while let Some(news) = self.log.ownership() {
            writeln!(transcript, "{} {news:?}", self.log.number()).unwrap();
            match news {
                Ownership::Assigned(partition) => {
                    let author = recall(&mut self.log, partition, memory);
                    assert!(self.owned.insert(partition, author).is_none(), "assigned twice");
                }
                Ownership::Revoked(partition) => {
                    assert!(self.owned.contains_key(&partition));
                    self.revoked.insert(partition);
                }
                Ownership::Lost(partition) => {
                    self.owned.remove(&partition);
                    self.revoked.remove(&partition);
                    self.drop_retry(memory);
                }
            }
        }
        while let Some(news) = self.log.poll() {
            writeln!(transcript, "{} {news:?}", self.log.number()).unwrap();
            self.hear(news, memory);
        }
        for partition in std::mem::take(&mut self.revoked) {
            self.drop_retry(memory);
            self.owned.remove(&partition);
            self.log.give_up(partition);
        }
    }

    fn hear(&mut self, news: Progress, memory: &mut Memory) {
        match news {
            Progress::Written(_) => {}
            Progress::Durable(id) => {
                while self.in_flight.front().is_some_and(|(n, _)| *n <= id) {
                    let (_, names) = self.in_flight.pop_front().unwrap();
                    memory.durable.extend(names);
                }
            }
            Progress::Aborted(id) => {
                while self.in_flight.back().is_some_and(|(n, _)| *n >= id) {
                    let (_, names) = self.in_flight.pop_back().unwrap();
                    memory.aborted.extend(names);
                }
                self.retry = None;
                self.next_id = id;
                self.rewind(memory);
            }
            Progress::Unknown(id) => {
                self.in_flight.retain(|(n, _)| *n < id);
                self.retry = None;
                self.next_id = id;
                self.in_doubt = true;
            }
            Progress::Fenced => self.is_fenced = true,
        }
    }

    /// Back to the last turns that are not known to have failed.
    fn rewind(&mut self, memory: &Memory) {
        let in_flight: Vec<_> = self.in_flight.iter().flat_map(|(_, names)| names).collect();
        for (partition, author) in &mut self.owned {
            let mut turns = history(&mut self.log, *partition, memory);
            for turn in in_flight.iter().map(|name| &memory.turns[*name]) {
                // Some of them may have become durable since the last news.
                if turn.partition == *partition && turn.turn as usize == turns.len() + 1 {
                    turns.push(turn.clone());
                }
            }
            *author = Author::after(*partition, &turns);
        }
    }

    fn resolve(&mut self, memory: &Memory) -> bool {
        match self.log.resolve() {
            Ok(()) => {
                self.in_doubt = false;
                self.rewind(memory);
                true
            }
            Err(EngineError::Retry(_) | EngineError::Fenced(_)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn compute(&mut self, memory: &mut Memory, prng: &mut Prng) -> Option<Commit> {
        let wanted = 1 + prng.index(2);
        let mut partitions: Vec<_> = self.owned.keys().copied().collect();
        while partitions.len() > wanted {
            partitions.remove(prng.index(partitions.len()));
        }
        if partitions.is_empty() {
            return None;
        }
        let turns = partitions.into_iter().map(|p| self.compute_turn(p, memory, prng)).collect();
        self.next_id += 1;
        Some(Commit { id: self.next_id - 1, turns })
    }

    fn compute_turn(
        &mut self,
        partition: PartitionId,
        memory: &mut Memory,
        prng: &mut Prng,
    ) -> TurnWrite {
        let author = self.owned.get_mut(&partition).unwrap();
        let input = author.input();
        let requests = taken(self.log.take_requests(partition, input.requests, LIMIT));
        let commands = taken(self.log.take_commands(partition, input.commands, LIMIT));
        if let Some(last) = commands.last() {
            author.took_commands_to(last.offset + 1);
        }
        let to = PARTITIONS[prng.index(PARTITIONS.len())];
        let mut turn = match requests.is_empty() {
            true => author.turn(prng.below(3) as u32, &[to], prng.below(2) as u32),
            false => author.decide(&requests, &[to]),
        };
        turn.outcome = Bytes::from(format!("turn {}", memory.turns.len()));
        memory.turns.insert(turn.outcome.clone(), turn.clone());
        turn
    }

    fn submit(&mut self, commit: Commit, memory: &mut Memory) {
        let (id, names) = (commit.id, names(&commit));
        match self.log.submit(commit) {
            Ok(()) => {
                memory.commits.push(names.clone());
                self.in_flight.push_back((id, names));
            }
            Err((commit, EngineError::Retry(_))) => self.retry = Some(commit),
            Err((_, EngineError::Fenced(_))) => memory.aborted.extend(names),
            Err((_, error)) => panic!("{error}"),
        }
    }

    /// What was computed and refused goes, with the place that it had.
    fn drop_retry(&mut self, memory: &mut Memory) {
        if let Some(commit) = self.retry.take() {
            memory.aborted.extend(names(&commit));
            self.next_id = commit.id;
            self.rewind(memory);
        }
    }

    fn release(&mut self, prng: &mut Prng) {
        for (partition, author) in &self.owned {
            if prng.chance(100) && author.last_turn() > 0 {
                let turn = self.log.last_outcome(*partition).unwrap().map_or(0, |(turn, _)| turn);
                if turn == author.last_turn() {
                    self.log.release(*partition, LowWater { turn, input: author.input() });
                }
            }
        }
    }
}

/// A fenced shard that has not listened yet takes nothing.
fn taken<R>(taken: Result<Vec<R>, EngineError>) -> Vec<R> {
    match taken {
        Ok(records) => records,
        Err(EngineError::Fenced(_)) => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

fn names(commit: &Commit) -> Vec<Name> {
    commit.turns.iter().map(|turn| turn.outcome.clone()).collect()
}

fn recall(log: &mut SimulatedShard, partition: PartitionId, memory: &Memory) -> Author {
    Author::after(partition, &history(log, partition, memory))
}

/// All durable turns of a partition. Old batch records may be gone, so the test remembers for it
/// what they were: the newest one must still be told.
fn history(log: &mut SimulatedShard, partition: PartitionId, memory: &Memory) -> Vec<TurnWrite> {
    let newest = log.last_outcome(partition).unwrap();
    let all = log.log.contents(partition).outcomes;
    assert_eq!(newest.as_ref(), all.last());
    all.iter().map(|(_, name)| memory.turns[name].clone()).collect()
}
