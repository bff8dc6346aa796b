//! The simulated log passes the contract, with and without delays; and its faults are those that it
//! was asked for, the same for the same seed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod careful;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::log::TurnWrite;
use crate::log::contract;
use crate::log::contract::author::{Author, request};
use crate::model::TypeId;
use careful::Run;

/// The log in the harness of the contract suites.
struct Harness {
    log: Simulated,
}

impl Harness {
    fn immediate() -> Self {
        Self { log: Simulated::new(1, Faults::none()) }
    }

    fn slow() -> Self {
        Self { log: Simulated::new(2, Faults::slow()) }
    }

    fn gaps() -> Self {
        Self { log: Simulated::new(3, Faults { gap: 500, unresolved: 500, ..Faults::slow() }) }
    }
}

impl contract::LogUnderTest for Harness {
    fn shard(&mut self, partitions: &[PartitionId]) -> Box<dyn ShardLog> {
        Box::new(self.log.shard(partitions))
    }

    fn intake(&mut self) -> Arc<dyn Intake> {
        self.log.intake()
    }

    fn settle(&mut self) {
        self.log.settle();
    }

    fn restart(&mut self) {
        self.log.crash();
    }
}

impl contract::LosesPower for Harness {
    fn hold_durable(&mut self, held: bool) {
        self.log.hold_durable(held);
    }

    fn power_loss(&mut self, kept: u32) {
        let writes = self.log.undurable();
        self.log.power_loss_keeping(writes * kept as usize / 1000);
        self.log.hold_durable(false);
    }
}

impl contract::Retains for Harness {
    fn trim(&mut self) {
        self.log.trim();
    }
}

impl contract::Fails for Harness {
    fn next(&mut self, fate: contract::Fate) {
        self.log.next(match fate {
            contract::Fate::Written => Fate::Written,
            contract::Fate::Refused => Fate::Refused,
            contract::Fate::Aborted => Fate::Aborted,
            contract::Fate::Doubted { happened } => Fate::Doubted { happened },
        });
    }

    fn hold_written(&mut self, held: bool) {
        self.log.hold_written(held);
    }
}

impl contract::Moves for Harness {
    fn revoke(&mut self, partition: PartitionId, to: usize) {
        assert!(self.log.revoke(partition, to));
    }

    fn lose(&mut self, partition: PartitionId, to: usize) {
        assert!(self.log.lose(partition, to));
    }

    fn fence(&mut self, shard: usize) {
        self.log.fence(shard);
    }
}

macro_rules! contract_of {
    ($($name:ident)*) => {$(
        mod $name {
            use super::Harness;

            crate::log_contract!(every_log: Harness::$name);
            crate::log_contract!(durability: Harness::$name);
            crate::log_contract!(retention: Harness::$name);
            crate::log_contract!(failure: Harness::$name);
            crate::log_contract!(ownership: Harness::$name);
        }
    )*};
}

contract_of!(immediate slow gaps);

const LEFT: PartitionId = PartitionId { aggregate_type: TypeId(0), number: 0 };
const RIGHT: PartitionId = PartitionId { aggregate_type: TypeId(1), number: 0 };

/// Shards that keep to the contract, on a log that does everything it may.
#[test]
fn what_is_told_is_true_whatever_goes_wrong() {
    for seed in 0..60 {
        let mut run = Run::new(seed, Faults::all());
        run.steps(300);
        run.check();
    }
}

#[test]
fn every_fault_takes_place() {
    let mut all = Counts::default();
    for seed in 60..90 {
        let mut run = Run::new(seed, Faults::all());
        run.steps(300);
        let counts = run.log.counts();
        all.written += counts.written;
        all.refused += counts.refused;
        all.aborted += counts.aborted;
        all.doubted_happened += counts.doubted_happened;
        all.doubted_not += counts.doubted_not;
        all.rejected += counts.rejected;
        all.revoked += counts.revoked;
        all.lost += counts.lost;
        all.fenced += counts.fenced;
        all.crashes += counts.crashes;
        all.power_losses += counts.power_losses;
        all.writes_lost += counts.writes_lost;
    }
    let often = [
        all.written,
        all.refused,
        all.aborted,
        all.doubted_happened,
        all.doubted_not,
        all.rejected,
        all.revoked,
        all.lost,
        all.fenced,
        all.crashes,
        all.power_losses,
        all.writes_lost,
    ];
    assert!(often.iter().all(|count| *count >= 20), "{all:?}");
}

#[test]
fn a_seed_replays_a_run() {
    let run = |seed| {
        let mut run = Run::new(seed, Faults::all());
        run.steps(200);
        (run.transcript.clone(), run.log.counts(), run.contents())
    };
    assert_eq!(run(7), run(7));
    let transcripts: BTreeSet<String> = (0..10).map(|seed| run(seed).0).collect();
    assert_eq!(transcripts.len(), 10);
}

#[test]
fn handles_of_a_dead_process_do_nothing() {
    let log = Simulated::new(1, Faults::none());
    let (mut shard, mut author) = owner(&log);
    let intake = log.intake();
    log.crash();
    let mut next = log.shard(&[LEFT]);
    let (commit, error) = shard.submit(one(1, author.turn(1, &[], 0))).unwrap_err();
    assert!(matches!(error, EngineError::Fatal(_)), "{error}");
    assert_eq!(commit.id, 1);
    assert_eq!((shard.ownership(), shard.poll()), (None, None));
    shard.give_up(LEFT);
    let told = append(&intake, 1);
    assert!(matches!(told.lock().unwrap()[..], [Err(EngineError::Fatal(_))]));
    assert_eq!(next.ownership(), Some(Ownership::Assigned(LEFT)));
    assert_eq!(log.contents(LEFT), Contents::default());
}

#[test]
fn a_shard_that_breaks_the_rules_is_told_so() {
    let log = Simulated::new(1, Faults::none());
    let (mut shard, mut author) = owner(&log);
    shard.submit(one(1, author.turn(2, &[], 1))).unwrap();
    let good = author.turn(2, &[], 1);
    let broken = |change: fn(&mut TurnWrite)| {
        let mut turn = good.clone();
        change(&mut turn);
        one(2, turn)
    };
    let mut twice = one(2, good.clone());
    twice.turns.push(good.clone());
    let commits = [
        ("an id again", one(1, good.clone())),
        ("a turn skipped", broken(|t| t.turn += 1)),
        ("a turn again", broken(|t| t.turn -= 1)),
        ("an event skipped", broken(|t| drop(t.events.remove(0)))),
        ("an event again", broken(|t| t.events[1].number -= 1)),
        ("a dead letter skipped", broken(|t| t.dead_letters[0].0 += 1)),
        ("input that is not there", broken(|t| t.input.requests += 1)),
        ("a partition of nobody", broken(|t| t.partition = RIGHT)),
        ("two turns of a partition", twice),
    ];
    for (what, commit) in commits {
        let told = shard.submit(commit.clone());
        let Err((back, EngineError::Fatal(_))) = told else { panic!("{what}: {told:?}") };
        assert_eq!(back, commit, "{what}");
    }
    shard.submit(one(2, good)).unwrap();
    assert_eq!(log.durable_turn(LEFT), 2);
}

#[test]
#[should_panic(expected = "not durable")]
fn releasing_what_is_not_durable_is_a_bug() {
    let log = Simulated::new(1, Faults::none());
    let (mut shard, mut author) = owner(&log);
    log.hold_durable(true);
    shard.submit(one(1, author.turn(1, &[], 0))).unwrap();
    shard.release(LEFT, LowWater { turn: 1, input: InputPositions::default() });
}

#[test]
fn whoever_is_told_of_an_append_may_use_the_log() {
    let log = Simulated::new(1, Faults::slow());
    let (inner, is_told) = (log.clone(), Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&is_told);
    let again = move |_| {
        let next = inner.intake();
        next.append(LEFT, vec![request(2)], Box::new(|_| ()));
        told.store(true, Ordering::SeqCst);
    };
    log.intake().append(LEFT, vec![request(1)], Box::new(again));
    log.settle();
    assert!(is_told.load(Ordering::SeqCst));
    assert_eq!(log.contents(LEFT).requests.len(), 2);
}

#[test]
fn a_clock_that_goes_back_does_not_turn_append_times_back() {
    let log = Simulated::new(1, Faults::none());
    for now in [50, 20, 60, 10] {
        log.tick(Time(now));
        log.intake().append(LEFT, vec![request(1)], Box::new(|_| ()));
    }
    let times: Vec<_> = log.contents(LEFT).requests.iter().map(|r| r.appended.0).collect();
    assert_eq!(times, [50, 50, 60, 60]);
}

#[test]
fn retention_hides_records_and_the_test_still_sees_them() {
    let log = Simulated::new(1, Faults::none());
    let (mut shard, mut author) = owner(&log);
    for id in 1..=3 {
        shard.submit(one(id, author.turn(1, &[], 0))).unwrap();
    }
    shard.release(LEFT, LowWater { turn: 2, input: InputPositions::default() });
    log.trim();
    let limit = Limit { records: 9, bytes: 9_999 };
    assert!(shard.read_outcomes(LEFT, 1, limit).is_err());
    assert_eq!(log.contents(LEFT).outcomes.len(), 3);
}

/// A shard that has been told that it owns the left partition.
fn owner(log: &Simulated) -> (SimulatedShard, Author) {
    let mut shard = log.shard(&[LEFT]);
    assert_eq!(shard.ownership(), Some(Ownership::Assigned(LEFT)));
    (shard, Author::new(LEFT))
}

fn one(id: u64, turn: TurnWrite) -> Commit {
    Commit { id, turns: vec![turn] }
}

type Told = Arc<Mutex<Vec<Result<crate::log::Appended, EngineError>>>>;

fn append(intake: &Arc<dyn Intake>, n: u32) -> Told {
    let told = Told::default();
    let here = Arc::clone(&told);
    intake.append(LEFT, vec![request(n)], Box::new(move |t| here.lock().unwrap().push(t)));
    told
}
