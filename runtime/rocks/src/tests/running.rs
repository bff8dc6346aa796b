//! A running log: its queues, its owners, its failures, many threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use zamu_core::error::EngineError;
use zamu_core::log::contract::{LogUnderTest as _, LosesPower as _};
use zamu_core::log::{Commit, Limit, Ownership, Progress, ShardLog as _};
use zamu_core::model::PartitionId;

use super::harness::{ALL, LEFT_0, LEFT_1, Machine, Owner, RIGHT_0, append, check, request};
use crate::{LogOptions, SyncStep};

#[test]
fn full_queues_say_try_again_and_lose_nothing() {
    let gate = Arc::new(Mutex::new(()));
    let (at_gate, hook_gate) = (crossbeam_channel::bounded(1), Arc::clone(&gate));
    let tell = at_gate.0.clone();
    // The clock is read by the committer at each group: whoever holds it up fills the queue.
    let clock = Arc::new(move || {
        let _ = tell.try_send(());
        drop(hook_gate.lock().unwrap());
        zamu_core::model::Time(1)
    });
    let folder = tempfile::tempdir().unwrap();
    let options = LogOptions { queue_jobs: 4, ..LogOptions::default() };
    let types = zamu_core::log::contract::TYPES;
    let log = crate::EmbeddedLog::open(folder.path(), options, &types, clock).unwrap();
    let mut owner = Owner::of(&log, LEFT_0);
    let _ = at_gate.1.try_iter().count();
    let closed = gate.lock().unwrap();
    owner.submit(1);
    at_gate.1.recv().unwrap();
    (0..4).for_each(|_| _ = owner.submit(1));
    let commit = owner.turn(1, None);
    let (refused, e) = owner.shard.submit(commit.clone()).unwrap_err();
    assert!(refused == commit && matches!(e, EngineError::Retry(_)), "{e}");
    let told = Arc::new(Mutex::new(Vec::new()));
    for n in 0..6 {
        let told = Arc::clone(&told);
        let done = Box::new(move |result| told.lock().unwrap().push((n, result)));
        log.intake().append(LEFT_0, vec![request(n)], done);
    }
    let early: Vec<_> = told.lock().unwrap().drain(..).collect();
    assert_eq!(early.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [4, 5]);
    assert!(early.iter().all(|(_, result)| matches!(result, Err(EngineError::Retry(_)))));
    assert_eq!(log.metrics().retries, 3);
    drop(closed);
    log.wait_durable().unwrap();
    owner.shard.submit(refused).map_err(|(_, e)| e).unwrap();
    log.wait_durable().unwrap();
    assert_eq!(check(&log.reader(), LEFT_0).outcomes, 7);
    assert_eq!(log.reader().ends(LEFT_0).unwrap().requests, 4);
}

#[test]
fn a_commit_that_does_not_continue_the_log_is_a_bug_and_is_refused_whole() {
    let machine = Machine::new();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    owner.submit(3);
    let good = owner.turn(2, Some(RIGHT_0));
    let mut bad: Vec<Commit> = vec![good.clone(); 7];
    bad[0].id = 1;
    bad[1].turns[0].turn += 1;
    bad[2].turns[0].events[1].number += 1;
    bad[3].turns[0].events.remove(0);
    bad[4].turns[0].dead_letters[0].0 += 1;
    bad[5].turns[0].commands[0].0.number = 99;
    bad[6].turns.push(good.turns[0].clone());
    for (i, commit) in bad.into_iter().enumerate() {
        let (back, e) = owner.shard.submit(commit.clone()).unwrap_err();
        assert!(back == commit && matches!(e, EngineError::Fatal(_)), "case {i}: {e}");
    }
    let mut foreign = good.clone();
    foreign.turns[0].partition = LEFT_1;
    let (_, e) = owner.shard.submit(foreign).unwrap_err();
    assert!(matches!(e, EngineError::Fenced(_)), "{e}");
    owner.shard.submit(good).map_err(|(_, e)| e).unwrap();
    machine.log().wait_durable().unwrap();
    assert_eq!(check(&machine.log().reader(), LEFT_0).events, 5);
}

#[test]
fn a_new_owner_finds_all_that_was_submitted_and_fences_the_old_one() {
    let machine = Machine::new();
    let mut old = Owner::of(machine.log(), LEFT_0);
    assert_eq!(old.shard.ownership(), Some(Ownership::Assigned(LEFT_0)));
    (0..20).for_each(|_| _ = old.submit(2));
    let mut new = machine.log().shard(&[LEFT_0], Arc::new(|| ())).unwrap();
    assert_eq!(new.last_outcome(LEFT_0).unwrap().unwrap().0, 20);
    assert_eq!(old.shard.ownership(), Some(Ownership::Lost(LEFT_0)));
    let commit = old.turn(1, None);
    let (_, e) = old.shard.submit(commit).unwrap_err();
    assert!(matches!(e, EngineError::Fenced(_)), "{e}");
    assert!(matches!(old.shard.take_requests(LEFT_0, 0, ALL), Err(EngineError::Fenced(_))));
    let mut news = Vec::new();
    while let Some(progress) = old.shard.poll() {
        news.push(progress);
    }
    assert_eq!(news, [Progress::Written(20), Progress::Durable(20), Progress::Fenced]);
    drop(old);
    let mut owner = Owner::of(machine.log(), LEFT_0);
    assert_eq!(owner.submit(1), 21);
    machine.log().wait_durable().unwrap();
    assert_eq!(check(&machine.log().reader(), LEFT_0).events, 41);
}

#[test]
fn shards_are_woken_for_input_and_for_progress() {
    let mut machine = Machine::new();
    let woken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&woken);
    let wake = move || {
        count.fetch_add(1, Ordering::SeqCst);
    };
    let target = machine.log().shard(&[RIGHT_0], Arc::new(wake)).unwrap();
    let calls = || woken.swap(0, Ordering::SeqCst);
    let mut owner = Owner::of(machine.log(), LEFT_0);
    machine.hold_durable(true);
    assert_eq!(calls(), 0);
    let commit = owner.turn(2, Some(RIGHT_0));
    owner.shard.submit(commit).map_err(|(_, e)| e).unwrap();
    machine.log().wait_written().unwrap();
    assert_eq!(calls(), 1, "commands, before they are durable");
    machine.hold_durable(false);
    machine.log().wait_durable().unwrap();
    append(machine.log(), RIGHT_0, vec![request(1)]);
    assert_eq!(calls(), 1, "a request");
    append(machine.log(), LEFT_1, vec![request(1)]);
    owner.submit(1);
    machine.log().wait_durable().unwrap();
    assert_eq!(calls(), 0, "nothing for it");
    drop(target);
}

/// The disk fails while a write is on its way: nobody is told that it is durable, nothing more is
/// taken, and the process would end.
#[test]
fn a_write_that_fails_stops_the_log_before_anyone_is_answered() {
    let mut machine = Machine::new();
    machine.stop();
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let hook = Arc::clone(&reasons);
    machine.options.on_fatal =
        Some(Arc::new(move |reason: &str| hook.lock().unwrap().push(reason.to_string())));
    machine.start();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    owner.submit(1);
    machine.log().wait_durable().unwrap();
    machine.log().shared.view.database.drop_family(&crate::keys::segment_family(1)).unwrap();
    let commit = owner.turn(1, None);
    owner.shard.submit(commit).map_err(|(_, e)| e).unwrap();
    let (tell, told) = crossbeam_channel::bounded(1);
    let done = Box::new(move |result| tell.send(result).unwrap());
    machine.log().intake().append(LEFT_0, vec![request(1)], done);
    assert!(matches!(told.recv().unwrap(), Err(EngineError::Fatal(_))));
    assert!(machine.log().wait_durable().is_err());
    assert_eq!(owner.durable(), 1);
    assert_eq!(reasons.lock().unwrap().len(), 1);
    let commit = owner.turn(1, None);
    let (_, e) = owner.shard.submit(commit).unwrap_err();
    assert!(matches!(&e, EngineError::Fatal(text) if text.contains("failed")), "{e}");
}

#[test]
fn append_times_never_decrease_when_the_clock_goes_back() {
    let mut machine = Machine::new();
    machine.clock.store(50_000, Ordering::Relaxed);
    let mut times = vec![append(machine.log(), LEFT_0, vec![request(0)]).time.0];
    machine.clock.store(10_000, Ordering::Relaxed);
    times.push(append(machine.log(), LEFT_0, vec![request(1)]).time.0);
    machine.restart();
    times.push(append(machine.log(), LEFT_0, vec![request(2)]).time.0);
    machine.clock.store(90_000, Ordering::Relaxed);
    times.push(append(machine.log(), LEFT_0, vec![request(3)]).time.0);
    assert_eq!(times[..3], [50_000; 3]);
    assert!(times[3] >= 90_000, "{times:?}");
    let stored = machine.log().reader().requests(LEFT_0, 0, ALL).unwrap();
    assert_eq!(stored.iter().map(|s| s.appended.0).collect::<Vec<_>>(), times);
}

/// A slow disk makes larger groups, not more syncs.
#[test]
fn what_is_written_during_a_sync_is_made_durable_by_the_next_one() {
    let mut machine = Machine::new();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    owner.submit(1);
    machine.log().wait_durable().unwrap();
    let before = machine.log().metrics().syncs;
    machine.hold_durable(true);
    for _ in 0..50 {
        owner.submit(1);
        machine.log().wait_written().unwrap();
    }
    machine.hold_durable(false);
    machine.log().wait_durable().unwrap();
    let syncs = machine.log().metrics().syncs - before;
    assert!((1..=2).contains(&syncs), "{syncs}");
    assert_eq!(owner.durable(), 51);
    let metrics = machine.log().metrics();
    assert_eq!((metrics.commits, metrics.queued_jobs), (51, 0));
    assert!(metrics.sync_time.as_nanos() > 0 && metrics.frame_bytes > 0);
}

/// Eight owners, four clients, a follower of events, for a few thousand commits.
#[test]
fn many_threads_see_one_log() {
    const TURNS: u64 = 150;
    let machine = Machine::new();
    let log = machine.log();
    let partitions: Vec<PartitionId> = log.reader().partitions();
    thread::scope(|scope| {
        for &partition in &partitions {
            scope.spawn(move || own(log, partition, TURNS));
        }
        for client in 0..4_u64 {
            scope.spawn(move || {
                for n in 0..TURNS {
                    append(log, RIGHT_0, vec![request(client * TURNS + n)]);
                }
            });
        }
        scope.spawn(|| follow(log, LEFT_0, 2 * TURNS));
    });
    for &partition in &partitions {
        let ends = check(&log.reader(), partition);
        assert_eq!((ends.outcomes, ends.events), (TURNS + 1, 2 * TURNS));
    }
    let commands = log.reader().commands(RIGHT_0, 0, ALL).unwrap();
    assert_eq!(commands.len() as u64, 2 * TURNS * partitions.len() as u64);
    let mut requests: Vec<u64> = (log.reader().requests(RIGHT_0, 0, ALL).unwrap().iter())
        .map(|stored| String::from_utf8_lossy(&stored.record.body).parse().unwrap())
        .collect();
    let in_order = |client: u64| {
        let range = client * TURNS..(client + 1) * TURNS;
        requests.iter().filter(|n| range.contains(n)).is_sorted()
    };
    assert!((0..4).all(in_order), "each client's requests stand in its order");
    requests.sort_unstable();
    assert_eq!(requests, (0..4 * TURNS).collect::<Vec<_>>());
}

fn own(log: &crate::EmbeddedLog, partition: PartitionId, turns: u64) {
    let mut owner = Owner::of(log, partition);
    for _ in 0..turns {
        let mut waiting = Some(owner.turn(2, Some(RIGHT_0)));
        while let Some(commit) = waiting.take() {
            if let Err((commit, e)) = owner.shard.submit(commit) {
                assert!(matches!(e, EngineError::Retry(_)), "{e}");
                waiting = Some(commit);
                thread::yield_now();
            }
        }
    }
    log.wait_durable().unwrap();
    assert_eq!(owner.durable(), turns);
}

/// Follows events as a live stream does: woken, then reading from where it was.
fn follow(log: &crate::EmbeddedLog, partition: PartitionId, until: u64) {
    let (wake, woken) = crossbeam_channel::bounded(1);
    let _subscription = log.reader().subscribe(Arc::new(move || _ = wake.try_send(())));
    let mut next = 0;
    while next < until {
        let limit = Limit { records: 16, bytes: usize::MAX };
        let events = log.reader().events(partition, next, limit).unwrap();
        if events.is_empty() {
            woken.recv().unwrap();
        }
        for event in events {
            assert_eq!(event.number, next);
            next += 1;
        }
    }
}

/// The hook is told of groups in order, before and after.
#[test]
fn sync_steps_come_in_pairs_with_rising_groups() {
    let mut machine = Machine::new();
    machine.stop();
    let steps: Arc<Mutex<Vec<SyncStep>>> = Arc::default();
    let hook = Arc::clone(&steps);
    let folder = tempfile::tempdir().unwrap();
    let options = LogOptions {
        on_sync: Some(Arc::new(move |step| hook.lock().unwrap().push(step))),
        ..LogOptions::default()
    };
    let types = zamu_core::log::contract::TYPES;
    let log = crate::EmbeddedLog::open(folder.path(), options, &types, machine.clock()).unwrap();
    (1..4).for_each(|n| _ = append(&log, LEFT_0, vec![request(n)]));
    let pair = |group| [SyncStep::Before(group), SyncStep::After(group)];
    assert_eq!(*steps.lock().unwrap(), [pair(1), pair(2), pair(3)].concat());
}

#[test]
fn a_callback_that_panics_stops_the_log_instead_of_leaving_it_mute() {
    let mut machine = Machine::new();
    machine.stop();
    let (tell, reason) = crossbeam_channel::unbounded();
    machine.options.on_fatal = Some(Arc::new(move |why: &str| tell.send(why.to_string()).unwrap()));
    machine.start();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    machine.log().intake().append(LEFT_0, vec![request(1)], Box::new(|_| panic!("on purpose")));
    assert!(reason.recv().unwrap().contains("zamu-log-sync has panicked"));
    let commit = owner.turn(1, None);
    assert!(owner.shard.submit(commit).is_err());
    assert!(machine.log().wait_durable().is_err());
}
