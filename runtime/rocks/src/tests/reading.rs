//! Readers, beside the shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zamu_core::error::EngineError;
use zamu_core::log::contract::{LosesPower as _, Retains as _};
use zamu_core::log::{Limit, ShardLog as _};
use zamu_core::model::{PartitionId, Time};

use super::harness::{ALL, LEFT_0, LEFT_1, Machine, Owner, append, check, request};
use crate::Timed;

#[test]
fn old_positions_are_read_through_many_segments() {
    let mut machine = Machine::rotating();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    for turn in 1..=20 {
        owner.submit(turn % 4);
        machine.log().wait_durable().unwrap();
        append(machine.log(), LEFT_0, vec![request(2 * turn), request(2 * turn + 1)]);
    }
    drop(owner);
    for _ in 0..2 {
        let reader = machine.log().reader();
        assert_eq!(check(&reader, LEFT_0).events, 30);
        for from in 0..40 {
            let limit = Limit { records: 7, bytes: usize::MAX };
            let found = reader.requests(LEFT_0, from, limit).unwrap();
            let numbers: Vec<_> = (from + 2..42).take(7).map(request).collect();
            assert_eq!(found.into_iter().map(|s| s.record).collect::<Vec<_>>(), numbers);
        }
        let events = reader.events(LEFT_0, 13, Limit { records: 5, bytes: usize::MAX }).unwrap();
        assert_eq!(events.iter().map(|e| e.number).collect::<Vec<_>>(), [13, 14, 15, 16, 17]);
        let events = reader.events(LEFT_0, 13, Limit { records: 50, bytes: 350 }).unwrap();
        assert_eq!(events.len(), 3, "bytes bound as well");
        drop(reader);
        machine.stop();
        machine.start();
    }
}

/// What left memory is taken from files; what is new from memory; nothing twice, nothing left out.
#[test]
fn takes_behind_the_tail_find_all_that_was_written() {
    let mut machine = Machine::new();
    machine.stop();
    machine.options.tail_bytes = 10 * 10_000;
    machine.start();
    for n in 0..300 {
        append(machine.log(), LEFT_0, vec![request(3 * n), request(3 * n + 1), request(3 * n + 2)]);
    }
    let mut shard = machine.log().shard(&[LEFT_0], Arc::new(|| ())).unwrap();
    let mut from = 0;
    let limit = Limit { records: 64, bytes: usize::MAX };
    loop {
        let taken = shard.take_requests(LEFT_0, from, limit).unwrap();
        assert!(taken.len() == 64 || from + taken.len() as u64 == 900 || from > 800, "from {from}");
        for stored in &taken {
            assert_eq!((stored.offset, &stored.record), (from, &request(from)));
            from += 1;
        }
        if taken.is_empty() {
            break;
        }
    }
    assert_eq!(from, 900);
    assert_eq!(shard.take_requests(LEFT_0, 5, limit).unwrap()[0].record, request(5), "and back");
}

#[test]
fn an_aggregates_history_is_walked_from_its_last_event_back() {
    let machine = Machine::rotating();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    for _ in 0..5 {
        owner.submit(2);
        machine.log().wait_durable().unwrap();
    }
    let reader = machine.log().reader();
    let numbers = |last, limit| {
        let events = reader.history(LEFT_0, last, limit).unwrap();
        events.iter().map(|event| event.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(9, 99), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(numbers(6, 3), [6, 5, 4]);
    assert_eq!(numbers(10, 3), [0; 0], "not there yet");
}

#[test]
fn what_the_log_took_at_a_time_is_found_without_reading_what_came_before() {
    for mut machine in [Machine::rotating(), Machine::new()] {
        let mut owner = Owner::of(machine.log(), LEFT_0);
        for turn in 0..12 {
            owner.submit(1 + turn % 3);
            machine.log().wait_durable().unwrap();
            append(machine.log(), LEFT_0, vec![request(2 * turn), request(2 * turn + 1)]);
        }
        drop(owner);
        for _ in 0..2 {
            let reader = machine.log().reader();
            let end = reader.ends(LEFT_0).unwrap();
            for (records, first, end) in [
                (Timed::Events, 0, end.events),
                (Timed::Requests, 0, end.requests),
                (Timed::Outcomes, 1, end.outcomes),
            ] {
                let appended = |number| reader.appended(LEFT_0, records, number).unwrap();
                let times: Vec<Time> =
                    (first..end).map(|number| appended(number).unwrap()).collect();
                assert!(times.is_sorted() && times[0] < times[times.len() - 1], "{records:?}");
                assert_eq!(appended(end), None, "{records:?}: not there yet");
                for ms in times[0].0 - 1..=times[times.len() - 1].0 + 1 {
                    let before = times.partition_point(|time| *time < Time(ms)) as u64;
                    let found = reader.since(LEFT_0, records, Time(ms)).unwrap();
                    assert_eq!(found, first + before, "{records:?} at {ms}");
                }
            }
            let turn = reader.appended(LEFT_0, Timed::Outcomes, 1).unwrap();
            assert_eq!(reader.appended(LEFT_0, Timed::Events, 0).unwrap(), turn, "one commit");
            assert_eq!(reader.appended(LEFT_0, Timed::Commands, 0).unwrap(), None);
            assert_eq!(reader.since(LEFT_0, Timed::Commands, Time(0)).unwrap(), 0, "nothing there");
            drop(reader);
            machine.stop();
            machine.start();
        }
    }
}

#[test]
fn what_retention_removed_has_no_time_and_is_never_found_by_one() {
    let mut machine = Machine::forgetful();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    for _ in 0..6 {
        owner.submit(1);
        machine.log().wait_durable().unwrap();
    }
    owner.release(4);
    machine.trim();
    let reader = machine.log().reader();
    assert_eq!(reader.oldest(LEFT_0, Timed::Outcomes).unwrap(), 5);
    assert_eq!(reader.appended(LEFT_0, Timed::Outcomes, 4).unwrap(), None);
    assert!(reader.appended(LEFT_0, Timed::Outcomes, 5).unwrap().is_some());
    assert_eq!(reader.since(LEFT_0, Timed::Outcomes, Time(0)).unwrap(), 5);
    assert_eq!(reader.oldest(LEFT_0, Timed::Events).unwrap(), 0, "events are kept for ever");
    assert_eq!(reader.since(LEFT_0, Timed::Events, Time(0)).unwrap(), 0);
}

#[test]
fn a_history_that_leads_elsewhere_is_damage() {
    let machine = Machine::new();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    let mut commit = owner.turn(3, None);
    commit.turns[0].events[1].key = "another".into();
    owner.shard.submit(commit).map_err(|(_, e)| e).unwrap();
    machine.log().wait_durable().unwrap();
    let found = machine.log().reader().history(LEFT_0, 2, 9);
    assert!(matches!(found, Err(EngineError::Damaged(_))), "{found:?}");
}

#[test]
fn listeners_hear_of_what_is_durable_and_not_of_what_is_written() {
    let mut machine = Machine::new();
    let (heard, seen) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let reader = machine.log().reader();
    let listener = {
        let (heard, seen, reader) = (Arc::clone(&heard), Arc::clone(&seen), reader.clone());
        move || {
            heard.fetch_add(1, Ordering::SeqCst);
            seen.store(reader.ends(LEFT_0).unwrap().events, Ordering::SeqCst);
        }
    };
    let subscription = reader.subscribe(Arc::new(listener));
    let mut owner = Owner::of(machine.log(), LEFT_0);
    owner.submit(1);
    // What was synced when the log was opened may be told as late as this.
    while seen.load(Ordering::SeqCst) < 1 {
        std::thread::yield_now();
    }
    let idle = heard.load(Ordering::SeqCst);
    machine.hold_durable(true);
    owner.submit(1);
    machine.log().wait_written().unwrap();
    assert_eq!((heard.load(Ordering::SeqCst), reader.ends(LEFT_0).unwrap().events), (idle, 1));
    machine.hold_durable(false);
    machine.log().wait_durable().unwrap();
    owner.submit(1);
    machine.log().wait_durable().unwrap();
    let before = heard.load(Ordering::SeqCst);
    assert!(before > idle);
    assert_eq!(reader.ends(LEFT_0).unwrap().events, 3);
    drop(subscription);
    owner.submit(1);
    machine.log().wait_durable().unwrap();
    assert!(heard.load(Ordering::SeqCst) <= before + 1, "only a call that had begun");
}

#[test]
fn control_records_are_numbered_from_1_and_kept() {
    let mut machine = Machine::forgetful();
    for n in 1..=3_u64 {
        assert_eq!(machine.log().append_control(format!("c{n}").into()).unwrap(), n);
    }
    machine.log().drop_expired().unwrap();
    machine.stop();
    machine.start();
    assert_eq!(machine.log().append_control("c4".into()).unwrap(), 4);
    let records = machine.log().reader().control(2, ALL).unwrap();
    assert_eq!(records, [(2, "c2".into()), (3, "c3".into()), (4, "c4".into())]);
}

#[test]
fn a_partition_that_does_not_exist_is_an_error_everywhere() {
    let machine = Machine::new();
    let beyond = PartitionId { number: 2, ..LEFT_1 };
    let reader = machine.log().reader();
    assert!(matches!(reader.ends(beyond), Err(EngineError::Fatal(_))));
    assert!(matches!(reader.events(beyond, 0, ALL), Err(EngineError::Fatal(_))));
    assert!(machine.log().shard(&[beyond], Arc::new(|| ())).is_err());
    let (tell, told) = crossbeam_channel::bounded(1);
    let done = Box::new(move |result| tell.send(result).unwrap());
    machine.log().intake().append(beyond, vec![request(1)], done);
    assert!(matches!(told.recv().unwrap(), Err(EngineError::Fatal(_))));
}
