//! What leaves a log, and what never does.

use std::sync::atomic::Ordering;
use std::time::Duration;

use zamu_core::error::EngineError;
use zamu_core::log::ShardLog as _;
use zamu_core::log::contract::{LogUnderTest as _, Retains as _};

use super::harness::{ALL, LEFT_0, LEFT_1, Machine, Owner, append, request};
use crate::keys;
use crate::{EmbeddedLog, LogOptions};

fn trimmed<T>(found: Result<T, EngineError>) -> bool {
    matches!(found, Err(EngineError::Trimmed(_)))
}

fn segments(log: &EmbeddedLog) -> usize {
    let families = log.shared.view.database.families();
    families.iter().filter(|name| keys::segment_of_family(name).is_some()).count()
}

#[test]
fn dropping_gives_the_disk_back_and_leaves_newest_records_and_events() {
    let mut machine = Machine::forgetful();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    for _ in 0..10 {
        owner.submit(2);
        machine.log().wait_durable().unwrap();
    }
    append(machine.log(), LEFT_1, vec![request(1)]);
    assert_eq!(segments(machine.log()), 11);
    owner.release(10);
    machine.trim();
    // What LEFT_1 has not released holds its own segment and all after it, but none before it.
    assert_eq!(segments(machine.log()), 3, "its own, one with what was carried, the newest");
    assert_eq!(machine.log().metrics().segments_dropped, 10);
    let reader = machine.log().reader();
    assert_eq!(reader.last_outcome(LEFT_0).unwrap().unwrap().0, 10);
    assert!(trimmed(reader.outcomes(LEFT_0, 9, ALL)));
    assert_eq!(reader.events(LEFT_0, 0, ALL).unwrap().len(), 20);
    assert_eq!(reader.requests(LEFT_1, 0, ALL).unwrap().len(), 1);
    assert_eq!(reader.dead_letters(LEFT_0, 1, ALL).unwrap().len(), 10);
}

/// Trimmed, killed, trimmed again, idle all the while.
#[test]
fn the_newest_batch_record_and_all_numbers_survive_any_number_of_segments() {
    let mut machine = Machine::forgetful();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    owner.submit(3);
    let before = append(machine.log(), LEFT_0, vec![request(1), request(2)]);
    owner.release(1);
    for round in 0..4 {
        let mut busy = Owner::of(machine.log(), LEFT_1);
        for _ in 0..3 {
            let turn = busy.submit(1);
            machine.log().wait_durable().unwrap();
            busy.release(turn);
        }
        owner.release(1);
        machine.trim();
        assert!(segments(machine.log()) <= 3, "round {round}: {}", segments(machine.log()));
        let last = machine.log().reader().last_outcome(LEFT_0).unwrap().unwrap();
        assert_eq!((last.0, &last.1[..]), (1, &1_u64.to_be_bytes()[..]), "round {round}");
        drop((owner, busy));
        machine.restart();
        owner = Owner::of(machine.log(), LEFT_0);
    }
    assert_eq!(owner.submit(1), 2);
    machine.log().wait_durable().unwrap();
    let reader = machine.log().reader();
    assert_eq!(reader.last_outcome(LEFT_0).unwrap().unwrap().0, 2);
    assert_eq!(reader.outcomes(LEFT_0, 2, ALL).unwrap().len(), 1);
    let after = append(machine.log(), LEFT_0, vec![request(3)]);
    assert_eq!(after.first, before.first + 2, "offsets are never given again");
    assert!(trimmed(reader.requests(LEFT_0, 0, ALL)));
}

#[test]
fn nothing_leaves_before_its_time_or_without_its_owners_word() {
    let options = LogOptions {
        retention: Duration::from_secs(3_600),
        segment_bytes: 0,
        ..LogOptions::default()
    };
    let mut machine = Machine::with(options);
    let mut owner = Owner::of(machine.log(), LEFT_0);
    for _ in 0..4 {
        owner.submit(1);
        machine.log().wait_durable().unwrap();
    }
    owner.release(2);
    machine.trim();
    let reader = machine.log().reader();
    assert_eq!(reader.outcomes(LEFT_0, 1, ALL).unwrap().len(), 4, "too young");
    machine.clock.fetch_add(3_600_000, Ordering::Relaxed);
    machine.trim();
    assert!(trimmed(reader.outcomes(LEFT_0, 2, ALL)));
    assert_eq!(reader.outcomes(LEFT_0, 3, ALL).unwrap().len(), 2, "not released");
}

#[test]
fn reading_goes_on_while_segments_are_dropped() {
    let mut machine = Machine::forgetful();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    let reader = machine.log().reader();
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = 0;
            while seen < 15 {
                let end = reader.ends(LEFT_0).unwrap();
                let events = reader.events(LEFT_0, 0, ALL).unwrap();
                assert!(events.len() as u64 >= end.events);
                for turn in (1..end.outcomes).rev() {
                    match reader.outcomes(LEFT_0, turn, ALL) {
                        Ok(found) => assert_eq!(found[0].0, turn),
                        Err(EngineError::Trimmed(_)) => break,
                        Err(e) => panic!("turn {turn}: {e}"),
                    }
                }
                seen = end.events;
            }
        });
        for _ in 0..15 {
            let turn = owner.submit(1);
            machine.log().wait_durable().unwrap();
            owner.release(turn);
            machine.trim();
        }
        watcher.join().unwrap();
    });
    assert!(machine.log().metrics().segments_dropped > 10);
}

/// The point of it all: what is append-only is written twice, to the write-ahead log and to a sorted
/// file, and never again.
#[test]
fn rocksdb_never_rewrites_the_log() {
    let options = LogOptions {
        write_buffer_bytes: 64 << 10,
        segment_bytes: 100 << 10,
        retention: Duration::ZERO,
        ..LogOptions::default()
    };
    let mut machine = Machine::with(options);
    for _ in 0..3 {
        let mut owner = Owner::of(machine.log(), LEFT_0);
        for n in 0..200 {
            append(machine.log(), LEFT_0, (0..20).map(request).collect());
            let turn = owner.submit(50 + n % 7);
            machine.log().wait_durable().unwrap();
            owner.release(turn);
            if n % 50 == 0 {
                machine.log().drop_expired().unwrap();
            }
        }
        let disk = machine.log().metrics().disk;
        assert!(disk.flushed > 100_000 && disk.wal > disk.flushed / 2, "{disk:?}");
        assert_eq!(disk.compacted, 0, "{disk:?}");
        drop(owner);
        machine.stop();
        machine.start();
        assert_eq!(machine.log().metrics().disk.compacted, 0);
    }
}

#[test]
fn opening_looks_only_at_what_is_not_known_to_be_whole() {
    let mut machine = Machine::rotating();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    for _ in 0..5 {
        owner.submit(1);
        machine.log().wait_durable().unwrap();
    }
    machine.log().drop_expired().unwrap();
    // All older segments are in sorted files now, so a note of theirs is not looked at again.
    let database = &machine.log().shared.view.database;
    let mut batch = database.batch();
    batch.delete(&keys::segment_family(2), &keys::group_key(2)).unwrap();
    batch.write(true).unwrap();
    drop((owner, batch));
    machine.stop();
    machine.start();
    assert_eq!(super::harness::check(&machine.log().reader(), LEFT_0).outcomes, 6);
    let mut shard = machine.log().shard(&[LEFT_0], std::sync::Arc::new(|| ())).unwrap();
    assert_eq!(shard.last_outcome(LEFT_0).unwrap().unwrap().0, 5);
}

/// Segments come and go by the hour; the column families of events, which stay, must not be as many.
#[test]
fn segments_share_a_column_family_of_events_until_it_is_full() {
    let options = LogOptions {
        segment_bytes: 0,
        events_bytes: 2_000,
        retention: Duration::ZERO,
        ..LogOptions::default()
    };
    let mut machine = Machine::with(options);
    let mut owner = Owner::of(machine.log(), LEFT_0);
    for _ in 0..24 {
        let turn = owner.submit(5);
        machine.log().wait_durable().unwrap();
        owner.release(turn);
    }
    machine.trim();
    let count = |machine: &Machine| {
        let families = machine.log().shared.view.database.families();
        families.iter().filter(|name| keys::segment_of_events_family(name).is_some()).count()
    };
    let families = count(&machine);
    assert!((2..=8).contains(&families), "{families}");
    drop(owner);
    machine.restart();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    owner.submit(5);
    machine.log().wait_durable().unwrap();
    assert!(count(&machine) <= families + 1);
    let events = machine.log().reader().events(LEFT_0, 0, ALL).unwrap();
    assert_eq!(
        events.iter().map(|event| event.number).collect::<Vec<_>>(),
        (0..125).collect::<Vec<_>>()
    );
}
