//! A whole process in miniature, for tests: shards over a [simulated log](crate::log::simulated) and
//! a [store in memory](crate::store::memory), driven step by step, killed and started again.
//!
//! What runs in it is a [`Program`] of the test's own; which faults strike is the log's. No thread
//! and no clock: the same calls give the same run.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::aggregate::Aggregate;
use crate::guest::Guest;
use crate::log::simulated::{Contents, Faults, Simulated};
use crate::log::{Intake, Limit, ShardLog};
use crate::model::{
    Context, DeadLetterNumber, KindName, Offset, PartitionId, Request, Time, TypeId,
};
use crate::observer::Silent;
use crate::outcomes::decode_record;
use crate::partition::Status;
use crate::prng::Prng;
use crate::projection::{self, Generations, Projections, Watcher};
use crate::proto::{BatchRecord, Outcome};
use crate::references::{References, Seen};
use crate::settings::Settings;
use crate::shard::{Effect, PartitionView, Parts, Shard, Step, Succession};
use crate::store::memory::MemoryStore;
use crate::store::tables::memory::MemoryTables;
use crate::topology::Topology;

/// What a process runs.
pub struct Program {
    /// Who does what.
    pub topology: Arc<Topology>,
    /// Makes the instances of one shard, in the topology's order.
    pub guests: Box<dyn Fn() -> Vec<Box<dyn Guest>>>,
    /// Makes an instance of each handler that makes tables, in the topology's order.
    pub projecting: Box<dyn Fn() -> Vec<Box<dyn Guest>>>,
    /// The bounds of every shard.
    pub settings: Settings,
    /// How many shards share the partitions.
    pub shards: usize,
}

/// A process, and what outlives it: its log, its store, and the answers that clients were given.
pub struct Process {
    /// The log, seen from outside.
    pub log: Simulated,
    /// The store.
    pub store: MemoryStore,
    /// The tables.
    pub tables: MemoryTables,
    /// What makes them; none if nobody does.
    pub set: Option<Projections>,
    /// What turns look up. Another one after each start.
    pub references: References,
    /// While set, tables stay as they are.
    pub hold_tables: bool,
    /// The shards that run.
    pub shards: Vec<Shard>,
    /// The time of the next step.
    pub now: u64,
    /// By how much the clock of the shards is ahead of the log's, in milliseconds.
    pub skew: i64,
    /// Every answer that was given, by the request's place.
    pub answers: BTreeMap<(PartitionId, Offset), Outcome>,
    program: Program,
    intake: Arc<dyn Intake>,
}

impl Process {
    /// Starts a program on an empty log.
    #[must_use]
    pub fn new(seed: u64, faults: Faults, program: Program) -> Self {
        let log = Simulated::new(seed, faults);
        let mut process = Self {
            store: MemoryStore::new(),
            tables: MemoryTables::default(),
            set: None,
            hold_tables: false,
            references: References::new(&program.topology),
            shards: Vec::new(),
            now: 1,
            skew: 0,
            answers: BTreeMap::new(),
            intake: log.intake(),
            log,
            program,
        };
        process.start();
        process
    }

    /// The process is killed, and what is given runs instead of it.
    pub fn replace(&mut self, program: Program) {
        self.shards.clear();
        self.set = None;
        self.log.crash();
        self.program = program;
        self.start();
    }

    /// The process is killed and started again; the store may lose what was not synced.
    pub fn crash(&mut self, rng: &mut Prng) {
        self.shards.clear();
        self.set = None;
        self.log.crash();
        self.store.crash(rng);
        self.crash_tables(rng);
        self.start();
    }

    /// The machine loses power and is started again.
    pub fn power_loss(&mut self, rng: &mut Prng) {
        self.shards.clear();
        self.set = None;
        self.log.power_loss();
        self.store.crash(rng);
        self.crash_tables(rng);
        self.start();
    }

    /// Tables lose some of their newest writes.
    fn crash_tables(&self, rng: &mut Prng) {
        let writes = self.tables.writes();
        if writes > 0 {
            self.tables.crash_keeping(rng.index(writes + 1));
        }
    }

    /// Another deployment takes over while the process runs, in all shards.
    pub fn succeed(&mut self, program: Program) {
        self.program = program;
        for shard in 0..self.shards.len() {
            self.succeed_in(shard);
        }
    }

    /// What is to run takes over in one shard: see [`Process::set_program`].
    pub fn succeed_in(&mut self, shard: usize) {
        let topology = Arc::clone(&self.program.topology);
        let guests = (self.program.guests)().into_iter().enumerate().collect();
        self.shards[shard].succeed(Succession { topology, guests });
    }

    /// What runs after the next crash.
    pub fn set_program(&mut self, program: Program) {
        self.program = program;
    }

    /// Starts the process, after whoever drives it has ended it: the partitions are dealt among the
    /// shards.
    pub fn start(&mut self) {
        self.intake = self.log.intake();
        self.references = References::new(&self.program.topology);
        self.set = self.open_tables();
        let all: Vec<_> = self.program.topology.partitions().collect();
        let shards = self.program.shards;
        for shard in 0..shards {
            let mine: Vec<_> = all.iter().copied().skip(shard).step_by(shards).collect();
            self.add_shard(&mine);
        }
    }

    fn open_tables(&self) -> Option<Projections> {
        let topology = &self.program.topology;
        topology.projections().next()?;
        let tables = Arc::new(self.tables.clone());
        #[expect(clippy::expect_used, reason = "a test that cannot open its tables has to fail")]
        let generations = Generations::open(tables, &self.log.events()).expect("a catalogue");
        let set = Projections::open(projection::set::Parts {
            topology: Arc::clone(topology),
            makers: topology.projections().zip((self.program.projecting)()).collect(),
            events: Box::new(self.log.events()),
            generations,
            watcher: Box::new(Nobody),
            page: Limit { records: 2, bytes: usize::MAX },
            references: self.references.clone(),
            seen: self.seen(),
            reference_bytes_max: 1 << 20,
        });
        #[expect(clippy::expect_used, reason = "a test that cannot open its tables has to fail")]
        Some(set.expect("the tables can be opened"))
    }

    /// What the turns of earlier processes had seen.
    ///
    /// # Panics
    /// If a batch record cannot be read.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let topology = &self.program.topology;
        let mut seen = Seen::nothing(topology);
        for partition in topology.partitions() {
            if let Some((_, bytes)) = self.log.contents(partition).outcomes.last() {
                #[expect(clippy::expect_used, reason = "a test that cannot read this has to fail")]
                let newest = decode_record(bytes).expect("a batch record");
                seen.add(topology, partition, &newest);
            }
        }
        seen
    }

    fn add_shard(&mut self, partitions: &[PartitionId]) {
        let log: Box<dyn ShardLog> = Box::new(self.log.shard(partitions));
        self.shards.push(Shard::new(Parts {
            log,
            store: Box::new(self.store.clone()),
            guests: (self.program.guests)(),
            topology: Arc::clone(&self.program.topology),
            references: self.references.clone(),
            settings: self.program.settings.clone(),
            observer: Box::new(Silent),
        }));
    }

    /// A client appends a request.
    pub fn append(&self, partition: PartitionId, request: Request) {
        self.intake.append(partition, vec![request], Box::new(|_| ()));
    }

    /// An operator redrives a dead letter.
    pub fn redrive(&self, partition: PartitionId, number: DeadLetterNumber) {
        let nothing = Request {
            key: Bytes::new(),
            kind: Arc::new(KindName::default()),
            source: Bytes::new(),
            id: Bytes::new(),
            context: Arc::new(Context::default()),
            redrive: Some(number),
            wake: None,
            body: Bytes::new(),
        };
        self.append(partition, nothing);
    }

    /// One step of every shard and of the tables, and a tick of the log. Returns whether a shard has more to do.
    ///
    /// # Panics
    /// If a request is answered twice, differently.
    pub fn step(&mut self) -> bool {
        let mut busy = false;
        let mut fenced = false;
        for shard in &mut self.shards {
            let step = shard.step(Time(self.now.saturating_add_signed(self.skew)));
            busy |= step == Step::Again;
            fenced |= step == Step::Fenced;
            for Effect::Durable { partition, record } in shard.take_effects() {
                answer(&mut self.answers, partition, &record);
            }
        }
        busy |= !self.hold_tables && self.step_tables();
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

    /// Makes a page of tables, held or not. Returns whether there was anything to do.
    ///
    /// # Panics
    /// If that fails.
    pub fn step_tables(&mut self) -> bool {
        #[expect(clippy::expect_used, reason = "a test whose tables cannot be made has to fail")]
        self.set.as_mut().is_some_and(|set| set.step().expect("tables can be made"))
    }

    /// So much time passes, in milliseconds, without a step: what has a deadline by then is due.
    pub fn advance(&mut self, ms: u64) {
        self.now += ms;
        self.log.tick(Time(self.now));
    }

    /// Steps until nothing is left to do: all input decided, all turns durable and flushed.
    ///
    /// # Panics
    /// If that never comes.
    pub fn settle(&mut self) {
        let mut idle = 0;
        for _ in 0..1_000_000 {
            let busy = self.step();
            idle = if busy || !self.quiet() { 0 } else { idle + 1 };
            if idle > 20 {
                return;
            }
        }
        panic!("the process never comes to rest: {:?}", self.views());
    }

    fn quiet(&mut self) -> bool {
        let owned: usize = self.shards.iter_mut().map(|shard| shard.view().len()).sum();
        self.log.undurable() == 0
            && owned == self.program.topology.partitions().count()
            && self.shards.iter_mut().all(|shard| {
                shard.is_quiet()
                    && shard.view().iter().all(|p| {
                        !matches!(p.status, Status::Running)
                            || (p.position.requests >= p.ends.requests
                                && p.position.commands >= p.ends.commands)
                    })
            })
    }

    /// All partitions, as the shards show them.
    pub fn views(&mut self) -> Vec<PartitionView> {
        self.shards.iter_mut().flat_map(|shard| shard.view()).collect()
    }

    /// Whether a partition takes turns, if a shard has it.
    pub fn status(&mut self, partition: PartitionId) -> Option<Status> {
        self.views().into_iter().find(|p| p.partition == partition).map(|p| p.status)
    }

    /// Lets a paused partition go on. Returns whether it was paused.
    pub fn resume(&mut self, partition: PartitionId) -> bool {
        self.shards.iter_mut().any(|shard| shard.resume(partition))
    }

    /// The committed state of an aggregate.
    pub fn read(&mut self, aggregate_type: TypeId, key: &str) -> Option<Arc<Aggregate>> {
        let partition = self.program.topology.partition(aggregate_type, key.as_bytes());
        let key = Bytes::copy_from_slice(key.as_bytes());
        self.shards.iter_mut().find_map(|shard| shard.aggregate(partition, &key).ok()).flatten()
    }

    /// All that is durable in a partition.
    #[must_use]
    pub fn contents(&self, aggregate_type: TypeId, number: u32) -> Contents {
        self.log.contents(PartitionId { aggregate_type, number })
    }

    /// The dead letters of a partition that are open.
    #[must_use]
    pub fn open_dead_letters(&self, partition: PartitionId) -> Vec<DeadLetterNumber> {
        self.shards.iter().find_map(|s| s.open_dead_letters(partition)).unwrap_or_default()
    }

    /// The n-th answer in the order of partitions and requests, in the words of [`describe`]; `none`
    /// where there is none.
    #[must_use]
    pub fn answer(&self, nth: usize) -> String {
        self.answers.values().nth(nth).map_or_else(|| "none".into(), describe)
    }
}

/// The tables of a program that makes none.
#[must_use]
pub fn no_tables() -> Vec<Box<dyn Guest>> {
    Vec::new()
}

/// Nobody is told of tables.
struct Nobody;

impl Watcher for Nobody {}

/// Nothing that was answered can be answered differently afterwards.
fn answer(
    answers: &mut BTreeMap<(PartitionId, Offset), Outcome>,
    partition: PartitionId,
    record: &BatchRecord,
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
#[must_use]
pub fn describe(outcome: &Outcome) -> String {
    use crate::proto::outcome::What;
    let text = |b: &Bytes| String::from_utf8_lossy(b).into_owned();
    match &outcome.what {
        Some(What::Accepted(a)) => {
            let range = a.sequences.unwrap_or_default();
            format!("accepted {}..{} {}", range.first, range.next, text(&a.reply))
        }
        Some(What::Refused(r)) => format!("refused {}", r.code),
        Some(What::Nothing(n)) => format!("nothing {}", text(&n.reply)),
        Some(What::Duplicate(d)) => {
            let first = d.outcome.as_ref().map_or_else(|| "no answer".into(), |o| describe(o));
            format!("duplicate of {}: {first}", d.first)
        }
        Some(What::Fault(f)) => format!("fault {}", f.dead_letter),
        Some(What::Dropped(d)) => format!("dropped: {}", d.reason),
        None => "says nothing".into(),
    }
}
