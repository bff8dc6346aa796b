//! The power goes at any moment under load: what was reported durable is there, and nothing is half
//! there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;
use zamu_core::log::ShardLog as _;
use zamu_core::log::contract::{LosesPower as _, Retains as _, TYPES};
use zamu_core::model::{PartitionId, Time};

use super::harness::{
    ALL, LEFT_0, LEFT_1, Machine, Owner, RIGHT_0, check, copy_files, lengths, request,
};
use crate::{EmbeddedLog, LogOptions, SyncStep};

const CUTS: usize = 16;
/// How many turns an owner may be ahead of what is durable.
const LEAD: u64 = 16;

/// What had been reported as durable when a copy began.
#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    turns: [u64; 2],
    requests: u64,
}

struct Cut {
    folder: TempDir,
    reported: Reported,
    torn_at: u64,
}

/// Two shards and a client at work, small memory so that sorted files are written meanwhile, and at
/// every third sync a copy of the disk as the power failing then would leave it.
#[test]
fn under_load_every_loss_of_power_leaves_all_that_was_reported_and_only_whole_commits() {
    let folder = tempfile::tempdir().unwrap();
    let log_folder = folder.path().join("log");
    let cuts: Arc<Mutex<Vec<Cut>>> = Arc::default();
    let reported: Arc<[AtomicU64; 3]> = Arc::default();
    let gate = Arc::new(Mutex::new(()));
    let sync_gate = Arc::clone(&gate);
    let (sync_cuts, sync_reported) = (Arc::clone(&cuts), Arc::clone(&reported));
    let sync_before = Mutex::new((0_u64, lengths_of(&log_folder)));
    let hook = move |step| {
        let mut before = sync_before.lock().unwrap();
        match step {
            SyncStep::Before(_) => before.1 = lengths_of(&log_folder),
            SyncStep::After(_) => {
                before.0 += 1;
                if !before.0.is_multiple_of(3) || sync_cuts.lock().unwrap().len() >= CUTS {
                    return;
                }
                let read = |i: usize| sync_reported[i].load(Ordering::SeqCst);
                let reported = Reported { turns: [read(0), read(1)], requests: read(2) };
                // The committer stands still, so that the disk is seen as at one moment.
                let _still = sync_gate.lock().unwrap();
                let torn_at = before.0 * 37 % 1_001;
                let copy = tempfile::tempdir().unwrap();
                copy_files(&log_folder, &copy.path().join("log"), |file, len| {
                    let newest = lengths(&log_folder).into_keys().next_back();
                    if file.file_name() != newest.as_deref() {
                        return len;
                    }
                    // One that began after the sync did may be lost whole.
                    let name = newest.unwrap_or_default();
                    let synced = before.1.get(&name).copied().unwrap_or(0);
                    synced + (len - synced) * torn_at / 1_000
                });
                // The mark may say no more than had been synced; here it lags, as it may.
                drop(std::fs::remove_file(copy.path().join("log/zamu.durable")));
                sync_cuts.lock().unwrap().push(Cut { folder: copy, reported, torn_at });
            }
        }
    };
    let options = LogOptions {
        write_buffer_bytes: 64 << 10,
        segment_bytes: 100 << 10,
        events_bytes: 150 << 10,
        keeper_interval: std::time::Duration::from_millis(5),
        queue_jobs: 16,
        on_sync: Some(Arc::new(hook)),
        ..LogOptions::default()
    };
    let clock = Arc::new(move || {
        drop(gate.lock().unwrap());
        Time(1)
    });
    let log = EmbeddedLog::open(folder.path(), options, &TYPES, clock).unwrap();
    work(&log, &cuts, &reported);
    drop(log);
    let cuts = std::mem::take(&mut *cuts.lock().unwrap());
    assert!(cuts.len() >= CUTS && cuts.iter().any(|cut| cut.reported.turns[0] > 0));
    for cut in &cuts {
        check_cut(cut);
    }
}

fn lengths_of(folder: &std::path::Path) -> super::harness::Lengths {
    if folder.exists() { lengths(folder) } else { Default::default() }
}

/// Works until there are enough cuts.
fn work(log: &EmbeddedLog, cuts: &Mutex<Vec<Cut>>, reported: &[AtomicU64; 3]) {
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        for (i, partition) in [LEFT_0, LEFT_1].into_iter().enumerate() {
            let (enough, reported) = (&enough, &reported[i]);
            scope.spawn(move || {
                let mut owner = Owner::of(log, partition);
                let mut submitted = 0;
                while !enough.load(Ordering::Relaxed) {
                    let commit = owner.turn(5, Some(RIGHT_0));
                    let mut waiting = Some(commit);
                    while let Some(commit) = waiting.take() {
                        if let Err((commit, _)) = owner.shard.submit(commit) {
                            waiting = Some(commit);
                            thread::yield_now();
                        }
                    }
                    submitted += 1;
                    // A bounded lead, so that the log stays small enough to be copied often.
                    let mut durable = owner.durable();
                    while submitted > durable + LEAD && !enough.load(Ordering::Relaxed) {
                        thread::yield_now();
                        durable = owner.durable();
                    }
                    reported.fetch_max(durable, Ordering::SeqCst);
                }
            });
        }
        let mut requests = 0;
        while cuts.lock().unwrap().len() < CUTS {
            super::harness::append(log, RIGHT_0, vec![request(requests)]);
            requests += 1;
            reported[2].store(requests, Ordering::SeqCst);
        }
        enough.store(true, Ordering::Relaxed);
    });
}

fn check_cut(cut: &Cut) {
    let (reported, torn_at) = (cut.reported, cut.torn_at);
    let log =
        EmbeddedLog::open(cut.folder.path(), LogOptions::default(), &TYPES, Arc::new(|| Time(1)))
            .unwrap_or_else(|e| panic!("{reported:?} torn at {torn_at}: {e}"));
    let reader = log.reader();
    let mut sent = 0;
    for (partition, turns) in [LEFT_0, LEFT_1].into_iter().zip(reported.turns) {
        let ends = check(&reader, partition);
        assert!(ends.outcomes > turns, "{ends:?} of {reported:?}, torn at {torn_at}");
        assert_eq!(ends.events, (ends.outcomes - 1) * 5, "whole commits");
        assert_eq!(ends.dead_letters, ends.outcomes);
        sent += ends.events;
    }
    let commands = reader.commands(RIGHT_0, 0, ALL).unwrap();
    assert_eq!(commands.len() as u64, sent, "each turn with all its commands");
    let requests = reader.requests(RIGHT_0, 0, ALL).unwrap();
    assert!(requests.len() as u64 >= reported.requests, "{} of {reported:?}", requests.len());
    for (n, stored) in requests.iter().enumerate() {
        assert_eq!((stored.offset, &stored.record), (n as u64, &request(n as u64)));
    }
    let mut owner = Owner::of(&log, LEFT_0);
    let turn = owner.submit(1);
    log.wait_durable().unwrap();
    assert_eq!(reader.ends(LEFT_0).unwrap().outcomes, turn + 1, "and the log goes on");
}

/// A kill between written and durable loses nothing, for the files outlive the process; the power
/// failing there takes all of it, or the first part.
#[test]
fn between_written_and_durable_a_kill_takes_nothing_and_the_loss_of_power_whole_commits() {
    for kept in [0, 300, 500, 999, 1_000] {
        let mut machine = Machine::new();
        let mut owner = Owner::of(machine.log(), LEFT_0);
        owner.submit(1);
        machine.log().wait_durable().unwrap();
        machine.hold_durable(true);
        (0..3).for_each(|_| {
            owner.submit(50);
            machine.log().wait_written().unwrap();
        });
        assert_eq!(machine.log().reader().ends(LEFT_0).unwrap().events, 1);
        let killed = tempfile::tempdir().unwrap();
        copy_files(&machine.dir().join("log"), &killed.path().join("log"), |_, len| len);
        machine.power_loss(kept);
        let left = check(&machine.log().reader(), LEFT_0).events;
        assert!(left % 50 == 1 && left <= 151, "{left} events at {kept}");
        assert!((kept > 0 || left == 1) && (kept < 1_000 || left == 151), "{left} at {kept}");
        let reader = EmbeddedLog::open_read_only(killed.path()).unwrap();
        assert_eq!(check(&reader, LEFT_0).events, 151);
    }
}

/// What is dropped is gone at once; the note that it need not be looked for must be as safe.
#[test]
fn the_power_failing_right_after_segments_went_leaves_a_log_that_opens() {
    for kept in [0, 500, 1_000] {
        let mut machine = Machine::forgetful();
        let mut owner = Owner::of(machine.log(), LEFT_0);
        for _ in 0..4 {
            let turn = owner.submit(2);
            machine.log().wait_durable().unwrap();
            // The newest record stays where it is: nothing is carried and synced on the way.
            owner.release(turn - 1);
        }
        machine.trim();
        assert!(machine.log().metrics().segments_dropped > 1);
        drop(owner);
        machine.power_loss(kept);
        let reader = machine.log().reader();
        assert_eq!(reader.last_outcome(LEFT_0).unwrap().unwrap().0, 4);
        assert_eq!(reader.events(LEFT_0, 0, ALL).unwrap().len(), 8);
        assert_eq!(Owner::of(machine.log(), LEFT_0).submit(1), 5);
        machine.log().wait_durable().unwrap();
    }
}

/// A partition of a type that nobody touched stays as it was.
#[test]
fn what_a_cut_does_not_touch_stays() {
    let mut machine = Machine::new();
    let other = PartitionId { number: 2, ..RIGHT_0 };
    super::harness::append(machine.log(), other, vec![request(1)]);
    for kept in [0, 700] {
        let mut owner = Owner::of(machine.log(), LEFT_0);
        machine.hold_durable(true);
        owner.submit(9);
        machine.log().wait_written().unwrap();
        drop(owner);
        machine.power_loss(kept);
        assert_eq!(machine.log().reader().ends(other).unwrap().requests, 1);
        assert_eq!(check(&machine.log().reader(), LEFT_0).events, 0);
    }
}
