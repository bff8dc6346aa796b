//! Measures what pending deadlines cost: the start of a partition with a million of them against one
//! with as many aggregates and none, the memory that they take, and how fast they are answered when
//! they all come at once.
//!
//! `cargo run -p zamu-rocks --example deadline_load -- [AGGREGATES] [DIRECTORY]`
//!
//! It fills two data directories, and measures each in a process of its own.

#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use zamu_core::guest::FaultReason;
use zamu_core::guest::columns::NEVER;
use zamu_core::guest::manifest::{Class, HandlerSpec, Manifest, OwnedType};
use zamu_core::guest::native::{Answer, Item, Native, Rules, Sent};
use zamu_core::log::Intake;
use zamu_core::model::{Context, Kind, KindName, PartitionId, Request, Time, TypeId};
use zamu_core::observer::Silent;
use zamu_core::partition::Status;
use zamu_core::references::References;
use zamu_core::settings::Settings;
use zamu_core::shard::{Parts, Shard, Step};
use zamu_core::topology::{Topology, TypeSettings};
use zamu_rocks::{EmbeddedLog, LogOptions, RocksStore, StoreOptions};

/// Whatever goes wrong ends the measurement.
type Failure = Box<dyn std::error::Error + Send + Sync>;

const HERE: PartitionId = PartitionId { aggregate_type: TypeId(0), number: 0 };
const TYPES: [(&str, u32); 1] = [("sleeper", 1)];
/// Requests of one append.
const APPEND: u64 = 20_000;
/// When everything begins, and when the last deadline has come, in milliseconds.
const BEGIN: u64 = 1_000_000;
const DUE: u64 = 2_000_000_000;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [measure, what, folder] = &arguments[..]
        && measure == "--measure"
    {
        return measure_start(Path::new(folder), what == "deadlines");
    }
    let aggregates: u64 = arguments.first().map_or("1000000", String::as_str).parse()?;
    let scratch = tempfile::tempdir()?;
    let folder = arguments.get(1).map_or(scratch.path().to_path_buf(), Into::into);
    for what in ["none", "deadlines"] {
        let folder = folder.join(what);
        fill(&folder, aggregates, what == "deadlines")?;
        println!("{what}: a new process on {aggregates} aggregates");
        let measured = Command::new(std::env::current_exe()?)
            .args(["--measure", what])
            .arg(&folder)
            .status()?;
        if !measured.success() {
            return Err("the measurement failed".into());
        }
    }
    Ok(())
}

/// A shard on its files, with a clock that the program sets.
struct Host {
    shard: Shard,
    store: RocksStore,
    log: EmbeddedLog,
    now: Arc<AtomicU64>,
}

impl Host {
    fn open(folder: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder)?;
        let now = Arc::new(AtomicU64::new(BEGIN));
        let time = Arc::clone(&now);
        let clock = Arc::new(move || Time(time.load(Ordering::Relaxed)));
        let log = EmbeddedLog::open(folder, LogOptions::default(), &TYPES, clock)?;
        let store = RocksStore::open(folder, &StoreOptions::default(), &TYPES)?;
        let topology = topology()?;
        let shard = Shard::new(Parts {
            log: Box::new(log.shard(&[HERE], Arc::new(|| {}))?),
            store: Box::new(store.handle()),
            guests: vec![Box::new(Native::new(Sleeper, true))],
            references: References::new(&topology),
            topology,
            settings: Settings { sample_every: 0, ..Settings::default() },
            observer: Box::new(Silent),
        });
        Ok(Self { shard, store, log, now })
    }

    fn step(&mut self) -> Step {
        let step = self.shard.step(Time(self.now.load(Ordering::Relaxed)));
        self.shard.take_effects();
        step
    }

    /// Steps until there are so many events, durable and flushed.
    fn until_events(&mut self, events: u64) -> Result<(), Failure> {
        loop {
            match self.step() {
                Step::Again => {}
                Step::Fenced => return Err("fenced".into()),
                Step::Wait(_) => {
                    let view = self.shard.view().remove(0);
                    if view.status != Status::Running && view.status != Status::Restoring {
                        return Err(format!("{:?}", view.status).into());
                    }
                    if view.events_next >= events && self.shard.is_quiet() {
                        return Ok(());
                    }
                    self.now.fetch_add(5, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        }
    }
}

fn fill(folder: &Path, aggregates: u64, deadlines: bool) -> Result<(), Failure> {
    let mut host = Host::open(folder)?;
    let intake = host.log.intake();
    let started = Instant::now();
    for first in (0..aggregates).step_by(APPEND as usize) {
        let next = (first + APPEND).min(aggregates);
        append(&*intake, (first..next).map(|n| request(n, deadlines)).collect());
        host.until_events(next)?;
    }
    host.log.wait_durable()?;
    let took = started.elapsed().as_secs_f64();
    println!("filled with {aggregates} aggregates in {took:.1} s, {}", memory());
    Ok(())
}

fn append(intake: &dyn Intake, requests: Vec<Request>) {
    // What was not taken is missed by the count of events.
    intake.append(HERE, requests, Box::new(|_| ()));
}

fn measure_start(folder: &Path, deadlines: bool) -> Result<(), Failure> {
    let before = Instant::now();
    let mut host = Host::open(folder)?;
    println!("  files opened: {:.1} ms, {}", ms(before), memory());
    let before = Instant::now();
    while host.shard.view().first().is_none_or(|view| view.status != Status::Running) {
        host.step();
    }
    println!("  restored: {:.2} ms, {}", ms(before), memory());
    let before = Instant::now();
    let next = loop {
        if let Step::Wait(next) = host.step() {
            break next;
        }
    };
    let view = host.shard.view().remove(0);
    println!("  idle until {next:?}: {:.2} ms, {}", ms(before), memory());
    println!("  {} deadlines in memory, {} aggregates", view.deadlines, view.events_next);
    println!("  store: {:.1} MB of files", host.store.sizes().0 as f64 / 1e6);
    if deadlines {
        let pending = view.events_next;
        host.now.store(DUE, Ordering::Relaxed);
        let before = Instant::now();
        host.until_events(2 * pending)?;
        let rate = pending as f64 / before.elapsed().as_secs_f64();
        println!("  all came at once: {rate:.0} answered per second, {}", memory());
        drop(host);
        let mut host = Host::open(folder)?;
        host.now.store(DUE, Ordering::Relaxed);
        let before = Instant::now();
        while !matches!(host.step(), Step::Wait(_)) {}
        println!("  restored once all were answered: {:.2} ms", ms(before));
    }
    Ok(())
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Resident memory of this process, now and at most, as Linux tells it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1e3
    };
    format!("{:.1} MB resident ({:.1} at most)", field("VmRSS"), field("VmHWM"))
}

/// An aggregate whose state is its deadline, or nothing.
struct Sleeper;

impl Rules for Sleeper {
    fn decide(&mut self, _: &[u8], command: &Item<'_>) -> Result<Answer, FaultReason> {
        // A Wake has no body: the sleeper has no deadline any more.
        Ok(Answer::Accept(vec![(1, command.body.to_vec())], Vec::new()))
    }

    fn evolve(&mut self, state: &mut Vec<u8>, event: &Item<'_>) -> Result<(), FaultReason> {
        *state = if event.body.is_empty() { b"-".to_vec() } else { event.body.to_vec() };
        Ok(())
    }

    fn react(&mut self, _: &Item<'_>) -> Result<Vec<Sent>, FaultReason> {
        Ok(Vec::new())
    }

    fn wake_at(&self, state: &[u8]) -> u64 {
        std::str::from_utf8(state).ok().and_then(|at| at.parse().ok()).unwrap_or(NEVER)
    }
}

fn request(n: u64, deadline: bool) -> Request {
    let at = DUE - 1_000_000 + n.wrapping_mul(0x9e37_79b9) % 1_000_000;
    let body = if deadline { at.to_string() } else { format!("-{at}") };
    Request {
        key: format!("{:016x}-{n:012}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into(),
        kind: kind("Sleep"),
        source: "load".into(),
        id: n.to_string().into(),
        context: Arc::new(Context::default()),
        redrive: None,
        wake: None,
        body: Bytes::from(body),
    }
}

fn kind(name: &str) -> Kind {
    Arc::new(KindName { name: name.into(), schema: "1".into(), content_type: "text/plain".into() })
}

fn topology() -> Result<Arc<Topology>, Failure> {
    let manifest = Manifest {
        name: "sleepers".into(),
        version: "1.0.0".into(),
        fold: 1,
        types: vec!["sleeper".into()],
        kinds: vec![kind("Sleep"), kind("Slept")],
        state_schemas: vec!["1".into()],
        aggregates: vec![OwnedType { aggregate_type: 0, commands: vec![0], events: vec![1] }],
        ..Manifest::default()
    };
    let types = TYPES.map(|(name, partitions)| TypeSettings {
        name: name.into(),
        partitions,
        window_ids: 64,
        window_ms: 86_400_000,
    });
    let spec = HandlerSpec {
        name: "sleepers".into(),
        digest: "none".into(),
        class: Class::Pure,
        manifest,
        configuration: Bytes::new(),
    };
    Ok(Arc::new(Topology::new(1, types.to_vec(), vec![Arc::new(spec)])?))
}
