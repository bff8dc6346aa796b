//! A log on a folder of its own, which can be killed, and whose machine can lose power.
//!
//! A kill is a copy of all files as they are, for what a process has written survives it. A loss of
//! power is a copy in which the newest write-ahead log ends where it had last been synced, or a given
//! part beyond.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use tempfile::TempDir;
use zamu_core::log::contract::{LogUnderTest, LosesPower, Retains, TYPES};
use zamu_core::log::{Appended, Commit, InputPositions, Limit, LowWater, Progress, TurnWrite};
use zamu_core::log::{Intake, ShardLog};
use zamu_core::model::{Event, PartitionId, Request, Time, TypeId};

use crate::codec::samples;
use crate::{EmbeddedLog, Ends, LogOptions, LogReader, SyncStep};

/// Lengths of write-ahead logs.
pub(super) type Lengths = BTreeMap<OsString, u64>;

/// What the disk is known to hold.
#[derive(Default)]
pub(super) struct Disk {
    held: Mutex<bool>,
    released: Condvar,
    before: Mutex<Lengths>,
    synced: Mutex<Lengths>,
}

impl Disk {
    fn step(&self, folder: &Path, step: SyncStep) {
        match step {
            SyncStep::Before(_) => {
                let mut held = self.held.lock().unwrap();
                while *held {
                    held = self.released.wait(held).unwrap();
                }
                *self.before.lock().unwrap() = lengths(folder);
            }
            SyncStep::After(_) => {
                self.synced.lock().unwrap().clone_from(&self.before.lock().unwrap());
            }
        }
    }

    pub(super) fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.released.notify_all();
    }

    pub(super) fn synced(&self) -> Lengths {
        self.synced.lock().unwrap().clone()
    }
}

/// See the file's head.
pub(super) struct Machine {
    pub(super) options: LogOptions,
    pub(super) clock: Arc<AtomicU64>,
    pub(super) disk: Arc<Disk>,
    /// Folders of all processes so far; the last one is in use.
    folders: Vec<TempDir>,
    log: Option<EmbeddedLog>,
}

impl Machine {
    /// A machine whose log rotates as in production: hardly ever in a test.
    pub(super) fn new() -> Self {
        Self::with(LogOptions::default())
    }

    /// A machine whose log begins a new segment with every write, for events as well.
    pub(super) fn rotating() -> Self {
        let events_bytes = 0;
        Self::with(LogOptions { segment_bytes: 0, events_bytes, ..LogOptions::default() })
    }

    /// A machine whose log keeps nothing for longer than it must.
    pub(super) fn forgetful() -> Self {
        let retention = std::time::Duration::ZERO;
        Self::with(LogOptions { segment_bytes: 0, retention, ..LogOptions::default() })
    }

    pub(super) fn with(options: LogOptions) -> Self {
        let mut machine = Self {
            options,
            clock: Arc::new(AtomicU64::new(1_000)),
            disk: Arc::default(),
            folders: vec![tempfile::tempdir().unwrap()],
            log: None,
        };
        machine.start();
        machine
    }

    /// The data directory.
    pub(super) fn dir(&self) -> PathBuf {
        self.folders.last().unwrap().path().to_path_buf()
    }

    pub(super) fn log(&self) -> &EmbeddedLog {
        self.log.as_ref().unwrap()
    }

    pub(super) fn options(&self) -> LogOptions {
        let (disk, folder) = (Arc::clone(&self.disk), self.dir().join("log"));
        let hook = move |step| disk.step(&folder, step);
        LogOptions { on_sync: Some(Arc::new(hook)), ..self.options.clone() }
    }

    /// Every look at the clock is a millisecond later.
    pub(super) fn clock(&self) -> crate::Clock {
        let clock = Arc::clone(&self.clock);
        Arc::new(move || Time(clock.fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) fn start(&mut self) {
        self.disk.hold(false);
        self.log = None;
        let log = EmbeddedLog::open(&self.dir(), self.options(), &TYPES, self.clock());
        self.log = Some(log.expect("the log opens"));
        *self.disk.synced.lock().unwrap() = lengths(&self.dir().join("log"));
    }

    /// Stops in good order.
    pub(super) fn stop(&mut self) {
        self.disk.hold(false);
        self.log = None;
    }

    /// Another process starts on a copy of the files, in which write-ahead logs end as `cut` says.
    pub(super) fn start_on_copy(&mut self, cut: impl Fn(&Path, u64) -> u64) {
        self.leave_copy(cut);
        self.start();
    }

    /// Leaves a copy of the files, which nobody uses.
    pub(super) fn leave_copy(&mut self, cut: impl Fn(&Path, u64) -> u64) {
        let copy = tempfile::tempdir().unwrap();
        copy_files(&self.dir().join("log"), &copy.path().join("log"), cut);
        self.stop();
        self.folders.push(copy);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop();
    }
}

impl LogUnderTest for Machine {
    fn shard(&mut self, partitions: &[PartitionId]) -> Box<dyn ShardLog> {
        Box::new(self.log().shard(partitions, Arc::new(|| ())).unwrap())
    }

    fn intake(&mut self) -> Arc<dyn Intake> {
        self.log().intake()
    }

    fn settle(&mut self) {
        let held = *self.disk.held.lock().unwrap();
        let log = self.log();
        if held { log.wait_written() } else { log.wait_durable() }.unwrap();
    }

    fn restart(&mut self) {
        self.start_on_copy(|_, len| len);
    }
}

impl LosesPower for Machine {
    fn hold_durable(&mut self, held: bool) {
        self.disk.hold(held);
    }

    fn power_loss(&mut self, kept: u32) {
        let synced = self.disk.synced();
        let newest = lengths(&self.dir().join("log")).into_keys().next_back().unwrap();
        self.start_on_copy(|file, len| {
            if file.file_name() != Some(&newest) {
                return len;
            }
            let durable = synced.get(&newest).copied().unwrap_or(0);
            durable + (len - durable) * u64::from(kept) / 1_000
        });
    }
}

impl Retains for Machine {
    fn trim(&mut self) {
        // Every write begins a segment, so after this one no record of a partition is in the newest.
        self.log().append_control("a new segment".into()).unwrap();
        self.log().drop_expired().unwrap();
    }
}

/// Lengths of all write-ahead logs in a folder.
pub(super) fn lengths(folder: &Path) -> Lengths {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files
        .filter(|file| file.path().extension().is_some_and(|extension| extension == "log"))
        .filter_map(|file| Some((file.file_name(), file.metadata().ok()?.len())))
        .collect()
}

/// Copies a database while it is in use, as it is at one moment: again and again, until no file came,
/// went or was recorded meanwhile. Write-ahead logs may grow; how much of each is copied, `cut` says.
pub(super) fn copy_files(from: &Path, to: &Path, cut: impl Fn(&Path, u64) -> u64) {
    let file = |name: &str| (from.join(name), to.join(name));
    loop {
        let before = stamp(from);
        drop(fs::remove_dir_all(to));
        fs::create_dir_all(to).unwrap();
        // The mark first, so that it says no more than the logs hold.
        let (mark, others): (Vec<_>, Vec<_>) =
            before.keys().partition(|name| *name == "zamu.durable");
        for name in mark.into_iter().chain(others) {
            let (source, copy) = file(name);
            // One that has vanished is found missing below.
            let Ok(mut bytes) = fs::read(&source) else { break };
            if name.ends_with(".log") {
                bytes.truncate(cut(&source, bytes.len() as u64) as usize);
            }
            fs::write(copy, bytes).unwrap();
        }
        if stamp(from) == before {
            return;
        }
    }
}

/// All files that matter, with what must not change meanwhile.
fn stamp(folder: &Path) -> BTreeMap<String, u64> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name == "LOCK" || name.starts_with("LOG") || name.ends_with(".dbtmp") {
            continue;
        }
        let grows = !name.starts_with("MANIFEST");
        let len = entry.metadata().map_or(0, |metadata| metadata.len());
        files.insert(name, if grows { 0 } else { len });
    }
    files
}

/// Turns of one partition, numbered as its owner would.
pub(super) struct Owner {
    pub(super) shard: crate::EmbeddedShard,
    partition: PartitionId,
    commit: u64,
    turn: u64,
    events: u64,
}

impl Owner {
    /// The owner of a partition that may have turns already.
    pub(super) fn of(log: &EmbeddedLog, partition: PartitionId) -> Self {
        let ends = log.reader().ends(partition).unwrap();
        let shard = log.shard(&[partition], Arc::new(|| ())).unwrap();
        Self { shard, partition, commit: 0, turn: ends.outcomes - 1, events: ends.events }
    }

    /// The next turn: so many events of 100 bytes, as many commands to a partition.
    pub(super) fn turn(&mut self, events: u64, to: Option<PartitionId>) -> Commit {
        self.commit += 1;
        self.turn += 1;
        let event = |i: u64| Event {
            number: self.events + i,
            body: format!("{:0100}", self.events + i).into(),
            previous: (self.events + i).checked_sub(1),
            sequence: self.events + i + 1,
            ..samples::events().remove(0)
        };
        let commands = |to| (to, (0..events).map(|_| samples::commands().remove(0)).collect());
        let turn = TurnWrite {
            partition: self.partition,
            turn: self.turn,
            input: InputPositions::default(),
            events: (0..events).map(event).collect(),
            commands: to.into_iter().map(commands).collect(),
            outcome: self.turn.to_be_bytes().to_vec().into(),
            dead_letters: vec![(self.turn, format!("letter {}", self.turn).into())],
            wakes: Vec::new(),
        };
        self.events += events;
        Commit { id: self.commit, turns: vec![turn] }
    }

    /// Submits the next turn; gives its number.
    pub(super) fn submit(&mut self, events: u64) -> u64 {
        let commit = self.turn(events, None);
        self.shard.submit(commit).map_err(|(_, e)| e).unwrap();
        self.turn
    }

    /// Lets retention have everything up to a turn.
    pub(super) fn release(&mut self, turn: u64) {
        let input = self.shard.input_ends(self.partition);
        self.shard.release(self.partition, LowWater { turn, input });
    }

    /// The newest commit that the shard has been told is durable.
    pub(super) fn durable(&mut self) -> u64 {
        let mut newest = 0;
        while let Some(progress) = self.shard.poll() {
            if let Progress::Durable(id) = progress {
                newest = id;
            }
        }
        newest
    }
}

pub(super) const LEFT_0: PartitionId = PartitionId { aggregate_type: TypeId(0), number: 0 };
pub(super) const LEFT_1: PartitionId = PartitionId { aggregate_type: TypeId(0), number: 1 };
pub(super) const RIGHT_0: PartitionId = PartitionId { aggregate_type: TypeId(1), number: 0 };
pub(super) const ALL: Limit = Limit { records: 1_000_000, bytes: 1 << 30 };

/// A request whose body is a number.
pub(super) fn request(n: u64) -> Request {
    Request { body: n.to_string().into(), ..samples::requests().remove(0) }
}

/// Appends and waits until it is durable.
pub(super) fn append(log: &EmbeddedLog, to: PartitionId, requests: Vec<Request>) -> Appended {
    let (tell, told) = crossbeam_channel::bounded(1);
    log.intake().append(to, requests, Box::new(move |result| tell.send(result).unwrap()));
    told.recv().unwrap().unwrap()
}

/// All events, batch records and dead letters of a partition that an owner wrote, checked for being
/// whole and gapless: their ends.
pub(super) fn check(reader: &LogReader, partition: PartitionId) -> Ends {
    let ends = reader.ends(partition).unwrap();
    let events = reader.events(partition, 0, ALL).unwrap();
    assert_eq!(events.len() as u64, ends.events);
    for (number, event) in (0..).zip(&events) {
        assert_eq!((event.number, event.sequence), (number, number + 1));
        assert_eq!(event.body, format!("{number:0100}"));
    }
    let outcomes = reader.outcomes(partition, 1, ALL).unwrap();
    let expected: Vec<_> =
        (1..ends.outcomes).map(|turn| (turn, turn.to_be_bytes().to_vec().into())).collect();
    assert_eq!(outcomes, expected);
    assert_eq!(reader.last_outcome(partition).unwrap().as_ref(), expected.last());
    let letters = reader.dead_letters(partition, 1, ALL).unwrap();
    let expected: Vec<_> =
        (1..ends.dead_letters).map(|n| (n, format!("letter {n}").into())).collect();
    assert_eq!(letters, expected);
    ends
}
