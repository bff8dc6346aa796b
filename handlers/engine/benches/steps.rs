//! What each step of a turn costs, for one command: in the sandbox, on the embedded log and store, with
//! the counter. `cargo bench -p engine --bench steps --profile dev`.
//!
//! The steps of a turn are timed by the core itself (`Observer`), as they are in a node; commit, flush,
//! restore and tables from outside. The log syncs the disk, so `commit` is the disk's figure, too.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;
use zamu_core::guest::Guest;
use zamu_core::log::Limit;
use zamu_core::model::{Context, KindName, PartitionId, Request, Time};
use zamu_core::observer::{Alarm, Observer, STEPS, TurnReport};
use zamu_core::projection::set::Watcher;
use zamu_core::projection::{self, Generations, Projections};
use zamu_core::references::{References, Seen};
use zamu_core::settings::Settings;
use zamu_core::shard::{Parts, Shard, Step};
use zamu_core::topology::{Topology, TypeSettings};
use zamu_rocks::{EmbeddedLog, LogOptions, RocksStore, StoreOptions};
use zamu_wasm::{Engine, Handler, Limits};

/// Requests of one turn.
const BATCH: u64 = 500;
/// Commands that come of them: each counter tells the counter of all counters.
const COMMANDS: u64 = 2 * BATCH;
/// Aggregates that they are spread over.
const KEYS: u64 = 2_000;
const NOW: Time = Time(1_700_000_000_000);
const PAGE: Limit = Limit { records: 1_000, bytes: 1 << 20 };

/// What was spent so far: on each step, on commits, and how much was done.
#[derive(Clone, Copy, Default)]
struct Spent {
    step_ns: [u64; STEPS.len()],
    commit_ns: u64,
    flushed: u64,
    restored: u64,
}

/// Adds up what the core tells.
#[derive(Clone)]
struct Meter {
    spent: Arc<Mutex<Spent>>,
    zero: Instant,
}

impl Observer for Meter {
    fn clock_ns(&mut self) -> u64 {
        self.zero.elapsed().as_nanos() as u64
    }

    fn turn(&mut self, report: &TurnReport) {
        assert_eq!(report.faults + report.refused, 0);
        let mut spent = self.spent.lock().unwrap();
        for (sum, ns) in spent.step_ns.iter_mut().zip(report.step_ns) {
            *sum += ns;
        }
    }

    fn durable(&mut self, commit_ns: u64) {
        self.spent.lock().unwrap().commit_ns += commit_ns;
    }

    fn alarm(&mut self, alarm: Alarm<'_>) {
        panic!("{alarm:?}");
    }

    fn restored(&mut self, _: PartitionId, _: u64, events: u64) {
        self.spent.lock().unwrap().restored += events;
    }

    fn flushed(&mut self, _: PartitionId, aggregates: usize) {
        self.spent.lock().unwrap().flushed += aggregates as u64;
    }
}

/// A shard over one partition, and all that is below it.
struct World {
    // Before what they have open.
    shard: Option<Shard>,
    store: RocksStore,
    log: EmbeddedLog,
    topology: Arc<Topology>,
    handler: Arc<Handler>,
    meter: Meter,
    sent: u64,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        let guests = std::env::var("ZAMU_GUESTS_DIR").unwrap_or_else(|_| {
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guests").to_owned()
        });
        let path = format!("{guests}/counter.wasm");
        let wasm = std::fs::read(&path).unwrap_or_else(|error| {
            panic!("{path}: {error}; build it with `cargo xtask guests`");
        });
        let engine = Engine::new().unwrap();
        let handler = Handler::load(&engine, &wasm, None, Limits::default(), Bytes::new()).unwrap();
        let types = vec![TypeSettings {
            name: "counter".into(),
            partitions: 1,
            window_ids: 64,
            window_ms: 24 * 3_600_000,
        }];
        let spec = Arc::new(handler.spec().clone());
        let topology = Arc::new(Topology::new(1, types, vec![spec]).unwrap());
        let folder = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target"));
        let folder = folder.unwrap();
        let clock = Arc::new(|| NOW);
        let types = [("counter", 1)];
        let log = EmbeddedLog::open(folder.path(), LogOptions::default(), &types, clock).unwrap();
        let store = RocksStore::open(folder.path(), &StoreOptions::default(), &types).unwrap();
        let meter = Meter { spent: Arc::default(), zero: Instant::now() };
        let mut world =
            Self { shard: None, store, log, topology, handler, meter, sent: 0, _folder: folder };
        world.start();
        world
    }

    fn partition(&self) -> PartitionId {
        self.topology.partitions().next().unwrap()
    }

    fn guest(&self) -> Box<dyn Guest> {
        Box::new(self.handler.instance())
    }

    /// A new shard takes over; ready when it has caught up.
    fn start(&mut self) {
        self.shard = None;
        let log = self.log.shard(&[self.partition()], Arc::new(|| ())).unwrap();
        let settings = Settings { sample_every: 0, ..Settings::default() };
        self.shard = Some(Shard::new(Parts {
            log: Box::new(log),
            store: Box::new(self.store.handle()),
            guests: vec![self.guest()],
            topology: Arc::clone(&self.topology),
            references: References::new(&self.topology),
            settings,
            observer: Box::new(self.meter.clone()),
        }));
        self.rest(NOW);
    }

    /// Has one turn's worth of commands decided, durably: what was spent on it.
    fn turn(&mut self) -> Spent {
        let before = *self.meter.spent.lock().unwrap();
        let kind = KindName { name: "Increment".to_owned(), ..KindName::default() };
        let kind = self.topology.command_kind(self.partition().aggregate_type, &kind).unwrap();
        let request = |number: u64| {
            let id = Bytes::from(format!("c{number}"));
            Request {
                key: Bytes::from(format!("counter-{}", number % KEYS)),
                kind: Arc::clone(&kind),
                source: Bytes::from_static(b"bench"),
                id: id.clone(),
                context: Arc::new(Context {
                    correlation: id,
                    principal: Bytes::from_static(b"anonymous"),
                    trace_parent: Bytes::new(),
                }),
                redrive: None,
                wake: None,
                body: Bytes::from_static(br#"{"by":1}"#),
            }
        };
        let requests = (self.sent..self.sent + BATCH).map(request).collect();
        self.sent += BATCH;
        let (tell, told) = std::sync::mpsc::channel();
        let done = Box::new(move |appended: Result<_, _>| tell.send(appended.is_ok()).unwrap());
        self.log.intake().append(self.partition(), requests, done);
        assert!(told.recv().unwrap());
        self.rest(NOW);
        let after = *self.meter.spent.lock().unwrap();
        let mut spent = Spent { commit_ns: after.commit_ns - before.commit_ns, ..after };
        for (step, ns) in spent.step_ns.iter_mut().enumerate() {
            *ns -= before.step_ns[step];
        }
        spent
    }

    /// So many of them.
    fn turns(&mut self, count: u64) {
        for _ in 0..count {
            self.turn();
        }
    }

    /// Until there is nothing to do, and all is durable.
    fn rest(&mut self, now: Time) {
        let shard = self.shard.as_mut().unwrap();
        let mut quiet = 0;
        while quiet < 2 {
            match shard.step(now) {
                Step::Again => quiet = 0,
                Step::Wait(_) => {
                    self.log.wait_durable().unwrap();
                    quiet += 1;
                }
                Step::Fenced => panic!("fenced"),
            }
            drop(shard.take_effects());
        }
    }
}

/// Nobody is to hear anything.
struct Nobody;

impl Watcher for Nobody {}

/// What so many would have taken. When a flush was due depends on the clock's place in its interval, so
/// a part may have gone to the store before.
fn scaled(took: Duration, all: u64, done: u64) -> Duration {
    assert!(done > 0);
    took.mul_f64(all as f64 / done as f64)
}

fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("turn");
    group.throughput(Throughput::Elements(COMMANDS)).sample_size(10);
    let mut world = World::new();
    for (step, name) in STEPS.iter().enumerate() {
        group.bench_function(*name, |bencher| {
            bencher.iter_custom(|turns| {
                let ns: u64 = (0..turns).map(|_| world.turn().step_ns[step]).sum();
                Duration::from_nanos(ns)
            });
        });
    }
    group.bench_function("commit", |bencher| {
        bencher.iter_custom(|turns| {
            Duration::from_nanos((0..turns).map(|_| world.turn().commit_ns).sum())
        });
    });
    group.finish();
}

/// Changed aggregates go to the store.
fn flush(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flush");
    group.throughput(Throughput::Elements(KEYS)).sample_size(10);
    let mut world = World::new();
    let mut now = NOW;
    group.bench_function("store", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                world.turns(KEYS / BATCH);
                now = now.plus_ms(10_000);
                let before = world.meter.spent.lock().unwrap().flushed;
                let start = Instant::now();
                world.rest(now);
                let flushed = world.meter.spent.lock().unwrap().flushed - before;
                took += scaled(start.elapsed(), KEYS, flushed);
            }
            took
        });
    });
    group.finish();
}

/// A shard begins on a store that knows nothing of the last turns.
fn restore(criterion: &mut Criterion) {
    const TURNS: u64 = 4;
    let mut group = criterion.benchmark_group("restore");
    group.throughput(Throughput::Elements(TURNS * COMMANDS)).sample_size(10);
    let mut world = World::new();
    let mut now = NOW;
    group.bench_function("events and outcomes", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                // All that was before goes to the store, so that each round folds as much.
                now = now.plus_ms(10_000);
                world.rest(now);
                world.turns(TURNS);
                let before = world.meter.spent.lock().unwrap().restored;
                let start = Instant::now();
                world.start();
                let restored = world.meter.spent.lock().unwrap().restored - before;
                took += scaled(start.elapsed(), TURNS * COMMANDS, restored);
            }
            took
        });
    });
    group.finish();
}

/// Tables are made of events.
fn project(criterion: &mut Criterion) {
    const TURNS: u64 = 4;
    let mut group = criterion.benchmark_group("project");
    group.throughput(Throughput::Elements(TURNS * COMMANDS)).sample_size(10);
    let mut world = World::new();
    let mut tables = {
        let events = Box::new(world.log.reader());
        let store = Arc::new(world.store.tables());
        Projections::open(projection::set::Parts {
            topology: Arc::clone(&world.topology),
            makers: vec![(0, world.guest())],
            generations: Generations::open(store, &*events).unwrap(),
            events,
            watcher: Box::new(Nobody),
            page: PAGE,
            references: References::new(&world.topology),
            seen: Seen::default(),
            reference_bytes_max: 64 << 20,
        })
        .unwrap()
    };
    group.bench_function("rows", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                world.turns(TURNS);
                let start = Instant::now();
                while tables.step().unwrap() {}
                took += start.elapsed();
            }
            took
        });
    });
    group.finish();
}

criterion_group!(benches, steps, flush, restore, project);
criterion_main!(benches);
