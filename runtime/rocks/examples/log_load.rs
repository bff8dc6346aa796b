//! Measures the embedded log under a load like that of a busy node: turns of 50 events of about 200
//! bytes with as many commands, two shards, fsync before anything counts as done.
//!
//! `cargo run -p zamu-rocks --example log_load -- [SECONDS] [DIRECTORY]`

#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use zamu_core::log::{Commit, InputPositions, Limit, Progress, ShardLog, TurnWrite};
use zamu_core::model::{
    Cause, ChannelStamp, Command, Context, Event, EventRef, Kind, KindName, PartitionId, Request,
    Time, TypeId,
};
use zamu_rocks::{EmbeddedLog, EmbeddedShard, LogOptions};

/// Whatever goes wrong ends the measurement.
type Failure = Box<dyn std::error::Error + Send + Sync>;

const PARTITIONS: u32 = 4;
const EVENTS_PER_TURN: u64 = 50;
/// Commits that a shard has on their way at most.
const IN_FLIGHT: u64 = 8;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().as_deref().unwrap_or("5").parse()?;
    let scratch = tempfile::tempdir()?;
    let folder = arguments.next().map_or(scratch.path().to_path_buf(), Into::into);
    let clock = Arc::new(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time(u64::try_from(now.as_millis()).unwrap_or(0))
    });
    let types = [("payments", PARTITIONS), ("accounts", PARTITIONS)];
    let log = EmbeddedLog::open(&folder, LogOptions::default(), &types, clock)?;
    let (cpu, started) = (cpu_time(), Instant::now());
    let end = started + Duration::from_secs(seconds);
    let taken = AtomicU64::new(0);
    let (latencies, appends) = std::thread::scope(|scope| {
        let shards: Vec<_> = (0..2_u16)
            .map(|shard| {
                scope.spawn({
                    let log = &log;
                    let taken = &taken;
                    move || run_shard(log, shard, end, taken)
                })
            })
            .collect();
        let appends = run_client(&log, end);
        let latencies: Result<Vec<_>, Failure> = shards
            .into_iter()
            .map(|shard| shard.join().unwrap_or(Err("a shard panicked".into())))
            .collect();
        (latencies, appends)
    });
    log.wait_durable()?;
    let took = started.elapsed().as_secs_f64();
    report(
        &log,
        &latencies?.concat(),
        appends,
        taken.load(Ordering::Relaxed),
        took,
        cpu_time() - cpu,
    );
    Ok(())
}

fn report(
    log: &EmbeddedLog,
    latencies: &[Duration],
    appends: u64,
    taken: u64,
    took: f64,
    cpu: f64,
) {
    let mut latencies = latencies.to_vec();
    latencies.sort_unstable();
    let at = |part: f64| {
        let index = (latencies.len() as f64 * part) as usize;
        latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    let metrics = log.metrics();
    let records = metrics.records as f64;
    println!(
        "{:.0} commits/s, {:.0} records/s, {:.1} MB/s of frames",
        metrics.commits as f64 / took,
        records / took,
        metrics.frame_bytes as f64 / took / 1e6
    );
    println!(
        "{appends} single requests appended one after the other: {:.0}/s",
        appends as f64 / took
    );
    println!("{taken} inputs taken by shards");
    println!(
        "commit to durable: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        at(0.5),
        at(0.99),
        at(1.0 - 1e-9)
    );
    println!(
        "{} syncs of {:.2} ms, {:.1} commits in each; {} groups",
        metrics.syncs,
        metrics.sync_time.as_secs_f64() * 1e3 / metrics.syncs as f64,
        metrics.commits as f64 / metrics.syncs as f64,
        metrics.groups
    );
    println!(
        "CPU per record: {:.2} us (load generator included), {:.2} cores",
        cpu * 1e6 / records,
        cpu / took
    );
    let disk = metrics.disk;
    println!(
        "bytes per record: {:.0} in frames, {:.0} to the write-ahead log, {:.0} to sorted files so far, {} rewritten",
        metrics.frame_bytes as f64 / records,
        disk.wal as f64 / records,
        disk.flushed as f64 / records,
        disk.compacted
    );
}

/// Appends single requests, each after the answer to the one before.
fn run_client(log: &EmbeddedLog, end: Instant) -> u64 {
    let intake = log.intake();
    let to = PartitionId { aggregate_type: TypeId(1), number: 0 };
    let mut appended = 0;
    while Instant::now() < end {
        let (tell, told) = crossbeam_channel::bounded(1);
        intake.append(to, vec![request(appended)], Box::new(move |result| _ = tell.send(result)));
        if told.recv().is_ok_and(|result| result.is_ok()) {
            appended += 1;
        }
    }
    appended
}

/// One shard: takes what is there, and commits a turn of each of its partitions in its turn.
fn run_shard(
    log: &EmbeddedLog,
    number: u16,
    end: Instant,
    taken: &AtomicU64,
) -> Result<Vec<Duration>, Failure> {
    let partitions: Vec<_> = (0..PARTITIONS)
        .map(|partition| PartitionId { aggregate_type: TypeId(number), number: partition })
        .collect();
    let thread = std::thread::current();
    let mut shard = log.shard(&partitions, Arc::new(move || thread.unpark()))?;
    let mut turns = vec![0; partitions.len()];
    let mut input = vec![InputPositions::default(); partitions.len()];
    let (mut id, mut durable) = (0, 0);
    let mut submitted = std::collections::VecDeque::new();
    let mut latencies = Vec::new();
    while Instant::now() < end {
        while let Some(progress) = shard.poll() {
            if let Progress::Durable(newest) = progress {
                durable = newest;
                while submitted.front().is_some_and(|(id, _)| *id <= newest) {
                    latencies
                        .extend(submitted.pop_front().map(|(_, at): (u64, Instant)| at.elapsed()));
                }
            }
        }
        if id - durable >= IN_FLIGHT {
            std::thread::park_timeout(Duration::from_millis(5));
            continue;
        }
        let index = id as usize % partitions.len();
        taken.fetch_add(take(&mut shard, partitions[index], &mut input[index])?, Ordering::Relaxed);
        id += 1;
        turns[index] += 1;
        let to = PartitionId { aggregate_type: TypeId(1 - number), number: index as u32 };
        let commit =
            Commit { id, turns: vec![turn(partitions[index], turns[index], input[index], to)] };
        submitted.push_back((id, Instant::now()));
        shard.submit(commit).map_err(|(_, e)| e)?;
    }
    Ok(latencies)
}

fn take(
    shard: &mut EmbeddedShard,
    partition: PartitionId,
    input: &mut InputPositions,
) -> Result<u64, Failure> {
    let limit = Limit { records: 100, bytes: 1 << 20 };
    let commands = shard.take_commands(partition, input.commands, limit)?.len() as u64;
    let requests = shard.take_requests(partition, input.requests, limit)?.len() as u64;
    input.commands += commands;
    input.requests += requests;
    Ok(commands + requests)
}

fn turn(partition: PartitionId, turn: u64, input: InputPositions, to: PartitionId) -> TurnWrite {
    let first = (turn - 1) * EVENTS_PER_TURN;
    let (decided, asked): (Kind, Kind) = (kind("PaymentReserved"), kind("CommitDebit"));
    let (handler, reactor): (Arc<str>, Arc<str>) = ("payments".into(), "settlement".into());
    let each = |i: u64| {
        let number = first + i;
        let name = unique(u64::from(partition.number) << 40 | number);
        let context = Arc::new(Context {
            correlation: name.clone(),
            principal: "bank-17".into(),
            trace_parent: Bytes::new(),
        });
        let event =
            EventRef { aggregate_type: partition.aggregate_type, key: name.clone(), sequence: 3 };
        (number, name, context, event)
    };
    let event = |i| {
        let (number, name, context, event) = each(i);
        Event {
            number,
            key: name.clone(),
            sequence: 3,
            previous: number.checked_sub(EVENTS_PER_TURN),
            kind: decided.clone(),
            time: Time(1_700_000_000_000 + number),
            cause: Cause::Command { offset: number, event, handler: reactor.clone(), index: 0 },
            handler: handler.clone(),
            deployment: 4,
            context,
            body: body(&name, number),
        }
    };
    let command = |i| {
        let (number, name, context, cause) = each(i);
        Command {
            key: format!("account-{}", number % 5_000).into(),
            kind: asked.clone(),
            time: Time(1_700_000_000_000 + number),
            channel: Some(ChannelStamp { from: partition, number: number + 1 }),
            cause,
            handler: reactor.clone(),
            index: 0,
            deployment: 4,
            context,
            body: body(&name, number).slice(..120),
        }
    };
    TurnWrite {
        partition,
        turn,
        input,
        events: (0..EVENTS_PER_TURN).map(event).collect(),
        commands: vec![(to, (0..EVENTS_PER_TURN).map(command).collect())],
        outcome: (0..EVENTS_PER_TURN).flat_map(|i| unique(turn * 1_000 + i)).collect(),
        dead_letters: Vec::new(),
        wakes: Vec::new(),
    }
}

fn request(n: u64) -> Request {
    let name = unique(n);
    Request {
        key: name.clone(),
        kind: kind("Prepare"),
        source: "driver".into(),
        id: name.clone(),
        context: Arc::default(),
        redrive: None,
        wake: None,
        body: body(&name, n),
    }
}

fn kind(name: &str) -> Kind {
    Arc::new(KindName {
        name: name.into(),
        schema: "1".into(),
        content_type: "application/json".into(),
    })
}

/// 200 bytes of JSON, a third of which no compression makes smaller.
fn body(name: &Bytes, n: u64) -> Bytes {
    let condition = unique(n ^ 0xabcd);
    format!(
        r#"{{"payment":"{}","debtor":"account-{}","creditor":"account-{}","amount":"{}.{:02}","currency":"TZS","condition":"{}","expires":{}}}"#,
        String::from_utf8_lossy(name), n % 5_000, (n * 7) % 5_000, n % 90_000, n % 100,
        String::from_utf8_lossy(&condition), 1_700_000_030_000_u64 + n,
    )
    .into()
}

/// 32 hexadecimal digits that look random.
fn unique(n: u64) -> Bytes {
    let mix = |n: u64| {
        let n = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    };
    format!("{:016x}{:016x}", mix(n + 1), mix(n ^ 0x5555_5555)).into()
}

/// Seconds of processor time of this process so far, as Linux counts them.
fn cpu_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
