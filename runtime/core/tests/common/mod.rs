//! A whole process in miniature: shards over a simulated log and a store in memory, driven step by
//! step, killed and started again.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod model;
pub mod toy;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use zamu_core::aggregate::Aggregate;
use zamu_core::log::simulated::{Contents, Faults, Simulated};
use zamu_core::log::{Intake, Limit, ShardLog};
use zamu_core::model::{
    Context, DeadLetterNumber, Offset, PartitionId, Request, Time, TypeId, partition_of,
};
use zamu_core::observer::Silent;
use zamu_core::partition::Status;
use zamu_core::prng::Prng;
use zamu_core::proto::Outcome;
use zamu_core::settings::Settings;
use zamu_core::shard::{Effect, Parts, Shard, Step};
use zamu_core::store::memory::MemoryStore;

use toy::Behaviour;

pub const CELL: TypeId = TypeId(0);
pub const MIRROR: TypeId = TypeId(1);

/// How a [`World`] is laid out.
#[derive(Clone)]
pub struct Layout {
    pub seed: u64,
    pub faults: Faults,
    pub settings: Settings,
    pub partitions: u32,
    pub shards: usize,
    pub behaviour: Behaviour,
}

impl Layout {
    /// One shard, one partition per type, nothing goes wrong, turns of so many records.
    pub fn calm(batch: usize) -> Self {
        Self {
            seed: 1,
            faults: Faults::none(),
            settings: Settings { turn: limit(batch), sample_every: 1, ..Settings::default() },
            partitions: 1,
            shards: 1,
            behaviour: Behaviour::default(),
        }
    }
}

pub fn limit(records: usize) -> Limit {
    Limit { records, bytes: usize::MAX }
}

pub struct World {
    pub layout: Layout,
    pub log: Simulated,
    pub store: MemoryStore,
    pub shards: Vec<Shard>,
    pub now: u64,
    /// Every answer that was given, by the request's place.
    pub answers: BTreeMap<(PartitionId, Offset), Outcome>,
    deployment: u64,
    intake: Arc<dyn Intake>,
}

impl World {
    pub fn new(layout: Layout) -> Self {
        let log = Simulated::new(layout.seed, layout.faults.clone());
        let mut world = Self {
            store: MemoryStore::new(),
            shards: Vec::new(),
            now: 1,
            answers: BTreeMap::new(),
            deployment: 0,
            intake: log.intake(),
            log,
            layout,
        };
        world.start();
        world
    }

    fn partitions(&self) -> Vec<PartitionId> {
        toy::topology(self.layout.partitions, 0).partitions().collect()
    }

    /// Starts the process: its shards, with the partitions dealt among them.
    pub fn start(&mut self) {
        self.intake = self.log.intake();
        let all = self.partitions();
        for shard in 0..self.layout.shards {
            let mine: Vec<_> =
                all.iter().copied().skip(shard).step_by(self.layout.shards).collect();
            self.add_shard(&mine);
        }
    }

    fn add_shard(&mut self, partitions: &[PartitionId]) {
        let log: Box<dyn ShardLog> = Box::new(self.log.shard(partitions));
        self.shards.push(Shard::new(Parts {
            log,
            store: Box::new(self.store.clone()),
            guests: toy::guests(&self.layout.behaviour),
            topology: toy::topology(self.layout.partitions, self.deployment),
            settings: self.layout.settings.clone(),
            observer: Box::new(Silent),
        }));
    }

    /// The process is killed and started again.
    pub fn crash(&mut self, rng: &mut Prng) {
        self.shards.clear();
        self.log.crash();
        self.store.crash(rng);
        self.start();
    }

    /// The machine loses power and is started again.
    pub fn power_loss(&mut self, rng: &mut Prng) {
        self.shards.clear();
        self.log.power_loss();
        self.store.crash(rng);
        self.start();
    }

    /// The handlers are mended, and the process started again with them, as a later deployment.
    pub fn mend(&mut self) {
        self.layout.behaviour.mended.store(true, Ordering::SeqCst);
        self.deployment += 1;
        self.shards.clear();
        self.log.crash();
        self.start();
    }

    /// A client sends a command to a cell.
    pub fn send(&mut self, key: &str, id: &str, body: &str) {
        self.send_kind(key, id, "Add", body);
    }

    pub fn send_kind(&mut self, key: &str, id: &str, kind: &str, body: &str) {
        self.send_from("client", key, id, kind, body);
    }

    pub fn send_from(&mut self, source: &str, key: &str, id: &str, kind: &str, body: &str) {
        let partition = self.cell_partition(key);
        self.append(
            partition,
            Request {
                key: Bytes::copy_from_slice(key.as_bytes()),
                kind: toy::kind(kind),
                source: Bytes::copy_from_slice(source.as_bytes()),
                id: Bytes::copy_from_slice(id.as_bytes()),
                context: Arc::new(Context::default()),
                redrive: None,
                body: Bytes::copy_from_slice(body.as_bytes()),
            },
        );
    }

    /// An operator redrives a dead letter.
    pub fn redrive(&mut self, partition: PartitionId, number: DeadLetterNumber) {
        self.append(
            partition,
            Request {
                key: Bytes::new(),
                kind: toy::kind(""),
                source: Bytes::new(),
                id: Bytes::new(),
                context: Arc::new(Context::default()),
                redrive: Some(number),
                body: Bytes::new(),
            },
        );
    }

    fn append(&mut self, partition: PartitionId, request: Request) {
        self.intake.append(partition, vec![request], Box::new(|_| ()));
    }

    pub fn cell_partition(&self, key: &str) -> PartitionId {
        let number = partition_of(key.as_bytes(), self.layout.partitions);
        PartitionId { aggregate_type: CELL, number }
    }

    /// One step of every shard, and a tick of the log.
    pub fn step(&mut self) -> bool {
        let mut busy = false;
        let mut fenced = false;
        for shard in &mut self.shards {
            let step = shard.step(Time(self.now));
            busy |= step == Step::Again;
            fenced |= step == Step::Fenced;
            for Effect::Durable { partition, record } in shard.take_effects() {
                answer(&mut self.answers, partition, &record);
            }
        }
        if fenced {
            let orphans = self.log.orphans();
            if !orphans.is_empty() {
                self.add_shard(&orphans);
            }
        }
        self.now += 1;
        self.log.tick(Time(self.now));
        busy
    }

    /// Steps until nothing is left to do: all input decided, all turns durable and flushed.
    pub fn settle(&mut self) {
        let mut idle = 0;
        for _ in 0..1_000_000 {
            let busy = self.step();
            idle = if busy || !self.quiet() { 0 } else { idle + 1 };
            if idle > 20 {
                return;
            }
        }
        panic!("the world never comes to rest: {:?}", self.views());
    }

    fn quiet(&mut self) -> bool {
        let owned: usize = self.shards.iter_mut().map(|shard| shard.view().len()).sum();
        self.log.undurable() == 0
            && owned == self.partitions().len()
            && self.shards.iter_mut().all(|shard| {
                shard.is_quiet()
                    && shard.view().iter().all(|p| {
                        !matches!(p.status, Status::Running)
                            || (p.position.requests >= p.ends.requests
                                && p.position.commands >= p.ends.commands)
                    })
            })
    }

    fn views(&mut self) -> Vec<zamu_core::shard::PartitionView> {
        self.shards.iter_mut().flat_map(|shard| shard.view()).collect()
    }

    pub fn status(&mut self, partition: PartitionId) -> Option<Status> {
        self.views().into_iter().find(|p| p.partition == partition).map(|p| p.status)
    }

    /// The committed state of an aggregate.
    pub fn read(&mut self, aggregate_type: TypeId, key: &str) -> Option<Arc<Aggregate>> {
        let number = partition_of(key.as_bytes(), self.layout.partitions);
        let partition = PartitionId { aggregate_type, number };
        let key = Bytes::copy_from_slice(key.as_bytes());
        self.shards.iter_mut().find_map(|shard| shard.aggregate(partition, &key).ok()).flatten()
    }

    /// The sum that a cell or a mirror shows.
    pub fn sum(&mut self, aggregate_type: TypeId, key: &str) -> u64 {
        self.read(aggregate_type, key).map_or(0, |a| toy::number(&a.state))
    }

    pub fn contents(&self, aggregate_type: TypeId, number: u32) -> Contents {
        self.log.contents(PartitionId { aggregate_type, number })
    }

    pub fn open_dead_letters(&self, partition: PartitionId) -> Vec<u64> {
        self.shards.iter().find_map(|s| s.open_dead_letters(partition)).unwrap_or_default()
    }

    /// The answer to the n-th request of the only partition.
    pub fn answer(&self, nth: usize) -> String {
        self.answers.values().nth(nth).map_or_else(|| "none".into(), describe)
    }
}

/// Nothing that was answered can be answered differently afterwards.
fn answer(
    answers: &mut BTreeMap<(PartitionId, Offset), Outcome>,
    partition: PartitionId,
    record: &zamu_core::proto::BatchRecord,
) {
    for outcome in &record.external {
        let given = outcome.outcome.clone().unwrap_or_default();
        let before = answers.insert((partition, outcome.offset), given.clone());
        if let Some(before) = before {
            assert_eq!(before, given, "request {} was answered twice, differently", outcome.offset);
        }
    }
}

/// An outcome in a few words.
pub fn describe(outcome: &Outcome) -> String {
    use zamu_core::proto::outcome::What;
    let text = |b: &Bytes| String::from_utf8_lossy(b).into_owned();
    match outcome.what.as_ref().expect("an outcome says what") {
        What::Accepted(a) => {
            let range = a.sequences.unwrap_or_default();
            format!("accepted {}..{} {}", range.first, range.next, text(&a.reply))
        }
        What::Refused(r) => format!("refused {}", r.code),
        What::Nothing(n) => format!("nothing {}", text(&n.reply)),
        What::Duplicate(d) => {
            format!("duplicate of {}: {}", d.first, describe(d.outcome.as_ref().expect("answer")))
        }
        What::Fault(f) => format!("fault {}", f.dead_letter),
        What::Dropped(d) => format!("dropped: {}", d.reason),
    }
}
