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
use zamu_core::log::{Intake, ShardLog};
use zamu_core::model::{PartitionId, Time};

use crate::{EmbeddedLog, LogOptions, SyncStep};

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

    /// A machine whose log begins a new segment with every write.
    pub(super) fn rotating() -> Self {
        Self::with(LogOptions { segment_bytes: 0, ..LogOptions::default() })
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
        let copy = tempfile::tempdir().unwrap();
        copy_files(&self.dir().join("log"), &copy.path().join("log"), cut);
        self.stop();
        self.folders.push(copy);
        self.start();
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

/// Copies a database while it is in use: write-ahead logs first, because what leaves them is in sorted
/// files by then, and sorted files last, because the manifest must not name one that is missing.
pub(super) fn copy_files(from: &Path, to: &Path, cut: impl Fn(&Path, u64) -> u64) {
    fs::create_dir_all(to).unwrap();
    let order = |name: &str| match name.rsplit('.').next() {
        Some("log") => 0,
        Some("sst") => 2,
        _ => 1,
    };
    for pass in 0..3 {
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if order(name) != pass || name == "LOCK" || !path.is_file() {
                continue;
            }
            // A file may vanish between listing and reading: then it was not needed any more.
            let Ok(mut bytes) = fs::read(&path) else { continue };
            if pass == 0 {
                bytes.truncate(cut(&path, bytes.len() as u64) as usize);
            }
            fs::write(to.join(name), bytes).unwrap();
        }
    }
}
